"""Operations of coprocessor 1: two exact arithmetics against MPFR, and integer arithmetic against the exact.

MPFR is the independent judge of what is a number; NaN encodings and flushing, which it does not know, are held equal
between those of ours.  ``tests.properties.test_bulk`` has whole instructions, MSA's as well.
"""
from __future__ import annotations

from random import Random

import pytest

from tests.support.engines import fresh
from tests.support.exact import Modes
from tests.support.floats import modes, operands
from tests.support.hard import Pools, columns_of, number
from tests.support.mpfr import JUDGED_NAMES, judge
from tests.support.subjects import fpu_subject
from vmm.arch.fp import FORMATS, OPERATIONS, Fcsr, Flag
from vmm.engine.exact import Round

EACH, MANY, SEED = 80, 100_000, 20


def is_nan(name: str, words: tuple[int, ...]) -> bool:
    f = FORMATS.get(OPERATIONS[name].source)
    return f is not None and any(w & (1 << f.width - 1) - 1 > f.infinity for w in words)


def check_against_mpfr(name: str, r: Random, count: int) -> None:
    """The reference engine's arithmetic and the judge of instructions."""
    subject = fpu_subject(name)
    judges = [subject.judge(Modes(mode)) for mode in range(4)]
    for words in zip(*columns_of(Pools(r, number), r, subject, count), strict=True):
        if is_nan(name, words):
            continue
        mode = r.randrange(4)
        rounding = Round(mode)
        ours = rounding.operate(name, *words)
        judged, raised = judges[mode](*words)
        theirs, flags = judge(name, words, mode)
        told = name, mode, [hex(w) for w in words]
        assert rounding.flags & (Flag.TINY - 1) == raised & (Flag.TINY - 1) == flags, told
        if theirs is None:
            assert flags == Flag.V, told
        else:
            assert (hex(ours), hex(judged)) == (hex(theirs), hex(theirs)), told


@pytest.mark.parametrize("name", JUDGED_NAMES)
def test_exact_arithmetic_is_what_mpfr_says(name: str) -> None:
    check_against_mpfr(name, Random(SEED), EACH * 5)


def check_integers(name: str, r: Random, count: int) -> None:
    cpu = fresh("native", "MIPS64R5-generic").cpu
    operation, state = OPERATIONS[name], cpu.state
    for _ in range(count):
        words, fcsr = operands(r, name), modes(r)
        rounding = Round(fcsr & Fcsr.RM, bool(fcsr & Fcsr.FS), bool(fcsr & Fcsr.NAN2008))
        expected = rounding.operate(name, *words)
        state.fcsr, state.fp_flags = fcsr, 0
        got = cpu.engine.service(state, "operate", operation.number, *words, *[0] * (3 - len(words)))
        told = name, hex(fcsr), [hex(w) for w in words]
        assert (hex(got), Flag(state.fp_flags)) == (hex(expected), rounding.flags), told


@pytest.mark.parametrize("name", list(OPERATIONS))
def test_integer_arithmetic_is_exact(name: str) -> None:
    check_integers(name, Random(SEED), EACH * 2)


@pytest.mark.soak
@pytest.mark.parametrize("name", JUDGED_NAMES)
def test_exact_arithmetic_is_what_mpfr_says_for_long(name: str) -> None:
    print(f"{name}: {MANY} cases against MPFR, seed {SEED}")
    check_against_mpfr(name, Random(SEED), MANY)
