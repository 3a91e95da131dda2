"""The bus: who answers, in which lanes, and what nobody answers."""
from __future__ import annotations

from dataclasses import dataclass

import pytest

from vmm.guest.bus import Bus, BusError, Unclaimed
from vmm.guest.devices.window import Window, bits, copied


class Pair:
    """Two words to read and write; the second is 8 bytes on."""
    regs = Window(span=0x10)

    @dataclass(slots=True)
    class State:
        first: int = bits(32)
        second: int = bits(32)

    def __init__(self) -> None:
        self.state = self.State()

    @regs.read(0)
    def first(self) -> int:
        return self.state.first

    @regs.write(0)
    def set_first(self, value: int) -> None:
        self.state.first = value

    @regs.read(8)
    def second(self) -> int:
        return self.state.second

    @regs.write(8)
    def set_second(self, value: int) -> None:
        self.state.second = value

    def save(self) -> State:
        return copied(self.state)

    def restore(self, state: State) -> None:
        self.state = copied(state)


class Bytes:
    """Four byte-wide registers that hold what is written."""
    regs = Window(span=4, width=1)

    def __init__(self) -> None:
        self.values = bytearray(4)

    @regs.read(0, count=4, step=1)
    def value(self, index: int) -> int:
        return self.values[index]

    @regs.write(0, count=4, step=1)
    def set_value(self, index: int, value: int) -> None:
        self.values[index] = value

    def save(self) -> bytearray:
        return bytearray(self.values)

    def restore(self, state: bytearray) -> None:
        self.values = bytearray(state)


@pytest.mark.parametrize("big", [False, True])
def test_a_word_is_a_word_in_either_order(big: bool) -> None:
    bus, pair = Bus(big), Pair()
    bus.attach(0x1000, pair)
    bus.store(0x1000, 4, 0x1122_3344)
    assert pair.state.first == 0x1122_3344 == bus.load(0x1000, 4)
    assert [bus.load(0x1000 + i, 1) for i in range(4)] == ([0x11, 0x22, 0x33, 0x44] if big
                                                           else [0x44, 0x33, 0x22, 0x11])
    assert bus.load(0x1002, 2) == (0x3344 if big else 0x1122)


@pytest.mark.parametrize(("big", "value"), [(False, 0x42), (True, 0x4200_0000)])
def test_a_narrow_store_drives_its_own_lane(big: bool, value: int) -> None:
    bus, pair = Bus(big), Pair()
    bus.attach(0, pair)
    bus.store(0, 1, 0x42)
    assert pair.state.first == value


@pytest.mark.parametrize("big", [False, True])
def test_a_wide_access_is_as_many_registers(big: bool) -> None:
    seen: list[Unclaimed] = []
    bus, pair = Bus(big, unclaimed=seen.append), Pair()
    bus.attach(0, pair)
    bus.store(8, 8, 0x1122_3344_5566_7788)
    assert pair.state.second == (0x1122_3344 if big else 0x5566_7788)
    assert bus.load(8, 8) == (0x1122_3344_0000_0000 if big else 0x5566_7788)
    assert seen == [Unclaimed(12, 4, True), Unclaimed(12, 4, False)]


@pytest.mark.parametrize(("big", "word"), [(False, 0x0403_0201), (True, 0x0102_0304)])
def test_byte_registers_side_by_side(big: bool, word: int) -> None:
    bus, device = Bus(big), Bytes()
    bus.attach(0, device)
    device.values[:] = b"\1\2\3\4"
    assert bus.load(0, 4) == word
    bus.store(0, 4, word + 1)
    assert bus.load(0, 4) == word + 1


@pytest.mark.parametrize("size", [1, 2, 4, 8])
@pytest.mark.parametrize("big", [False, True])
def test_registers_spread_out_fill_their_slots(size: int, big: bool) -> None:
    bus, device = Bus(big), Bytes()
    bus.attach(0x900, device, shift=3)
    bus.store(0x908, size, 0x5A)
    assert device.values == b"\0\x5a\0\0" and bus.load(0x908, size) == 0x5A


def test_the_later_window_is_on_top() -> None:
    bus, under, over = Bus(False, [(0, 0x100)]), Pair(), Bytes()
    bus.attach(0x20, under)
    bus.attach(0x24, over)
    bus.store(0x20, 4, 1)
    bus.store(0x24, 4, 2)
    bus.store(0x28, 4, 3)
    assert (under.state.first, bytes(over.values), under.state.second) == (1, b"\2\0\0\0", 3)
    assert bus.load(0x20, 8) == 0x2_0000_0001               # across the border, byte by byte


def test_an_empty_slot_reads_zero_and_is_reported() -> None:
    seen: list[Unclaimed] = []
    bus = Bus(False, [(0, 0x100)], seen.append)
    assert bus.load(0x10, 4) == 0
    bus.store(0x10, 2, 7)
    assert seen == [Unclaimed(0x10, 4, False), Unclaimed(0x10, 2, True)]


@pytest.mark.parametrize("address", [0xFC + 4, 0x1000, 1 << 40])
def test_outside_is_a_bus_error(address: int) -> None:
    bus = Bus(False, [(0, 0x100)])
    with pytest.raises(BusError, match="load of 4 bytes at physical") as caught:
        bus.load(address, 4)
    assert (caught.value.address, caught.value.size, caught.value.is_store) == (address, 4, False)
    with pytest.raises(BusError, match="store of 1 bytes"):
        bus.store(address, 1, 0)


def test_a_store_half_outside_stores_nothing() -> None:
    bus, device = Bus(False), Bytes()
    bus.attach(0, device)
    with pytest.raises(BusError):
        bus.store(2, 4, 0xFFFF_FFFF)
    assert device.values == bytes(4)
