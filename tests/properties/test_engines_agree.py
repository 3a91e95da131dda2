"""The reference engine and the native one give one answer: all rows, all modes, however time is cut into runs.

A run is compared as a whole: registers, CP0 of both contexts, TLBs, memory, and what devices were asked and when.
What chance seldom makes (code that rewrites itself, branches at the end of a page, breakpoints) has tests of its own
in ``test_engines_corners``.
"""
from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.properties.chance import place_code, start_state, weight, word_of
from tests.support.engines import MODELS, Rig, differences, fresh, rows_of

TICKS = 1100
"""The native engine runs freely only while it has more than a page's worth of ticks left; most runs end long before."""
EVENTS = 3
SEEDS, FEW_SEEDS = 16, 3
COUNTING_MODELS = ("34Kf", "74Kf")
"""Of release 2 as the 24Kf is, with performance counters, the DSP ASE and, in the 34Kf, shadow sets."""


def words_of(name: str, r: Random) -> list[int]:
    rows = rows_of(name)
    chosen = r.choices(rows, [weight(row) for row in rows], k=r.randrange(8, 48))
    return [word_of(row, r.getrandbits(32)) for row in chosen]


def prepared(engine: str, name: str, big_endian: bool, seed: int, words: list[int]) -> Rig:
    rig = fresh(engine, name, big_endian)
    place_code(rig, words, Random(seed))
    start_state(Random(seed), rig)
    return rig


def in_one_run(rig: Rig, end: int, r: Random) -> None:
    rig.run_to(end, EVENTS)


def in_short_runs(rig: Rig, end: int, r: Random) -> None:
    while rig.cpu.ticks < end and len(rig.events) < EVENTS:
        rig.run_to(min(end, rig.cpu.ticks + r.choice((1, 2, 3, 7, 20))), EVENTS)


def in_steps(rig: Rig, end: int, r: Random) -> None:
    rig.step_to(end, EVENTS)


WAYS = (("native", in_one_run), ("native", in_short_runs), ("native", in_steps))
SLOW_WAYS = (("reference", in_steps), ("reference", in_short_runs))


@pytest.mark.parametrize("big_endian", [False, True], ids=["le", "be"])
@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=SEEDS)
@given(seed=st.integers(0, (1 << 32) - 1))
def test_engines_agree(name: str, big_endian: bool, seed: int) -> None:
    agree(name, big_endian, seed)


@pytest.mark.parametrize("name", COUNTING_MODELS)
@settings(max_examples=FEW_SEEDS)
@given(seed=st.integers(0, (1 << 32) - 1))
def test_engines_count_alike(name: str, seed: int) -> None:
    agree(name, False, seed)


def agree(name: str, big_endian: bool, seed: int) -> None:
    words = words_of(name, Random(seed))
    rig = prepared("reference", name, big_endian, seed, words)
    end = rig.cpu.ticks + TICKS
    in_one_run(rig, end, Random(seed))
    expected = rig.picture()
    for engine, way in (*WAYS, *(SLOW_WAYS if not seed % 8 else ())):
        rig = prepared(engine, name, big_endian, seed, words)
        way(rig, end, Random(seed))
        found = differences(expected, rig.picture())
        assert not found, f"{engine} {way.__name__}, seed {seed}:\n" + "\n".join(found)
