"""TLB maintenance on the local CPU.  (rows HM-47..HM-51 local part, TL-1, TL-4, TL-6..TL-8)

A *number* is what entries of a space carry: an ASID in EntryHi, or an MMID where the host has these (``by_mmid``).
Entries are made invalid where the core can do that (EHINV), else by giving them an address that no translation ever asks
for, a different one per index, so that no two entries can match (``unique``).
Invariant: wired entries survive everything here but ``write``.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vmm.arch.cp0.registers import Config4, Wired
from vmm.host.kernel.cpu import Cpu, Tlb

CKSEG0 = 0xFFFFFFFF_80000000
CKSEG1 = 0xFFFFFFFF_A0000000
GLOBAL = 1
LARGE_RANGE_DIVISOR, LARGE_RANGE_DIVISOR_FTLB = 2, 8
"""A range of more page pairs than this part of the TLB is dropped by a new ASID (HM-48)."""

MakeEntry = Callable[..., Any]
"""The machine's TlbEntry: entry_hi, page_mask, entry_lo0, entry_lo1, guest_id, ehinv, mmid by keyword."""


def pair_mask(page_mask: int) -> int:
    """Address bits inside the page pair that an entry maps."""
    return page_mask | 0x1FFF


class HostTlb:
    """The root TLB of one CPU and, on VZ cores, its guest TLB as root sees it."""

    def __init__(self, cpu: Cpu, page_shift: int, make_entry: MakeEntry, set_pgd: Callable[[int], None], *,
                 tlbinv: bool, by_mmid: bool = False) -> None:
        self.cpu, self.page_shift, self.tlbinv, self.by_mmid = cpu, page_shift, tlbinv, by_mmid
        self.make_entry = make_entry
        self.set_pgd = set_pgd
        self.flushes = self.overwritten = self._fills = 0

    def unique(self, index: int, base: int = CKSEG0) -> Any:
        """An entry at ``index`` that matches nothing."""
        return self.make_entry(entry_hi=base + (index << self.page_shift + 1), page_mask=0, entry_lo0=0, entry_lo1=0,
                               guest_id=0, ehinv=self.tlbinv)

    def write(self, index: int, va: int, entry_lo0: int, entry_lo1: int, *, guest_id: int = 0, mmid: int = 0) -> None:
        """Write the pair that holds ``va``, host page size, under a GuestID, and the ASID in ``va`` or ``mmid``."""
        page_mask = (1 << self.page_shift + 1) - 1 & ~0x1FFF
        self.cpu.tlb[index] = self.make_entry(entry_hi=va, page_mask=page_mask, entry_lo0=entry_lo0,
                                              entry_lo1=entry_lo1, guest_id=guest_id, ehinv=False,
                                              mmid=mmid)

    def probe(self, va: int, number: int, guest_id: int = 0) -> int | None:
        """The index of the entry that translates ``va``, as TLBP finds it."""
        return self.cpu.tlb.find(va, number, guest_id)

    @property
    def parts(self) -> int:
        """How many writes of Index empty it: TLBINVF takes the VTLB at once, then a set of the FTLB (HM-47)."""
        entries = self.cpu.tlb
        if not self.tlbinv:
            return len(entries)
        return 1 + (1 << Config4(self.cpu.root[Config4]).FTLBSets if len(entries) > entries.variable else 0)

    def flush_all(self) -> None:
        """Every entry that is not wired (HM-47)."""
        self.flushes += 1
        self._flush(self.cpu.tlb, self.cpu.root[Wired] & 0xFFFF, CKSEG0)

    def _flush(self, entries: Tlb, start: int, base: int) -> None:
        if self.tlbinv:
            entries.clear(start)
        else:
            entries.write_each((index, self.unique(index, base)) for index in range(start, len(entries)))

    def flush_page(self, va: int, number: int, guest_id: int = 0) -> bool:
        """One page pair; was there an entry?  (TL-1, HM-49)"""
        index = self.probe(va, number, guest_id)
        if index is None:
            return False
        self.cpu.tlb[index] = self.unique(index)
        self.overwritten += 1
        return True

    def pairs(self, start: int, end: int) -> range:
        pair = 2 << self.page_shift
        return range(start & -pair, end, pair)

    def is_long(self, start: int, end: int) -> bool:
        """[start, end) has so many pages that a new ASID is cheaper than a probe for each pair (HM-48)."""
        entries = self.cpu.tlb
        divisor = LARGE_RANGE_DIVISOR if len(entries) == entries.variable else LARGE_RANGE_DIVISOR_FTLB
        return len(self.pairs(start, end)) > len(entries) // divisor

    def flush_range(self, start: int, end: int, number: int) -> bool:
        """The pages of [start, end); False, with nothing done, where that ``is_long``."""
        if self.is_long(start, end):
            return False
        for va in self.pairs(start, end):
            self.flush_page(va, number)
        return True

    def update(self, va: int, number: int, entry_lo0: int, entry_lo1: int, victim: int) -> None:
        """Put a translation where TLBWI would on a hit, else at ``victim``, as TLBWR would (HM-50)."""
        index = self.probe(va, number)
        hi = va & ~((1 << self.page_shift + 1) - 1)
        at = victim if index is None else index
        if self.by_mmid:
            self.write(at, hi, entry_lo0, entry_lo1, mmid=number)
        else:
            self.write(at, hi | number, entry_lo0, entry_lo1)

    def fill(self, va: int, number: int, entry_lo0: int, entry_lo1: int) -> None:
        """The same with a victim by turns, of those that any page fits into and that are not wired."""
        wired = self.cpu.root[Wired] & 0xFFFF
        self._fills += 1
        self.update(va, number, entry_lo0, entry_lo1, wired + self._fills % (self.cpu.tlb.variable - wired))

    def add_wired(self, va: int, entry_lo0: int, entry_lo1: int) -> int:
        """A translation that no replacement takes; its index.  With MMIDs it is number 0's, nobody's else (HM-8, HM-51)."""
        index = self.push_wired(va, entry_lo0, entry_lo1)
        self.flush_all()
        return index

    def push_wired(self, va: int, entry_lo0: int, entry_lo1: int) -> int:
        """The same for a window that the kernel looks through for a moment: what else is in the TLB stays."""
        index = self.cpu.root[Wired] & 0xFFFF
        size = self.cpu.tlb.variable
        if index + 1 >= size:
            raise ValueError(f"wired entry {index} asked of a TLB of {size}: one must stay for refills")
        self.cpu.root[Wired] = self.cpu.root[Wired] & ~0xFFFF | index + 1
        self.write(index, va, entry_lo0, entry_lo1)
        return index

    def pop_wired(self) -> None:
        """The window that was pushed last."""
        index = (self.cpu.root[Wired] & 0xFFFF) - 1
        if index < 0:
            raise ValueError("a wired entry to take back was asked for; there is none")
        self.cpu.root[Wired] = self.cpu.root[Wired] & ~0xFFFF | index
        self.cpu.tlb[index] = self.unique(index)

    def flush_guests(self) -> None:
        """Every root entry that belongs to a guest (TL-6)."""
        entries = self.cpu.tlb
        entries.write_each([(index, self.unique(index)) for index in range(len(entries)) if entries[index].guest_id])

    def flush_guest_tlb(self) -> None:
        """The whole guest TLB, whoever's it is (TL-7)."""
        self._flush(self.cpu.guest_tlb, 0, CKSEG1)
