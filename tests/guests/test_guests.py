"""Programs from a stock compiler say the same bare, under trap-and-emulate and under VZ, at every width and byte order.

The lines were checked once against the same sources compiled for the host.
"""
from __future__ import annotations

from pathlib import Path

import pytest

from tests.guests.build import PROGRAMS, TARGETS, build
from tests.support.cli import vmm

SAYS = {
    "numbers": "primes 669\nfnv 0xae870b25\ncrc 0x4c73c051\ndigits 0x62dcef39\n",
    "structures": "fields 0x52ed781d\nmoves 0x00000fff\nswitch 0x0003100f\ncalls 0x99859b23\n",
}
STATUS = {"numbers": 0, "structures": 7}
WAYS = [(target, mode) for target, kind in TARGETS.items() for mode in kind.modes]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("guests")


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(("target", "mode"), WAYS)
def test_a_compiled_program_says_the_same_everywhere(program: str, target: str, mode: str, folder: Path) -> None:
    ran = vmm("run", str(build(program, target, folder)), "--mode", mode, "--max-insns", "20M")
    assert (ran.out, ran.err, ran.status) == (SAYS[program], "", STATUS[program])


@pytest.mark.parametrize(("target", "mode", "cpu"), [
    ("bare32", "vz", "P5600"), ("te32", "te", "24Kf"), ("bare64", "vz", "MIPS64R5-generic"),
    ("bare32r6", "vz", "I6500"), ("te32r6", "te", "I6500"), ("bare64r6", "vz", "I6500"),
])
def test_so_it_does_while_it_changes_cpus(target: str, mode: str, cpu: str, folder: Path) -> None:
    for program in PROGRAMS:
        ran = vmm("run", str(build(program, target, folder)), "--mode", mode, "--cpu", cpu, "--max-insns", "40M",
                  "--host-cpus", "4", "--migrate", "50", "--quantum", "10K")
        assert (ran.out, ran.err, ran.status) == (SAYS[program], "", STATUS[program])


@pytest.mark.parametrize(("target", "mode"), [("bare32", "vz"), ("te32", "te"), ("bare64", "vz")])
def test_mode_and_cpu_follow_from_the_image(target: str, mode: str, folder: Path) -> None:
    found = vmm("run", str(build("structures", target, folder)), "--json").json
    assert (found["mode"], found["status"]) == (mode, STATUS["structures"])
    assert found["console"] == SAYS["structures"]
    assert sum(found["exits"].values()) > 0
