"""Conversions, rounding to integers, comparisons and the smaller or larger of two, in integers.

Generic over the format: ``d`` is 1 for double, 0 for single.
"""
from __future__ import annotations

from vmm.arch.fp import DOUBLE, DOWN, EQUAL, LESS, NEAREST, SINGLE, TO_ZERO, UNORDERED, UP, Fcsr, Flag
from vmm.arch.rows import AnyMachine
from vmm.arch.softfloat.parts import (
    bits_of_fraction,
    chosen_nan,
    default_nan,
    increment,
    is_2008,
    note,
    rounded,
    sign_bit,
    take_apart,
)

MODES = {"round": NEAREST, "trunc": TO_ZERO, "ceil": UP, "floor": DOWN}
IN_FORCE = 4
"""A rounding mode that means the one of FCSR."""
MAX32, MAX64 = (1 << 31) - 1, (1 << 63) - 1


def widen(m: AnyMachine, a: AnyMachine) -> AnyMachine:
    """Single to double."""
    zero, one = m.const(0), m.const(1)
    x = take_apart(m, zero, a)
    result = m.var(x.sign.shl(63))
    for _ in m.when(x.infinite):
        result.value = x.sign.shl(63) | DOUBLE.infinity
    for _ in m.when(x.nan):
        quiet = chosen_nan(m, zero, x)
        payload = (quiet & (1 << SINGLE.fraction) - 1).shl(DOUBLE.fraction - SINGLE.fraction)
        kept = quiet.shr(31).shl(63) | DOUBLE.infinity | payload
        result.value = m.select(x.signalling & ~is_2008(m), default_nan(m, one), kept)
    for _ in m.when(~(x.nan | x.infinite | x.zero)):
        result.value = m.call(rounded, one, x.sign, x.exponent, x.significand)
    return result.value


def narrow(m: AnyMachine, a: AnyMachine) -> AnyMachine:
    """Double to single; a NaN that would lose all of its fraction becomes the default NaN."""
    zero, one = m.const(0), m.const(1)
    x = take_apart(m, one, a)
    result = m.var(x.sign.shl(31))
    for _ in m.when(x.infinite):
        result.value = x.sign.shl(31) | SINGLE.infinity
    for _ in m.when(x.nan):
        quiet = chosen_nan(m, one, x)
        payload = quiet.shr(DOUBLE.fraction - SINGLE.fraction) & (1 << SINGLE.fraction) - 1
        kept = quiet.shr(63).shl(31) | SINGLE.infinity | payload
        lost = (x.signalling & ~is_2008(m)) | (payload == 0)
        result.value = m.select(lost, default_nan(m, zero), kept)
    for _ in m.when(~(x.nan | x.infinite | x.zero)):
        result.value = m.call(rounded, zero, x.sign, x.exponent, x.significand)
    return result.value


def split_integer(m: AnyMachine, significand: AnyMachine, exponent: AnyMachine) -> tuple[AnyMachine, AnyMachine]:
    """The whole part of a number below 2**64, and its fraction as 64 sticky bits."""
    behind = m.const(63) - exponent
    whole = m.select(behind.below(64), significand.shr(behind), 0)
    fraction = m.select(behind == 0, 0, m.select(behind.below(65), significand.shl(m.const(64) - behind), 1))
    return whole, fraction


def mode_of(m: AnyMachine, mode: AnyMachine) -> AnyMachine:
    return m.select(mode == IN_FORCE, m.state.fcsr & Fcsr.RM, mode)


def to_integer(m: AnyMachine, d: AnyMachine, a: AnyMachine, mode: AnyMachine, wide: AnyMachine) -> AnyMachine:
    """To a signed integer of 32 bits, 64 if ``wide``; zero-extended."""
    x = take_apart(m, d, a)
    largest = m.select(wide != 0, MAX64, MAX32)
    whole, fraction = split_integer(m, x.significand, x.exponent)
    magnitude = whole + increment(m, whole, fraction, m.const(1).shl(63), x.sign, mode_of(m, mode))
    magnitude = m.select(x.zero, 0, magnitude)
    too_large = ~x.zero & ((m.const(63).less(x.exponent)) | (largest + x.sign).below(magnitude))
    result = m.var(m.select(x.sign != 0, -magnitude, magnitude))
    for _ in m.when(x.nan | x.infinite | too_large):
        note(m, Flag.V)
        end = m.select(x.nan, 0, m.select(x.sign != 0, -largest - 1, largest))
        result.value = m.select(is_2008(m), end, largest)
    for _ in m.when(~(x.nan | x.infinite | too_large | x.zero)):
        m.state.fp_flags = m.state.fp_flags | m.select(fraction != 0, Flag.I, 0)
    return m.select(wide != 0, result.value, m.unsigned(result.value, 32))


