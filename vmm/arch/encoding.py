"""Encodings: one pattern is the decoder, the assembler and the manual's diagram.

A pattern is read from bit 31 down.  ``0101`` is fixed, ``rs:5`` is a field, ``-----`` is ignored.  After a bar it may
say how fields relate, ``| 0<rs<rt``: release 6 tells instructions of one opcode apart by the order of their registers.
Invariant: it covers exactly 32 bits.
"""
from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "<": operator.lt, ">=": operator.ge, "=": operator.eq, "!=": operator.ne,
}


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    low: int
    width: int

    @property
    def mask(self) -> int:
        """The field's bits in place."""
        return (1 << self.width) - 1 << self.low

    def of(self, word: int) -> int:
        """The field's value, unsigned."""
        return word >> self.low & (1 << self.width) - 1


@dataclass(frozen=True, slots=True)
class Relation:
    """``left sign right``, unsigned; a side is a field, or the number 0."""
    left: Field | None
    sign: str
    right: Field | None

    def holds(self, word: int) -> bool:
        left, right = (side.of(word) if side else 0 for side in (self.left, self.right))
        return COMPARISONS[self.sign](left, right)


@dataclass(frozen=True, slots=True)
class Encoding:
    mask: int
    match: int
    fields: tuple[Field, ...]
    relations: tuple[Relation, ...] = ()

    @classmethod
    def parse(cls, pattern: str) -> Encoding:
        mask = match = 0
        fields: list[Field] = []
        low = 32
        bits, _, conditions = pattern.partition("|")
        for token in bits.split():
            name, _, width = token.rpartition(":")
            size = int(width) if name else len(token)
            low -= size
            if low < 0:
                raise ValueError(f"{pattern!r} covers 32 bits before {token!r}, and then {-low} more")
            if name:
                fields.append(Field(name, low, size))
            elif set(token) != {"-"}:
                mask |= (1 << size) - 1 << low
                match |= int(token, 2) << low
        if low:
            raise ValueError(f"{pattern!r} covers {32 - low} bits, not 32")
        by_name: dict[str, Field | None] = {"0": None, **{f.name: f for f in fields}}
        relations = (r for condition in conditions.split() for r in _chain(condition, by_name))
        return cls(mask, match, tuple(fields), tuple(relations))

    def fits(self, word: int) -> bool:
        return word & self.mask == self.match and all(r.holds(word) for r in self.relations)

    def split(self, word: int) -> dict[str, int]:
        return {f.name: f.of(word) for f in self.fields}

    def join(self, **values: int) -> int:
        word = self.match
        for f in self.fields:
            word |= values[f.name] << f.low & f.mask
        return word


def compatible(one: Encoding, other: Encoding) -> bool:
    """Whether some word fits both, tried with every value of the fields that their relations compare."""
    if (one.match ^ other.match) & one.mask & other.mask:
        return False
    words = _tried(one.match | other.match, (*one.relations, *other.relations))
    return any(one.fits(word) and other.fits(word) for word in words)


def example(encoding: Encoding) -> int:
    """Some word that fits."""
    return next(word for word in _tried(encoding.match, encoding.relations) if encoding.fits(word))


def _tried(word: int, relations: tuple[Relation, ...]) -> list[int]:
    """The word with every value of the fields that are compared."""
    words = [word]
    for f in dict.fromkeys(f for r in relations for f in (r.left, r.right) if f):
        words = [one & ~f.mask | value << f.low for one in words for value in range(1 << f.width)]
    return words


def _chain(condition: str, by_name: dict[str, Field | None]) -> list[Relation]:
    """``0<rs<rt`` is 0 < rs and rs < rt."""
    sides = re.split(r"(<|>=|!=|=)", condition)
    if len(sides) < 3 or not all(side in by_name for side in sides[::2]):
        raise ValueError(f"{condition!r} is not a comparison of fields; there are {', '.join(by_name)}")
    return [Relation(by_name[sides[n]], sides[n + 1], by_name[sides[n + 2]]) for n in range(0, len(sides) - 2, 2)]
