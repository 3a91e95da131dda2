"""The CP0 tables: what is derived from them, and the rules that hold for every register."""
from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmm.arch.cp0 import registers
from vmm.arch.cp0.fields import ALL_ONES, Access, Contexts, Register, ro, rw, sign_extended, w0c, w1c
from vmm.arch.cp0.registers import (
    REGISTERS,
    Cause,
    Config,
    Config5,
    Debug,
    EBase,
    EntryHi,
    EntryLo0,
    EntryLo1,
    GuestCtl0,
    LLAddr,
    MemoryMapID,
    Mode,
    PerfCnt3,
    SegCtl0,
    SegCtl1,
    SegCtl2,
    Status,
    WatchHi,
    WatchHi3,
    WatchLo3,
)

words = st.integers(0, ALL_ONES)
EVERY = pytest.mark.parametrize("register", list(REGISTERS.values()), ids=lambda r: r.name)


def test_a_field_knows_where_it_is() -> None:
    assert (Status.IM.owner, Status.IM.low, Status.IM.high, Status.IM.width) == (Status, 8, 15, 8)
    assert Status.IM.mask == 0xFF00
    assert Status.IM.of(0x1234_5678) == 0x56
    assert Status.IM.at(0x1FF) == 0xFF00
    assert repr(Status.IM) == "Status.IM[15:8]"


def test_an_inherited_field_belongs_to_the_heir() -> None:
    assert EntryLo1.PFN.owner is EntryLo1
    assert WatchLo3.VAddr.owner is WatchLo3
    assert EntryLo0.PFN.owner is EntryLo0
    assert EntryLo1.write_mask == EntryLo0.write_mask


def test_a_value_reads_as_fields_and_prints_them() -> None:
    assert Status(0b10010).KSU is Mode.USER
    assert Status(0x0040_0004).BEV == 1
    assert repr(Status(0x1000_FF13)) == "Status(0x1000ff13: CU0=1 IM=255 KSU=USER EXL=1 IE=1)"
    assert repr(Status(0)) == "Status(0x00000000:)"


def test_overlapping_fields_are_refused() -> None:
    with pytest.raises(TypeError, match=r"Bad\.B overlaps A"):
        class Bad(Register, number=(0, 0)):
            A = rw(7, 4)
            B = rw(5, 0)


@pytest.mark.parametrize(("register", "value"), [
    (Status, 0x0040_0004), (Config, 0x8000_0002), (Debug, 0x0200_8000),
    (EBase, 0xFFFF_FFFF_8000_0000), (SegCtl0, 0x0020_0010), (SegCtl1, 0x0003_0002), (SegCtl2, 0x0038_0438)])
def test_values_after_reset(register: type[Register], value: int) -> None:
    assert register.reset == value


@EVERY
def test_every_register_is_named_documented_and_as_wide_as_it_says(register: type[Register]) -> None:
    assert getattr(registers, register.name) is register
    assert register.name in registers.__all__
    assert register.doc
    assert register.index == register.number[0] * 8 + register.number[1]
    assert REGISTERS[register.index] is register
    assert all(f.high < (64 if register.bits64 else 32) and f.low <= f.high for f in register.fields)
    assert all(f.owner is register and getattr(register, f.name) is f for f in register.fields)
    assert all(f.reset == f.of(f.at(f.reset)) for f in register.fields)


@pytest.mark.parametrize(("number", "name"), [
    ((4, 5), "MemoryMapID"), ((5, 4), "SegCtl2"), ((5, 7), "PWSize"), ((6, 6), "PWCtl"),
    ((10, 4), "GuestCtl1"), ((11, 4), "GuestCtl0Ext"),
    ((12, 6), "GuestCtl0"), ((12, 7), "GTOffset"), ((25, 7), "PerfCnt3"),
    ((28, 3), "DDataLo"), ((31, 2), "KScratch1"), ((31, 7), "KScratch6")])
