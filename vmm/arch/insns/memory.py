"""Loads, stores, unaligned halves, linked and conditional accesses, prefetch, barrier.  (MD00087, chapter 3)

Invariant: every access is naturally aligned or raises AdEL/AdES; LWL and its like work on the aligned
unit that holds the byte addressed.  A 32-bit load writes a sign-extended word, LWL and LWR included
(which the manual leaves open when they replace only some of the bytes).
"""
from __future__ import annotations

from vmm.arch.rows import Family

memory = Family("memory")


def effective(m, base, offset):
    return m.gpr[base] + m.signed(offset, 16)


@memory.insn("100000 base:5 rt:5 offset:16", "lb {rt}, {offset}({base})")
def lb(m, base, rt, offset):
    m.gpr[rt] = m.signed(m.load(effective(m, base, offset), 1), 8)


@memory.insn("100100 base:5 rt:5 offset:16", "lbu {rt}, {offset}({base})")
def lbu(m, base, rt, offset):
    m.gpr[rt] = m.load(effective(m, base, offset), 1)


@memory.insn("100001 base:5 rt:5 offset:16", "lh {rt}, {offset}({base})")
def lh(m, base, rt, offset):
    m.gpr[rt] = m.signed(m.load(effective(m, base, offset), 2), 16)


@memory.insn("100101 base:5 rt:5 offset:16", "lhu {rt}, {offset}({base})")
def lhu(m, base, rt, offset):
    m.gpr[rt] = m.load(effective(m, base, offset), 2)


@memory.insn("100011 base:5 rt:5 offset:16", "lw {rt}, {offset}({base})")
def lw(m, base, rt, offset):
    m.gpr[rt] = m.word(m.load(effective(m, base, offset), 4))


@memory.insn("100111 base:5 rt:5 offset:16", "lwu {rt}, {offset}({base})", bits=64)
def lwu(m, base, rt, offset):
    m.gpr[rt] = m.load(effective(m, base, offset), 4)


@memory.insn("110111 base:5 rt:5 offset:16", "ld {rt}, {offset}({base})", bits=64)
def ld(m, base, rt, offset):
    m.gpr[rt] = m.load(effective(m, base, offset), 8)


@memory.insn("101000 base:5 rt:5 offset:16", "sb {rt}, {offset}({base})")
def sb(m, base, rt, offset):
    m.store(effective(m, base, offset), 1, m.gpr[rt])


@memory.insn("101001 base:5 rt:5 offset:16", "sh {rt}, {offset}({base})")
def sh(m, base, rt, offset):
    m.store(effective(m, base, offset), 2, m.gpr[rt])


@memory.insn("101011 base:5 rt:5 offset:16", "sw {rt}, {offset}({base})")
def sw(m, base, rt, offset):
    m.store(effective(m, base, offset), 4, m.gpr[rt])


@memory.insn("111111 base:5 rt:5 offset:16", "sd {rt}, {offset}({base})", bits=64)
def sd(m, base, rt, offset):
    m.store(effective(m, base, offset), 8, m.gpr[rt])


@memory.insn("100010 base:5 rt:5 offset:16", "lwl {rt}, {offset}({base})", until=6)
def lwl(m, base, rt, offset):
    address = effective(m, base, offset)
    kept = m.lane(address, 4) << 3                             # how many low bits of rt stay
    unit = m.load_unit(address, 4)
    m.gpr[rt] = m.word(unit.shl(kept) | m.gpr[rt] & m.const(1).shl(kept) - 1)


@memory.insn("100110 base:5 rt:5 offset:16", "lwr {rt}, {offset}({base})", until=6)
def lwr(m, base, rt, offset):
    address = effective(m, base, offset)
    unused = m.const(24) - (m.lane(address, 4) << 3)           # low bits of the unit, after the address
    unit = m.load_unit(address, 4)
    m.gpr[rt] = m.word(unit.shr(unused) | m.gpr[rt] & ~m.const(0xFFFF_FFFF).shr(unused))


