"""What the DSP rows share: lanes, saturation, DSPControl, the four accumulators.  (MD00374, chapters 3 and 4)

Invariant: a row needs Status.MX, else DSP Disabled is raised; results are sign-extended words; flags in DSPControl
are only ever set here, never cleared, but by WRDSP and where an instruction is said to write them.
"""
from __future__ import annotations

from vmm.arch.rows import Family
from vmm.arch.state import OFFSET

POS, SCOUNT, CARRY, EFI, OUFLAG, CCOND = 0, 7, 13, 14, 16, 24
ADD_FLAG, MULTIPLY_FLAG, SHIFT_FLAG, EXTRACT_FLAG = 20, 21, 22, 23
"""Bits of DSPControl.ouflag by what overflowed; bits 16 to 19 are the accumulators'."""


def row(family, pattern, syntax, *, release=1, **more):
    """A row of DSP release 1 or 2."""
    return family.insn(pattern, syntax, since=2, until=6, ase="DSP" if release == 1 else "DSPR2", **more)


def family(name):
    return Family("dsp." + name)


# -- lanes ------------------------------------------------------------------------------------------------------------

def signed_lanes(m, x, width):
    """From the least significant on."""
    return [m.signed(x.shr(at), width) for at in range(0, 32, width)]


def unsigned_lanes(m, x, width):
    return [m.unsigned(x.shr(at), width) for at in range(0, 32, width)]


def packed(m, parts, width):
    total = m.const(0)
    for n, part in enumerate(parts):
        total = total | m.unsigned(part, width).shl(n * width)
    return m.word(total)


# -- DSPControl -------------------------------------------------------------------------------------------------------

def flag(m, condition, bit):
    m.state.dspctl = m.state.dspctl | m.flag(condition).shl(bit)


def any_of(conditions):
    found = conditions[0]
    for condition in conditions[1:]:
        found = found | condition
    return found


def control(m, low, width):
    return m.unsigned(m.state.dspctl.shr(low), width)


def set_control(m, low, width, word):
    mask = (1 << width) - 1 << low
    m.state.dspctl = m.state.dspctl & ~mask | m.unsigned(word, width).shl(low)


# -- saturation -------------------------------------------------------------------------------------------------------

def outside(m, x, width):
    """Whether a signed value does not fit ``width`` bits."""
    return m.signed(x, width) != x


def saturated(m, x, width):
    greatest = (1 << width - 1) - 1
    return m.select(outside(m, x, width), m.select(x.less(0), ~greatest, greatest), x)


def rounded_shift(m, x, amount):
    """Arithmetic shift right by a Word, to the nearest."""
    half = m.select(amount == 0, m.const(0), m.const(1).shl(amount).shr(1))
    return (x + half).sar(amount)


# -- accumulators -----------------------------------------------------------------------------------------------------

def place(m, ac, half):
    return m.unsigned(ac, 2) + OFFSET[half]


def accumulator(m, ac):
    return m.slot(place(m, ac, "hi")).shl(32) | m.unsigned(m.slot(place(m, ac, "lo")), 32)


def set_accumulator(m, ac, total):
    m.set_slot(place(m, ac, "hi"), total.sar(32))
    m.set_slot(place(m, ac, "lo"), m.word(total))


def flag_of(m, condition, ac):
    """The overflow flag of an accumulator."""
    m.state.dspctl = m.state.dspctl | m.flag(condition).shl(m.unsigned(ac, 2) + OUFLAG)
