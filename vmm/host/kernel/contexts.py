"""Address-space objects and their per-CPU ASIDs.  (rows HM-1, HM-3..HM-5, HM-30, HM-31, HM-40, HM-52)

An ``Mm`` lives in simulated RAM, because the world switch reads its directory pointer and this CPU's ASID.  A context
word is ``version | ASID``; 0 means never allocated.  Invariant: two address spaces whose words have the current
version of a CPU have different ASIDs there.  ``Contexts`` is the seam where an allocator of global MMIDs fits.
"""
from __future__ import annotations

from typing import Protocol

from vmm.arch.cp0.registers import EntryHi
from vmm.host.kernel.cpu import Cpu, Ram
from vmm.host.kernel.memory import kernel_address
from vmm.host.kernel.pagetable import PageTable
from vmm.host.kernel.tlb import HostTlb

ASID_MASK = 0xFF
FIRST_VERSION = ASID_MASK + 1
CONTEXT_BYTES = 8


def asid_offset(cpu: int) -> int:
    """Where an mm keeps the context word of a CPU; the directory pointer comes first, in 8 bytes."""
    return 8 + cpu * CONTEXT_BYTES


def mm_bytes(cpus: int) -> int:
    return asid_offset(cpus)


class Mm:
    """One address space: a page table and a context word a CPU."""

    def __init__(self, ram: Ram, address: int, table: PageTable, cpus: int) -> None:
        self.ram, self.address, self.table, self.cpus = ram, address, table, cpus
        word = table.geometry.word
        ram.store(address, word, kernel_address(table.pgd) & (1 << 8 * word) - 1)

    def context(self, cpu: int) -> int:
        return self.ram.load(self.address + asid_offset(cpu), CONTEXT_BYTES)

    def set_context(self, cpu: int, word: int) -> None:
        self.ram.store(self.address + asid_offset(cpu), CONTEXT_BYTES, word)

    def forget(self, *, but: int | None = None) -> None:
        """Zero the words of all CPUs (``but`` one): each takes a new ASID when it next runs this mm."""
        for cpu in range(self.cpus):
            if cpu != but:
                self.set_context(cpu, 0)


class Contexts(Protocol):
    """What the rest of the kernel and KVM ask of the allocator of TLB tags."""

    def get_new(self, cpu: int, mm: Mm) -> None: ...
    def check(self, cpu: int, mm: Mm) -> None: ...
    def tag(self, cpu: int, mm: Mm) -> int: ...
    def switch(self, cpu: int, mm: Mm) -> None: ...
    def drop(self, cpu: int, mm: Mm) -> None: ...


class AsidContexts:
    """ASIDs per CPU with versions."""

    def __init__(self, cpus: list[Cpu], tlbs: list[HostTlb]) -> None:
        self._cpus, self._tlbs = cpus, tlbs
        self.cache = [FIRST_VERSION] * len(cpus)
        self.active: list[Mm | None] = [None] * len(cpus)

    def get_new(self, cpu: int, mm: Mm) -> None:
        """The next ASID of this CPU; a new cycle starts with an empty TLB (HM-31)."""
        asid = self.cache[cpu] + 1
        if not asid & ASID_MASK:
            self._tlbs[cpu].flush_all()
        self.cache[cpu] = asid
        mm.set_context(cpu, asid)

    def check(self, cpu: int, mm: Mm) -> None:
        """Renew a stale or missing ASID."""
        if (mm.context(cpu) ^ self.cache[cpu]) & ~ASID_MASK:
            self.get_new(cpu, mm)

    def tag(self, cpu: int, mm: Mm) -> int:
        """What goes into EntryHi.ASID."""
        return mm.context(cpu) & ASID_MASK

    def switch(self, cpu: int, mm: Mm) -> None:
        """Make ``mm`` the one that this CPU translates with (HM-30)."""
        self.check(cpu, mm)
        self._cpus[cpu].root[EntryHi] = self.tag(cpu, mm)
        self._tlbs[cpu].set_pgd(kernel_address(mm.table.pgd))
        self.active[cpu] = mm

    def drop(self, cpu: int, mm: Mm) -> None:
        """Forget this CPU's translations of ``mm``: by a new ASID now, or at its next switch (HM-40)."""
        if not mm.context(cpu):
            return
        if self.active[cpu] is mm:
            self.get_new(cpu, mm)
            self._cpus[cpu].root[EntryHi] = self.tag(cpu, mm)
        else:
            mm.set_context(cpu, 0)
