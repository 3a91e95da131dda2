"""Performance counters.  (Volume III, PerfCtl and PerfCnt; mips.md 2)

Two events are counted: cycles, which are ticks, and instructions completed, which are ticks without those of WAIT and of
instructions that trapped.  Nothing counts while instructions run: a counter is brought up to date when somebody looks
or the mode changes, and ``perf_at`` is the tick of the next overflow, as ``compare_at`` is for Count.
"""
from __future__ import annotations

from vmm.arch.cp0.registers import Cause, Debug, GuestCtl0, PerfCnt0, PerfCtl0, Status
from vmm.arch.privileged.names import File
from vmm.arch.rows import AnyMachine

NEVER = 1 << 62
AT_MOST = 4
TOP = 1 << 31
IN_GUEST, IN_BETWEEN = 16, 32
"""In a mode class, above PerfCtl's U, S, K and EXL: guest mode; root mode while a guest is entered."""
GUEST_EVENTS, BETWEEN_EVENTS = 0b1100, 0b1010
"""By PerfCtl.EC: guests count, root between two stays of a guest counts.  0 is root alone."""


def mode_class(m: AnyMachine) -> AnyMachine:
    """The bits of PerfCtl of which one lets the present mode count, with IN_GUEST and IN_BETWEEN."""
    s, file = m.state, File(m, m.state.base)
    normal = m.const(PerfCtl0.K.mask).shl(s.priv)
    quiet = m.select(file.on(Status.EXL), PerfCtl0.EXL.mask, normal)
    counting = m.select(file.on(Status.ERL) | m.root.on(Debug.DM), 0, quiet)
    between = m.select(m.root.on(GuestCtl0.GM), IN_BETWEEN, 0)
    return counting | m.select(s.in_guest != 0, IN_GUEST, between)


def counts(m: AnyMachine, control: AnyMachine, mode: AnyMachine) -> AnyMachine:
    """1 if a counter with this control counts in this mode."""
    by = control.shr(PerfCtl0.EC.low) & 3
    guest = (m.const(GUEST_EVENTS).shr(by) & 1) != 0
    between = (m.const(BETWEEN_EVENTS).shr(by) & 1) != 0
    whose = m.select((mode & IN_GUEST) != 0, m.flag(guest), m.flag((by == 0) | (between & ((mode & IN_BETWEEN) != 0))))
    return m.flag((control & mode & 15) != 0) & whose


def synchronise(m: AnyMachine) -> None:
    """Add to the counters what has happened since they were last brought up to date."""
    s = m.state
    cycles = s.ticks - s.perf_tick
    instructions = cycles - (s.idle_ticks - s.perf_idle) - (s.trapped - s.perf_trapped)
    for n in range(AT_MOST):
        control, value = m.root.at(PerfCtl0.index + 2 * n), m.root.at(PerfCnt0.index + 2 * n)
        event = control.shr(PerfCtl0.Event.low) & (PerfCtl0.Event.mask >> PerfCtl0.Event.low)
        amount = m.select(event == s.perf_cycles, cycles, m.select(event == s.perf_instructions, instructions, 0))
        m.root.put_at(PerfCnt0.index + 2 * n, m.unsigned(value + amount * m.call(counts, control, s.perf_mode), 32))
    s.perf_tick, s.perf_idle, s.perf_trapped = s.ticks, s.idle_ticks, s.trapped


def look(m: AnyMachine) -> None:
    """The mode may have changed: note it, raise or lower Cause.PCI, find the next overflow."""
    s = m.state
    s.perf_mode = m.call(mode_class)
    pending, ahead = m.var(m.const(0)), m.var(m.const(NEVER))
    for n in range(AT_MOST):
        control, value = m.root.at(PerfCtl0.index + 2 * n), m.root.at(PerfCnt0.index + 2 * n)
        asks = (control & PerfCtl0.IE.mask) != 0
        full = (value & TOP) != 0
        pending.value = m.select(asks & full, 1, pending.value)
        event = control.shr(PerfCtl0.Event.low) & (PerfCtl0.Event.mask >> PerfCtl0.Event.low)
        moves = (event == s.perf_cycles) | ((event == s.perf_instructions) & (s.halted == 0))
        left = m.const(TOP) - value
        sooner = asks & ~full & moves & (m.call(counts, control, s.perf_mode) != 0) & left.below(ahead.value)
        ahead.value = m.select(sooner, left, ahead.value)
    m.root.put(Cause.PCI, pending.value)
    s.perf_at = m.select(ahead.value == NEVER, NEVER, s.ticks + ahead.value)


def update(m: AnyMachine) -> None:
    """A counter or its control changed, after ``synchronise``: is there anything to do while instructions run?"""
    on = m.var(m.const(0))
    for n in range(AT_MOST):
        on.value = on.value | (m.root.at(PerfCtl0.index + 2 * n) & (15 | PerfCtl0.IE.mask))
    m.state.perf_on = on.value
    m.call(look)
