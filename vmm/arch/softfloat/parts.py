"""Numbers taken apart, and put together again with one rounding, in integers.

A function here is generic over the format: ``d`` is 1 for double, 0 for single.  A finite number is
``significand * 2**(exponent - 63)``; a significand that is not 0 has bit 63 set, and its lowest bit is *sticky*: set as
well if any bit below it would be.
"""
from __future__ import annotations

from dataclasses import dataclass

from vmm.arch.fp import DOUBLE, DOWN, NEAREST, SINGLE, UP, Fcsr, Flag
from vmm.arch.rows import AnyMachine

TOP = 63
FAR_BELOW = 20000
"""The exponent of zero is minus this, so that it never is the larger of two."""


def bits_of_fraction(m: AnyMachine, d: AnyMachine) -> AnyMachine:
    return m.select(d != 0, DOUBLE.fraction, SINGLE.fraction)


def bias(m: AnyMachine, d: AnyMachine) -> AnyMachine:
    return m.select(d != 0, DOUBLE.bias, SINGLE.bias)


def infinity(m: AnyMachine, d: AnyMachine) -> AnyMachine:
    return m.select(d != 0, DOUBLE.infinity, SINGLE.infinity)


def sign_bit(m: AnyMachine, d: AnyMachine, sign: AnyMachine) -> AnyMachine:
    """The sign, 0 or 1, where the format has it."""
    return sign.shl(m.select(d != 0, 63, 31))


def is_2008(m: AnyMachine) -> AnyMachine:
    return (m.state.fcsr & Fcsr.NAN2008) != 0


def flushes(m: AnyMachine) -> AnyMachine:
    return (m.state.fcsr & Fcsr.FS) != 0


def default_nan(m: AnyMachine, d: AnyMachine) -> AnyMachine:
    return m.select(is_2008(m), m.select(d != 0, DOUBLE.default_nan(True), SINGLE.default_nan(True)),
                    m.select(d != 0, DOUBLE.default_nan(False), SINGLE.default_nan(False)))


def note(m: AnyMachine, flags: int) -> None:
    m.state.fp_flags = m.state.fp_flags | flags


def invalid(m: AnyMachine, d: AnyMachine) -> AnyMachine:
    note(m, Flag.V)
    return default_nan(m, d)


@dataclass(frozen=True, slots=True)
class Parts:
    """Of one operand; ``zero``, ``infinite``, ``nan`` and ``signalling`` are Conditions."""
    bits: AnyMachine
    sign: AnyMachine
    exponent: AnyMachine
    significand: AnyMachine
    zero: AnyMachine
    infinite: AnyMachine
    nan: AnyMachine
    signalling: AnyMachine


def take_apart(m: AnyMachine, d: AnyMachine, x: AnyMachine) -> Parts:
    """A denormal is taken for a zero, inexactly, while FCSR.FS is set."""
    low = bits_of_fraction(m, d)
    sign = x.shr(m.select(d != 0, 63, 31)) & 1
    magnitude = x & ~sign_bit(m, d, m.const(1))
    fraction = x & m.const(1).shl(low) - 1
    power = magnitude.shr(low)
    is_nan = infinity(m, d).below(magnitude)
    infinite = magnitude == infinity(m, d)
    denormal = (power == 0) & (fraction != 0)
    flushed = denormal & flushes(m)
    m.state.fp_flags = m.state.fp_flags | m.select(flushed, Flag.I, 0)
    zero = (magnitude == 0) | flushed
    top = x.shr(low - 1) & 1
    raw = m.select(zero, 0, m.select(denormal, fraction, fraction | m.const(1).shl(low)))
    shift = m.leading_zeros(raw)
    exponent = m.select(denormal, 1, power) - bias(m, d) + (m.const(TOP) - low) - shift
    return Parts(x, sign, m.select(zero, -FAR_BELOW, exponent), raw.shl(shift), zero, infinite, is_nan,
                 is_nan & (top != m.flag(is_2008(m))))


