"""The explorer itself: races, locks, deadlocks, and programs by chance with the reduction and without it."""
from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from tests.models.automaton import State, Vault, key_of
from tests.models.explore import Choice, Explorer, Move, Violation
from vmm.host.kernel.steps import Act, Call, ClearBits, Exchange, Load, LoadBits, Lock, Program, Store, Unlock


class Counter:
    """Two CPUs that add one to a word; ``locked`` or not."""

    cpus = 2

    def __init__(self, locked: bool) -> None:
        self.vault, self.locked = Vault(), locked
        self.word, self.done, self.lock = (self.vault.slot(name, 0) for name in ("word", "done", "lock"))

    def choices(self, cpu: int) -> Iterator[Choice]:
        yield Choice(("add",), True, lambda: None, self.adding)

    def adding(self) -> Program[None]:
        if self.locked:
            yield Lock(self.lock)
        yield Store(self.word, (yield Load(self.word)) + 1)
        yield Act(lambda: self.done.store(self.done.load() + 1), shared=True)
        if self.locked:
            yield Unlock(self.lock)

    def settle(self, before: State | None) -> str | None:
        return "lost" if self.done.load() > self.word.load() else None


def test_the_explorer_finds_a_lost_update_and_sees_that_a_lock_prevents_it() -> None:
    with pytest.raises(Violation, match="lost"):
        Explorer(Counter(locked=False), 2).explore()
    # Nothing or one addition to do before, nothing after, and on either of the CPUs at one of five steps.
    assert Explorer(Counter(locked=True), 1).explore().states == 3 + 1 + 2 * 5
    assert Explorer(Counter(locked=True), 2).explore().states > 30


def test_a_lock_that_is_never_given_back_is_a_deadlock() -> None:
    model = Counter(locked=True)
    model.lock.store(1)
    with pytest.raises(Violation, match="deadlock"):
        Explorer(model, 1).explore()


def test_states_that_differ_have_different_keys() -> None:
    """Python's hash of -1 is that of -2."""
    assert key_of((-1, (-1,))) != key_of((-2, (-1,))) != key_of((-1, (-2,)))
    assert key_of((1, ())) == key_of((1, ()))


class Chance:
    """Programs drawn by chance: what they do with a few cells, and where they go on, depends on what they find there."""

    def __init__(self, seed: int) -> None:
        self.vault, self.cpus = Vault(), 3
        random = Random(seed)
        self.locks = [self.vault.slot(f"lock[{n}]", 0) for n in range(2)]
        self.cells = [self.vault.slot(f"cell[{n}]", 0, parts=2) for n in range(4)]
        self.found = [self.vault.slot(f"found[{n}]", 0) for n in range(self.cpus)]
        self.texts = [[self._line(random) for _ in range(random.randrange(1, 4))] for _ in range(4)]

    def _line(self, random: Random) -> tuple[str, int, int, int]:
        what = random.choice(("load", "store", "exchange", "bits", "clear", "locked", "call"))
        return what, random.randrange(4), random.randrange(4), random.randrange(4)

    def choices(self, cpu: int) -> Iterator[Choice]:
        for number in range(len(self.texts)):
            possible = number < 3 or self.cells[number].load() % 2 == 0
            yield Choice((number,), possible, lambda: None, lambda number=number: self.program(cpu, number))

    def program(self, cpu: int, number: int) -> Program[None]:
        found = 0
        for what, cell, value, skip in self.texts[number]:
            if found % 4 == skip:
                continue
            match what:
                case "load":
                    found += yield Load(self.cells[cell])
                case "store":
                    yield Store(self.cells[cell], found + value + cpu & 3)
                case "exchange":
                    found = yield Exchange(self.cells[cell], value)
                case "bits":
                    found = yield LoadBits(self.cells[cell], 1 + value % 2)
                case "clear":
                    yield ClearBits(self.cells[cell], 1 + value % 2)
                case "locked":
                    yield Lock(self.locks[cell % 2])
                    yield Store(self.cells[value], (yield Load(self.cells[value])) + 1 & 3)
                    yield Unlock(self.locks[cell % 2])
                case "call":
                    others = tuple(other for other in range(self.cpus) if other not in (cpu, skip))
                    yield Call(others, lambda other, cell=cell, value=value: self.called(cell, other + value & 3))
        yield Store(self.found[cpu], found)

    def called(self, cell: int, value: int) -> Program[None]:
        if (yield Load(self.cells[cell])) != value:
            yield Store(self.cells[value], value)

    def settle(self, before: State | None) -> str | None:
        return None


@pytest.mark.parametrize("seed", [3, 4, 6, 14, 20])
def test_programs_by_chance_end_as_they_do_without_the_reduction(seed: int) -> None:
    full, reduced = (Explorer(Chance(seed), 3, reduced=reduced).explore() for reduced in (False, True))
    assert full.ends == reduced.ends
    assert reduced.states <= full.states and len(full.ends) > 1


def test_a_reduction_that_does_not_come_back_is_found_out() -> None:
    class Careless(Explorer):
        def _needed(self, *_: Any) -> list[Move]:
            return []

    assert Careless(Chance(4), 3).explore().ends < Explorer(Chance(4), 3).explore().ends
