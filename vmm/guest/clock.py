"""A board's virtual time, for its devices: now, alarms, and time that runs ahead while a guest only waits.

**The rule of polling.**  A guest may wait for a register that time alone changes, such as the clock's
update-in-progress bit, by reading it over and over.  When it has read the same register ``PATIENCE`` times, no more
than ``GAP_NS`` apart, and the register would change at the same moment each time, the next read lets virtual time run
ahead to that moment, or to the CPU's own next timer event if that comes first.  Only what the guest does decides, so
the same run has the same skips.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from vmm.host.kernel.timers import Timer, TimerQueue

PATIENCE = 16
GAP_NS = 50_000


@dataclass(slots=True)
class Watch:
    """How often a register was read while its next change was at ``edge_ns``."""
    edge_ns: int
    last_ns: int
    reads: int = 1


class BoardClock:
    """What it remembers is part of a snapshot: without it, the next skip would come later."""

    def __init__(self, timers: TimerQueue, now_ns: Callable[[], int], run_ahead: Callable[[int], None]) -> None:
        """``run_ahead``: let time pass to this nanosecond, or to what the machine must do before."""
        self._timers, self._now_ns, self._run_ahead = timers, now_ns, run_ahead
        self._watches: dict[str, Watch] = {}
        self.skips = 0

    def now_ns(self) -> int:
        return self._now_ns()

    def alarm(self, call: Callable[[], None]) -> Timer:
        return self._timers.timer(call)

    def polled(self, register: str, edge_ns: int) -> None:
        now = self._now_ns()
        watch = self._watches.get(register)
        if watch is None or watch.edge_ns != edge_ns or now - watch.last_ns > GAP_NS:
            self._watches[register] = Watch(edge_ns, now)
            return
        watch.last_ns = now
        watch.reads += 1
        if watch.reads > PATIENCE and edge_ns > now:
            self.skips += 1
            self._run_ahead(edge_ns)
            watch.last_ns = self._now_ns()

    def save(self) -> dict[str, Watch]:
        return {register: replace(watch) for register, watch in self._watches.items()}

    def restore(self, watches: dict[str, Watch]) -> None:
        self._watches = {register: replace(watch) for register, watch in watches.items()}
