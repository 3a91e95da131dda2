"""What a device may know of time: the virtual clock, alarms, and how to say that a guest waits for it.

Invariant: a device asks the clock and sets alarms, but no alarm is part of its ``State``: ``restore`` sets it again
from the state, so a snapshot has no callbacks.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

SECOND_NS = 1_000_000_000


class Alarm(Protocol):
    """At most one call is outstanding; ``start`` forgets the one before."""

    def start(self, when_ns: int, /) -> None: ...

    def cancel(self) -> object: ...


class Clock(Protocol):
    def now_ns(self) -> int:
        """Virtual nanoseconds since the machine was switched on."""

    def alarm(self, call: Callable[[], None], /) -> Alarm: ...

    def polled(self, register: str, edge_ns: int, /) -> None:
        """A time-driven register is about to be read; what it shows changes at ``edge_ns`` and not before."""
