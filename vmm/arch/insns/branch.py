"""Branches and jumps, all with a delay slot.  (MD00087, chapter 3)

Invariant: operands are read before the link register is written, so ``jalr $31, $31`` and ``bgezal $31``
use the old value; a link is written whether or not the branch is taken.  Likely branches skip their slot
when not taken.
"""
from __future__ import annotations

from vmm.arch.rows import Family

branch = Family("branch")


@branch.insn("000100 rs:5 rt:5 off:16", "beq {rs}, {rt}, {off}", control=True)
def beq(m, rs, rt, off):
    m.branch(m.gpr[rs] == m.gpr[rt], off)


@branch.insn("000101 rs:5 rt:5 off:16", "bne {rs}, {rt}, {off}", control=True)
def bne(m, rs, rt, off):
    m.branch(m.gpr[rs] != m.gpr[rt], off)


@branch.insn("000110 rs:5 00000 off:16", "blez {rs}, {off}", control=True)
def blez(m, rs, off):
    m.branch(m.gpr[rs].less(1), off)


@branch.insn("000111 rs:5 00000 off:16", "bgtz {rs}, {off}", control=True)
def bgtz(m, rs, off):
    m.branch(~m.gpr[rs].less(1), off)


@branch.insn("000001 rs:5 00000 off:16", "bltz {rs}, {off}", control=True)
def bltz(m, rs, off):
    m.branch(m.gpr[rs].less(0), off)


@branch.insn("000001 rs:5 00001 off:16", "bgez {rs}, {off}", control=True)
def bgez(m, rs, off):
    m.branch(~m.gpr[rs].less(0), off)


@branch.insn("000001 rs:5 10000 off:16", "bltzal {rs}, {off}", control=True, until=6)
def bltzal(m, rs, off):
    taken = m.gpr[rs].less(0)
    m.link(31)
    m.branch(taken, off)


@branch.insn("000001 rs:5 10001 off:16", "bgezal {rs}, {off}", control=True, until=6)
def bgezal(m, rs, off):
    taken = ~m.gpr[rs].less(0)
    m.link(31)
    m.branch(taken, off)


@branch.insn("010100 rs:5 rt:5 off:16", "beql {rs}, {rt}, {off}", control=True, until=6)
def beql(m, rs, rt, off):
    m.branch_likely(m.gpr[rs] == m.gpr[rt], off)


@branch.insn("010101 rs:5 rt:5 off:16", "bnel {rs}, {rt}, {off}", control=True, until=6)
def bnel(m, rs, rt, off):
    m.branch_likely(m.gpr[rs] != m.gpr[rt], off)


@branch.insn("010110 rs:5 00000 off:16", "blezl {rs}, {off}", control=True, until=6)
def blezl(m, rs, off):
    m.branch_likely(m.gpr[rs].less(1), off)


@branch.insn("010111 rs:5 00000 off:16", "bgtzl {rs}, {off}", control=True, until=6)
def bgtzl(m, rs, off):
    m.branch_likely(~m.gpr[rs].less(1), off)


@branch.insn("000001 rs:5 00010 off:16", "bltzl {rs}, {off}", control=True, until=6)
def bltzl(m, rs, off):
    m.branch_likely(m.gpr[rs].less(0), off)


@branch.insn("000001 rs:5 00011 off:16", "bgezl {rs}, {off}", control=True, until=6)
def bgezl(m, rs, off):
    m.branch_likely(~m.gpr[rs].less(0), off)


@branch.insn("000001 rs:5 10010 off:16", "bltzall {rs}, {off}", control=True, until=6)
def bltzall(m, rs, off):
    taken = m.gpr[rs].less(0)
    m.link(31)
    m.branch_likely(taken, off)


@branch.insn("000001 rs:5 10011 off:16", "bgezall {rs}, {off}", control=True, until=6)
def bgezall(m, rs, off):
    taken = ~m.gpr[rs].less(0)
    m.link(31)
    m.branch_likely(taken, off)


@branch.insn("000010 target:26", "j {target}", control=True)
def j(m, target):
    m.jump_region(target)


@branch.insn("000011 target:26", "jal {target}", control=True)
def jal(m, target):
    m.link(31)
    m.jump_region(target)


@branch.insn("000000 rs:5 00000 00000 00000 001000", "jr {rs}", control=True, until=6)
def jr(m, rs):
    m.jump(m.gpr[rs])


@branch.insn("000000 rs:5 00000 00000 10000 001000", "jr.hb {rs}", control=True, since=2, until=6)
def jr_hb(m, rs):
    m.jump(m.gpr[rs])


@branch.insn("000000 rs:5 00000 rd:5 00000 001001", "jalr <{rd=31}, >{rs}", control=True)
def jalr(m, rs, rd):
    target = m.gpr[rs]
    m.link(rd)
    m.jump(target)


@branch.insn("000000 rs:5 00000 rd:5 10000 001001", "jalr.hb <{rd=31}, >{rs}", control=True, since=2)
def jalr_hb(m, rs, rd):
    target = m.gpr[rs]
    m.link(rd)
    m.jump(target)
