"""Words and conditions of the algebra as Python's numbers."""
from __future__ import annotations

MASK = (1 << 64) - 1


class Word(int):
    """64 bits."""
    __slots__ = ()

    def __add__(self, other: int) -> Word:
        return Word(int(self) + int(other) & MASK)

    def __sub__(self, other: int) -> Word:
        return Word(int(self) - int(other) & MASK)

    def __mul__(self, other: int) -> Word:
        return Word(int(self) * int(other) & MASK)

    def __and__(self, other: int) -> Word:
        return Word(int(self) & int(other) & MASK)

    def __or__(self, other: int) -> Word:
        return Word((int(self) | int(other)) & MASK)

    def __xor__(self, other: int) -> Word:
        return Word((int(self) ^ int(other)) & MASK)

    def __neg__(self) -> Word:
        return Word(-int(self) & MASK)

    def __invert__(self) -> Word:
        return Word(~int(self) & MASK)

    def __lshift__(self, count: int) -> Word:
        return Word(int(self) << (count & 63) & MASK)

    shl = __lshift__

    def shr(self, count: int) -> Word:
        return Word(int(self) >> (count & 63))

    def sar(self, count: int) -> Word:
        return Word(signed(self) >> (count & 63) & MASK)

    def __eq__(self, other: object) -> Condition:  # type: ignore[override]
        return Condition(int(self) == int(other) & MASK)  # type: ignore[call-overload]

    def __ne__(self, other: object) -> Condition:  # type: ignore[override]
        return Condition(int(self) != int(other) & MASK)  # type: ignore[call-overload]

    __hash__ = int.__hash__

    def below(self, other: int) -> Condition:
        return Condition(int(self) < int(other) & MASK)

    def less(self, other: int) -> Condition:
        return Condition(signed(self) < signed(int(other) & MASK))


class Condition:
    """True or false; ``~`` negates, as it does not for Python's bool."""
    __slots__ = ("holds",)

    def __init__(self, holds: bool) -> None:
        self.holds = holds

    def __and__(self, other: Condition) -> Condition:
        return Condition(self.holds and other.holds)

    def __or__(self, other: Condition) -> Condition:
        return Condition(self.holds or other.holds)

    def __invert__(self) -> Condition:
        return Condition(not self.holds)

    def __bool__(self) -> bool:
        return self.holds


def signed(word: int) -> int:
    return (int(word) ^ 1 << 63) - (1 << 63)


class Variable:
    __slots__ = ("value",)

    def __init__(self, value: Word) -> None:
        self.value = value