def quieted(m: AnyMachine, d: AnyMachine, x: AnyMachine, signalling: AnyMachine) -> AnyMachine:
    """A NaN as it goes on: a signalling one with its quiet bit since 2008, before that as the default NaN."""
    quiet = m.const(1).shl(bits_of_fraction(m, d) - 1)
    return m.select(signalling, m.select(is_2008(m), x | quiet, default_nan(m, d)), x)


def chosen_nan(m: AnyMachine, d: AnyMachine, *operands: Parts) -> AnyMachine:
    """The result for operands of which one is a NaN: the first signalling one, else the first; V if one signals."""
    result, signals = m.var(m.const(0)), m.var(m.const(0))
    for x in reversed(operands):
        result.value = m.select(x.nan, quieted(m, d, x.bits, x.signalling), result.value)
    for x in reversed(operands):
        result.value = m.select(x.signalling, quieted(m, d, x.bits, x.signalling), result.value)
        signals.value = m.select(x.signalling, Flag.V, signals.value)
    m.state.fp_flags = m.state.fp_flags | signals.value
    return result.value


def jammed(m: AnyMachine, word: AnyMachine, shift: AnyMachine) -> AnyMachine:
    """``word`` to the right by up to 63, what falls out kept as stickiness."""
    lost = word & m.const(1).shl(shift) - 1
    return word.shr(shift) | m.flag(lost != 0)


def at_most(m: AnyMachine, word: AnyMachine, limit: int) -> AnyMachine:
    return m.select(word.below(limit), word, limit)


def increment(m: AnyMachine, kept: AnyMachine, lost: AnyMachine, half: AnyMachine, sign: AnyMachine,
              mode: AnyMachine) -> AnyMachine:
    """1 if ``kept`` is rounded away from zero, ``lost`` being what is cut off, ``half`` its highest bit's weight."""
    nearest = half.below(lost) | ((lost == half) & ((kept & 1) != 0))
    away = ((mode == UP) & (sign == 0)) | ((mode == DOWN) & (sign != 0))
    return m.flag(((mode == NEAREST) & nearest) | (away & (lost != 0)))


def rounded(m: AnyMachine, d: AnyMachine, sign: AnyMachine, exponent: AnyMachine,
            significand: AnyMachine) -> AnyMachine:
    """The encoding of a number that is not 0, in the rounding mode in force; the flags."""
    s = m.state
    mode = s.fcsr & Fcsr.RM
    low = bits_of_fraction(m, d)
    cut = m.const(TOP) - low                                   # bits below the precision
    half = m.const(1).shl(cut - 1)
    least = m.const(1) - bias(m, d)
    below = exponent.less(least)
    loss = m.select(below, at_most(m, least - exponent, TOP), 0)
    narrowed = jammed(m, significand, loss)
    kept, lost = narrowed.shr(cut), narrowed & half.shl(1) - 1
    up = increment(m, kept, lost, half, sign, mode)
    base = m.select(below, 0, exponent + bias(m, d) - 1)
    magnitude = base.shl(low) + kept + up
    # tiny: below the least normal number even if rounded as if the exponent had no end
    full, full_lost = significand.shr(cut), significand & half.shl(1) - 1
    carries = full + increment(m, full, full_lost, half, sign, mode) == m.const(2).shl(low)
    tiny = below & ~((exponent == least - 1) & carries)
    over = (~below) & ~(base + (kept + up).shr(low)).below(infinity(m, d).shr(low))
    to_infinity = ((mode == NEAREST) | ((mode == UP) & (sign == 0)) | ((mode == DOWN) & (sign != 0)))
    flush = tiny & flushes(m)
    inexact = lost != 0
    s.fp_flags = (s.fp_flags | m.select(inexact, Flag.I, 0) | m.select(tiny, Flag.TINY, 0)
                  | m.select(tiny & inexact, Flag.U, 0)
                  | m.select(over, Flag.O | Flag.I, 0) | m.select(flush, Flag.U | Flag.I, 0))
    result = m.select(over, infinity(m, d) - m.select(to_infinity, 0, 1), m.select(flush, 0, magnitude))
    return result | sign_bit(m, d, sign)
