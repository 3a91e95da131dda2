"""``monitor tlb``, ``asid`` and ``mmid``: what the allocators and TLBs hold, as tables."""
from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

import vmm
from tests.gdb import programs
from tests.gdb.session import target
from vmm.arch.cp0.registers import Config5, MemoryMapID, Wired
from vmm.arch.models import MODELS
from vmm.debug.monitor import monitor
from vmm.debug.worlds import Worlds, cpu_thread
from vmm.engine.cpu import TlbEntry
from vmm.gdbstub.target import TargetError
from vmm.host.kernel.kernel import Kernel
from vmm.host.kernel.mmids import MmidContexts
from vmm.host.machine import Machine

PAGE = 0x20_0000 >> 6 | 6


class Host:
    """A kernel of some CPUs on a machine, as the monitor sees it."""

    def __init__(self, model: str, cpus: int, *, mmids: bool = False) -> None:
        machine = Machine(MODELS[model], cpus, 4 << 20)
        self.kernel = Kernel(machine, page_shift=12, mmids=mmids)
        system: Any = SimpleNamespace(machine=machine, kernel=self.kernel, exits={})
        self.worlds = Worlds(system)

    def __call__(self, command: str) -> list[str]:
        return monitor(self.worlds, command, cpu_thread(0)).splitlines()

    def row(self, command: str, start: str) -> str:
        """The line that starts so, with one blank between columns."""
        found = [line for line in self(command) if line.startswith(start)]
        return " ".join(" ".join(found).split())


def test_asids_of_each_cpu_and_what_has_become_of_them() -> None:
    host = Host("24Kf", 2)
    kernel, mm = host.kernel, host.kernel.new_mm()
    kernel.contexts.switch(1, mm)
    name = f"mm at {mm.address:#x}"
    assert host.row("asid", "1 ") == f"1 0x2 0x102 0x100 2 of 256 {name}"
    assert host.row("asid", "init_mm") == "init_mm 0x101 live 0x101 live"
    assert host.row("asid", name) == f"{name} never 0x102 live"
    for _ in range(254):
        kernel.contexts.get_new(1, kernel.new_mm())
    assert host.row("asid", "1 ") == f"1 0x2 0x200 0x200 0 of 256 {name}"
    assert host.row("asid", name) == f"{name} never 0x102 stale"
    mm.set_context(0, 1)
    assert host.row("asid", name) == f"{name} dropped 0x102 stale"


def test_mmids_between_a_rollover_and_the_flushes_that_it_asks_for() -> None:
    host = Host("I6500", 3, mmids=True)
    kernel, contexts = host.kernel, host.kernel.contexts
    assert isinstance(contexts, MmidContexts)
    contexts.count = 6
    mms = [kernel.new_mm() for _ in range(6)]
    kernel.contexts.switch(1, mms[0])
    names = [f"mm at {mm.address:#x}" for mm in mms]
    assert host.row("mmid", "version") == ("version 0x10000; 3 of 6 MMIDs used, among them 0 for wired entries; the search "
                                           "goes on at 2")
    assert host.row("mmid", "1 ") == f"1 0x2 0x10002 0x0 done {names[0]}"
    for mm in mms[1:5]:
        kernel.contexts.switch(0, mm)
    assert host.row("mmid", "version").startswith("version 0x20000; 5 of 6 MMIDs used")
    assert host.row("mmid", "0 ") == f"0 0x3 0x20003 0x10005 done {names[4]}"
    assert host.row("mmid", "1 ") == f"1 0x2 0x0 0x10002 pending {names[0]}"
    assert host.row("mmid", names[0]) == (f"{names[0]} 0x10002 stale, but CPU 1 ran it at the rollover, so it keeps its "
                                          "number")
    kernel.contexts.switch(1, mms[0])
    assert host.row("mmid", "1 ") == f"1 0x2 0x20002 0x20002 done {names[0]}"
    assert host.row("mmid", names[0]) == f"{names[0]} 0x20002 live"


def test_guest_ids_of_each_cpu() -> None:
    debugged = target("vz", "MIPS64R5-generic", host_cpus=2)
    debugged.system.run(60_000)
    told = debugged.monitor("asid")
    assert "GuestIDs       CPU 0       CPU 1\nguestid_cache  0x101       0x100\nvcpu0          0x101 live  never\n" in told
    assert [thread.extra for thread in debugged.threads(1)] == ["VZ root, kernel, vcpu0", "VZ root, kernel, idle"]


def test_all_guests_of_a_host() -> None:
    requests = [vmm.request(mode=mode, cpu="MIPS64R5-generic", host_cpus=2) for mode in ("vz", "vz", "te")]
    host = vmm.make_host([(request, vmm.MemoryConsole()) for request in requests])
    host.run(until=100_000)
    told = monitor(Worlds(host.guests[0]), "asid", cpu_thread(0))
    for name in ("guest-physical", "vm1_guest-physical", "vm2_vcpu0 kernel", "vcpu0", "vm1_vcpu0"):
        assert f"\n{name} " in told


@pytest.mark.parametrize(("model", "mmids", "command", "complaint"), [
    ("24Kf", False, "mmid", "this host uses ASIDs; see monitor asid"),
    ("I6500", True, "asid", "this host uses MMIDs; see monitor mmid"),
])
def test_the_other_kind_of_ids_is_named(model: str, mmids: bool, command: str, complaint: str) -> None:
    with pytest.raises(TargetError, match=complaint):
        Host(model, 1, mmids=mmids)(command)


def test_a_bare_machine_has_no_allocator() -> None:
    for command in ("asid", "mmid"):
        with pytest.raises(TargetError, match="this machine has no host kernel"):
            target("bare", "24Kf", programs.image()).monitor(command)


def test_the_tlb_by_mmid_with_what_is_wired_and_where_the_ftlb_has_it() -> None:
    host = Host("I6500", 1, mmids=True)
    cpu = host.kernel.machine.cpus[0]
    assert cpu.root[Config5] & Config5.MI.mask
    cpu.root[MemoryMapID], cpu.root[Wired] = 0x123, 1
    sets = cpu.state.array("ftlb_sets")[0]
    cpu.tlb[0] = TlbEntry(0x10_0000, 0, PAGE, 0, mmid=0)
    cpu.tlb[2] = TlbEntry(0x40_0000, 0, PAGE, 0, mmid=0x123)
    cpu.tlb[16 + sets + 3] = TlbEntry(0x3 << 13, 0, PAGE | 1, PAGE | 1)
    assert host.row("tlb", "entry").startswith("entry virtual size MMID")
    assert host.row("tlb", "0 wired") == "0 wired 0x100000 4 KiB 0x00 0 0x200000 C=0 D -"
    assert host.row("tlb", "2 ") == "2 0x400000 4 KiB 0x123 * 0 0x200000 C=0 D -"
    assert host.row("tlb", f"{16 + sets + 3} ") == (f"{16 + sets + 3} FTLB 3.1 0x6000 4 KiB global 0 0x200000 C=0 D "
                                                    "0x200000 C=0 D")
    assert host.row("tlb", "MMID now") == "MMID now 0x123, marked *; 1 wired; FTLB entries by set.way"
