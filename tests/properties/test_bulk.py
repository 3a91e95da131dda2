"""Every instruction of floating point, and MSA's arithmetic, against exact arithmetic: a few hundred lanes of each.

``python -m tests.soak.arithmetic`` is the same by the million.
"""
from __future__ import annotations

from random import Random
from typing import Any

import pytest

from tests.soak.arithmetic import is_hard, main
from tests.support import trials
from tests.support.bulk import rows_by_name, subjects
from tests.support.exact import Exact
from tests.support.trials import trapping, tried
from vmm.arch.fp import DOUBLE, Fcsr

SEED, CASES = 3, 24
HARD = [name for name, subject in subjects().items() if is_hard(subject)]
REST = sorted(set(subjects()) - set(HARD))
FAMILIES = sorted({rows_by_name()[name][1].family for name in REST})


@pytest.mark.parametrize("name", HARD)
def test_what_rounds_or_converts(name: str) -> None:
    """A batch for each mode at least."""
    _, wrong = tried(name, SEED, 20 * CASES, CASES)
    assert not wrong, wrong[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_rest(family: str) -> None:
    r = Random(SEED)
    for name in REST:
        if rows_by_name()[name][1].family == family:
            _, wrong = tried(name, r.getrandbits(16), 4 * CASES, CASES)
            assert not wrong, wrong[0]


def test_the_command_says_what_is_wrong(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A judge that does not know the sign of zero."""
    monkeypatch.setattr(Exact, "signed", lambda self, negative, magnitude: magnitude)
    assert main(["--op", "add.d", "--count", "180000"]) == 1
    said = capsys.readouterr().out
    assert "mode=3" in said and f"expected 0x0, control 0x3; got {1 << DOUBLE.width - 1:#x}" in said


@pytest.mark.parametrize("name", ["mul.d", "add.ps", "c.lt.s", "fmadd.w"])
def test_the_command_notices_what_a_trap_must_leave_alone(name: str, capsys: pytest.CaptureFixture[str],
                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    """Flags that a trap changes."""
    def flags_too(*given: Any) -> tuple[list[int], list[int]]:
        results, words = trapping(*given)
        return results, [word | (word >> Fcsr.CAUSE_AT & 31) << Fcsr.FLAGS_AT for word in words]
    monkeypatch.setattr(trials, "trapping", flags_too)
    assert main(["--op", name, "--count", "60000"]) == 1
    assert "Enables 0x" in capsys.readouterr().out


def test_the_command_that_is_given_no_instruction() -> None:
    assert main(["--op", "nothing"]) == 1
