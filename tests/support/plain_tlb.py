"""An MMU that one can believe: pairs of pages by number, the oldest goes first.  (rows HM-8, HM-10, HM-47..HM-51)

A window is a wired entry that any CPU state sees, and that only GINVT under its number, 0, can take away.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vmm.host.kernel.mmids import KERNEL_WIRED, Ginvt

PAIR_SHIFT = 13
SIZE = 24


class PlainMmu:
    """``everyone``: all CPUs' MMUs; ``siblings``: those whose entries this one sees, too."""

    def __init__(self, everyone: Sequence[PlainMmu], siblings: Sequence[int]) -> None:
        self.everyone, self.siblings = everyone, siblings
        self.entries: dict[tuple[int, int], int] = {}
        self.kernel: dict[int, int] = {}                   # global entries
        self.windows: list[tuple[int, int]] = []
        self.number, self.space = 0, None
        self.powered = True

    def look(self, pair: int) -> int | None:
        for mmu in (self, *(self.everyone[n] for n in self.siblings)):
            frame = mmu.entries.get((self.number, pair))
            if frame is not None:
                return frame
        return None

    def fill(self, pair: int, frame: int) -> None:
        if len(self.entries) == SIZE:
            del self.entries[next(iter(self.entries))]
        self.entries[self.number, pair] = frame

    def ginvt(self, how: int, va: int) -> None:
        for mmu in self.everyone:
            if how == Ginvt.ALL:
                mmu.flush_all()
            elif how == Ginvt.SPACE:
                mmu.entries = {key: frame for key, frame in mmu.entries.items() if key[0] != self.number}
            else:
                mmu.entries.pop((self.number, va >> PAIR_SHIFT), None)
            if how != Ginvt.ALL and self.number == KERNEL_WIRED:
                mmu.windows.clear()

    def flush_all(self) -> None:
        self.entries.clear()
        self.kernel.clear()

    def flush_page(self, va: int, number: int) -> None:
        self.entries.pop((number, va >> PAIR_SHIFT), None)
        self.kernel.pop(va >> PAIR_SHIFT, None)

    def is_long(self, start: int, end: int) -> bool:
        return (end - 1 >> PAIR_SHIFT) - (start >> PAIR_SHIFT) >= SIZE // 8

    def flush_range(self, start: int, end: int, number: int) -> bool:
        if not self.is_long(start, end):
            for pair in range(start >> PAIR_SHIFT, (end - 1 >> PAIR_SHIFT) + 1):
                self.flush_page(pair << PAIR_SHIFT, number)
        return not self.is_long(start, end)

    def loaded(self) -> Any:
        return self.space

    def load(self, space: Any) -> None:
        self.space = space

    def mmid(self) -> int:
        return self.number

    def set_mmid(self, number: int) -> None:
        self.number = number

    set_asid = set_mmid

    def nothing(self, *args: Any) -> None:
        """Invalidations are done at once, nothing walks, nobody counts."""

    sync_ginv = stop_walker = start_walker = note_calls = nothing
