"""The installed gdb-multiarch against the fake machine: what it makes of the packets is what counts."""
from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from vmm.gdbstub import Server, listen
from vmm.gdbstub.target import Execed, Forked, Stopped, ThreadId

from .elf import program
from .machine import BASE, STORED, WATCHED_OFFSET, Machine

GDB = ("timeout", "60", "gdb-multiarch", "-nx", "-q", "-batch")     # the bound is for a hang only
DATA = BASE + 0x4000


def run_gdb(machine: Machine, folder: Path, *commands: str) -> str:
    """One whole debugger session, connected first; its output."""
    machine.tree = {"/host.elf": program("host_loop", BASE, 0x1000),
                    "/guest.elf": program("guest_loop", BASE + 0x1000, 0x1000)}
    server = Server(machine, listen("0"))
    line = [*GDB, "-ex", f"target extended-remote 127.0.0.1:{server.port}"]
    for command in commands:
        line += ["-ex", command]
    output = folder / "gdb.txt"
    with output.open("w") as file:
        process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)
        while process.poll() is None:
            server.step(wait=False)
    server.close()
    return output.read_text()


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What GDB printed, by heading."""
    machine = Machine()
    machine.said = "hello from the guest\n"
    text = run_gdb(
        machine, tmp_path_factory.mktemp("gdb"),
        "echo [connect]\\n", "show mips abi", "info symbol $pc", "compare-sections",
        "echo [registers]\\n", "p/x $pc", "set $t0 = 0x1122334455667788", "p/x $t0", "p/x $sp",
        "echo [memory]\\n", f"set {{long}}{DATA:#x} = 0x7f", f"x/2xg {DATA:#x}", "x/x 0x10",
        f"find /b {BASE:#x}, +0x8000, 0x7f",
        "echo [step]\\n", "stepi", "p/x $pc", "stepi 3", "p/x $pc",
        "echo [break]\\n", f"break *{BASE + 0x18:#x}", "continue", "p/x $pc", "delete",
        "echo [watch]\\n", f"watch *(long *){STORED:#x}", "continue", "p/x $pc", "delete",
        "echo [monitor]\\n", "monitor time", "monitor nonsense",
        "echo [threads]\\n", "info threads", "thread 2", "info symbol $pc",
        "echo [attach]\\n", "add-inferior", "inferior 2", "attach 2", "p/x $pc", "info symbol $pc", "stepi",
        "p/x $pc", "info inferiors",
        "echo [detach]\\n", "detach", "inferior 1", "info symbol $pc", "info inferiors",
        "echo [reverse]\\n", "reverse-stepi",
        "echo [end]\\n", "detach")
    _, *parts = re.split(r"^\[([a-z]+)\]\n", text, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


# fmt: off
EXPECTED = [
    ("connect",   'currently "n64"'),
    ("connect",   "host_loop in section .text"),
    ("connect",   "-- 0xffffffff80101000: matched."),
    ("registers", f"$1 = {BASE:#x}"),
    ("registers", "$2 = 0x1122334455667788"),
    ("registers", "$3 = 0x1d"),
    ("memory",    "0x000000000000007f\t0x0000000000000000"),
    ("memory",    "Cannot access memory at address 0x10"),
    ("memory",    f"{DATA:#x}\n1 pattern found."),
    ("step",      "hello from the guest"),
    ("step",      f"$4 = {BASE + 4:#x}"),
    ("step",      f"$5 = {BASE + 16:#x}"),
    ("break",     "hit Breakpoint 1"),
    ("break",     f"$6 = {BASE + 0x18:#x}"),
    ("watch",     "hit Hardware watchpoint 2"),
    ("watch",     "Old value = 0\nNew value = 1"),
    ("watch",     f"$7 = {BASE + WATCHED_OFFSET + 4:#x}"),
    ("monitor",   "42 instructions\nno command 'nonsense'; there is: time"),
    ("threads",   '* 1    Thread 1.1 "hcpu0" (extra &  1)'),
    ("threads",   '  2    Thread 1.2 "hcpu1"'),
    ("threads",   "host_loop + "),
    ("attach",    f"$8 = {BASE + 0x1000:#x}"),
    ("attach",    "guest_loop in section .text"),
    ("attach",    f"$9 = {BASE + 0x1004:#x}"),
    ("attach",    "target:/host.elf"),
    ("attach",    "* 2    process 2"),
    ("detach",    "[Inferior 2 (process 2) detached]"),
    ("detach",    "host_loop + "),
    ("detach",    "* 1    process 1"),
    ("detach",    "  2    <null>"),
    ("reverse",   "No more reverse-execution history."),
    ("end",       "[Inferior 1 (process 1) detached]"),
]
# fmt: on


@pytest.mark.parametrize(("heading", "text"), EXPECTED)
def test_gdb_shows(said: dict[str, str], heading: str, text: str) -> None:
    assert text in said[heading]


def test_gdb_complains_about_nothing_else(said: dict[str, str]) -> None:
    text = "".join(said.values())
    for complaint in ("warning:", "Remote failure", "too long", "internal-error", "Protocol error"):
        assert complaint not in text


def test_gdb_catches_the_birth_of_a_guest_and_its_program(tmp_path: Path) -> None:
    machine = Machine()
    host, guest = ThreadId(1, 1), ThreadId(2, 1)
    machine.events = [Stopped(host, reason=Forked(guest)), Stopped(guest, reason=Execed("/guest.elf"))]
    text = run_gdb(machine, tmp_path, "set detach-on-fork off", "set schedule-multiple on", "catch fork",
                   "catch exec", "continue", "info inferiors", "continue", "info symbol $pc",
                   "kill inferiors 2", "info inferiors", "detach inferiors 1")
    assert "Catchpoint 1 (forked process 2)" in text
    assert "Catchpoint 2 (exec'd target:/guest.elf)" in text or "Catchpoint 2 (exec'd /guest.elf)" in text
    assert "guest_loop in section .text" in text
    assert ("kill", 2) in machine.log
    assert "[Inferior 1 (process 1) detached]" in text
