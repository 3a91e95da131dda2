"""Floating point as data: formats, operations, the fields of FCSR, and what an instruction asks of the unit.

An *operation* is arithmetic between formats, named as the instruction is: ``add.d``, ``cvt.s.d``, ``trunc.w.s``.  Its
operands and result are Words that hold the encoding, zero-extended.  Two operations compare: ``quiet.d`` and ``signal.d``
give one of ``UNORDERED``, ``EQUAL``, ``LESS``, ``GREATER``; they differ in whether a quiet NaN is invalid.
Invariant: every engine gives the same result and the same flags, to the bit.  (MD00083, chapters 5 and 6; mips.md 10)
"""
from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag


class Flag(IntFlag):
    """The exceptions, in the order of FCSR.Cause; Enables and Flags have all but the last."""
    I = 1                   # inexact
    U = 2                   # underflow
    O = 4                   # overflow
    Z = 8                   # division by zero
    V = 16                  # invalid operation
    E = 32                  # unimplemented operation: no operation of ours raises it, software may
    TINY = 64               # not in FCSR: tiny after rounding, and so U if that is enabled; inexact, too, it is U as well


class Fcsr:
    """Fields of FCSR, as masks."""
    RM = 3
    FLAGS_AT, ENABLES_AT, CAUSE_AT = 2, 7, 12
    FLAGS = 31 << FLAGS_AT
    ENABLES = 31 << ENABLES_AT
    CAUSE = 63 << CAUSE_AT
    NAN2008 = 1 << 18
    ABS2008 = 1 << 19
    FCC0 = 1 << 23
    FS = 1 << 24
    LEGACY_WRITABLE = 0xFF83_FFFF
    """What CTC1 changes on a core whose NaN and ABS encodings are fixed."""


class Fir:
    """Fields of FIR, as masks."""
    S, D, PS, W, L, F64 = (1 << n for n in (16, 17, 18, 20, 21, 22))
    HAS2008 = 1 << 23
    UFRP, FREP = 1 << 28, 1 << 29


NEAREST, TO_ZERO, UP, DOWN = range(4)
"""Rounding modes, as FCSR.RM numbers them."""
UNORDERED, EQUAL, LESS, GREATER = 1, 2, 4, 0
"""How two numbers compare: the bits of a condition code that hold then."""


@dataclass(frozen=True, slots=True)
class Format:
    """``fraction``: bits of the fraction; ``width``: of all."""
    name: str
    width: int
    fraction: int

    @property
    def bias(self) -> int:
        return (1 << self.width - self.fraction - 2) - 1

    @property
    def infinity(self) -> int:
        return (1 << self.width - 1) - (1 << self.fraction)

    def default_nan(self, nan2008: bool) -> int:
        """The NaN of an invalid operation: the quiet bit set since 2008, and before that all others."""
        quiet = 1 << self.fraction - 1
        return self.infinity | (quiet if nan2008 else quiet - 1)


SINGLE = Format("s", 32, 23)
DOUBLE = Format("d", 64, 52)
FORMATS = {"s": SINGLE, "d": DOUBLE}
INTEGER_BITS = {"w": 32, "l": 64}


@dataclass(frozen=True, slots=True)
class Operation:
    """``source`` and ``result``: letters of formats; ``number`` names it in a CPU's state."""
    name: str
    kind: str
    source: str
    result: str
    operands: int
    number: int


_KINDS = {"add": 2, "sub": 2, "mul": 2, "div": 2, "sqrt": 1, "recip": 1, "rsqrt": 1, "abs": 1, "neg": 1,
          "madd": 3, "msub": 3, "nmadd": 3, "nmsub": 3, "maddf": 3, "msubf": 3, "min": 2, "max": 2, "mina": 2,
          "maxa": 2, "rint": 1, "quiet": 2, "signal": 2}
"""Kinds of operations within one format, and their operands; madd fd, fr, fs, ft has the operands fs, ft, fr."""
_CONVERSIONS = [("cvt", "s", "d"), ("cvt", "d", "s"),
                *(("cvt", to, source) for to in "sd" for source in "wl"),
                *((kind, to, source) for kind in ("cvt", "round", "trunc", "ceil", "floor")
                  for to in "wl" for source in "sd")]
NO_OPERATION, NO_EXCEPTION = 0, 1
"""In ``state.fp_last``: Cause is as FCSR says; it is to become 0."""
_FIRST = 2


def _operations() -> dict[str, Operation]:
    rows = [(f"{kind}.{f}", kind, f, f, operands) for kind, operands in _KINDS.items() for f in "sd"]
    rows += [(f"{kind}.{to}.{source}", kind, source, to, 1) for kind, to, source in _CONVERSIONS]
    return {row[0]: Operation(*row, number=n) for n, row in enumerate(rows, _FIRST)}


OPERATIONS: dict[str, Operation] = _operations()


class Guard:
    """Bits of ``state.fp_guard``: what the unit refuses now.  The low bits stand where an instruction has the lowest bit
    of a register number: set if an odd register cannot hold 64 bits."""
    CLOSED = 1 << 31        # coprocessor 1 is unusable
    NARROW = 1 << 30        # Status.FR = 0
    EMULATED = 1 << 29      # Config5.FRE: whatever touches 32 bits is left to the kernel
    CAREFUL = 1 << 28       # a rounding mode, flushing or traps that the host's arithmetic does not have
    ODD = 1 << 6 | 1 << 11 | 1 << 16 | 1 << 21


LOWEST_BIT = {"fd": 1 << 6, "fs": 1 << 11, "ft": 1 << 16, "fr": 1 << 21}


@dataclass(frozen=True, slots=True)
class Needs:
    """What an instruction of coprocessor 1 needs: ``odd`` the bits of its word that must be 0 while FR = 0, ``refusal``
    the bits of the guard that must be clear."""
    odd: int = 0
    refusal: int = Guard.CLOSED


def needs(doubles: str = "", *, singles: bool = False, wide: bool = False, careful: bool = False) -> Needs:
    """``doubles``: the fields that name 64-bit registers; ``singles``: it touches 32-bit ones; ``wide``: it needs FR = 1;
    ``careful``: it is arithmetic."""
    refusal = (Guard.CLOSED | Guard.EMULATED * singles | Guard.NARROW * wide | Guard.CAREFUL * careful)
    return Needs(sum(LOWEST_BIT[name] for name in doubles.split()), refusal)
