"""Floating point on lanes: every operation lane by lane, what is raised gathered in MSACSR, and MSAFPE.

An operation is computed by ``vmm.arch.softfloat``, which takes its modes from FCSR: MSACSR's are lent to it for as long,
with the NaNs of 2008, which are the only ones that MSA has.  ``d`` is 1 for lanes of 64 bits, 0 for 32; ``wd``, ``ws`` and
``wt`` are numbers of registers.
Invariant: unless NX is set, an exception that traps leaves wd and MSACSR.Flags as they were.  (MD00866, chapter 3.4)
"""
from __future__ import annotations

from vmm.arch.fp import Fcsr, Flag
from vmm.arch.privileged.msa import trapping
from vmm.arch.rows import AnyMachine
from vmm.arch.softfloat import lanes

CAUSE_AT, FLAGS_AT, ENABLES_AT = 12, 2, 7
NX = 1 << 18
MODES = 1 << 24 | 0x1F << ENABLES_AT | 3
"""FS, Enables and RM, which lie where FCSR has them."""
EXCEPTIONS = 0x3F
FIVE_FLAGS = 0x1F


def lane(m: AnyMachine, number: AnyMachine, n: AnyMachine, width: AnyMachine) -> AnyMachine:
    """The n-th lane of ``width`` bits, 16 to 64, of a register."""
    at = n * width
    return m.element(64, number, at.shr(6)).shr(at) & m.const(-1).shr(m.const(64) - width)


class Gathered:
    """A vector result while it is made: its halves, and what has been raised."""

    def __init__(self, m: AnyMachine) -> None:
        self.m = m
        self.low, self.high, self.cause = m.var(m.const(0)), m.var(m.const(0)), m.var(m.const(0))

    def add(self, n: AnyMachine, width: AnyMachine, value: AnyMachine, raised: AnyMachine) -> None:
        """The n-th lane; where it would trap and NX says no, a signalling NaN that holds what was raised."""
        m, csr = self.m, self.m.state.msacsr
        kept, quiet = (raised & (csr.shr(ENABLES_AT) & FIVE_FLAGS)) != 0, (csr & NX) != 0
        at = n * width
        placed = m.select(kept & quiet, endless(m, width) | raised, value).shl(at)
        first = at.below(64)
        self.low.value = self.low.value | m.select(first, placed, 0)
        self.high.value = self.high.value | m.select(first, 0, placed)
        self.cause.value = self.cause.value | m.select(kept & quiet, 0, raised)


def endless(m: AnyMachine, width: AnyMachine) -> AnyMachine:
    """Plus infinity in a format of 16, 32 or 64 bits."""
    return m.select(width == 64, 0x7FF << 52, m.select(width == 32, 0xFF << 23, 0x1F << 10))


def raised_by(m: AnyMachine) -> AnyMachine:
    """Cause bits of one lane: tiny is underflow, too, if underflow traps."""
    flags = m.state.fp_flags
    return flags & EXCEPTIONS | flags.shr(6).shl(1) & m.state.msacsr.shr(ENABLES_AT) & Flag.U


def borrow(m: AnyMachine) -> AnyMachine:
    """Lend MSACSR's modes to the arithmetic; what FCSR was."""
    s = m.state
    before = m.var(s.fcsr)
    s.fcsr = s.msacsr & MODES | Fcsr.NAN2008 | Fcsr.ABS2008
    return before


def finish(m: AnyMachine, wd: AnyMachine, before: AnyMachine, result: Gathered) -> None:
    """FCSR back; Cause; the trap, or Flags and the destination."""
    s, cause = m.state, result.cause.value
    s.fcsr = before.value
    s.msacsr = s.msacsr & ~(EXCEPTIONS << CAUSE_AT) | cause.shl(CAUSE_AT)
    m.require(trapping(s.msacsr) == 0, "MSAFPE")
    s.msacsr = s.msacsr | (cause & FIVE_FLAGS).shl(FLAGS_AT)
    m.set_element(64, wd, m.const(0), result.low.value)
    m.set_element(64, wd, m.const(1), result.high.value)


def execute(m: AnyMachine, operation: AnyMachine, option: AnyMachine, d: AnyMachine, wd: AnyMachine, ws: AnyMachine,
            wt: AnyMachine) -> None:
    """An operation of ``lanes.SAME_WIDTH`` on each lane."""
    s, before, result, n = m.state, borrow(m), Gathered(m), m.var(m.const(0))
    width = m.const(32).shl(d)
    for _ in m.repeat(lambda: n.value.below(m.const(4).shr(d))):
        s.fp_flags = 0
        a, b, c = (lane(m, number, n.value, width) for number in (ws, wt, wd))
        value, raised = m.var(m.const(0)), m.var(m.const(0))
        for code, (function, adjust) in enumerate(lanes.SAME_WIDTH.values()):
            for _ in m.when(operation == code):
                value.value = m.call(function, option, d, a, b, c)
                raised.value = adjust(m, d, a, value.value, raised_by(m))
        result.add(n.value, width, value.value, raised.value)
        n.value = n.value + 1
    finish(m, wd, before, result)


def narrow(m: AnyMachine, operation: AnyMachine, d: AnyMachine, wd: AnyMachine, ws: AnyMachine, wt: AnyMachine) -> None:
    """FEXDO and FTQ: the lanes of ws in half their width on the left, those of wt on the right."""
    s, before, result, n = m.state, borrow(m), Gathered(m), m.var(m.const(0))
    width, count = m.const(32).shl(d), m.const(4).shr(d)
    for _ in m.repeat(lambda: n.value.below(count + count)):
        s.fp_flags = 0
        left = ~n.value.below(count)
        a = lane(m, m.select(left, ws, wt), n.value & count - 1, width)
        value = m.var(m.const(0))
        for code, function in enumerate(lanes.NARROWING.values()):
            for _ in m.when(operation == code):
                value.value = m.call(function, d, a)
        result.add(n.value, width.shr(1), value.value, raised_by(m))
        n.value = n.value + 1
    finish(m, wd, before, result)


def widen(m: AnyMachine, operation: AnyMachine, left: AnyMachine, d: AnyMachine, wd: AnyMachine, ws: AnyMachine) -> None:
    """FEXUPL, FEXUPR, FFQL, FFQR: the lanes of one half of ws in twice their width."""
    s, before, result, n = m.state, borrow(m), Gathered(m), m.var(m.const(0))
    width, count = m.const(32).shl(d), m.const(4).shr(d)
    for _ in m.repeat(lambda: n.value.below(count)):
        s.fp_flags = 0
        a = lane(m, ws, n.value + m.select(left != 0, count, 0), width.shr(1))
        value = m.var(m.const(0))
        for code, function in enumerate(lanes.WIDENING.values()):
            for _ in m.when(operation == code):
                value.value = m.call(function, d, a)
        result.add(n.value, width, value.value, raised_by(m))
        n.value = n.value + 1
    finish(m, wd, before, result)
