"""Where Unicorn 2.1 is known to do another thing than the manual, with what the manual says.

Rows of single cases may be excused by their operands (``WRONG_IN_CASES``); long programs leave such rows out.
(MD00087 revision 6, chapter 3, by instruction; MD00083, chapter 6 for FCSR; MD00866 for MSA)
"""
from __future__ import annotations

from collections.abc import Callable

from tests.support.bodies import Core
from tests.support.vectors import Case
from vmm.arch.fp import Fcsr, Flag
from vmm.arch.models import find_model

SIGN = 1 << 63
UNDERFLOW_ENABLED = Flag.U << Fcsr.ENABLES_AT
LEAST_NORMAL_HALF = 0x3880_0000
"""2^-14, as a single."""


def lanes(case: Case, size: int) -> list[int]:
    """All lanes of w1 to w3."""
    return [int.from_bytes(case.data[at:at + size], "little") for at in range(0, 48, size)]


WRONG_IN_CASES: dict[str, Callable[[Case], bool]] = {
    "subs_s.d": lambda case: True,                     # 0x8000000000000000 for x - x: its helper overflows in C
    # IEEE 754-2008's logB, which the manual names, is the exponent whatever the sign, and of zero a division by zero
    "flog2.w": lambda case: any(x >> 31 or x << 1 < 1 << 24 for x in lanes(case, 4)),
    "flog2.d": lambda case: any(x >> 63 or x << 1 < 1 << 53 for x in lanes(case, 8)),
    "sat_s.d": lambda case: case.word >> 16 & 63 == 63,  # to 64 bits, which changes nothing: its limits overflow in C
    # "if underflow traps are enabled, it is signaled when tininess is detected regardless of loss of accuracy": in half
    # precision it takes no number for tiny that is exact
    "fexdo.h": lambda case: bool(int.from_bytes(case.data[56:60], "little") & UNDERFLOW_ENABLED) and any(
        0 < x & 0x7FFF_FFFF < LEAST_NORMAL_HALF for x in lanes(case, 4)),
    "adds_a.d": lambda case: SIGN in lanes(case, 8),  # |-2^63| overflows in C
}
WRONG_BEFORE_2008 = {
    # "if FCSR.ABS2008 is 0 this operation is arithmetic; a NaN operand signals invalid operation": it touches no Cause
    "abs.s", "abs.d", "neg.s", "neg.d", "abs.ps", "neg.ps",
    # a quiet NaN of the old encoding whose payload lies in the low 29 bits becomes an infinity
    "cvt.s.d",
}
CAUSE_STAYS = {
    # MSACSR.Cause: "a bit is set to 1 if the condition arises during the instruction and to 0 otherwise": not touched
    "fclass.w", "fclass.d", "ffql.w", "ffql.d", "ffqr.w", "ffqr.d",
}
WRONG_PAIRED = {
    # "no arithmetic; FCSR.Cause and Flags are not modified": it clears Cause
    "cvt.s.pl", "cvt.s.pu",
}
"""Besides, FS ("every input subnormal value and tiny non-zero result is replaced with zero") is 0 in long programs: with
FCSR.FS it flushes no operands, and with either FS it takes for tiny what only rounding makes the least normal number."""


def left_out(core: Core) -> frozenset[str]:
    """Rows that long programs do without on this core."""
    old = not find_model(core.name).fcsr & Fcsr.ABS2008
    return frozenset({*WRONG_IN_CASES, *(WRONG_BEFORE_2008 if old else ()), *WRONG_PAIRED, *CAUSE_STAYS})
