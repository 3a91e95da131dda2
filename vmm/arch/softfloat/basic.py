"""Addition, multiplication, division, square root and fused multiply-add, in integers.

Generic over the format: ``d`` is 1 for double, 0 for single.
"""
from __future__ import annotations

from vmm.arch.fp import DOWN, Fcsr, Flag
from vmm.arch.rows import AnyMachine
from vmm.arch.softfloat.parts import (
    Parts,
    at_most,
    chosen_nan,
    infinity,
    invalid,
    is_2008,
    jammed,
    note,
    quieted,
    rounded,
    sign_bit,
    take_apart,
)

QUOTIENT_BITS = 62
ROOT_BITS = 58


def with_sign(m: AnyMachine, d: AnyMachine, sign: AnyMachine, magnitude: AnyMachine) -> AnyMachine:
    return sign_bit(m, d, sign) | magnitude


def sign_of_cancelled(m: AnyMachine) -> AnyMachine:
    """The sign of x - x: minus only if rounding down."""
    return m.flag((m.state.fcsr & Fcsr.RM) == DOWN)


def add(m: AnyMachine, d: AnyMachine, a: AnyMachine, b: AnyMachine) -> AnyMachine:
    x, y = take_apart(m, d, a), take_apart(m, d, b)
    result = m.var(m.const(0))
    special = x.nan | y.nan | x.infinite | y.infinite
    for _ in m.when(special):
        result.value = m.select(x.infinite, x.bits, y.bits)
        for _ in m.when(x.infinite & y.infinite & (x.sign != y.sign)):
            result.value = invalid(m, d)
        for _ in m.when(x.nan | y.nan):
            result.value = chosen_nan(m, d, x, y)
    for _ in m.when(~special):
        result.value = m.call(add_finite, d, x.sign, x.exponent, x.significand, y.sign, y.exponent, y.significand)
    return result.value


def add_finite(m: AnyMachine, d: AnyMachine, sign_x: AnyMachine, exponent_x: AnyMachine, x: AnyMachine,
               sign_y: AnyMachine, exponent_y: AnyMachine, y: AnyMachine) -> AnyMachine:
    swap = exponent_x.less(exponent_y) | ((exponent_x == exponent_y) & x.below(y))
    sign, exponent = m.select(swap, sign_y, sign_x), m.select(swap, exponent_y, exponent_x)
    large, small = m.select(swap, y, x).shr(2), m.select(swap, x, y).shr(2)      # room for a carry; nothing is lost
    distance = at_most(m, exponent - m.select(swap, exponent_x, exponent_y), 63)
    small = jammed(m, small, distance)
    same = sign_x == sign_y
    total = m.select(same, large + small, large - small)
    result = m.var(with_sign(m, d, m.select(same, sign, sign_of_cancelled(m)), m.const(0)))
    for _ in m.when(total != 0):
        shift = m.leading_zeros(total)
        result.value = m.call(rounded, d, sign, exponent + 2 - shift, total.shl(shift))
    return result.value


def sub(m: AnyMachine, d: AnyMachine, a: AnyMachine, b: AnyMachine) -> AnyMachine:
    """a + -b; a NaN keeps its sign."""
    is_nan = infinity(m, d).below(b & ~sign_bit(m, d, m.const(1)))
    return m.call(add, d, a, m.select(is_nan, b, b ^ sign_bit(m, d, m.const(1))))


def mul(m: AnyMachine, d: AnyMachine, a: AnyMachine, b: AnyMachine) -> AnyMachine:
    x, y = take_apart(m, d, a), take_apart(m, d, b)
    sign = x.sign ^ y.sign
    result = m.var(with_sign(m, d, sign, m.const(0)))
    special = x.nan | y.nan | x.infinite | y.infinite
    for _ in m.when(special):
        result.value = with_sign(m, d, sign, infinity(m, d))
        for _ in m.when(x.zero | y.zero):
            for _ in m.when(~(x.nan | y.nan)):
                result.value = invalid(m, d)
        for _ in m.when(x.nan | y.nan):
            result.value = chosen_nan(m, d, x, y)
    for _ in m.when(~(special | x.zero | y.zero)):
        high = m.high_unsigned(x.significand, y.significand) | m.flag(x.significand * y.significand != 0)
        shift = m.leading_zeros(high)
        result.value = m.call(rounded, d, sign, x.exponent + y.exponent + 1 - shift, high.shl(shift))
    return result.value


