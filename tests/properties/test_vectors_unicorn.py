"""MSA through Unicorn, an engine that nobody here wrote: vectors by chance for every operation and format.

``make soak`` tries 10^6 cases.  Where Unicorn is wrong, ``WRONG_IN_CASES`` says so, and only our engines are compared.
"""
from __future__ import annotations

from random import Random

import pytest

from tests.support.unicorn_known import WRONG_IN_CASES
from tests.support.vectors import AT_ONCE, Case, case_of, float_case, run_ours, run_unicorn, vector_rows


def compare(cases: list[Case], bits: int) -> None:
    for at in range(0, len(cases), AT_ONCE):
        part = cases[at:at + AT_ONCE]
        theirs, native = run_unicorn(part, bits), run_ours("native", part, bits)
        for case, expected, found in zip(part, theirs, native, strict=True):
            wrong = WRONG_IN_CASES.get(case.row.name)
            if wrong is None or not wrong(case):
                assert found.hex() == expected.hex(), str(case)


def float_cases(bits: int, seed: int, each: int) -> list[Case]:
    r = Random(seed)
    return [float_case(r, row) for row in vector_rows(bits, "float") for _ in range(each)]


def cases_of(bits: int, seed: int, each: int, narrowest: int = 32) -> list[Case]:
    r = Random(seed)
    return [case_of(r, row) for row in vector_rows(bits) if row.bits >= narrowest for _ in range(each)]


def test_every_integer_row_gives_what_unicorn_gives() -> None:
    compare(cases_of(32, 1, 26), 32)


def test_rows_of_64_bits_give_what_unicorn_gives() -> None:
    compare(cases_of(64, 2, 60, narrowest=64) + cases_of(64, 3, 1), 64)


def test_every_floating_point_row_gives_what_unicorn_gives() -> None:
    """Result, Cause and Flags in every rounding mode, with FS and with NX."""
    compare(float_cases(32, 5, 90), 32)


@pytest.mark.soak
@pytest.mark.parametrize(("kind", "each"), [("integer", 26), ("float", 90)])
def test_a_million_vectors(kind: str, each: int) -> None:
    seed, count = 20_000, 0
    for n in range(98):
        cases = cases_of(32, seed + n, each) if kind == "integer" else float_cases(32, seed + n, each)
        compare(cases, 32)
        count += len(cases)
    print(f"{kind}: seeds {seed} to {seed + 97}, {count} cases")


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("big_endian", [False, True], ids=["le", "be"])
def test_both_engines_and_byte_orders_give_one_answer(bits: int, big_endian: bool) -> None:
    """Lanes are numbered the same way in both byte orders; only memory differs."""
    cases = cases_of(bits, 4, 2) + float_cases(bits, 6, 4)
    expected = run_ours("reference", cases, bits)
    for case, one, other in zip(cases, expected, run_ours("native", cases, bits, big_endian=big_endian), strict=True):
        assert one.hex() == other.hex(), str(case)
