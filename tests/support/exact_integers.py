"""The judge of MSA's integer and fixed-point arithmetic: one lane in Python's integers, which do not overflow.

An operation gets ``(width, s, t, d)``, lanes of ws, wt and wd before, as signed numbers, or as unsigned ones if its name
says so; the result counts modulo ``2**width``.  (MD00866, chapter 3)
"""
from __future__ import annotations

from collections.abc import Callable

Operation = Callable[[int, int, int, int], int]


def signed(x: int, width: int) -> int:
    return (x ^ 1 << width - 1) - (1 << width - 1)


def clipped(x: int, width: int) -> int:
    return max(-(1 << width - 1), min(x, (1 << width - 1) - 1))


def clipped_unsigned(x: int, width: int) -> int:
    return max(0, min(x, (1 << width) - 1))


def halves(x: int, width: int, unsigned: bool) -> tuple[int, int]:
    """The upper and the lower one."""
    half = width // 2
    pair = (x & (1 << width) - 1) >> half, x & (1 << half) - 1
    return pair if unsigned else (signed(pair[0], half), signed(pair[1], half))


def across(operation: Callable[[int, int, int, int], int], unsigned: bool) -> Operation:
    """Of the upper and lower halves of s, then of t."""
    return lambda b, s, t, d: operation(*halves(s, b, unsigned), *halves(t, b, unsigned))


