"""Vector loads and stores, branches on lanes, the control registers, and LSA that comes with MSA.  (MD00866; mips.md 9)

Invariant: memory holds lanes in ascending order, each in the machine's byte order; no alignment is needed.
"""
from __future__ import annotations

from vmm.arch.insns.msa.formats import SINCE, rows
from vmm.arch.privileged import msa
from vmm.arch.rows import Family

vector_memory = Family("msa.memory")


# -- memory ---------------------------------------------------------------------------------------------------------------
def ld(bits):
    def meaning(m, offset, base, wd):
        m.load_vector(wd, address(m, bits, offset, base), bits // 8)
    return meaning


def st(bits):
    def meaning(m, offset, base, wd):
        m.store_vector(wd, address(m, bits, offset, base), bits // 8)
    return meaning


def address(m, bits, offset, base):
    return m.gpr[base] + m.signed(offset, 10).shl({8: 0, 16: 1, 32: 2, 64: 3}[bits])


for _df, _size in (("b", 1), ("h", 2), ("w", 4), ("d", 8)):
    _operands = f"{{wd}}, {{offset*{_size}}}({{base}})"
    for _op, _name, _make in (("1000", "ld", ld), ("1001", "st", st)):
        rows(vector_memory, f"011110 offset:10 base:5 wd:5 {_op} «df»", f"{_name}.{_df}", _operands,
             lambda make, bits: make(bits))(_make)


# -- branches -------------------------------------------------------------------------------------------------------------
def branch(rs, names):
    return rows(vector_memory, f"010001 {rs} wt:5 off:16", names, "{wt}, {off}",
                lambda make, bits: make(bits), control=True)


@branch("110 «df»", "bz.b bz.h bz.w bz.d")
def bz(bits):
    """Some lane is zero."""
    def meaning(m, wt, off):
        m.branch((m.vector(bits)[wt] == 0).any(), off)
    return meaning


@branch("111 «df»", "bnz.b bnz.h bnz.w bnz.d")
def bnz(bits):
    """No lane is zero."""
    def meaning(m, wt, off):
        m.branch(~(m.vector(bits)[wt] == 0).any(), off)
    return meaning


@vector_memory.insn("010001 01011 wt:5 off:16", "bz.v {wt}, {off}", since=SINCE, ase="MSA", vector=True, control=True)
def bz_v(m, wt, off):
    m.branch(~(m.vector(64)[wt] != 0).any(), off)


@vector_memory.insn("010001 01111 wt:5 off:16", "bnz.v {wt}, {off}", since=SINCE, ase="MSA", vector=True, control=True)
def bnz_v(m, wt, off):
    m.branch((m.vector(64)[wt] != 0).any(), off)


# -- control registers ----------------------------------------------------------------------------------------------------
@vector_memory.insn("011110 0000111110 rs:5 cd:5 011001", "ctcmsa {cd:n}, {rs}", since=SINCE, ase="MSA", vector=True)
def ctcmsa(m, rs, cd):
    m.call(msa.write_control, m.unsigned(cd, 5), m.gpr[rs])


@vector_memory.insn("011110 0001111110 cs:5 rd:5 011001", "cfcmsa {rd}, {cs:n}", since=SINCE, ase="MSA", vector=True)
def cfcmsa(m, cs, rd):
    """Registers 2 to 7 exist only with vector partitioning."""
    number = m.unsigned(cs, 5)
    known = m.select(number == 0, m.state.msair, m.select(number == 1, m.state.msacsr, 0))
    m.gpr[rd] = m.word(known)


# -- address arithmetic ---------------------------------------------------------------------------------------------------
@vector_memory.insn("000000 rs:5 rt:5 rd:5 000 sa:2 000101", "lsa {rd}, {rs}, {rt}, {sa+1:x}", since=SINCE, until=6,
                    ase="MSA")
def lsa(m, rs, rt, rd, sa):
    m.gpr[rd] = m.word(m.gpr[rs].shl(m.unsigned(sa, 2) + 1) + m.gpr[rt])


@vector_memory.insn("000000 rs:5 rt:5 rd:5 000 sa:2 010101", "dlsa {rd}, {rs}, {rt}, {sa+1:x}", since=SINCE, until=6,
                    ase="MSA", bits=64)
def dlsa(m, rs, rt, rd, sa):
    m.gpr[rd] = m.gpr[rs].shl(m.unsigned(sa, 2) + 1) + m.gpr[rt]
