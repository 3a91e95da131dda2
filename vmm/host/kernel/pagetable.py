"""Page tables in simulated RAM, in the layout the refill code reads.  (rows MM-2, MM-3, section 12; Linux R4K style)

A PTE is ``physical page | flags``: software bits lowest, then RI/XI, then EntryLo's G V D C, so that a right shift by
4 and a rotation by 2 make an EntryLo with RI/XI, and a shift by 6 one without.  A directory entry is the kernel
address of the next table.  Invariant: a directory entry that leads nowhere holds the shared invalid table of its
level, never zero, so the walk needs no test.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from sys import byteorder

from vmm.host.kernel.memory import PageAllocator, kernel_address, physical_address


class Pte(IntEnum):
    """Bits, as plain ints: a PTE is more than flags."""
    PRESENT = 1 << 0
    WRITE = 1 << 1
    ACCESSED = 1 << 2
    MODIFIED = 1 << 3
    NO_EXEC = 1 << 4
    NO_READ = 1 << 5
    GLOBAL = 1 << 6
    VALID = 1 << 7
    DIRTY = 1 << 8
    CACHE = 7 << 9
    CACHED = 3 << 9
    READABLE = VALID | ACCESSED
    WRITEABLE = DIRTY | WRITE | MODIFIED


ENTRYLO_SHIFT = 6
"""From a PTE to an EntryLo without RI/XI."""
RIXI_SHIFT, RIXI_ROTATE = 4, 2
"""The same with RI/XI: shift the software bits out, then rotate RI/XI to the top."""

_FLAGS = 0xFFF


def pfn_of(pte: int) -> int:
    """The physical address of a PTE's page."""
    return pte & ~_FLAGS


def entry_lo(pte: int, *, rixi: bool) -> int:
    """What the refill code makes of a PTE, as the machine keeps it: RI and XI in bits 63 and 62."""
    if not rixi:
        return pte >> ENTRYLO_SHIFT
    flags = pte >> RIXI_SHIFT
    return flags >> RIXI_ROTATE | (flags & (1 << RIXI_ROTATE) - 1) << 64 - RIXI_ROTATE


def mkclean(pte: int) -> int:
    return pte & ~(Pte.MODIFIED | Pte.DIRTY)


def mkold(pte: int) -> int:
    return pte & ~(Pte.ACCESSED | Pte.VALID)


def wrprotect(pte: int) -> int:
    return pte & ~(Pte.WRITE | Pte.DIRTY)


def mkyoung(pte: int) -> int:
    return pte | Pte.READABLE


def mkdirty(pte: int) -> int:
    return pte | (Pte.MODIFIED | Pte.DIRTY if pte & Pte.WRITE else Pte.MODIFIED)


@dataclass(frozen=True)
class Geometry:
    """How a virtual address is cut: 2 levels on a 32-bit host, 3 on a 64-bit one; a table is one page."""

    page_shift: int
    word: int

    @cached_property
    def page_size(self) -> int:
        return 1 << self.page_shift

    @cached_property
    def word_shift(self) -> int:
        return 2 if self.word == 4 else 3

    @cached_property
    def index_bits(self) -> int:
        """Entries of a full table, as a power of two."""
        return self.page_shift - self.word_shift

    @cached_property
    def shifts(self) -> tuple[int, ...]:
        """Lowest address bit of each level's index, from the directory down to the PTEs."""
        levels = 2 if self.word == 4 else 3
        return tuple(self.page_shift + self.index_bits * level for level in reversed(range(levels)))

    @cached_property
    def coverage(self) -> int:
        """Address bits that the whole tree covers."""
        return min(self.shifts[0] + self.index_bits, 32 if self.word == 4 else 64)

    def indexes(self, va: int) -> tuple[int, ...]:
        mask = (1 << self.index_bits) - 1
        return tuple(va >> shift & mask for shift in self.shifts)


class InvalidTables:
    """The shared tables that mean "nothing here", one a level below the directory; they stay as made."""

    def __init__(self, pages: PageAllocator, geometry: Geometry) -> None:
        self.by_level: list[int] = [pages.alloc()]  # PTE level: zeros
        for _ in geometry.shifts[1:-1]:
            table = pages.alloc()
            fill_table(pages, geometry, table, self.by_level[0])
            self.by_level.insert(0, table)

    def below(self, level: int) -> int:
        """What an empty entry of the table at ``level`` (0 is the directory) points to."""
        return self.by_level[level]