def div(m: AnyMachine, d: AnyMachine, a: AnyMachine, b: AnyMachine) -> AnyMachine:
    x, y = take_apart(m, d, a), take_apart(m, d, b)
    sign = x.sign ^ y.sign
    result = m.var(with_sign(m, d, sign, m.const(0)))
    special = x.nan | y.nan | x.infinite | y.infinite | x.zero | y.zero
    for _ in m.when(special):
        result.value = with_sign(m, d, sign, m.select(x.infinite | y.zero, infinity(m, d), 0))
        for _ in m.when(y.zero & ~(x.zero | x.infinite | x.nan)):
            note(m, Flag.Z)
        for _ in m.when((x.zero & y.zero) | (x.infinite & y.infinite)):
            result.value = invalid(m, d)
        for _ in m.when(x.nan | y.nan):
            result.value = chosen_nan(m, d, x, y)
    for _ in m.when(~special):
        quotient = m.call(long_division, x.significand.shr(1), y.significand.shr(1))
        shift = m.leading_zeros(quotient)
        result.value = m.call(rounded, d, sign, x.exponent - y.exponent + 2 - shift, quotient.shl(shift))
    return result.value


def long_division(m: AnyMachine, dividend: AnyMachine, divisor: AnyMachine) -> AnyMachine:
    """``dividend / divisor`` with ``QUOTIENT_BITS`` - 1 bits behind the point, sticky; both have bit 62 set."""
    quotient, rest, left = m.var(m.const(0)), m.var(dividend), m.var(m.const(QUOTIENT_BITS))
    for _ in m.repeat(lambda: left.value != 0):
        fits = ~rest.value.below(divisor)
        rest.value = (rest.value - m.select(fits, divisor, 0)).shl(1)
        quotient.value = quotient.value.shl(1) | m.flag(fits)
        left.value = left.value - 1
    return quotient.value | m.flag(rest.value != 0)


def sqrt(m: AnyMachine, d: AnyMachine, a: AnyMachine) -> AnyMachine:
    x = take_apart(m, d, a)
    result = m.var(with_sign(m, d, x.sign, m.const(0)))
    for _ in m.when(x.infinite):
        result.value = x.bits
    for _ in m.when((x.sign != 0) & ~(x.nan | x.zero)):
        result.value = invalid(m, d)
    for _ in m.when(x.nan):
        result.value = chosen_nan(m, d, x)
    for _ in m.when(~(x.nan | x.infinite | x.zero | (x.sign != 0))):
        odd = x.exponent & 1                                   # the power behind the radicand is then even
        root = m.call(square_root, x.significand.shr(odd ^ 1))
        power = (x.exponent + 2 - odd).sar(1) - ROOT_BITS
        shift = m.leading_zeros(root)
        result.value = m.call(rounded, d, m.const(0), power + 63 - shift, root.shl(shift))
    return result.value


def square_root(m: AnyMachine, radicand: AnyMachine) -> AnyMachine:
    """The root, with ``ROOT_BITS`` bits and sticky, of ``radicand`` followed by zeros to twice as many bits."""
    root, rest = m.var(m.const(0)), m.var(m.const(0))
    digits, left = m.var(radicand), m.var(m.const(ROOT_BITS))
    for _ in m.repeat(lambda: left.value != 0):
        more = rest.value.shl(2) | digits.value.shr(62)
        trial = root.value.shl(2) | 1
        fits = ~more.below(trial)
        rest.value = more - m.select(fits, trial, 0)
        root.value = root.value.shl(1) | m.flag(fits)
        digits.value = digits.value.shl(2)
        left.value = left.value - 1
    return root.value | m.flag(rest.value != 0)


