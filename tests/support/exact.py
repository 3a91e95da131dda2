"""The judge of floating point: every operation on one number in integers of any length, rounded once.

It shares no code with the engines.  A number is ``n * 2**e``, ``n`` with its sign; quotients and roots are long enough and
*sticky*: their last bit is set if anything is left over.  A result is ``(encoding, flags)``, flags as in
``vmm.arch.fp.Flag``; ``TINY`` says that it was tiny after rounding.
(IEEE 754-2008; MD00083, chapter 5; MD00866, chapter 3; MPFR judges this judge in
``tests.properties.test_fp_arithmetic``)
"""
from __future__ import annotations

from collections.abc import Callable
from math import isqrt
from typing import NamedTuple

from vmm.arch.fp import DOWN, EQUAL, GREATER, LESS, NEAREST, UNORDERED, UP, Format

I, U, O, Z, V, TINY = 1, 2, 4, 8, 16, 64
NUMBER, ZERO, INFINITE, QUIET, SIGNALLING = range(5)
Result = tuple[int, int]


class Operand(NamedTuple):
    """``negative`` counts for what has no ``n``, too; ``flags``: what reading it raised."""
    kind: int
    negative: bool
    n: int
    e: int
    bits: int
    flags: int


class Modes(NamedTuple):
    mode: int = NEAREST
    flush: bool = False
    nan2008: bool = True


def round_off(n: int, cut: int, mode: int, negative: bool) -> Result:
    """``n / 2**cut``, n not negative, as an integer in this rounding mode, and ``I`` if that is inexact."""
    if cut <= 0:
        return n << -cut, 0
    kept = n >> cut
    lost = n - (kept << cut)
    if not lost:
        return kept, 0
    if mode == NEAREST:
        half = 1 << cut - 1
        return kept + (lost > half or (lost == half and kept & 1)), I
    return kept + (mode == (DOWN if negative else UP)), I


def rounder(f: Format, modes: Modes) -> Callable[[int, int], Result]:
    """The function that gives ``n * 2**e``, n not 0, in a format."""
    mode, flush, _ = modes
    precision, fraction, least, infinity = f.fraction + 1, f.fraction, 1 - f.bias - f.fraction, f.infinity
    sign = 1 << f.width - 1

    def rounded(n: int, e: int) -> Result:
        negative = n < 0
        n = -n if negative else n
        excess = n.bit_length() - precision                    # bits to cut off if the exponent had no end
        tiny = excess + e < least
        cut = least - e if tiny else excess
        kept, flags = round_off(n, cut, mode, negative)
        if tiny:
            if excess + e == least - 1 and round_off(n, excess, mode, negative)[0] >> precision:
                tiny = False
            elif flush:
                return sign * negative, TINY | U | I
        bits = (cut + e - least << fraction) + kept            # a carry out of the fraction counts in the exponent
        if bits >= infinity:
            outwards = mode == NEAREST or mode == (DOWN if negative else UP)
            bits, flags = infinity - (not outwards), O | I
        if tiny:
            flags |= TINY | flags << 1
        return bits | sign * negative, flags
    return rounded