def test_numbers_of_the_manual(number: tuple[int, int], name: str) -> None:
    assert REGISTERS[number[0] * 8 + number[1]].name == name


def test_contexts() -> None:
    assert Status.context is Contexts.GUEST
    assert MemoryMapID.context is Contexts.GUEST_IF
    assert GuestCtl0.context is Contexts.ROOT
    assert PerfCnt3.context is Contexts.SHARED


def test_changes_that_a_guest_cannot_make_alone() -> None:
    for f in (Status.CU1, Status.FR, Status.BEV, Cause.DC, Cause.IV, Config5.MSAEn):
        assert f.owner.guest_trap_mask & f.mask, f
    for f in (Status.IE, Status.IM, Status.CU0, Status.UX, Cause.IPsw):
        assert not f.owner.guest_trap_mask & f.mask, f
    assert Status.guest_mode_trap_mask == Status.KSU.mask | Status.ERL.mask | Status.EXL.mask
    assert not Status.guest_trap_mask & Status.guest_mode_trap_mask


@EVERY
@settings(max_examples=20)
@given(old=words, new=words)
def test_a_write_changes_what_its_access_kinds_let_it(register: type[Register], old: int, new: int) -> None:
    after = register.merge(old, new)
    want = {Access.RW: new, Access.RO: old, Access.W1C: old & ~new, Access.W0C: old & new}
    for f in register.fields:
        assert f.of(after) == f.of(want[f.access]), f
    known = sum(f.mask for f in register.fields)
    assert after & ~known == old & ~known


@given(old=words, new=words, mask=words)
def test_a_mask_narrows_what_a_write_changes(old: int, new: int, mask: int) -> None:
    assert Status.merge(old, new, mask) == old & ~mask | new & mask
    after = WatchHi3.merge(old, new, mask)
    flags = WatchHi3.clear_mask & mask
    assert after & flags == old & ~new & flags
    assert after & ~mask & ALL_ONES == old & ~mask & ALL_ONES


def test_write_one_and_write_zero_clear() -> None:
    assert WatchHi.merge(0b111, 0b010) == 0b101
    assert LLAddr.merge(0x1001, 0x1) == 0x1001
    assert LLAddr.merge(0x1001, 0x2000) == 0x1000
    assert LLAddr.merge(0x1000, 0x1) == 0x1000


class Staged:
    """A word of which only the text is known.  Merge may use ``& | ~`` on it, and ints on the right."""
    def __init__(self, text: str) -> None:
        self.text = text

    def __and__(self, other: Any) -> Staged:
        return self._with("&", other)

    def __or__(self, other: Any) -> Staged:
        return self._with("|", other)

    def __invert__(self) -> Staged:
        return Staged(f"(~{self.text})")

    def _with(self, operator: str, other: Any) -> Staged:
        if isinstance(other, int):
            assert 0 <= other <= ALL_ONES
        return Staged(f"({self.text} {operator} {other.text if isinstance(other, Staged) else other})")


class Mixed(Register, number=(22, 0), bits64=True, context="-"):
    """A field of each access kind."""
    Plain = rw(63, 8)
    Fixed = ro(7, 4)
    Ones  = w1c(1)
    Zeros = w0c(0)


@given(old=words, new=words)
def test_merge_is_the_same_rule_on_staged_words(old: int, new: int) -> None:
    for register in (Mixed, Status, Cause, WatchHi, LLAddr, EntryHi):
        staged = register.merge(Staged("old"), Staged("new"))
        assert eval(staged.text, {"old": old, "new": new}) & ALL_ONES == register.merge(old, new)


@pytest.mark.parametrize(("word", "extended"), [
    (0, 0), (0x7FFF_FFFF, 0x7FFF_FFFF), (0x8000_0000, 0xFFFF_FFFF_8000_0000), (0x1_0000_0001, 1)])
def test_sign_extension(word: int, extended: int) -> None:
    assert sign_extended(word) == extended
