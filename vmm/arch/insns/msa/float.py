"""Floating point and fixed point on lanes.  (MD00866, chapter 3; mips.md 8.4, 9)

An operation is named as ``vmm.arch.softfloat.lanes`` names it; what it raises goes to MSACSR, see
``vmm.arch.privileged.msa_float``.  Fixed-point numbers are fractions with the sign as their only whole bit; what does not
fit saturates, and raises nothing.
"""
from __future__ import annotations

from vmm.arch.insns.msa.arith import even, odd
from vmm.arch.insns.msa.formats import rows
from vmm.arch.privileged import msa_float
from vmm.arch.rows import Family
from vmm.arch.softfloat.lanes import NARROWING, NEGATED, SAME_WIDTH, SIGNALLING, TRUNCATED, UNSIGNED, WIDENING

floats = Family("msa.float")
BIT = {"w": "0", "d": "1"}
"""The bit that names the format of numbers."""
RESULT_BIT = {"h": "0", "w": "1"}
"""The same bit by the format of a result of half the width."""


def same_width(m, name, option, bits, wd, ws, wt):
    """All lanes at once if the engine can, else one by one."""
    d, s, t = (m.unsigned(w, 5) for w in (wd, ws, wt))
    for _ in m.when(~m.float_lanes(name, option, bits, d, s, t)):
        m.call(msa_float.execute, m.const(list(SAME_WIDTH).index(name)), m.const(option), m.const(bits == 64), d, s, t)


def three(op, minor, names, operation, option=0):
    """3RF: wd := operation of ws, wt and wd."""
    def meaning_of(name, bits):
        def meaning(m, wt, ws, wd):
            same_width(m, name, option, bits, wd, ws, wt)
        return meaning
    rows(floats, f"011110 {op} «df» wt:5 ws:5 wd:5 {minor}", names, "{wd}, {ws}, {wt}", meaning_of, BIT)(operation)


def two(op, names, operation, option=0):
    """2RF: wd := operation of ws."""
    def meaning_of(name, bits):
        def meaning(m, ws, wd):
            same_width(m, name, option, bits, wd, ws, ws)
        return meaning
    rows(floats, f"011110 11001 {op} «df» ws:5 wd:5 011110", names, "{wd}, {ws}", meaning_of, BIT)(operation)


def narrowing(op, names, operation):
    def meaning_of(number, bits):
        def meaning(m, wt, ws, wd):
            m.call(msa_float.narrow, m.const(number), m.const(bits == 32), m.unsigned(wd, 5), m.unsigned(ws, 5),
                   m.unsigned(wt, 5))
        return meaning
    rows(floats, f"011110 {op} «df» wt:5 ws:5 wd:5 011011", names, "{wd}, {ws}, {wt}", meaning_of,
         RESULT_BIT)(list(NARROWING).index(operation))


def widening(op, names, operation, left):
    def meaning_of(number, bits):
        def meaning(m, ws, wd):
            m.call(msa_float.widen, m.const(number), m.const(left), m.const(bits == 64), m.unsigned(wd, 5),
                   m.unsigned(ws, 5))
        return meaning
    rows(floats, f"011110 11001 {op} «df» ws:5 wd:5 011110", names, "{wd}, {ws}", meaning_of,
         BIT)(list(WIDENING).index(operation))


# -- arithmetic -----------------------------------------------------------------------------------------------------------
three("0000", "011011", "fadd.w fadd.d", "add")
three("0001", "011011", "fsub.w fsub.d", "sub")
three("0010", "011011", "fmul.w fmul.d", "mul")
three("0011", "011011", "fdiv.w fdiv.d", "div")
three("0100", "011011", "fmadd.w fmadd.d", "fused", 0)
three("0101", "011011", "fmsub.w fmsub.d", "fused", 1)
three("0111", "011011", "fexp2.w fexp2.d", "scaled")
three("1100", "011011", "fmin.w fmin.d", "extreme", 0)
three("1101", "011011", "fmin_a.w fmin_a.d", "extreme", 2)
three("1110", "011011", "fmax.w fmax.d", "extreme", 1)
three("1111", "011011", "fmax_a.w fmax_a.d", "extreme", 3)
two("0000", "fclass.w fclass.d", "classify")
two("0011", "fsqrt.w fsqrt.d", "sqrt")
two("0100", "frsqrt.w frsqrt.d", "rsqrt")
two("0101", "frcp.w frcp.d", "recip")
two("0110", "frint.w frint.d", "rint")
two("0111", "flog2.w flog2.d", "log2")

