"""CPUs, cores and VPs, and how a CPU finds out which it is."""
from __future__ import annotations

import pytest

from vmm.arch.cp0.registers import EBase, GlobalNumber
from vmm.arch.models import find_model
from vmm.errors import ConfigError
from vmm.host.machine import Machine
from vmm.host.machine.topology import Topology, Vp, topology_of


@pytest.mark.parametrize(("cpus", "vps", "cores"), [(1, 1, None), (5, 1, 2), (4, 4, None), (5, 4, 1), (64, 4, 4),
                                                    (63, 4, 3)])
def test_every_cpu_has_a_place_of_its_own(cpus: int, vps: int, cores: int | None) -> None:
    topology = Topology(cpus, vps, cores)
    places = [topology.place(cpu) for cpu in range(cpus)]
    assert len(set(places)) == cpus and {place.cluster for place in places} == set(range(topology.clusters))
    within = [topology.cluster(place.cluster) for place in places]
    assert [first + (its.number(place.core, place.vp) or 0) for place, (first, its) in zip(places, within, strict=True)
            ] == list(range(cpus))
    assert sum(topology.cluster(n)[1].cpus for n in range(topology.clusters)) == cpus
    assert sum(topology.vps_of(core) for core in range(topology.cores)) == cpus
    assert all(cpu in topology.siblings(cpu) and len(topology.siblings(cpu)) == topology.vps_of(cpu // vps)
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


def test_what_a_user_asks_for() -> None:
    found = topology_of("2x3x4", find_model("I6500"), 1)
    assert found == Topology(24, 4, 3) and found.clusters == 2 and found.place(23) == Vp(1, 2, 3)
    assert topology_of(None, find_model("24Kf"), 3) is None
    machine = Machine(find_model("I6500"), Topology(4, 2, 1), 1 << 16, engine="reference")
    assert [cpu.move_from(GlobalNumber) for cpu in machine.cpus] == [0, 1, 0x10000, 0x10001]


@pytest.mark.parametrize(("text", "model", "cpus", "complaint"), [
    ("2x2", "I6500", 1, "clusters, cores of each and VPs"), ("0x1x1", "I6500", 1, "clusters, cores of each"),
    ("2x1x1", "I6400", 1, "2 clusters; with --cpu I6400 there is one"), ("1x1x5", "I6500", 1, "at most 4"),
    ("17x1x1", "I6500", 1, "at most 16"), ("1x33x1", "I6500", 1, "at most 32"), ("1x1x2", "24Kf", 1, "there is one"),
    ("2x2x2", "I6500", 4, "these are 8 CPUs, and 4 are asked for"),
])
def test_a_topology_that_cannot_be_is_refused(text: str, model: str, cpus: int, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        topology_of(text, find_model(model), cpus)
