"""What an explanation says of the three kinds of world: each compare, both stages, and what lies behind.

That its verdicts are what an engine does is shown by tests/properties/test_explain.py.
"""
from __future__ import annotations

import pytest

from tests.gdb.session import target
from vmm.arch.cp0.fields import sign_extended
from vmm.arch.cp0.registers import Cause, EntryHi, PageGrain, PWBase, PWCtl, PWField, PWSize, Status
from vmm.arch.privileged.names import FETCH
from vmm.debug import DebugTarget
from vmm.debug.explain.explain import seen_by_vz
from vmm.debug.guest import VzView
from vmm.debug.worlds import vcpu_thread
from vmm.engine.cpu import TlbEntry
from vmm.gdbstub.target import TargetError, ThreadId

PAGE = 0x20_0000 >> 6
"""EntryLo's frame of physical 2 MiB."""
V, D, G = 2, 4, 1


def bare(cpu: str) -> DebugTarget:
    debugged = target("bare", cpu)
    debugged.system.machine.cpus[0].root[Status] &= ~Status.BEV.mask
    return debugged


def lines(debugged: DebugTarget, command: str) -> list[str]:
    return [line.strip() for line in debugged.monitor(command).splitlines()]


def test_the_entries_that_could_matter_are_told_with_why_they_lost() -> None:
    debugged = bare("24Kf")
    cpu = debugged.system.machine.cpus[0]
    cpu.root[EntryHi] = 5
    cpu.tlb[3] = TlbEntry(0x40_0000 | 5, 0, PAGE | V, 0)
    cpu.tlb[4] = TlbEntry(0x40_0000 | 6, 0, PAGE | V, 0)
    cpu.tlb[5] = TlbEntry(0x50_0000, 0x1E000, PAGE | V | G, PAGE | V | D | G)
    told = lines(debugged, "explain 0x400010 store")
    assert "entry 3 won: 0x400000 = 0x400000 under mask 0x1fff; ASID 0x5" in told
    assert "entry 4 lost: ASID 0x6 is not 0x5" in told
    assert "D=0: nothing may be stored here" in told
    assert told[-1] == "exception Mod to root, vector 0xffffffff80000180 (EBase 0xffffffff80000000)"
    told = lines(debugged, "explain 0x510010 store")
    assert "entry 5 won: 0x500000 = 0x500000 under mask 0x1ffff; G is set, so any ASID" in told
    assert "its odd page, by address bit 0x10000: physical 0x200000 C=0 V=1 D=1 RI=0 XI=0" in told
    assert told[-1] == "physical 0x200010: RAM (low RAM)"


def test_an_ftlb_is_told_with_the_set_that_is_searched() -> None:
    debugged = bare("P5600")
    told = lines(debugged, "explain 0x400010")
    assert any("VTLB of 64" in line and "FTLB" not in line for line in told)
    assert "nothing matches" in told
    assert told[-1].startswith("exception TLBL (TLB refill) to root, vector 0xffffffff80000000")


def test_what_the_hardware_walker_reads_is_told() -> None:
    """A directory of 1024 pointers over tables of 1024 entries, which are EntryLo, two bits up."""
    debugged = bare("P5600")
    machine = debugged.system.machine
    cpu = machine.cpus[0]
    cpu.root[PWBase] = sign_extended(0x8030_0000)
    cpu.root[PWField] = PWField.GDI.at(22) | PWField.PTI.at(12) | PWField.PTEI.at(2)
    cpu.root[PWSize] = PWSize.GDW.at(10) | PWSize.PTW.at(10)
    cpu.root[PWCtl] = PWCtl.PWEn.mask
    machine.ram.store(0x30_0004, 4, 0x8030_1000)
    machine.ram.store(0x30_1000, 4, (PAGE | V) << 2)
    before = bytes(cpu.state.block.bytes)
    told = lines(debugged, "explain 0x400010")
    assert told[2] == ("nothing matches, so the hardware walker reads 0x80301000 at 0xffffffff80300004, 0x20008 at "
                       "0xffffffff80301000, 0x0 at 0xffffffff80301004, and writes an entry")
    assert any("won, written by the hardware walker: 0x400000 = 0x400000 under mask 0x1fff" in line for line in told)
    assert told[-1] == "physical 0x200010: RAM (low RAM)"
    machine.ram.write(0x20_0010, b"walked")
    assert debugged.read_memory(ThreadId(1, 1), 0x40_0010, 6) == b"walked"
    machine.ram.store(0x30_0004, 4, 1)
    told = lines(debugged, "explain 0x400010")
    assert told[2].startswith("nothing matches, so the hardware walker reads 0x1 at 0xffffffff80300004")
    assert told[2].endswith("and gives up")
    assert bytes(cpu.state.block.bytes) == before


@pytest.mark.parametrize(("access", "expected"), [
    ("0xb80003f8", "physical 0x180003f8: device com1"), ("0xbfc00000", "physical 0x1fc00000: ROM (boot ROM)"),
    ("0xa0001000 fetch", "physical 0x1000: RAM (low RAM)"), ("0xbf000100", "physical 0x1f000100: device fpga"),
])
def test_what_lies_at_the_physical_address(access: str, expected: str) -> None:
    assert lines(bare("24Kf"), f"explain {access}")[-1] == expected


