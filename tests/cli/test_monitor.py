"""The monitor looks at any system at any moment between two slices, and changes nothing by looking."""
from __future__ import annotations

import re

import pytest

from vmm.cli.choose import make_system, request
from vmm.cli.prompt import SystemMonitor
from vmm.guest.console import MemoryConsole
from vmm.guest.placement import Mode
from vmm.guest.system import System

SLICE = 1009
LINES = {                                                   # what is typed, and what must be in the answer
    "cp0 status": r"(?m)^Status +12,0 +0x[0-9a-f]{8}",
    "disasm": r"(?m)^ *(?:[0-9a-f]{8}|0x[0-9a-f]+): ",
    "tlb": r"^entry +virtual|^the TLB has no valid entries",
    "exits": r"^cause +count|^no exits",
    "host 0": "no command 'host'", "cp0 nothing": "no CP0 register nothing", "disasm zzz": "'zzz' is no number",
    "tlb host 9": "no thread 1.10",
}


def figures(system: System, console: MemoryConsole) -> tuple[object, ...]:
    return system.machine.retired, system.machine.cpus[0].ticks, system.exits, bytes(console.output), system.ending


def finished(mode: Mode, look: bool) -> tuple[object, ...]:
    console = MemoryConsole()
    system = make_system(request(mode=mode), console)
    monitor = SystemMonitor(system)
    slices = 0
    while system.ending is None:
        system.run(system.machine.cpus[0].ticks + SLICE)
        slices += 1
        if look and slices % 20 == 0:
            for line, answer in LINES.items():
                assert re.search(answer, monitor.answer(line)), (line, monitor.answer(line))
    return figures(system, console)


@pytest.mark.parametrize("mode", ["bare", "te", "vz"])
def test_a_run_that_is_looked_at_is_the_same_run(mode: Mode) -> None:
    assert finished(mode, look=True) == finished(mode, look=False)


@pytest.mark.parametrize(("mode", "whose"), [("bare", "hcpu"), ("vz", "vcpu")])
def test_it_speaks_of_the_guest_unless_told_otherwise(mode: Mode, whose: str) -> None:
    system = make_system(request(mode=mode), MemoryConsole())
    system.run(2000)
    monitor = SystemMonitor(system)
    assert (monitor.answer("cp0 config3") != monitor.answer("cp0 host config3")) == (whose == "vcpu")


def test_its_commands_are_the_debuggers() -> None:
    from vmm.debug.monitor import COMMANDS

    system = make_system(request(mode="bare", engine="reference"), MemoryConsole())
    assert {usage.split()[0] for usage, _ in SystemMonitor(system).usages} == set(COMMANDS) - {"help"}
