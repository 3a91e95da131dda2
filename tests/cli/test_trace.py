"""``vmm run --trace``: every instruction that is executed, and a run that is the same with it."""
from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from tests.support.cli import refused, vmm
from vmm.cli.choose import make_system, request
from vmm.trace.instructions import InstructionTrace

LINE = re.compile(r" *(\d+) ([hv]cpu0) (0x[0-9a-f]{8}): (?:([0-9a-f]{8})  (.+)|not mapped)")


@pytest.mark.parametrize(("mode", "limit"), [("bare", 45_000), ("te", 4_000), ("vz", 4_000)])
def test_a_traced_run_is_the_same_run(mode: str, limit: int, workplace: Path) -> None:
    options = ("run", "--mode", mode, "--max-insns", str(limit), "--json")
    plain, traced = vmm(*options), vmm(*options, "--trace", "lines")
    assert (traced.status, traced.json) == (plain.status, plain.json)
    found = [LINE.fullmatch(line) for line in Path("lines").read_text().splitlines()]
    assert all(found)
    ticks = [int(match[1]) for match in found if match]
    assert ticks == sorted(ticks)
    assert plain.json["retired"] - len(found) in (0, 1)    # the last one stopped the machine
    assert {match[2] for match in found if match} == ({"hcpu0"} if mode == "bare" else {"hcpu0", "vcpu0"})
    assert any(match and match[5] == "syscall" for match in found) == (mode == "bare")


def test_a_trace_that_cannot_be(workplace: Path) -> None:
    assert "cannot be written" in refused(vmm("run", "--trace", "nowhere/lines"))
    assert "debugger" in refused(vmm("run", "--trace", "lines", "--gdb", "0"))


def test_a_trace_is_refused_before_anything_is_made(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("a machine was made first")
    monkeypatch.setattr("vmm.cli.beside.make_system", never)
    assert "cannot be written" in refused(vmm("run", "--trace", "nowhere/lines"))


@pytest.mark.parametrize("limit", ["10", "10K"], ids=["at the end", "soon"])
def test_a_trace_that_finds_the_disk_full(limit: str, workplace: Path) -> None:
    ran = vmm("run", "--mode", "bare", "--trace", "/dev/full", "--max-insns", limit)
    assert (ran.status, ran.err.count("\n")) == (125, 1) and "No space left" in ran.err


class Typist:
    def __init__(self) -> None:
        self.asked = 0

    def put(self, byte: int) -> None:
        """What the guest says does not matter."""

    def poll(self) -> bytes:
        self.asked += 1
        return b""


@pytest.mark.parametrize("mode", ["bare", "vz"])
def test_a_busy_guest_that_is_traced_can_be_typed_to(mode: str) -> None:
    """It never waits, so nothing but the trace asks for keys."""
    typist = Typist()
    system = make_system(request(mode=mode), typist)
    InstructionTrace(system, io.StringIO()).run(300)
    assert typist.asked
