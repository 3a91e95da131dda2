"""Wrong variants of the programs, each with what is explored to find it out: one method overridden, one slip.

What precedes an exploration is done one operation after the other, by the wrong code as well; it only saves the explorer
the way there.  A ``yield`` that is never reached makes a program of a function.
"""
from __future__ import annotations

from dataclasses import dataclass, replace

from tests.models.spaces import MakeContexts, Shape
from vmm.host.kernel.asids import AsidContexts
from vmm.host.kernel.contexts import Space
from vmm.host.kernel.flush import Flush, Flusher, Plan, Wanted
from vmm.host.kernel.mmids import MmidContexts
from vmm.host.kernel.steps import Act, ClearBits, Load, LoadBits, Lock, Program, Store, Unlock

Prefix = tuple[tuple[str, int, int], ...]

ALL_TAKEN: Prefix = (("switch", 0, 0), ("switch", 1, 1), ("switch", 2, 2), ("exec", 2, 3))
"""Four numbers are given out, three run; the next new space makes the version go up."""

TWO_TAKEN: Prefix = (("switch", 0, 0), ("switch", 1, 1), ("exec", 1, 2))
"""The same on two CPUs with three numbers."""
ON_TWO: Prefix = (("switch", 0, 0), ("switch", 1, 0))
RENEWED: Prefix = (*ON_TWO, ("switch", 2, 1), ("exec", 2, 2), ("exec", 2, 3), ("exec", 2, 1))
"""CPUs 0 and 1 run space 0 through a rollover."""
RENEWED_TWICE: Prefix = (*RENEWED, ("switch", 0, 1), ("switch", 0, 0), ("switch", 0, 1), ("exec", 2, 2), ("exec", 2, 3))
"""CPU 1 runs it through a second one; CPU 0 has run it meanwhile, and left."""


class IgnoresReserved(MmidContexts):
    """A space that ran through a rollover gets another number, while others go on with the old one."""

    def _replace_reserved(self, old: int, new: int) -> Program[bool]:
        return False
        yield


class ReplacesOneCopy(MmidContexts):
    """Only the first CPU's copy of a reserved number is brought up to date."""

    def _replace_reserved(self, old: int, new: int) -> Program[bool]:
        for cell in self.reserved:
            if (yield Load(cell)) == old:
                yield Store(cell, new)
                return True
        return False


class ForgetsWhatRan(MmidContexts):
    """A CPU that has not switched since the last rollover keeps nothing at the next one."""

    def _retire(self, cpu: int) -> Program[int]:
        active: int = yield Load(self.active[cpu])
        yield Store(self.active[cpu], 0)
        return active


class RetiresInTwoSteps(MmidContexts):
    """The rollover reads what a CPU runs and then clears it: a fast switch in between is lost."""

    def _retire(self, cpu: int) -> Program[int]:
        active: int = yield Load(self.active[cpu])
        yield Store(self.active[cpu], 0)
        return active or (yield Load(self.reserved[cpu]))


class PublishesBlindly(MmidContexts):
    """The fast way stores where it should compare and exchange."""

    def _publish(self, cpu: int, active: int, context: int) -> Program[int]:
        yield Store(self.active[cpu], context)
        return active


class PublishesNothing(MmidContexts):
    """The slow way does not say what the CPU runs."""

    def _take_slowly(self, cpu: int, mm: Space) -> Program[int]:
        yield Lock(self.lock)
        context = yield Load(mm.word(cpu))
        version = yield Load(self.version)
        if self.is_stale(context, version):
            context = yield from self._allocate(cpu, mm, context, version)
        yield Unlock(self.lock)
        return int(context)


class LooksOnlyBeforeTheLock(MmidContexts):
    """The context is not read again under the lock."""

    def _take(self, cpu: int, mm: Space) -> Program[int]:
        context = yield Load(mm.word(cpu))
        version = yield Load(self.version)
        yield Lock(self.lock)
        if self.is_stale(context, version):
            context = yield from self._allocate(cpu, mm, context, (yield Load(self.version)))
        yield Store(self.active[cpu], context)
        yield Unlock(self.lock)
        return int(context)


class TakesOldNumbersBack(MmidContexts):
    """A stale number is used again without a look whether somebody has it."""

    def _allocate(self, cpu: int, mm: Space, context: int, version: int) -> Program[int]:
        if context & ~self.mask:
            return (yield from self._give(cpu, mm, context & self.mask, version))
        return (yield from super()._allocate(cpu, mm, context, version))


