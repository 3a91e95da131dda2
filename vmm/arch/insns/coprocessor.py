"""Opcodes of units that no core here has, and what is left of coprocessor 1's.  (MD00087, 3; mips.md 5.1)

Coprocessor 2 does not exist (Config1.C2 = 0) and Status.CU2 cannot be set, so Coprocessor Unusable is all its
instructions ever raise, in any mode (MD00090, Coprocessor Unusable Exception).  The names and operands are those of
GNU as: the manual leaves all but the branches to the implementation.  An encoding that coprocessor 1 does not use is
reserved, once coprocessor 1 is usable.  JALX is reserved without MIPS16 and microMIPS (MD00087, JALX).

A row ``NAME.reserved`` is the rest of an opcode: no assembler has it.
"""
from __future__ import annotations

from vmm.arch.fp import needs
from vmm.arch.rows import Family

coprocessor = Family("coprocessor")


def unusable(m, number):
    m.state.trap_ce = number
    m.trap("CpU")


@coprocessor.insn("010001 operation:26", "cop1.reserved {operation:x}", fp=needs())
def cop1_reserved(m, operation):
    """An operation that coprocessor 1 does not have."""
    m.trap("RI")


@coprocessor.insn("010011 operation:26", "cop1x.reserved {operation:x}", since=2, until=6, fp=needs())
def cop1x_reserved(m, operation):
    m.trap("RI")


@coprocessor.insn("011101 target:26", "jalx {target}", until=6)
def jalx(m, target):
    m.trap("RI")


# -- coprocessor 2: moves, branches, operations -----------------------------------------------------------------------

@coprocessor.insn("010010 operation:26", "cop2.reserved {operation:x}")
def cop2_reserved(m, operation):
    m.call(unusable, m.const(2))


@coprocessor.insn("010010 1 cofun:25", "c2 {cofun:x}")
def cop2(m, cofun):
    m.call(unusable, m.const(2))


@coprocessor.insn("010010 00000 rt:5 rd:5 00000000 sel:3", "mfc2 {rt}, {rd:n}<, {sel}>")
def mfc2(m, rt, rd, sel):
    m.call(unusable, m.const(2))


@coprocessor.insn("010010 00001 rt:5 rd:5 00000000 sel:3", "dmfc2 {rt}, {rd:n}<, {sel}>", bits=64)
def dmfc2(m, rt, rd, sel):
    m.call(unusable, m.const(2))


@coprocessor.insn("010010 00010 rt:5 rd:5 00000000000", "cfc2 {rt}, {rd:n}")
def cfc2(m, rt, rd):
    m.call(unusable, m.const(2))


@coprocessor.insn("010010 00011 rt:5 rd:5 00000000 sel:3", "mfhc2 {rt}, {rd:n}<, {sel}>", since=2)
def mfhc2(m, rt, rd, sel):
    m.call(unusable, m.const(2))


@coprocessor.insn("010010 00100 rt:5 rd:5 00000000 sel:3", "mtc2 {rt}, {rd:n}<, {sel}>")
def mtc2(m, rt, rd, sel):
    m.call(unusable, m.const(2))


@coprocessor.insn("010010 00101 rt:5 rd:5 00000000 sel:3", "dmtc2 {rt}, {rd:n}<, {sel}>", bits=64)
def dmtc2(m, rt, rd, sel):
    m.call(unusable, m.const(2))


@coprocessor.insn("010010 00110 rt:5 rd:5 00000000000", "ctc2 {rt}, {rd:n}")
def ctc2(m, rt, rd):
    m.call(unusable, m.const(2))


@coprocessor.insn("010010 00111 rt:5 rd:5 00000000 sel:3", "mthc2 {rt}, {rd:n}<, {sel}>", since=2)
def mthc2(m, rt, rd, sel):
    m.call(unusable, m.const(2))


@coprocessor.insn("010010 01000 cc:3 00 off:16", "bc2f <{cc:c2}, >{off}", until=6)
def bc2f(m, cc, off):
    m.call(unusable, m.const(2))


@coprocessor.insn("010010 01000 cc:3 01 off:16", "bc2t <{cc:c2}, >{off}", until=6)
def bc2t(m, cc, off):
    m.call(unusable, m.const(2))


@coprocessor.insn("010010 01000 cc:3 10 off:16", "bc2fl <{cc:c2}, >{off}", until=6)
def bc2fl(m, cc, off):
    m.call(unusable, m.const(2))


@coprocessor.insn("010010 01000 cc:3 11 off:16", "bc2tl <{cc:c2}, >{off}", until=6)
def bc2tl(m, cc, off):
    m.call(unusable, m.const(2))


@coprocessor.insn("010010 01001 ct:5 off:16", "bc2eqz {ct:n}, {off}", since=6)
def bc2eqz(m, ct, off):
    m.call(unusable, m.const(2))


@coprocessor.insn("010010 01101 ct:5 off:16", "bc2nez {ct:n}, {off}", since=6)
def bc2nez(m, ct, off):
    m.call(unusable, m.const(2))


# -- coprocessor 2: memory --------------------------------------------------------------------------------------------

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


@coprocessor.insn("010010 01010 rt:5 base:5 offset:11", "lwc2 {rt:n}, {offset}({base})", since=6)
def lwc2_6(m, rt, base, offset):
    m.call(unusable, m.const(2))


@coprocessor.insn("010010 01110 rt:5 base:5 offset:11", "ldc2 {rt:n}, {offset}({base})", since=6)
def ldc2_6(m, rt, base, offset):
    m.call(unusable, m.const(2))


@coprocessor.insn("010010 01011 rt:5 base:5 offset:11", "swc2 {rt:n}, {offset}({base})", since=6)
def swc2_6(m, rt, base, offset):
    m.call(unusable, m.const(2))


@coprocessor.insn("010010 01111 rt:5 base:5 offset:11", "sdc2 {rt:n}, {offset}({base})", since=6)
def sdc2_6(m, rt, base, offset):
    m.call(unusable, m.const(2))
