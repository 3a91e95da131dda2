"""What a CPU of the host does with its MMU when the kernel says so: loads a space, flushes, invalidates for all.

Invariant: ``loaded`` is the space whose page directory the CPU has; GINVT has reached every CPU when it returns, so that
SYNC has nothing to wait for and is only counted.  (rows HM-10..HM-13, HM-37)
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from vmm.arch.cp0.registers import Config, Config5, EntryHi, MemoryMapID
from vmm.host.kernel.contexts import Mm
from vmm.host.kernel.costs import FREE, Costs
from vmm.host.kernel.cpu import Cpu
from vmm.host.kernel.layout import CONFIG_AR_RELEASE_6
from vmm.host.kernel.memory import kernel_address
from vmm.host.kernel.mmids import MMID_BITS
from vmm.host.kernel.tlb import HostTlb

InvalidateForAll = Callable[[int, int, int], None]
"""(va, how, mmid): GINVT's part on every CPU."""


def probe_mmids(cpus: Sequence[Cpu], *, wanted: bool, word: int) -> int:
    """Switch MMIDs on, or off where they are not wanted; how many bits of them to use, 0 for none (HM-6, HM-7).

    They are for kernels whose long is 64 bits, which have atomic words of that size, on release 6.
    """
    bits = 0
    for cpu in cpus:
        if Config(cpu.mfc0(Config)).AR < CONFIG_AR_RELEASE_6:
            return 0
        on = Config5.MI.mask if wanted and word == 8 else 0
        cpu.mtc0(Config5, cpu.mfc0(Config5) & ~Config5.MI.mask | on)
        if not cpu.mfc0(Config5) & Config5.MI.mask:
            return 0
        cpu.mtc0(MemoryMapID, 0xFFFFFFFF)
        bits = min(cpu.mfc0(MemoryMapID).bit_length(), MMID_BITS)
        cpu.mtc0(MemoryMapID, 0)
    return bits


class KernelMmu:
    """``counts`` is of all CPUs, by what was done.  ``costs``: what a CPU's time passes by while it maintains TLBs."""

    def __init__(self, tlb: HostTlb, invalidate_for_all: InvalidateForAll, counts: Counter[str],
                 costs: Costs = FREE) -> None:
        self.tlb, self.counts, self.costs = tlb, counts, costs
        self._invalidate_for_all = invalidate_for_all
        self._loaded: Mm | None = None
        self._owed: int | None = None

    def _charge(self, instructions: int) -> None:
        if self._owed is not None:
            self._owed += instructions
        elif instructions:
            self.tlb.cpu.skip_to(self.tlb.cpu.ticks + instructions)

    def owed(self, do: Callable[[], object]) -> int:
        """Do what this CPU will pay for when its time comes; how much."""
        self._owed = 0
        do()
        owed, self._owed = self._owed, None
        return owed

    def _charge_probes(self, pairs: int, overwritten: int) -> None:
        self._charge(pairs * self.costs.probe + (self.tlb.overwritten - overwritten) * self.costs.overwrite)

    def flush_all(self) -> None:
        self.counts["local_flush_all"] += 1
        self.tlb.flush_all()
        self._charge(self.tlb.parts * self.costs.invalidate_set)

    def loaded(self) -> Mm | None:
        return self._loaded

    def load(self, mm: Mm) -> None:
        self.tlb.set_pgd(kernel_address(mm.table.pgd))
        self._loaded = mm

    def set_asid(self, number: int) -> None:
        self.tlb.cpu.root[EntryHi] = number

    def set_mmid(self, number: int) -> None:
        self.tlb.cpu.root[MemoryMapID] = number

    def mmid(self) -> int:
        return self.tlb.cpu.root[MemoryMapID]

    def flush_page(self, va: int, number: int) -> None:
        self.counts["local_probe"] += 1
        before = self.tlb.overwritten
        self.tlb.flush_page(va, number)
        self._charge_probes(1, before)

    def is_long(self, start: int, end: int) -> bool:
        return self.tlb.is_long(start, end)

    def flush_range(self, start: int, end: int, number: int) -> bool:
        self.counts["local_range"] += 1
        before = self.tlb.overwritten
        if not self.tlb.flush_range(start, end, number):
            return False
        self._charge_probes(len(self.tlb.pairs(start, end)), before)
        return True

    def note_calls(self, cpus: int) -> None:
        self.counts["ipi"] += cpus
        self._charge(cpus * self.costs.raise_ipi)

    def ginvt(self, how: int, va: int) -> None:
        self.counts["ginvt"] += 1
        self._invalidate_for_all(va, how, self.mmid())
        self._charge(self.costs.ginvt)

    def sync_ginv(self) -> None:
        self.counts["sync"] += 1
        self._charge(self.costs.switch_mmid)

    def stop_walker(self) -> None:
        """The host refills by software: nothing fills the TLB while the kernel runs (HM-13)."""

    def start_walker(self) -> None:
        """Nothing was stopped."""
