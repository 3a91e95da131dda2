"""The values of the algebra as LLVM text: what operators on them write.

The same operators on numbers are in ``vmm.engine.number_words``; ``vmm.engine.emit`` has the words that make values.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vmm.engine.emit import Emitter


class Staged(TypeError):
    """A meaning asked Python to decide what only the running guest can decide."""


class Heavy(Exception):
    """A meaning uses a word that an inlined instruction does not have: it is compiled as a function."""


class Value:
    """An LLVM value by its text."""
    __slots__ = ("m", "text")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, m: Emitter, text: str) -> None:
        self.m, self.text = m, text

    def __bool__(self) -> bool:
        raise Staged("this value exists only while the guest runs; use m.select, m.require or m.when")


class Condition(Value):
    def __and__(self, other: Condition) -> Condition:
        return self.m.condition(f"and i1 {self.text}, {other.text}")

    def __or__(self, other: Condition) -> Condition:
        return self.m.condition(f"or i1 {self.text}, {other.text}")

    def __invert__(self) -> Condition:
        return self.m.condition(f"xor i1 {self.text}, true")


Operand = Any
"""A Word, an int, or an IntEnum member."""


class Word(Value):
    def _two(self, name: str, other: Operand) -> Word:
        return self.m.word_of(f"{name} i64 {self.text}, {self.m.text(other)}")

    def _compare(self, name: str, other: Operand) -> Condition:
        return self.m.condition(f"icmp {name} i64 {self.text}, {self.m.text(other)}")

    def _shift(self, name: str, count: Operand) -> Word:
        if isinstance(count, Word):
            return self._two(name, self.m.word_of(f"and i64 {count.text}, 63"))
        return self._two(name, int(count) & 63)

    def __add__(self, other: Operand) -> Word:
        return self._two("add", other)

    def __sub__(self, other: Operand) -> Word:
        return self._two("sub", other)

    def __mul__(self, other: Operand) -> Word:
        return self._two("mul", other)

    def __and__(self, other: Operand) -> Word:
        return self._two("and", other)

    def __or__(self, other: Operand) -> Word:
        return self._two("or", other)

    def __xor__(self, other: Operand) -> Word:
        return self._two("xor", other)

    def __neg__(self) -> Word:
        return self.m.word_of(f"sub i64 0, {self.text}")

    def __invert__(self) -> Word:
        return self._two("xor", -1)

    def __lshift__(self, count: int) -> Word:
        return self._shift("shl", count)

    def shl(self, count: Operand) -> Word:
        return self._shift("shl", count)

    def shr(self, count: Operand) -> Word:
        return self._shift("lshr", count)

    def sar(self, count: Operand) -> Word:
        return self._shift("ashr", count)

    def __eq__(self, other: Operand) -> Condition:  # type: ignore[override]
        return self._compare("eq", other)

    def __ne__(self, other: Operand) -> Condition:  # type: ignore[override]
        return self._compare("ne", other)

    def below(self, other: Operand) -> Condition:
        return self._compare("ult", other)

    def less(self, other: Operand) -> Condition:
        return self._compare("slt", other)


class Variable:
    """A cell on the stack; LLVM makes registers of these."""
    __slots__ = ("m", "place")

    def __init__(self, m: Emitter, word: Operand) -> None:
        self.m, self.place = m, m.cell()
        self.value = word

    @property
    def value(self) -> Word:
        return self.m.word_of(f"load i64, ptr {self.place}")

    @value.setter
    def value(self, word: Operand) -> None:
        self.m.line(f"store i64 {self.m.text(word)}, ptr {self.place}")


class Registers:
    """The general registers, by a field or an int; register 0 is written and then zeroed, cheaper than asking."""

    def __init__(self, m: Emitter) -> None:
        self.m = m

    def __getitem__(self, number: Operand) -> Word:
        return self.m.slot(self.m.register(number))

    def __setitem__(self, number: Operand, word: Word) -> None:
        n = self.m.register(number)
        self.m.set_slot(n, word)
        if not isinstance(n, int):
            self.m.set_slot(0, 0)
