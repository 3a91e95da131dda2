"""Address spaces on CPUs with TLBs of the least kind: one page, a few numbers; what threads of the system may do with them.

Whoever walks page tables fills an empty place in the TLB as soon as it may, from the page table that is loaded and under
the number that is in the register: entries that come early are the ones that can be stale.  A GINVT reaches the other CPUs
no sooner than at the SYNC after it.
Invariants looked at after each step: a CPU whose walker is on finds under its number nothing but pages of the space that
is loaded, and none that a flush should have taken; no two spaces that run, or are current, have one number.
"""
from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from tests.models.automaton import Slot, State, Vault
from tests.models.explore import Choice
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
        self.mended = vault.slot(f"mended[{number}]", 0)

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
        self.tlb = [slot(f"tlb[{cpu}][{number}]", NOTHING) for number in range(system.numbers)]
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
        for number in range(self.system.numbers):
            self.take(number)

    def flush_page(self, va: int, number: int) -> None:
        self.take(number)

    def take(self, number: int) -> None:
        if self.tlb[number].load() != NOTHING:
            self.tlb[number].store(NOTHING)

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
            for mmu in self.system.reached():
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
    symmetric: bool = True
    """Of spaces that nothing knows yet, only the first is taken."""
    plugged: bool = False
    """CPUs may also come and go."""


MakeContexts = Callable[..., SteppedContexts]


