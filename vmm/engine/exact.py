"""The operations of ``vmm.arch.fp`` in exact arithmetic: integers of any length, rounded once at the end.

This is the judge of the fast engines, so it is plain: a finite number is ``n * 2**e``, and everything but division and
square root is exact until ``Round.finish``; those two leave a quotient or root that is long enough, and *sticky*: its last
bit is set if anything is left over.  Invariant: a result depends on the operands and ``Round`` alone.
(IEEE 754-2008; MD00083, chapter 5; mips.md 10)
"""
from __future__ import annotations

from dataclasses import dataclass, field
from math import isqrt

from vmm.arch.fp import (
    DOWN,
    EQUAL,
    FORMATS,
    GREATER,
    INTEGER_BITS,
    LESS,
    NEAREST,
    OPERATIONS,
    TO_ZERO,
    UNORDERED,
    UP,
    Flag,
    Format,
    Operation,
)

ENOUGH = 130
"""Bits of a quotient or root: more than twice any precision."""
STATIC_MODES = {"round": NEAREST, "trunc": TO_ZERO, "ceil": UP, "floor": DOWN}


@dataclass(frozen=True, slots=True)
class Number:
    """``kind``: "number" (``negative`` counts for zero), "infinity", "quiet" or "signalling"."""
    kind: str
    negative: bool
    n: int = 0
    e: int = 0
    bits: int = 0

    @property
    def is_nan(self) -> bool:
        return self.kind in ("quiet", "signalling")

    @property
    def is_infinite(self) -> bool:
        return self.kind == "infinity"

    @property
    def is_zero(self) -> bool:
        return self.kind == "number" and not self.n

    @property
    def signed(self) -> int:
        return -self.n if self.negative else self.n

    def with_sign(self, negative: bool) -> Number:
        return Number(self.kind, negative, self.n, self.e, self.bits)


def nearest_even(n: int, cut: int, mode: int, negative: bool) -> tuple[int, bool]:
    """``n / 2**cut`` as an integer in this rounding mode, and whether that is inexact."""
    if cut <= 0:
        return n << -cut, False
    kept, lost, half = n >> cut, n & (1 << cut) - 1, 1 << cut - 1
    away = {NEAREST: lost > half or (lost == half and kept & 1 == 1), TO_ZERO: False,
            UP: lost > 0 and not negative, DOWN: lost > 0 and negative}[mode]
    return kept + away, lost > 0


