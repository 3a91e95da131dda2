"""Encodings: one pattern is the decoder, the assembler and the manual's diagram.

A pattern is read from bit 31 down.  ``0101`` is fixed, ``rs:5`` is a field, ``-----`` is ignored.
Invariant: it covers exactly 32 bits.
"""
from __future__ import annotations

from dataclasses import dataclass


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
class Encoding:
    mask: int
    match: int
    fields: tuple[Field, ...]

    @classmethod
    def parse(cls, pattern: str) -> Encoding:
        mask = match = 0
        fields: list[Field] = []
        low = 32
        for token in pattern.split():
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
        return cls(mask, match, tuple(fields))

    def fits(self, word: int) -> bool:
        return word & self.mask == self.match

    def split(self, word: int) -> dict[str, int]:
        return {f.name: f.of(word) for f in self.fields}

    def join(self, **values: int) -> int:
        word = self.match
        for f in self.fields:
            word |= values[f.name] << f.low & f.mask
        return word
