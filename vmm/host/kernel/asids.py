"""ASIDs: numbers of each CPU's own, in EntryHi, with versions.  (rows HM-1, HM-5, HM-30, HM-31, HM-40, HM-52)

Invariant: two address spaces whose words have the current version of a CPU have different ASIDs there.
"""
from __future__ import annotations

from collections.abc import Sequence

from vmm.host.kernel.contexts import Mmu, Space, SteppedContexts
from vmm.host.kernel.steps import Act, Load, MakeCell, Program, Store, Word

ASID_BITS = 8
ASID_MASK = (1 << ASID_BITS) - 1


class AsidContexts(SteppedContexts):
    global_ids = False

    def __init__(self, mmus: Sequence[Mmu], *, bits: int = ASID_BITS, cell: MakeCell = Word) -> None:
        self.mmus = mmus
        self.mask = (1 << bits) - 1
        self.first_version = 1 << bits
        self.cache = [cell(f"asid_cache[{cpu}]", self.first_version, True) for cpu in range(len(mmus))]
        """The word given out last on each CPU; only that CPU touches it."""

    def renewing(self, cpu: int, mm: Space) -> Program[None]:
        """The next ASID of this CPU; a new cycle starts with an empty TLB (HM-31)."""
        word = (yield Load(self.cache[cpu])) + 1
        if not word & self.mask:
            yield from self._begin_cycle(cpu)
        yield Store(self.cache[cpu], word)
        yield Store(mm.word(cpu), word)

    def _begin_cycle(self, cpu: int) -> Program[None]:
        yield Act(self.mmus[cpu].flush_all)

    def checking(self, cpu: int, mm: Space) -> Program[None]:
        context = yield Load(mm.word(cpu))
        cache = yield Load(self.cache[cpu])
        if (context ^ cache) & ~self.mask:
            yield from self.renewing(cpu, mm)

    def switching(self, cpu: int, mm: Space) -> Program[None]:
        """HM-30."""
        mmu = self.mmus[cpu]
        yield Act(mmu.stop_walker)
        yield from self.checking(cpu, mm)
        yield from self._load_asid(cpu, mm)
        yield Act(mmu.load, (mm,))
        yield Act(mmu.start_walker)

    def _load_asid(self, cpu: int, mm: Space) -> Program[None]:
        context = yield Load(mm.word(cpu))
        yield Act(self.mmus[cpu].set_asid, (context & self.mask,))

    def dropping(self, cpu: int, mm: Space) -> Program[None]:
        """By a new ASID now where it is loaded, else at its next switch (HM-40).  If that begins a cycle, the walker must
        rest: it would fill the TLB that was just emptied under the old number, which somebody gets again."""
        if not (yield Load(mm.word(cpu))):
            return
        mmu = self.mmus[cpu]
        if (yield Act(mmu.loaded)) is mm:
            yield Act(mmu.stop_walker)
            yield from self.renewing(cpu, mm)
            yield from self._load_asid(cpu, mm)
            yield Act(mmu.start_walker)
        else:
            yield Store(mm.word(cpu), 0)

    def starting(self, cpu: int) -> Program[None]:
        if not (yield Load(self.cache[cpu])):
            yield Store(self.cache[cpu], self.first_version)
        yield Act(self.mmus[cpu].flush_all)
