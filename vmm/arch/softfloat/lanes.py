"""What MSA computes on one lane, beyond and upon what the FPU has.  (MD00866, chapter 3; mips.md 9)

Each function gets ``option``, a number that its instruction gives; ``d``, 1 for double and 0 for single; and the lanes of
ws, wt and wd.  ``adjust`` says what becomes of the Cause bits.  NaNs are those of 2008.
"""
from __future__ import annotations

from vmm.arch.fp import TO_ZERO, Flag
from vmm.arch.rows import AnyMachine
from vmm.arch.softfloat import basic, convert, half
from vmm.arch.softfloat.parts import (
    bits_of_fraction,
    chosen_nan,
    increment,
    infinity,
    note,
    rounded,
    sign_bit,
    take_apart,
)

FURTHEST = 0x1000
"""A power of two that overflows, or underflows, whatever it scales."""
SIGNALLING, NEGATED = 8, 16
"""Options of a comparison, beside the relations that make it true."""
UNSIGNED, TRUNCATED = 1, 2
"""Options of a conversion."""


def add(m: AnyMachine, option: AnyMachine, d: AnyMachine, s: AnyMachine, t: AnyMachine, _: AnyMachine) -> AnyMachine:
    return m.call(basic.add, d, s, t)


def sub(m: AnyMachine, option: AnyMachine, d: AnyMachine, s: AnyMachine, t: AnyMachine, _: AnyMachine) -> AnyMachine:
    return m.call(basic.sub, d, s, t)


def mul(m: AnyMachine, option: AnyMachine, d: AnyMachine, s: AnyMachine, t: AnyMachine, _: AnyMachine) -> AnyMachine:
    return m.call(basic.mul, d, s, t)


def div(m: AnyMachine, option: AnyMachine, d: AnyMachine, s: AnyMachine, t: AnyMachine, _: AnyMachine) -> AnyMachine:
    return m.call(basic.div, d, s, t)


def fused(m: AnyMachine, option: AnyMachine, d: AnyMachine, s: AnyMachine, t: AnyMachine, w: AnyMachine) -> AnyMachine:
    """wd + ws * wt; option 1: wd - ws * wt."""
    return m.call(basic.fused, d, s, t, w, option)


def scaled(m: AnyMachine, option: AnyMachine, d: AnyMachine, s: AnyMachine, t: AnyMachine, _: AnyMachine) -> AnyMachine:
    """ws * 2**wt, wt a signed integer."""
    power = m.select(d != 0, t, m.signed(t, 32))
    power = m.select(power.less(-FURTHEST), -FURTHEST, m.select(m.const(FURTHEST).less(power), FURTHEST, power))
    x = take_apart(m, d, s)
    result = m.var(m.select(x.zero, sign_bit(m, d, x.sign), x.bits))
    for _ in m.when(x.nan):
        result.value = chosen_nan(m, d, x)
    for _ in m.when(~(x.nan | x.infinite | x.zero)):
        result.value = m.call(rounded, d, x.sign, x.exponent + power, x.significand)
    return result.value


def extreme(m: AnyMachine, option: AnyMachine, d: AnyMachine, s: AnyMachine, t: AnyMachine, _: AnyMachine) -> AnyMachine:
    """Option 1: the larger; 2: by magnitude."""
    return m.call(convert.extreme, d, s, t, option & 1, option.shr(1))


def compare(m: AnyMachine, option: AnyMachine, d: AnyMachine, s: AnyMachine, t: AnyMachine, _: AnyMachine) -> AnyMachine:
    """All ones if the option has the bit of the relation, else zero; ``NEGATED``: the other way round."""
    relation = m.call(convert.compare, d, s, t, option & SIGNALLING)
    true = m.flag((relation & option & (SIGNALLING - 1)) != 0)
    return (-(true ^ option.shr(4))) & m.const(-1).shr(m.select(d != 0, 0, 32))


def classify(m: AnyMachine, option: AnyMachine, d: AnyMachine, s: AnyMachine, t: AnyMachine, _: AnyMachine) -> AnyMachine:
    """One bit: sNaN, qNaN, and by sign (negative first) infinity, normal, denormal, zero.  It raises nothing."""
    low = bits_of_fraction(m, d)
    sign = s.shr(m.select(d != 0, 63, 31)) & 1
    magnitude = s & ~sign_bit(m, d, m.const(1))
    is_quiet = (s.shr(low - 1) & 1) != 0
    kind = m.select(magnitude == 0, 3, m.select(magnitude.shr(low) == 0, 2, 1))
    kind = m.select(magnitude == infinity(m, d), 0, kind)
    number = m.select(sign != 0, 2, 6) + kind
    return m.const(1).shl(m.select(infinity(m, d).below(magnitude), m.select(is_quiet, 1, 0), number))


