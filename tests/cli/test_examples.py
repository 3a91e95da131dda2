"""The examples run, the public names are there, and the documented snippet is true."""
from __future__ import annotations

import doctest
import io
import runpy
from contextlib import redirect_stdout
from pathlib import Path

import pytest

import vmm

EXAMPLES = Path(vmm.__file__).parent.parent / "examples"
SAYS = {
    "01_boot.py": "all 71 checks passed",
    "02_three_ways.py": "same output: True",
    "03_world_switch.py": "the guest's first instruction at 0x8010",
    "04_two_guests.py": "4 CPUs had work",
}


def test_every_example_is_tested() -> None:
    assert sorted(path.name for path in EXAMPLES.glob("*.py")) == sorted(SAYS)


@pytest.mark.parametrize("name", SAYS)
def test_an_example_runs(name: str) -> None:
    out = io.StringIO()
    with redirect_stdout(out):
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    assert SAYS[name] in out.getvalue()


@pytest.mark.parametrize("name", vmm.__all__)
def test_a_public_name_is_there(name: str) -> None:
    assert getattr(vmm, name) is not None


def test_the_documented_snippet() -> None:
    assert doctest.testmod(vmm).failed == 0


def test_an_unknown_name_or_option_is_explained() -> None:
    with pytest.raises(AttributeError, match="make_system"):
        vmm.frobnicate                                      # type: ignore[attr-defined]
    with pytest.raises(vmm.ConfigError, match="arguments"):
        vmm.request(frobnicate=1)
