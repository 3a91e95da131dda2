"""Loads and stores that the kernel makes with the user's mapping: enhanced virtual addressing.  (MD00087, chapter 3)

Invariant: each is its ordinary namesake, but translated as in user mode; Coprocessor 0 must be usable.
"""
from __future__ import annotations

from vmm.arch.insns import system
from vmm.arch.privileged import memory
from vmm.arch.rows import Family

eva = Family("eva")


def insn(code, syntax, operand="rt", **more):
    return eva.insn(f"011111 base:5 {operand}:5 offset:9 0 {code}", f"{syntax} {{{operand}}}, {{offset}}({{base}})",
                    since=2, ase="EVA", cp0=True, **more)


def effective(m, base, offset):
    return m.gpr[base] + m.signed(offset, 9)


def load(m, address, size):
    return m.call(memory.load_as_user, address, m.const(size))


def store(m, address, size, word):
    m.call(memory.store_as_user, address, m.const(size), word)


def load_unit(m, address):
    return m.call(memory.load_unit_as_user, address, m.const(4))


def store_unit(m, address, word, mask):
    m.call(memory.store_unit_as_user, address, m.const(4), word, mask)


@insn("101100", "lbe")
def lbe(m, base, rt, offset):
    m.gpr[rt] = m.signed(load(m, effective(m, base, offset), 1), 8)


@insn("101000", "lbue")
def lbue(m, base, rt, offset):
    m.gpr[rt] = load(m, effective(m, base, offset), 1)


@insn("101101", "lhe")
def lhe(m, base, rt, offset):
    m.gpr[rt] = m.signed(load(m, effective(m, base, offset), 2), 16)


@insn("101001", "lhue")
def lhue(m, base, rt, offset):
    m.gpr[rt] = load(m, effective(m, base, offset), 2)


@insn("101111", "lwe")
def lwe(m, base, rt, offset):
    m.gpr[rt] = m.word(load(m, effective(m, base, offset), 4))


@insn("011100", "sbe")
def sbe(m, base, rt, offset):
    store(m, effective(m, base, offset), 1, m.gpr[rt])


@insn("011101", "she")
def she(m, base, rt, offset):
    store(m, effective(m, base, offset), 2, m.gpr[rt])


@insn("011111", "swe")
def swe(m, base, rt, offset):
    store(m, effective(m, base, offset), 4, m.gpr[rt])


@insn("101110", "lle")
def lle(m, base, rt, offset):
    m.gpr[rt] = m.word(m.call(memory.load_linked_as_user, effective(m, base, offset), m.const(4)))


@insn("011110", "sce")
def sce(m, base, rt, offset):
    m.gpr[rt] = m.call(memory.store_conditional_as_user, effective(m, base, offset), m.const(4), m.gpr[rt])


@insn("011001", "lwle", until=6)
def lwle(m, base, rt, offset):
    address = effective(m, base, offset)
    kept = m.lane(address, 4) << 3                             # as LWL
    m.gpr[rt] = m.word(load_unit(m, address).shl(kept) | m.gpr[rt] & m.const(1).shl(kept) - 1)


@insn("011010", "lwre", until=6)
def lwre(m, base, rt, offset):
    address = effective(m, base, offset)
    unused = m.const(24) - (m.lane(address, 4) << 3)           # as LWR
    m.gpr[rt] = m.word(load_unit(m, address).shr(unused) | m.gpr[rt] & ~m.const(0xFFFF_FFFF).shr(unused))


@insn("100001", "swle", until=6)
def swle(m, base, rt, offset):
    address = effective(m, base, offset)
    before = m.lane(address, 4) << 3
    store_unit(m, address, m.unsigned(m.gpr[rt], 32).shr(before), m.const(0xFFFF_FFFF).shr(before))


@insn("100010", "swre", until=6)
def swre(m, base, rt, offset):
    address = effective(m, base, offset)
    unused = m.const(24) - (m.lane(address, 4) << 3)
    store_unit(m, address, m.unsigned(m.gpr[rt].shl(unused), 32), m.unsigned(m.const(0xFFFF_FFFF).shl(unused), 32))


@insn("011011", "cachee", "op")
def cachee(m, base, op, offset):
    m.state.as_user = 1
    m.call(system.cache_operation, m.unsigned(op, 5), effective(m, base, offset))
    m.state.as_user = 0


@insn("100011", "prefe", "hint")
def prefe(m, base, hint, offset):
    """Advice only."""
