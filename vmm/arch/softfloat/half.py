"""The half format of 16 bits, to and from single, in integers.  (IEEE 754-2008, binary16; MD00866, FEXDO and FEXUP)"""
from __future__ import annotations

from vmm.arch.fp import DOWN, NEAREST, SINGLE, UP, Fcsr, Flag, Format
from vmm.arch.rows import AnyMachine
from vmm.arch.softfloat.parts import TOP, at_most, chosen_nan, flushes, increment, jammed, note, take_apart

HALF = Format("h", 16, 10)
QUIET = 1 << HALF.fraction - 1
CUT = TOP - HALF.fraction
"""Bits of a significand below the precision."""


def from_half(m: AnyMachine, a: AnyMachine) -> AnyMachine:
    """Half to single: always exact."""
    sign, magnitude = a.shr(15) & 1, a & 0x7FFF
    power, fraction = magnitude.shr(HALF.fraction), a & (1 << HALF.fraction) - 1
    more = SINGLE.fraction - HALF.fraction
    result = m.var(m.const(0))
    normal = magnitude.shl(more) + (SINGLE.bias - HALF.bias << SINGLE.fraction)
    for _ in m.when((power != 0) & magnitude.below(HALF.infinity)):
        result.value = normal
    for _ in m.when((power == 0) & (fraction != 0)):
        shift = m.leading_zeros(fraction) - CUT                # brings the highest bit where the hidden one is
        exponent = m.const(1 - HALF.bias + SINGLE.bias) - shift
        exact = exponent.shl(SINGLE.fraction) | (fraction.shl(shift) & (1 << HALF.fraction) - 1).shl(more)
        result.value = m.select(flushes(m), 0, exact)
        m.state.fp_flags = m.state.fp_flags | m.select(flushes(m), Flag.I, 0)
    for _ in m.when(~magnitude.below(HALF.infinity)):
        result.value = m.const(SINGLE.infinity) | fraction.shl(more)
        for _ in m.when((fraction != 0) & ((fraction & QUIET) == 0)):
            note(m, Flag.V)
            result.value = result.value | 1 << SINGLE.fraction - 1
    return result.value | sign.shl(31)


def to_half(m: AnyMachine, a: AnyMachine) -> AnyMachine:
    """Single to half, in the rounding mode in force."""
    zero = m.const(0)
    x = take_apart(m, zero, a)
    result = m.var(m.const(0))
    for _ in m.when(x.infinite):
        result.value = m.const(HALF.infinity)
    for _ in m.when(x.nan):
        quiet = chosen_nan(m, zero, x)
        result.value = quiet.shr(SINGLE.fraction - HALF.fraction) & (1 << HALF.fraction) - 1 | HALF.infinity
    for _ in m.when(~(x.nan | x.infinite | x.zero)):
        result.value = m.call(rounded_half, x.sign, x.exponent, x.significand)
    return result.value | x.sign.shl(15)


def rounded_half(m: AnyMachine, sign: AnyMachine, exponent: AnyMachine, significand: AnyMachine) -> AnyMachine:
    """The magnitude of a number that is not 0; ``vmm.arch.softfloat.parts.rounded`` for this format."""
    s = m.state
    mode, half, least = s.fcsr & Fcsr.RM, m.const(1 << CUT - 1), m.const(1 - HALF.bias)
    below = exponent.less(least)
    narrowed = jammed(m, significand, m.select(below, at_most(m, least - exponent, TOP), 0))
    kept, lost = narrowed.shr(CUT), narrowed & (1 << CUT) - 1
    base = m.select(below, 0, exponent + (HALF.bias - 1))
    magnitude = base.shl(HALF.fraction) + kept + increment(m, kept, lost, half, sign, mode)
    full, full_lost = significand.shr(CUT), significand & (1 << CUT) - 1
    carries = full + increment(m, full, full_lost, half, sign, mode) == 2 << HALF.fraction
    tiny = below & ~((exponent == least - 1) & carries)
    over = ~below & ~magnitude.below(HALF.infinity)
    to_infinity = (mode == NEAREST) | ((mode == UP) & (sign == 0)) | ((mode == DOWN) & (sign != 0))
    flush = tiny & flushes(m)
    inexact = lost != 0
    s.fp_flags = (s.fp_flags | m.select(inexact, Flag.I, 0) | m.select(tiny, Flag.TINY, 0)
                  | m.select(tiny & inexact, Flag.U, 0)
                  | m.select(over, Flag.O | Flag.I, 0) | m.select(flush, Flag.U | Flag.I, 0))
    return m.select(over, m.const(HALF.infinity) - m.select(to_infinity, 0, 1), m.select(flush, 0, magnitude))
