"""Every interleaving of a few switches, execs and flushes: the programs are right, and wrong variants are found out.

Rows HM-8, HM-12, HM-20..HM-37, HM-40..HM-44; hard details 25 to 28.  ``python -m tests.soak.interleavings`` goes further.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.models.bounds import BOUNDS, Bound, explored
from tests.models.explore import Explorer, Vault, Violation, key_of
from tests.models.spaces import System
from tests.models.variants import WRONG, Case
from vmm.host.kernel.steps import Act, Load, Lock, Program, Store, Unlock


@pytest.mark.parametrize("bound", BOUNDS, ids=lambda bound: bound.name)
def test_no_interleaving_uses_a_stale_translation_or_a_number_twice(bound: Bound) -> None:
    assert explored(bound).states > 5000


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case.name)
def test_a_wrong_variant_is_found_out(case: Case) -> None:
    with pytest.raises(AssertionError):
        Explorer(System(case.shape, case.contexts, case.flusher).do(*case.before), case.operations, 200_000).explore()


def test_a_counterexample_tells_every_step() -> None:
    case = next(case for case in WRONG if case.name == "NeverSynchronises")
    with pytest.raises(AssertionError) as found:
        Explorer(System(case.shape, case.contexts).do(*case.before), case.operations).explore()
    what, *steps = str(found.value).splitlines()
    assert "uses a page that was flushed" in what
    assert "unmap 0" in steps[0] and "_certify" in steps[-1]
    assert all(step.startswith("  CPU ") for step in steps)


class Counter:
    """Two CPUs that add one to a word; ``locked`` or not."""

    cpus = 2

    def __init__(self, locked: bool) -> None:
        self.vault, self.locked = Vault(), locked
        self.word, self.done, self.lock = (self.vault.slot(name, 0) for name in ("word", "done", "lock"))

    def choices(self, cpu: int) -> Iterator[tuple[Any, Callable[[], None], Callable[[], Program[Any]]]]:
        yield ("add",), lambda: None, self.adding

    def adding(self) -> Program[None]:
        if self.locked:
            yield Lock(self.lock)
        yield Store(self.word, (yield Load(self.word)) + 1)
        yield Act(lambda: self.done.store(self.done.load() + 1), shared=True)
        if self.locked:
            yield Unlock(self.lock)

    def settle(self) -> str | None:
        return "lost" if self.done.load() > self.word.load() else None


def test_the_explorer_finds_a_lost_update_and_sees_that_a_lock_prevents_it() -> None:
    with pytest.raises(Violation, match="lost"):
        Explorer(Counter(locked=False), 2).explore()
    # Before, after, and on either of the CPUs at one of five steps.
    assert Explorer(Counter(locked=True), 1).explore().states == 12
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