class Exact:
    """Arithmetic in one format under fixed modes."""

    def __init__(self, f: Format, modes: Modes) -> None:
        self.f, self.modes = f, modes
        self.mode, self.flush, self.nan2008 = modes
        self.rounded = rounder(f, modes)
        self.sign, self.precision = 1 << f.width - 1, f.fraction + 1
        self.default = f.default_nan(self.nan2008)
        self.quiet_bit, self.endless = 1 << f.fraction - 1, f.infinity
        self.hidden, self.least = 1 << f.fraction, 1 - f.bias - f.fraction

    def read(self, bits: int) -> Operand:
        negative, magnitude = bits >= self.sign, bits & self.sign - 1
        if magnitude >= self.endless:
            quiet = bool(magnitude & self.quiet_bit) == self.nan2008
            kind = INFINITE if magnitude == self.endless else QUIET if quiet else SIGNALLING
            return Operand(kind, negative, 0, 0, bits, 0)
        if magnitude >= self.hidden:
            n, e = magnitude & self.hidden - 1 | self.hidden, (magnitude >> self.f.fraction) - 1 + self.least
            return Operand(NUMBER, negative, -n if negative else n, e, bits, 0)
        if not magnitude or self.flush:
            return Operand(ZERO, negative, 0, 0, self.sign * negative, I if magnitude else 0)
        return Operand(NUMBER, negative, -magnitude if negative else magnitude, self.least, bits, 0)

    # -- what is no number --------------------------------------------------------------------------------------------
    def signed(self, negative: bool, magnitude: int) -> int:
        return magnitude | self.sign * negative

    def nan(self, *operands: Operand) -> Result:
        """The first signalling NaN made quiet, else the first NaN."""
        for x in operands:
            if x.kind == SIGNALLING:
                return (x.bits | self.quiet_bit if self.nan2008 else self.default), V
        return next(x.bits for x in operands if x.kind == QUIET), 0

    def infinity(self, negative: bool) -> Result:
        return self.signed(negative, self.f.infinity), 0

    # -- within the format --------------------------------------------------------------------------------------------
    def sum(self, n: int, e: int, m: int, g: int) -> Result:
        """``n * 2**e + m * 2**g``, not both 0."""
        total, e = ((n << e - g) + m, g) if e > g else (n + (m << g - e), e)
        return self.rounded(total, e) if total else (self.signed(self.mode == DOWN, 0), 0)

    def add(self, x: Operand, y: Operand) -> Result:
        if not x.kind | y.kind:
            return self.sum(x.n, x.e, y.n, y.e)
        if max(x.kind, y.kind) >= QUIET:
            return self.nan(x, y)
        if x.kind == y.kind and x.negative != y.negative:
            return (self.default, V) if x.kind == INFINITE else (self.signed(self.mode == DOWN, 0), 0)
        larger = max(x, y, key=lambda operand: (operand.kind == INFINITE, operand.kind == NUMBER))
        return (larger.bits, 0) if larger.kind else self.rounded(larger.n, larger.e)

    def sub(self, x: Operand, y: Operand) -> Result:
        if y.kind < QUIET:
            y = Operand(y.kind, not y.negative, -y.n, y.e, y.bits ^ self.sign, y.flags)
        return self.add(x, y)

    def mul(self, x: Operand, y: Operand) -> Result:
        if not x.kind | y.kind:
            return self.rounded(x.n * y.n, x.e + y.e)
        if max(x.kind, y.kind) >= QUIET:
            return self.nan(x, y)
        if {x.kind, y.kind} == {ZERO, INFINITE}:
            return self.default, V
        return self.signed(x.negative != y.negative, self.endless if INFINITE in (x.kind, y.kind) else 0), 0

    def div(self, x: Operand, y: Operand) -> Result:
        if not x.kind | y.kind:
            longer = 2 * self.precision + 4                    # whatever the two lengths, more than a precision is left
            quotient, rest = divmod(abs(x.n) << longer, abs(y.n))
            quotient = quotient << 1 | (rest > 0)
            return self.rounded(-quotient if x.negative != y.negative else quotient, x.e - y.e - longer - 1)
        if max(x.kind, y.kind) >= QUIET:
            return self.nan(x, y)
        if x.kind == y.kind:
            return self.default, V
        endless = x.kind == INFINITE or y.kind == ZERO
        flags = Z if y.kind == ZERO and x.kind == NUMBER else 0
        return self.signed(x.negative != y.negative, self.endless if endless else 0), flags

    def sqrt(self, x: Operand) -> Result:
        if x.kind >= QUIET:
            return self.nan(x)
        if x.kind == ZERO:
            return x.bits, 0
        if x.negative:
            return self.default, V
        if x.kind == INFINITE:
            return x.bits, 0
        longer = 2 * self.precision + 4 + (x.e & 1)
        radicand = x.n << longer
        root = isqrt(radicand)
        return self.rounded(root << 1 | (root * root != radicand), (x.e - longer) // 2 - 1)

    def recip(self, x: Operand) -> Result:
        return self.div(Operand(NUMBER, False, 1, 0, 0, 0), x)

    def rsqrt(self, x: Operand) -> Result:
        """Rounded twice, as the engines declare it; the manual leaves it open."""
        root, flags = self.sqrt(x)
        result, more = self.recip(self.read(root))
        return result, flags | more

    def fused(self, x: Operand, y: Operand, z: Operand, negate: bool = False) -> Result:
        """x*y + z, or z - x*y, rounded once; the third operand's NaN goes first."""
        if not x.kind | y.kind | z.kind:
            return self.sum(-x.n * y.n if negate else x.n * y.n, x.e + y.e, z.n, z.e)
        if {x.kind, y.kind} == {ZERO, INFINITE}:
            return (self.nan(z)[0], V) if z.kind >= QUIET else (self.default, V)
        if max(x.kind, y.kind, z.kind) >= QUIET:
            return self.nan(z, x, y)
        negative = (x.negative != y.negative) != negate
        if x.kind | y.kind:                                    # the product is infinite or zero
            kind = INFINITE if INFINITE in (x.kind, y.kind) else ZERO
            bits = self.signed(negative, self.f.infinity if kind == INFINITE else 0)
            return self.add(Operand(kind, negative, 0, 0, bits, 0), z)
        if z.kind == INFINITE:
            return z.bits, 0
        return self.rounded(-x.n * y.n if negate else x.n * y.n, x.e + y.e)

    def unfused(self, x: Operand, y: Operand, z: Operand, subtract: bool, negate: bool) -> Result:
        """x*y + z or x*y - z rounded twice; ``negate``: with the other sign."""
        product, flags = self.mul(x, y)
        between = self.read(product)
        result, more = (self.sub if subtract else self.add)(between, z)
        return result ^ self.sign * negate, flags | between.flags | more

    def rint(self, x: Operand) -> Result:
        if x.kind >= QUIET:
            return self.nan(x)
        if x.kind or x.e >= 0:
            return x.bits, 0
        whole, inexact = round_off(abs(x.n), -x.e, self.mode, x.negative)
        exact = self.rounded(whole, 0)[0] if whole else 0
        return self.signed(x.negative, exact), inexact

    def extreme(self, x: Operand, y: Operand, largest: bool, magnitude: bool) -> Result:
        """A number beats a quiet NaN; -0 is below +0."""
        if SIGNALLING in (x.kind, y.kind) or (x.kind == y.kind == QUIET):
            return self.nan(x, y)
        if QUIET in (x.kind, y.kind):
            return (y if x.kind == QUIET else x).bits, 0

        def order(operand: Operand) -> tuple[int, int, bool]:
            size = operand.bits & self.sign - 1
            return (size if magnitude else 0), (-size if operand.negative else size), not operand.negative
        return (max if largest else min)(x, y, key=order).bits, 0

    def relation(self, x: Operand, y: Operand, signalling: bool) -> Result:
        if max(x.kind, y.kind) >= QUIET:
            return UNORDERED, V if signalling or SIGNALLING in (x.kind, y.kind) else 0
        one, other = (-(p.bits & self.sign - 1) if p.negative else p.bits for p in (x, y))
        return (EQUAL if one == other else LESS if one < other else GREATER), 0

    def turned(self, x: Operand, negate: bool) -> Result:
        """ABS and NEG before ABS2008: any NaN is invalid."""
        if x.kind >= QUIET:
            return self.nan(x)[0], V
        return x.bits ^ self.sign if negate else x.bits & ~self.sign, 0

    def classified(self, bits: int) -> int:
        """One bit: sNaN, qNaN, then infinity, normal, denormal, zero of minus, and of plus."""
        x = Exact(self.f, self.modes._replace(flush=False)).read(bits)
        if x.kind >= QUIET:
            return 2 if x.kind == QUIET else 1
        normal = (bits & self.sign - 1) >> self.f.fraction
        place = {INFINITE: 0, NUMBER: 1 if normal else 2, ZERO: 3}[x.kind]
        return 1 << (2 if x.negative else 6) + place

    # -- from and to other formats ------------------------------------------------------------------------------------
    def from_integer(self, value: int, point: int = 0) -> Result:
        """``value / 2**point``."""
        return self.rounded(value, -point) if value else (0, 0)

    def to_integer(self, x: Operand, width: int, mode: int, unsigned: bool = False) -> Result:
        lowest, highest = (0, (1 << width) - 1) if unsigned else (-(1 << width - 1), (1 << width - 1) - 1)
        whole, inexact = round_off(abs(x.n), -x.e, mode, x.negative)
        value = -whole if x.negative else whole
        if x.kind >= QUIET:
            return (0 if self.nan2008 else highest), V
        if x.kind == INFINITE or not lowest <= value <= highest:
            return (lowest if x.negative and self.nan2008 else highest) & (1 << width) - 1, V
        return value & (1 << width) - 1, inexact

    def to_fixed(self, x: Operand, width: int) -> Result:
        """A fraction of ``width`` bits with its sign; too large a number saturates and overflows."""
        lowest, highest = -(1 << width - 1), (1 << width - 1) - 1
        whole, inexact = round_off(abs(x.n), -x.e - width + 1, self.mode, x.negative)
        value = -whole if x.negative else whole
        if x.kind >= QUIET:
            return 0, V
        if x.kind == INFINITE or not lowest <= value <= highest:
            return (lowest if x.negative else highest) & (1 << width) - 1, O | I
        return value & (1 << width) - 1, inexact

    def from_format(self, source: Exact, x: Operand) -> Result:
        """A NaN keeps the top of its fraction, unless nothing is left of it."""
        if x.kind == NUMBER:
            return self.rounded(x.n, x.e)
        if x.kind < QUIET:
            return self.signed(x.negative, self.f.infinity if x.kind == INFINITE else 0), 0
        bits, flags = source.nan(x)
        more = self.f.fraction - source.f.fraction
        fraction = bits & (1 << source.f.fraction) - 1
        fraction = fraction << more if more > 0 else fraction >> -more
        if not fraction or (x.kind == SIGNALLING and not self.nan2008):
            return self.default, flags
        return self.signed(x.negative, self.f.infinity | fraction), flags

    # -- beyond coprocessor 1 -----------------------------------------------------------------------------------------
    def scaled(self, x: Operand, power: int) -> Result:
        if x.kind >= QUIET:
            return self.nan(x)
        return (x.bits, 0) if x.kind else self.rounded(x.n, x.e + max(-9999, min(power, 9999)))

    def exponent(self, x: Operand) -> Result:
        """logB: whatever the sign; of zero minus infinity and a division by zero."""
        if x.kind >= QUIET:
            return self.nan(x)
        if x.kind == NUMBER:
            return self.from_integer(x.n.bit_length() - 1 + x.e)
        return self.signed(x.kind == ZERO, self.f.infinity), Z if x.kind == ZERO else 0
