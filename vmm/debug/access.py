"""What an instruction word is about to do to memory, for the debugger's question "which watchpoint is this?".

(MIPS architecture, volume II, appendix A: opcodes 32 and up are accesses, base register and offset in one place)
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

FIRST_ACCESS, LDL, LDR = 0x20, 0x1A, 0x1B
NO_DATA = frozenset({0x2F, 0x33})
"""CACHE, PREF."""
STORE_ROWS = (5, 7)
"""Opcodes 28..2f and 38..3f, in octal 5x and 7x."""
WIDTHS = {0x20: 1, 0x24: 1, 0x28: 1, 0x21: 2, 0x25: 2, 0x29: 2, 0x23: 4, 0x27: 4, 0x2B: 4, 0x30: 4, 0x38: 4}
"""Of those that access exactly their own width; all others touch at most the doubleword around the address."""


@dataclass(frozen=True, slots=True)
class Access:
    address: int
    size: int
    is_store: bool


def access_of(word: int, gpr: Callable[[int], int]) -> Access | None:
    opcode = word >> 26
    if opcode in NO_DATA or opcode < FIRST_ACCESS and opcode not in (LDL, LDR):
        return None
    offset = (word & 0xFFFF ^ 0x8000) - 0x8000
    address = gpr(word >> 21 & 31) + offset & (1 << 64) - 1
    is_store = opcode >> 3 in STORE_ROWS
    if opcode in WIDTHS:
        return Access(address, WIDTHS[opcode], is_store)
    width = 4 if opcode in (0x22, 0x26, 0x2A, 0x2E) else 8
    return Access(address & -width, width, is_store)
