"""Programs by chance through Unicorn, an engine that nobody here wrote: registers, control registers and memory agree.

Integer code, floating point in both register modes, DSP, MSA; every core that both know; both byte orders.
``python -m tests.soak.unicorn`` runs the same programs by the million.
"""
from __future__ import annotations

from random import Random

import pytest

from tests.soak.unicorn import main
from tests.support.against_unicorn import CORES, compare, kinds_of, on_ours, report
from tests.support.bodies import Body, Core, rows_of_kind
from tests.support.frames import KSEG0, make
from tests.support.unicorn_known import left_out

SEEDS, LENGTH, TIMES = range(1, 31), 120, 8
EVERYTHING = [(core, kind) for core in CORES for kind in kinds_of(core)]


@pytest.mark.parametrize(("core", "kind"), EVERYTHING, ids=str)
def test_unicorn_agrees(core: Core, kind: str) -> None:
    for seed in SEEDS:
        program = make(core, kind, seed, length=LENGTH, count=TIMES, without=left_out(core))
        assert not compare(program).mismatch, report(program)


def test_the_comparison_sees_a_single_wrong_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    program = make(Core("24Kf", False), "integer", 1, length=40, count=3, without=frozenset())
    right, executed = on_ours(program)
    wrong = bytearray(right)
    wrong[program.slot_at("$5", 2)] ^= 1
    monkeypatch.setattr("tests.support.against_unicorn.on_ours", lambda *_: (bytes(wrong), executed))
    assert compare(program).mismatch.startswith("$5, time 3: ours")


@pytest.mark.soak
def test_ten_million_instructions() -> None:
    assert main(["--seed", "1", "--count", "10000000"]) == 0


@pytest.mark.parametrize(("core", "kind"), EVERYTHING[::2], ids=str)
def test_a_seed_gives_one_program_and_chance_every_row(core: Core, kind: str) -> None:
    rows = rows_of_kind(core.name, kind, True, left_out(core))
    words = Body(core, kind, Random(1), start=KSEG0, length=12 * len(rows), without=left_out(core)).words
    assert [row.name for row in rows if not any(row.encoding.fits(word) for word in words)] == []
    assert words == Body(core, kind, Random(1), start=KSEG0, length=12 * len(rows), without=left_out(core)).words
