"""Compact branches and jumps of release 6: no delay slot.  (MD00087 revision 6, chapter 3; mips.md 8.3)

Invariant: operands are read before the link register is written; a link is written whether or not the branch is
taken.  After a conditional branch that is not taken stands its forbidden slot, where a branch is reserved.  Opcodes
are shared: the order of the two registers says which instruction a word is, so an assembler swaps operands where
the comparison lets it.
"""
from __future__ import annotations

from vmm.arch.rows import Family

compact = Family("compact")


def branch(pattern, syntax, **more):
    return compact.insn(pattern, syntax, since=6, compact=True, forbids=True, **more)


def jump(pattern, syntax, **more):
    return compact.insn(pattern, syntax, since=6, compact=True, **more)


def linked(m, taken, off):
    m.link(31)
    m.compact_branch(taken, off)


def overflows(m, rs, rt):
    """A sum that is no word, or an operand that is none."""
    a, b = m.gpr[rs], m.gpr[rt]
    total = m.word(a) + m.word(b)
    return (m.word(total) != total) | (m.word(a) != a) | (m.word(b) != b)


@branch("001000 rs:5 rt:5 off:16 | rs>=rt", "bovc {rs}, {rt}, {off}")
def bovc(m, rs, rt, off):
    m.compact_branch(overflows(m, rs, rt), off)


@branch("001000 00000 rt:5 off:16 | 0<rt", "beqzalc {rt}, {off}")
def beqzalc(m, rt, off):
    linked(m, m.gpr[rt] == 0, off)


@branch("001000 rs:5 rt:5 off:16 | 0<rs<rt", "beqc {rs}, {rt}, {off}")
def beqc(m, rs, rt, off):
    m.compact_branch(m.gpr[rs] == m.gpr[rt], off)


@branch("011000 rs:5 rt:5 off:16 | rs>=rt", "bnvc {rs}, {rt}, {off}")
def bnvc(m, rs, rt, off):
    m.compact_branch(~overflows(m, rs, rt), off)


@branch("011000 00000 rt:5 off:16 | 0<rt", "bnezalc {rt}, {off}")
def bnezalc(m, rt, off):
    linked(m, m.gpr[rt] != 0, off)


@branch("011000 rs:5 rt:5 off:16 | 0<rs<rt", "bnec {rs}, {rt}, {off}")
def bnec(m, rs, rt, off):
    m.compact_branch(m.gpr[rs] != m.gpr[rt], off)


@branch("000110 00000 rt:5 off:16 | 0<rt", "blezalc {rt}, {off}")
def blezalc(m, rt, off):
    linked(m, m.gpr[rt].less(1), off)


@branch("000110 rs:5 rt:5 off:16 | rs=rt 0<rt", "bgezalc {rt,rs}, {off}")
def bgezalc(m, rs, rt, off):
    linked(m, ~m.gpr[rt].less(0), off)


@branch("000110 rs:5 rt:5 off:16 | rs!=rt 0<rs 0<rt", "bgeuc {rs}, {rt}, {off}")
def bgeuc(m, rs, rt, off):
    m.compact_branch(~m.gpr[rs].below(m.gpr[rt]), off)


@branch("000111 00000 rt:5 off:16 | 0<rt", "bgtzalc {rt}, {off}")
def bgtzalc(m, rt, off):
    linked(m, ~m.gpr[rt].less(1), off)


@branch("000111 rs:5 rt:5 off:16 | rs=rt 0<rt", "bltzalc {rt,rs}, {off}")
def bltzalc(m, rs, rt, off):
    linked(m, m.gpr[rt].less(0), off)


@branch("000111 rs:5 rt:5 off:16 | rs!=rt 0<rs 0<rt", "bltuc {rs}, {rt}, {off}")
def bltuc(m, rs, rt, off):
    m.compact_branch(m.gpr[rs].below(m.gpr[rt]), off)


@branch("010110 00000 rt:5 off:16 | 0<rt", "blezc {rt}, {off}")
def blezc(m, rt, off):
    m.compact_branch(m.gpr[rt].less(1), off)


@branch("010110 rs:5 rt:5 off:16 | rs=rt 0<rt", "bgezc {rt,rs}, {off}")
def bgezc(m, rs, rt, off):
    m.compact_branch(~m.gpr[rt].less(0), off)


@branch("010110 rs:5 rt:5 off:16 | rs!=rt 0<rs 0<rt", "bgec {rs}, {rt}, {off}")
def bgec(m, rs, rt, off):
    m.compact_branch(~m.gpr[rs].less(m.gpr[rt]), off)


@branch("010111 00000 rt:5 off:16 | 0<rt", "bgtzc {rt}, {off}")
def bgtzc(m, rt, off):
    m.compact_branch(~m.gpr[rt].less(1), off)


@branch("010111 rs:5 rt:5 off:16 | rs=rt 0<rt", "bltzc {rt,rs}, {off}")
def bltzc(m, rs, rt, off):
    m.compact_branch(m.gpr[rt].less(0), off)


@branch("010111 rs:5 rt:5 off:16 | rs!=rt 0<rs 0<rt", "bltc {rs}, {rt}, {off}")
def bltc(m, rs, rt, off):
    m.compact_branch(m.gpr[rs].less(m.gpr[rt]), off)


@branch("110110 rs:5 off:21 | 0<rs", "beqzc {rs}, {off}")
def beqzc(m, rs, off):
    m.compact_branch(m.gpr[rs] == 0, off)


@branch("111110 rs:5 off:21 | 0<rs", "bnezc {rs}, {off}")
def bnezc(m, rs, off):
    m.compact_branch(m.gpr[rs] != 0, off)


@jump("110010 off:26", "bc {off}")
def bc(m, off):
    m.compact_branch(m.const(0) == 0, off)


@jump("111010 off:26", "balc {off}")
def balc(m, off):
    linked(m, m.const(0) == 0, off)


@jump("110110 00000 rt:5 offset:16", "jic {rt}, {offset}")
def jic(m, rt, offset):
    m.compact_jump(m.gpr[rt] + m.signed(offset, 16))


@jump("111110 00000 rt:5 offset:16", "jialc {rt}, {offset}")
def jialc(m, rt, offset):
    target = m.gpr[rt] + m.signed(offset, 16)
    m.link(31)
    m.compact_jump(target)
