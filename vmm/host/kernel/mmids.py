"""MMIDs: numbers that mean the same on all CPUs, in MemoryMapID.  (rows HM-2..HM-8, HM-12, HM-20..HM-37, HM-40)

A number is given to one address space until all are used; then the version goes up, and only what CPUs are running keeps
its number (a scheme known from ASIDs on arm64).  A switch to a space with the current version takes no lock.
Invariant: at no time do two address spaces that CPUs run, or whose words have the current version, have one number; and
no CPU enters a space while its TLB may hold entries from before the last rollover under other numbers.
"""
from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from vmm.errors import ConfigError
from vmm.host.kernel.contexts import Mmu, Space, SteppedContexts
from vmm.host.kernel.steps import (
    Act,
    ClearBits,
    CompareExchange,
    Exchange,
    Load,
    LoadBits,
    Lock,
    MakeCell,
    Program,
    Store,
    Unlock,
    Word,
)

MMID_BITS = 16
"""No more are used of wider registers: a bitmap of all 2^32 numbers would take 512 MiB (HM-7)."""

KERNEL_WIRED = 0
"""No address space's: wired entries have it, for GINVT but that of everything would take them too (HM-8)."""


class Ginvt(IntEnum):
    """What GINVT invalidates (HM-10); of a space or not is by MemoryMapID."""

    ALL = 0
    ADDRESS = 1
    SPACE = 2
    SPACE_AND_ADDRESS = 3


