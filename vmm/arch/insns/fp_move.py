"""Loads, stores and moves of coprocessor 1, its branches, and moves on its conditions.  (MD00087, chapter 3; mips.md 10)

Invariant: nothing here rounds or raises a floating-point exception, but CTC1 with a Cause that is enabled.  The half of a
register that an instruction does not name keeps its value.
"""
from __future__ import annotations

from vmm.arch.fp import needs
from vmm.arch.insns.memory import effective
from vmm.arch.privileged import fpu
from vmm.arch.rows import Family

fp_move = Family("fp_move")

SINGLE = needs(singles=True)
PLAIN = needs()


def indexed(m, base, index):
    return m.gpr[base] + m.gpr[index]


def condition_place(m, cc):
    """The bit of FCSR that holds condition code ``cc``, a field: 23, or 24 + cc from 1 on."""
    n = m.unsigned(cc, 3)
    return n + 23 + m.flag(n != 0)


def condition_holds(m, cc):
    return (m.state.fcsr.shr(condition_place(m, cc)) & 1) != 0


# -- memory -----------------------------------------------------------------------------------------------------------

@fp_move.insn("110001 base:5 ft:5 offset:16", "lwc1 {ft}, {offset}({base})", fp=SINGLE)
def lwc1(m, base, ft, offset):
    m.fp32[ft] = m.load(effective(m, base, offset), 4)


@fp_move.insn("110101 base:5 ft:5 offset:16", "ldc1 {ft}, {offset}({base})", fp=needs("ft"))
def ldc1(m, base, ft, offset):
    m.fp64[ft] = m.load(effective(m, base, offset), 8)


@fp_move.insn("111001 base:5 ft:5 offset:16", "swc1 {ft}, {offset}({base})", fp=SINGLE)
def swc1(m, base, ft, offset):
    m.store(effective(m, base, offset), 4, m.fp32[ft])


@fp_move.insn("111101 base:5 ft:5 offset:16", "sdc1 {ft}, {offset}({base})", fp=needs("ft"))
def sdc1(m, base, ft, offset):
    m.store(effective(m, base, offset), 8, m.fp64[ft])


@fp_move.insn("010011 base:5 index:5 00000 fd:5 000000", "lwxc1 {fd}, {index}({base})", since=2, until=6, fp=SINGLE)
def lwxc1(m, base, index, fd):
    m.fp32[fd] = m.load(indexed(m, base, index), 4)


@fp_move.insn("010011 base:5 index:5 00000 fd:5 000001", "ldxc1 {fd}, {index}({base})", since=2, until=6, fp=needs("fd"))
def ldxc1(m, base, index, fd):
    m.fp64[fd] = m.load(indexed(m, base, index), 8)


@fp_move.insn("010011 base:5 index:5 00000 fd:5 000101", "luxc1 {fd}, {index}({base})", since=2, until=6,
              fp=needs(wide=True))
def luxc1(m, base, index, fd):
    m.fp64[fd] = m.load(indexed(m, base, index) & ~7, 8)


@fp_move.insn("010011 base:5 index:5 fs:5 00000 001000", "swxc1 {fs}, {index}({base})", since=2, until=6, fp=SINGLE)
def swxc1(m, base, index, fs):
    m.store(indexed(m, base, index), 4, m.fp32[fs])


@fp_move.insn("010011 base:5 index:5 fs:5 00000 001001", "sdxc1 {fs}, {index}({base})", since=2, until=6, fp=needs("fs"))
def sdxc1(m, base, index, fs):
    m.store(indexed(m, base, index), 8, m.fp64[fs])


@fp_move.insn("010011 base:5 index:5 fs:5 00000 001101", "suxc1 {fs}, {index}({base})", since=2, until=6,
              fp=needs(wide=True))
def suxc1(m, base, index, fs):
    m.store(indexed(m, base, index) & ~7, 8, m.fp64[fs])


@fp_move.insn("010011 base:5 index:5 hint:5 00000 001111", "prefx {hint}, {index}({base})", since=2, until=6, fp=PLAIN)
def prefx(m, base, index, hint):
    """Advice only."""


# -- general registers ------------------------------------------------------------------------------------------------

@fp_move.insn("010001 00000 rt:5 fs:5 00000 000000", "mfc1 {rt}, {fs}", fp=SINGLE)
def mfc1(m, rt, fs):
    m.gpr[rt] = m.word(m.fp32[fs])