def fill_table(pages: PageAllocator, geometry: Geometry, table: int, target: int) -> None:
    pointer = kernel_address(target) & (1 << 8 * geometry.word) - 1
    pages.ram.store(table, geometry.word, pointer)
    one = pages.ram.read(table, geometry.word)
    pages.ram.write(table, one * (pages.page_size // geometry.word))


def _native(raw: bytes) -> int:
    """As a memoryview of this computer shows it."""
    return int.from_bytes(raw, byteorder)


class PageTable:
    """One tree; ``pgd`` is the physical address of its directory."""

    def __init__(self, pages: PageAllocator, geometry: Geometry, invalid: InvalidTables) -> None:
        self.pages, self.geometry, self.invalid = pages, geometry, invalid
        self.pgd = pages.alloc()
        fill_table(pages, geometry, self.pgd, invalid.below(0))
        self._empty = [*(_native(pages.ram.read(table, geometry.word)) for table in (self.pgd, *invalid.by_level[:-1])), 0]

    def slot(self, va: int, *, allocate: bool = False) -> int | None:
        """Physical address of the PTE of ``va``, or None where no table is and none may be made (MM-2)."""
        if va >> self.geometry.coverage:
            return None
        word, table = self.geometry.word, self.pgd
        *upper, last = self.geometry.indexes(va)
        for level, index in enumerate(upper):
            entry = table + index * word
            below = self._follow(entry)
            if below == self.invalid.below(level):
                if not allocate:
                    return None
                below = self._new_table(level + 1)
                self.pages.ram.store(entry, word, kernel_address(below) & (1 << 8 * word) - 1)
            table = below
        return table + last * word

    def get(self, va: int) -> int:
        """The PTE of ``va``; 0 where there is none."""
        slot = self.slot(va)
        return 0 if slot is None else self.pages.ram.load(slot, self.geometry.word)

    def put(self, va: int, pte: int) -> None:
        slot = self.slot(va, allocate=True)
        if slot is None:
            raise ValueError(f"address {va:#x} has no place in a page table of {self.geometry.coverage} bits")
        self.pages.ram.store(slot, self.geometry.word, pte)

    def present(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """(va, PTE) of every present page in [start, end); tables that are not there cost nothing."""
        yield from self._present(self.pgd, 0, 0, start, end)

    def clear(self, start: int, end: int) -> bool:
        """Drop the PTEs of [start, end) and free tables that became empty; was any present?  (MM-3)"""
        found = [va for va, _ in self.present(start, end)]
        for va in found:
            self.put(va, 0)
        self._prune(self.pgd, 0, 0, start, end)
        return bool(found)

    def clear_pair(self, va: int) -> None:
        """Drop the PTEs of the page pair that one TLB entry maps (MM-16)."""
        pair = va & -(2 * self.pages.page_size)
        for page in (pair, pair + self.pages.page_size):
            slot = self.slot(page)
            if slot is not None:
                self.pages.ram.store(slot, self.geometry.word, 0)

    def free(self) -> None:
        """Give every page of the tree back; the tree must not be used again."""
        self.clear(0, 1 << self.geometry.coverage)
        self.pages.free(self.pgd)

    def _follow(self, entry: int) -> int:
        return physical_address(self.pages.ram.load(entry, self.geometry.word))

    def _new_table(self, level: int) -> int:
        table = self.pages.alloc()
        if level < len(self.geometry.shifts) - 1:
            fill_table(self.pages, self.geometry, table, self.invalid.below(level))
        return table

    def _children(self, table: int, level: int, base: int, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """(address of the entry, table below, first va) of the live entries that meet [start, end)."""
        span = 1 << self.geometry.shifts[level]
        first = max(0, (start - base) // span)
        last = min(1 << self.geometry.index_bits, -(-(end - base) // span))
        for index in self._used(table, level, first, last):
            entry = table + index * self.geometry.word
            yield entry, self._follow(entry), base + index * span

    def _used(self, table: int, level: int, first: int, last: int) -> list[int]:
        """The indexes from ``first`` to before ``last`` of entries that are not empty."""
        word, empty = self.geometry.word, self._empty[level]
        raw = self.pages.ram.read(table + first * word, max(0, last - first) * word)
        return [first + n for n, entry in enumerate(memoryview(raw).cast("Q" if word == 8 else "I")) if entry != empty]

    def _present(self, table: int, level: int, base: int, start: int, end: int) -> Iterator[tuple[int, int]]:
        if level < len(self.geometry.shifts) - 1:
            for _, below, va in self._children(table, level, base, start, end):
                yield from self._present(below, level + 1, va, start, end)
            return
        size, word = self.pages.page_size, self.geometry.word
        first, last = max(0, (start - base) // size), min(1 << self.geometry.index_bits, -(-(end - base) // size))
        for index in self._used(table, level, first, last):
            pte = self.pages.ram.load(table + index * word, word)
            if pte & Pte.PRESENT:
                yield base + index * size, pte

    def _prune(self, table: int, level: int, base: int, start: int, end: int) -> None:
        """Free the tables under ``table`` whose whole range lies in [start, end)."""
        if level == len(self.geometry.shifts) - 1:
            return
        span = 1 << self.geometry.shifts[level]
        empty = kernel_address(self.invalid.below(level)) & (1 << 8 * self.geometry.word) - 1
        for entry, below, va in list(self._children(table, level, base, start, end)):
            self._prune(below, level + 1, va, start, end)
            if start <= va and va + span <= end:
                self.pages.ram.store(entry, self.geometry.word, empty)
                self.pages.free(below)
