"""Count and Compare, and interrupts.  (mips.md 6, 7.6)

Time is ``state.ticks``.  Count advances once in 2^count_shift ticks; ``compare_at`` holds the tick of the next match,
so that nothing needs to look at Count while instructions run.
"""
from __future__ import annotations

from vmm.arch.cp0.registers import Cause, Compare, Config3, Count, Debug, GTOffset, GuestCtl0, GuestCtl2
from vmm.arch.exceptions import ExcCode
from vmm.arch.privileged import counters, exception, watchpoints
from vmm.arch.privileged.interrupts import LEVEL_AT, due, own_lines, requested_level, waiting
from vmm.arch.privileged.mode import update_mode
from vmm.arch.privileged.names import File
from vmm.arch.rows import AnyMachine
from vmm.arch.state import GUEST_FILE, OFFSET, ROOT_FILE

NEVER = (1 << 62)
HARDWARE_LINES = 0xFC00


def root_count(m: AnyMachine) -> AnyMachine:
    """Root Count now, zero-extended; the register itself while Cause.DC stops it."""
    s = m.state
    running = m.unsigned(s.ticks.shr(s.count_shift) + s.count_base, 32)
    return m.select(m.root.on(Cause.DC), m.unsigned(m.root[Count], 32), running)


def guest_count(m: AnyMachine) -> AnyMachine:
    return m.unsigned(m.call(root_count) + m.root[GTOffset], 32)


def count(m: AnyMachine) -> AnyMachine:
    """Count of the context that runs."""
    return m.select(m.state.in_guest != 0, m.call(guest_count), m.call(root_count))


def set_count(m: AnyMachine, value: AnyMachine) -> None:
    s = m.state
    m.root[Count] = m.unsigned(value, 32)
    s.count_base = m.unsigned(value - s.ticks.shr(s.count_shift), 32)
    m.call(schedule)


def set_cause(m: AnyMachine, base: AnyMachine, value: AnyMachine) -> None:
    """A new Cause whose writable bits are merged already: stopping Count keeps it, starting goes on from there."""
    file = File(m, base)
    before = m.call(root_count)
    stops = base == ROOT_FILE
    changed = ((file[Cause] ^ value) & Cause.DC.mask) != 0
    file[Cause] = value
    for _ in m.when(stops & changed):
        m.call(set_count, before)


def schedule(m: AnyMachine) -> None:
    """Find the ticks of the next Compare matches; Count == Compare now means a whole round later (TM-8)."""
    m.call(schedule_one, m.const(0), m.const(ROOT_FILE), m.call(root_count))
    m.call(schedule_one, m.const(1), m.const(GUEST_FILE), m.call(guest_count))


def schedule_one(m: AnyMachine, which: AnyMachine, base: AnyMachine, now: AnyMachine) -> None:
    s = m.state
    ahead = m.unsigned(File(m, base)[Compare] - now - 1, 32) + 1
    at = (s.ticks.shr(s.count_shift) + ahead).shl(s.count_shift)
    stopped = m.root.on(Cause.DC)
    m.set_slot(which + OFFSET["compare_at"], m.select(stopped, NEVER, at))


def look_around(m: AnyMachine) -> None:
    """Before the next instruction: timers, interrupt lines, mode, and an interrupt if one is due (``state.trap``)."""
    for _ in m.when(m.state.perf_on != 0):
        m.call(counters.synchronise)
        m.call(update_mode)
        m.call(counters.look)
    m.call(settle)
    m.call(update_mode)
    m.call(take_interrupt)


def settle(m: AnyMachine) -> None:
    """Bring Cause up to date: Compare matches that have come, and the lines."""
    s = m.state
    for which, file in ((0, m.root), (1, m.guest)):
        at = OFFSET["compare_at"] + which
        for _ in m.when(~s.ticks.below(m.slot(at))):
            file.put(Cause.TI, 1)
            m.set_slot(at, m.slot(at) + m.const(1 << 32).shl(s.count_shift))
    m.call(update_lines)


def update_lines(m: AnyMachine) -> None:
    """Cause.IP of both contexts from what drives it (mips.md 7.6)."""
    s = m.state
    outside = m.var(s.irq_lines)
    lines = m.var(outside.value | m.call(own_lines, m.const(ROOT_FILE)))
    for _ in m.when(m.root.on(Config3.VEIC)):
        outside.value, lines.value = m.const(0), m.call(requested_level).shl(LEVEL_AT)
    m.root[Cause] = m.root[Cause] & ~HARDWARE_LINES | (lines.value & HARDWARE_LINES)
    for _ in m.when(s.has_vz != 0):
        passed = outside.value & m.root.get(GuestCtl0.PIP).shl(10)
        virtual = m.root.get(GuestCtl2.VIP).shl(10)
        timer = m.call(own_lines, m.const(GUEST_FILE)) & HARDWARE_LINES
        m.guest[Cause] = m.guest[Cause] & ~HARDWARE_LINES | passed | virtual | s.guest_ip | timer


def take_interrupt(m: AnyMachine) -> None:
    """An interrupt that is due, but not before an access that a device has answered is finished: it happens once."""
    s = m.state
    finished = s.io_ready == 0
    for _ in m.when(s.nmi != 0):
        for _ in m.when(~m.root.on(Debug.DM) & finished):
            m.call(exception.enter_nmi)
    root_due = m.call(due, m.const(ROOT_FILE))
    for _ in m.when(m.call(waiting, m.const(ROOT_FILE)) != 0):
        s.halted = 0                                   # WII: a masked-by-IE interrupt ends WAIT as well
    for _ in m.when((root_due != 0) & ~m.root.on(Debug.DM) & finished):
        s.trap = ExcCode.Int + 1
        s.trap_root = s.in_guest
    for _ in m.otherwise():
        for _ in m.when(watchpoints.deferred(m) & finished):
            s.trap = ExcCode.Watch + 1
        for _ in m.when((s.in_guest != 0) & finished):
            for _ in m.when(m.call(due, m.const(GUEST_FILE)) != 0):
                s.trap = ExcCode.Int + 1