@fp_move.insn("010001 00001 rt:5 fs:5 00000 000000", "dmfc1 {rt}, {fs}", bits=64, fp=needs("fs"))
def dmfc1(m, rt, fs):
    m.gpr[rt] = m.fp64[fs]


@fp_move.insn("010001 00011 rt:5 fs:5 00000 000000", "mfhc1 {rt}, {fs}", since=2, fp=needs("fs"))
def mfhc1(m, rt, fs):
    m.gpr[rt] = m.word(m.fp64[fs].shr(32))


@fp_move.insn("010001 00100 rt:5 fs:5 00000 000000", "mtc1 {rt}, {fs}", fp=SINGLE)
def mtc1(m, rt, fs):
    m.fp32[fs] = m.unsigned(m.gpr[rt], 32)


@fp_move.insn("010001 00101 rt:5 fs:5 00000 000000", "dmtc1 {rt}, {fs}", bits=64, fp=needs("fs"))
def dmtc1(m, rt, fs):
    m.fp64[fs] = m.gpr[rt]


@fp_move.insn("010001 00111 rt:5 fs:5 00000 000000", "mthc1 {rt}, {fs}", since=2, fp=needs("fs"))
def mthc1(m, rt, fs):
    m.fp64[fs] = m.unsigned(m.fp64[fs], 32) | m.gpr[rt].shl(32)


@fp_move.insn("010001 00010 rt:5 rd:5 00000 000000", "cfc1 {rt}, {rd:n}", fp=PLAIN)
def cfc1(m, rt, rd):
    m.gpr[rt] = m.call(fpu.read_control, m.unsigned(rd, 5))


@fp_move.insn("010001 00110 rt:5 rd:5 00000 000000", "ctc1 {rt}, {rd:n}", fp=PLAIN)
def ctc1(m, rt, rd):
    m.call(fpu.write_control, m.unsigned(rd, 5), m.unsigned(m.gpr[rt], 32), m.flag(m.unsigned(rt, 5) == 0))


@fp_move.insn("000000 rs:5 cc:3 00 rd:5 00000 000001", "movf {rd}, {rs}, {cc}", until=6, fp=PLAIN)
def movf(m, rs, cc, rd):
    m.gpr[rd] = m.select(condition_holds(m, cc), m.gpr[rd], m.gpr[rs])


@fp_move.insn("000000 rs:5 cc:3 01 rd:5 00000 000001", "movt {rd}, {rs}, {cc}", until=6, fp=PLAIN)
def movt(m, rs, cc, rd):
    m.gpr[rd] = m.select(condition_holds(m, cc), m.gpr[rs], m.gpr[rd])


# -- branches ---------------------------------------------------------------------------------------------------------

@fp_move.insn("010001 01000 cc:3 00 off:16", "bc1f <{cc}, >{off}", control=True, until=6, fp=PLAIN)
def bc1f(m, cc, off):
    m.branch(~condition_holds(m, cc), off)


@fp_move.insn("010001 01000 cc:3 01 off:16", "bc1t <{cc}, >{off}", control=True, until=6, fp=PLAIN)
def bc1t(m, cc, off):
    m.branch(condition_holds(m, cc), off)


@fp_move.insn("010001 01000 cc:3 10 off:16", "bc1fl <{cc}, >{off}", control=True, until=6, fp=PLAIN)
def bc1fl(m, cc, off):
    m.branch_likely(~condition_holds(m, cc), off)


@fp_move.insn("010001 01000 cc:3 11 off:16", "bc1tl <{cc}, >{off}", control=True, until=6, fp=PLAIN)
def bc1tl(m, cc, off):
    m.branch_likely(condition_holds(m, cc), off)


@fp_move.insn("010001 01001 ft:5 off:16", "bc1eqz {ft}, {off}", control=True, since=6, fp=PLAIN)
def bc1eqz(m, ft, off):
    m.branch((m.fp64[ft] & 1) == 0, off)


@fp_move.insn("010001 01101 ft:5 off:16", "bc1nez {ft}, {off}", control=True, since=6, fp=PLAIN)
def bc1nez(m, ft, off):
    m.branch((m.fp64[ft] & 1) != 0, off)
