"""The software TLB of a trap-and-emulate guest: 64 entries, searched in order (C0-23).

Invariant: entries hold what the guest wrote; nothing of the host is in them.
"""
from __future__ import annotations

from dataclasses import dataclass

from vmm.arch.cp0.registers import EntryHi, EntryLo0

ENTRIES = 64
WORD = 0xFFFF_FFFF
VPN2 = EntryHi.VPN2.mask & WORD
SMALLEST = 0x1FFF
"""Address bits below VPN2."""
PAGE_MASK = 0x1FFF_E000
"""What of PageMask a core without big pages has: up to 256 MiB."""
PFN_SHIFT = 6
"""From EntryLo to a physical address: PFN is bits 6 and up, pages are 4 KiB and up."""
PFN = EntryLo0.PFN.mask & 0x3FFF_FFFF


@dataclass(frozen=True, slots=True)
class Half:
    """One page of an entry: what EntryLo says, and where an address in it leads."""
    entry_lo: int
    physical: int

    @property
    def valid(self) -> bool:
        return bool(self.entry_lo & EntryLo0.V.mask)

    @property
    def dirty(self) -> bool:
        return bool(self.entry_lo & EntryLo0.D.mask)


@dataclass(frozen=True, slots=True)
class Entry:
    page_mask: int = 0
    entry_hi: int = 0
    entry_lo0: int = 0
    entry_lo1: int = 0

    @property
    def pair_mask(self) -> int:
        """Address bits inside the pair of pages."""
        return self.page_mask & PAGE_MASK | SMALLEST

    @property
    def start(self) -> int:
        return self.entry_hi & VPN2 & ~self.pair_mask

    @property
    def end(self) -> int:
        return self.start + self.pair_mask + 1

    @property
    def page_size(self) -> int:
        return self.pair_mask + 1 >> 1

    @property
    def ever_valid(self) -> bool:
        return bool((self.entry_lo0 | self.entry_lo1) & EntryLo0.V.mask)

    def matches(self, address: int, asid: int) -> bool:
        if (self.entry_hi ^ address) & VPN2 & ~self.pair_mask:
            return False
        is_global = self.entry_lo0 & self.entry_lo1 & EntryLo0.G.mask
        return bool(is_global) or EntryHi.ASID.of(self.entry_hi) == asid

    def half(self, address: int, page_size: int | None = None) -> Half:
        """The page that holds an address; ``page_size`` overrides the entry's own (the original's rule)."""
        size = page_size or self.page_size
        entry_lo = self.entry_lo1 if address & size else self.entry_lo0
        frame = (entry_lo & PFN) << PFN_SHIFT
        return Half(entry_lo, frame & ~(size - 1) | address & size - 1)


class GuestTlb:
    def __init__(self) -> None:
        self.entries = [Entry()] * ENTRIES

    def __getitem__(self, index: int) -> Entry:
        return self.entries[index]

    def __setitem__(self, index: int, entry: Entry) -> None:
        self.entries[index] = entry

    def find(self, address: int, asid: int) -> int | None:
        """Index of the first match."""
        for index, entry in enumerate(self.entries):
            if entry.matches(address, asid):
                return index
        return None

    def lookup(self, address: int, asid: int) -> Entry | None:
        index = self.find(address, asid)
        return None if index is None else self.entries[index]