def quotient(s: int, t: int) -> int:
    """Toward zero; by zero, which the manual leaves open, what the engines declare: -1, or 1 for a negative dividend."""
    if not t:
        return 1 if s < 0 else -1
    return -(abs(s) // abs(t)) if (s < 0) != (t < 0) else abs(s) // abs(t)


def remainder(s: int, t: int) -> int:
    return s - t * quotient(s, t) if t else s


def dot(s: int, t: int, width: int, unsigned: bool) -> int:
    (a, b), (c, d) = halves(s, width, unsigned), halves(t, width, unsigned)
    return a * c + b * d


def product(b: int, d: int, s: int, t: int, sign: int, rounding: bool) -> int:
    """Fixed point: d plus or minus s * t, rounded down or to nearest, saturated."""
    exact = (d << b - 1) + sign * s * t + (rounding << b - 2)
    return clipped(exact >> b - 1, b)


def leading(x: int, width: int) -> int:
    return width - (x & (1 << width) - 1).bit_length()


OPERATIONS: dict[str, Operation] = {
    "addv": lambda b, s, t, d: s + t, "subv": lambda b, s, t, d: s - t,
    "add_a": lambda b, s, t, d: abs(s) + abs(t), "adds_a": lambda b, s, t, d: clipped(abs(s) + abs(t), b),
    "adds_s": lambda b, s, t, d: clipped(s + t, b), "adds_u": lambda b, s, t, d: clipped_unsigned(s + t, b),
    "ave_s": lambda b, s, t, d: (s + t) // 2, "ave_u": lambda b, s, t, d: (s + t) // 2,
    "aver_s": lambda b, s, t, d: (s + t + 1) // 2, "aver_u": lambda b, s, t, d: (s + t + 1) // 2,
    "subs_s": lambda b, s, t, d: clipped(s - t, b), "subs_u": lambda b, s, t, d: clipped_unsigned(s - t, b),
    "subsus_u": lambda b, s, t, d: clipped_unsigned(s - signed(t, b), b),
    "subsuu_s": lambda b, s, t, d: clipped(s % (1 << b) - t % (1 << b), b),
    "asub_s": lambda b, s, t, d: abs(s - t), "asub_u": lambda b, s, t, d: abs(s - t),
    "hadd_s": across(lambda so, se, to, te: so + te, False), "hadd_u": across(lambda so, se, to, te: so + te, True),
    "hsub_s": across(lambda so, se, to, te: so - te, False), "hsub_u": across(lambda so, se, to, te: so - te, True),
    "mulv": lambda b, s, t, d: s * t, "maddv": lambda b, s, t, d: d + s * t, "msubv": lambda b, s, t, d: d - s * t,
    "dotp_s": lambda b, s, t, d: dot(s, t, b, False), "dotp_u": lambda b, s, t, d: dot(s, t, b, True),
    "dpadd_s": lambda b, s, t, d: d + dot(s, t, b, False), "dpadd_u": lambda b, s, t, d: d + dot(s, t, b, True),
    "dpsub_s": lambda b, s, t, d: d - dot(s, t, b, False), "dpsub_u": lambda b, s, t, d: d - dot(s, t, b, True),
    "div_s": lambda b, s, t, d: quotient(s, t), "div_u": lambda b, s, t, d: quotient(s, t),
    "mod_s": lambda b, s, t, d: remainder(s, t), "mod_u": lambda b, s, t, d: remainder(s, t),
    "max_s": lambda b, s, t, d: max(s, t), "max_u": lambda b, s, t, d: max(s, t),
    "min_s": lambda b, s, t, d: min(s, t), "min_u": lambda b, s, t, d: min(s, t),
    "max_a": lambda b, s, t, d: s if abs(s) > abs(t) else t, "min_a": lambda b, s, t, d: s if abs(s) < abs(t) else t,
    "ceq": lambda b, s, t, d: -(s == t), "clt_s": lambda b, s, t, d: -(s < t), "clt_u": lambda b, s, t, d: -(s < t),
    "cle_s": lambda b, s, t, d: -(s <= t), "cle_u": lambda b, s, t, d: -(s <= t),
    "and": lambda b, s, t, d: s & t, "or": lambda b, s, t, d: s | t, "nor": lambda b, s, t, d: ~(s | t),
    "xor": lambda b, s, t, d: s ^ t, "bmnz": lambda b, s, t, d: (s & t) | (d & ~t),
    "bmz": lambda b, s, t, d: (s & ~t) | (d & t), "bsel": lambda b, s, t, d: (s & ~d) | (t & d),
    "sll": lambda b, s, t, d: s << t % b, "sra": lambda b, s, t, d: s >> t % b,
    "srl": lambda b, s, t, d: s % (1 << b) >> t % b,
    "srar": lambda b, s, t, d: s + (1 << t % b >> 1) >> t % b,
    "srlr": lambda b, s, t, d: s % (1 << b) + (1 << t % b >> 1) >> t % b,
    "bclr": lambda b, s, t, d: s & ~(1 << t % b), "bset": lambda b, s, t, d: s | 1 << t % b,
    "bneg": lambda b, s, t, d: s ^ 1 << t % b,
    "binsr": lambda b, s, t, d: (d >> t % b + 1 << t % b + 1) + s % (2 << t % b),
    "binsl": lambda b, s, t, d: (s >> b - 1 - t % b << b - 1 - t % b) + d % (1 << b - 1 - t % b),
    "sat_s": lambda b, s, t, d: clipped(s, t + 1), "sat_u": lambda b, s, t, d: clipped_unsigned(s, t + 1),
    "pcnt": lambda b, s, t, d: (s % (1 << b)).bit_count(),
    "nloc": lambda b, s, t, d: leading(~s, b), "nlzc": lambda b, s, t, d: leading(s, b),
    "mul_q": lambda b, s, t, d: product(b, 0, s, t, 1, False), "mulr_q": lambda b, s, t, d: product(b, 0, s, t, 1, True),
    "madd_q": lambda b, s, t, d: product(b, d, s, t, 1, False), "maddr_q": lambda b, s, t, d: product(b, d, s, t, 1, True),
    "msub_q": lambda b, s, t, d: product(b, d, s, t, -1, False),
    "msubr_q": lambda b, s, t, d: product(b, d, s, t, -1, True),
}


def operation_of(mnemonic: str) -> str:
    """Its name above: without the format, and without the ``i`` of an immediate operand."""
    name = mnemonic.rpartition(".")[0]
    if name not in OPERATIONS:
        name = name.replace("i_", "_") if "i_" in name else name.removesuffix("i")
    return name


def judged(mnemonic: str, width: int, s: int, t: int, d: int) -> int:
    """Lanes in and out as unsigned numbers."""
    name = operation_of(mnemonic)
    if not name.endswith("_u"):
        s, t, d = signed(s, width), signed(t, width), signed(d, width)
    return OPERATIONS[name](width, s, t, d) & (1 << width) - 1
