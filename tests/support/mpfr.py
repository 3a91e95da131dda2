"""MPFR, through gmpy2: what a number is, and which exceptions it raises.  It knows neither NaN encodings nor flushing."""
from __future__ import annotations

from collections.abc import Sequence

import gmpy2

from vmm.arch.fp import DOWN, FORMATS, INTEGER_BITS, NEAREST, OPERATIONS, TO_ZERO, UP, Flag, Format

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


def judge(name: str, words: Sequence[int], mode: int) -> tuple[int | None, Flag]:
    """MPFR's result (None: a NaN) and flags."""
    operation = OPERATIONS[name]
    to = FORMATS[operation.result]
    wide = gmpy2.context(precision=2300, emin=-20000, emax=20000)
    with gmpy2.context(wide):
        if operation.source in INTEGER_BITS:
            width = INTEGER_BITS[operation.source]
            numbers = [gmpy2.mpfr((words[0] ^ 1 << width - 1) - (1 << width - 1), 80)]
        else:
            numbers = [value(FORMATS[operation.source], bits) for bits in words]
        if operation.kind == "msubf":
            numbers[0] = -numbers[0]  # type: ignore[operator]
    narrow = gmpy2.context(precision=to.fraction + 1, emax=to.bias + 1, emin=2 - to.bias - to.fraction, subnormalize=True,
                           round=MPFR_MODES[mode])
    with gmpy2.context(narrow) as context:
        context.clear_flags()
        result = JUDGED[operation.kind](*numbers)
        flags = (Flag.I * context.inexact | Flag.O * context.overflow | Flag.Z * context.divzero
                 | Flag.V * context.invalid | Flag.U * (context.underflow and context.inexact))
    return (None if gmpy2.is_nan(result) else encoded(to, result)), Flag(flags)


JUDGED_NAMES = [name for name, op in OPERATIONS.items() if op.kind in JUDGED and op.result in FORMATS]
