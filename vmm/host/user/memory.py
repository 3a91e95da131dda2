"""A process's memory: areas, the page table that is filled as they are used, and what the kernel does to both.

Every change that takes something away goes through the ``Flusher`` before anybody can notice; what is only added does not
need that.  Invariant: a page that several page tables have, and that is not shared memory, can be written in none of them.
(Linux mm/memory.c, mm/mmap.c; rows HM-40..HM-50)
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from enum import Enum

from vmm.host.kernel.contexts import Mm
from vmm.host.kernel.flush import Flush, Wanted
from vmm.host.kernel.kernel import Kernel
from vmm.host.kernel.memory import NoMemory
from vmm.host.kernel.pagetable import Pte, mkdirty, pfn_of, wrprotect
from vmm.host.user.areas import Area, Areas, Contents
from vmm.host.user.frames import Frames
from vmm.host.user.numbers import CallError, Errno, Prot, Si

STACK_LIMIT = 8 << 20


class Access(Enum):
    READ = Prot.READ
    WRITE = Prot.WRITE
    FETCH = Prot.EXEC


class Memory:
    """``brk``: where the heap ends; it begins at ``heap``.  ``counts`` is of all processes, by what was done."""

    def __init__(self, kernel: Kernel, frames: Frames, counts: Counter[str], top: int, areas: Areas | None = None) -> None:
        self.kernel, self.frames, self.counts, self.top = kernel, frames, counts, top
        self.mm: Mm = kernel.new_mm()
        self.areas = areas or Areas()
        self.page_size = kernel.pages.page_size
        self.heap = self.brk = 0

    # Pages, as they are used

    def fault(self, cpu: int, va: int, access: Access) -> Si | None:
        """After a TLB exception: let the access be possible, or say why it is not."""
        area = self.areas.find(va) or self._grown(va)
        if area is None:
            return Si.MAPERR
        if not self._allowed(area, access):
            return Si.ACCERR
        page = va & -self.page_size
        pte = self.mm.table.get(page)
        if not pte & Pte.PRESENT:
            self.mm.table.slot(page, allocate=True)    # first: if there is no memory for tables, no page is taken, either
            pte = self._flags(area) | self._first_page(area, page)
        elif access is Access.WRITE and not pte & Pte.WRITE:
            pte = self._own_page(cpu, area, page, pte)
        if access is Access.WRITE:
            pte = mkdirty(pte)
        self.mm.table.put(page, pte)
        if self.kernel.mmus[cpu].loaded() is self.mm:
            self.kernel.update_mmu_cache(cpu, self.mm, page)
        return None

    def _allowed(self, area: Area, access: Access) -> bool:
        """Without RI and XI in the TLB, what can be accessed at all can be read and executed."""
        if access is Access.WRITE or self.kernel.features.rixi:
            return bool(area.prot & access.value)
        return area.prot != Prot.NONE

    def _grown(self, va: int) -> Area | None:
        """A stack that is used below its end gets longer."""
        area = self.areas.growing(va)
        start = va & -self.page_size
        if area is None or area.end - start > STACK_LIMIT:
            return None
        self.areas.put(replace(area, start=start))
        self.counts["stack growth"] += 1
        return self.areas.find(va)

    def _first_page(self, area: Area, page: int) -> int:
        if area.shared is not None:
            pages = area.shared.pages
            if page not in pages:
                pages[page] = self.frames.alloc()
            self.counts["shared pages"] += 1
            return self.frames.share(pages[page])
        self.counts["pages of files" if area.contents else "zero pages"] += 1
        return self.frames.alloc(area.contents.page(page, self.page_size) if area.contents else b"")

    def _own_page(self, cpu: int, area: Area, page: int, pte: int) -> int:
        """A write to what had to be kept from it: copy the page if somebody else has it."""
        held = pfn_of(pte)
        if area.shared is None and self.frames.is_shared(held):
            copy = self.frames.alloc(self.kernel.ram.read(held, self.page_size))
            self.counts["copies on write"] += 1
            self.mm.table.put(page, 0)
            self._flush(cpu, Flush.PAGE, page, page + self.page_size)
            self.frames.drop(held)
            held = copy
        return self._flags(area) | held

    def _flags(self, area: Area) -> int:
        """Of a PTE of that area whose page is this process's alone."""
        flags = Pte.PRESENT | Pte.CACHED
        if area.prot != Prot.NONE:
            flags |= Pte.READABLE
        if not area.prot & Prot.READ:
            flags |= Pte.NO_READ
        if not area.prot & Prot.EXEC:
            flags |= Pte.NO_EXEC
        return flags | (Pte.WRITE if area.prot & Prot.WRITE else 0)

    # Areas

    def map(self, cpu: int, area: Area) -> None:
        """In place of what was there."""
        self.unmap(cpu, area.start, area.end)
        self.areas.put(area)
        if area.shared is not None:
            area.shared.spaces += 1

    def unmap(self, cpu: int, start: int, end: int) -> None:
        gone = self.areas.within(start, end)
        self.discard(cpu, start, end)                  # before the areas go, which say if code was there (HM-43)
        self.areas.remove(start, end)
        self._give_up(gone, self.areas)

    def discard(self, cpu: int, start: int, end: int) -> None:
        """Forget the pages of [start, end); who uses them again gets them as they were at first."""
        pages = [pfn_of(pte) for _, pte in self.mm.table.present(start, end)]
        if pages:
            self.mm.table.clear(start, end)
            self._flush(cpu, Flush.RANGE, start, end)
        for page in pages:                             # only now: nobody can reach them any more
            self.frames.drop(page)

    def _give_up(self, gone: Iterable[Area], kept: Iterable[Area]) -> None:
        """Shared memory of which this space has nothing any more."""
        still = {id(area.shared) for area in kept}
        for shared in dict.fromkeys(area.shared for area in gone):
            if shared is not None and id(shared) not in still:
                shared.spaces -= 1
                for page in () if shared.spaces else shared.pages.values():
                    self.frames.drop(page)

    def protect(self, cpu: int, start: int, end: int, prot: Prot) -> None:
        if not self.areas.covers(start, end):
            raise CallError(Errno.ENOMEM)
        for area in self.areas.within(start, end):
            changed = Area(area.start, area.end, prot, area.contents, area.shared, area.grows, area.name)
            self.areas.put(changed)
            for va, pte in list(self.mm.table.present(area.start, area.end)):
                self.mm.table.put(va, self._protected(changed, pte))
        self._flush(cpu, Flush.RANGE, start, end)

    def _protected(self, area: Area, pte: int) -> int:
        flags = self._flags(area)
        if area.shared is None and self.frames.is_shared(pfn_of(pte)):
            flags = wrprotect(flags)
        return pfn_of(pte) | flags

    def choose(self, size: int, below: int) -> int:
        """Where ``size`` bytes have room."""
        found = self.areas.gap(size, below, self.page_size)
        if found is None:
            raise CallError(Errno.ENOMEM)
        return found

    def add(self, start: int, end: int, prot: Prot, contents: Contents | None = None, name: str = "") -> None:
        """For a program that does not run yet."""
        self.areas.put(Area(start, end, prot, contents, name=name))

    # Whole address spaces

    def fork(self, cpu: int) -> Memory:
        """The same again; pages that can be written are copied when somebody does."""
        child = Memory(self.kernel, self.frames, self.counts, self.top, self.areas.copy())
        child.heap, child.brk = self.heap, self.brk
        for shared in dict.fromkeys(area.shared for area in self.areas):
            if shared is not None:
                shared.spaces += 1
        try:
            for area in self.areas:
                self._lend(child, area)
        except NoMemory:
            child.free(cpu)
            raise
        finally:
            self._flush(cpu, Flush.MM)                 # of what was taken from the parent, be it for nothing
        return child

    def _lend(self, child: Memory, area: Area) -> None:
        for va, pte in list(self.mm.table.present(area.start, area.end)):
            lent = wrprotect(pte) if area.shared is None else pte
            child.mm.table.put(va, lent)
            self.frames.share(pfn_of(pte))
            if lent != pte:
                self.mm.table.put(va, lent)

    def free(self, cpu: int) -> None:
        """When the last user has gone.  The space is no task's any more, so it is not the caller's either (HM-42)."""
        self.kernel.flush(cpu, Flush.MM, Wanted(self.mm))
        for _, pte in self.mm.table.present(0, self.top):
            self.frames.drop(pfn_of(pte))
        self._give_up(self.areas, ())
        self.kernel.free_mm(self.mm)

    def _flush(self, cpu: int, what: Flush, start: int = 0, end: int = 0) -> None:
        executable = any(area.prot & Prot.EXEC for area in self.areas.within(start, end)) if end else True
        self.kernel.flush(cpu, what, Wanted(self.mm, start, end, executable, mine=True))

    # The kernel's own accesses

    def read(self, cpu: int, va: int, size: int) -> bytes:
        return b"".join(self.kernel.ram.read(pa, length) for pa, length in self._pieces(cpu, va, size, Access.READ))

    def write(self, cpu: int, va: int, data: bytes) -> None:
        at = 0
        for pa, length in self._pieces(cpu, va, len(data), Access.WRITE):
            self.kernel.ram.write(pa, data[at:at + length])
            at += length

    def _pieces(self, cpu: int, va: int, size: int, access: Access) -> list[tuple[int, int]]:
        """(physical address, length) of what lies at [va, va + size), page by page."""
        found: list[tuple[int, int]] = []
        end = va + size
        if not 0 <= va <= end <= self.top:
            raise CallError(Errno.EFAULT)
        while va < end:
            length = min(end, (va | self.page_size - 1) + 1) - va
            found.append((self._physical(cpu, va, access), length))
            va += length
        return found

    def _physical(self, cpu: int, va: int, access: Access) -> int:
        needed = Pte.VALID | Pte.DIRTY if access is Access.WRITE else Pte.VALID
        pte = self.mm.table.get(va)
        if pte & needed != needed:
            if self.fault(cpu, va, access) is not None:
                raise CallError(Errno.EFAULT)
            pte = self.mm.table.get(va)
        return pfn_of(pte) | va & self.page_size - 1

    def physical(self, va: int) -> int | None:
        """Where ``va`` is, if its page is there."""
        pte = self.mm.table.get(va)
        return pfn_of(pte) | va & self.page_size - 1 if pte & Pte.PRESENT else None
