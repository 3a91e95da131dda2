"""The shootdown experiment: the same figures for the same numbers, and what each kind of id must show.  (HM-41..HM-55)"""
from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import pytest

from tests.soak import shootdown
from vmm.arch.models import MODELS
from vmm.host.kernel.calls import CrossCall
from vmm.host.kernel.costs import CHARGED
from vmm.host.kernel.flush import Flusher
from vmm.host.kernel.kernel import Kernel
from vmm.host.kernel.steps import Program
from vmm.lab import table
from vmm.lab.measure import ASIDS, MMIDS, Measured, measure
from vmm.lab.workload import Workload

SMALL = Workload(processes=2, threads=3, pages=3, rounds=4, working=8, passes=10, every=2)
THREADS = SMALL.processes * SMALL.threads
FORKS = SMALL.processes * SMALL.rounds // SMALL.every


def run(cpus: int, *, mmids: bool, workload: Workload = SMALL, quantum: int = 200) -> Measured:
    return measure(workload, MODELS["I6500"], cpus, mmids=mmids, quantum=quantum)


once = lru_cache(run)
both = pytest.mark.parametrize("mmids", [False, True], ids=["asids", "mmids"])


@both
def test_equal_numbers_give_equal_figures_and_other_seeds_others(mmids: bool) -> None:
    assert run(4, mmids=mmids) == once(4, mmids=mmids)
    other = run(4, mmids=mmids, workload=Workload(2, 3, 3, 4, 7, 8, 10, 2))
    assert other != once(4, mmids=mmids)
    assert other.flushes == pytest.approx(once(4, mmids=mmids).flushes, abs=20)


@both
def test_with_one_cpu_nothing_is_remote(mmids: bool) -> None:
    alone = once(1, mmids=mmids)
    assert (alone.ipis, alone.interrupted) == (0, 0)
    assert 0 < alone.lost < alone.ticks


def test_mmids_need_no_interrupts_for_flushes_of_users() -> None:
    """HM-55; and so what a flush costs does not depend on how many CPUs there are."""
    alone, four = once(1, mmids=True), once(4, mmids=True)
    assert (four.ipis, four.interrupted, alone.ids) == (0, 0, MMIDS)
    assert four.ginvts > four.flushes
    assert four.lost == pytest.approx(alone.lost, rel=0.03)


def test_with_asids_each_flush_of_threads_interrupts_others() -> None:
    """HM-42..HM-44: by one IPI to each other CPU, where the space has several users."""
    two, four = once(2, mmids=False), once(4, mmids=False)
    assert (two.ginvts, two.ids) == (0, ASIDS)
    assert 0 < two.interrupted <= two.ipis < four.ipis
    assert four.ipis % 3 == 0
    assert four.ipis / 3 == pytest.approx(two.ipis, rel=0.2)
    assert once(1, mmids=False).lost < two.lost < four.lost


def test_mmids_lose_less_and_end_earlier() -> None:
    asids, mmids = once(4, mmids=False), once(4, mmids=True)
    assert 10 * mmids.lost < asids.lost
    assert mmids.ticks < asids.ticks


@both
def test_the_workload_flushes_what_it_says(mmids: bool) -> None:
    """A thread's round ends with an mprotect and a munmap of pages that it has used; a fork, what it writes then, and an
    end flush too."""
    least = THREADS * SMALL.rounds * 2 + FORKS
    assert least <= once(4, mmids=mmids).flushes <= least + 8 * FORKS + 20 * SMALL.processes


@both
def test_every_page_that_is_mapped_is_missed_once_at_least(mmids: bool) -> None:
    pairs = THREADS * SMALL.rounds * -(-SMALL.pages // 2)
    assert once(1, mmids=mmids).misses > pairs


def test_what_is_lost_with_mmids_is_what_is_charged() -> None:
    """Nobody waits: each flush has its GINVTs and one SYNC, or is of a space that never ran."""
    found = once(4, mmids=True)
    least = found.ginvts * CHARGED.ginvt
    assert least < found.lost <= least + found.flushes * CHARGED.switch_mmid


def test_who_flushes_waits_for_the_slowest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work of 1,000 instructions for one CPU of four: each flush by interrupts takes that much longer."""
    answer = CrossCall.answer

    def slow(self: CrossCall, cpu: int, clock: object) -> None:
        self.work = {other: 1000 if other == 3 else 0 for other in self.work}
        answer(self, cpu, clock)  # type: ignore[arg-type]

    before = once(4, mmids=False)
    monkeypatch.setattr(CrossCall, "answer", slow)
    assert run(4, mmids=False).lost > before.lost + before.ipis // 3 * 500


def nobody(self: Flusher, cpu: int) -> Program[tuple[int, ...]]:
    return ()
    yield


@pytest.mark.parametrize("mmids, owner, name, broken", [
    (False, Flusher, "_others", nobody), (True, Kernel, "_invalidate_for_all", lambda *args: None)], ids=["asids", "mmids"])
def test_the_workload_notices_flushes_that_others_do_not_get(mmids: bool, owner: type, name: str, broken: Any,
                                                             monkeypatch: pytest.MonkeyPatch) -> None:
    """It checks what it has written, so entries that should be gone spoil it; or they spoil the kernel's page tables.  The
    fifth CPU has an FTLB of its own, where entries live longer than where four VPs fill each set of four."""
    monkeypatch.setattr(owner, name, broken)
    assert any(goes_wrong(Workload(1, 8, 3, 24, seed, 8, 10, 2), mmids=mmids) for seed in range(4))


def goes_wrong(workload: Workload, *, mmids: bool) -> bool:
    try:
        run(5, mmids=mmids, workload=workload)
    except (AssertionError, ValueError) as error:
        assert re.search("killed by SIG|no unmapped kernel address", str(error))
        return True
    return False


def test_the_way_back_to_a_task_is_as_long_as_its_registers_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """28 of them, besides sp, and Status and EPC; and nothing that stands behind it.  Each interrupt costs that."""
    found = once(4, mmids=False)
    monkeypatch.setattr("vmm.lab.measure._return_length", lambda kernel: 0)
    back, rest = divmod(found.lost - run(4, mmids=False).lost, found.interrupted)
    assert (rest, back in range(33, 42)) == (0, True)


def test_rows_of_the_table_are_as_wide_as_its_head() -> None:
    lines = [table.head(), *(table.line(once(cpus, mmids=mmids)) for cpus in (1, 4) for mmids in (False, True))]
    assert len(set(map(len, lines))) == 1
    assert lines[1].split()[:4] == ["1", "ASIDs,", "IPIs", f"{once(1, mmids=False).flushes:,}"]


def test_figures_are_what_was_measured_and_its_shares() -> None:
    found = once(4, mmids=False)
    figures = table.figures(found)
    assert figures["lost"] == found.lost
    assert figures["share"] == pytest.approx(found.lost / (4 * found.ticks), abs=1e-6)
    assert figures["lost_each"] == pytest.approx(found.lost / found.flushes, abs=1e-3)


def test_workloads_by_chance_find_their_memory_as_they_wrote_it(capsys: pytest.CaptureFixture[str]) -> None:
    """A few of ``python -m tests.soak.shootdown``."""
    assert shootdown.main(["--seed", "7", "--count", "4"]) == 0
    assert "4 runs" in capsys.readouterr().out