def to_integer(m: AnyMachine, option: AnyMachine, d: AnyMachine, s: AnyMachine, t: AnyMachine,
               _: AnyMachine) -> AnyMachine:
    mode = m.select((option & TRUNCATED) != 0, TO_ZERO, convert.IN_FORCE)
    result = m.var(m.const(0))
    for _ in m.when((option & UNSIGNED) == 0):
        result.value = m.call(convert.to_integer, d, s, mode, d)
    for _ in m.otherwise():
        result.value = m.call(to_unsigned, d, s, mode)
    return result.value


def to_unsigned(m: AnyMachine, d: AnyMachine, a: AnyMachine, mode: AnyMachine) -> AnyMachine:
    """To an unsigned integer of the format's width: invalid below zero, NaN gives 0."""
    x = take_apart(m, d, a)
    largest = m.const(-1).shr(m.select(d != 0, 0, 32))
    whole, fraction = convert.split_integer(m, x.significand, x.exponent)
    magnitude = whole + increment(m, whole, fraction, m.const(1 << 63), x.sign, convert.mode_of(m, mode))
    magnitude = m.select(x.zero, 0, magnitude)
    too_large = ~x.zero & (m.const(63).less(x.exponent) | largest.below(magnitude))
    negative = (x.sign != 0) & (too_large | (magnitude != 0))
    bad = x.nan | x.infinite | too_large | negative
    inexact = ~bad & ~x.zero & (fraction != 0)
    m.state.fp_flags = m.state.fp_flags | m.select(bad, Flag.V, 0) | m.select(inexact, Flag.I, 0)
    return m.select(bad, m.select(x.nan | (x.sign != 0), 0, largest), magnitude)


def sqrt(m: AnyMachine, option: AnyMachine, d: AnyMachine, s: AnyMachine, t: AnyMachine, _: AnyMachine) -> AnyMachine:
    return m.call(basic.sqrt, d, s)


def one(m: AnyMachine, d: AnyMachine) -> AnyMachine:
    return m.select(d != 0, 1023 << 52, 127 << 23)


def rsqrt(m: AnyMachine, option: AnyMachine, d: AnyMachine, s: AnyMachine, t: AnyMachine, _: AnyMachine) -> AnyMachine:
    return m.call(basic.div, d, one(m, d), m.call(basic.sqrt, d, s))


def recip(m: AnyMachine, option: AnyMachine, d: AnyMachine, s: AnyMachine, t: AnyMachine, _: AnyMachine) -> AnyMachine:
    return m.call(basic.div, d, one(m, d), s)


def rint(m: AnyMachine, option: AnyMachine, d: AnyMachine, s: AnyMachine, t: AnyMachine, _: AnyMachine) -> AnyMachine:
    return m.call(convert.rint, d, s)


def log2(m: AnyMachine, option: AnyMachine, d: AnyMachine, s: AnyMachine, t: AnyMachine, _: AnyMachine) -> AnyMachine:
    """logB of IEEE 754-2008: the exponent, whatever the sign; of zero, minus infinity and a division by zero."""
    x = take_apart(m, d, s)
    result = m.var(infinity(m, d))
    for _ in m.when(x.nan):
        result.value = chosen_nan(m, d, x)
    for _ in m.when(x.zero):
        note(m, Flag.Z)
        result.value = infinity(m, d) | sign_bit(m, d, m.const(1))
    for _ in m.when(~(x.nan | x.infinite | x.zero)):
        result.value = m.call(convert.from_integer, d, x.exponent, m.const(1))
    return result.value


def from_integer(m: AnyMachine, option: AnyMachine, d: AnyMachine, s: AnyMachine, t: AnyMachine,
                 _: AnyMachine) -> AnyMachine:
    result = m.var(m.const(0))
    for _ in m.when((option & UNSIGNED) == 0):
        result.value = m.call(convert.from_integer, d, s, d)
    for _ in m.otherwise():
        for _ in m.when(s != 0):
            shift = m.leading_zeros(s)
            result.value = m.call(rounded, d, m.const(0), m.const(63) - shift, s.shl(shift))
    return result.value


