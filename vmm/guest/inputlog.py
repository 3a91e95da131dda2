"""What came from outside the simulation, and when: keys, and whatever else a port of the board takes in.

A run is decided by its image, its options and this.  Invariant: an entrance is the only way in, and it is used between
two runs of the engine only; so who enters the same data at the same ticks again gets the same run.  (What a debugger
changes is not here: it may be anything.)
"""
from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

Receiver = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Input:
    """``ticks``: virtual time, in which ``retired`` instructions have been executed."""
    ticks: int
    retired: int
    port: str
    data: bytes


class InputLog:
    def __init__(self, now: Callable[[], tuple[int, int]], keep: int = 0) -> None:
        """``now``: ticks and instructions so far.  ``keep``: how many of the last entries are remembered."""
        self._now = now
        self._receivers: dict[str, Receiver] = {}
        self.entries: deque[Input] = deque(maxlen=keep)

    def keep(self, most: int) -> None:
        self.entries = deque(self.entries, maxlen=most)

    def entrance(self, port: str, receive: Receiver) -> Receiver:
        """The way in to a port: what to call with what has arrived for it."""
        if port in self._receivers:
            raise ValueError(f"port {port!r} has an entrance already")
        self._receivers[port] = receive

        def enter(data: bytes) -> None:
            ticks, retired = self._now()
            self.entries.append(Input(ticks, retired, port, data))
            receive(data)
        return enter

    def again(self, entry: Input) -> None:
        """Let in once more what an earlier run took; the caller has run to the entry's tick."""
        self._receivers[entry.port](entry.data)
