"""Breakpoints and watchpoints by process, and what the engine must be told of them.

The engine knows addresses only; it is here that a stop gets its meaning.  Invariant: what ``breaks`` and ``watches``
give covers both forms of every address (``vmm.debug.addresses``) and fits into the engine.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vmm.arch.state import BREAK_CAPACITY, WATCH_CAPACITY
from vmm.debug.addresses import forms
from vmm.engine.cpu import Watch
from vmm.gdbstub.target import BreakHit, BreakKind, TargetError, WatchHit

LAST = (1 << 64) - 1
RESERVED_BREAKS = 16
"""For ourselves: the entries of guests that must not run."""
LOADS = frozenset({BreakKind.READ, BreakKind.ACCESS})
STORES = frozenset({BreakKind.WRITE, BreakKind.ACCESS})


@dataclass(frozen=True, slots=True)
class Point:
    kind: BreakKind
    address: int
    size: int
    pid: int

    @property
    def is_watch(self) -> bool:
        return self.kind in LOADS | STORES


class Points:
    def __init__(self, bits: int) -> None:
        self._bits = bits
        self._points: dict[Point, None] = {}    # a dict for its order

    def add(self, point: Point) -> None:
        self._points[point] = None
        if len(self.watches()) > WATCH_CAPACITY or len(self.breaks()) > BREAK_CAPACITY - RESERVED_BREAKS:
            del self._points[point]
            raise TargetError(f"one more than fits: the machine has {BREAK_CAPACITY - RESERVED_BREAKS} breakpoints and "
                              f"{WATCH_CAPACITY} watchpoints; delete some")

    def remove(self, point: Point) -> None:
        self._points.pop(point, None)

    def breaks(self) -> set[int]:
        return {form for point in self._points if not point.is_watch for form in forms(point.address, self._bits)}

    def watches(self) -> list[Watch]:
        return [Watch(first, min(first + max(point.size, 1) - 1, LAST), point.kind in LOADS, point.kind in STORES)
                for point in self._points if point.is_watch for first in forms(point.address, self._bits)]

    def hit(self, pid: int, pc: int) -> BreakHit | None:
        """The breakpoint of this process at ``pc``."""
        for point in self._points:
            if not point.is_watch and point.pid == pid and pc in forms(point.address, self._bits):
                return BreakHit(point.kind)
        return None

    def access(self, pid: int, first: int, size: int, *, is_store: bool) -> WatchHit | None:
        """The watchpoint of this process that an access of ``size`` bytes meets; its address as the client said it."""
        for point, start in self._watched(pid):
            if point.kind in (STORES if is_store else LOADS) and first < start + point.size and start < first + size:
                return WatchHit(point.kind, point.address)
        return None

    def _watched(self, pid: int) -> Iterator[tuple[Point, int]]:
        for point in self._points:
            if point.is_watch and point.pid == pid:
                for start in forms(point.address, self._bits):
                    yield point, start
