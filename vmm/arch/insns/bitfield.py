"""Bit fields, byte and halfword order, counting leading bits.  (MD00087, chapter 3)

Invariant: a field that does not lie inside its register is UNPREDICTABLE in the manual and Reserved
Instruction here, as in QEMU.  A field's lowest bit and size are the operands; the encodings hold them
less 32 where the mnemonic says so.
"""
from __future__ import annotations

from vmm.arch.rows import Family

bitfield = Family("bitfield")

BYTES = 0x00FF_00FF_00FF_00FF
HALVES = 0x0000_FFFF_0000_FFFF


def ones(m, top):
    """A Word with bits ``top`` .. 0 set."""
    return m.const(2).shl(top) - 1


def extracted(m, source, lsb, msbd, width):
    m.require((lsb + msbd).below(width), "RI")
    return source.shr(lsb) & ones(m, msbd)


def inserted(m, source, into, lsb, msb):
    m.require(~msb.below(lsb), "RI")
    field = ones(m, msb - lsb).shl(lsb)
    return into & ~field | source.shl(lsb) & field


@bitfield.insn("011111 rs:5 rt:5 msbd:5 lsb:5 000000", "ext {rt}, {rs}, {lsb:x}, {msbd+1:x}", since=2)
def ext(m, rs, rt, msbd, lsb):
    m.gpr[rt] = m.word(extracted(m, m.unsigned(m.gpr[rs], 32), m.unsigned(lsb, 5), m.unsigned(msbd, 5), 32))


@bitfield.insn("011111 rs:5 rt:5 msb:5 lsb:5 000100", "ins {rt}, {rs}, {lsb:x}, {msb-lsb+1:x}", since=2)
def ins(m, rs, rt, msb, lsb):
    m.gpr[rt] = m.word(inserted(m, m.gpr[rs], m.gpr[rt], m.unsigned(lsb, 5), m.unsigned(msb, 5)))


@bitfield.insn("011111 rs:5 rt:5 msbd:5 lsb:5 000011", "dext {rt}, {rs}, {lsb:x}, {msbd+1:x}",
               since=2, bits=64)
def dext(m, rs, rt, msbd, lsb):
    m.gpr[rt] = extracted(m, m.gpr[rs], m.unsigned(lsb, 5), m.unsigned(msbd, 5), 64)


@bitfield.insn("011111 rs:5 rt:5 msbd:5 lsb:5 000001", "dextm {rt}, {rs}, {lsb:x}, {msbd+33:x}",
               since=2, bits=64)
def dextm(m, rs, rt, msbd, lsb):
    m.gpr[rt] = extracted(m, m.gpr[rs], m.unsigned(lsb, 5), m.unsigned(msbd, 5) + 32, 64)


@bitfield.insn("011111 rs:5 rt:5 msbd:5 lsb:5 000010", "dextu {rt}, {rs}, {lsb+32:x}, {msbd+1:x}",
               since=2, bits=64)
def dextu(m, rs, rt, msbd, lsb):
    m.gpr[rt] = extracted(m, m.gpr[rs], m.unsigned(lsb, 5) + 32, m.unsigned(msbd, 5), 64)


@bitfield.insn("011111 rs:5 rt:5 msb:5 lsb:5 000111", "dins {rt}, {rs}, {lsb:x}, {msb-lsb+1:x}",
               since=2, bits=64)
def dins(m, rs, rt, msb, lsb):
    m.gpr[rt] = inserted(m, m.gpr[rs], m.gpr[rt], m.unsigned(lsb, 5), m.unsigned(msb, 5))


@bitfield.insn("011111 rs:5 rt:5 msb:5 lsb:5 000101", "dinsm {rt}, {rs}, {lsb:x}, {msb-lsb+33:x}",
               since=2, bits=64)
def dinsm(m, rs, rt, msb, lsb):
    m.gpr[rt] = inserted(m, m.gpr[rs], m.gpr[rt], m.unsigned(lsb, 5), m.unsigned(msb, 5) + 32)


@bitfield.insn("011111 rs:5 rt:5 msb:5 lsb:5 000110", "dinsu {rt}, {rs}, {lsb+32:x}, {msb-lsb+1:x}",
               since=2, bits=64)
def dinsu(m, rs, rt, msb, lsb):
    m.gpr[rt] = inserted(m, m.gpr[rs], m.gpr[rt], m.unsigned(lsb, 5) + 32, m.unsigned(msb, 5) + 32)


@bitfield.insn("011111 00000 rt:5 rd:5 10000 100000", "seb {rd}, {rt}", since=2)
def seb(m, rt, rd):
    m.gpr[rd] = m.signed(m.gpr[rt], 8)


@bitfield.insn("011111 00000 rt:5 rd:5 11000 100000", "seh {rd}, {rt}", since=2)
def seh(m, rt, rd):
    m.gpr[rd] = m.signed(m.gpr[rt], 16)


@bitfield.insn("011111 00000 rt:5 rd:5 00010 100000", "wsbh {rd}, {rt}", since=2)
def wsbh(m, rt, rd):
    m.gpr[rd] = m.word((m.gpr[rt] & BYTES) << 8 | m.gpr[rt].shr(8) & BYTES)


@bitfield.insn("011111 00000 rt:5 rd:5 00010 100100", "dsbh {rd}, {rt}",
               since=2, bits=64)
def dsbh(m, rt, rd):
    m.gpr[rd] = (m.gpr[rt] & BYTES) << 8 | m.gpr[rt].shr(8) & BYTES


@bitfield.insn("011111 00000 rt:5 rd:5 00101 100100", "dshd {rd}, {rt}",
               since=2, bits=64)
def dshd(m, rt, rd):
    pairs = (m.gpr[rt] & HALVES) << 16 | m.gpr[rt].shr(16) & HALVES
    m.gpr[rd] = pairs << 32 | pairs.shr(32)


# Release 1 to 5 encode the destination twice; the manual leaves open what happens when the two differ.

@bitfield.insn("011100 rs:5 rt:5 rd:5 00000 100000", "clz {rd,rt}, {rs}", until=6)
def clz(m, rs, rt, rd):
    m.gpr[rd] = m.leading_zeros(m.unsigned(m.gpr[rs], 32)) - 32


@bitfield.insn("011100 rs:5 rt:5 rd:5 00000 100001", "clo {rd,rt}, {rs}", until=6)
def clo(m, rs, rt, rd):
    m.gpr[rd] = m.leading_zeros(m.unsigned(~m.gpr[rs], 32)) - 32


@bitfield.insn("011100 rs:5 rt:5 rd:5 00000 100100", "dclz {rd,rt}, {rs}", bits=64, until=6)
def dclz(m, rs, rt, rd):
    m.gpr[rd] = m.leading_zeros(m.gpr[rs])


@bitfield.insn("011100 rs:5 rt:5 rd:5 00000 100101", "dclo {rd,rt}, {rs}", bits=64, until=6)
def dclo(m, rs, rt, rd):
    m.gpr[rd] = m.leading_zeros(~m.gpr[rs])
