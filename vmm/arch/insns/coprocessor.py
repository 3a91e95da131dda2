"""What is left of the coprocessors' opcodes.  (MD00087, 3; mips.md 5.1)

Coprocessor 2 does not exist and Status.CU2 cannot be set, so Coprocessor Unusable is all its instructions ever raise, in
any mode.  An encoding that coprocessor 1 does not use is reserved, once coprocessor 1 is usable.
"""
from __future__ import annotations

from vmm.arch.fp import needs
from vmm.arch.rows import Family

coprocessor = Family("coprocessor")


def unusable(m, number):
    m.state.trap_ce = number
    m.trap("CpU")


@coprocessor.insn("010001 operation:26", "cop1 {operation:x}", fp=needs())
def cop1(m, operation):
    """An operation that coprocessor 1 does not have."""
    m.trap("RI")


@coprocessor.insn("010011 operation:26", "cop1x {operation:x}", since=2, until=6, fp=needs())
def cop1x(m, operation):
    m.trap("RI")


@coprocessor.insn("010010 operation:26", "cop2 {operation:x}")
def cop2(m, operation):
    m.call(unusable, m.const(2))


@coprocessor.insn("110010 base:5 rt:5 offset:16", "lwc2 {rt:n}, {offset}({base})", until=6)
def lwc2(m, base, rt, offset):
    m.call(unusable, m.const(2))


@coprocessor.insn("110110 base:5 rt:5 offset:16", "ldc2 {rt:n}, {offset}({base})", until=6)
def ldc2(m, base, rt, offset):
    m.call(unusable, m.const(2))


@coprocessor.insn("111010 base:5 rt:5 offset:16", "swc2 {rt:n}, {offset}({base})", until=6)
def swc2(m, base, rt, offset):
    m.call(unusable, m.const(2))


@coprocessor.insn("111110 base:5 rt:5 offset:16", "sdc2 {rt:n}, {offset}({base})", until=6)
def sdc2(m, base, rt, offset):
    m.call(unusable, m.const(2))
