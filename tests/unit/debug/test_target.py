"""The target itself on the bare machine and with a guest: looking disturbs nothing, writing reaches the right place."""
from __future__ import annotations

import pytest

from tests.gdb import programs
from tests.gdb.session import resumed, target
from vmm.arch.cp0.fields import sign_extended
from vmm.arch.cp0.registers import Cause, EntryHi, Status
from vmm.arch.state import OFFSET
from vmm.debug import DebugTarget
from vmm.debug.ending import SIGABRT
from vmm.debug.layout import PC, STATUS
from vmm.engine.cpu import TlbEntry
from vmm.gdbstub import target as abilities
from vmm.gdbstub.target import (
    BreakHit,
    BreakKind,
    Continue,
    Exited,
    MemoryFault,
    RangeStep,
    Step,
    Stopped,
    TargetError,
    ThreadId,
    WatchHit,
)

HOST, GUEST = ThreadId(1, 1), ThreadId(2, 1)
BASE = sign_extended(programs.BASE)
GO = {HOST: Continue()}
BOTH = {HOST: Continue(), GUEST: Continue()}


@pytest.fixture
def bare() -> DebugTarget:
    return target("bare", "24Kf", programs.image())


@pytest.fixture
def te() -> DebugTarget:
    debugged = target("te", "24Kf")
    debugged.attach(2)
    return debugged


def address(debugged: DebugTarget, name: str) -> int:
    found = debugged.system.request.image.address_of(name)
    assert found is not None
    return sign_extended(found)


def pc(debugged: DebugTarget, thread: ThreadId = HOST) -> int:
    value = debugged.read_register(thread, PC)
    assert value is not None
    return int.from_bytes(value, "little")


def whole_state(debugged: DebugTarget) -> list[list[int]]:
    """But for the reason of the last stop, which nobody asks for any more."""
    states = [list(cpu.state.words) for cpu in debugged.system.machine.cpus]
    for words in states:
        words[OFFSET["stop"]] = 0
    return states


def test_it_has_every_ability_but_going_back(bare: DebugTarget) -> None:
    for ability in (abilities.Target, abilities.Breakpoints, abilities.Attaching, abilities.Killing, abilities.Monitoring,
                    abilities.Described, abilities.Files, abilities.Console):
        assert isinstance(bare, ability)
    assert not isinstance(bare, abilities.Reversing)


@pytest.mark.parametrize("mode", ["bare", "te"])
def test_looking_changes_nothing(mode: str) -> None:
    debugged = target(mode, "24Kf")     # type: ignore[arg-type]
    resumed(debugged, GO, slices=1)
    before = whole_state(debugged)
    threads = [thread.id for process in debugged.processes() for thread in debugged.threads(process.pid)]
    for thread in threads:
        debugged.read_registers(thread)
        for where in (0x1000, 0x4010_0000, 0x8010_0000, BASE, 0xFFFF_FFFF_B800_0900):
            try:
                debugged.read_memory(thread, where, 16)
            except MemoryFault:
                pass
    for command in ("exits", "tlb host", "cp0 host", "disasm host 0x80100000", "explain host 0x1000 store",
                    "explain 0x80100000 fetch", "explain", *(() if mode == "bare" else ("asid",))):
        debugged.monitor(command)
    for thread in threads:
        values = debugged.read_registers(thread)
        debugged.write_registers(thread, {n: value or bytes(8) for n, value in values.items()})
    assert whole_state(debugged) == before


def test_memory_that_is_not_there_is_a_fault_with_its_reason(bare: DebugTarget) -> None:
    with pytest.raises(MemoryFault, match="TLB refill at 0x1000, ASID 0x0"):
        bare.read_memory(HOST, 0x1000, 4)
    with pytest.raises(MemoryFault, match="devices are not read"):
        bare.read_memory(HOST, 0xFFFF_FFFF_B800_03F8, 1)
    with pytest.raises(MemoryFault):
        bare.write_memory(HOST, BASE + (32 << 20) - 4 - 0x10_0000, bytes(8))


