"""Every device under random accesses: nothing raises, values fit, and a snapshot goes on as the original does."""
from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.board import World
from vmm.guest.board import MALTA, Built

NAMES = list(MALTA.build(World().outside).devices)
operations = st.lists(st.tuples(st.sampled_from("rwt"), st.integers(0, 0xFFF), st.integers(0, 0xFFFF_FFFF)), max_size=60)


class Rig:
    def __init__(self) -> None:
        self.world = World()
        self.built: Built = MALTA.build(self.world.outside)

    @property
    def raised(self) -> list[int]:
        return [pin for pin, level in self.world.pins.items() if level]

    def run(self, name: str, steps: list[tuple[str, int, int]]) -> list[int | None]:
        device: Any = self.built.devices[name]
        regs, seen = device.regs, []
        for kind, offset, value in steps:
            at = offset % regs.span & -regs.width
            if kind == "r":
                seen.append(regs.load(device, at))
            elif kind == "w":
                regs.store(device, at, value)
            else:
                self.world.time.pass_by(value & 0xF_FFFF)
        assert all(value is None or 0 <= value < 1 << 8 * regs.width for value in seen)
        return seen


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15)
@given(operations, operations)
def test_random_accesses(name: str, before: list[tuple[str, int, int]], after: list[tuple[str, int, int]]) -> None:
    one, other = Rig(), Rig()
    one.run(name, before)
    other.run(name, before)
    for key, device in one.built.devices.items():
        other.built.devices[key].restore(device.save())
    assert one.run(name, after) == other.run(name, after)
    assert one.raised == other.raised


@settings(max_examples=30)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 31), st.integers(0, 7), st.integers(0, 63),
                          st.integers(0, 0xFFFF_FFFF)), max_size=60))
def test_random_configuration_cycles(cycles: list[tuple[bool, int, int, int, int]]) -> None:
    """Whatever software does to base registers and commands, the bus still answers every access."""
    rig = Rig()
    bus = rig.built.bus
    for is_store, slot, function, at, value in cycles:
        bus.store(0x1BE0_0CF8, 4, 1 << 31 | slot << 11 | function << 8 | at << 2)
        if is_store:
            bus.store(0x1BE0_0CFC, 4, value)
        assert 0 <= bus.load(0x1BE0_0CFC, 4) < 1 << 32
        assert 0 <= bus.load(0x1800_0000 + value % 0x20_0000 & ~3, 4) < 1 << 32
