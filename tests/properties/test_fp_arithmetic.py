"""Each operation, format, rounding mode and flag: exact arithmetic against MPFR, and integer arithmetic against the exact.

MPFR (through gmpy2) is the independent judge of what is a number; NaN encodings and flushing, which it does not know, are
held equal between the two of ours.
"""
from __future__ import annotations

from random import Random

import pytest

from tests.support.engines import fresh
from tests.support.floats import modes, operands
from vmm.arch.fp import DOWN, FORMATS, INTEGER_BITS, NEAREST, OPERATIONS, TO_ZERO, UP, Fcsr, Flag, Format
from vmm.engine.exact import Round

gmpy2 = pytest.importorskip("gmpy2")

EACH, MANY, SEED = 80, 1_000_000, 20
HARD = ("maddf.d", "maddf.s", "div.d", "div.s", "sqrt.d", "sqrt.s", "add.d", "mul.d", "cvt.s.d", "cvt.d.s", "cvt.w.d",
        "cvt.l.d", "cvt.s.l", "cvt.d.l", "rint.d")
MPFR_MODES = {NEAREST: gmpy2.RoundToNearest, TO_ZERO: gmpy2.RoundToZero, UP: gmpy2.RoundUp, DOWN: gmpy2.RoundDown}
JUDGED = {"add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b,
          "sqrt": lambda a: gmpy2.sqrt(a), "recip": lambda a: 1 / a, "maddf": lambda a, b, c: gmpy2.fma(a, b, c),
          "msubf": lambda a, b, c: gmpy2.fma(a, b, c), "cvt": lambda a: +a}


def value(f: Format, bits: int) -> object:
    """The number, exactly."""
    magnitude = bits & (1 << f.width - 1) - 1
    negative = bits >> f.width - 1
    if magnitude == f.infinity:
        return gmpy2.inf(-1 if negative else 1)
    power, fraction = magnitude >> f.fraction, magnitude & (1 << f.fraction) - 1
    n = fraction | (1 << f.fraction if power else 0)
    found = gmpy2.mpfr(n, 64) * gmpy2.exp2(max(power, 1) - f.bias - f.fraction)
    return -found if negative else found


def encoded(f: Format, number: object) -> int:
    sign = int(gmpy2.is_signed(number)) << f.width - 1
    if gmpy2.is_infinite(number):
        return sign | f.infinity
    if gmpy2.is_zero(number):
        return sign
    n, e = (int(part) for part in abs(number).as_mantissa_exp())  # type: ignore[call-overload]
    least = 1 - f.bias - f.fraction
    cut = max(n.bit_length() - f.fraction - 1, least - e)
    n, e = (n << -cut, e + cut) if cut < 0 else (n >> cut, e + cut)
    return sign | n if n < 1 << f.fraction else sign | (e + f.bias + f.fraction << f.fraction) + n - (1 << f.fraction)


def judge(name: str, words: list[int], mode: int) -> tuple[int | None, Flag]:
    """MPFR's result (None: a NaN) and flags."""
    operation = OPERATIONS[name]
    to = FORMATS[operation.result]
    wide = gmpy2.context(precision=2300, emin=-20000, emax=20000)
    with gmpy2.local_context(wide):
        if operation.source in INTEGER_BITS:
            width = INTEGER_BITS[operation.source]
            numbers = [gmpy2.mpfr((words[0] ^ 1 << width - 1) - (1 << width - 1), 80)]
        else:
            numbers = [value(FORMATS[operation.source], bits) for bits in words]
        if operation.kind == "msubf":
            numbers[0] = -numbers[0]  # type: ignore[operator]
    narrow = gmpy2.context(precision=to.fraction + 1, emax=to.bias + 1, emin=2 - to.bias - to.fraction, subnormalize=True,
                           round=MPFR_MODES[mode])
    with gmpy2.local_context(narrow) as context:
        context.clear_flags()
        result = JUDGED[operation.kind](*numbers)
        flags = (Flag.I * context.inexact | Flag.O * context.overflow | Flag.Z * context.divzero
                 | Flag.V * context.invalid | Flag.U * (context.underflow and context.inexact))
    return (None if gmpy2.is_nan(result) else encoded(to, result)), Flag(flags)


def is_nan(name: str, words: list[int]) -> bool:
    f = FORMATS.get(OPERATIONS[name].source)
    return f is not None and any(w & (1 << f.width - 1) - 1 > f.infinity for w in words)


def check_against_mpfr(name: str, r: Random, count: int) -> None:
    for _ in range(count):
        words, mode = operands(r, name), r.randrange(4)
        if is_nan(name, words):
            continue
        rounding = Round(mode)
        ours = rounding.operate(name, *words)
        seen = rounding.flags & (Flag.TINY - 1)
        theirs, flags = judge(name, words, mode)
        if theirs is None:
            assert seen == Flag.V, (name, mode, [hex(w) for w in words])
        else:
            assert (hex(ours), seen) == (hex(theirs), flags), (name, mode, [hex(w) for w in words])


JUDGED_NAMES = [name for name, op in OPERATIONS.items() if op.kind in JUDGED and op.result in FORMATS]


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
@pytest.mark.parametrize("name", HARD)
def test_hard_operations_for_long(name: str) -> None:
    print(f"{name}: {MANY} cases against exact arithmetic, seed {SEED}")
    check_integers(name, Random(SEED), MANY)


@pytest.mark.soak
@pytest.mark.parametrize("name", [name for name in HARD if name in JUDGED_NAMES])
def test_hard_operations_against_mpfr_for_long(name: str) -> None:
    print(f"{name}: {MANY // 10} cases against MPFR, seed {SEED}")
    check_against_mpfr(name, Random(SEED), MANY // 10)