class NeverStale(MmidContexts):
    """Versions are not compared."""

    def is_stale(self, context: int, version: int) -> bool:
        return not context


class GivesZero(MmidContexts):
    """After a rollover the wired entries' number is free."""

    def _used_from_start(self) -> int:
        return 0


class CountsOneLess(MmidContexts):
    """The original's check of how many numbers there must be."""

    def _check_count(self) -> None:
        assert self.count > len(self.mmus)


class ClearsEarly(MmidContexts):
    """The pending bit goes before the TLB is empty, and siblings are misled."""

    def _flush_if_pending(self, cpu: int) -> Program[None]:
        if (yield LoadBits(self.flush_pending, 1 << cpu)):
            yield ClearBits(self.flush_pending, 1 << cpu)
            yield Act(self.mmus[cpu].flush_all, shared=True)


class NeverFlushes(MmidContexts):
    """Nothing is flushed after a rollover."""

    def _flush_if_pending(self, cpu: int) -> Program[None]:
        return
        yield


class TrustsSiblings(MmidContexts):
    """No GINVT against what siblings have not flushed yet."""

    def _flush_of_siblings(self, cpu: int) -> Program[None]:
        return
        yield


class NeverSynchronises(MmidContexts):
    """No SYNC after GINVT."""

    def _synchronise(self, cpu: int) -> Program[None]:
        return
        yield


class LeavesForeignNumber(MmidContexts):
    """MemoryMapID is not put back after an invalidation."""

    def _restore(self, cpu: int, own: int) -> Program[None]:
        return
        yield


class WalkerGoesOn(MmidContexts):
    """The walker is not stopped for a switch: it fills under the new number from the old page table."""

    def switching(self, cpu: int, mm: Space) -> Program[None]:
        context = yield from self._take(cpu, mm)
        yield from self._flush_if_pending(cpu)
        yield Act(self.mmus[cpu].set_mmid, (context & self.mask,), shared=True)
        yield Act(self.mmus[cpu].load, (mm,), shared=True)


class DropsByZero(MmidContexts):
    """A space is dropped as with ASIDs, by zeroing its word, which is everybody's."""

    def dropping(self, cpu: int, mm: Space) -> Program[None]:
        yield Store(mm.word(cpu), 0)


class CyclesWithoutFlush(AsidContexts):
    """A new cycle of ASIDs does not empty the TLB."""

    def _begin_cycle(self, cpu: int) -> Program[None]:
        return
        yield


class KeepsToItself(Flusher):
    """Other CPUs are not interrupted."""

    def _call_others(self, cpu: int, plan: Plan, wanted: Wanted) -> Program[None]:
        return
        yield


class SpoilsNothing(Flusher):
    """What a moved thread left on other CPUs is not forgotten."""

    def _spoil_others(self, cpu: int, plan: Plan, wanted: Wanted) -> Program[None]:
        return
        yield


class AlwaysAlone(Flusher):
    """Words are spoilt while other CPUs run the space."""

    def _has_company(self, wanted: Wanted) -> bool:
        return False


class TakesLoadedForMine(Flusher):
    """A CPU that idles on a space thinks that the space's only thread cannot be elsewhere."""

    def flushing(self, cpu: int, what: Flush, wanted: Wanted) -> Program[None]:
        loaded = yield Act(self.mmus[cpu].loaded)
        yield from super().flushing(cpu, what, replace(wanted, mine=loaded is wanted.space))


class StartsAsItWas(MmidContexts):
    """A CPU comes up with what its TLB had."""

    def starting(self, cpu: int) -> Program[None]:
        yield Store(self.active[cpu], 0)


class WalkerGoesOnInDrop(AsidContexts):
    """The walker is not stopped while a loaded space gets a new ASID: it fills under the old one after a cycle's flush."""

    def dropping(self, cpu: int, mm: Space) -> Program[None]:
        if (yield Act(self.mmus[cpu].loaded)) is mm and (yield Load(mm.word(cpu))):
            yield from self.renewing(cpu, mm)
            yield from self._load_asid(cpu, mm)
        else:
            yield Store(mm.word(cpu), 0)


class StartsToCountAgain(AsidContexts):
    """The ASIDs of a CPU that came up are given out a second time in one cycle."""

    def starting(self, cpu: int) -> Program[None]:
        yield Store(self.cache[cpu], self.first_version)
        yield Act(self.mmus[cpu].flush_all)


