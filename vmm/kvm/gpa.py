"""Guest-physical to host-physical: the VM's second-stage page table.  (rows MM-2..MM-9, MM-18)

Invariant: a PTE exists only for a page of a slot; it is writable only in a writable slot, and dirty (D and MODIFIED)
only if the page was marked in the slot's log, so that the first write to every clean page is seen.
"""
from __future__ import annotations

from collections.abc import Callable

from vmm.host.kernel.contexts import Mm
from vmm.host.kernel.pagetable import Pte, mkclean, mkdirty, mkold, mkyoung, pfn_of
from vmm.kvm.slots import Slot, SlotFlag, SlotTable

_MAPPED = Pte.PRESENT | Pte.READABLE | Pte.CACHED


class GpaSpace:
    """One VM's; ``mm.table`` is what the refill code walks for a VZ guest and what T&E copies from."""

    def __init__(self, mm: Mm, slots: SlotTable, page_size: int) -> None:
        self.mm, self.slots, self.page_size = mm, slots, page_size

    def map_page(self, gpa: int, *, write: bool) -> tuple[int, int] | None:
        """PTEs of the page and of its neighbour in the pair; None: no memory there, or not to write to (MM-9)."""
        page = gpa & -self.page_size
        slot = self.slots.find(gpa)
        if slot is None or page >> self.mm.table.geometry.coverage or write and slot.read_only:
            return None
        pte = self._fast(slot, page, write) or self._slow(slot, page, write)
        return pte, self.pte(page ^ self.page_size)

    def pte(self, gpa: int) -> int:
        return self.mm.table.get(gpa)

    def flush(self, start: int, end: int) -> bool:
        """Drop the PTEs of [start, end) (MM-3); were there any?"""
        return self.mm.table.clear(start, min(end, 1 << self.mm.table.geometry.coverage))

    def make_clean(self, start: int, end: int) -> bool:
        """Write-protect what is dirty, so that the next write is logged (MM-4); did anything change?"""
        return self._change(start, end, mkclean)

    def make_old(self, start: int, end: int) -> bool:
        """MM-4."""
        return self._change(start, end, mkold)

    def _change(self, start: int, end: int, change: Callable[[int], int]) -> bool:
        changed = [(va, change(pte)) for va, pte in self.mm.table.present(start, end) if change(pte) != pte]
        for va, pte in changed:
            self.mm.table.put(va, pte)
        return bool(changed)

    def _fast(self, slot: Slot, page: int, write: bool) -> int:
        """MM-7: the PTE is there and only has to become young or dirty; 0 if it takes the slow path."""
        pte = self.pte(page)
        if not pte & Pte.PRESENT or write and not pte & (Pte.WRITE | Pte.MODIFIED):
            return 0
        new = mkyoung(pte)
        if write and not new & Pte.MODIFIED:
            new = mkdirty(new)
            self._log(slot, page)
        if new != pte:
            self.mm.table.put(page, new)
        return new

    def _slow(self, slot: Slot, page: int, write: bool) -> int:
        """MM-8: a new PTE; a page that was only read is clean, so that its first write traps."""
        pte = slot.host_of(page) | _MAPPED
        if not slot.read_only:
            pte |= Pte.WRITE
        if write:
            pte |= Pte.DIRTY | Pte.MODIFIED
            self._log(slot, page)
        self.mm.table.put(page, pte)
        assert pfn_of(pte) == slot.host_of(page)
        return pte

    def _log(self, slot: Slot, page: int) -> None:
        if slot.flags & SlotFlag.LOG_DIRTY:
            slot.dirty.add((page - slot.guest) // self.page_size)
