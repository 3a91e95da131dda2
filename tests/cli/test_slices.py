"""What a guest does and when does not depend on how the command line cuts its run into slices.

The slices follow the clock on the wall, so a run on a busy machine has others than one on an idle machine.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import repeat
from random import Random
from typing import Any

import pytest

from tests.support.cli import vmm
from tests.support.engines import encode
from vmm.cli import loop
from vmm.cli.keyboard import Keyboard

WHOLE = 1 << 40
SEED = 20
Slices = Callable[[], Iterator[int]]

# fmt: off
SLICES: dict[str, Slices] = {
    "7":      lambda: repeat(7),
    "997":    lambda: repeat(997),
    "100003": lambda: repeat(100_003),
    "mixed":  lambda: mixed(Random(SEED)),
}
# fmt: on


def mixed(r: Random) -> Iterator[int]:
    while True:
        yield r.choice((1, 7, 997, 100_003, r.randrange(1, 3000)))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """``vmm run`` with given slices; its figures."""
    def run(slices: Iterator[int], *arguments: str) -> Any:
        class Forced(loop.Pace):
            def __init__(self, ticks: int) -> None:
                super().__init__(next(slices))

            def adapt(self, seconds: float) -> None:
                self.ticks = next(slices)

        monkeypatch.setattr(loop, "Pace", Forced)
        return vmm("run", "--json", *arguments).json
    return run


@pytest.mark.parametrize("limit", [["--max-insns", "20K"], []], ids=["20K", "end"])
@pytest.mark.parametrize("mode", ["bare", "te", "vz"])
def test_the_bundled_guest(mode: str, limit: list[str], run: Any) -> None:
    expected = run(repeat(WHOLE), "--mode", mode, *limit)
    for name, slices in SLICES.items():
        if name != "7" or limit:                            # a whole run of so short ones takes seconds
            assert run(slices(), "--mode", mode, *limit) == expected, name


@pytest.mark.parametrize("mode", ["bare", "te", "vz"])
def test_one_tick_at_a_time(mode: str, run: Any) -> None:
    assert run(repeat(1), "--mode", mode, "--max-insns", "3K") == run(repeat(WHOLE), "--mode", mode, "--max-insns", "3K")


@pytest.mark.parametrize("cpus", [(2, 1), (2, 2), (3, 2)], ids=str)
@pytest.mark.parametrize("mode", ["te", "vz"])
def test_several_vcpus(mode: str, cpus: tuple[int, int], run: Any) -> None:
    """They take turns on the host's CPUs."""
    arguments = ["--mode", mode, "--cpus", str(cpus[0]), "--host-cpus", str(cpus[1]), "--until", "^ok timer"]
    expected = run(repeat(WHOLE), *arguments)
    for name, slices in SLICES.items():
        if name in ("997", "mixed"):
            assert run(slices(), *arguments) == expected, name


HERE, WAIT, NOP = 0x1000_FFFF, 0x4200_0020, 0
POWER_OFF = [encode("24Kf", line) for line in (
    "lui $t1, 0xbf00", "addiu $t0, $zero, 0x42", "sw $t0, 0x500($t1)")] + [HERE, NOP]
AGAIN = 0x1160_FFFD
"""beq $t3, $zero, three instructions back"""
WAIT_FOR_THE_CLOCK = [encode("24Kf", line) for line in (
    "lui $t1, 0xb800", "addiu $t2, $zero, 10", "sb $t2, 0x70($t1)", "lbu $t3, 0x71($t1)", "andi $t3, $t3, 0x80",
)] + [AGAIN, NOP]


@pytest.mark.parametrize("mode", ["bare", "vz"])
def test_a_guest_that_polls_the_clock(mode: str, code: Any, run: Any) -> None:
    """Virtual time runs ahead while it only reads, beyond the slice if need be."""
    image = code(*WAIT_FOR_THE_CLOCK, *POWER_OFF)
    expected = run(repeat(WHOLE), image, "--mode", mode)
    assert expected["ending"]["cause"] == "power-off" and expected["ticks"] > 100 * expected["retired"]
    for name, slices in SLICES.items():
        assert run(slices(), image, "--mode", mode) == expected, name


def test_idle_time_that_takes_its_time_is_the_same_time(code: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --realtime a guest that waits costs as much real time as virtual time, and the run is what it is without."""
    image, waited = code(WAIT, 0x1000_FFFE, NOP), []
    monkeypatch.setattr(Keyboard, "wait", lambda self, seconds, others=(): waited.append(seconds))
    plain = vmm("run", "--json", image, "--mode", "bare").json
    assert not waited
    assert vmm("run", "--json", image, "--mode", "bare", "--realtime").json == plain
    assert sum(waited) == pytest.approx(plain["ns"] / 1e9, rel=0.001) and max(waited) <= 0.01


@pytest.mark.parametrize("mode, cause", [("bare", "idle"), ("vz", "max-insns")])
def test_a_guest_that_waits_for_nothing(mode: str, cause: str, code: Any, run: Any) -> None:
    """On the machine itself it ends at one tick; KVM wakes it whenever Count has gone round, so it ends at the limit."""
    image = code(WAIT, 0x1000_FFFE, NOP)
    expected = run(repeat(WHOLE), image, "--mode", mode, "--max-insns", "2K")
    assert expected["ending"]["cause"] == cause
    for name, slices in SLICES.items():
        assert run(slices(), image, "--mode", mode, "--max-insns", "2K") == expected, name