class StartsUnnoticed(Flusher):
    """No interrupts for a CPU that came up."""

    def starting(self, cpu: int) -> Program[None]:
        yield from self.contexts.starting(cpu)


THREE_CPUS = Shape()


@dataclass(frozen=True, slots=True)
class Case:
    """``operations``: so many are begun, by any CPUs, after ``before``."""

    contexts: MakeContexts
    shape: Shape = THREE_CPUS
    before: Prefix = ALL_TAKEN
    operations: int = 2
    flusher: type[Flusher] = Flusher

    @property
    def name(self) -> str:
        wrong = self.contexts if self.flusher is Flusher else self.flusher
        return wrong.__name__ if isinstance(wrong, type) else str(wrong)


ASIDS = Shape(mmids=False, bits=2, count=None)
MOVED = Shape(cpus=2, spaces=2, mmids=False, bits=2, count=None, kinds=(Flush.PAGE,), single=frozenset({0}),
              replaced=False)
IDLE = Shape(spaces=2, mmids=False, bits=2, count=None, kinds=(Flush.PAGE, Flush.MM), single=frozenset({0}), idle=True)
TWO_CPUS = Shape(cpus=2, spaces=3, bits=2, count=4)
TWO_SIBLINGS = Shape(cpus=2, spaces=3, bits=2, count=4, shared_ftlb=True)
PLUGGED = Shape(cpus=2, spaces=2, count=5, plugged=True)
PLUGGED_ASIDS = replace(PLUGGED, mmids=False, bits=2, count=None)
UNPLUGGED: Prefix = (*ON_TWO, ("unplug", 1, 2))
LAST_TAKEN: Prefix = (*(("switch", 0, space) for space in range(3)), ("switch", 0, 0))
"""The next ASID of CPU 0 begins a cycle; the space that it runs has the first of this one."""
ONE_CYCLE: Prefix = tuple(("switch", 0, space) for space in range(4))

WRONG: tuple[Case, ...] = (
    Case(IgnoresReserved, before=RENEWED),
    Case(ReplacesOneCopy, before=RENEWED_TWICE),
    Case(ForgetsWhatRan, operations=4),
    Case(RetiresInTwoSteps, TWO_CPUS, before=TWO_TAKEN, operations=3),
    Case(PublishesBlindly, TWO_CPUS, before=TWO_TAKEN, operations=3),
    Case(PublishesNothing),
    Case(LooksOnlyBeforeTheLock, TWO_CPUS, before=(), operations=3),
    Case(TakesOldNumbersBack, TWO_CPUS, before=TWO_TAKEN, operations=3),
    Case(NeverStale, operations=3),
    Case(GivesZero),
    Case(CountsOneLess, Shape(bits=2, count=4), before=ALL_TAKEN[:3], operations=1),
    Case(ClearsEarly, TWO_SIBLINGS, before=TWO_TAKEN),
    Case(NeverFlushes),
    Case(TrustsSiblings, Shape(shared_ftlb=True)),
    Case(NeverSynchronises, before=ON_TWO, operations=1),
    Case(LeavesForeignNumber, operations=1),
    Case(WalkerGoesOn, operations=1),
    Case(DropsByZero),
    Case(CyclesWithoutFlush, ASIDS, before=ONE_CYCLE),
    Case(AsidContexts, ASIDS, flusher=KeepsToItself, before=ON_TWO, operations=1),
    Case(AsidContexts, MOVED, flusher=SpoilsNothing, before=(("switch", 0, 0), ("switch", 0, 1), ("switch", 1, 0)),
         operations=3),
    Case(AsidContexts, ASIDS, flusher=AlwaysAlone, before=ON_TWO, operations=1),
    Case(StartsAsItWas, PLUGGED, before=UNPLUGGED, operations=3),
    Case(WalkerGoesOnInDrop, ASIDS, before=LAST_TAKEN),
    Case(StartsToCountAgain, PLUGGED_ASIDS, before=UNPLUGGED),
    Case(AsidContexts, PLUGGED_ASIDS, flusher=StartsUnnoticed, before=UNPLUGGED, operations=3),
    Case(AsidContexts, IDLE, flusher=TakesLoadedForMine, before=(("switch", 0, 0), ("leave", 0, 0), ("switch", 1, 0))),
)
