"""A board's state is complete: all that is attached offers it, and a new board that is given it goes on as the old one."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.board import World
from vmm.cli.choose import make_system, request
from vmm.guest.board import MALTA, Built
from vmm.guest.bus import Bridge, Bus
from vmm.guest.clock import BoardClock
from vmm.guest.console import MemoryConsole

IO, FPGA, GT = 0x1800_0000, 0x1F00_0000, 0x1BE0_0000
PORTS = (0x00, 0x08, 0x20, 0x21, 0x40, 0x43, 0x60, 0x61, 0x64, 0x70, 0x71, 0x81, 0xA0, 0xA1, 0xC0, 0xD4, 0xD6, 0x1F0, 0x1F7,
         0x2F8, 0x3F0, 0x3F1, 0x3F6, 0x3F8, 0x3F9, 0x3FB, 0x3FC, 0x4D0, 0x4D1)
"""Where a history of random accesses changes something."""
MAPPED = (GT + 0xCF8, GT + 0xCFC, GT + 0xC34, GT + 0x48, FPGA + 0x410, FPGA + 0xB10, FPGA + 0x900, FPGA + 0x908,
          FPGA + 0x918)
CONFIG = 1 << 31


def attached(bus: Bus) -> Iterator[Any]:
    """Every device on the bus and on those behind it."""
    for piece in bus._laid:
        if isinstance(piece.device, Bridge):
            yield from attached(piece.device.bus)
        elif piece.device is not None:
            yield piece.device


@pytest.mark.parametrize("name", MALTA.build(World().outside).devices)
def test_each_device_has_a_state_with_limits(name: str) -> None:
    device = MALTA.build(World().outside).devices[name]
    state = device.save()
    assert isinstance(state, type(device).State)            # type: ignore[attr-defined]
    check_limits(name, state)
    assert state is not device.save() and state == device.save()


def check_limits(name: str, state: Any) -> None:
    assert is_dataclass(state)
    for row in fields(state):
        value = getattr(state, row.name)
        parts = value if isinstance(value, tuple) else (value,)
        if all(is_dataclass(part) for part in parts):
            for part in parts:
                check_limits(f"{name}.{row.name}", part)
        else:
            assert row.type == "bool" or {"ones", "limit"} & row.metadata.keys(), f"{name}.{row.name} has no limits"


def test_nothing_is_attached_that_has_no_state() -> None:
    built = MALTA.build(World().outside)
    known = {id(device) for device in built.devices.values()}
    on_buses = [*attached(built.bus), *attached(built.chipset.io), *attached(built.chipset.memory)]
    assert len(on_buses) > 15
    assert [device for device in on_buses if id(device) not in known] == []
    assert [number for number, function in built.chipset.pci.functions.items() if id(function) not in known] == []


class Rig:
    def __init__(self) -> None:
        self.world = World()
        self.built: Built = MALTA.build(self.world.outside)

    def run(self, steps: list[tuple[str, int, int]]) -> list[object]:
        """What the guest sees, and everyone else."""
        bus, world, seen = self.built.bus, self.world, []
        sent, ends = len(world.sent), len(world.ends)
        for kind, place, value in steps:
            if kind == "time":
                world.time.pass_by(value % 3_000_000)
            elif kind == "config":
                bus.store(GT + 0xCF8, 4, CONFIG | value & 0x3FFC)
            elif kind == "load":
                seen.append(bus.load(place, 1 if place < GT else 4))
            else:
                bus.store(place, 1 if place < GT else 4, value)
            seen.append(self.raised)
        return [seen, world.sent[sent:], world.ends[ends:]]

    @property
    def raised(self) -> list[int]:
        return sorted(pin for pin, level in self.world.pins.items() if level)

    def follow(self, other: Rig) -> None:
        """Become what the other is, from a board just made."""
        self.world.time.to(other.world.time.now)
        self.world.ram.bytes[:] = other.world.ram.bytes
        for name, device in other.built.devices.items():
            self.built.devices[name].restore(device.save())
        self.world.time.clock.restore(other.world.time.clock.save())


places = st.sampled_from([*(IO + port for port in PORTS), *MAPPED])
steps = st.lists(st.tuples(st.sampled_from(["load", "store", "store", "config", "time"]), places,
                           st.integers(0, 0xFFFF_FFFF)), max_size=60)


@settings(max_examples=80)
@given(steps, steps)
def test_a_new_board_given_the_state_goes_on_as_the_old_one(before: list[tuple[str, int, int]],
                                                            after: list[tuple[str, int, int]]) -> None:
    old, new = Rig(), Rig()
    old.run(before)
    new.follow(old)
    assert {name: device.save() for name, device in new.built.devices.items()} == {
        name: device.save() for name, device in old.built.devices.items()}
    assert new.raised == old.raised
    assert new.run(after) == old.run(after)


def test_the_clock_goes_on_counting_polls() -> None:
    def clock(ran: list[int]) -> BoardClock:
        return BoardClock(World().time.timers, lambda: 0, ran.append)
    ran: list[int] = []
    one, other = clock([]), clock(ran)
    for _ in range(16):
        one.polled("register", 100)
    other.restore(one.save())
    other.polled("register", 100)
    assert ran == [100]


@pytest.mark.parametrize(("mode", "cpu", "cpus", "more"), [
    ("bare", "I6400", 2, {"fdc0", "fdc1", "gcr", "cpc", "gic", "counter", "watchdogs"}), ("bare", "24Kf", 1, {"fdc0"}),
    ("vz", "P5600", 1, set())])
def test_a_system_lists_what_is_outside_its_board_too(mode: str, cpu: str, cpus: int, more: set[str],
                                                      tmp_path: Path) -> None:
    (tmp_path / "code").write_bytes(bytes(16))              # which any release runs
    asked = request(str(tmp_path / "code"), load_at=0x8010_0000, mode=mode, cpu=cpu, cpus=cpus, engine="reference")
    system = make_system(asked, MemoryConsole())
    assert system.stateful.keys() - system.board.built.devices.keys() == {"clock", *more}
    for name, device in system.stateful.items():
        before = device.save()
        device.restore(before)
        assert device.save() == before, name
