"""Pseudo-instructions that can take more than one word: ``PSEUDO``, from mnemonic to lines of assembly.

Invariant: how many lines depends only on what is known where the line stands.  (Those of one word are aliases
of rows: ``vmm.arch.aliases``.)
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """What an expansion may know: an expression's value here and now, and where the program is linked."""
    value: Callable[[str], int]
    base: int


Expand = Callable[[Place, str, str], list[str]]
"""(place, register, operand) to lines."""


def _li(place: Place, register: str, text: str) -> list[str]:
    value = place.value(text)
    if not -0x8000_0000 <= value <= 0xFFFF_FFFF:
        raise ValueError(f"li {register}: {value:#x} does not fit 32 bits; use dli")
    return _load(register, value - (1 << 32) if value >> 31 == 1 else value)


def _dli(place: Place, register: str, text: str) -> list[str]:
    value = place.value(text)
    if not -(1 << 63) <= value < 1 << 64:
        raise ValueError(f"dli {register}: {value:#x} does not fit 64 bits")
    return _load(register, value - (1 << 64) if value >> 63 == 1 else value)


def _load(register: str, value: int) -> list[str]:
    """The fewest instructions for what fits 32 bits; else 16 more bits at a time."""
    low = value & 0xFFFF
    more = [f"ori {register}, {register}, {low}"] if low else []
    if -0x8000 <= value < 0x8000:
        return [f"addiu {register}, $0, {value}"]
    if 0 <= value <= 0xFFFF:
        return [f"ori {register}, $0, {value}"]
    if -0x8000_0000 <= value < 0x8000_0000:
        return [f"lui {register}, {value >> 16 & 0xFFFF}", *more]
    return [*_load(register, value >> 16), f"dsll {register}, {register}, 16", *more]


def _la(place: Place, register: str, text: str) -> list[str]:
    return [f"lui {register}, %hi({text})", f"addiu {register}, {register}, %lo({text})"]


def _dla(place: Place, register: str, text: str) -> list[str]:
    """Two instructions where the program lies in the 32-bit compatibility segments, else six."""
    if place.base < 1 << 32 or place.base >> 31 == (1 << 33) - 1:
        return [f"lui {register}, %hi({text})", f"daddiu {register}, {register}, %lo({text})"]
    lines = [f"lui {register}, %highest({text})"]
    for part in ("higher", "hi", "lo"):
        signed = f"(%{part}({text}) & 0xffff ^ 0x8000) - 0x8000"
        lines += [f"daddiu {register}, {register}, {signed}", f"dsll {register}, {register}, 16"]
    return lines[:-1]


PSEUDO: dict[str, Expand] = {"li": _li, "dli": _dli, "la": _la, "dla": _dla}
