"""The coherence manager's registers and the power controller: topology, blocks of others, starting and stopping VPs."""
from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.board import read, write
from vmm.guest.devices.cpc import Cpc
from vmm.guest.devices.gcr import Gcr
from vmm.host.machine.topology import Topology

LOCAL, OTHER = 0x2000, 0x4000
CONFIG, BASE, REV, GIC_BASE, CPC_BASE, MAX_VPS = 0x0, 0x8, 0x30, 0x80, 0x88, 0x150
COHERENCE, CORE_CONFIG, CHOICE, RESET_BASE, ID = 0x8, 0x10, 0x18, 0x20, 0x28
CMD, STAT, VP_STOP, VP_RUN, VP_RUNNING = 0x0, 0x8, 0x20, 0x28, 0x30
OFF, DOWN, UP, RESET = 1, 2, 3, 4
SIX = Topology(6, 4)                                        # VPs 0 to 3 of core 0, 0 and 1 of core 1


class Rig:
    def __init__(self) -> None:
        self.log: list[tuple[str, int]] = []
        self.gcr = Gcr(SIX, 0x1FBF_8000)
        self.cpc = Cpc(SIX, self.gcr.chosen_core, lambda cpu: self.log.append(("begin", cpu)),
                       lambda cpu: self.log.append(("end", cpu)))

    def choose(self, core: int, vp: int = 0, master: int = 0) -> None:
        self.gcr.master = self.cpc.master = master
        write(self.gcr, LOCAL + CHOICE, core << 8 | vp)

    @property
    def running(self) -> list[int]:
        return [cpu for cpu in range(6) if self.cpc.runs(cpu)]

    def taken(self) -> list[tuple[str, int]]:
        log, self.log = self.log, []
        return log


def state(rig: Rig, block: int) -> int:
    return read(rig.cpc, block + STAT) >> 19 & 0xF


# -- GCR ---------------------------------------------------------------------------------------------------------------
def test_the_topology_is_told() -> None:
    rig = Rig()
    assert read(rig.gcr, CONFIG) & 0xFF == 1 and read(rig.gcr, BASE) == 0x1FBF_8000
    assert read(rig.gcr, REV) == 0x800 and read(rig.gcr, MAX_VPS) == 4
    assert read(rig.gcr, 0xD0) == read(rig.gcr, 0xF0) == 1
    found = []
    for core in range(3):
        rig.choose(core)
        found.append((read(rig.gcr, OTHER + CORE_CONFIG), read(rig.gcr, OTHER + ID)))
    assert found == [(3, 0), (1, 1), (0, 0)]                # the third is not there
    rig.gcr.master = 5
    assert (read(rig.gcr, LOCAL + CORE_CONFIG), read(rig.gcr, LOCAL + ID)) == (1, 1)
    assert read(Gcr(SIX, 0, 0x900), CONFIG) == 1 << 23 | 1  # CM3.5 counts clusters


def test_gic_and_cpc_are_where_software_puts_them() -> None:
    gcr = Rig().gcr
    assert (gcr.gic_at, gcr.cpc_at) == (None, None)
    write(gcr, GIC_BASE, 0x1BDC_0001)
    write(gcr, CPC_BASE, 0x1BDE_0000)
    assert (gcr.gic_at, gcr.cpc_at) == (0x1BDC_0000, None)
    write(gcr, CPC_BASE, 0x1BDE_FFFF)
    write(gcr, CPC_BASE + 4, 0xFFFF_0003)
    assert gcr.cpc_at == 0x3_1BDE_8000 and read(gcr, CPC_BASE) == 0x1BDE_8001 and read(gcr, CPC_BASE + 4) == 3


def test_each_vp_has_a_reset_address_and_a_choice_of_its_own() -> None:
    rig = Rig()
    rig.choose(1, 1)
    write(rig.gcr, OTHER + RESET_BASE, 0x8010_3FFF)
    assert [rig.gcr.reset_address(cpu) for cpu in (4, 5)] == [0xFFFF_FFFF_BFC0_0000, 0xFFFF_FFFF_8010_3000]
    assert read(rig.gcr, OTHER + RESET_BASE + 4) == 0xFFFF_FFFF
    rig.choose(1, 2)                                        # is not there
    write(rig.gcr, OTHER + RESET_BASE, 0x9000_0000)
    assert read(rig.gcr, OTHER + RESET_BASE) == 0
    rig.choose(0, 2, master=5)
    rig.gcr.master = 0
    assert read(rig.gcr, LOCAL + CHOICE) == 0x102
    rig.gcr.master = 5
    write(rig.gcr, LOCAL + COHERENCE, 1)
    rig.gcr.master = 4                                      # of the same core
    assert read(rig.gcr, LOCAL + COHERENCE) == 1