# -- comparisons: the low three bits of the code are the relations unordered, equal, less ---------------------------------
three("0000", "011010", "fcaf.w fcaf.d", "compare", 0)
three("0001", "011010", "fcun.w fcun.d", "compare", 1)
three("0010", "011010", "fceq.w fceq.d", "compare", 2)
three("0011", "011010", "fcueq.w fcueq.d", "compare", 3)
three("0100", "011010", "fclt.w fclt.d", "compare", 4)
three("0101", "011010", "fcult.w fcult.d", "compare", 5)
three("0110", "011010", "fcle.w fcle.d", "compare", 6)
three("0111", "011010", "fcule.w fcule.d", "compare", 7)
three("1000", "011010", "fsaf.w fsaf.d", "compare", SIGNALLING)
three("1001", "011010", "fsun.w fsun.d", "compare", SIGNALLING | 1)
three("1010", "011010", "fseq.w fseq.d", "compare", SIGNALLING | 2)
three("1011", "011010", "fsueq.w fsueq.d", "compare", SIGNALLING | 3)
three("1100", "011010", "fslt.w fslt.d", "compare", SIGNALLING | 4)
three("1101", "011010", "fsult.w fsult.d", "compare", SIGNALLING | 5)
three("1110", "011010", "fsle.w fsle.d", "compare", SIGNALLING | 6)
three("1111", "011010", "fsule.w fsule.d", "compare", SIGNALLING | 7)
three("0001", "011100", "fcor.w fcor.d", "compare", NEGATED | 1)
three("0010", "011100", "fcune.w fcune.d", "compare", NEGATED | 2)
three("0011", "011100", "fcne.w fcne.d", "compare", NEGATED | 3)
three("1001", "011100", "fsor.w fsor.d", "compare", NEGATED | SIGNALLING | 1)
three("1010", "011100", "fsune.w fsune.d", "compare", NEGATED | SIGNALLING | 2)
three("1011", "011100", "fsne.w fsne.d", "compare", NEGATED | SIGNALLING | 3)

# -- conversions ----------------------------------------------------------------------------------------------------------
two("0001", "ftrunc_s.w ftrunc_s.d", "to_integer", TRUNCATED)
two("0010", "ftrunc_u.w ftrunc_u.d", "to_integer", TRUNCATED | UNSIGNED)
two("1100", "ftint_s.w ftint_s.d", "to_integer")
two("1101", "ftint_u.w ftint_u.d", "to_integer", UNSIGNED)
two("1110", "ffint_s.w ffint_s.d", "from_integer")
two("1111", "ffint_u.w ffint_u.d", "from_integer", UNSIGNED)
narrowing("1000", "fexdo.h fexdo.w", "exponent_down")
narrowing("1010", "ftq.h ftq.w", "to_fixed")
widening("1000", "fexupl.w fexupl.d", "exponent_up", 1)
widening("1001", "fexupr.w fexupr.d", "exponent_up", 0)
widening("1010", "ffql.w ffql.d", "from_fixed", 1)
widening("1011", "ffqr.w ffqr.d", "from_fixed", 0)


# -- fixed point ----------------------------------------------------------------------------------------------------------
def fixed(op, names):
    """3RF on fixed-point lanes: wd := operation(d, s, t) in lanes of twice the width, a product's point doubled."""
    def meaning_of(operation, bits):
        def meaning(m, wt, ws, wd):
            w, wide = m.vector(bits), 2 * bits
            d, s, t = (w[r].cast(wide) for r in (wd, ws, wt))
            upper, lower = (saturated(operation(part(d), part(s), part(t), bits), bits) for part in (odd, even))
            w[wd] = (upper.shl(bits) | lower & (1 << bits) - 1).cast(bits)
        return meaning
    return rows(floats, f"011110 {op} «df» wt:5 ws:5 wd:5 011100", names, "{wd}, {ws}, {wt}", meaning_of, RESULT_BIT)


def saturated(x, bits):
    """Of a sum with a doubled point, the part that fits the narrower format."""
    whole, largest = x.sar(bits - 1), (1 << bits - 1) - 1
    clipped = whole.less(-largest - 1).choose(-largest - 1, whole)
    return clipped.like(largest).less(clipped).choose(largest, clipped)


@fixed("0100", "mul_q.h mul_q.w")
def mul_q(d, s, t, bits):
    return s * t


@fixed("0101", "madd_q.h madd_q.w")
def madd_q(d, s, t, bits):
    return d.shl(bits - 1) + s * t


@fixed("0110", "msub_q.h msub_q.w")
def msub_q(d, s, t, bits):
    return d.shl(bits - 1) - s * t


@fixed("1100", "mulr_q.h mulr_q.w")
def mulr_q(d, s, t, bits):
    return s * t + (1 << bits - 2)


@fixed("1101", "maddr_q.h maddr_q.w")
def maddr_q(d, s, t, bits):
    return madd_q(d, s, t, bits) + (1 << bits - 2)


@fixed("1110", "msubr_q.h msubr_q.w")
def msubr_q(d, s, t, bits):
    return msub_q(d, s, t, bits) + (1 << bits - 2)