def test_mapped_memory_is_found_by_the_machines_own_rules(bare: DebugTarget) -> None:
    cpu = bare.system.machine.cpus[0]
    bare.write_memory(HOST, 0x8020_0000, b"mapped")
    cpu.root[EntryHi] = 5
    cpu.tlb[3] = TlbEntry(0x0040_0000 | 5, 0, 0x20_0000 >> 6 | 2, 0)
    assert bare.read_memory(HOST, 0x0040_0000, 6) == b"mapped"
    with pytest.raises(MemoryFault, match="TLB invalid at 0x401000, ASID 0x5"):
        bare.read_memory(HOST, 0x0040_0FFF, 2)
    assert "0x400000" in bare.monitor("tlb")


def test_a_write_to_code_is_executed(bare: DebugTarget) -> None:
    bare.add_breakpoint(BreakKind.HARDWARE, address(bare, "write_tlb"), 4, 1)
    assert resumed(bare, GO) == Stopped(HOST, reason=BreakHit(BreakKind.HARDWARE))
    bare.write_memory(HOST, pc(bare), (0x2402_0055).to_bytes(4, "little"))      # addiu $2, $0, 0x55
    resumed(bare, {HOST: Step()})
    assert bare.read_register(HOST, 2) == (0x55).to_bytes(8, "little")


def test_an_unchanged_pc_keeps_the_delay_slot(bare: DebugTarget) -> None:
    bare.add_breakpoint(BreakKind.SOFTWARE, address(bare, "rounds") + 4, 4, 1)
    resumed(bare, GO)
    resumed(bare, {HOST: Step()})
    slot = pc(bare)
    bare.write_register(HOST, PC, slot.to_bytes(8, "little"))
    resumed(bare, {HOST: Step()})
    assert pc(bare) == address(bare, "rounds")


def test_a_watchpoint_stops_before_the_access_also_when_stepping(bare: DebugTarget) -> None:
    counter, store = address(bare, "counter"), address(bare, "store")
    bare.add_breakpoint(BreakKind.WRITE, counter & 0xFFFF_FFFF, 4, 1)
    hit = Stopped(HOST, reason=WatchHit(BreakKind.WRITE, counter & 0xFFFF_FFFF))
    assert resumed(bare, GO) == hit
    assert pc(bare) == store
    bare.write_register(HOST, PC, (store - 4).to_bytes(8, "little"))
    assert resumed(bare, {HOST: Step()}) == Stopped(HOST)
    assert resumed(bare, {HOST: Step()}) == hit


def test_a_range_is_stepped_to_its_end(bare: DebugTarget) -> None:
    rounds = address(bare, "rounds")
    bare.add_breakpoint(BreakKind.SOFTWARE, rounds, 4, 1)
    resumed(bare, GO)
    bare.remove_breakpoint(BreakKind.SOFTWARE, rounds, 4, 1)
    assert resumed(bare, {HOST: RangeStep(rounds & 0xFFFF_FFFF, (rounds & 0xFFFF_FFFF) + 12)}) == Stopped(HOST)
    assert pc(bare) == address(bare, "sleep")


def test_an_interrupt_ends_the_next_slice(bare: DebugTarget) -> None:
    bare.resume(GO)
    assert bare.run_slice() is None
    bare.interrupt()
    assert bare.run_slice() == Stopped(HOST, abilities.SIGINT)


def test_hardware_set_registers_can_be_set(bare: DebugTarget) -> None:
    cpu = bare.system.machine.cpus[0]
    bare.write_register(HOST, 35, (0x1234).to_bytes(8, "little"))
    bare.write_register(HOST, 36, Cause.ExcCode.at(8).to_bytes(4, "little"))
    bare.write_register(HOST, STATUS, (cpu.root[Status] | Status.IM.mask).to_bytes(4, "little"))
    assert bare.read_register(HOST, 35) == (0x1234).to_bytes(8, "little")
    assert Cause.ExcCode.of(cpu.root[Cause]) == 8
    assert cpu.root[Status] & Status.IM.mask == Status.IM.mask