def from_integer(m: AnyMachine, d: AnyMachine, a: AnyMachine, wide: AnyMachine) -> AnyMachine:
    value = m.select(wide != 0, a, m.signed(a, 32))
    sign = value.shr(63)
    magnitude = m.select(sign != 0, -value, value)
    result = m.var(m.const(0))
    for _ in m.when(magnitude != 0):
        shift = m.leading_zeros(magnitude)
        result.value = m.call(rounded, d, sign, m.const(63) - shift, magnitude.shl(shift))
    return result.value


def rint(m: AnyMachine, d: AnyMachine, a: AnyMachine) -> AnyMachine:
    """To an integer in the same format, in the rounding mode in force."""
    x = take_apart(m, d, a)
    result = m.var(m.select(x.zero, sign_bit(m, d, x.sign), x.bits))
    for _ in m.when(x.nan):
        result.value = chosen_nan(m, d, x)
    fractional = x.exponent.less(bits_of_fraction(m, d)) & ~(x.nan | x.infinite | x.zero)
    for _ in m.when(fractional):
        whole, fraction = split_integer(m, x.significand, x.exponent)
        magnitude = whole + increment(m, whole, fraction, m.const(1).shl(63), x.sign, m.state.fcsr & Fcsr.RM)
        m.state.fp_flags = m.state.fp_flags | m.select(fraction != 0, Flag.I, 0)
        result.value = sign_bit(m, d, x.sign)
        for _ in m.when(magnitude != 0):
            shift = m.leading_zeros(magnitude)
            result.value = m.call(rounded, d, x.sign, m.const(63) - shift, magnitude.shl(shift))
    return result.value


def compare(m: AnyMachine, d: AnyMachine, a: AnyMachine, b: AnyMachine, signalling: AnyMachine) -> AnyMachine:
    """UNORDERED, EQUAL, LESS or GREATER; V for a signalling NaN, and for any NaN if ``signalling`` is 1."""
    x, y = take_apart(m, d, a), take_apart(m, d, b)
    unordered = x.nan | y.nan
    bad = x.signalling | y.signalling | (unordered & (signalling != 0))
    m.state.fp_flags = m.state.fp_flags | m.select(bad, Flag.V, 0)
    first, second = ordered(m, d, x.bits, x.zero), ordered(m, d, y.bits, y.zero)
    relation = m.select(first == second, EQUAL, m.select(first.less(second), LESS, 0))
    return m.select(unordered, UNORDERED, relation)


def ordered(m: AnyMachine, d: AnyMachine, bits: AnyMachine, zero: AnyMachine) -> AnyMachine:
    """A number as a signed Word in the same order; both zeros are 0."""
    magnitude = bits & ~sign_bit(m, d, m.const(1))
    negative = (bits & sign_bit(m, d, m.const(1))) != 0
    return m.select(zero, 0, m.select(negative, -magnitude, magnitude))


def extreme(m: AnyMachine, d: AnyMachine, a: AnyMachine, b: AnyMachine, largest: AnyMachine,
            by_magnitude: AnyMachine) -> AnyMachine:
    """MIN, MAX, MINA, MAXA: a number beats a quiet NaN, -0 is below +0.  (IEEE 754-2008, 5.3.1)"""
    x, y = take_apart(m, d, a), take_apart(m, d, b)
    sign = sign_bit(m, d, m.const(1))
    one, two = (m.select(p.zero, p.bits & sign, p.bits) for p in (x, y))
    first, second = (ordered(m, d, bits, m.const(0) != 0) - (bits & sign).shr(m.select(d != 0, 63, 31))
                     for bits in (one, two))                                   # -0 comes to lie below +0
    size_one, size_two = one & ~sign, two & ~sign
    sized = (by_magnitude != 0) & (size_one != size_two)
    less = m.flag((sized & size_one.below(size_two)) | (~sized & first.less(second)))
    result = m.var(m.select((less ^ largest) != 0, one, two))
    for _ in m.when(x.nan | y.nan):
        result.value = m.select(x.nan, two, one)
        for _ in m.when(x.signalling | y.signalling | (x.nan & y.nan)):
            result.value = chosen_nan(m, d, x, y)
    return result.value


def signed_arithmetically(m: AnyMachine, d: AnyMachine, a: AnyMachine, negate: AnyMachine) -> AnyMachine:
    """ABS and NEG before ABS2008: any NaN is invalid, and is not changed but quieted."""
    x = take_apart(m, d, a)
    bits = m.select(x.zero, sign_bit(m, d, x.sign), x.bits)
    one = sign_bit(m, d, m.const(1))
    result = m.var(m.select(negate != 0, bits ^ one, bits & ~one))
    for _ in m.when(x.nan):
        result.value = chosen_nan(m, d, x)
        note(m, Flag.V)
    return result.value