# -- CPC ---------------------------------------------------------------------------------------------------------------
def test_the_first_vp_runs_and_starts_the_others() -> None:
    rig = Rig()
    assert rig.running == [0] and state(rig, LOCAL) == 7
    write(rig.cpc, LOCAL + VP_RUN, 0b1111)
    assert rig.taken() == [("begin", 1), ("begin", 2), ("begin", 3)] and read(rig.cpc, LOCAL + VP_RUNNING) == 0b1111
    write(rig.cpc, LOCAL + VP_RUN, 0b1111)                  # they run already
    write(rig.cpc, LOCAL + VP_STOP, 0b0100)
    assert rig.taken() == [("end", 2)] and rig.running == [0, 1, 3]
    write(rig.cpc, LOCAL + VP_RUN, 0b0100)
    assert rig.taken() == [("begin", 2)]


def test_a_core_without_power_runs_when_it_has_some() -> None:
    rig = Rig()
    rig.choose(1)
    assert state(rig, OTHER) == 0
    write(rig.cpc, OTHER + VP_RUN, 0b10)
    assert rig.taken() == [] and rig.running == [0] and read(rig.cpc, OTHER + VP_RUNNING) == 0
    write(rig.cpc, OTHER + CMD, UP)
    assert rig.taken() == [("begin", 5)] and state(rig, OTHER) == 7
    write(rig.cpc, OTHER + CMD, UP)
    assert rig.taken() == []
    write(rig.cpc, OTHER + CMD, RESET)
    assert rig.taken() == [("end", 5), ("begin", 5)]
    write(rig.cpc, OTHER + CMD, OFF)
    assert rig.taken() == [("end", 5)] and state(rig, OTHER) == 10
    write(rig.cpc, OTHER + CMD, DOWN)
    assert state(rig, OTHER) == 0 and read(rig.cpc, OTHER + CMD) == DOWN
    write(rig.cpc, OTHER + CMD, RESET)
    assert rig.taken() == [("begin", 5)] and rig.running == [0, 5]


def test_commands_to_a_core_that_is_not_there_do_nothing() -> None:
    rig = Rig()
    rig.choose(9)
    for offset, value in ((VP_RUN, 0xF), (CMD, UP), (CMD, RESET)):
        write(rig.cpc, OTHER + offset, value)
    assert rig.taken() == [] and rig.running == [0] and read(rig.cpc, OTHER + STAT) == 0


# -- whatever software does --------------------------------------------------------------------------------------------
PLACES = [(name, register.offset) for name, kind in (("gcr", Gcr), ("cpc", Cpc)) for register in kind.regs]
operations = st.lists(st.tuples(st.sampled_from("rwwv"), st.sampled_from(PLACES), st.integers(0, 0xFFFF_FFFF)
                                | st.integers(0, 0xF) | st.sampled_from([0x100, 0x101])), max_size=60)


def play(rig: Rig, steps: list[tuple[str, tuple[str, int], int]]) -> list[Any]:
    seen: list[Any] = []
    for kind, (name, offset), value in steps:
        device: Any = getattr(rig, name)
        if kind == "r":
            seen.append(device.regs.load(device, offset))
        elif kind == "w":
            device.regs.store(device, offset, value)
        else:
            rig.gcr.master = rig.cpc.master = value % 6
        seen.append((rig.running, rig.gcr.gic_at, rig.gcr.cpc_at))
    return seen


@settings(max_examples=60, deadline=None)
@given(operations, operations)
def test_random_accesses_and_a_snapshot(before: list[Any], after: list[Any]) -> None:
    one, other = Rig(), Rig()
    play(one, before)
    for mine, its in ((other.gcr, one.gcr), (other.cpc, one.cpc)):
        device: Any = mine
        device.restore(its.save())
        device.master = its.master
    assert play(one, after) == play(other, after)


@settings(max_examples=60, deadline=None)
@given(operations)
def test_a_cpu_that_runs_has_begun_and_not_ended_since(steps: list[Any]) -> None:
    rig = Rig()
    play(rig, steps)
    last = {0: "begin"} | {cpu: kind for kind, cpu in rig.log}
    assert rig.running == [cpu for cpu in range(6) if last.get(cpu) == "begin"]