def test_floating_point_registers_are_the_cpus_and_an_odd_one_is_half_of_an_even_one(bare: DebugTarget) -> None:
    cpu = bare.system.machine.cpus[0]
    cpu.root[Status] &= ~Status.FR.mask
    bare.write_register(HOST, 38 + 4, (0x1122_3344_5566_7788).to_bytes(8, "little"))
    assert cpu.state.array("fpr")[2 * 4] == 0x1122_3344_5566_7788
    assert bare.read_register(HOST, 38 + 5) == (0x1122_3344).to_bytes(8, "little")
    bare.write_register(HOST, 38 + 5, (0xAABB_CCDD).to_bytes(8, "little"))
    assert bare.read_register(HOST, 38 + 4) == (0xAABB_CCDD_5566_7788).to_bytes(8, "little")
    bare.write_register(HOST, 70, (3).to_bytes(4, "little"))
    assert cpu.state.fcsr & 3 == 3
    bare.write_register(HOST, 70, (0xFFFF_FFFF).to_bytes(4, "little"))
    assert cpu.state.fcsr == cpu.state.fcsr_writable
    with pytest.raises(TargetError, match="fir"):
        bare.write_register(HOST, 71, bytes(4))


def test_a_guests_floating_point_registers_are_found_where_they_are(te: DebugTarget) -> None:
    vcpu = te.system.vcpus[0]
    guest = te.threads(2)[0].id
    te.write_register(guest, 38 + 6, (0x0102_0304_0506_0708).to_bytes(8, "little"))
    assert vcpu.fpu.vectors[6] == 0x0102_0304_0506_0708
    assert te.read_register(guest, 38 + 6) == (0x0102_0304_0506_0708).to_bytes(8, "little")
    te.write_register(guest, 70, (0xFFFF_FFFF).to_bytes(4, "little"))
    assert vcpu.fpu.fcr31 == te.system.machine.cpus[0].state.fcsr_writable     # as CTC1 would have it


def test_a_guests_breakpoint_does_not_stop_the_host_at_that_address(te: DebugTarget) -> None:
    entry = te.worlds.entry(GUEST)
    te.add_breakpoint(BreakKind.SOFTWARE, entry, 4, 2)
    check = address(te, "check_memory")
    te.add_breakpoint(BreakKind.SOFTWARE, check, 4, 1)
    te.add_breakpoint(BreakKind.SOFTWARE, check + 4, 4, 2)
    assert resumed(te, BOTH) == Stopped(GUEST, reason=BreakHit(BreakKind.SOFTWARE))
    assert pc(te, GUEST) == check + 4


def test_registers_of_the_vcpu_are_where_it_is(te: DebugTarget) -> None:
    vcpu, cpu = te.system.vcpus[0], te.system.machine.cpus[0]
    te.write_register(GUEST, 21, (77).to_bytes(8, "little"))
    assert vcpu.gpr[21] == 77
    te.add_breakpoint(BreakKind.SOFTWARE, address(te, "check_memory"), 4, 2)
    resumed(te, BOTH)
    assert te.read_register(GUEST, 21) == (77).to_bytes(8, "little")
    te.write_register(GUEST, 21, (78).to_bytes(8, "little"))
    assert (cpu.gpr[21], vcpu.gpr[21]) == (78, 77)


def test_a_guest_step_crosses_exits(te: DebugTarget) -> None:
    """From one guest instruction to the next, and the host's part in between is not seen."""
    te.system.run(2000)
    for _ in range(300):
        assert resumed(te, {GUEST: Step()}) == Stopped(GUEST)
        assert te.worlds.thread_on(0) == GUEST


def test_a_host_step_is_one_instruction(te: DebugTarget) -> None:
    """But where the kernel switches tasks: that is one step, since no task is there to stop in."""
    te.system.run(100)
    cpu = te.system.machine.cpus[0]
    seen = set()
    for _ in range(400):
        before = cpu.retired
        assert isinstance(resumed(te, {HOST: Step(), GUEST: Continue()}), Stopped)
        assert cpu.retired <= before + 1
        seen.add(te.worlds.thread_on(0))
    assert seen == {HOST, GUEST}


def test_a_held_guest_is_not_entered(te: DebugTarget) -> None:
    assert resumed(te, GO) == Stopped(HOST, 0)
    assert pc(te) == te.worlds.entry(GUEST)
    assert te.console_output().startswith("guest entry held")
    assert te.system.vcpus[0].last_exec_cpu == -1


