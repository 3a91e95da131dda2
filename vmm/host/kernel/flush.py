"""Flushing translations on all CPUs, as plans: who does what, by interrupt or by GINVT.  (rows HM-41..HM-49, HM-55)

``PLANS`` says for each operation and kind of id what the original does; ``Flusher`` carries a plan out as a program.
Invariant: when a flush has returned, no CPU uses a translation that the page tables did not have when it began.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from vmm.host.kernel.contexts import Mmu, Space, SteppedContexts
from vmm.host.kernel.mmids import Ginvt, MmidContexts
from vmm.host.kernel.steps import Act, Call, Cell, Load, MakeCell, Program, Store, Word, drain


class Flush(Enum):
    """What the rest of the kernel asks for."""

    ALL = "all"
    MM = "mm"
    RANGE = "range"
    PAGE = "page"
    KERNEL_RANGE = "kernel range"
    ONE = "one"
    """A page of the kernel's, whatever its id."""


class Local(Enum):
    """What one CPU does to its own TLB."""

    ALL = "empty the TLB but for wired entries"
    DROP = "drop the context"
    RANGE = "probe for each pair of pages, or drop the context if there are many"
    PAGE = "probe for one pair of pages"
    KERNEL_RANGE = "probe for each pair of pages, or empty the TLB if there are many"
    ONE = "probe for one pair of pages of the kernel"
    NOTHING = "nothing"


class Others(Enum):
    """How the other CPUs come to do it."""

    CALL = "by IPI"
    CALL_OR_FORGET = "by IPI, or in a space with one user by spoiling its context words"
    GLOBAL = "by GINVT and SYNC"


