"""Addresses and loads relative to the pc, of release 6.  (MD00087 revision 6, chapter 3)

Invariant: the base is the address of the instruction itself, in a delay slot too; where addresses are computed
modulo 2^32, so are these.
"""
from __future__ import annotations

from vmm.arch.rows import Family

pcrel = Family("pcrel")

PAGE = 0xFFFF
"""What ALUIPC clears."""


def address(m, exact):
    return m.select(m.state.wrap != 0, m.word(exact), exact)


def load(m, exact, size):
    """From where read inhibit does not count if the page may be executed."""
    m.state.pc_relative = 1
    word = m.load(address(m, exact), size)
    m.state.pc_relative = 0
    return word


@pcrel.insn("111011 rs:5 00 imm:19", "addiupc {rs}, {imm*4:s}", since=6)
def addiupc(m, rs, imm):
    m.gpr[rs] = address(m, m.pc + (m.signed(imm, 19) << 2))


@pcrel.insn("111011 rs:5 01 off:19", "lwpc {rs}, {off*4:p}", since=6)
def lwpc(m, rs, off):
    m.gpr[rs] = m.word(load(m, m.pc + (m.signed(off, 19) << 2), 4))


@pcrel.insn("111011 rs:5 10 off:19", "lwupc {rs}, {off*4:p}", since=6, bits=64)
def lwupc(m, rs, off):
    m.gpr[rs] = load(m, m.pc + (m.signed(off, 19) << 2), 4)


@pcrel.insn("111011 rs:5 110 off:18", "ldpc {rs}, {off*8:p}", since=6, bits=64)
def ldpc(m, rs, off):
    m.gpr[rs] = load(m, (m.pc & ~7) + (m.signed(off, 18) << 3), 8)


@pcrel.insn("111011 rs:5 11110 imm:16", "auipc {rs}, {imm:x}", since=6)
def auipc(m, rs, imm):
    m.gpr[rs] = address(m, m.pc + (m.signed(imm, 16) << 16))


@pcrel.insn("111011 rs:5 11111 imm:16", "aluipc {rs}, {imm:x}", since=6)
def aluipc(m, rs, imm):
    m.gpr[rs] = address(m, m.pc + (m.signed(imm, 16) << 16)) & ~PAGE
