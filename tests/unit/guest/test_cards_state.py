"""A board with every kind of card: its state is complete, and whatever software does to the cards, the bus answers."""
from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.board import World
from vmm.guest.board import MALTA, Built
from vmm.guest.cards import ConsoleCard, DiskCard, EntropyCard, NetworkCard
from vmm.guest.console import MemoryConsole
from vmm.guest.disk import MemoryDisk

GT, PCI_MEMORY = 0x1BE0_0000, 0x1000_0000
SLOTS = range(18, 22)


class Cable:
    """What is sent comes back."""

    def __init__(self) -> None:
        self._frames: list[bytes] = []

    def send(self, frame: bytes) -> None:
        self._frames.append(frame)

    def poll(self) -> list[bytes]:
        found, self._frames = self._frames, []
        return found

    def attend(self) -> None:
        self._frames.append(bytes(60))


class Rig:
    """Each card's two windows lie one after the other, 64 KiB a slot, and decode."""

    def __init__(self) -> None:
        self.world, self.console = World(), MemoryConsole()
        cards = DiskCard(MemoryDisk(bytes(4096))), NetworkCard(Cable()), EntropyCard(3), ConsoleCard(self.console)
        self.built: Built = MALTA.build(replace(self.world.outside, cards=cards))
        for slot in SLOTS:
            base = PCI_MEMORY + (slot << 16)
            for at, value in ((0x10, base), (0x14, base + 0x1000), (0x04, 6)):
                self.config(slot, at, value)

    def config(self, slot: int, at: int, value: int) -> int:
        self.built.bus.store(GT + 0xCF8, 4, 1 << 31 | slot << 11 | at)
        self.built.bus.store(GT + 0xCFC, 4, value)
        return self.built.bus.load(GT + 0xCFC, 4)

    def run(self, steps: list[tuple[str, int, int, int]]) -> list[object]:
        seen: list[object] = []
        for kind, slot, at, value in steps:
            place = PCI_MEMORY + (slot << 16) + at
            if kind == "config":
                seen.append(self.config(slot, at & 0xFC, value))
            elif kind == "arrive":
                self.console.type(b"%d" % value)
                self.built.chipset.attend()
            elif kind == "load":
                seen.append(self.built.bus.load(place, 1))
            else:
                self.built.bus.store(place, 1, value & 0xFF)
            seen.append(sorted(pin for pin, level in self.world.pins.items() if level))
        return seen

    def saved(self) -> dict[str, object]:
        return {name: device.save() for name, device in self.built.devices.items()}

    def start(self) -> None:
        """As far as a driver gets without memory: every queue where its number says, the device in service."""
        for slot in SLOTS:
            base = PCI_MEMORY + (slot << 16)
            for at, value in ((0x08, 1), (0x0C, 1), (0x14, 0x0B)):
                self.built.bus.store(base + at, 4 if at < 0x14 else 1, value)
            for number in range(self.built.bus.load(base + 0x12, 2)):
                self.built.bus.store(base + 0x16, 2, number)
                for at in (0x20, 0x28, 0x30):
                    self.built.bus.store(base + at, 4, 0x1000 * (slot - 17) + 0x400 * number + 0x100 * (at >> 4))
                self.built.bus.store(base + 0x1C, 2, 1)
            self.built.bus.store(base + 0x14, 1, 0x0F)


steps = st.lists(st.tuples(st.sampled_from(["load", "store", "store", "config", "arrive"]), st.sampled_from(SLOTS),
                           st.one_of(st.integers(0, 0x8F), st.integers(0, 0x103F)), st.integers(0, 0xFFFF_FFFF)),
                 max_size=40)


@settings(max_examples=25)
@given(st.booleans(), steps, steps)
def test_a_new_board_given_the_state_goes_on_as_the_old_one(started: bool, before: list[tuple[str, int, int, int]],
                                                            after: list[tuple[str, int, int, int]]) -> None:
    old, new = Rig(), Rig()
    if started:
        old.start()
    old.run(before)
    new.world.ram.bytes[:] = old.world.ram.bytes
    for name, device in old.built.devices.items():
        new.built.devices[name].restore(device.save())
    assert new.saved() == old.saved()
    assert new.run(after) == old.run(after) and new.saved() == old.saved()


CARDS = [name for name in Rig().built.devices if name.startswith("pci1")]


@pytest.mark.parametrize("name", CARDS)
def test_each_part_of_a_card_has_a_state_with_limits(name: str) -> None:
    device = Rig().built.devices[name]
    state = device.save()
    assert isinstance(state, type(device).State)            # type: ignore[attr-defined]
    assert all(row.type == "bool" or {"ones", "limit"} & row.metadata.keys() for row in fields(state))
    assert state is not device.save() and state == device.save()


def test_a_card_has_three_parts() -> None:
    assert len(CARDS) == 3 * len(SLOTS)
