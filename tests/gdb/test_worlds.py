"""GDB with the host and its guest as two inferiors, under VZ and trap-and-emulate (gdb.md A2, A5, B1, B5-B7, C10).

One recipe throughout: GDB 13 lets a process stop quietly until it has been resumed once as the current one, so host
breakpoints work after a first step in inferior 1.
"""
from __future__ import annotations

import re
from pathlib import Path

import pytest

from vmm.arch.cp0.fields import sign_extended
from vmm.debug.worlds import vcpu_thread

from . import programs
from .session import by_heading, heading, run_gdb, target

WAYS = {"te-24Kf": ("te", "24Kf"), "vz-P5600": ("vz", "P5600"), "vz-MIPS64R5-generic": ("vz", "MIPS64R5-generic"),
        "te-5KEf": ("te", "5KEf")}
ATTACH = ("add-inferior", "inferior 2", "attach 2")


@pytest.fixture(scope="module", params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def said(way: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """From the host into the guest and out again."""
    mode, cpu = WAYS[way]
    debugged = target(mode, cpu)        # type: ignore[arg-type]
    entry = debugged.worlds.entry(vcpu_thread(0))
    text = run_gdb(
        debugged, tmp_path_factory.mktemp("gdb"),
        heading("host"), f"hbreak *{entry:#x}", "continue", "x/i $pc", "info threads", "delete",
        heading("attach"), *ATTACH, "info inferiors", "info symbol $pc", "info threads", "p $status",
        heading("held"), "inferior 1", "continue", "x/i $pc",
        heading("entry"), "set schedule-multiple on", "stepi", "info symbol $pc",
        heading("guest"), "stepi", "info symbol $pc", "x/2i $pc", "x/wx 0", "set $s5 = 0x1234", "p/x $s5",
        heading("break"), "break *check_memory", "continue", "info threads", "delete",
        heading("exit"), "inferior 1", "hbreak vcpu0_general_exception", "continue", "info symbol $pc", "info threads",
        "p/x $s5", "p $cause", "thread 2.1", "p/x $s5", "set $before = $pc",
        heading("over"), "delete", "stepi", "p $pc != $before", "info threads",
        heading("monitor"), "monitor exits", "monitor cp0 guest status", "monitor cp0 host 0 status", "monitor tlb host",
        heading("detach"), "detach inferiors 2", "info inferiors", "inferior 1", "stepi", "inferior 2", "attach 2",
        "p/x $s5",
        heading("kill"), "kill inferiors 2", "inferior 1", "info inferiors", "x/i $pc", "continue")
    return by_heading(text)


# fmt: off
EXPECTED = [
    ("host",    "in vcpu0_"),
    ("host",    "eret"),
    ("host",    '* 1    Thread 1.1 "hcpu0"'),
    ("attach",  "target:/host/kernel.elf"),
    ("attach",  "* 2    process 2"),
    ("attach",  "target:/guest/kernel.elf"),
    ("attach",  "_start in section .text"),
    ("attach",  "$1 = [ KSU=KERNEL IM=0 Impl=0 BEV ]"),
    ("held",    "guest entry held: resume the guest's threads too (set schedule-multiple on), or detach it"),
    ("held",    'Thread 1.1 "hcpu0" stopped.'),
    ("held",    "eret"),
    ("entry",   "[Switching to Thread 2.1]"),
    ("entry",   'Thread 2.1 "vcpu0" stopped.'),
    ("entry",   "_start in section .text"),
    ("guest",   "_start + 4 in section .text"),
    ("guest",   "addiu\tsp,sp,24544"),
    ("guest",   "Cannot access memory at address 0x0"),
    ("guest",   "$2 = 0x1234"),
    ("break",   'Thread 2.1 "vcpu0" hit Breakpoint'),
    ("break",   "check_memory ()"),
    ("break",   '"vcpu0" (running)'),
    ("exit",    'Thread 1.1 "hcpu0" hit Breakpoint'),
    ("exit",    "vcpu0_general_exception in section"),
    ("exit",    "$3 = 0x1234"),
    ("exit",    "ExcCode="),
    ("exit",    "$5 = 0x1234"),
    ("over",    "$6 = 1"),
    ("over",    '* 2.1  Thread 2.1 "vcpu0" (running)'),
    ("monitor", "cause"),
    ("monitor", "Status    12,0"),
    ("detach",  "[Inferior 2 (process 2) detached]"),
    ("detach",  "= 0x1234"),
    ("kill",    "  2    <null>"),
    ("kill",    "[Inferior 1 (process 1) exited normally]"),
]
# fmt: on


@pytest.mark.parametrize(("name", "text"), EXPECTED)
def test_gdb_shows(said: dict[str, str], name: str, text: str) -> None:
    assert text in said[name]


def test_the_ending_is_told_of_the_guest_then_of_the_host(tmp_path: Path) -> None:
    text = run_gdb(target("te", "24Kf"), tmp_path, *ATTACH, "set schedule-multiple on", "continue", "inferior 1",
                   "continue", "info inferiors")
    assert "the guest reset the board" in text
    assert "[Inferior 2 (process 2) exited" in text
    assert "[Inferior 1 (process 1) exited" in text


def test_guest_registers_are_typed(tmp_path: Path) -> None:
    """A2."""
    text = run_gdb(target("vz", "P5600"), tmp_path, "hbreak vcpu0_call_handle_exit", "continue", "p $guestctl0",
                   "p/x $entryhi.ASID")
    assert "GExcCode=G" in text
    assert "AT=GUEST" in text


def test_a_guest_is_stepped_and_watched_like_a_machine(tmp_path: Path) -> None:
    """C1, C2, C5 in a guest, and C10: a vCPU that waits steps at once."""
    text = run_gdb(target("vz", "P5600", programs.image()), tmp_path, *ATTACH,
                   "tbreak *call", "continue", "stepi", "p/x $pc", "stepi 4", "p/x $pc",
                   "watch {int} &counter", "continue", "p/x $pc", "delete",
                   "tbreak *sleep", "continue", "stepi", "stepi", "stepi 100", "info threads", "x/i $pc")
    for expected in ("$1 = 0x80000180", "$2 = 0x8010004c", "Old value = 0\nNew value = 1", "$3 = 0x80100054",
                     '"vcpu0" (waiting)', "<sleep+4>"):
        assert expected in text


def test_control_c_finds_the_guest(tmp_path: Path) -> None:
    """C11."""
    send = "python import os, signal, threading; threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()"
    text = run_gdb(target("vz", "P5600", programs.image(programs.FOREVER)), tmp_path, *ATTACH, send, "continue",
                   "p $t0 > 1000", "info symbol $pc")
    assert "received signal SIGINT" in text
    assert "$1 = 1" in text
    assert "_start" in text.splitlines()[-3]


def test_host_cpus_stand_while_others_run(tmp_path: Path) -> None:
    """Scheduler-locking: what is not named does not move."""
    debugged = target("bare", "24Kf", programs.image(programs.FOREVER), host_cpus=2)
    second = debugged.system.machine.cpus[1]
    second.state.halted, second.pc = 0, sign_extended(programs.BASE)
    text = run_gdb(debugged, tmp_path, "set scheduler-locking on", "thread 2", "stepi 5",
                   "info threads")
    assert re.search(r'1 +Thread 1.1 "hcpu0" \(kernel\) +0x80100000', text)
    assert re.search(r'2 +Thread 1.2 "hcpu1" \(kernel\) +0x80100004', text)
