"""Paired single: two singles in one 64-bit register, the upper and the lower.  (MD00087, chapter 3; until release 6)

Invariant: all of it needs Status.FR = 1; one instruction raises what its two halves raise, as one exception.
"""
from __future__ import annotations

from vmm.arch.fp import OPERATIONS, Fcsr, needs
from vmm.arch.insns.fp_arith import CONDITIONS
from vmm.arch.insns.fp_move import condition_holds, condition_place
from vmm.arch.privileged import fpu
from vmm.arch.rows import Family

fp_paired = Family("fp_paired")

WIDE = needs(wide=True)
SIGN = 1 << 31
BOTH_SIGNS = SIGN << 32 | SIGN


def halves(m, word):
    return m.unsigned(word, 32), word.shr(32)


def pair(upper, lower):
    return upper.shl(32) | lower


def both(m, name, *words):
    """An operation on the lower halves and on the upper ones, with one exception for both: two Words."""
    m.state.fp_flags = m.const(0)
    lower, upper = zip(*(halves(m, word) for word in words), strict=True)
    results = m.fp_raw(name, *lower), m.fp_raw(name, *upper)
    m.call(fpu.accrue)
    return results


def arithmetic(kind, function):
    operands = OPERATIONS[f"{kind}.s"].operands

    if operands == 2:
        @fp_paired.insn(f"010001 10110 ft:5 fs:5 fd:5 {function}", f"{kind}.ps {{fd}}, {{fs}}, {{ft}}", ase="PS", until=6,
                        fp=WIDE)
        def binary(m, ft, fs, fd):
            lower, upper = both(m, f"{kind}.s", m.fp64[fs], m.fp64[ft])
            m.fp64[fd] = pair(upper, lower)
    else:
        @fp_paired.insn(f"010011 fr:5 ft:5 fs:5 fd:5 {function}", f"{kind}.ps {{fd}}, {{fr}}, {{fs}}, {{ft}}", ase="PS",
                        until=6, fp=WIDE)
        def ternary(m, fr, ft, fs, fd):
            lower, upper = both(m, f"{kind}.s", m.fp64[fs], m.fp64[ft], m.fp64[fr])
            m.fp64[fd] = pair(upper, lower)


arithmetic("add", "000000")
arithmetic("sub", "000001")
arithmetic("mul", "000010")
arithmetic("madd", "100 110")
arithmetic("msub", "101 110")
arithmetic("nmadd", "110 110")
arithmetic("nmsub", "111 110")


def turned(m, kind, word):
    """ABS and NEG: bits alone since ABS2008."""
    result = m.var(word & ~BOTH_SIGNS if kind == "abs" else word ^ BOTH_SIGNS)
    for _ in m.when((m.state.fcsr & Fcsr.ABS2008) == 0):
        lower, upper = both(m, f"{kind}.s", word)
        result.value = pair(upper, lower)
    return result.value


def absolute(m, word):
    return turned(m, "abs", word)


def negated(m, word):
    return turned(m, "neg", word)


@fp_paired.insn("010001 10110 00000 fs:5 fd:5 000101", "abs.ps {fd}, {fs}", ase="PS", until=6, fp=WIDE)
def abs_ps(m, fs, fd):
    m.fp64[fd] = m.call(absolute, m.fp64[fs])


@fp_paired.insn("010001 10110 00000 fs:5 fd:5 000111", "neg.ps {fd}, {fs}", ase="PS", until=6, fp=WIDE)
def neg_ps(m, fs, fd):
    m.fp64[fd] = m.call(negated, m.fp64[fs])


@fp_paired.insn("010001 10110 00000 fs:5 fd:5 000110", "mov.ps {fd}, {fs}", ase="PS", until=6, fp=WIDE)
def mov_ps(m, fs, fd):
    m.fp64[fd] = m.fp64[fs]


@fp_paired.insn("010001 10110 rt:5 fs:5 fd:5 010010", "movz.ps {fd}, {fs}, {rt}", ase="PS", until=6, fp=WIDE)
def movz_ps(m, rt, fs, fd):
    m.fp64[fd] = m.select(m.gpr[rt] == 0, m.fp64[fs], m.fp64[fd])


@fp_paired.insn("010001 10110 rt:5 fs:5 fd:5 010011", "movn.ps {fd}, {fs}, {rt}", ase="PS", until=6, fp=WIDE)
def movn_ps(m, rt, fs, fd):
    m.fp64[fd] = m.select(m.gpr[rt] != 0, m.fp64[fs], m.fp64[fd])


