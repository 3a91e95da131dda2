"""Several CPUs with what is between them: a program on many VPs, how CPUs are started, and where interrupts go."""
from __future__ import annotations

import pytest

from tests.support.many_cpus import CPC_AT, GIC_AT, STOPPING_PRINTS, expected, image, stopping_image
from vmm.arch.cp0.registers import CMGCRBase, Config3, GlobalNumber, Status, VPControl
from vmm.arch.models import find_model
from vmm.guest.bare import BareSystem
from vmm.guest.board import MIB, find_board
from vmm.guest.console import MemoryConsole
from vmm.guest.cps import Cps
from vmm.guest.image import parse_image
from vmm.guest.system import Request
from vmm.host.machine.topology import Topology

GCR = 0x1FBF_8000
LIMIT = 20_000_000
GIC_ON, CPC_ON = GIC_AT | 1, CPC_AT | 1


def machine(cpus: int, engine: str = "native", cpu: str = "I6500", big_endian: bool = False, program: int = 2,
            quantum: int = 50_000, seed: int = 0, topology: Topology | None = None) -> tuple[BareSystem, MemoryConsole]:
    console = MemoryConsole()
    clusters = topology.clusters if topology else 1
    request = Request(parse_image("many", image(program, big_endian, clusters)), "bare", find_model(cpu),
                      find_board("malta"), 32 * MIB, host_cpus=cpus, engine=engine, quantum=quantum, seed=seed,
                      topology=topology)
    return BareSystem(request, console), console


def run(cpus: int, engine: str = "native", step: int = LIMIT, **how: int) -> tuple[list[int], int]:
    """What the program prints, and how many instructions that took."""
    system, console = machine(cpus, engine, "I6400", program=cpus, **how)
    while system.ending is None and system.machine.retired < LIMIT:
        system.run(min(cpu.ticks for cpu in system.machine.cpus) + step)
    return [int(line, 16) for line in console.text.split()], system.machine.retired


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_four_vps_start_interrupt_each_other_and_count_together(seed: int) -> None:
    found = run(4, seed=seed)
    assert found[0] == expected(4)
    assert run(4, seed=seed, step=777) == found             # however the run is cut


def test_the_engines_agree_on_every_instruction() -> None:
    assert run(2, "reference", quantum=1000, seed=3) == run(2, quantum=1000, seed=3)


def test_seeds_are_different_runs() -> None:
    runs = [run(3, seed=seed, quantum=500) for seed in range(3)]
    assert [words for words, _ in runs] == [expected(3)] * 3 and len({count for _, count in runs}) == 3


def test_the_cpus_say_where_the_manager_is_and_that_there_is_one() -> None:
    system, _ = machine(1, "reference")
    cpu = system.machine.cpus[0]
    assert cpu.move_from(CMGCRBase) << 4 == GCR and Config3(cpu.root[Config3]).CMGCR
    assert not Config3(cpu.guest[Config3]).CMGCR


class Software:
    """Stores and loads of one CPU, without running its code."""

    def __init__(self, cpus: int, topology: Topology | None = None) -> None:
        self.system, _ = machine(cpus, "reference", topology=topology)
        cps = self.system.cps
        assert cps is not None
        self.cps: Cps = cps
        self.ports = [cps.port(cpu) for cpu in self.system.machine.cpus]
        self.store(GCR + 0x88, CPC_ON)

    def store(self, physical: int, value: int, cpu: int = 0, size: int = 8) -> None:
        assert self.ports[cpu].covers(physical)
        self.ports[cpu].store(physical, size, value)

    def load(self, physical: int, cpu: int = 0, size: int = 8) -> int:
        assert self.ports[cpu].covers(physical)
        return self.ports[cpu].load(physical, size)


