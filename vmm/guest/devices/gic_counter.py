"""The counter of a GIC, which all VPs read, and each VP's comparison with it.

Invariant: it never goes back by itself, though a VP may ask at an earlier moment of its own than another did before; each
VP's comparison is an alarm of that VP's own clock.
(MIPS multiprocessing system programmer's guides, Global Interrupt Controller)
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from vmm.engine.engine import MAX_CPUS
from vmm.guest.devices.time import Clock
from vmm.guest.devices.window import bits, copied, words

NS_PER_COUNT = 10
ONES = (1 << 64) - 1
FAR = 1 << 62
"""A comparison that is more counts away never comes."""


class Counter:
    @dataclass(slots=True)
    class State:
        stopped: bool = False
        offset: int = bits(64)                              # of the counter to time; while it stands, its value
        seen_ns: int = bits(64)                             # the latest moment at which anyone asked
        compare: list[int] = words(MAX_CPUS, 64, ONES)

    def __init__(self, clocks: Sequence[Clock], master: Callable[[], int], pending: Callable[[int, bool], None]) -> None:
        """``master``: the VP that asks.  ``pending`` is told whether a VP's comparison has come."""
        self._clocks, self._master, self._pending = clocks, master, pending
        self.state = self.State()
        self._alarms = [clock.alarm(partial(pending, vp, True)) for vp, clock in enumerate(clocks)]

    @property
    def count(self) -> int:
        state = self.state
        return state.offset if state.stopped else (self.moment() + state.offset) & ONES

    def moment(self) -> int:
        """Time as the counter counts it."""
        state = self.state
        state.seen_ns = max(state.seen_ns, self._clocks[self._master()].now_ns())
        return state.seen_ns // NS_PER_COUNT

    def set_count(self, value: int) -> None:
        """While it counts, this does nothing."""
        if self.state.stopped:
            self.state.offset = value

    def stop(self, stopped: bool) -> None:
        state = self.state
        if stopped != state.stopped:
            now, moment = self.count, self.moment()
            state.stopped, state.offset = stopped, now if stopped else (now - moment) & ONES
            self._await_matches()

    def set_compare(self, vp: int, value: int) -> None:
        self.state.compare[vp] = value
        self._pending(vp, False)
        self._await_match(vp)

    def _await_matches(self) -> None:
        for vp in range(len(self._alarms)):
            self._await_match(vp)

    def _await_match(self, vp: int) -> None:
        state, alarm = self.state, self._alarms[vp]
        ahead = state.compare[vp] - self.count & ONES
        if state.stopped or ahead > FAR:
            alarm.cancel()
        else:
            alarm.start((self.moment() + ahead) * NS_PER_COUNT)

    # -- snapshots -----------------------------------------------------------------------------------------------------
    def save(self) -> State:
        return copied(self.state)

    def restore(self, state: State) -> None:
        self.state = copied(state)
        self._await_matches()
        self.state.seen_ns = state.seen_ns                  # nobody has asked: to set an alarm is no reading