def bits(*slots: Slot) -> int:
    return reduce(or_, (slot.mark for slot in slots), 0)


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
        cell = self._cell
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
        owners = self.numbers if shape.mmids else self.cpus
        self.number_mended = [cell(f"number_mended[{owner}]", 0) for owner in range(owners)]
        """If two spaces had this MMID, or one of this CPU's ASIDs, they may no longer."""
        self._prepare()

    def _cell(self, name: str, value: int, guarded: bool = False) -> Slot:
        return self.vault.slot(name, value, guarded, parts=self.cpus if name == "flush_pending" else 1)

    def _prepare(self) -> None:
        """Masks: for each CPU, what it runs, where its walker looks, and what makes numbers current there; and flushes."""
        contexts: Any = self.contexts
        self._runs = [bits(mmu.stopped, mmu.space, mmu.register, self.tasks[mmu.cpu]) for mmu in self.mmus]
        self._seen_by = [runs | bits(*(entry for other in (cpu, *self.siblings[cpu]) for entry in self.mmus[other].tlb))
                         for cpu, runs in enumerate(self._runs)]
        versions = [contexts.version] * self.cpus if self.shape.mmids else contexts.cache
        self._numbers = [bits(versions[cpu], *(space.word(cpu) for space in self.spaces)) for cpu in range(self.cpus)]
        self._flushes = bits(*(space.flushed for space in self.spaces))
        self._matters = reduce(or_, (*self._seen_by, *self._numbers), self._flushes)

    def do(self, *operations: tuple[str, int, int]) -> System:
        """Some operations, one after the other: (what, cpu, space)."""
        for what, cpu, number in operations:
            for choice in self._choices(cpu):
                if choice.possible and choice.name[:2] == (what, number):
                    choice.change()
                    drain(choice.make())
                    break
            else:
                raise ValueError(f"CPU {cpu} cannot {what} {number} now")
            self.settle(None)
        return self

    def reached(self) -> list[AbstractMmu]:
        """By a GINVT."""
        return self.mmus

    # What a task may do

    def choices(self, cpu: int) -> Iterator[Choice]:
        for choice in self._choices(cpu):
            if self.shape.replaced or choice.name[0] != "exec":
                yield choice._replace(possible=choice.possible and not self._is_like_another(self.spaces[choice.name[1]]))

    def _choices(self, cpu: int) -> Iterator[Choice]:
        task = self.tasks[cpu].load()
        for space in self.spaces:
            if task != space.number:
                yield Choice(("switch", space.number),
                             space.users > 1 or not self._runs_elsewhere(cpu, space, loaded=False),
                             lambda space=space: self.tasks[cpu].store(space.number),
                             lambda space=space: self.contexts.switching(cpu, space))
                yield Choice(("exec", space.number),
                             not space.being_flushed.load() and not self._runs_elsewhere(cpu, space, loaded=True),
                             lambda space=space: self._replace(cpu, space),
                             lambda space=space: self.contexts.switching(cpu, space))
            mine = task == space.number
            for kind in self.shape.kinds:
                yield Choice(("unmap", space.number, kind.value, mine), True,
                             lambda space=space: self._begin_flush(space, 1),
                             lambda space=space, kind=kind, mine=mine: self._unmapping(cpu, space, kind, mine))
        if self.shape.idle and task != NOTHING:
            yield Choice(("leave", task), True, lambda: self.tasks[cpu].store(NOTHING), no_steps)

    def _is_like_another(self, space: Space) -> bool:
        """Two spaces that nothing knows can change names: no program goes through them in an order."""
        return self.shape.symmetric and self._is_unknown(space) and any(
            other.users == space.users and self._is_unknown(other) for other in self.spaces[:space.number])

    def _is_unknown(self, space: Space) -> bool:
        """To no context word, CPU, flush and TLB."""
        slots = (*space.words, space.being_flushed, space.generation)
        places = itertools.chain(self.tasks, (mmu.space for mmu in self.mmus))
        return (not any(slot.load() for slot in slots) and all(place.load() != space.number for place in places)
                and not any(entry.load() // GENERATIONS == space.number for mmu in self.mmus for entry in mmu.tlb))

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
        with self.vault.unnoticed():                       # nobody can fill in or use what becomes another name here
            for entry in itertools.chain.from_iterable(mmu.tlb for mmu in self.mmus):
                if entry.load() >= 0 and entry.load() // GENERATIONS == space.number:
                    entry.store(DEAD)
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

    def settle(self, before: State | None) -> str | None:
        """What may be wrong now, reads ``mended``; what may have been right only now, writes it."""
        if self.wrong is not None:
            wrong, self.wrong = self.wrong, None
            return wrong
        written = self.vault.writes
        if not written & self._matters:
            return None
        entered = self._walk_where(written)
        with self.vault.unnoticed():
            wrong = self._translate() or self._number_twice()
        for space in self.spaces:
            if written & space.flushed.mark:
                space.mended.load()
        for number in self._taken(written, entered):
            self.number_mended[number].load()
        if before is not None:
            self._note_mended(before, written)
        return wrong

    def _walk_where(self, written: int) -> list[AbstractMmu]:
        """Fill places in TLBs; whose CPUs run what they did not?"""
        entered = []
        for cpu, mmu in enumerate(self.mmus):
            if written & self._seen_by[cpu] and not mmu.stopped.load() and mmu.space.load() != NOTHING:
                number = mmu.register.load()
                if not self._in_tlbs(cpu, number):
                    space = self.spaces[mmu.space.load()]
                    mmu.tlb[number].store(space.number * GENERATIONS + space.generation.load())
                if written & self._runs[cpu]:
                    entered.append(mmu)
        return entered

    def _taken(self, written: int, entered: list[AbstractMmu]) -> Iterator[int]:
        """MMIDs that are run or current from now on; CPUs with such ASIDs."""
        if not self.shape.mmids:
            yield from (cpu for cpu in range(self.cpus) if written & self._numbers[cpu])
            return
        now = self.vault.now
        yield from (now[mmu.register.index] for mmu in entered)
        for word in (space.words[0] for space in self.spaces):
            if written & word.mark:
                yield now[word.index] & self.contexts.mask

    def _in_tlbs(self, cpu: int, number: int) -> list[int]:
        return [entry for other in (cpu, *self.siblings[cpu])
                if (entry := self.mmus[other].tlb[number].load()) != NOTHING]

    def _translate(self) -> str | None:
        for cpu, mmu in enumerate(self.mmus):
            space, number = mmu.loaded(), mmu.register.load()
            if space is None or mmu.stopped.load() or self.tasks[cpu].load() == NOTHING:
                continue
            for entry in self._in_tlbs(cpu, number):
                if entry == DEAD or entry // GENERATIONS != space.number:
                    owner = "one that is gone" if entry == DEAD else entry // GENERATIONS
                    return f"CPU {cpu} runs space {space.number} under {number} and uses a page of {owner}"
                if entry % GENERATIONS < space.flushed.load():
                    return f"CPU {cpu} runs space {space.number} under {number} and uses a page that was flushed"
        return None

    def _note_mended(self, before: State, written: int) -> None:
        """A CPU no longer runs what it ran, or under its number; an entry that it used is gone; a number is not current."""
        now = self.vault.now
        for cpu, mmu in enumerate(self.mmus):
            loaded, number = before[mmu.space.index], before[mmu.register.index]
            if loaded != NOTHING and not before[mmu.stopped.index]:
                left = any(before[slot.index] != now[slot.index] for slot in (mmu.stopped, mmu.space, mmu.register))
                if left or any(before[slot.index] not in (now[slot.index], NOTHING)
                               for slot in (other.tlb[number] for other in self.mmus)):
                    self.spaces[loaded].mended.store(0)
                if left and self.shape.mmids:
                    self.number_mended[number].store(0)
            if written & self._numbers[cpu]:
                for number in self._no_longer_current(before, cpu):
                    self.number_mended[number if self.shape.mmids else cpu].store(0)

    def _no_longer_current(self, before: State, cpu: int) -> Iterator[int]:
        contexts: Any = self.contexts
        version = contexts.version if self.shape.mmids else contexts.cache[cpu]
        now, old = self.vault.now, before[version.index] & ~contexts.mask
        renewed = now[version.index] & ~contexts.mask != old
        for index in (space.word(cpu).index for space in self.spaces):
            if before[index] & ~contexts.mask == old and (renewed or now[index] != before[index]):
                yield before[index] & contexts.mask

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
