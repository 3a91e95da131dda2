"""The register table refuses mistakes when a device class is made, and snapshots that do not fit."""
from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from vmm.errors import ConfigError
from vmm.guest.devices.window import Register, Window, at_most, bits, copied


def test_an_offset_is_given_once_aligned_and_inside() -> None:
    regs = Window(span=8)
    regs.read(4)(lambda _: 1)
    for offset in (4, 8, -4, 2):
        with pytest.raises(ValueError, match=r"offset .* is taken, not a multiple .*, or outside"):
            regs.read(offset)(lambda _: 2)


def test_the_table_is_the_documentation() -> None:
    regs = Window(span=0x20)

    @regs.read(0x8, count=2, step=8)
    def position(_device: object, index: int) -> int:
        return index

    @regs.write(0x0)
    def start(_device: object, _value: int) -> None: ...

    assert list(regs) == [Register(0, None, "start"), Register(8, "position0", None),
                          Register(16, "position1", None)]
    assert (regs.load(None, 16), regs.load(None, 0), regs.store(None, 8, 1)) == (1, None, False)


def test_values_have_no_more_bits_than_the_register() -> None:
    regs, seen = Window(span=4, width=1), []
    regs.read(0)(lambda _: 0x1FF)
    regs.write(0)(lambda _, value: seen.append(value))
    assert regs.load(None, 0) == 0xFF
    assert regs.store(None, 0, 0x123) and seen == [0x23]


def test_a_window_may_answer_everywhere() -> None:
    regs, seen = Window(span=1 << 20), []

    @regs.read(4)
    def register(_device: object) -> int:
        return 7

    @regs.rest_read
    def rest(_device: object, offset: int) -> int:
        return offset << 32 | offset

    @regs.rest_write
    def keep(_device: object, offset: int, value: int) -> None:
        seen.append((offset, value))

    assert [regs.load(None, at) for at in (0, 4, 8)] == [0, 7, 8]
    assert not regs.reads(8) and not regs.writes(8)         # so a bus remembers no way to each of them
    assert regs.store(None, 0xFFFFC, 0x1_0000_0002) and seen == [(0xFFFFC, 2)]


@dataclass(slots=True)
class Kept:
    nibble: int = bits(4)
    queue: bytearray = field(default_factory=bytearray, metadata=at_most(2))
    on: bool = False


def test_a_copy_shares_nothing() -> None:
    one = Kept(queue=bytearray(b"a"))
    other = copied(one)
    one.queue += b"b"
    assert other == Kept(queue=bytearray(b"a"))


@pytest.mark.parametrize("change", [
    {"nibble": 16}, {"nibble": -1}, {"nibble": "x"}, {"nibble": True}, {"queue": b"abc"}, {"queue": "ab"},
    {"on": 1}])
def test_a_snapshot_that_does_not_fit(change: dict[str, Any]) -> None:
    name = next(iter(change))
    with pytest.raises(ConfigError, match=f"snapshot: Kept.{name} is .*take the snapshot again"):
        copied(replace(Kept(), **change))
