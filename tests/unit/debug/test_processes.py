"""User programs as a debugger's processes: looking disturbs nothing, writing and breakpoints are one process's."""
from __future__ import annotations

import pytest

from tests.gdb.session import number_in, resumed
from tests.gdb.userland import CALLS, CODE, DATA, FORK, HOSTS, target
from vmm.arch.cp0.registers import Cause
from vmm.arch.privileged.names import FETCH
from vmm.arch.state import OFFSET
from vmm.debug import DebugTarget
from vmm.debug.explain.program import seen_by_program
from vmm.debug.layout import PC
from vmm.debug.process import ProcessView
from vmm.gdbstub.target import (
    BreakHit,
    BreakKind,
    Continue,
    Exited,
    Forked,
    Killed,
    MemoryFault,
    Step,
    StopEvent,
    Stopped,
    TargetError,
    ThreadId,
    WatchHit,
)

FIRST, SECOND = ThreadId(3, 3), ThreadId(4, 4)
STORED = CODE + 0x24
hosts = pytest.mark.parametrize("host", HOSTS)


def run(debugged: DebugTarget, *threads: ThreadId, slices: int = 500) -> StopEvent | None:
    return resumed(debugged, {thread: Continue() for thread in threads}, slices)


def number(debugged: DebugTarget, register: int) -> int:
    """Of the first process."""
    return number_in(debugged, FIRST, register)


def states(debugged: DebugTarget) -> list[object]:
    """Of the machine, and of what the kernel knows of memory and ids."""
    found: list[object] = [bytes(debugged.system.machine.memory.block.bytes)]
    for cpu in debugged.system.machine.cpus:
        words = list(cpu.state.words)
        words[OFFSET["stop"]] = 0
        found.append(words)
    return found


@hosts
def test_looking_changes_nothing(host: str) -> None:
    debugged = target(host, 3000, 3000, 3000)
    for ticks in (0, 500, 20_000):
        debugged.system.run(ticks)
        before = states(debugged)
        for process in debugged.processes():
            for thread in debugged.threads(process.pid):
                debugged.read_registers(thread.id)
                for at in (CODE, DATA, DATA + 4, 0x7FFF_0000, 0x30_0000):
                    try:
                        debugged.read_memory(thread.id, at, 8)
                    except MemoryFault:
                        pass
        for command in ("ps", "tlb", "mmid" if host == "MMIDs" else "asid", "explain 0x100000 fetch", "cp0 host 1"):
            debugged.monitor(command)
        assert states(debugged) == before


@hosts
def test_a_breakpoint_is_one_process_s(host: str) -> None:
    """All have it at the same address, and the third comes there before the second."""
    debugged = target(host, 9000, 3000, 300)
    debugged.attach(4)
    debugged.add_breakpoint(BreakKind.SOFTWARE, STORED, 4, 4)
    assert run(debugged, SECOND) == Stopped(SECOND, reason=BreakHit(BreakKind.SOFTWARE))
    assert debugged.read_memory(SECOND, DATA, 8) == (2).to_bytes(4, "little") + (6000).to_bytes(4, "little")
    assert not debugged.threads(5)
    debugged.remove_breakpoint(BreakKind.SOFTWARE, STORED, 4, 4)
    assert run(debugged, SECOND) == Exited(4, 6000 & 0xFF)


@hosts
def test_a_watchpoint_is_one_process_s(host: str) -> None:
    debugged = target(host, 3000, 300)
    debugged.attach(3)
    debugged.add_breakpoint(BreakKind.WRITE, DATA + 4, 4, 3)
    assert run(debugged, FIRST) == Stopped(FIRST, reason=WatchHit(BreakKind.WRITE, DATA + 4))
    assert not debugged.threads(4)


FILLED, HANDLER, SP = CODE + 0x14, CODE + 0x48, 29


@hosts
def test_a_watchpoint_sees_what_the_kernel_stores(host: str) -> None:
    """For a system call the thread stops behind it, for a signal at its handler; and the first step goes just there."""
    debugged = target(host, HANDLER - CODE, source=CALLS)
    debugged.attach(3)
    debugged.add_breakpoint(BreakKind.READ, DATA, 4, 3)
    debugged.add_breakpoint(BreakKind.WRITE, DATA, 4, 4)       # another process's
    before = debugged.read_memory(FIRST, DATA, 4)
    for pc, address in ((FILLED, DATA + 1), (HANDLER, -64)):
        if address < 0:
            address += number(debugged, SP)
        debugged.add_breakpoint(BreakKind.WRITE, address, 1, 3)
        assert run(debugged, FIRST) == Stopped(FIRST, reason=WatchHit(BreakKind.WRITE, address))
        assert number(debugged, PC) == pc
        debugged.remove_breakpoint(BreakKind.WRITE, address, 1, 3)
        for expected in (pc, pc + 4):
            debugged.resume({FIRST: Step()})
            while (event := debugged.run_slice()) is None:
                pass
            assert event == Stopped(FIRST) and number(debugged, PC) == expected
    assert debugged.read_memory(FIRST, DATA, 4) != before
    assert run(debugged, FIRST) == Exited(3, 7)


