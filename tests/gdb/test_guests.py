"""GDB with two guests of one host as inferiors: the same code at the same addresses, and breakpoints of their own."""
from __future__ import annotations

import re

import pytest

from vmm.guest import bundled

from .session import by_heading, heading, run_gdb, several

BOTH = ("add-inferior", "inferior 2", "attach 2", "add-inferior", "inferior 3", "attach 3", "set schedule-multiple on")
WAYS: dict[str, tuple[bundled.Mode, bundled.Mode]] = {"vz-vz": ("vz", "vz"), "te-te": ("te", "te"), "vz-te": ("vz", "te")}


@pytest.fixture(scope="module", params=WAYS)
def said(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The second guest is stopped and looked at; the first passes the same place."""
    first, second = WAYS[request.param]
    text = run_gdb(
        several((first, None), (second, None), migrate=100), tmp_path_factory.mktemp("gdb"),
        heading("attach"), *BOTH, "info inferiors", "info threads",
        heading("break"), "break *check_memory", "continue", "info threads", "p $_inferior",
        heading("step"), "stepi", "x/i $pc", "set $s5 = 0x1234", "p/x $s5", "thread 2.1", "p/x $s5",
        heading("monitor"), "monitor exits", "monitor cp0 3.1 status", "monitor tlb 2.1", "monitor explain 3.1",
        "monitor tlb 4.1", "monitor asid",
        heading("end"), "delete", *("inferior 1", "continue") * 3)
    return by_heading(text)


# fmt: off
EXPECTED = [
    ("attach",  r"\n  2 +process 2 .*target:/guest/kernel\.elf"),
    ("attach",  r"\n\* 3 +process 3 .*target:/vm1_guest/kernel\.elf"),
    ("attach",  r'\n  2\.1 +Thread 2\.1 "vcpu0" \(not started\)'),
    ("attach",  r'\n\* 3\.1 +Thread 3\.1 "vm1_vcpu0" \(not started\)'),
    ("break",   r'Thread 3\.1 "vm1_vcpu0" hit Breakpoint 1'),
    ("break",   r'\* 3\.1 +Thread 3\.1 "vm1_vcpu0" \(running\) +0x\w+ in check_memory \(\)'),
    ("break",   r"guest vm1_vcpu0"),
    ("break",   r"\$1 = 3"),
    ("step",    r"check_memory\+4>"),
    ("step",    r"\$2 = 0x1234"),
    ("step",    r"\$3 = 0x(?!1234\n)"),
    ("monitor", r"cause +process 2 +process 3\n"),
    ("monitor", r"Status +12,0"),
    ("monitor", r"no thread 4\.1; info threads lists those that exist"),
    ("monitor", r"\nvm1_"),
    ("end",     r"process 2: the guest reset the board"),
    ("end",     r"process 3: the guest reset the board"),
    ("end",     r"\[Inferior 2 \(process 2\) exited"),
    ("end",     r"\[Inferior 3 \(process 3\) exited"),
    ("end",     r"\[Inferior 1 \(process 1\) exited"),
]
# fmt: on


@pytest.mark.parametrize(("name", "pattern"), EXPECTED)
def test_gdb_shows(said: dict[str, str], name: str, pattern: str) -> None:
    assert re.search(pattern, said[name]), said[name]