class MmidContexts(SteppedContexts):
    """``siblings``: for each CPU the others that see its FTLB entries.  ``count``: so many numbers are used, if not all."""

    global_ids = True

    def __init__(self, mmus: Sequence[Mmu], *, bits: int = MMID_BITS, count: int | None = None,
                 siblings: Sequence[tuple[int, ...]] | None = None, cell: MakeCell = Word) -> None:
        self.mmus = mmus
        self.siblings = siblings or [()] * len(mmus)
        self.mask = (1 << bits) - 1
        self.first_version = 1 << bits
        self.count = count or self.first_version
        self._check_count()
        cpus = range(len(mmus))
        self.lock = cell("lock", 0, False)
        self.version = cell("version", self.first_version, False)
        self.flush_pending = cell("flush_pending", 0, False)
        self.active = [cell(f"active[{cpu}]", 0, False) for cpu in cpus]
        self.reserved = [cell(f"reserved[{cpu}]", 0, True) for cpu in cpus]
        self.used = cell("used", 1 << KERNEL_WIRED, True)
        self.next = cell("next", 1, True)

    def _check_count(self) -> None:
        """After a rollover each CPU may keep a number and 0 is nobody's: one more must be left.  (The original asks for
        one less, and finds none in a rollover with that; HM-20.)"""
        if self.count < len(self.mmus) + 2:
            raise ConfigError(f"{self.count} MMIDs for {len(self.mmus)} CPUs: at least {len(self.mmus) + 2} are needed; "
                              "boot fewer CPUs, or boot the host with ASIDs")

    # Switching

    def switching(self, cpu: int, mm: Space) -> Program[None]:
        """HM-32..HM-37."""
        mmu = self.mmus[cpu]
        yield Act(mmu.stop_walker)
        context = yield from self._take(cpu, mm)
        yield from self._flush_if_pending(cpu)
        yield Act(mmu.set_mmid, (context & self.mask,))
        yield from self._flush_of_siblings(cpu)
        yield Act(mmu.load, (mm,))
        yield Act(mmu.start_walker)

    def checking(self, cpu: int, mm: Space) -> Program[None]:
        yield from self._take(cpu, mm)
        yield from self._flush_if_pending(cpu)

    def _take(self, cpu: int, mm: Space) -> Program[int]:
        """Make the word of ``mm`` what this CPU is known to run.  A rollover meanwhile either has put 0 there, which the
        exchange finds, or finds the new word and keeps its number (HM-32)."""
        context = yield Load(mm.word(cpu))
        active = yield Load(self.active[cpu])
        version = yield Load(self.version)
        if active and not self.is_stale(context, version):
            if (yield from self._publish(cpu, active, context)):
                return int(context)
        return (yield from self._take_slowly(cpu, mm))

    def _publish(self, cpu: int, active: int, context: int) -> Program[int]:
        old: int = yield CompareExchange(self.active[cpu], active, context)
        return old

    def _take_slowly(self, cpu: int, mm: Space) -> Program[int]:
        """HM-33."""
        yield Lock(self.lock)
        context = yield Load(mm.word(cpu))
        version = yield Load(self.version)
        if self.is_stale(context, version):
            context = yield from self._allocate(cpu, mm, context, version)
        yield Store(self.active[cpu], context)
        yield Unlock(self.lock)
        return int(context)

    def is_stale(self, context: int, version: int) -> bool:
        return bool((context ^ version) & ~self.mask)

    def _flush_if_pending(self, cpu: int) -> Program[None]:
        """The bit says to siblings that this TLB may hold what they must not hit, so it goes last (HM-34, HM-36)."""
        if (yield LoadBits(self.flush_pending, 1 << cpu)):
            yield Act(self.mmus[cpu].flush_all, shared=True)
            yield ClearBits(self.flush_pending, 1 << cpu)

    def _flush_of_siblings(self, cpu: int) -> Program[None]:
        """Entries of the number's last owner, in the FTLB of a CPU that has not flushed it yet (HM-36)."""
        siblings = sum(1 << other for other in self.siblings[cpu])
        if siblings and (yield LoadBits(self.flush_pending, siblings)):
            yield Act(self.mmus[cpu].ginvt, (Ginvt.SPACE, 0), shared=True)
            yield from self._synchronise(cpu)

    # Allocating; the lock is held

    def _allocate(self, cpu: int, mm: Space, context: int, version: int) -> Program[int]:
        """HM-21..HM-25."""
        if context & ~self.mask:
            kept = context & self.mask
            if (yield from self._replace_reserved(context, version | kept)):
                yield Store(mm.word(cpu), version | kept)
                return int(version | kept)
            if not (yield Load(self.used)) >> kept & 1:
                return (yield from self._give(cpu, mm, kept, version))
        number = self._first_free((yield Load(self.used)), (yield Load(self.next)))
        if number is None:
            version = yield from self._roll_over()
            number = self._first_free((yield Load(self.used)), 0)
            assert number is not None
        yield Store(self.next, number)
        return (yield from self._give(cpu, mm, number, version))

    def _give(self, cpu: int, mm: Space, number: int, version: int) -> Program[int]:
        used = yield Load(self.used)
        yield Store(self.used, used | 1 << number)
        yield Store(mm.word(cpu), version | number)
        return version | number

    def _replace_reserved(self, old: int, new: int) -> Program[bool]:
        """Was ``old`` running somewhere when the version went up?  Then its number is still its own, and all copies must
        say so: the next rollover may look at any of them (HM-22)."""
        found = False
        for cell in self.reserved:
            if (yield Load(cell)) == old:
                yield Store(cell, new)
                found = True
        return found

    def _first_free(self, used: int, start: int) -> int | None:
        free = ~used >> start & (1 << self.count - start) - 1
        return start + (free & -free).bit_length() - 1 if free else None

    def _roll_over(self) -> Program[int]:
        """A new version; what CPUs run keeps its number, and every TLB must be emptied before it is used (HM-24, HM-26)."""
        version = (yield Load(self.version)) + self.first_version
        yield Store(self.version, version)
        used = self._used_from_start()
        for cpu in range(len(self.mmus)):
            running = yield from self._retire(cpu)
            used |= 1 << (running & self.mask)
            yield Store(self.reserved[cpu], running)
        yield Store(self.used, used)
        yield Store(self.flush_pending, (1 << len(self.mmus)) - 1)
        return int(version)

    def _used_from_start(self) -> int:
        return 1 << KERNEL_WIRED

    def _retire(self, cpu: int) -> Program[int]:
        """What a CPU runs: if nothing was published since the last rollover, what it ran then."""
        running: int = yield Exchange(self.active[cpu], 0)
        return running or (yield Load(self.reserved[cpu]))

    # Dropping

    def dropping(self, cpu: int, mm: Space) -> Program[None]:
        """On all CPUs, whoever asks; the number stays (HM-40)."""
        context = yield Load(mm.word(cpu))
        if context:
            yield from self.invalidating(cpu, context & self.mask, ((Ginvt.SPACE, 0),))

    def renewing(self, cpu: int, mm: Space) -> Program[None]:
        """One CPU cannot give a space another number; what there is under the old one goes (KW-1)."""
        yield from self.dropping(cpu, mm)
        yield from self.checking(cpu, mm)

    def invalidating(self, cpu: int, number: int, requests: Sequence[tuple[Ginvt, int]], *,
                     sync_each: bool = False) -> Program[None]:
        """GINVTs under an MMID.  Meanwhile MemoryMapID is not that of the page directory, so the walker must rest (HM-12).
        ``sync_each``: wait after each request, as the original does, not for all at once (L-16)."""
        mmu = self.mmus[cpu]
        yield Act(mmu.stop_walker)
        own = yield Act(mmu.mmid)
        yield Act(mmu.set_mmid, (number,))
        for how, va in requests:
            yield Act(mmu.ginvt, (how, va), shared=True)
            if sync_each:
                yield from self._synchronise(cpu)
        if not sync_each:
            yield from self._synchronise(cpu)
        yield from self._restore(cpu, own)
        yield Act(mmu.start_walker)

    def invalidating_all(self, cpu: int) -> Program[None]:
        """Everything but wired entries, on all CPUs (HM-41)."""
        yield Act(self.mmus[cpu].stop_walker)
        yield Act(self.mmus[cpu].ginvt, (Ginvt.ALL, 0), shared=True)
        yield from self._synchronise(cpu)
        yield Act(self.mmus[cpu].start_walker)

    def _synchronise(self, cpu: int) -> Program[None]:
        yield Act(self.mmus[cpu].sync_ginv, shared=True)

    def _restore(self, cpu: int, own: int) -> Program[None]:
        yield Act(self.mmus[cpu].set_mmid, (own,))

    def starting(self, cpu: int) -> Program[None]:
        """The CPU runs nobody's space, which makes its next switch take the slow way (HM-52)."""
        yield Store(self.active[cpu], 0)
        yield Act(self.mmus[cpu].flush_all, shared=True)
