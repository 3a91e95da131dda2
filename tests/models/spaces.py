"""Address spaces on CPUs with TLBs of the least kind: one page, a few numbers; what threads of the system may do with them.

Whoever walks page tables fills an empty place in the TLB as soon as it may, from the page table that is loaded and under
the number that is in the register: entries that come early are the ones that can be stale.  A GINVT reaches the other CPUs
no sooner than at the SYNC after it.
Invariants looked at after each step: a CPU whose walker is on finds under its number nothing but pages of the space that
is loaded, and none that a flush should have taken; no two spaces that run, or are current, have one number.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.models.explore import Slot, Vault
from vmm.host.kernel.asids import AsidContexts
from vmm.host.kernel.contexts import SteppedContexts
from vmm.host.kernel.flush import Flush, Flusher, Wanted
from vmm.host.kernel.mmids import Ginvt, MmidContexts
from vmm.host.kernel.steps import Act, Program, drain

NOTHING, DEAD = -1, -2
"""In a TLB: no entry; the entry of a space that is gone."""
GENERATIONS = 64


class Space:
    """``generation``: so often was its page table changed; ``flushed``: up to there flushes have returned."""

    def __init__(self, number: int, words: Sequence[Slot], vault: Vault, users: int) -> None:
        self.number, self.words, self.users = number, words, users
        self.generation = vault.slot(f"generation[{number}]", 0)
        self.flushed = vault.slot(f"flushed[{number}]", 0)
        self.being_flushed = vault.slot(f"being_flushed[{number}]", 0)

    def __str__(self) -> str:
        return f"space {self.number}"

    def word(self, cpu: int) -> Slot:
        return self.words[cpu]


class AbstractMmu:
    """One CPU's, with a TLB that has a place for each number."""

    def __init__(self, cpu: int, system: System) -> None:
        slot = system.vault.slot
        self.cpu, self.system = cpu, system
        self.register = slot(f"register[{cpu}]", 0)
        self.space = slot(f"loaded[{cpu}]", NOTHING)
        self.stopped = slot(f"walker_stopped[{cpu}]", 0)
        self.tlb = slot(f"tlb[{cpu}]", (NOTHING,) * system.numbers)
        self.asked = slot(f"asked[{cpu}]", ())

    def loaded(self) -> Space | None:
        number = self.space.load()
        return None if number == NOTHING else self.system.spaces[number]

    def load(self, space: Space) -> None:
        self.space.store(space.number)

    def set_asid(self, number: int) -> None:
        self.register.store(number)

    set_mmid = set_asid

    def mmid(self) -> int:
        return int(self.register.load())

    def flush_all(self) -> None:
        self.tlb.store((NOTHING,) * self.system.numbers)

    def flush_page(self, va: int, number: int) -> None:
        self.take(number)

    def take(self, number: int) -> None:
        tlb = self.tlb.load()
        self.tlb.store((*tlb[:number], NOTHING, *tlb[number + 1:]))

    def is_long(self, start: int, end: int) -> bool:
        return False

    def flush_range(self, start: int, end: int, number: int) -> bool:
        self.flush_page(start, number)
        return True

    def note_calls(self, cpus: int) -> None:
        """Nobody counts."""

    def ginvt(self, how: int, va: int) -> None:
        if how != Ginvt.ALL and not self.mmid():
            self.system.wrong = "GINVT under number 0, the wired entries'"
        self.asked.store((*self.asked.load(), NOTHING if how == Ginvt.ALL else self.mmid()))

    def sync_ginv(self) -> None:
        for number in self.asked.load():
            for mmu in self.system.mmus:
                mmu.flush_all() if number == NOTHING else mmu.take(number)
        self.asked.store(())

    def stop_walker(self) -> None:
        self.stopped.store(self.stopped.load() + 1)

    def start_walker(self) -> None:
        self.stopped.store(self.stopped.load() - 1)