STALE = 1
"""A context word that no CPU's version matches, but which tells caches that the space was used (HM-43; hard detail 27)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """``spoilt``: what a context word becomes if the pages are executable, and if not."""

    others: Others
    local: Local = Local.NOTHING
    ginvt: Ginvt | None = None
    spoilt: tuple[int, int] = (0, 0)

    def __str__(self) -> str:
        if self.ginvt is not None:
            return f"GINVT {self.ginvt.name.lower().replace('_', ' ')}, then SYNC"
        return f"others {self.others.value}: {self.local.value}; here: the same"


# fmt: off
PLANS: dict[tuple[Flush, bool], Plan] = {                  # (operation, with MMIDs)
    (Flush.ALL, False):          Plan(Others.CALL, Local.ALL),
    (Flush.ALL, True):           Plan(Others.GLOBAL, ginvt=Ginvt.ALL),
    (Flush.MM, False):           Plan(Others.CALL_OR_FORGET, Local.DROP),
    (Flush.MM, True):            Plan(Others.GLOBAL, ginvt=Ginvt.SPACE),
    (Flush.RANGE, False):        Plan(Others.CALL_OR_FORGET, Local.RANGE, spoilt=(0, STALE)),
    (Flush.RANGE, True):         Plan(Others.GLOBAL, ginvt=Ginvt.SPACE_AND_ADDRESS),
    (Flush.PAGE, False):         Plan(Others.CALL_OR_FORGET, Local.PAGE, spoilt=(STALE, STALE)),
    (Flush.PAGE, True):          Plan(Others.GLOBAL, ginvt=Ginvt.SPACE_AND_ADDRESS),
    (Flush.KERNEL_RANGE, False): Plan(Others.CALL, Local.KERNEL_RANGE),
    (Flush.KERNEL_RANGE, True):  Plan(Others.CALL, Local.KERNEL_RANGE),
    (Flush.ONE, False):          Plan(Others.CALL, Local.ONE),
    (Flush.ONE, True):           Plan(Others.CALL, Local.ONE),
}
# fmt: on


class FlushMmu(Mmu, Protocol):
    """Beside what an allocator needs."""

    def flush_page(self, va: int, number: int, /) -> None: ...
    def flush_range(self, start: int, end: int, number: int, /) -> bool: ...  # False: too many, nothing done (HM-48)
    def is_long(self, start: int, end: int, /) -> bool: ...                   # more than flush_range would do
    def note_calls(self, cpus: int, /) -> None: ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """``space`` is None where it is the kernel's own; ``end`` is not included.  ``mine``: the task that asks has this
    space; that it is loaded here says less, for a CPU that idles leaves there what was loaded last."""

    space: Space | None = None
    start: int = 0
    end: int = 0
    executable: bool = True
    mine: bool = False


class Flusher:
    """``as_original``: range flushes by GINVT wait after each pair, never become one for the space, and do not ask
    whether the space has a number at all (L-16, HM-43 [q])."""

    def __init__(self, contexts: SteppedContexts, mmus: Sequence[FlushMmu], page_shift: int, *,
                 as_original: bool = False, cell: MakeCell = Word) -> None:
        self.contexts, self.mmus, self.as_original = contexts, mmus, as_original
        self.pair = 2 << page_shift
        self.online: Cell = cell("online", (1 << len(mmus)) - 1, True)

    def flush(self, cpu: int, what: Flush, wanted: Wanted) -> None:
        drain(self.flushing(cpu, what, wanted))

    def flushing(self, cpu: int, what: Flush, wanted: Wanted) -> Program[None]:
        plan = PLANS[what, self.contexts.global_ids]
        if plan.ginvt is not None:
            yield from self._globally(cpu, plan.ginvt, wanted)
            return
        if plan.others is Others.CALL or self._has_company(wanted):
            yield from self._call_others(cpu, plan, wanted)
        else:
            yield from self._spoil_others(cpu, plan, wanted)
        yield from self._locally(cpu, plan, wanted)

    def _has_company(self, wanted: Wanted) -> bool:
        """May somebody else run it just now?  (HM-42)"""
        return wanted.space is None or wanted.space.users != 1 or not wanted.mine

    def _others(self, cpu: int) -> Program[tuple[int, ...]]:
        online = yield Load(self.online)
        return tuple(other for other in range(len(self.mmus)) if other != cpu and online >> other & 1)

    def _call_others(self, cpu: int, plan: Plan, wanted: Wanted) -> Program[None]:
        others = yield from self._others(cpu)
        if others:
            yield Act(self.mmus[cpu].note_calls, (len(others),))
            yield Call(others, lambda other: self._locally(other, plan, wanted))

    def _spoil_others(self, cpu: int, plan: Plan, wanted: Wanted) -> Program[None]:
        """They take new ASIDs if they ever run this space again."""
        assert wanted.space is not None
        for other in (yield from self._others(cpu)):
            if (yield Load(wanted.space.word(other))):
                yield Store(wanted.space.word(other), plan.spoilt[0 if wanted.executable else 1])

    # One CPU's part

    def _locally(self, cpu: int, plan: Plan, wanted: Wanted) -> Program[None]:
        match plan.local:
            case Local.ALL:
                yield Act(self.mmus[cpu].flush_all, shared=True)
            case Local.DROP:
                assert wanted.space is not None
                yield from self.contexts.dropping(cpu, wanted.space)
            case Local.RANGE | Local.PAGE:
                assert wanted.space is not None
                yield from self._probe(cpu, plan.local, wanted.space, wanted)
            case Local.KERNEL_RANGE:
                if not (yield Act(self.mmus[cpu].flush_range, (wanted.start, wanted.end, 0), shared=True)):
                    yield Act(self.mmus[cpu].flush_all, shared=True)
            case Local.ONE:
                yield Act(self.mmus[cpu].flush_page, (wanted.start, 0), shared=True)

    def _probe(self, cpu: int, local: Local, space: Space, wanted: Wanted) -> Program[None]:
        """HM-48, HM-49."""
        context = yield Load(space.word(cpu))
        if not context:
            return
        number = context & self.contexts.mask
        if local is Local.PAGE:
            yield Act(self.mmus[cpu].flush_page, (wanted.start, number), shared=True)
        elif not (yield Act(self.mmus[cpu].flush_range, (wanted.start, wanted.end, number), shared=True)):
            yield from self.contexts.dropping(cpu, space)

    # All CPUs' at once

    def _globally(self, cpu: int, how: Ginvt, wanted: Wanted) -> Program[None]:
        """HM-41..HM-44 with MMIDs."""
        contexts = self.contexts
        assert isinstance(contexts, MmidContexts)
        if wanted.space is None:
            yield from contexts.invalidating_all(cpu)
        elif how is Ginvt.SPACE:
            yield from contexts.dropping(cpu, wanted.space)
        else:
            yield from self._pairs_globally(contexts, cpu, wanted.space, wanted)

    def _pairs_globally(self, contexts: MmidContexts, cpu: int, space: Space, wanted: Wanted) -> Program[None]:
        context = yield Load(space.word(cpu))
        end = wanted.end or wanted.start + 1
        if not self.as_original:
            if not context:
                return                                     # it was never run, and 0 would be the wired entries'
            if (yield Act(self.mmus[cpu].is_long, (wanted.start, end))):
                yield from contexts.dropping(cpu, space)
                return
        pairs = range(wanted.start & -self.pair, end, self.pair)
        yield from contexts.invalidating(cpu, context & contexts.mask, [(Ginvt.SPACE_AND_ADDRESS, va) for va in pairs],
                                         sync_each=self.as_original)

    # CPUs come and go

    def starting(self, cpu: int) -> Program[None]:
        """No IPI and, while it had no power, no GINVT has reached this CPU, so it starts with an empty TLB (HM-52)."""
        yield from self.contexts.starting(cpu)
        yield Store(self.online, (yield Load(self.online)) | 1 << cpu)

    def stopping(self, cpu: int, idle: Space) -> Program[None]:
        """The CPU leaves its last space for the kernel's own and takes no more IPIs."""
        yield from self.contexts.switching(cpu, idle)
        yield Store(self.online, (yield Load(self.online)) & ~(1 << cpu))
