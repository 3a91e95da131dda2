"""Several guests of one host under the debugger: each is a process, with points, holds and an end of its own."""
from __future__ import annotations

import pytest

from tests.gdb import programs
from tests.gdb.session import number_in, resumed, several
from vmm.arch.cp0.fields import sign_extended
from vmm.debug import DebugTarget
from vmm.debug.ending import SIGABRT
from vmm.debug.layout import PC
from vmm.gdbstub.session import everything
from vmm.gdbstub.target import (
    BreakHit,
    BreakKind,
    Continue,
    Exited,
    Step,
    StopEvent,
    Stopped,
    TargetError,
    ThreadId,
    WatchHit,
)

HOST, OTHER, FIRST, SECOND = ThreadId(1, 1), ThreadId(1, 2), ThreadId(2, 1), ThreadId(3, 1)
ALL = HOST, OTHER, FIRST, SECOND
BASE = sign_extended(programs.BASE)
ROUNDS = 8
"""$t0, in which FOREVER counts."""


def looping(count: int = 2, host_cpus: int = 2) -> DebugTarget:
    debugged = several(*[("vz", programs.image(programs.FOREVER))] * count, host_cpus=host_cpus)
    for pid in range(2, 2 + count):
        debugged.attach(pid)
    return debugged


def run(debugged: DebugTarget, *threads: ThreadId, slices: int = 2000) -> StopEvent | None:
    return resumed(debugged, {thread: Continue() for thread in everything(debugged) if thread in threads}, slices)


def rounds(debugged: DebugTarget, thread: ThreadId) -> int:
    return number_in(debugged, thread, ROUNDS)


def test_each_is_a_process() -> None:
    debugged = several(("vz", None), ("te", None), ("vz", None))
    assert [process.pid for process in debugged.processes()] == [1, 2, 3, 4]
    assert [debugged.threads(pid)[0].name for pid in (1, 2, 3, 4)] == ["hcpu0", "vcpu0", "vm1_vcpu0", "vm2_vcpu0"]
    images = [debugged.file(process.executable or "") for process in debugged.processes()[1:]]
    assert images == [vm.request.image.raw for vm in debugged.worlds.vms.values()]
    with pytest.raises(TargetError, match="no process 5; the machine is 1, its guest 2, its guest 3, its guest 4"):
        debugged.attach(5)


def test_a_breakpoint_is_one_guest_s() -> None:
    debugged = looping()
    debugged.add_breakpoint(BreakKind.SOFTWARE, BASE, 4, SECOND.pid)
    for _ in range(3):
        assert run(debugged, *ALL) == Stopped(SECOND, reason=BreakHit(BreakKind.SOFTWARE))
    debugged.remove_breakpoint(BreakKind.SOFTWARE, BASE, 4, SECOND.pid)
    debugged.add_breakpoint(BreakKind.HARDWARE, BASE, 4, FIRST.pid)
    assert run(debugged, *ALL) == Stopped(FIRST, reason=BreakHit(BreakKind.HARDWARE))


def test_a_watchpoint_is_one_guest_s() -> None:
    debugged = several(("vz", programs.image()), ("vz", programs.image()))
    debugged.attach(2)
    debugged.attach(3)
    address = BASE + 0x300
    debugged.add_breakpoint(BreakKind.WRITE, address, 4, SECOND.pid)
    assert run(debugged, *ALL) == Stopped(SECOND, reason=WatchHit(BreakKind.WRITE, address))
    assert debugged.read_memory(SECOND, address, 4) == bytes(4)
    debugged.remove_breakpoint(BreakKind.WRITE, address, 4, SECOND.pid)
    assert run(debugged, *ALL, slices=50) is None
    assert {debugged.read_memory(thread, address, 4) for thread in (FIRST, SECOND)} == {(1).to_bytes(4, "little")}


@pytest.mark.parametrize("host_cpus", [1, 2])
def test_what_is_not_resumed_stands_whatever_others_do(host_cpus: int) -> None:
    debugged = looping(host_cpus=host_cpus)
    run(debugged, *ALL, slices=30)
    before = rounds(debugged, FIRST), debugged.read_register(SECOND, PC), rounds(debugged, SECOND)
    assert run(debugged, FIRST, slices=10) is None
    assert rounds(debugged, FIRST) > before[0]
    assert (debugged.read_register(SECOND, PC), rounds(debugged, SECOND)) == before[1:]
    debugged.detach(SECOND.pid)                                # nobody's any more, so part of the host's work
    assert run(debugged, FIRST, slices=10) is None
    assert rounds(debugged, SECOND) > before[2]


def test_a_step_of_one_guest_ends_in_it() -> None:
    debugged = looping()
    run(debugged, *ALL, slices=30)
    for thread in (FIRST, SECOND) * 3:
        before = debugged.read_register(thread, PC)
        debugged.resume({thread: Step()})
        while (event := debugged.run_slice()) is None:
            pass
        assert event == Stopped(thread) and debugged.read_register(thread, PC) != before


def test_ends_are_told_of_each_guest_then_of_the_host() -> None:
    debugged = several(("te", None), ("vz", None))
    ends = [run(debugged, HOST, OTHER) for _ in range(3)]
    assert sorted(ends[:2], key=lambda end: end.pid if isinstance(end, Exited) else 0) == [Exited(2), Exited(3)]
    assert ends[2] == Exited(1) and debugged.processes() == []
    said = debugged.console_output()
    assert "process 2: the guest reset the board\n" in said and "process 3: the guest reset the board\n" in said


def test_killing_a_guest_leaves_the_other() -> None:
    debugged = looping()
    debugged.kill(FIRST.pid)
    assert [process.pid for process in debugged.processes()] == [1, 3]
    before = rounds(debugged, SECOND)
    assert run(debugged, HOST, OTHER, SECOND, slices=30) is None
    assert rounds(debugged, SECOND) > before and rounds(debugged, FIRST) == 0
    debugged.kill(HOST.pid)
    assert debugged.processes() == []


def test_a_guest_that_cannot_go_on_stops_and_ends_alone() -> None:
    debugged = looping()
    debugged.write_register(FIRST, PC, sign_extended(0xBC00_0000).to_bytes(8, "little"))     # where the board has nothing
    assert run(debugged, *ALL) == Stopped(FIRST, SIGABRT)
    assert debugged.console_output().startswith("process 2: vCPU 0 ")
    assert run(debugged, *ALL) == Exited(2, 1)
    assert run(debugged, HOST, OTHER, SECOND, slices=20) is None
    assert [process.pid for process in debugged.processes()] == [1, 3]


def test_monitor_says_whose() -> None:
    debugged = several(("vz", None), ("te", None))
    run(debugged, HOST, OTHER, slices=30)
    header, *rows = (line.split() for line in debugged.monitor("exits").splitlines())
    assert header == ["cause", "process", "2", "process", "3"]
    counted = [{name: int(counts[n]) for name, *counts in rows if int(counts[n])} for n in (0, 1)]
    assert counted == [vm.exits for vm in debugged.worlds.vms.values()]
    assert debugged.monitor("disasm 3.1 0x40100000 1").startswith("0x40100000: ")
    assert debugged.monitor("disasm 2.1 0x80100000 1").startswith("0x80100000: ")
    with pytest.raises(TargetError, match=r"no thread 4\.1"):
        debugged.monitor("tlb 4.1")