# -- what becomes of the Cause bits ---------------------------------------------------------------------------------------
def as_raised(m: AnyMachine, d: AnyMachine, a: AnyMachine, value: AnyMachine, raised: AnyMachine) -> AnyMachine:
    return raised


def without_inexact(m: AnyMachine, d: AnyMachine, a: AnyMachine, value: AnyMachine, raised: AnyMachine) -> AnyMachine:
    """A comparison of denormals that were flushed is not inexact."""
    return raised & ~Flag.I


def approximate(m: AnyMachine, d: AnyMachine, a: AnyMachine, value: AnyMachine, raised: AnyMachine) -> AnyMachine:
    """A reciprocal is inexact and nothing else, unless it is invalid, a division by zero, of infinity or of a NaN."""
    magnitude = a & ~sign_bit(m, d, m.const(1))
    special = ~magnitude.below(infinity(m, d)) | ((raised & (Flag.V | Flag.Z)) != 0)
    return m.select(special, raised, Flag.I)


SAME_WIDTH = {
    "add": (add, as_raised), "sub": (sub, as_raised), "mul": (mul, as_raised), "div": (div, as_raised),
    "fused": (fused, as_raised), "scaled": (scaled, as_raised), "extreme": (extreme, as_raised),
    "compare": (compare, without_inexact), "classify": (classify, as_raised), "to_integer": (to_integer, as_raised),
    "sqrt": (sqrt, as_raised), "rsqrt": (rsqrt, approximate), "recip": (recip, approximate), "rint": (rint, as_raised),
    "log2": (log2, as_raised), "from_integer": (from_integer, as_raised),
}
"""By name: the function, and what becomes of the Cause bits.  An operation's number is its place."""


# -- between widths: ``d`` is 1 for double and single, 0 for single and half ----------------------------------------------
def exponent_down(m: AnyMachine, d: AnyMachine, a: AnyMachine) -> AnyMachine:
    """FEXDO."""
    result = m.var(m.const(0))
    for _ in m.when(d != 0):
        result.value = m.call(convert.narrow, a)
    for _ in m.otherwise():
        result.value = m.call(half.to_half, a)
    return result.value


def to_fixed(m: AnyMachine, d: AnyMachine, a: AnyMachine) -> AnyMachine:
    """FTQ: to a fixed-point fraction of 16 or 32 bits; what is too large saturates and overflows."""
    x = take_apart(m, d, a)
    point = m.select(d != 0, 31, 15)
    largest = m.const(1).shl(point) - 1
    whole, fraction = convert.split_integer(m, x.significand, x.exponent + point)
    mode = convert.mode_of(m, m.const(convert.IN_FORCE))
    magnitude = whole + increment(m, whole, fraction, m.const(1 << 63), x.sign, mode)
    magnitude = m.select(x.zero, 0, magnitude)
    beyond = (m.const(63) - point).less(x.exponent)
    far = ~x.zero & (x.infinite | beyond | (largest + x.sign).below(magnitude))
    end = m.select(far, largest + x.sign, magnitude)
    inexact = ~x.zero & (fraction != 0)
    flags = m.select(x.nan, Flag.V, m.select(far, Flag.O | Flag.I, m.select(inexact, Flag.I, 0)))
    m.state.fp_flags = m.state.fp_flags | flags
    signed = m.select(x.sign != 0, -end, end) & m.const(-1).shr(m.const(63) - point)
    return m.select(x.nan, 0, signed)


def exponent_up(m: AnyMachine, d: AnyMachine, a: AnyMachine) -> AnyMachine:
    """FEXUPL, FEXUPR."""
    result = m.var(m.const(0))
    for _ in m.when(d != 0):
        result.value = m.call(convert.widen, a)
    for _ in m.otherwise():
        result.value = m.call(half.from_half, a)
    return result.value


def from_fixed(m: AnyMachine, d: AnyMachine, a: AnyMachine) -> AnyMachine:
    """FFQL, FFQR: exact."""
    value = m.select(d != 0, m.signed(a, 32), m.signed(a, 16))
    sign = value.shr(63)
    magnitude = m.select(sign != 0, -value, value)
    result = m.var(m.const(0))
    for _ in m.when(magnitude != 0):
        shift = m.leading_zeros(magnitude)
        exponent = m.const(63) - shift - m.select(d != 0, 31, 15)
        result.value = m.call(rounded, d, sign, exponent, magnitude.shl(shift))
    return result.value


NARROWING = {"exponent_down": exponent_down, "to_fixed": to_fixed}
WIDENING = {"exponent_up": exponent_up, "from_fixed": from_fixed}
