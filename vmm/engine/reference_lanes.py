"""The vector words of the algebra as numbers: lanes are a list of ints, and an operation a loop over it."""
from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from vmm.arch.privileged import vector
from vmm.arch.state import OFFSET
from vmm.engine.number_words import Condition, Word

if TYPE_CHECKING:
    from vmm.engine.numbers import Numbers

VECTOR_BITS = 128
FIRST = OFFSET["fpr"]
Operand = Any
"""Lanes, or an int for every lane."""


class Lanes:
    """All lanes of a vector register, unsigned, lane 0 first."""
    __slots__ = ("bits", "values")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, bits: int, values: Iterable[int]) -> None:
        mask = (1 << bits) - 1
        self.bits, self.values = bits, [int(v) & mask for v in values]

    def like(self, number: int) -> Lanes:
        """This number in every lane."""
        return Lanes(self.bits, [number] * len(self.values))

    def _pairs(self, other: Operand) -> Iterable[tuple[int, int]]:
        others = other if isinstance(other, Lanes) else self.like(other)
        return zip(self.values, others.values, strict=True)

    def _two(self, operation: Callable[[int, int], int], other: Operand) -> Lanes:
        return Lanes(self.bits, [operation(a, b) for a, b in self._pairs(other)])

    def _test(self, operation: Callable[[int, int], bool], other: Operand) -> LaneConditions:
        return LaneConditions(self.bits, [operation(a, b) for a, b in self._pairs(other)])

    def signed(self, value: int) -> int:
        sign = 1 << self.bits - 1
        return (value ^ sign) - sign

    def __add__(self, other: Operand) -> Lanes:
        return self._two(lambda a, b: a + b, other)

    def __sub__(self, other: Operand) -> Lanes:
        return self._two(lambda a, b: a - b, other)

    def __mul__(self, other: Operand) -> Lanes:
        return self._two(lambda a, b: a * b, other)

    def __and__(self, other: Operand) -> Lanes:
        return self._two(lambda a, b: a & b, other)

    def __or__(self, other: Operand) -> Lanes:
        return self._two(lambda a, b: a | b, other)

    def __xor__(self, other: Operand) -> Lanes:
        return self._two(lambda a, b: a ^ b, other)

    def __neg__(self) -> Lanes:
        return Lanes(self.bits, [-a for a in self.values])

    def __invert__(self) -> Lanes:
        return Lanes(self.bits, [~a for a in self.values])

    def shl(self, count: Operand) -> Lanes:
        return self._two(lambda a, b: a << b % self.bits, count)

    def shr(self, count: Operand) -> Lanes:
        return self._two(lambda a, b: a >> b % self.bits, count)

    def sar(self, count: Operand) -> Lanes:
        return self._two(lambda a, b: self.signed(a) >> b % self.bits, count)

    def __eq__(self, other: Operand) -> LaneConditions:  # type: ignore[override]
        return self._test(lambda a, b: a == b, other)

    def __ne__(self, other: Operand) -> LaneConditions:  # type: ignore[override]
        return self._test(lambda a, b: a != b, other)

    def below(self, other: Operand) -> LaneConditions:
        return self._test(lambda a, b: a < b, other)

    def less(self, other: Operand) -> LaneConditions:
        return self._test(lambda a, b: self.signed(a) < self.signed(b), other)

    def _clipped(self, value: int) -> int:
        return max(-(1 << self.bits - 1), min(value, (1 << self.bits - 1) - 1))

    def add_saturated(self, other: Operand) -> Lanes:
        return self._two(lambda a, b: self._clipped(self.signed(a) + self.signed(b)), other)

    def add_saturated_unsigned(self, other: Operand) -> Lanes:
        return self._two(lambda a, b: min(a + b, (1 << self.bits) - 1), other)

    def subtract_saturated(self, other: Operand) -> Lanes:
        return self._two(lambda a, b: self._clipped(self.signed(a) - self.signed(b)), other)

    def subtract_saturated_unsigned(self, other: Operand) -> Lanes:
        return self._two(lambda a, b: max(a - b, 0), other)

    def count_ones(self) -> Lanes:
        return Lanes(self.bits, [a.bit_count() for a in self.values])

    def leading_zeros(self) -> Lanes:
        return Lanes(self.bits, [self.bits - a.bit_length() for a in self.values])

    def _quotient(self, a: int, b: int) -> int:
        x, y = self.signed(a), self.signed(b)
        return abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)

    def divide_signed(self, other: Lanes) -> tuple[Lanes, Lanes]:
        quotient = self._two(self._quotient, other)
        return quotient, self - quotient * other

    def divide_unsigned(self, other: Lanes) -> tuple[Lanes, Lanes]:
        return self._two(lambda a, b: a // b, other), self._two(lambda a, b: a % b, other)

    def cast(self, bits: int) -> Lanes:
        """The same 128 bits as lanes of another width."""
        return from_whole(bits, self.whole())

    def whole(self) -> int:
        return sum(value << n * self.bits for n, value in enumerate(self.values))

    def shuffle(self, other: Lanes, order: Iterable[int]) -> Lanes:
        both = self.values + other.values
        return Lanes(self.bits, [both[n] for n in order])

    def pick(self, other: Lanes, index: Lanes) -> Lanes:
        both = self.values + other.values
        return Lanes(self.bits, [both[n % len(both)] for n in index.values])


class LaneConditions:
    """A condition for each lane."""
    __slots__ = ("bits", "held")

    def __init__(self, bits: int, held: list[bool]) -> None:
        self.bits, self.held = bits, held

    def __and__(self, other: LaneConditions) -> LaneConditions:
        return LaneConditions(self.bits, [a and b for a, b in zip(self.held, other.held, strict=True)])

    def __or__(self, other: LaneConditions) -> LaneConditions:
        return LaneConditions(self.bits, [a or b for a, b in zip(self.held, other.held, strict=True)])

    def __invert__(self) -> LaneConditions:
        return LaneConditions(self.bits, [not a for a in self.held])

    def choose(self, yes: Operand, no: Operand) -> Lanes:
        model = Lanes(self.bits, [0] * len(self.held))
        ways = [x if isinstance(x, Lanes) else model.like(x) for x in (yes, no)]
        return Lanes(self.bits, [ways[0].values[n] if held else ways[1].values[n] for n, held in enumerate(self.held)])

    def ones(self) -> Lanes:
        return Lanes(self.bits, [-int(held) for held in self.held])

    def any(self) -> Condition:
        return Condition(any(self.held))


def from_whole(bits: int, whole: int) -> Lanes:
    return Lanes(bits, [whole >> at for at in range(0, VECTOR_BITS, bits)])


class VectorFile:
    """``m.vector(bits)``: the vector registers as lanes of that width."""

    def __init__(self, m: Numbers, bits: int) -> None:
        self.words, self.bits = m.words, bits

    def __getitem__(self, number: int) -> Lanes:
        at = FIRST + 2 * number
        return from_whole(self.bits, self.words[at] | self.words[at + 1] << 64)

    def __setitem__(self, number: int, lanes: Lanes) -> None:
        at, whole = FIRST + 2 * number, lanes.whole()
        self.words[at], self.words[at + 1] = whole & (1 << 64) - 1, whole >> 64


class VectorWords:
    """What ``m`` offers of vectors; ``Numbers`` is one of these."""

    def float_lanes(self, operation: str, option: int, bits: int, *registers: int) -> Condition:
        return Condition(False)

    def vector(self: Any, bits: int) -> VectorFile:
        return VectorFile(self, bits)

    def lanes(self, bits: int, numbers: Iterable[int]) -> Lanes:
        return Lanes(bits, numbers)

    def splat(self, bits: int, word: int) -> Lanes:
        return Lanes(bits, [int(word)] * (VECTOR_BITS // bits))

    def element(self: Any, bits: int, number: int, lane: int) -> Word:
        return self.const(self.vector(bits)[number].values[int(lane)])  # type: ignore[no-any-return]

    def set_element(self: Any, bits: int, number: int, lane: int, word: int) -> None:
        file = self.vector(bits)
        values = file[number].values
        values[int(lane)] = int(word)
        file[number] = Lanes(bits, values)

    def load_vector(self: Any, number: int, address: Word, size: int) -> None:
        self.call(vector.load_vector, number, address, size)

    def store_vector(self: Any, number: int, address: Word, size: int) -> None:
        self.call(vector.store_vector, number, address, size)