@dataclass
class Round:
    """The modes of FCSR that matter to arithmetic, and the flags that were raised."""
    mode: int = NEAREST
    flush: bool = False
    nan2008: bool = True
    flags: Flag = field(default=Flag(0))

    def read(self, f: Format, bits: int) -> Number:
        negative, magnitude = bool(bits >> f.width - 1), bits & (1 << f.width - 1) - 1
        if magnitude > f.infinity:
            top = bool(magnitude >> f.fraction - 1 & 1)
            return Number("quiet" if top == self.nan2008 else "signalling", negative, bits=bits)
        if magnitude == f.infinity:
            return Number("infinity", negative, bits=bits)
        power, fraction = magnitude >> f.fraction, magnitude & (1 << f.fraction) - 1
        if not power and fraction and self.flush:
            self.flags |= Flag.I
            return Number("number", negative)
        n = fraction | (1 << f.fraction if power else 0)
        return Number("number", negative, n, max(power, 1) - f.bias - f.fraction, bits)

    # -- results that are not numbers ---------------------------------------------------------------------------------
    def invalid(self, f: Format) -> int:
        self.flags |= Flag.V
        return f.default_nan(self.nan2008)

    def nan(self, f: Format, *operands: Number) -> int:
        """Of operands of which one is a NaN: the first signalling one, made quiet, else the first."""
        loud = [x for x in operands if x.kind == "signalling"]
        if loud:
            self.flags |= Flag.V
            return loud[0].bits | 1 << f.fraction - 1 if self.nan2008 else f.default_nan(False)
        return next(x.bits for x in operands if x.kind == "quiet")

    @staticmethod
    def infinity(f: Format, negative: bool) -> int:
        return f.infinity | negative << f.width - 1

    def zero_of_difference(self, f: Format) -> int:
        return (self.mode == DOWN) << f.width - 1

    # -- numbers ------------------------------------------------------------------------------------------------------
    def finish(self, f: Format, negative: bool, n: int, e: int) -> int:
        """``n * 2**e``, n not negative, rounded to the format; tininess is seen after rounding."""
        sign = negative << f.width - 1
        if not n:
            return sign
        precision, least = f.fraction + 1, 1 - f.bias - f.fraction
        unbounded = n.bit_length() - precision                 # to cut off if the exponent had no end
        whole, _ = nearest_even(n, unbounded, self.mode, negative)
        tiny = whole.bit_length() + unbounded + e < least + precision
        cut = max(unbounded, least - e)
        whole, inexact = nearest_even(n, cut, self.mode, negative)
        if tiny:
            self.flags |= Flag.TINY
            if self.flush:
                self.flags |= Flag.U | Flag.I
                return sign
        if inexact:
            self.flags |= Flag.I | (Flag.U if tiny else Flag(0))
        if whole.bit_length() > precision:
            whole, cut = whole >> 1, cut + 1
        if whole.bit_length() < precision:
            return sign | whole
        power = cut + e + f.bias + f.fraction
        if power << f.fraction >= f.infinity:
            self.flags |= Flag.O | Flag.I
            stays = self.mode == TO_ZERO or self.mode == (UP if negative else DOWN)
            return sign | f.infinity - stays
        return sign | (power << f.fraction) + whole - (1 << f.fraction)

    def sum(self, f: Format, x: Number, y: Number) -> int:
        """x + y, both finite; their exponents may lie anywhere."""
        e = min(x.e, y.e)
        total = (x.signed << x.e - e) + (y.signed << y.e - e)
        if not total:
            return x.negative << f.width - 1 if x.negative == y.negative else self.zero_of_difference(f)
        return self.finish(f, total < 0, abs(total), e)

    def add(self, f: Format, x: Number, y: Number) -> int:
        if x.is_nan or y.is_nan:
            return self.nan(f, x, y)
        if x.is_infinite and y.is_infinite and x.negative != y.negative:
            return self.invalid(f)
        if x.is_infinite or y.is_infinite:
            return self.infinity(f, x.negative if x.is_infinite else y.negative)
        return self.sum(f, x, y)

    def sub(self, f: Format, x: Number, y: Number) -> int:
        return self.add(f, x, y if y.is_nan else y.with_sign(not y.negative))

    def mul(self, f: Format, x: Number, y: Number) -> int:
        negative = x.negative != y.negative
        if x.is_nan or y.is_nan:
            return self.nan(f, x, y)
        if x.is_infinite or y.is_infinite:
            return self.invalid(f) if x.is_zero or y.is_zero else self.infinity(f, negative)
        return self.finish(f, negative, x.n * y.n, x.e + y.e)

    def div(self, f: Format, x: Number, y: Number) -> int:
        negative = x.negative != y.negative
        if x.is_nan or y.is_nan:
            return self.nan(f, x, y)
        if (x.is_infinite and y.is_infinite) or (x.is_zero and y.is_zero):
            return self.invalid(f)
        if y.is_zero and not x.is_infinite:
            self.flags |= Flag.Z
        if x.is_infinite or y.is_zero:
            return self.infinity(f, negative)
        if y.is_infinite:
            return self.finish(f, negative, 0, 0)
        longer = max(0, ENOUGH + y.n.bit_length() - x.n.bit_length())
        quotient, rest = divmod(x.n << longer, y.n)
        return self.finish(f, negative, quotient << 1 | (rest > 0), x.e - y.e - longer - 1)

    def sqrt(self, f: Format, x: Number) -> int:
        if x.is_nan:
            return self.nan(f, x)
        if x.is_zero:
            return self.finish(f, x.negative, 0, 0)
        if x.negative:
            return self.invalid(f)
        if x.is_infinite:
            return x.bits
        longer = 2 * ENOUGH + (x.e & 1)
        radicand = x.n << longer
        root = isqrt(radicand)
        return self.finish(f, False, root << 1 | (root * root != radicand), (x.e - longer) // 2 - 1)

    def fused(self, f: Format, x: Number, y: Number, z: Number, negate: bool) -> int:
        """z + x*y, or z - x*y."""
        negative = (x.negative != y.negative) != negate
        if (x.is_infinite and y.is_zero) or (x.is_zero and y.is_infinite):
            if z.is_nan and self.nan2008:
                self.flags |= Flag.V
                return self.nan(f, z)
            return self.invalid(f)
        if x.is_nan or y.is_nan or z.is_nan:
            return self.nan(f, *((z, x, y) if self.nan2008 else (x, y, z)))
        if x.is_infinite or y.is_infinite:
            if z.is_infinite and z.negative != negative:
                return self.invalid(f)
            return self.infinity(f, negative)
        if z.is_infinite:
            return z.bits
        return self.sum(f, Number("number", negative, x.n * y.n, x.e + y.e), z)

    def madd(self, f: Format, x: Number, y: Number, z: Number, kind: str) -> int:
        """x*y + z or x*y - z, rounded twice, and for nmadd and nmsub with the other sign."""
        product = self.read(f, self.mul(f, x, y))
        result = (self.sub if "msub" in kind else self.add)(f, product, z)
        return result ^ (1 << f.width - 1 if kind.startswith("n") else 0)

    def extreme(self, f: Format, x: Number, y: Number, kind: str) -> int:
        if "signalling" in (x.kind, y.kind) or (x.is_nan and y.is_nan):
            return self.nan(f, x, y)
        if x.is_nan or y.is_nan:
            return self.encoded(f, y if x.is_nan else x)
        larger = max if kind.startswith("max") else min
        pair = sorted((x, y), key=lambda z: (place(f, z), not z.negative))
        if kind.endswith("a") and abs(place(f, x)) != abs(place(f, y)):
            pair.sort(key=lambda z: abs(place(f, z)))
        return self.encoded(f, pair[1] if larger is max else pair[0])

    def encoded(self, f: Format, x: Number) -> int:
        return x.negative << f.width - 1 if x.is_zero else x.bits

    # -- other than arithmetic ----------------------------------------------------------------------------------------
    def relation(self, f: Format, x: Number, y: Number, signal: bool) -> int:
        if x.is_nan or y.is_nan:
            if signal or "signalling" in (x.kind, y.kind):
                self.flags |= Flag.V
            return UNORDERED
        one, two = place(f, x), place(f, y)
        return EQUAL if one == two else LESS if one < two else GREATER

    def turned(self, f: Format, x: Number, negate: bool) -> int:
        """ABS and NEG as arithmetic: any NaN is invalid."""
        if x.is_nan:
            self.flags |= Flag.V
            return self.nan(f, x)
        return self.encoded(f, x) & (1 << f.width - 1) - 1 | (negate and not x.negative) << f.width - 1

    def to_integer(self, x: Number, width: int, mode: int) -> int:
        largest = (1 << width - 1) - 1
        whole, inexact = nearest_even(x.n, -x.e, mode, x.negative)
        if x.kind != "number" or whole > largest + x.negative:
            self.flags |= Flag.V
            end = largest if not self.nan2008 else 0 if x.is_nan else -largest - 1 if x.negative else largest
            return end & (1 << width) - 1
        if inexact:
            self.flags |= Flag.I
        return (-whole if x.negative else whole) & (1 << width) - 1

    def rint(self, f: Format, x: Number) -> int:
        if x.is_nan:
            return self.nan(f, x)
        if x.is_infinite or x.e >= 0:
            return x.bits if x.n or x.is_infinite else self.encoded(f, x)
        whole, inexact = nearest_even(x.n, -x.e, self.mode, x.negative)
        if inexact:
            self.flags |= Flag.I
        return self.finish(f, x.negative, whole, 0)

    def converted(self, source: Format, to: Format, x: Number) -> int:
        if x.is_infinite:
            return self.infinity(to, x.negative)
        if not x.is_nan:
            return self.finish(to, x.negative, x.n, x.e)
        quiet = self.nan(source, x)
        shift = to.fraction - source.fraction
        payload = quiet & (1 << source.fraction) - 1
        payload = payload << shift if shift > 0 else payload >> -shift
        if (x.kind == "signalling" and not self.nan2008) or not payload:
            return to.default_nan(self.nan2008)
        return x.negative << to.width - 1 | to.infinity | payload

    # -- by name ------------------------------------------------------------------------------------------------------
    def operate(self, name: str, *operands: int) -> int:
        operation = OPERATIONS[name]
        if operation.source in INTEGER_BITS:
            width = INTEGER_BITS[operation.source]
            value = (operands[0] & (1 << width) - 1 ^ 1 << width - 1) - (1 << width - 1)
            return self.finish(FORMATS[operation.result], value < 0, abs(value), 0)
        f = FORMATS[operation.source]
        numbers = [self.read(f, bits & (1 << f.width) - 1) for bits in operands]
        if operation.result in INTEGER_BITS:
            mode = STATIC_MODES.get(operation.kind, self.mode)
            return self.to_integer(numbers[0], INTEGER_BITS[operation.result], mode)
        if operation.source != operation.result:
            return self.converted(f, FORMATS[operation.result], numbers[0])
        return self._within(operation, f, *numbers)

    def _within(self, operation: Operation, f: Format, *x: Number) -> int:
        kind, one = operation.kind, Number("number", False, 1)
        match kind:
            case "add" | "sub" | "mul" | "div":
                return {"add": self.add, "sub": self.sub, "mul": self.mul, "div": self.div}[kind](f, x[0], x[1])
            case "sqrt":
                return self.sqrt(f, x[0])
            case "recip":
                return self.div(f, one, x[0])
            case "rsqrt":
                return self.div(f, one, self.read(f, self.sqrt(f, x[0])))
            case "abs" | "neg":
                return self.turned(f, x[0], kind == "neg")
            case "maddf" | "msubf":
                return self.fused(f, x[0], x[1], x[2], kind == "msubf")
            case "madd" | "msub" | "nmadd" | "nmsub":
                return self.madd(f, x[0], x[1], x[2], kind)
            case "min" | "max" | "mina" | "maxa":
                return self.extreme(f, x[0], x[1], kind)
            case "rint":
                return self.rint(f, x[0])
            case "quiet" | "signal":
                return self.relation(f, x[0], x[1], kind == "signal")
        raise AssertionError(kind)


def place(f: Format, x: Number) -> int:
    """An integer for each number, in the numbers' order; 0 for both zeros."""
    magnitude = 0 if x.is_zero else x.bits & (1 << f.width - 1) - 1
    return -magnitude if x.negative else magnitude
