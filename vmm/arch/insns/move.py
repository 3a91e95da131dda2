"""Conditional moves between general registers.  (MD00087, chapter 3)

Invariant: ``rd`` keeps its value when the condition does not hold.
"""
from __future__ import annotations

from vmm.arch.rows import Family

move = Family("move")


@move.insn("000000 rs:5 rt:5 rd:5 00000 001011", "movn {rd}, {rs}, {rt}", until=6)
def movn(m, rs, rt, rd):
    m.gpr[rd] = m.select(m.gpr[rt] != 0, m.gpr[rs], m.gpr[rd])


@move.insn("000000 rs:5 rt:5 rd:5 00000 001010", "movz {rd}, {rs}, {rt}", until=6)
def movz(m, rs, rt, rd):
    m.gpr[rd] = m.select(m.gpr[rt] == 0, m.gpr[rs], m.gpr[rd])