@dataclass(frozen=True, slots=True)
class Shape:
    """What is explored.  ``single``: spaces with one thread.  ``shared_ftlb``: every CPU sees all TLBs."""

    cpus: int = 3
    spaces: int = 4
    bits: int = 3
    count: int | None = 5
    mmids: bool = True
    shared_ftlb: bool = False
    single: frozenset[int] = frozenset()
    kinds: tuple[Flush, ...] = (Flush.MM,)
    replaced: bool = True
    """Spaces may also be torn down and new ones take their places, as by exec."""
    idle: bool = False
    """Tasks may also leave their CPU, which then idles on what is loaded and uses none of it."""


Choice = tuple[Any, Callable[[], None], Callable[[], Program[Any]]]
"""Its name, what it changes at once, and the program."""
MakeContexts = Callable[..., SteppedContexts]


def no_steps() -> Program[None]:
    """A program without a step."""
    return
    yield


class System:
    """A ``vmm`` model for the explorer: CPUs whose tasks switch, exec and unmap."""

    def __init__(self, shape: Shape, make: MakeContexts | None = None, flusher: type[Flusher] = Flusher) -> None:
        self.shape, self.cpus, self.numbers = shape, shape.cpus, 1 << shape.bits
        self.vault = Vault()
        self.wrong: str | None = None
        self.spaces: list[Space] = []
        self.mmus = [AbstractMmu(cpu, self) for cpu in range(shape.cpus)]
        everybody = range(shape.cpus)
        self.siblings = [tuple(other for other in everybody if shape.shared_ftlb and other != cpu) for cpu in everybody]
        cell = self.vault.slot
        if shape.mmids:
            self.contexts = (make or MmidContexts)(self.mmus, bits=shape.bits, count=shape.count, siblings=self.siblings,
                                                   cell=cell)
        else:
            self.contexts = (make or AsidContexts)(self.mmus, bits=shape.bits, cell=cell)
        self.flusher = flusher(self.contexts, self.mmus, 12, cell=cell)
        self.tasks = [cell(f"task[{cpu}]", NOTHING) for cpu in everybody]
        for number in range(shape.spaces):
            words = [cell(f"context[{number}]", 0)] * shape.cpus if shape.mmids else [
                cell(f"context[{number}][{cpu}]", 0) for cpu in everybody]
            self.spaces.append(Space(number, words, self.vault, 1 if number in shape.single else 2))

    def do(self, *operations: tuple[str, int, int]) -> System:
        """Some operations, one after the other: (what, cpu, space)."""
        for what, cpu, number in operations:
            for name, change, make in self._possible(cpu):
                if name[:2] == (what, number):
                    change()
                    drain(make())
                    break
            else:
                raise ValueError(f"CPU {cpu} cannot {what} {number} now")
            self.settle()
        return self

    # What a task may do

    def choices(self, cpu: int) -> Iterator[Choice]:
        return (choice for choice in self._possible(cpu) if self.shape.replaced or choice[0][0] != "exec")

    def _possible(self, cpu: int) -> Iterator[Choice]:
        for space in self.spaces:
            if self.tasks[cpu].load() != space.number:
                if space.users > 1 or not self._runs_elsewhere(cpu, space, loaded=False):
                    yield (("switch", space.number), lambda space=space: self.tasks[cpu].store(space.number),
                           lambda space=space: self.contexts.switching(cpu, space))
                if not space.being_flushed.load() and not self._runs_elsewhere(cpu, space, loaded=True):
                    yield (("exec", space.number), lambda space=space: self._replace(cpu, space),
                           lambda space=space: self.contexts.switching(cpu, space))
            mine = self.tasks[cpu].load() == space.number
            for kind in self.shape.kinds:
                yield (("unmap", space.number, kind.value, mine), lambda space=space: self._begin_flush(space, 1),
                       lambda space=space, kind=kind, mine=mine: self._unmapping(cpu, space, kind, mine))
        if self.shape.idle and self.tasks[cpu].load() != NOTHING:
            yield ("leave", self.tasks[cpu].load()), lambda: self.tasks[cpu].store(NOTHING), no_steps

    def _runs_elsewhere(self, cpu: int, space: Space, *, loaded: bool) -> bool:
        """As the space of a task, or just being left by one; ``loaded``: also by a CPU that idles on it."""
        for other in range(self.cpus):
            task, there = self.tasks[other].load(), self.mmus[other].space.load() == space.number
            if other != cpu and (task == space.number or there and (loaded or task != NOTHING)):
                return True
        return False

    def _replace(self, cpu: int, space: Space) -> None:
        """The old space of this place is gone, with no flush; the new one was never run."""
        for word in space.words:
            word.store(0)
        for mmu in self.mmus:
            mmu.tlb.store(tuple(DEAD if entry >= 0 and entry // GENERATIONS == space.number else entry
                                for entry in mmu.tlb.load()))
        space.generation.store(0)
        space.flushed.store(0)
        self.tasks[cpu].store(space.number)

    def _begin_flush(self, space: Space, change: int) -> None:
        space.being_flushed.store(space.being_flushed.load() + change)

    def _unmapping(self, cpu: int, space: Space, kind: Flush, mine: bool) -> Program[None]:
        """The page table changes, the flush returns; from then on nobody uses what was there before."""
        generation = yield Act(self._change, (space,), shared=True)
        yield from self.flusher.flushing(cpu, kind, Wanted(None if kind is Flush.ALL else space, 0, 0x1000, mine=mine))
        yield Act(self._certify, (space, generation), shared=True)

    def _change(self, space: Space) -> int:
        space.generation.store(space.generation.load() + 1)
        return int(space.generation.load())

    def _certify(self, space: Space, generation: int) -> None:
        space.flushed.store(max(space.flushed.load(), generation))
        self._begin_flush(space, -1)

    # What hardware does, and what must hold

    def settle(self) -> str | None:
        if self.wrong is not None:
            wrong, self.wrong = self.wrong, None
            return wrong
        for cpu, mmu in enumerate(self.mmus):
            space = mmu.loaded()
            if space is not None and not mmu.stopped.load():
                wrong = self._look(cpu, mmu, space)
                if wrong is not None:
                    return wrong
        return self._number_twice()

    def _look(self, cpu: int, mmu: AbstractMmu, space: Space) -> str | None:
        """Translate."""
        number = mmu.register.load()
        seen = [self.mmus[other].tlb.load()[number] for other in (cpu, *self.siblings[cpu])]
        if all(entry == NOTHING for entry in seen):
            tlb = mmu.tlb.load()
            entry = space.number * GENERATIONS + space.generation.load()
            mmu.tlb.store((*tlb[:number], entry, *tlb[number + 1:]))
            return None
        for entry in seen if self.tasks[cpu].load() != NOTHING else ():
            if entry != NOTHING and (entry == DEAD or entry // GENERATIONS != space.number):
                owner = "one that is gone" if entry == DEAD else entry // GENERATIONS
                return f"CPU {cpu} runs space {space.number} under {number} and uses a page of {owner}"
            if entry != NOTHING and entry % GENERATIONS < space.flushed.load():
                return f"CPU {cpu} runs space {space.number} under {number} and uses a page that was flushed"
        return None

    def _number_twice(self) -> str | None:
        if not isinstance(self.contexts, MmidContexts):
            return self._asid_twice(self.contexts)
        owners: dict[int, int] = {}
        for cpu, mmu in enumerate(self.mmus):
            if mmu.space.load() != NOTHING and not mmu.stopped.load():
                number = mmu.register.load()
                if not number:
                    return f"CPU {cpu} runs under number 0, the wired entries'"
                if owners.setdefault(number, mmu.space.load()) != mmu.space.load():
                    return f"number {number} runs for two spaces"
        for space in self.spaces:
            context = space.word(0).load()
            if context and not self.contexts.is_stale(context, self.contexts.version.load()):
                number = context & self.contexts.mask
                if owners.setdefault(number, space.number) != space.number:
                    return f"number {number} is current for two spaces"
        return None

    def _asid_twice(self, contexts: Any) -> str | None:
        for cpu in range(self.cpus):
            cache = contexts.cache[cpu].load()
            current = [space.word(cpu).load() for space in self.spaces]
            current = [word for word in current if word and not (word ^ cache) & ~contexts.mask]
            if len(set(current)) != len(current):
                return f"an ASID of CPU {cpu} is current for two spaces"
        return None
