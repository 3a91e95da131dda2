"""Integer arithmetic and comparison of lanes.  (MD00866, chapter 3; mips.md 9)

Invariant: lanes wrap unless a name says saturated.  Division by zero, which the manual leaves open, gives what the
dividend's sign says (signed -1 or 1, unsigned all ones), and the dividend as remainder.
"""
from __future__ import annotations

from vmm.arch.insns.msa.formats import immediate, three, three_on
from vmm.arch.rows import Family

arith = Family("msa.arith")


def magnitude(x):
    """As an unsigned number: the most negative one is representable."""
    return x.less(0).choose(-x, x)


def greatest(x):
    """The largest signed number of a lane."""
    return x.like(-1).shr(1)


def even(x):
    """The lower halves of the lanes, sign-extended."""
    half = x.bits // 2
    return x.shl(half).sar(half)


def odd(x):
    return x.sar(x.bits // 2)


def even_unsigned(x):
    half = x.bits // 2
    return x.shl(half).shr(half)


def odd_unsigned(x):
    return x.shr(x.bits // 2)


# -- sums -----------------------------------------------------------------------------------------------------------------
@three(arith, "000", "001110", "addv.b addv.h addv.w addv.d")
@immediate(arith, "000", "000110", "addvi.b addvi.h addvi.w addvi.d", signed=False)
def addv(s, t):
    return s + t


@three(arith, "001", "001110", "subv.b subv.h subv.w subv.d")
@immediate(arith, "001", "000110", "subvi.b subvi.h subvi.w subvi.d", signed=False)
def subv(s, t):
    return s - t


@three(arith, "000", "010000", "add_a.b add_a.h add_a.w add_a.d")
def add_a(s, t):
    return magnitude(s) + magnitude(t)


@three(arith, "001", "010000", "adds_a.b adds_a.h adds_a.w adds_a.d")
def adds_a(s, t):
    return min_u(magnitude(s).add_saturated_unsigned(magnitude(t)), greatest(s))


@three(arith, "010", "010000", "adds_s.b adds_s.h adds_s.w adds_s.d")
def adds_s(s, t):
    return s.add_saturated(t)


@three(arith, "011", "010000", "adds_u.b adds_u.h adds_u.w adds_u.d")
def adds_u(s, t):
    return s.add_saturated_unsigned(t)


@three(arith, "100", "010000", "ave_s.b ave_s.h ave_s.w ave_s.d")
def ave_s(s, t):
    return (s & t) + (s ^ t).sar(1)


@three(arith, "101", "010000", "ave_u.b ave_u.h ave_u.w ave_u.d")
def ave_u(s, t):
    return (s & t) + (s ^ t).shr(1)


@three(arith, "110", "010000", "aver_s.b aver_s.h aver_s.w aver_s.d")
def aver_s(s, t):
    return (s | t) - (s ^ t).sar(1)


@three(arith, "111", "010000", "aver_u.b aver_u.h aver_u.w aver_u.d")
def aver_u(s, t):
    return (s | t) - (s ^ t).shr(1)


@three(arith, "000", "010001", "subs_s.b subs_s.h subs_s.w subs_s.d")
def subs_s(s, t):
    return s.subtract_saturated(t)


@three(arith, "001", "010001", "subs_u.b subs_u.h subs_u.w subs_u.d")
def subs_u(s, t):
    return s.subtract_saturated_unsigned(t)


@three(arith, "010", "010001", "subsus_u.b subsus_u.h subsus_u.w subsus_u.d")
def subsus_u(s, t):
    return t.less(0).choose(s.add_saturated_unsigned(-t), s.subtract_saturated_unsigned(t))


@three(arith, "011", "010001", "subsuu_s.b subsuu_s.h subsuu_s.w subsuu_s.d")
def subsuu_s(s, t):
    up, down = min_u(s - t, greatest(s)), min_u(t - s, ~greatest(s))
    return s.below(t).choose(-down, up)


@three(arith, "100", "010001", "asub_s.b asub_s.h asub_s.w asub_s.d")
def asub_s(s, t):
    return s.less(t).choose(t - s, s - t)


@three(arith, "101", "010001", "asub_u.b asub_u.h asub_u.w asub_u.d")
def asub_u(s, t):
    return s.below(t).choose(t - s, s - t)


@three(arith, "100", "010101", "hadd_s.h hadd_s.w hadd_s.d")
def hadd_s(s, t):
    return odd(s) + even(t)


@three(arith, "101", "010101", "hadd_u.h hadd_u.w hadd_u.d")
def hadd_u(s, t):
    return odd_unsigned(s) + even_unsigned(t)


@three(arith, "110", "010101", "hsub_s.h hsub_s.w hsub_s.d")
def hsub_s(s, t):
    return odd(s) - even(t)


@three(arith, "111", "010101", "hsub_u.h hsub_u.w hsub_u.d")
def hsub_u(s, t):
    return odd_unsigned(s) - even_unsigned(t)


# -- products -------------------------------------------------------------------------------------------------------------
@three(arith, "000", "010010", "mulv.b mulv.h mulv.w mulv.d")
def mulv(s, t):
    return s * t


@three_on(arith, "001", "010010", "maddv.b maddv.h maddv.w maddv.d")
def maddv(d, s, t):
    return d + s * t


@three_on(arith, "010", "010010", "msubv.b msubv.h msubv.w msubv.d")
def msubv(d, s, t):
    return d - s * t


@three(arith, "000", "010011", "dotp_s.h dotp_s.w dotp_s.d")
def dotp_s(s, t):
    return odd(s) * odd(t) + even(s) * even(t)


@three(arith, "001", "010011", "dotp_u.h dotp_u.w dotp_u.d")
def dotp_u(s, t):
    return odd_unsigned(s) * odd_unsigned(t) + even_unsigned(s) * even_unsigned(t)


@three_on(arith, "010", "010011", "dpadd_s.h dpadd_s.w dpadd_s.d")
def dpadd_s(d, s, t):
    return d + dotp_s(s, t)


@three_on(arith, "011", "010011", "dpadd_u.h dpadd_u.w dpadd_u.d")
def dpadd_u(d, s, t):
    return d + dotp_u(s, t)


@three_on(arith, "100", "010011", "dpsub_s.h dpsub_s.w dpsub_s.d")
def dpsub_s(d, s, t):
    return d - dotp_s(s, t)


@three_on(arith, "101", "010011", "dpsub_u.h dpsub_u.w dpsub_u.d")
def dpsub_u(d, s, t):
    return d - dotp_u(s, t)


# -- quotients ------------------------------------------------------------------------------------------------------------
def divided(s, t):
    """Quotient and remainder with a divisor that is not zero."""
    return s.divide_signed((t == 0).choose(1, t))


def divided_unsigned(s, t):
    return s.divide_unsigned((t == 0).choose(1, t))


@three(arith, "100", "010010", "div_s.b div_s.h div_s.w div_s.d")
def div_s(s, t):
    return (t == 0).choose(s.less(0).choose(1, -1), divided(s, t)[0])


@three(arith, "101", "010010", "div_u.b div_u.h div_u.w div_u.d")
def div_u(s, t):
    return (t == 0).choose(-1, divided_unsigned(s, t)[0])


@three(arith, "110", "010010", "mod_s.b mod_s.h mod_s.w mod_s.d")
def mod_s(s, t):
    return (t == 0).choose(s, divided(s, t)[1])


@three(arith, "111", "010010", "mod_u.b mod_u.h mod_u.w mod_u.d")
def mod_u(s, t):
    return (t == 0).choose(s, divided_unsigned(s, t)[1])


# -- extremes -------------------------------------------------------------------------------------------------------------
@three(arith, "010", "001110", "max_s.b max_s.h max_s.w max_s.d")
@immediate(arith, "010", "000110", "maxi_s.b maxi_s.h maxi_s.w maxi_s.d", signed=True)
def max_s(s, t):
    return s.less(t).choose(t, s)


@three(arith, "011", "001110", "max_u.b max_u.h max_u.w max_u.d")
@immediate(arith, "011", "000110", "maxi_u.b maxi_u.h maxi_u.w maxi_u.d", signed=False)
def max_u(s, t):
    return s.below(t).choose(t, s)


@three(arith, "100", "001110", "min_s.b min_s.h min_s.w min_s.d")
@immediate(arith, "100", "000110", "mini_s.b mini_s.h mini_s.w mini_s.d", signed=True)
def min_s(s, t):
    return s.less(t).choose(s, t)


@three(arith, "101", "001110", "min_u.b min_u.h min_u.w min_u.d")
@immediate(arith, "101", "000110", "mini_u.b mini_u.h mini_u.w mini_u.d", signed=False)
def min_u(s, t):
    return s.below(t).choose(s, t)


@three(arith, "110", "001110", "max_a.b max_a.h max_a.w max_a.d")
def max_a(s, t):
    return magnitude(t).below(magnitude(s)).choose(s, t)


@three(arith, "111", "001110", "min_a.b min_a.h min_a.w min_a.d")
def min_a(s, t):
    return magnitude(s).below(magnitude(t)).choose(s, t)


# -- comparisons: all ones, or zero ---------------------------------------------------------------------------------------
@three(arith, "000", "001111", "ceq.b ceq.h ceq.w ceq.d")
@immediate(arith, "000", "000111", "ceqi.b ceqi.h ceqi.w ceqi.d", signed=True)
def ceq(s, t):
    return (s == t).ones()


@three(arith, "010", "001111", "clt_s.b clt_s.h clt_s.w clt_s.d")
@immediate(arith, "010", "000111", "clti_s.b clti_s.h clti_s.w clti_s.d", signed=True)
def clt_s(s, t):
    return s.less(t).ones()


@three(arith, "011", "001111", "clt_u.b clt_u.h clt_u.w clt_u.d")
@immediate(arith, "011", "000111", "clti_u.b clti_u.h clti_u.w clti_u.d", signed=False)
def clt_u(s, t):
    return s.below(t).ones()


@three(arith, "100", "001111", "cle_s.b cle_s.h cle_s.w cle_s.d")
@immediate(arith, "100", "000111", "clei_s.b clei_s.h clei_s.w clei_s.d", signed=True)
def cle_s(s, t):
    return (~t.less(s)).ones()


@three(arith, "101", "001111", "cle_u.b cle_u.h cle_u.w cle_u.d")
@immediate(arith, "101", "000111", "clei_u.b clei_u.h clei_u.w clei_u.d", signed=False)
def cle_u(s, t):
    return (~t.below(s)).ones()