def fused(m: AnyMachine, d: AnyMachine, a: AnyMachine, b: AnyMachine, c: AnyMachine,
          negate: AnyMachine) -> AnyMachine:
    """``c + a*b`` with one rounding, ``c - a*b`` if ``negate`` is 1."""
    x, y, z = (take_apart(m, d, w) for w in (a, b, c))
    sign = x.sign ^ y.sign ^ negate
    result = m.var(m.const(0))
    any_nan = x.nan | y.nan | z.nan
    impossible = (x.infinite & y.zero) | (x.zero & y.infinite)
    endless = x.infinite | y.infinite
    for _ in m.when(any_nan | impossible | endless | z.infinite):
        result.value = m.select(z.infinite, z.bits, with_sign(m, d, sign, infinity(m, d)))
        for _ in m.when((endless & z.infinite & (sign != z.sign)) | impossible):
            for _ in m.when(impossible | ~any_nan):
                result.value = invalid(m, d)
        for _ in m.when(any_nan & ~impossible):
            result.value = chosen_nan_of_three(m, d, x, y, z)
        for _ in m.when(z.nan & impossible & is_2008(m)):
            result.value = quieted(m, d, z.bits, z.signalling)
    for _ in m.when(~(any_nan | impossible | endless | z.infinite)):
        high, low = m.high_unsigned(x.significand, y.significand), x.significand * y.significand
        exponent = m.select(x.zero | y.zero, -20000, x.exponent + y.exponent + 1)
        result.value = m.call(fused_finite, d, sign, exponent, high, low, z.sign, z.exponent, z.significand)
    return result.value


def chosen_nan_of_three(m: AnyMachine, d: AnyMachine, x: Parts, y: Parts, z: Parts) -> AnyMachine:
    """Since 2008 the addend goes first."""
    return m.select(is_2008(m), chosen_nan(m, d, z, x, y), chosen_nan(m, d, x, y, z))


def fused_finite(m: AnyMachine, d: AnyMachine, sign_p: AnyMachine, exponent_p: AnyMachine, high: AnyMachine,
                 low: AnyMachine, sign_z: AnyMachine, exponent_z: AnyMachine, z: AnyMachine) -> AnyMachine:
    """A product of 128 bits plus a number, both with two bits of room: ``2**(exponent - 125)`` is their unit."""
    p = high.shr(2), low.shr(2) | high.shl(62)
    q = z.shr(2), z.shl(62)
    swap = exponent_p.less(exponent_z)
    exponent = m.select(swap, exponent_z, exponent_p)
    large = tuple(m.select(swap, n, o) for n, o in zip(q, p, strict=True))
    small = tuple(m.select(swap, o, n) for n, o in zip(q, p, strict=True))
    small = jammed_pair(m, small, at_most(m, exponent - m.select(swap, exponent_p, exponent_z), 127))
    same = sign_p == sign_z
    sum_low = large[1] + small[1]
    total = large[0] + small[0] + m.flag(sum_low.below(large[1])), sum_low
    difference = subtract_pair(m, large, small)
    turned = (difference[0].shr(63) != 0) & ~same
    opposite = subtract_pair(m, (m.const(0), m.const(0)), difference)
    total = tuple(m.select(same, t, m.select(turned, o, n))
                  for t, n, o in zip(total, difference, opposite, strict=True))
    sign = m.select(swap, sign_z, sign_p) ^ m.flag(turned)
    result = m.var(with_sign(m, d, m.select(same, sign, sign_of_cancelled(m)), m.const(0)))
    for _ in m.when((total[0] | total[1]) != 0):
        wide = total[0] != 0
        first, second = m.select(wide, total[0], total[1]), m.select(wide, total[1], 0)
        shift = m.leading_zeros(first)
        moved = first.shl(shift) | second.shr(1).shr(m.const(63) - shift)
        significand = moved | m.flag(second.shl(shift) != 0)
        result.value = m.call(rounded, d, sign, exponent + 2 - shift - m.select(wide, 0, 64), significand)
    return result.value


def subtract_pair(m: AnyMachine, a: tuple[AnyMachine, ...], b: tuple[AnyMachine, ...]) -> tuple[AnyMachine, ...]:
    return a[0] - b[0] - m.flag(a[1].below(b[1])), a[1] - b[1]


def jammed_pair(m: AnyMachine, pair: tuple[AnyMachine, ...], shift: AnyMachine) -> tuple[AnyMachine, ...]:
    """128 bits to the right by up to 127, sticky."""
    far = ~shift.below(64)
    high = m.select(far, 0, pair[0])
    low = m.select(far, pair[0] | 0, pair[1])
    lost = m.select(far, pair[1], 0)
    by = shift & 63
    lost = lost | (low & m.const(1).shl(by) - 1)
    return high.shr(by), low.shr(by) | high.shl(1).shl(m.const(63) - by) | m.flag(lost != 0)
