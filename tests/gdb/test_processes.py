"""GDB with user programs of the host kernel as inferiors: what counts is whose address it is, not which."""
from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from .session import GDB, by_heading, heading, run_gdb
from .userland import CALLS, FORK, HOSTS, image, target


@pytest.fixture(scope="module", params=HOSTS)
def said(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Three processes; the third is debugged, after the second has passed the same place and ended."""
    text = run_gdb(
        target(request.param, 30_000, 300, 3000), tmp_path_factory.mktemp("gdb"),
        heading("host"), "stepi", "info threads",
        heading("attach"), "add-inferior", "inferior 2", "attach 5", "info symbol $pc", "x/2i $pc", "info threads",
        heading("break"), "set schedule-multiple on", "break *stored", "continue", "info symbol $pc", "p $v0",
        "x/2wd 0x200000", "info threads",
        heading("step"), "stepi 2", "x/i $pc", "set var $a0 = 7", "p $a0",
        heading("kernel"), "p $status", "p $badvaddr = 1", "x/wx 0x300000",
        heading("monitor"), "monitor mmid", "monitor asid", "monitor ps", "monitor explain 0x200000 store",
        heading("end"), "delete", "continue",
        heading("other"), "inferior 1", "continue")
    return by_heading(text)


# fmt: off
EXPECTED = [
    ("host",    r'\* 1 +Thread 1.1 "hcpu0" \((kernel|user), sum'),
    ("host",    r'  2 +Thread 1.2 "hcpu1" \('),
    ("attach",  r"_start in section \.text"),
    ("attach",  r"=> 0x100000 <_start>:\tlui\ta0,0x20"),
    ("attach",  r'\* 2\.1 +Thread 5\.5 "sum2"'),
    ("break",   r'Thread 2\.1 "sum2" hit Breakpoint 1'),
    ("break",   r"stored in section \.text"),
    ("break",   r"\$1 = 9000"),
    ("break",   r"0x200000:\t3\t9000"),
    ("break",   r'Thread 5\.5 "sum2" \(running\)'),
    ("step",    r"<leave>:\tsyscall"),
    ("step",    r"\$2 = 7"),
    ("kernel",  r"KSU=USER"),
    ("kernel",  r"Could not write register"),
    ("kernel",  r"Cannot access memory at address 0x300000"),
    ("monitor", r"sum0 \(3\) +0x1"),
    ("monitor", r"3 +3 +sum0 +\d +(running|in the kernel)\n5 +5 +sum2 +\d +running"),
    ("monitor", r"sum2 \(5\)"),
    ("monitor", r"store of 0x200000 by root user"),
    ("end",     r"\[Inferior 2 \(process 5\) exited with code 07\]"),
    ("other",   r"\[Inferior 1 \(process 1\) exited with code 060\]"),
]
# fmt: on


@pytest.mark.parametrize(("name", "pattern"), EXPECTED)
def test_gdb_shows(said: dict[str, str], name: str, pattern: str) -> None:
    assert re.search(pattern, said[name]), said[name]


def test_gdb_looks_between_a_rollover_and_the_flush_of_another_cpu(tmp_path: Path) -> None:
    """Three numbers for four spaces.  Each stop is at the end of a switch, or of an interrupt: in some of them one CPU has
    rolled over, and the other has not yet flushed and goes on under its number of before."""
    stops = [command for _ in range(24) for command in ("continue", "monitor mmid")]
    text = run_gdb(target("MMIDs", 30_000, 30_000, 30_000, numbers=4), tmp_path, "stepi", "hbreak ret_from_exception",
                   *stops)
    versions = re.findall(r"^version (0x\w+);", text, re.MULTILINE)
    assert len(versions) == 24 and len(set(versions)) > 1
    assert re.search(r"^\d +0x\w+ +0x0 +0x\w+ +pending +sum\d", text, re.MULTILINE)
    assert re.search(r"stale, but CPU \d ran it at the rollover, so it keeps its number", text)


ATTACH = ("add-inferior", "inferior 2", "attach 3", "set schedule-multiple on")


def test_a_forked_process_is_let_go(tmp_path: Path) -> None:
    """And a breakpoint of its parent's is none in it."""
    text = run_gdb(target("ASIDs", 0, source=FORK), tmp_path, *ATTACH, "break child", "break waited", "continue",
                   "info symbol $pc", "continue")
    assert "[Detaching after fork from child process 4]" in text
    assert "waited in section" in text and "hit Breakpoint 1" not in text
    assert "[Inferior 2 (process 3) exited with code 011]" in text


def test_a_forked_process_is_followed(tmp_path: Path) -> None:
    text = run_gdb(target("MMIDs", 0, source=FORK), tmp_path, *ATTACH, "set follow-fork-mode child", "break child",
                   "continue", "info symbol $pc", "p $v0", "monitor ps", "delete", "continue")
    assert "[New inferior 3 (process 4)]" in text
    assert "child in section" in text and "$1 = 0" in text
    assert re.search(r"^4 +4 +sum0 +\d +running", text, re.MULTILINE)
    assert "[Inferior 3 (process 4) exited with code 05]" in text


def test_a_watchpoint_sees_what_the_kernel_stores(tmp_path: Path) -> None:
    """A system call's answer in memory: GDB shows it at the instruction behind the call."""
    text = run_gdb(target("MMIDs", 72, source=CALLS), tmp_path, *ATTACH, "watch *(int *) 0x200000", "continue",
                   "info symbol $pc", "delete", "continue")
    assert re.search(r"Hardware watchpoint 1: .*\n\nOld value = 1\nNew value = (?!1\n)", text)
    assert re.search(r"^filled in section", text, re.MULTILINE)
    assert "[Inferior 2 (process 3) exited with code 07]" in text


def test_the_verb_serves_a_debugger(tmp_path: Path) -> None:
    """From before the first instruction to the end, whose status is the program's."""
    path = tmp_path / "sum"
    path.write_bytes(image("P5600", "sum", 300, 1).raw)
    served = subprocess.Popen([sys.executable, "-m", "vmm", "host", "--gdb", "0", "-S", "--cpu", "P5600", str(path)],
                              stderr=subprocess.PIPE, text=True)
    assert served.stderr is not None
    address = served.stderr.readline().split()[-1]
    text = subprocess.run([*GDB, "-ex", f"target extended-remote {address}", "-ex", "add-inferior", "-ex", "inferior 2",
                           "-ex", "attach 3", "-ex", "set schedule-multiple on", "-ex", "break stored", "-ex", "continue",
                           "-ex", "p $v0", "-ex", "delete", "-ex", "continue", "-ex", "inferior 1", "-ex", "continue"],
                          capture_output=True, text=True, check=True).stdout
    assert "$1 = 300" in text and "[Inferior 2 (process 3) exited with code 054]" in text
    assert served.wait(10) == 300 & 0xFF
