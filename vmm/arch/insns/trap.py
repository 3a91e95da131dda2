"""System call, breakpoint and conditional traps.  (MD00087, chapter 3)

Invariant: ``code`` is for software only; it changes nothing here. ``tgeiu`` and ``tltiu`` sign-extend
their immediate, then compare without sign.
"""
from __future__ import annotations

from vmm.arch.rows import Family

trap = Family("trap")


@trap.insn("000000 code:20 001100", "syscall <{code}>")
def syscall(m, code):
    m.trap("Sys")


@trap.insn("000000 code:10 code2:10 001101", "break <{code}<, {code2}>>")
def break_(m, code, code2):
    m.trap("Bp")


@trap.insn("000000 rs:5 rt:5 code:10 110100", "teq {rs}, {rt}<, {code}>")
def teq(m, rs, rt, code):
    m.require(m.gpr[rs] != m.gpr[rt], "Tr")


@trap.insn("000000 rs:5 rt:5 code:10 110000", "tge {rs}, {rt}<, {code}>")
def tge(m, rs, rt, code):
    m.require(m.gpr[rs].less(m.gpr[rt]), "Tr")


@trap.insn("000000 rs:5 rt:5 code:10 110001", "tgeu {rs}, {rt}<, {code}>")
def tgeu(m, rs, rt, code):
    m.require(m.gpr[rs].below(m.gpr[rt]), "Tr")


@trap.insn("000000 rs:5 rt:5 code:10 110010", "tlt {rs}, {rt}<, {code}>")
def tlt(m, rs, rt, code):
    m.require(~m.gpr[rs].less(m.gpr[rt]), "Tr")


@trap.insn("000000 rs:5 rt:5 code:10 110011", "tltu {rs}, {rt}<, {code}>")
def tltu(m, rs, rt, code):
    m.require(~m.gpr[rs].below(m.gpr[rt]), "Tr")


@trap.insn("000000 rs:5 rt:5 code:10 110110", "tne {rs}, {rt}<, {code}>")
def tne(m, rs, rt, code):
    m.require(m.gpr[rs] == m.gpr[rt], "Tr")


@trap.insn("000001 rs:5 01100 imm:16", "teqi {rs}, {imm}", until=6)
def teqi(m, rs, imm):
    m.require(m.gpr[rs] != m.signed(imm, 16), "Tr")


@trap.insn("000001 rs:5 01000 imm:16", "tgei {rs}, {imm}", until=6)
def tgei(m, rs, imm):
    m.require(m.gpr[rs].less(m.signed(imm, 16)), "Tr")


@trap.insn("000001 rs:5 01001 imm:16", "tgeiu {rs}, {imm}", until=6)
def tgeiu(m, rs, imm):
    m.require(m.gpr[rs].below(m.signed(imm, 16)), "Tr")


@trap.insn("000001 rs:5 01010 imm:16", "tlti {rs}, {imm}", until=6)
def tlti(m, rs, imm):
    m.require(~m.gpr[rs].less(m.signed(imm, 16)), "Tr")


@trap.insn("000001 rs:5 01011 imm:16", "tltiu {rs}, {imm}", until=6)
def tltiu(m, rs, imm):
    m.require(~m.gpr[rs].below(m.signed(imm, 16)), "Tr")


@trap.insn("000001 rs:5 01110 imm:16", "tnei {rs}, {imm}", until=6)
def tnei(m, rs, imm):
    m.require(m.gpr[rs] == m.signed(imm, 16), "Tr")
