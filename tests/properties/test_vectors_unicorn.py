"""MSA through Unicorn, an engine that nobody here wrote: vectors by chance for every operation and format.

``make soak`` tries 10^6 cases.  Where Unicorn is wrong, ``UNICORN_IS_WRONG`` says so, and only our engines are compared.
"""
from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from tests.support.vectors import AT_ONCE, Case, case_of, run_ours, run_unicorn, vector_rows

SIGN = 1 << 63


def doublewords(case: Case) -> list[int]:
    """w1 to w3 as two lanes each."""
    return [int.from_bytes(case.data[at:at + 8], "little") for at in range(0, 48, 8)]


UNICORN_IS_WRONG: dict[str, Callable[[Case], bool]] = {
    "subs_s.d": lambda case: True,                     # 0x8000000000000000 for x - x: its helper overflows in C
    "adds_a.d": lambda case: SIGN in doublewords(case),  # |-2^63| overflows in C
}


def compare(cases: list[Case], bits: int) -> None:
    for at in range(0, len(cases), AT_ONCE):
        part = cases[at:at + AT_ONCE]
        theirs, native = run_unicorn(part, bits), run_ours("native", part, bits)
        for case, expected, found in zip(part, theirs, native, strict=True):
            wrong = UNICORN_IS_WRONG.get(case.row.name)
            if wrong is None or not wrong(case):
                assert found.hex() == expected.hex(), str(case)


def cases_of(bits: int, seed: int, each: int, narrowest: int = 32) -> list[Case]:
    r = Random(seed)
    return [case_of(r, row) for row in vector_rows(bits) if row.bits >= narrowest for _ in range(each)]


def test_every_integer_row_gives_what_unicorn_gives() -> None:
    compare(cases_of(32, 1, 26), 32)


def test_rows_of_64_bits_give_what_unicorn_gives() -> None:
    compare(cases_of(64, 2, 60, narrowest=64) + cases_of(64, 3, 1), 64)


@pytest.mark.soak
def test_a_million_vectors() -> None:
    seed, each = 20_000, 26
    for n in range(98):
        compare(cases_of(32, seed + n, each), 32)
    print(f"seeds {seed} to {seed + 97}: {98 * each * len(vector_rows(32))} cases")


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("big_endian", [False, True], ids=["le", "be"])
def test_both_engines_and_byte_orders_give_one_answer(bits: int, big_endian: bool) -> None:
    """Lanes are numbered the same way in both byte orders; only memory differs."""
    cases = cases_of(bits, 4, 2)
    expected = run_ours("reference", cases, bits)
    for case, one, other in zip(cases, expected, run_ours("native", cases, bits, big_endian=big_endian), strict=True):
        assert one.hex() == other.hex(), str(case)
