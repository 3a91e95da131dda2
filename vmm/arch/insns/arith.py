"""Integer arithmetic on general registers.  (MD00087, "The MIPS64 Instruction Set", chapter 3)

Invariant: a 32-bit operation looks at the low 32 bits of its operands and writes a sign-extended word;
an operation that traps on overflow writes nothing when it does.
"""
from __future__ import annotations

from vmm.arch.rows import Family

arith = Family("arith")


@arith.insn("000000 rs:5 rt:5 rd:5 00000 100000", "add {rd}, {rs}, {rt}")
def add(m, rs, rt, rd):
    exact = m.word(m.gpr[rs]) + m.word(m.gpr[rt])
    m.require(m.word(exact) == exact, "Ov")
    m.gpr[rd] = exact


@arith.insn("001000 rs:5 rt:5 imm:16", "addi {rt}, {rs}, {imm}", until=6)
def addi(m, rs, rt, imm):
    exact = m.word(m.gpr[rs]) + m.signed(imm, 16)
    m.require(m.word(exact) == exact, "Ov")
    m.gpr[rt] = exact


@arith.insn("001001 rs:5 rt:5 imm:16", "addiu {rt}, {rs}, {imm}")
def addiu(m, rs, rt, imm):
    m.gpr[rt] = m.word(m.gpr[rs] + m.signed(imm, 16))


@arith.insn("000000 rs:5 rt:5 rd:5 00000 100001", "addu {rd}, {rs}, {rt}")
def addu(m, rs, rt, rd):
    m.gpr[rd] = m.word(m.gpr[rs] + m.gpr[rt])


@arith.insn("000000 rs:5 rt:5 rd:5 00000 100010", "sub {rd}, {rs}, {rt}")
def sub(m, rs, rt, rd):
    exact = m.word(m.gpr[rs]) - m.word(m.gpr[rt])
    m.require(m.word(exact) == exact, "Ov")
    m.gpr[rd] = exact


@arith.insn("000000 rs:5 rt:5 rd:5 00000 100011", "subu {rd}, {rs}, {rt}")
def subu(m, rs, rt, rd):
    m.gpr[rd] = m.word(m.gpr[rs] - m.gpr[rt])


@arith.insn("000000 rs:5 rt:5 rd:5 00000 101010", "slt {rd}, {rs}, {rt}")
def slt(m, rs, rt, rd):
    m.gpr[rd] = m.flag(m.gpr[rs].less(m.gpr[rt]))


@arith.insn("001010 rs:5 rt:5 imm:16", "slti {rt}, {rs}, {imm}")
def slti(m, rs, rt, imm):
    m.gpr[rt] = m.flag(m.gpr[rs].less(m.signed(imm, 16)))


@arith.insn("001011 rs:5 rt:5 imm:16", "sltiu {rt}, {rs}, {imm}")
def sltiu(m, rs, rt, imm):
    m.gpr[rt] = m.flag(m.gpr[rs].below(m.signed(imm, 16)))


@arith.insn("000000 rs:5 rt:5 rd:5 00000 101011", "sltu {rd}, {rs}, {rt}")
def sltu(m, rs, rt, rd):
    m.gpr[rd] = m.flag(m.gpr[rs].below(m.gpr[rt]))


@arith.insn("000000 rs:5 rt:5 rd:5 00000 101100", "dadd {rd}, {rs}, {rt}", bits=64)
def dadd(m, rs, rt, rd):
    a, b = m.gpr[rs], m.gpr[rt]
    total = a + b
    m.require(~((a ^ total) & (b ^ total)).less(0), "Ov")      # both operands differ in sign from their sum
    m.gpr[rd] = total


@arith.insn("011000 rs:5 rt:5 imm:16", "daddi {rt}, {rs}, {imm}", bits=64, until=6)
def daddi(m, rs, rt, imm):
    a, b = m.gpr[rs], m.signed(imm, 16)
    total = a + b
    m.require(~((a ^ total) & (b ^ total)).less(0), "Ov")
    m.gpr[rt] = total


@arith.insn("011001 rs:5 rt:5 imm:16", "daddiu {rt}, {rs}, {imm}", bits=64)
def daddiu(m, rs, rt, imm):
    m.gpr[rt] = m.gpr[rs] + m.signed(imm, 16)


@arith.insn("000000 rs:5 rt:5 rd:5 00000 101101", "daddu {rd}, {rs}, {rt}", bits=64)
def daddu(m, rs, rt, rd):
    m.gpr[rd] = m.gpr[rs] + m.gpr[rt]


@arith.insn("000000 rs:5 rt:5 rd:5 00000 101110", "dsub {rd}, {rs}, {rt}", bits=64)
def dsub(m, rs, rt, rd):
    a, b = m.gpr[rs], m.gpr[rt]
    rest = a - b
    m.require(~((a ^ b) & (a ^ rest)).less(0), "Ov")           # signs differ, and the result took b's
    m.gpr[rd] = rest


@arith.insn("000000 rs:5 rt:5 rd:5 00000 101111", "dsubu {rd}, {rs}, {rt}", bits=64)
def dsubu(m, rs, rt, rd):
    m.gpr[rd] = m.gpr[rs] - m.gpr[rt]
