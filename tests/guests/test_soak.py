"""The same guests for much longer, by name only: ``make soak``."""
from __future__ import annotations

from pathlib import Path

import pytest

from tests.guests.build import PROGRAMS, TARGETS, build
from tests.support.cli import vmm

WAYS = [(target, mode) for target, kind in TARGETS.items() for mode in kind.modes]
ROUNDS = 20


@pytest.mark.soak
@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(("target", "mode"), WAYS)
def test_every_run_is_the_same_run(program: str, target: str, mode: str, tmp_path: Path) -> None:
    image = str(build(program, target, tmp_path))
    assert len({vmm("run", image, "--mode", mode, "--json").out for _ in range(ROUNDS)}) == 1


@pytest.mark.soak
@pytest.mark.parametrize("mode", ["bare", "te", "vz"])
def test_the_reference_engine_agrees_to_the_end(mode: str) -> None:
    def run(engine: str) -> str:
        return vmm("run", "--mode", mode, "--json", "--engine", engine).out.replace(engine, "")
    assert run("native") == run("reference")
