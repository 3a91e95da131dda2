"""The watchdogs of a GIC: each VP's counts down and then interrupts.

Once, or again and again (PIT), or a second time that resets the machine.  A write of its configuration with START begins
anew; the two bits that say what happened are cleared by ones.  It counts on while its VP waits or is debugged, as it would
with bits 5 (NWAIT) and 4 (DEBUG) set, which are kept.
Invariant: ``end`` is the moment, as the GIC counts them, at which the count is 0, or 0 while it stands.
(MIPS multiprocessing system programmer's guides, Global Interrupt Controller.  Two drivers that know nothing of each other
have WD_CONFIG's fields there: Imagination's clock event device for Linux, "mti,gic-watchdog-timer", and Lantiq's watchdog
of the GRX500; Linux's arch/mips/include/asm/mips-gic.h does not name them.)
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from vmm.engine.engine import MAX_CPUS
from vmm.guest.devices.time import Clock
from vmm.guest.devices.window import copied, words

START, TYPE, TYPE_ONES, INTR, RESET, KEPT = 1, 1, 7, 1 << 6, 1 << 7, 0x3F
ONCE, TWICE, AGAIN = range(3)
"""What it does when its count has come to an end (TYPE)."""


class Watchdogs:
    @dataclass(slots=True)
    class State:
        config: list[int] = words(MAX_CPUS, 8)
        initial: list[int] = words(MAX_CPUS, 32)
        left: list[int] = words(MAX_CPUS, 32)               # the count while it stands
        end: list[int] = words(MAX_CPUS, 64)

    def __init__(self, clocks: Sequence[Clock], ns_per_count: int, moment: Callable[[], int],
                 interrupt: Callable[[int, bool], None], reset: Callable[[int], None]) -> None:
        """``moment``: now, in counts.  ``interrupt`` is told whether a VP's is pending."""
        self._ns_per_count, self._moment, self._interrupt, self._reset = ns_per_count, moment, interrupt, reset
        self.state = self.State()
        self._alarms = [clock.alarm(partial(self._barked, vp)) for vp, clock in enumerate(clocks)]

    def count(self, vp: int) -> int:
        end = self.state.end[vp]
        return max(0, end - self._moment()) if end else self.state.left[vp]

    def configure(self, vp: int, value: int) -> None:
        state = self.state
        happened = state.config[vp] & (INTR | RESET) & ~value
        state.config[vp] = value & KEPT | happened
        if value & START:
            state.end[vp] = self._moment() + max(1, state.initial[vp])
        else:
            state.left[vp], state.end[vp] = self.count(vp), 0
        self._await(vp)
        self._interrupt(vp, bool(happened & INTR))

    def _await(self, vp: int) -> None:
        end = self.state.end[vp]
        if end:
            self._alarms[vp].start(end * self._ns_per_count)
        else:
            self._alarms[vp].cancel()

    def _barked(self, vp: int) -> None:
        """The count has come to its end."""
        state = self.state
        kind = state.config[vp] >> TYPE & TYPE_ONES
        if kind == TWICE and state.config[vp] & INTR:
            state.config[vp] |= RESET
            self._reset(vp)
        state.config[vp] |= INTR
        if kind == ONCE:
            state.left[vp] = state.end[vp] = 0
        else:
            state.end[vp] += max(1, state.initial[vp])
        self._await(vp)
        self._interrupt(vp, True)

    # -- snapshots -----------------------------------------------------------------------------------------------------
    def save(self) -> State:
        return copied(self.state)

    def restore(self, state: State) -> None:
        self.state = copied(state)
        for vp in range(len(self._alarms)):
            self._await(vp)
