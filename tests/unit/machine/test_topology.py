"""CPUs, cores and VPs, and how a CPU finds out which it is."""
from __future__ import annotations

import pytest

from vmm.arch.cp0.registers import EBase, GlobalNumber
from vmm.arch.models import find_model
from vmm.errors import ConfigError
from vmm.host.machine import Machine
from vmm.host.machine.topology import Topology, Vp


@pytest.mark.parametrize(("cpus", "vps"), [(1, 1), (5, 1), (4, 4), (5, 4), (64, 4), (63, 4)])
def test_every_cpu_has_a_place_of_its_own(cpus: int, vps: int) -> None:
    topology = Topology(cpus, vps)
    places = [topology.place(cpu) for cpu in range(cpus)]
    assert len(set(places)) == cpus
    assert [topology.number(place.core, place.vp) for place in places] == list(range(cpus))
    assert sum(topology.vps_of(core) for core in range(topology.cores)) == cpus
    assert all(cpu in topology.siblings(cpu) and len(topology.siblings(cpu)) == topology.vps_of(places[cpu].core)
               for cpu in range(cpus))


def test_what_is_not_there_has_no_number() -> None:
    topology = Topology(5, 4)
    assert topology.cores == 2 and topology.place(4) == Vp(0, 1, 0)
    assert topology.number(1, 0) == 4
    assert [topology.number(core, vp) for core, vp in ((1, 1), (2, 0), (0, 4), (63, 7))] == [None] * 4
    assert topology.vps_of(2) == 0
    with pytest.raises(ConfigError, match="0 CPUs"):
        Topology(0)


def test_each_cpu_reads_its_place() -> None:
    machine = Machine(find_model("I6500"), 6, 1 << 16, engine="reference")
    assert [cpu.move_from(GlobalNumber) for cpu in machine.cpus] == [0, 1, 2, 3, 0x100, 0x101]
    assert [cpu.move_from(EBase) & 0x3FF for cpu in machine.cpus] == list(range(6))
    machine.cpus[5].reset()
    assert machine.cpus[5].move_from(GlobalNumber) == 0x101
