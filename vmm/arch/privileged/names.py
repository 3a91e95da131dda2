"""State and CP0 registers by name, for functions written in the algebra.

``m`` offers ``m.slot(n)`` and ``m.set_slot(n, word)``: a slot of the CPU's state by its number, an int or a Word.
"""
from __future__ import annotations

from typing import Any

from vmm.arch.cp0.fields import Bits, Register
from vmm.arch.state import OFFSET

LOAD, STORE, FETCH = 0, 1, 2
"""Kinds of access."""


class States:
    """``m.state.ticks`` reads a slot, ``m.state.ticks = w`` writes it."""
    __slots__ = ("_m",)

    def __init__(self, m: Any) -> None:
        object.__setattr__(self, "_m", m)

    def __getattr__(self, name: str) -> Any:
        return self._m.slot(OFFSET[name])

    def __setattr__(self, name: str, word: Any) -> None:
        self._m.set_slot(OFFSET[name], word)


class File:
    """The CP0 registers of one context: ``file[Status]``, ``file.get(Status.EXL)``, ``file.put(Status.EXL, 1)``."""
    __slots__ = ("_base", "_m")

    def __init__(self, m: Any, base: Any) -> None:
        self._m, self._base = m, base

    def at(self, index: Any) -> Any:
        return self._m.slot(index + self._base if not isinstance(index, int) else self._base + index)

    def put_at(self, index: Any, word: Any) -> None:
        self._m.set_slot(index + self._base if not isinstance(index, int) else self._base + index, word)

    def __getitem__(self, register: type[Register]) -> Any:
        return self.at(register.index)

    def __setitem__(self, register: type[Register], word: Any) -> None:
        self.put_at(register.index, word)

    def get(self, field: Bits) -> Any:
        """The field's value, a Word."""
        return self[field.owner].shr(field.low) & (field.mask >> field.low)

    def on(self, field: Bits) -> Any:
        """Whether the field is not zero, a Condition."""
        return (self[field.owner] & field.mask) != 0

    def put(self, field: Bits, value: Any) -> None:
        word = value << field.low if isinstance(value, int) else value.shl(field.low)
        self[field.owner] = self[field.owner] & ~field.mask | (word & field.mask)
