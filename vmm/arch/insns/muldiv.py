"""Multiplication and division, HI and LO.  (MD00087, chapter 3)

Invariant: no row here traps.  What the manual leaves open follows QEMU: a zero divisor counts as one (LO
is the dividend, HI is zero), the one overflowing quotient wraps, and ``mul`` leaves HI and LO alone.
"""
from __future__ import annotations

from vmm.arch.rows import Family

muldiv = Family("muldiv")


def nonzero(m, divisor):
    return m.select(divisor == 0, m.const(1), divisor)


def accumulator(m):
    """HI and LO of a 32-bit multiply as one Word."""
    return m.hi << 32 | m.unsigned(m.lo, 32)


def set_words(m, total):
    """HI and LO := the halves of a Word, each sign-extended."""
    m.lo = m.word(total)
    m.hi = total.sar(32)


def signed_product(m, rs, rt):
    return m.word(m.gpr[rs]) * m.word(m.gpr[rt])


def unsigned_product(m, rs, rt):
    return m.unsigned(m.gpr[rs], 32) * m.unsigned(m.gpr[rt], 32)


@muldiv.insn("000000 rs:5 rt:5 00000 00000 011000", "mult {rs}, {rt}", until=6)
def mult(m, rs, rt):
    set_words(m, signed_product(m, rs, rt))


@muldiv.insn("000000 rs:5 rt:5 00000 00000 011001", "multu {rs}, {rt}", until=6)
def multu(m, rs, rt):
    set_words(m, unsigned_product(m, rs, rt))


@muldiv.insn("000000 rs:5 rt:5 00000 00000 011010", "div <$0, >{rs}, {rt}", until=6)
def div(m, rs, rt):
    quotient, remainder = m.divide_signed(m.word(m.gpr[rs]), nonzero(m, m.word(m.gpr[rt])))
    m.lo, m.hi = m.word(quotient), m.word(remainder)


@muldiv.insn("000000 rs:5 rt:5 00000 00000 011011", "divu <$0, >{rs}, {rt}", until=6)
def divu(m, rs, rt):
    quotient, remainder = m.divide_unsigned(m.unsigned(m.gpr[rs], 32), nonzero(m, m.unsigned(m.gpr[rt], 32)))
    m.lo, m.hi = m.word(quotient), m.word(remainder)


@muldiv.insn("011100 rs:5 rt:5 rd:5 00000 000010", "mul {rd}, {rs}, {rt}", until=6)
def mul(m, rs, rt, rd):
    m.gpr[rd] = m.word(m.gpr[rs] * m.gpr[rt])


@muldiv.insn("011100 rs:5 rt:5 00000 00000 000000", "madd {rs}, {rt}", until=6)
def madd(m, rs, rt):
    set_words(m, accumulator(m) + signed_product(m, rs, rt))


@muldiv.insn("011100 rs:5 rt:5 00000 00000 000001", "maddu {rs}, {rt}", until=6)
def maddu(m, rs, rt):
    set_words(m, accumulator(m) + unsigned_product(m, rs, rt))


@muldiv.insn("011100 rs:5 rt:5 00000 00000 000100", "msub {rs}, {rt}", until=6)
def msub(m, rs, rt):
    set_words(m, accumulator(m) - signed_product(m, rs, rt))


@muldiv.insn("011100 rs:5 rt:5 00000 00000 000101", "msubu {rs}, {rt}", until=6)
def msubu(m, rs, rt):
    set_words(m, accumulator(m) - unsigned_product(m, rs, rt))


@muldiv.insn("000000 00000 00000 rd:5 00000 010000", "mfhi {rd}", until=6)
def mfhi(m, rd):
    m.gpr[rd] = m.hi


@muldiv.insn("000000 00000 00000 rd:5 00000 010010", "mflo {rd}", until=6)
def mflo(m, rd):
    m.gpr[rd] = m.lo


@muldiv.insn("000000 rs:5 00000 00000 00000 010001", "mthi {rs}", until=6)
def mthi(m, rs):
    m.hi = m.gpr[rs]


@muldiv.insn("000000 rs:5 00000 00000 00000 010011", "mtlo {rs}", until=6)
def mtlo(m, rs):
    m.lo = m.gpr[rs]


@muldiv.insn("000000 rs:5 rt:5 00000 00000 011100", "dmult {rs}, {rt}", bits=64, until=6)
def dmult(m, rs, rt):
    a, b = m.gpr[rs], m.gpr[rt]
    m.lo, m.hi = a * b, m.high_signed(a, b)


@muldiv.insn("000000 rs:5 rt:5 00000 00000 011101", "dmultu {rs}, {rt}", bits=64, until=6)
def dmultu(m, rs, rt):
    a, b = m.gpr[rs], m.gpr[rt]
    m.lo, m.hi = a * b, m.high_unsigned(a, b)


@muldiv.insn("000000 rs:5 rt:5 00000 00000 011110", "ddiv <$0, >{rs}, {rt}", bits=64, until=6)
def ddiv(m, rs, rt):
    m.lo, m.hi = m.divide_signed(m.gpr[rs], nonzero(m, m.gpr[rt]))


@muldiv.insn("000000 rs:5 rt:5 00000 00000 011111", "ddivu <$0, >{rs}, {rt}", bits=64, until=6)
def ddivu(m, rs, rt):
    m.lo, m.hi = m.divide_unsigned(m.gpr[rs], nonzero(m, m.gpr[rt]))
