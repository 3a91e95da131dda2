"""High-resolution timers of the host, in virtual nanoseconds.

Invariant: timers of one instant fire in the order in which they were started; a callback runs exactly once, and not
after its timer was cancelled.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush

Call = Callable[[], None]


@dataclass(order=True, slots=True)
class _Alarm:
    when_ns: int
    order: int
    timer: Timer = field(compare=False)


class Timer:
    """One timer: at most one expiry is outstanding."""

    def __init__(self, queue: TimerQueue, call: Call) -> None:
        self._queue, self._call = queue, call
        self.expires_ns: int | None = None
        self._order = -1

    @property
    def active(self) -> bool:
        return self.expires_ns is not None

    def start(self, when_ns: int) -> None:
        """At ``when_ns``; what was set before is forgotten."""
        self.expires_ns = when_ns
        self._order = self._queue.push(when_ns, self)

    def cancel(self) -> bool:
        """Was it active?"""
        was, self.expires_ns = self.active, None
        return was

    def fire(self, order: int) -> None:
        """For the queue; alarms of an earlier start are stale."""
        if self.active and order == self._order:
            self.expires_ns = None
            self._call()

    def is_current(self, order: int) -> bool:
        return self.active and order == self._order


class TimerQueue:
    def __init__(self) -> None:
        self._alarms: list[_Alarm] = []
        self._started = 0

    def timer(self, call: Call) -> Timer:
        return Timer(self, call)

    def push(self, when_ns: int, timer: Timer) -> int:
        self._started += 1
        heappush(self._alarms, _Alarm(when_ns, self._started, timer))
        return self._started

    def next_ns(self) -> int | None:
        """When the next callback is due."""
        while self._alarms and not self._alarms[0].timer.is_current(self._alarms[0].order):
            heappop(self._alarms)
        return self._alarms[0].when_ns if self._alarms else None

    def fire_due(self, now_ns: int) -> int:
        """Run what is due; how many ran."""
        fired = 0
        while (when := self.next_ns()) is not None and when <= now_ns:
            alarm = heappop(self._alarms)
            alarm.timer.fire(alarm.order)
            fired += 1
        return fired