def moved(m, cc, fs, fd, wanted):
    """Half by half: condition cc for the lower one, cc + 1 for the upper one."""
    lower, upper = halves(m, m.fp64[fs])
    old_lower, old_upper = halves(m, m.fp64[fd])
    take_lower, take_upper = condition_holds(m, cc), condition_holds(m, m.unsigned(cc, 3) + 1)
    if not wanted:
        take_lower, take_upper = ~take_lower, ~take_upper
    m.fp64[fd] = pair(m.select(take_upper, upper, old_upper), m.select(take_lower, lower, old_lower))


@fp_paired.insn("010001 10110 cc:3 00 fs:5 fd:5 010001", "movf.ps {fd}, {fs}, {cc}", ase="PS", until=6, fp=WIDE)
def movf_ps(m, cc, fs, fd):
    moved(m, cc, fs, fd, wanted=False)


@fp_paired.insn("010001 10110 cc:3 01 fs:5 fd:5 010001", "movt.ps {fd}, {fs}, {cc}", ase="PS", until=6, fp=WIDE)
def movt_ps(m, cc, fs, fd):
    moved(m, cc, fs, fd, wanted=True)


def compare(number):
    name = "signal.s" if number & 8 else "quiet.s"

    @fp_paired.insn(f"010001 10110 ft:5 fs:5 cc:3 00 11{number:04b}", f"c.{CONDITIONS[number]}.ps <{{cc}}, >{{fs}}, {{ft}}",
                    ase="PS", until=6, fp=WIDE)
    def c_cond_ps(m, ft, fs, cc):
        relations = both(m, name, m.fp64[fs], m.fp64[ft])
        for n, relation in enumerate(relations):
            place = condition_place(m, m.unsigned(cc, 3) + n)
            holds = m.flag((relation & number & 7) != 0)
            m.state.fcsr = m.state.fcsr & ~m.const(1).shl(place) | holds.shl(place)


for number in range(16):
    compare(number)


@fp_paired.insn("010001 10000 ft:5 fs:5 fd:5 100110", "cvt.ps.s {fd}, {fs}, {ft}", ase="PS", until=6, fp=WIDE)
def cvt_ps_s(m, ft, fs, fd):
    m.fp64[fd] = pair(m.fp32[fs], m.fp32[ft])


@fp_paired.insn("010001 10110 00000 fs:5 fd:5 101000", "cvt.s.pl {fd}, {fs}", ase="PS", until=6, fp=WIDE)
def cvt_s_pl(m, fs, fd):
    m.fp32[fd] = m.fp32[fs]


@fp_paired.insn("010001 10110 00000 fs:5 fd:5 100000", "cvt.s.pu {fd}, {fs}", ase="PS", until=6, fp=WIDE)
def cvt_s_pu(m, fs, fd):
    m.fp32[fd] = m.fp64[fs].shr(32)


def merge(name, function, upper, lower):
    """The upper half from fs and the lower half from ft; which half of each."""
    @fp_paired.insn(f"010001 10110 ft:5 fs:5 fd:5 {function}", f"{name}.ps {{fd}}, {{fs}}, {{ft}}", ase="PS", until=6,
                    fp=WIDE)
    def meaning(m, ft, fs, fd):
        m.fp64[fd] = pair(halves(m, m.fp64[fs])[upper], halves(m, m.fp64[ft])[lower])


merge("pll", "101100", 0, 0)
merge("plu", "101101", 0, 1)
merge("pul", "101110", 1, 0)
merge("puu", "101111", 1, 1)


@fp_paired.insn("010011 rs:5 ft:5 fs:5 fd:5 011110", "alnv.ps {fd}, {fs}, {ft}, {rs}", ase="PS", until=6, fp=WIDE)
def alnv_ps(m, rs, ft, fs, fd):
    """A pair out of two that lie one after the other in memory, from an address that is a multiple of 4."""
    first, second = m.fp64[fs], m.fp64[ft]
    one, two = halves(m, first), halves(m, second)
    shifted = pair(one[0], two[1]) if m.big_endian else pair(two[0], one[1])
    m.fp64[fd] = m.select((m.gpr[rs] & 7) == 0, first, m.select((m.gpr[rs] & 7) == 4, shifted, m.fp64[fd]))
