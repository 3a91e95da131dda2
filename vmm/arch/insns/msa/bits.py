"""Logic on whole registers, shifts, single bits, and counts of bits within lanes.  (MD00866, chapter 3; mips.md 8.4, 9)

Invariant: a shift count or bit number from a register counts modulo the width of a lane.
"""
from __future__ import annotations

from vmm.arch.insns.msa.formats import SINCE, bit_number, bit_number_on, three, three_on, two
from vmm.arch.rows import Family

bits = Family("msa.bits")
WHOLE = 64
"""A width for what does not care about lanes."""


# -- logic ----------------------------------------------------------------------------------------------------------------
def whole(op, name):
    """VEC: wd := operation(d, s, t), bit by bit."""
    def register(operation):
        @bits.insn(f"011110 {op} wt:5 ws:5 wd:5 011110", f"{name} {{wd}}, {{ws}}, {{wt}}", since=SINCE, ase="MSA",
                   vector=True)
        def meaning(m, wt, ws, wd):
            w = m.vector(WHOLE)
            w[wd] = operation(w[wd], w[ws], w[wt])
        return operation
    return register


def byte(op, minor, name):
    """I8: the same with an immediate in every byte for wt."""
    def register(operation):
        @bits.insn(f"011110 {op} imm:8 ws:5 wd:5 {minor}", f"{name} {{wd}}, {{ws}}, {{imm:x}}", since=SINCE, ase="MSA",
                   vector=True)
        def meaning(m, imm, ws, wd):
            w = m.vector(8)
            w[wd] = operation(w[wd], w[ws], m.splat(8, m.unsigned(imm, 8)))
        return operation
    return register


@whole("00000", "and.v")
@byte("00", "000000", "andi.b")
def and_v(d, s, t):
    return s & t


@whole("00001", "or.v")
@byte("01", "000000", "ori.b")
def or_v(d, s, t):
    return s | t


@whole("00010", "nor.v")
@byte("10", "000000", "nori.b")
def nor_v(d, s, t):
    return ~(s | t)


@whole("00011", "xor.v")
@byte("11", "000000", "xori.b")
def xor_v(d, s, t):
    return s ^ t


@whole("00100", "bmnz.v")
@byte("00", "000001", "bmnzi.b")
def bmnz_v(d, s, t):
    return d ^ (d ^ s) & t


@whole("00101", "bmz.v")
@byte("01", "000001", "bmzi.b")
def bmz_v(d, s, t):
    return s ^ (d ^ s) & t


@whole("00110", "bsel.v")
def bsel_v(d, s, t):
    return s ^ (s ^ t) & d


@byte("10", "000001", "bseli.b")
def bseli_b(d, s, t):
    return bsel_v(d, s, t)


# -- shifts ---------------------------------------------------------------------------------------------------------------
@three(bits, "000", "001101", "sll.b sll.h sll.w sll.d")
@bit_number(bits, "000", "001001", "slli.b slli.h slli.w slli.d")
def sll(s, t):
    return s.shl(t)


@three(bits, "001", "001101", "sra.b sra.h sra.w sra.d")
@bit_number(bits, "001", "001001", "srai.b srai.h srai.w srai.d")
def sra(s, t):
    return s.sar(t)


@three(bits, "010", "001101", "srl.b srl.h srl.w srl.d")
@bit_number(bits, "010", "001001", "srli.b srli.h srli.w srli.d")
def srl(s, t):
    return s.shr(t)


def last_out(s, t):
    """The last bit that a right shift by ``t`` drops; 0 if it drops none."""
    return ((t & s.bits - 1) == 0).choose(0, s.shr(t - 1) & 1)


@three(bits, "001", "010101", "srar.b srar.h srar.w srar.d")
@bit_number(bits, "010", "001010", "srari.b srari.h srari.w srari.d")
def srar(s, t):
    return s.sar(t) + last_out(s, t)


@three(bits, "010", "010101", "srlr.b srlr.h srlr.w srlr.d")
@bit_number(bits, "011", "001010", "srlri.b srlri.h srlri.w srlri.d")
def srlr(s, t):
    return s.shr(t) + last_out(s, t)


# -- single bits ----------------------------------------------------------------------------------------------------------
@three(bits, "011", "001101", "bclr.b bclr.h bclr.w bclr.d")
@bit_number(bits, "011", "001001", "bclri.b bclri.h bclri.w bclri.d")
def bclr(s, t):
    return s & ~s.like(1).shl(t)


@three(bits, "100", "001101", "bset.b bset.h bset.w bset.d")
@bit_number(bits, "100", "001001", "bseti.b bseti.h bseti.w bseti.d")
def bset(s, t):
    return s | s.like(1).shl(t)


@three(bits, "101", "001101", "bneg.b bneg.h bneg.w bneg.d")
@bit_number(bits, "101", "001001", "bnegi.b bnegi.h bnegi.w bnegi.d")
def bneg(s, t):
    return s ^ s.like(1).shl(t)


@three_on(bits, "110", "001101", "binsl.b binsl.h binsl.w binsl.d")
@bit_number_on(bits, "110", "001001", "binsli.b binsli.h binsli.w binsli.d")
def binsl(d, s, t):
    """The t + 1 leftmost bits: the shift count is width - 1 - t, which is ~t modulo the width."""
    return d ^ (d ^ s) & s.like(-1).shl(~t)


@three_on(bits, "111", "001101", "binsr.b binsr.h binsr.w binsr.d")
@bit_number_on(bits, "111", "001001", "binsri.b binsri.h binsri.w binsri.d")
def binsr(d, s, t):
    return d ^ (d ^ s) & s.like(-1).shr(~t)


# -- saturation to t + 1 bits ---------------------------------------------------------------------------------------------
@bit_number(bits, "000", "001010", "sat_s.b sat_s.h sat_s.w sat_s.d")
def sat_s(s, t):
    low = s.like(-1).shl(t)
    clipped = s.less(low).choose(low, s)
    return (~low).less(s).choose(~low, clipped)


@bit_number(bits, "001", "001010", "sat_u.b sat_u.h sat_u.w sat_u.d")
def sat_u(s, t):
    high = s.like(-1).shr(~t)
    return high.below(s).choose(high, s)


# -- counts ---------------------------------------------------------------------------------------------------------------
@two(bits, "001", "pcnt.b pcnt.h pcnt.w pcnt.d")
def pcnt(s):
    return s.count_ones()


@two(bits, "010", "nloc.b nloc.h nloc.w nloc.d")
def nloc(s):
    return (~s).leading_zeros()


@two(bits, "011", "nlzc.b nlzc.h nlzc.w nlzc.d")
def nlzc(s):
    return s.leading_zeros()
