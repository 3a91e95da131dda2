"""Bitwise logic on whole general registers, and the upper immediate.  (MD00087, chapter 3)

Invariant: immediates are zero-extended; sign-extended words in give sign-extended words out.
"""
from __future__ import annotations

from vmm.arch.rows import Family

logic = Family("logic")


@logic.insn("000000 rs:5 rt:5 rd:5 00000 100100", "and {rd}, {rs}, {rt}")
def and_(m, rs, rt, rd):
    m.gpr[rd] = m.gpr[rs] & m.gpr[rt]


@logic.insn("001100 rs:5 rt:5 imm:16", "andi {rt}, {rs}, {imm:x}")
def andi(m, rs, rt, imm):
    m.gpr[rt] = m.gpr[rs] & m.unsigned(imm, 16)


@logic.insn("001111 00000 rt:5 imm:16", "lui {rt}, {imm:x}")
def lui(m, rt, imm):
    m.gpr[rt] = m.signed(imm, 16) << 16


@logic.insn("000000 rs:5 rt:5 rd:5 00000 100111", "nor {rd}, {rs}, {rt}")
def nor(m, rs, rt, rd):
    m.gpr[rd] = ~(m.gpr[rs] | m.gpr[rt])


@logic.insn("000000 rs:5 rt:5 rd:5 00000 100101", "or {rd}, {rs}, {rt}")
def or_(m, rs, rt, rd):
    m.gpr[rd] = m.gpr[rs] | m.gpr[rt]


@logic.insn("001101 rs:5 rt:5 imm:16", "ori {rt}, {rs}, {imm:x}")
def ori(m, rs, rt, imm):
    m.gpr[rt] = m.gpr[rs] | m.unsigned(imm, 16)


@logic.insn("000000 rs:5 rt:5 rd:5 00000 100110", "xor {rd}, {rs}, {rt}")
def xor(m, rs, rt, rd):
    m.gpr[rd] = m.gpr[rs] ^ m.gpr[rt]


@logic.insn("001110 rs:5 rt:5 imm:16", "xori {rt}, {rs}, {imm:x}")
def xori(m, rs, rt, imm):
    m.gpr[rt] = m.gpr[rs] ^ m.unsigned(imm, 16)