def test_what_a_process_has_not_touched_can_be_read_and_written() -> None:
    debugged = target("ASIDs", 3000, 3000)
    debugged.attach(3)
    assert debugged.read_memory(FIRST, DATA, 8) == (1).to_bytes(4, "little") + bytes(4)
    debugged.write_memory(FIRST, DATA, (7).to_bytes(4, "little"))
    assert debugged.read_memory(SECOND, DATA, 4) == (2).to_bytes(4, "little")
    for action in (lambda: debugged.write_memory(FIRST, CODE, bytes(4)), lambda: debugged.read_memory(FIRST, 0x30_0000, 4)):
        with pytest.raises(MemoryFault, match="process 3"):
            action()
    assert run(debugged, FIRST) == Exited(3, 7 * 3000 & 0xFF)


@hosts
def test_a_step_is_from_one_instruction_of_the_program_to_the_next(host: str) -> None:
    """Over its first TLB misses, page faults and system calls."""
    debugged = target(host, 2)
    debugged.attach(3)
    pcs = []
    for _ in range(40):
        debugged.resume({FIRST: Step()})
        while (event := debugged.run_slice()) is None:
            pass
        if isinstance(event, Exited):
            break
        assert event == Stopped(FIRST)
        pcs.append(number(debugged, PC) - CODE)
    loop = [0xC, 0x10, 0x14, 0x18, 0x1C]
    assert pcs[-18:] == [0x4, 0x8, *loop, *loop, 0x20, 0x24, 0x28, 0x2C][-18:]
    assert event == Exited(3, 2)


def test_a_birth_and_a_death_are_told() -> None:
    debugged = target("MMIDs", 0, source=FORK)
    debugged.attach(3)
    assert run(debugged, FIRST) == Stopped(FIRST, reason=Forked(SECOND))
    assert debugged.read_registers(SECOND)[2] == bytes(8)
    debugged.kill(4)
    debugged.attach(4)
    assert run(debugged, FIRST, SECOND) == Killed(4, 9)
    assert run(debugged, FIRST) == Exited(3, 9)


def test_who_is_not_there_is_refused() -> None:
    debugged = target("ASIDs", 300)
    with pytest.raises(TargetError, match="no process 9; the machine is 1, sum0 3"):
        debugged.attach(9)
    with pytest.raises(TargetError, match="no thread 3.8"):
        debugged.read_memory(ThreadId(3, 8), CODE, 4)
    with pytest.raises(TargetError, match="Status: belongs to the kernel"):
        debugged.write_register(FIRST, 32, bytes(4))


@hosts
def test_what_is_told_of_a_program_is_what_happens_next(host: str) -> None:
    """Its next fetch, at moments of its life."""
    debugged = target(host, 3000, 3000, 3000)
    outcomes = set()
    for moment in range(20, 20_000, 150):
        debugged.system.run(moment)
        for number, core in enumerate(debugged.system.machine.cpus):
            thread = debugged.worlds.program_on(number)
            if thread is None:
                continue
            view, pc = ProcessView(debugged.system.machine, thread), core.pc
            told = seen_by_program(view, pc, FETCH)
            core.step()
            if told.raised is None:
                assert told.physical == thread.process.memory.physical(pc)
                outcomes.add("executed")
            else:
                assert (core.pc, Cause.ExcCode.of(core.root[Cause])) == (told.raised.vector, told.raised.code)
                outcomes.add("exception")
    assert "executed" in outcomes


def test_a_write_for_which_there_is_no_page_left_fails_by_itself() -> None:
    debugged = target("ASIDs", 3000)
    pages = debugged.system.kernel.pages                    # type: ignore[attr-defined]
    free = pages._top - pages._next >> pages.page_shift
    pages.alloc(free)
    with pytest.raises(MemoryFault, match="host memory"):
        debugged.write_memory(FIRST, DATA, bytes(4))