def test_a_guest_that_nobody_debugs_runs_with_the_host(te: DebugTarget) -> None:
    te.detach(2)
    assert resumed(te, GO) == Exited(2)
    assert resumed(te, GO) == Exited(1)
    assert te.processes() == []


def test_killing_the_guest_leaves_the_host(te: DebugTarget) -> None:
    te.kill(2)
    assert [process.pid for process in te.processes()] == [1]
    assert te.threads(2) == []
    assert te.read_register(HOST, PC) is not None
    te.kill(1)
    assert te.processes() == []


def test_executables(te: DebugTarget) -> None:
    for process in te.processes():
        assert process.executable is not None
        data = te.file(process.executable)
        assert data is not None
        assert data.startswith(b"\x7fELF")
    assert te.file("/etc/passwd") is None


def test_monitor_says_whose(te: DebugTarget) -> None:
    resumed(te, BOTH, slices=1)
    assert "cop_unusable" in te.monitor("exits")
    assert "Status" in te.monitor("cp0 guest status")
    assert "EntryHi" in te.monitor("cp0 host 0")
    with pytest.raises(TargetError, match=r"no thread 2\.6"):
        te.monitor("tlb guest 5")
    with pytest.raises(TargetError, match="no CP0 register nonsense"):
        te.monitor("cp0 host nonsense")


def test_monitor_lists_code_of_either_world(te: DebugTarget) -> None:
    resumed(te, BOTH, slices=1)
    lines = te.monitor("disasm guest 0x40100000 3").splitlines()
    assert [line.partition(":")[0] for line in lines] == ["0x40100000", "0x40100004", "0x40100008"]
    assert "lui $29" in lines[0]
    assert len(te.monitor("disasm host 0").splitlines()) == 8
    with pytest.raises(TargetError, match="'zero' is no number"):
        te.monitor("disasm guest zero")
    with pytest.raises(MemoryFault):
        te.monitor("disasm guest 0xbf000000 1")


def test_a_held_vcpu_gives_its_cpu_away_and_does_not_move() -> None:
    """Two vCPUs on one CPU, and only the first is resumed."""
    debugged = target("vz", "P5600", programs.image(programs.FOREVER), cpus=2)
    debugged.attach(2)
    second = ThreadId(2, 2)
    debugged.write_register(second, PC, BASE.to_bytes(8, "little"))
    resumed(debugged, {HOST: Continue(), GUEST: Continue(), second: Continue()}, slices=60)
    before = debugged.read_registers(second)
    rounds = debugged.read_register(GUEST, 8)
    assert resumed(debugged, {GUEST: Continue()}, slices=10) is None
    after = debugged.read_registers(second)
    moving = {row.number for row in debugged.worlds.view(second).rows if row.name in ("count", "random", "cause")}
    assert debugged.read_register(GUEST, 8) != rounds
    assert before[8] != bytes(8)
    assert {n for n in before if before[n] != after[n]} <= moving


def test_a_host_that_the_debugger_broke_ends_as_its_own_panic(te: DebugTarget) -> None:
    te.add_breakpoint(BreakKind.SOFTWARE, address(te, "check_memory"), 4, 2)
    resumed(te, BOTH)
    te.remove_breakpoint(BreakKind.SOFTWARE, address(te, "check_memory"), 4, 2)
    kernel = te.system.kernel       # type: ignore[attr-defined]
    te.write_memory(HOST, kernel.text.symbols["vcpu0_call_handle_exit"], (0x0000_000D).to_bytes(4, "little"))
    assert resumed(te, BOTH) == Stopped(GUEST, SIGABRT)
    assert "the host kernel cannot go on after the debugger's changes" in te.console_output()
    assert resumed(te, BOTH) == Exited(2, 1)


def test_a_watchpoint_at_the_end_of_all_addresses(bare: DebugTarget) -> None:
    bare.add_breakpoint(BreakKind.WRITE, (1 << 64) - 1, 4, 1)
    assert resumed(bare, GO, slices=1) is None