def test_64_cpus_in_16_cores() -> None:
    """The last VP of each core starts where software says."""
    software = Software(64)
    assert software.load(GCR) & 0xFF == 15
    for core in range(16):
        software.store(GCR + 0x2018, core << 8 | 3)
        assert software.load(GCR + 0x4010) == 3
        software.store(GCR + 0x4020, 0x8010_0000 + core * 0x1000)
        software.store(CPC_AT + 0x4028, 1 << 3)
        software.store(CPC_AT + 0x4000, 4)
    cpus = software.system.machine.cpus
    assert [cpu.number for cpu in cpus if software.cps.runs(cpu.number)] == [0, *range(3, 64, 4)]
    for core in range(16):
        cpu = cpus[4 * core + 3]
        assert cpu.pc == 0xFFFF_FFFF_8010_0000 + core * 0x1000 and not cpu.state.halted
        assert cpu.root[GlobalNumber] == core << 8 | 3 and cpu.root[Status] & Status.ERL.mask


def test_a_cpu_that_was_not_started_lets_time_pass_only() -> None:
    system, _ = machine(3)
    system.run(200_000)
    first, second, third = system.machine.cpus              # the program starts the second
    assert first.retired > 0 and second.retired > 0 and third.retired == 0
    assert third.ticks == third.state.idle_ticks >= 50_000


def test_exceptions_of_a_started_cpu_go_beside_its_reset_address() -> None:
    """Before it has set EBase: Status.BEV is set after reset."""
    software = Software(2)
    software.store(GCR + 0x2018, 1)
    software.store(GCR + 0x4020, 0x8010_5000)
    ram = software.system.machine.ram
    ram.store(0x10_5000, 4, 0x0000_000D)                    # break
    software.store(CPC_AT + 0x2028, 2)
    cpu = software.system.machine.cpus[1]
    cpu.step()
    assert cpu.pc == 0xFFFF_FFFF_8010_5380


def test_the_boards_lines_reach_the_first_cpu_until_the_gic_is_on() -> None:
    software = Software(2)
    cpus = software.system.machine.cpus
    software.cps.set_line(2, True)
    assert [cpu.state.irq_lines for cpu in cpus] == [1 << 10, 0]
    software.store(GCR + 0x80, GIC_ON)
    assert [cpu.state.irq_lines for cpu in cpus] == [0, 0]
    assert software.load(GIC_AT + 0x480) == 1 << 3
    software.store(GIC_AT + 0x500 + 4 * 3, 1 << 31 | 4, size=4)
    software.store(GIC_AT + 0x2000 + 0x20 * 3, 2, size=4)
    software.store(GIC_AT + 0x380, 1 << 3)
    assert [cpu.state.irq_lines for cpu in cpus] == [0, 1 << 14]
    software.cps.set_line(2, False)
    assert [cpu.state.irq_lines for cpu in cpus] == [0, 0]


def test_lines_outlive_a_reset() -> None:
    software = Software(2)
    software.store(GCR + 0x80, GIC_ON)
    software.store(GIC_AT + 0x500, 1 << 31, size=4)
    software.store(GIC_AT + 0x2000, 2, size=4)
    software.store(GIC_AT + 0x380, 1)
    software.cps.gic.set_line(0, True)
    software.store(CPC_AT + 0x2028, 2)
    assert software.system.machine.cpus[1].state.irq_lines == 1 << 10


def test_registers_are_only_where_they_are_enabled() -> None:
    software = Software(1)
    port = software.ports[0]
    assert [port.covers(at) for at in (GCR, GCR + 0x7FFF, GCR - 1, GCR + 0x8000, GIC_AT, CPC_AT)] == [
        True, True, False, False, False, True]
    software.store(GCR + 0x88, 0x1700_0001)
    assert port.covers(0x1700_0000) and not port.covers(CPC_AT)


# -- several clusters --------------------------------------------------------------------------------------------------
CLUSTER_EN, GIC_EN, IN_GLOBAL, IN_USER, IN_GLOBAL_HIGH = 1 << 31, 1 << 30, 1 << 24, 2 << 24, 3 << 24
MANAGER = 32 << 8
SIX = Topology(6, 2, 2)                                    # clusters of two cores of two VPs; the last has one core


