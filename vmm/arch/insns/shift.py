"""Shifts and rotates.  (MD00087, chapter 3)

Invariant: a 32-bit shift looks at the low 32 bits of ``rt`` and writes a sign-extended word; ``sll`` by
zero is how a 64-bit core sign-extends a word.
"""
from __future__ import annotations

from vmm.arch.rows import Family

shift = Family("shift")


def rotated_word(m, x, amount):
    twice = m.unsigned(x, 32)
    return m.word((twice | twice << 32).shr(amount))


def rotated_doubleword(m, x, amount):
    return x.shr(amount) | x.shl(m.const(64) - amount)         # amounts are modulo 64, so by 0 this is x | x


@shift.insn("000000 00000 rt:5 rd:5 sa:5 000000", "sll {rd}, {rt}, {sa:x}")
def sll(m, rt, rd, sa):
    m.gpr[rd] = m.word(m.gpr[rt].shl(m.unsigned(sa, 5)))


@shift.insn("000000 00000 rt:5 rd:5 sa:5 000010", "srl {rd}, {rt}, {sa:x}")
def srl(m, rt, rd, sa):
    m.gpr[rd] = m.word(m.unsigned(m.gpr[rt], 32).shr(m.unsigned(sa, 5)))


@shift.insn("000000 00000 rt:5 rd:5 sa:5 000011", "sra {rd}, {rt}, {sa:x}")
def sra(m, rt, rd, sa):
    m.gpr[rd] = m.word(m.gpr[rt]).sar(m.unsigned(sa, 5))


@shift.insn("000000 00001 rt:5 rd:5 sa:5 000010", "rotr {rd}, {rt}, {sa:x}", since=2)
def rotr(m, rt, rd, sa):
    m.gpr[rd] = rotated_word(m, m.gpr[rt], m.unsigned(sa, 5))


@shift.insn("000000 rs:5 rt:5 rd:5 00000 000100", "sllv {rd}, {rt}, {rs}")
def sllv(m, rs, rt, rd):
    m.gpr[rd] = m.word(m.gpr[rt].shl(m.unsigned(m.gpr[rs], 5)))


@shift.insn("000000 rs:5 rt:5 rd:5 00000 000110", "srlv {rd}, {rt}, {rs}")
def srlv(m, rs, rt, rd):
    m.gpr[rd] = m.word(m.unsigned(m.gpr[rt], 32).shr(m.unsigned(m.gpr[rs], 5)))


@shift.insn("000000 rs:5 rt:5 rd:5 00000 000111", "srav {rd}, {rt}, {rs}")
def srav(m, rs, rt, rd):
    m.gpr[rd] = m.word(m.gpr[rt]).sar(m.unsigned(m.gpr[rs], 5))


@shift.insn("000000 rs:5 rt:5 rd:5 00001 000110", "rotrv {rd}, {rt}, {rs}", since=2)
def rotrv(m, rs, rt, rd):
    m.gpr[rd] = rotated_word(m, m.gpr[rt], m.unsigned(m.gpr[rs], 5))


@shift.insn("000000 00000 rt:5 rd:5 sa:5 111000", "dsll {rd}, {rt}, {sa:x}", bits=64)
def dsll(m, rt, rd, sa):
    m.gpr[rd] = m.gpr[rt].shl(m.unsigned(sa, 5))


@shift.insn("000000 00000 rt:5 rd:5 sa:5 111100", "dsll32 {rd}, {rt}, {sa:x}", bits=64)
def dsll32(m, rt, rd, sa):
    m.gpr[rd] = m.gpr[rt].shl(m.unsigned(sa, 5) + 32)


@shift.insn("000000 00000 rt:5 rd:5 sa:5 111010", "dsrl {rd}, {rt}, {sa:x}", bits=64)
def dsrl(m, rt, rd, sa):
    m.gpr[rd] = m.gpr[rt].shr(m.unsigned(sa, 5))


@shift.insn("000000 00000 rt:5 rd:5 sa:5 111110", "dsrl32 {rd}, {rt}, {sa:x}", bits=64)
def dsrl32(m, rt, rd, sa):
    m.gpr[rd] = m.gpr[rt].shr(m.unsigned(sa, 5) + 32)


@shift.insn("000000 00000 rt:5 rd:5 sa:5 111011", "dsra {rd}, {rt}, {sa:x}", bits=64)
def dsra(m, rt, rd, sa):
    m.gpr[rd] = m.gpr[rt].sar(m.unsigned(sa, 5))


@shift.insn("000000 00000 rt:5 rd:5 sa:5 111111", "dsra32 {rd}, {rt}, {sa:x}", bits=64)
def dsra32(m, rt, rd, sa):
    m.gpr[rd] = m.gpr[rt].sar(m.unsigned(sa, 5) + 32)


@shift.insn("000000 00001 rt:5 rd:5 sa:5 111010", "drotr {rd}, {rt}, {sa:x}", bits=64, since=2)
def drotr(m, rt, rd, sa):
    m.gpr[rd] = rotated_doubleword(m, m.gpr[rt], m.unsigned(sa, 5))


@shift.insn("000000 00001 rt:5 rd:5 sa:5 111110", "drotr32 {rd}, {rt}, {sa:x}", bits=64, since=2)
def drotr32(m, rt, rd, sa):
    m.gpr[rd] = rotated_doubleword(m, m.gpr[rt], m.unsigned(sa, 5) + 32)


@shift.insn("000000 rs:5 rt:5 rd:5 00000 010100", "dsllv {rd}, {rt}, {rs}", bits=64)
def dsllv(m, rs, rt, rd):
    m.gpr[rd] = m.gpr[rt].shl(m.unsigned(m.gpr[rs], 6))


@shift.insn("000000 rs:5 rt:5 rd:5 00000 010110", "dsrlv {rd}, {rt}, {rs}", bits=64)
def dsrlv(m, rs, rt, rd):
    m.gpr[rd] = m.gpr[rt].shr(m.unsigned(m.gpr[rs], 6))


@shift.insn("000000 rs:5 rt:5 rd:5 00000 010111", "dsrav {rd}, {rt}, {rs}", bits=64)
def dsrav(m, rs, rt, rd):
    m.gpr[rd] = m.gpr[rt].sar(m.unsigned(m.gpr[rs], 6))


@shift.insn("000000 rs:5 rt:5 rd:5 00001 010110", "drotrv {rd}, {rt}, {rs}", bits=64, since=2)
def drotrv(m, rs, rt, rd):
    m.gpr[rd] = rotated_doubleword(m, m.gpr[rt], m.unsigned(m.gpr[rs], 6))