@memory.insn("101010 base:5 rt:5 offset:16", "swl {rt}, {offset}({base})", until=6)
def swl(m, base, rt, offset):
    address = effective(m, base, offset)
    before = m.lane(address, 4) << 3
    m.store_unit(address, 4, m.unsigned(m.gpr[rt], 32).shr(before), m.const(0xFFFF_FFFF).shr(before))


@memory.insn("101110 base:5 rt:5 offset:16", "swr {rt}, {offset}({base})", until=6)
def swr(m, base, rt, offset):
    address = effective(m, base, offset)
    unused = m.const(24) - (m.lane(address, 4) << 3)
    m.store_unit(address, 4, m.unsigned(m.gpr[rt].shl(unused), 32),
                 m.unsigned(m.const(0xFFFF_FFFF).shl(unused), 32))


@memory.insn("011010 base:5 rt:5 offset:16", "ldl {rt}, {offset}({base})", bits=64, until=6)
def ldl(m, base, rt, offset):
    address = effective(m, base, offset)
    kept = m.lane(address, 8) << 3
    unit = m.load_unit(address, 8)
    m.gpr[rt] = unit.shl(kept) | m.gpr[rt] & m.const(1).shl(kept) - 1


@memory.insn("011011 base:5 rt:5 offset:16", "ldr {rt}, {offset}({base})", bits=64, until=6)
def ldr(m, base, rt, offset):
    address = effective(m, base, offset)
    unused = m.const(56) - (m.lane(address, 8) << 3)
    unit = m.load_unit(address, 8)
    m.gpr[rt] = unit.shr(unused) | m.gpr[rt] & ~(~m.const(0)).shr(unused)


@memory.insn("101100 base:5 rt:5 offset:16", "sdl {rt}, {offset}({base})", bits=64, until=6)
def sdl(m, base, rt, offset):
    address = effective(m, base, offset)
    before = m.lane(address, 8) << 3
    m.store_unit(address, 8, m.gpr[rt].shr(before), (~m.const(0)).shr(before))


@memory.insn("101101 base:5 rt:5 offset:16", "sdr {rt}, {offset}({base})", bits=64, until=6)
def sdr(m, base, rt, offset):
    address = effective(m, base, offset)
    unused = m.const(56) - (m.lane(address, 8) << 3)
    m.store_unit(address, 8, m.gpr[rt].shl(unused), (~m.const(0)).shl(unused))


@memory.insn("110000 base:5 rt:5 offset:16", "ll {rt}, {offset}({base})", until=6)
def ll(m, base, rt, offset):
    m.gpr[rt] = m.word(m.load_linked(effective(m, base, offset), 4))


@memory.insn("111000 base:5 rt:5 offset:16", "sc {rt}, {offset}({base})", until=6)
def sc(m, base, rt, offset):
    m.gpr[rt] = m.store_conditional(effective(m, base, offset), 4, m.gpr[rt])


@memory.insn("110100 base:5 rt:5 offset:16", "lld {rt}, {offset}({base})", bits=64, until=6)
def lld(m, base, rt, offset):
    m.gpr[rt] = m.load_linked(effective(m, base, offset), 8)


@memory.insn("111100 base:5 rt:5 offset:16", "scd {rt}, {offset}({base})", bits=64, until=6)
def scd(m, base, rt, offset):
    m.gpr[rt] = m.store_conditional(effective(m, base, offset), 8, m.gpr[rt])


@memory.insn("110011 base:5 hint:5 offset:16", "pref {hint}, {offset}({base})", until=6)
def pref(m, base, hint, offset):
    """Advice only: it moves no data that software can see, and never traps."""


@memory.insn("000000 00000 00000 00000 stype:5 001111", "sync <{stype}>")
def sync(m, stype):
    """Accesses are already in program order on this machine."""