@pytest.mark.parametrize("engine, seed", [("native", 0), ("native", 3), ("reference", 0)])
def test_vps_of_several_clusters_start_interrupt_each_other_and_count_together(engine: str, seed: int) -> None:
    topology = Topology(2, 1, 1) if engine == "reference" else Topology(6, 2, 1)
    system, console = machine(topology.cpus, engine, program=topology.cpus, topology=topology, seed=seed, quantum=1000)
    while system.ending is None and system.machine.retired < LIMIT:
        system.run(min(cpu.ticks for cpu in system.machine.cpus) + LIMIT)
    assert [int(line, 16) for line in console.text.split()] == expected(topology.cpus, topology.clusters)
    assert [cpu.root[GlobalNumber] >> 16 for cpu in system.machine.cpus] == [
        topology.place(n).cluster for n in range(topology.cpus)]


class Clusters(Software):
    """Accesses through CPU 0's blocks of others."""

    def choose(self, cluster: int, what: int = 0, cpu: int = 0) -> None:
        self.store(GCR + 0x2018, CLUSTER_EN | GIC_EN | cluster << 16 | what, cpu)


def test_what_other_clusters_have_is_told_while_they_are_down() -> None:
    software = Clusters(6, SIX)
    assert software.load(GCR) == 2 << 23 | 1 and software.load(GCR, cpu=4) == 1 << 32 | 2 << 23
    found = []
    for cluster in range(2):
        software.choose(cluster, IN_GLOBAL)
        found.append(software.load(CPC_AT + 0x4138, size=4))
        software.choose(cluster, MANAGER)
        found.append(software.load(CPC_AT + 0x4008) >> 19 & 0xF)
    assert found == [2 << 23 | 1, 6, 2 << 23, 0]
    software.choose(1, IN_GLOBAL)
    software.store(CPC_AT + 0x4030, 1, size=4)
    software.choose(1, MANAGER)
    assert software.load(CPC_AT + 0x4008) >> 19 & 0xF == 6
    assert not any(software.cps.runs(cpu) for cpu in range(1, 6))


def test_a_cluster_is_set_up_and_started_from_another() -> None:
    software = Clusters(6, SIX)
    assert not software.ports[4].covers(CPC_AT)             # the managers have places of their own
    software.choose(1, IN_GLOBAL)
    software.store(GCR + 0x4088, CPC_ON)
    assert software.ports[4].covers(CPC_AT) and software.load(GCR + 0x4088) == CPC_ON
    software.choose(1, 1)                                   # core 0, VP 1
    assert software.load(GCR + 0x4028) == 1 << 8 and software.load(GCR + 0x4010) == 1
    software.store(GCR + 0x4020, 0x8010_4000)
    software.store(CPC_AT + 0x4028, 2)
    software.store(CPC_AT + 0x4000, 3)
    assert [software.cps.runs(cpu) for cpu in range(6)] == [True, False, False, False, False, True]
    started = software.system.machine.cpus[5]
    assert started.pc == 0xFFFF_FFFF_8010_4000 and started.root[GlobalNumber] == 1 << 16 | 1
    assert software.load(GCR + 0x2028, cpu=5) == 1 << 8


def test_interrupts_of_another_cluster_are_set_up_and_sent_through_the_redirect() -> None:
    software = Clusters(6, SIX)
    lines = [cpu.state for cpu in software.system.machine.cpus]
    software.store(GCR + 0x80, GIC_ON)
    software.choose(1, IN_GLOBAL)
    software.store(GCR + 0x4080, GIC_ON)
    for at, value in ((0x180, 1 << 9), (0x500 + 4 * 9, 1 << 31 | 3), (0x2000 + 0x20 * 9, 2), (0x380, 1 << 9),
                      (0x280, 1 << 31 | 9)):
        software.store(GIC_AT + 0xC000 + at, value, size=4)
    assert [state.irq_lines for state in lines] == [0] * 5 + [1 << 13]
    assert software.load(GIC_AT + 0x480, size=4) == 0 and software.load(GIC_AT + 0x480, 5, size=4) == 1 << 9
    software.choose(1, 1)                                   # the local section of VP 1 there
    assert software.load(GIC_AT + 0xC088, size=4) == 1
    software.store(GIC_AT + 0xC010, 1, size=4)
    assert software.load(GIC_AT + 0x8008, 5, size=4) & 1
    software.choose(1, IN_USER)
    assert software.load(GIC_AT + 0xC000, size=4) == software.load(GIC_AT + 0x10, size=4)
    software.store(GCR + 0x2018, 0)                         # without GIC_EN, the GIC's own choice holds
    software.store(GIC_AT + 0x8080, 3, size=4)
    assert software.load(GIC_AT + 0xC088, size=4) == 3


