"""Instructions of coprocessors that the core does not have: unusable, whatever they would do.  (MD00087, 3; mips.md 5.1)

Status.CU1 and CU2 cannot be set on such a core, so Coprocessor Unusable is all these ever raise, in any mode.
"""
from __future__ import annotations

from vmm.arch.rows import Family

coprocessor = Family("coprocessor")


def unusable(m, number):
    m.state.trap_ce = number
    m.trap("CpU")


@coprocessor.insn("010001 operation:26", "cop1 {operation:x}")
def cop1(m, operation):
    m.call(unusable, m.const(1))


@coprocessor.insn("010011 operation:26", "cop1x {operation:x}", since=2, until=6)
def cop1x(m, operation):
    m.call(unusable, m.const(1))


@coprocessor.insn("000000 rs:5 cc:3 0 tf:1 rd:5 00000 000001", "movci {rd}, {rs}, {cc:u}, {tf:u}", until=6)
def movci(m, rs, cc, tf, rd):
    m.call(unusable, m.const(1))


@coprocessor.insn("110001 base:5 ft:5 offset:16", "lwc1 {ft}, {offset}({base})")
def lwc1(m, base, ft, offset):
    m.call(unusable, m.const(1))


@coprocessor.insn("110101 base:5 ft:5 offset:16", "ldc1 {ft}, {offset}({base})")
def ldc1(m, base, ft, offset):
    m.call(unusable, m.const(1))


@coprocessor.insn("111001 base:5 ft:5 offset:16", "swc1 {ft}, {offset}({base})")
def swc1(m, base, ft, offset):
    m.call(unusable, m.const(1))


@coprocessor.insn("111101 base:5 ft:5 offset:16", "sdc1 {ft}, {offset}({base})")
def sdc1(m, base, ft, offset):
    m.call(unusable, m.const(1))


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