@pytest.mark.parametrize(("status", "address", "expected"), [
    (0, "0x4000000000001000", "region xsseg, wants Status.SX, which is 0; for kernel: address error"),
    (Status.KX.mask, "0xc000000000001000", "region xkseg, wants Status.KX, which is 1; for kernel: mapped, so the TLB is "
                                           "asked"),
    (Status.KX.mask, "0x9800002000001000", "region xkphys, cacheability 3, access mode UK, wants Status.KX, which is 1, "
                                           "it is beyond PABITS; for kernel: address error"),
    (Status.KX.mask, "0x9800000000001000", "region xkphys, cacheability 3, access mode UK, wants Status.KX, which is 1; "
                                           "for kernel: not mapped, physical 0x1000"),
    (Status.ERL.mask, "0x1000", "segment useg, access mode MUSK of SegCtl2.CFG5, whose EU counts as Status.ERL=1; for "
                                "kernel: not mapped, physical 0x1000"),
])
def test_segments_are_told_with_the_bits_that_decide(status: int, address: str, expected: str) -> None:
    debugged = target("bare", "5KEf")
    debugged.system.machine.cpus[0].root[Status] = status
    assert expected in lines(debugged, f"explain {address}")


def test_the_size_of_physical_addresses_is_told_where_it_can_be_chosen() -> None:
    debugged = bare("MIPS64R5-generic")
    root = debugged.system.machine.cpus[0].root
    root[Status] = Status.KX.mask
    assert "it is beyond 36 bits, as PageGrain.ELPA=0;" in debugged.monitor("explain 0x9800002000001000")
    root[PageGrain] = PageGrain.ELPA.mask
    assert "not mapped, physical 0x2000001000" in debugged.monitor("explain 0x9800002000001000")


@pytest.mark.parametrize("cpu", ["P5600", "MIPS64R5-generic"])
def test_both_stages_of_a_vz_guest_and_then_kvm(cpu: str) -> None:
    debugged = target("vz", cpu)
    debugged.system.run(60_000)
    told = lines(debugged, "explain guest 0x80100000 fetch")
    assert "second stage: guest-physical 0x100000 through the root's TLB" in told
    assert any("won: 0x100000 = 0x100000 under mask" in line for line in told)
    assert any(line.startswith("0x100000 is in memory slot 0 (0x0..0x2000000)") for line in told)
    told = lines(debugged, "explain guest 0x81000000")
    assert any("(TLB refill)" in line or "(XTLB refill)" in line for line in told)
    assert "KVM: the table of guest-physical pages has nothing for 0x1000000" in told
    told = lines(debugged, "explain guest 0xb80003f8")
    assert any("a guest exit with GExcCode GPA" in line for line in told)
    assert told[-1] == "0x180003f8 is in no memory slot, so KVM asks the board: device com1"


@pytest.mark.parametrize("cpu", ["P5600", "MIPS64R5-generic"])
def test_what_is_told_of_a_running_guest_is_what_happens_next(cpu: str) -> None:
    """Its next fetch, at moments of its life: executed, or an exception at the vector that was told."""
    debugged = target("vz", cpu)
    core, view, outcomes = debugged.system.machine.cpus[0], debugged.worlds.guests[vcpu_thread(0)], set()
    for moment in range(400, 60_000, 400):
        debugged.system.run(moment)
        if not debugged.system.in_guest(0):
            continue
        assert isinstance(view, VzView)
        pc = core.pc
        told = seen_by_vz(view, pc, FETCH)
        core.step()
        if told.raised is None:
            slot = debugged.worlds.guests[vcpu_thread(0)].system.vm.slots.find(told.stages[0].physical or 0)
            assert slot is not None and slot.host_of(told.stages[0].physical or 0) == told.physical
            outcomes.add("executed")
        else:
            assert (core.pc, Cause.ExcCode.of(core.root[Cause])) == (told.raised.vector, told.raised.code)
            outcomes.add("exception")
    assert "executed" in outcomes


def test_the_tlb_of_a_trap_and_emulate_guest_and_its_shadow() -> None:
    debugged = target("te", "24Kf")
    debugged.system.run(60_000)
    told = lines(debugged, "explain guest 0x40100000 fetch")
    assert told[1] == "fetch of 0x40100000 by the guest's kernel, which runs in the host's user mode"
    assert any(line.startswith("shadow: the space for the guest's kernel, context word 0x1") for line in told)
    assert any("won: 0x40100000" in line for line in told)
    told = lines(debugged, "explain guest 0x1000")
    assert "nothing matches: TLB refill to the guest" in told


def test_what_cannot_be_explained_is_refused() -> None:
    with pytest.raises(TargetError, match="'jump' is no access; there are load, store, fetch"):
        bare("24Kf").monitor("explain 0x1000 jump")
