"""Where the guest goes on after an instruction that trapped in a delay slot (rows EM-1..EM-7).

The branch is not described here again: its row's own meaning runs over an algebra of plain numbers that has
registers, comparisons and branches and nothing else.  A meaning that needs more (coprocessor branches, EM-6)
is not a branch we know. Only what releases 1 to 5 with a delay slot have no row for is a table of ours.
"""
from __future__ import annotations

from typing import Protocol

from vmm.arch.encoding import Encoding
from vmm.kvm import words

MASK64 = (1 << 64) - 1


class Registers(Protocol):
    def __getitem__(self, index: int) -> int: ...
    def __setitem__(self, index: int, value: int) -> None: ...


class BranchError(Exception):
    """The word before a delay slot is no branch that can be emulated; the text says which word."""


class Condition:
    """A Condition of ``vmm.arch.algebra``."""

    __slots__ = ("holds",)

    def __init__(self, holds: bool) -> None:
        self.holds = holds

    def __invert__(self) -> Condition:
        return Condition(not self.holds)

    def __and__(self, other: Condition) -> Condition:
        return Condition(self.holds and other.holds)

    def __or__(self, other: Condition) -> Condition:
        return Condition(self.holds or other.holds)


class Number:
    """A 64-bit Word of ``vmm.arch.algebra``, as far as branches need it."""

    __slots__ = ("value",)
    __hash__ = None  # type: ignore[assignment]  # a Word compares to a Condition, so it is no key

    def __init__(self, value: int) -> None:
        self.value = value & MASK64

    def __eq__(self, other: object) -> Condition:  # type: ignore[override]
        return Condition(self.value == _plain(other))

    def __ne__(self, other: object) -> Condition:  # type: ignore[override]
        return Condition(self.value != _plain(other))

    def less(self, other: Number | int) -> Condition:
        return Condition(words.signed(self.value, 64) < words.signed(_plain(other), 64))

    def below(self, other: Number | int) -> Condition:
        return Condition(self.value < _plain(other))


def _plain(value: object) -> int:
    if isinstance(value, Number):
        return value.value
    if isinstance(value, int):
        return value & MASK64
    raise TypeError(f"a branch compared a register with {value!r}; use a Word or an int")


class _Gpr:
    def __init__(self, registers: Registers) -> None:
        self._registers = registers

    def __getitem__(self, index: int) -> Number:
        return Number(self._registers[index] if index else 0)

    def __setitem__(self, index: int, word: Number) -> None:
        if index:
            self._registers[index] = word.value


class BranchOnly:
    """``m`` for the meaning of a branch: afterwards ``target`` says where execution goes on after the slot.
    """

    def __init__(self, pc: int, registers: Registers) -> None:
        self.pc = Number(pc)
        self.gpr = _Gpr(registers)
        self.target = pc + 8 & MASK64

    def const(self, value: int) -> Number:
        return Number(value)

    def branch(self, taken: Condition, offset: int) -> None:
        if taken.holds:
            self.target = self.pc.value + 4 + 4 * words.signed(offset, 16) & MASK64

    branch_likely = branch

    def jump_region(self, target: int) -> None:
        region = 1 << 28
        self.target = (self.pc.value + 4 & MASK64 & ~(region - 1)) | 4 * target

    def jump(self, word: Number) -> None:
        self.target = word.value

    def link(self, register: int) -> None:
        self.gpr[register] = Number(self.pc.value + 8)


_NOT_ZERO = {"rs": ("rs",), "rt": ("rt",), "either": ("rs", "rt")}

# fmt: off
COMPACT: tuple[tuple[Encoding, str], ...] = (                         # release 6: what must not be zero
    (Encoding.parse("000110 rs:5 rt:5 offset:16"), "rt"),             # POP06
    (Encoding.parse("000111 rs:5 rt:5 offset:16"), "rt"),             # POP07
    (Encoding.parse("010110 rs:5 rt:5 offset:16"), "rt"),             # POP26
    (Encoding.parse("010111 rs:5 rt:5 offset:16"), "rt"),             # POP27
    (Encoding.parse("001000 rs:5 rt:5 offset:16"), "either"),         # POP10
    (Encoding.parse("011000 rs:5 rt:5 offset:16"), "either"),         # POP30
    (Encoding.parse("110110 rs:5 rt:5 offset:16"), "rs"),             # POP66
    (Encoding.parse("111110 rs:5 rt:5 offset:16"), "rs"),             # POP76
)
# fmt: on
"""Compact branches with a forbidden slot: an exception there means that the branch was not taken (EM-5)."""

BPOSGE32 = Encoding.parse("000001 00000 11100 offset:16")


def is_compact(word: int) -> bool:
    for encoding, rule in COMPACT:
        if encoding.fits(word):
            fields = encoding.split(word)
            return any(fields[name] for name in _NOT_ZERO[rule])
    return False


def after_slot(word: int, pc: int, registers: Registers, *, release: int, bits: int = 32,
               dsp_position: int | None = None) -> int:
    """Where the branch ``word`` at ``pc`` leads; writes the link register if it has one (EM-3..EM-5).

    ``dsp_position``: the pos field of DSPControl, for a host that has the DSP extension.
    """
    if pc & 3:
        raise BranchError(f"branch at {pc:#x}: not on a word boundary (EM-1)")
    if release >= 6 and is_compact(word):
        return pc + 8 & MASK64
    m = BranchOnly(pc, registers)
    if BPOSGE32.fits(word) and dsp_position is not None:
        m.branch(Condition(dsp_position >= 32), BPOSGE32.split(word)["offset"])
        return m.target
    read = words.read(word, release=release, bits=bits)
    if read is None or not read.insn.control or read.insn.family != "branch":
        name = read.name if read else "reserved"
        raise BranchError(f"branch at {pc:#x}: {word:#010x} ({name}) cannot be emulated with an instruction "
                          "in its delay slot; only integer branches can (EM-3)")
    read.insn.meaning(m, **read.fields)
    return m.target
