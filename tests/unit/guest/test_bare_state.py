"""What a snapshot of a bare machine has to keep is all there is: a new machine that is given it goes on as the old one.

Two clusters of an I6500 in the middle of a program that starts VPs, interrupts between them and waits for GIC timers, while
a watchdog of each cluster goes on.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.many_cpus import expected, image
from vmm.arch.models import find_model
from vmm.arch.state import SLOTS
from vmm.guest.bare import BareSystem
from vmm.guest.board import MIB, find_board
from vmm.guest.console import MemoryConsole
from vmm.guest.cps import GIC_AT as GIC_ON_BUS
from vmm.guest.image import parse_image
from vmm.guest.system import Request
from vmm.host.machine.topology import Topology

HOST_ADDRESSES, PASSED = frozenset({"region_count", "regions"}), frozenset({"stop"})
KEPT = tuple(slot.name for slot in SLOTS
             if not slot.note.startswith(("derived", "native")) and slot.name not in HOST_ADDRESSES | PASSED)
"""Slots of a CPU that are its snapshot; the engine makes the others again."""
WD_CONFIG, WD_INITIAL = 0x8090, 0x8098
AGAIN, WD_START = 2 << 1, 1
WATCHDOG_COUNTS = 700, 1100
"""Of 2 ticks each, for the two clusters: their interrupts are pending, and nobody lets them through."""
LIMIT = 1_000_000


@dataclass(frozen=True, slots=True)
class Whole:
    memory: bytes
    cpus: list[dict[str, list[int]]]
    devices: dict[str, Any]                                 # Any: each device has a State of its own


class Rig:
    def __init__(self, engine: str, topology: Topology) -> None:
        self.console = MemoryConsole()
        program = parse_image("many", image(topology.cpus, clusters=topology.clusters))
        self.system = BareSystem(Request(program, "bare", find_model("I6500"), find_board("malta"), 16 * MIB, engine=engine,
                                         host_cpus=topology.cpus, quantum=1000, seed=3, topology=topology), self.console)

        assert self.system.cps is not None
        for cluster, counts in zip(self.system.cps.clusters, WATCHDOG_COUNTS, strict=True):
            cluster.be_accessed(0, None)
            cluster.bus.store(GIC_ON_BUS + WD_INITIAL, 4, counts)
            cluster.bus.store(GIC_ON_BUS + WD_CONFIG, 4, AGAIN | WD_START)

    def run(self, until: int) -> None:
        if self.system.ending is None:
            self.system.run(until)

    def save(self) -> Whole:
        machine = self.system.machine
        return Whole(bytes(machine.memory.block.bytes), [{name: list(cpu.state.array(name)) for name in KEPT}
                                                         for cpu in machine.cpus],
                     {name: device.save() for name, device in self.system.stateful.items()})

    def restore(self, whole: Whole) -> None:
        machine = self.system.machine
        machine.memory.block.bytes[:] = whole.memory
        for cpu, kept in zip(machine.cpus, whole.cpus, strict=True):
            for name, words in kept.items():
                for n, word in enumerate(words):
                    cpu.state.array(name)[n] = word
            cpu.refresh()
            cpu.forget()
        for name, device in self.system.stateful.items():
            device.restore(whole.devices[name])


def differences(one: Whole, other: Whole) -> list[str]:
    found = ["memory"] * (one.memory != other.memory)
    found += [f"{name} of CPU {number}" for number, cpu in enumerate(one.cpus) for name in KEPT
              if cpu[name] != other.cpus[number][name]]
    return found + [name for name in one.devices if one.devices[name] != other.devices[name]]


@pytest.mark.parametrize(("engine", "topology", "moments", "copies"), [
    ("native", Topology(4, 2, 1), 24, 4), ("reference", Topology(2, 1, 1), 1, 1)])
def test_a_machine_given_the_state_of_another_goes_on_as_it(engine: str, topology: Topology, moments: int,
                                                            copies: int) -> None:
    whole = Rig(engine, topology)                           # in one go
    whole.run(LIMIT)
    assert [int(line, 16) for line in whole.console.text.split()] == expected(topology.cpus, topology.clusters)
    end, last = max(cpu.ticks for cpu in whole.system.machine.cpus), whole.save()
    assert all(last.devices[name].local_pend[0] & 1 for name in ("gic", "gic1"))       # the watchdogs have come
    rigs = [Rig(engine, topology)]
    for moment in range(1, moments + 1):
        for rig in rigs:
            rig.run(end * moment // (moments + 1))
        now = rigs[0].save()
        assert [differences(now, rig.save()) for rig in rigs[1:]] == [[]] * (len(rigs) - 1)
        if moment % (moments // copies) == 0 and rigs[0].system.ending is None:
            rigs.append(Rig(engine, topology))
            rigs[-1].restore(now)
    for rig in rigs:
        rig.run(LIMIT)
        assert differences(last, rig.save()) == []
        assert whole.console.text.endswith(rig.console.text) and rig.system.ending == whole.system.ending
