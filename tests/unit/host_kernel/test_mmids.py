"""The allocator of MMIDs and the switch, one CPU after the other.  Rows HM-3..5, HM-8, HM-20..37, HM-40, HM-52, HM-53.

What happens when CPUs come between each other's steps is the model checker's (``tests/models``).
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from vmm.errors import ConfigError
from vmm.host.kernel.mmids import Ginvt, MmidContexts
from vmm.host.kernel.steps import Act, Lock, Word, drain


class Space:
    """An address space with one context word."""

    users = 1

    def __init__(self, word: int = 0) -> None:
        self.cell = Word("context", word)

    def word(self, cpu: int) -> Word:
        return self.cell


class Noted:
    """An MMU that writes down what it was told."""

    def __init__(self) -> None:
        self.log: list[Any] = []
        self.number = 99

    def loaded(self) -> None:
        return None

    def mmid(self) -> int:
        return self.number

    def set_mmid(self, number: int) -> None:
        self.number = number
        self.log.append(("mmid", number))

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args: self.log.append((name, *args) if args else name)


def made(cpus: int = 1, bits: int = 3, **options: Any) -> tuple[MmidContexts, list[Noted]]:
    mmus = [Noted() for _ in range(cpus)]
    return MmidContexts(mmus, bits=bits, **options), mmus


def test_numbers_start_at_1_with_the_first_version_and_the_register_gets_the_low_bits() -> None:
    """HM-3, HM-5, HM-8, HM-35, HM-37: 16 bits, so versions count from 0x10000."""
    contexts, (mmu,) = made(bits=16)
    first, second = Space(), Space()
    contexts.switch(0, first)
    contexts.switch(0, second)
    assert (first.cell.value, second.cell.value, contexts.active[0].load()) == (0x10001, 0x10002, 0x10002)
    assert mmu.log[:4] == ["stop_walker", ("mmid", 1), ("load", first), "start_walker"]
    assert contexts.tag(0, second) == 2


def test_a_space_has_one_number_on_all_cpus_and_keeps_it() -> None:
    """HM-4, HM-53."""
    contexts, mmus = made(cpus=3)
    space = Space()
    assert not contexts.ever_used(space, (0, 1, 2))
    for cpu in (0, 1, 2, 0):
        contexts.switch(cpu, space)
    assert space.cell.value == 0x8 | 1
    assert [mmu.number for mmu in mmus] == [1, 1, 1]
    assert contexts.ever_used(space, (2,))


def test_the_fast_way_takes_no_lock_and_the_slow_one_does() -> None:
    """HM-32, HM-33."""
    contexts, _ = made()
    space = Space()

    def locks() -> int:
        program, taken, answer = contexts.switching(0, space), 0, None
        try:
            while True:
                step = program.send(answer)
                taken += isinstance(step, Lock)
                answer = step.perform()
        except StopIteration:
            return taken

    assert [locks(), locks()] == [1, 0]
    contexts.active[0].store(0)
    assert locks() == 1


def test_a_rollover_keeps_what_runs_and_empties_every_tlb_before_it_is_used_again() -> None:
    """HM-22, HM-24..HM-27, HM-34: 7 numbers; two CPUs run 1 and 2 when an eighth is asked for."""
    contexts, mmus = made(cpus=2)
    spaces = [Space() for _ in range(8)]
    contexts.switch(1, spaces[0])
    for space in spaces[1:7]:
        contexts.switch(0, space)
    contexts.switch(0, spaces[1])
    for mmu in mmus:
        mmu.log.clear()
    contexts.switch(0, spaces[7])
    assert spaces[7].cell.value == 0x10 | 3
    assert contexts.version.load() == 0x10
    assert [cell.load() for cell in contexts.reserved] == [0x8 | 2, 0x8 | 1]
    assert mmus[0].log == ["stop_walker", "flush_all", ("mmid", 3), ("load", spaces[7]), "start_walker"]
    assert contexts.flush_pending.load() == 0b10
    contexts.switch(1, spaces[0])                          # it kept its number, and this CPU must flush, too
    assert spaces[0].cell.value == contexts.reserved[1].load() == 0x10 | 1
    assert mmus[1].log[:2] == ["stop_walker", "flush_all"]
    assert contexts.flush_pending.load() == 0


def test_a_stale_number_that_nobody_has_taken_is_taken_again() -> None:
    """HM-22 b."""
    contexts, _ = made()
    spaces = [Space() for _ in range(8)]
    for space in spaces:
        contexts.switch(0, space)
    assert spaces[7].cell.value == 0x10 | 1
    contexts.switch(0, spaces[4])
    assert spaces[4].cell.value == 0x10 | 5
    contexts.switch(0, spaces[0])                          # its 1 is taken: the search goes on where it was (HM-25)
    assert spaces[0].cell.value == 0x10 | 2


def test_a_cpu_that_did_not_switch_between_two_rollovers_keeps_its_number() -> None:
    """HM-26; hard detail 25."""
    contexts, _ = made(cpus=2, count=5)
    still = Space()
    contexts.switch(1, still)
    for _ in range(8):
        contexts.switch(0, Space())
    assert contexts.version.load() > 0x10
    assert contexts.reserved[1].load() == 0x8 | 1
    contexts.switch(0, still)
    assert still.cell.value & 7 == 1
    assert contexts.reserved[1].load() == still.cell.value


def test_siblings_that_share_an_ftlb_must_not_lend_old_entries() -> None:
    """HM-36: CPU 1 has not flushed since the rollover, so CPU 0 invalidates its new number on both."""
    contexts, mmus = made(cpus=2, count=5, siblings=((1,), (0,)))
    contexts.switch(1, Space())
    spaces = [Space() for _ in range(4)]
    for space in spaces:
        contexts.switch(0, space)
    assert mmus[0].log[-6:-2] == ["flush_all", ("mmid", 2), ("ginvt", Ginvt.SPACE, 0), "sync_ginv"]
    contexts.switch(1, Space())
    contexts.switch(0, spaces[3])
    assert mmus[0].log[-4:-2] == ["stop_walker", ("mmid", 2)]


def test_dropping_invalidates_a_number_everywhere_and_puts_the_register_back() -> None:
    """HM-12, HM-40."""
    contexts, (mmu,) = made()
    space = Space()
    contexts.drop(0, space)
    assert mmu.log == []
    contexts.switch(0, space)
    contexts.switch(0, Space())
    mmu.log.clear()
    contexts.drop(0, space)
    assert mmu.log == ["stop_walker", ("mmid", 1), ("ginvt", Ginvt.SPACE, 0), "sync_ginv", ("mmid", 2), "start_walker"]
    assert space.cell.value == 0x8 | 1


def test_several_requests_wait_once_or_as_the_original_after_each() -> None:
    """L-16."""
    contexts, (mmu,) = made()
    requests = [(Ginvt.SPACE_AND_ADDRESS, va) for va in (0x2000, 0x4000)]
    drain(contexts.invalidating(0, 5, requests))
    assert [entry for entry in mmu.log if entry == "sync_ginv" or entry[0] == "ginvt"] == [
        ("ginvt", 3, 0x2000), ("ginvt", 3, 0x4000), "sync_ginv"]
    mmu.log.clear()
    drain(contexts.invalidating(0, 5, requests, sync_each=True))
    assert [entry for entry in mmu.log if entry == "sync_ginv" or entry[0] == "ginvt"] == [
        ("ginvt", 3, 0x2000), "sync_ginv", ("ginvt", 3, 0x4000), "sync_ginv"]


def test_a_cpu_that_comes_up_runs_nobodys_space() -> None:
    """HM-52."""
    contexts, (mmu,) = made()
    contexts.switch(0, Space())
    drain(contexts.starting(0))
    assert contexts.active[0].load() == 0
    assert mmu.log[-1] == "flush_all"


def test_too_few_numbers_are_refused_with_a_reason() -> None:
    """HM-20, and one more than the original asks for: 0 is nobody's."""
    with pytest.raises(ConfigError, match="4 MMIDs for 3 CPUs: at least 5 are needed"):
        made(cpus=3, bits=2)
    made(cpus=2, bits=2)


def test_a_spinlock_taken_twice_is_a_defect() -> None:
    lock = Word("lock")
    Lock(lock).perform()
    assert not Lock(lock).free
    with pytest.raises(AssertionError, match="taken twice"):
        Lock(lock).perform()
    assert not Act(lock.load).shared