def test_what_is_not_there_reads_as_zero() -> None:
    software = Clusters(6, SIX)
    software.store(GCR + 0x80, GIC_ON)
    for cluster, what in ((2, 0), (63, IN_GLOBAL), (1, 1 << 8), (1, 2), (0, IN_USER), (0, IN_GLOBAL_HIGH)):
        software.choose(cluster, what)
        software.store(GCR + 0x4020, 0x8010_4000)
        assert software.load(GCR + 0x4028) == 0, (cluster, what)
    software.choose(1, 5)
    software.store(GIC_AT + 0xC010, 1, size=4)
    assert software.load(GIC_AT + 0xC088, size=4) == 0


def test_a_manager_can_be_moved_and_its_cpus_say_where_it_is() -> None:
    software, moved = Clusters(6, SIX), 0x1610_0000
    software.store(GCR + 0x8, moved)
    assert not software.ports[0].covers(GCR) and software.ports[0].covers(moved) and software.ports[4].covers(GCR)
    assert software.load(moved + 0x8) == moved
    assert [cpu.move_from(CMGCRBase) << 4 for cpu in software.system.machine.cpus] == [moved] * 4 + [GCR] * 2
    software.store(moved + 0x2018, 1)
    software.store(CPC_AT + 0x2028, 2)
    assert software.system.machine.cpus[1].move_from(CMGCRBase) << 4 == moved


# -- DVP and EVP -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("engine, seed", [("native", 0), ("native", 1), ("native", 5), ("reference", 0)])
def test_dvp_stops_the_sibling_until_evp(engine: str, seed: int) -> None:
    console = MemoryConsole()
    request = Request(parse_image("stopping", stopping_image()), "bare", find_model("I6400"), find_board("malta"), 32 * MIB,
                      host_cpus=2, engine=engine, quantum=300, seed=seed)
    system = BareSystem(request, console)
    while system.ending is None and system.machine.retired < LIMIT:
        system.run(min(cpu.ticks for cpu in system.machine.cpus) + LIMIT)
    assert [int(line, 16) for line in console.text.split()] == STOPPING_PRINTS


def test_dvp_stops_no_other_core() -> None:
    software = Software(8)
    software.system.machine.cpus[5].root[VPControl] |= VPControl.DIS.mask
    assert [software.system.machine.is_stopped(cpu) for cpu in range(8)] == [False] * 4 + [True, False, True, True]
    software.system.machine.cpus[5].reset()
    assert not software.system.machine.is_stopped(4)


# -- NMI and watchdogs -------------------------------------------------------------------------------------------------
def test_nmis_reach_their_cpu_in_its_cluster() -> None:
    software = Clusters(6, SIX)
    software.store(GCR + 0x80, GIC_ON)
    software.choose(1, IN_GLOBAL)
    for at, value in ((0x180, 1 << 9), (0x500 + 4 * 9, 1 << 30), (0x2000 + 0x20 * 9, 2), (0x380, 1 << 9),
                      (0x280, 1 << 31 | 9)):
        software.store(GIC_AT + 0xC000 + at, value, size=4)
    assert [cpu.state.nmi for cpu in software.system.machine.cpus] == [0] * 5 + [1]


def test_a_watchdog_that_nobody_feeds_ends_the_run_with_a_reset() -> None:
    software = Software(2)
    software.store(GCR + 0x80, GIC_ON)
    software.store(GIC_AT + 0x8098, 1000, size=4)
    software.store(GIC_AT + 0x8090, 1 | 1 << 1, size=4)     # the second time resets
    software.system.machine.cpus[0].state.halted = 1
    software.system.run(100_000)
    ending = software.system.ending
    assert ending is not None and ending.fault and "watchdog of CPU 0" in ending.text
    assert software.system.machine.cpus[0].ticks == 2 * 1000 * 10 // 5
