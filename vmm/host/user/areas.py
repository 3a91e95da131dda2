"""The areas of an address space: which addresses a program may use, for what, and what is there at first.

Invariant: areas are sorted and do not meet; all their bounds are at pages.  (Linux's VMAs)
"""
from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

from vmm.host.user.numbers import Prot


class Contents(Protocol):
    """What pages hold before anybody wrote to them."""

    def page(self, va: int, size: int) -> bytes: ...


@dataclass(slots=True, eq=False)
class Shared:
    """Memory that forked processes have in common: its physical pages by address, and how many address spaces have it.
    With the last of these its pages go, as those of an unlinked file do."""

    pages: dict[int, int] = field(default_factory=dict)
    spaces: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Area:
    """``grows``: a stack, which gets longer downwards when it is used there."""

    start: int
    end: int
    prot: Prot
    contents: Contents | None = None
    shared: Shared | None = None
    grows: bool = False
    name: str = ""


class Areas:
    def __init__(self, areas: list[Area] | None = None) -> None:
        self._areas = list(areas or ())

    def __iter__(self) -> Iterator[Area]:
        return iter(self._areas)

    def copy(self) -> Areas:
        return Areas(self._areas)

    def find(self, va: int) -> Area | None:
        """The area that ``va`` is in."""
        at = bisect_right(self._areas, va, key=lambda area: area.start) - 1
        return self._areas[at] if at >= 0 and va < self._areas[at].end else None

    def growing(self, va: int) -> Area | None:
        """The next area above ``va`` if it is one that grows."""
        at = bisect_right(self._areas, va, key=lambda area: area.start)
        return self._areas[at] if at < len(self._areas) and self._areas[at].grows else None

    def within(self, start: int, end: int) -> list[Area]:
        """The parts of areas that lie in [start, end)."""
        return [replace(area, start=max(area.start, start), end=min(area.end, end))
                for area in self._areas if area.start < end and start < area.end]

    def covers(self, start: int, end: int) -> bool:
        """Every address of [start, end) is in an area."""
        return sum(area.end - area.start for area in self.within(start, end)) == end - start

    def remove(self, start: int, end: int) -> None:
        """[start, end) is in no area any more."""
        kept: list[Area] = []
        for area in self._areas:
            if area.start < end and start < area.end:
                if area.start < start:
                    kept.append(replace(area, end=start))
                if end < area.end:
                    kept.append(replace(area, start=end))
            else:
                kept.append(area)
        self._areas = kept

    def put(self, area: Area) -> None:
        """In place of what was there; with the one before it that could be one with it, it becomes one."""
        self.remove(area.start, area.end)
        at = bisect_right(self._areas, area.start, key=lambda other: other.start)
        before = self._areas[at - 1] if at else None
        if before is not None and before.end == area.start and _alike(before, area):
            self._areas[at - 1] = replace(before, end=area.end)
        else:
            self._areas.insert(at, area)

    def gap(self, size: int, below: int, least: int) -> int | None:
        """The highest ``size`` free bytes under ``below``."""
        end = below
        for area in reversed(self._areas):
            if area.start >= end:
                continue
            if area.end <= end - size:
                break
            end = min(end, area.start)
        return end - size if end - size >= least else None


def _alike(one: Area, other: Area) -> bool:
    return (one.prot, one.contents, one.shared, one.grows, one.name) == (
        other.prot, other.contents, other.shared, other.grows, other.name) and one.contents is None and one.shared is None
