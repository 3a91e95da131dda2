"""Hosts with ASIDs and MMIDs under the same tasks, by chance.  Rows HM-1..HM-8, HM-30..HM-53; seeds are in the test's name.

``python -m tests.soak.contexts --seed S --count N`` goes on for as long as one likes.
"""
from __future__ import annotations

from typing import Any

import pytest

from tests.models import variants
from tests.models.workload import MachineHost, PlainHost, Workload, plain_hosts
from vmm.host.kernel.asids import AsidContexts
from vmm.host.kernel.mmids import MmidContexts


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_access_gives_what_the_page_table_says(seed: int) -> None:
    hosts = plain_hosts(cpus=2 + seed)
    work = Workload(seed, hosts, cpus=2 + seed)
    work.run(20_000)
    assert min(work.done.values()) > 50
    assert isinstance(hosts[1].contexts, MmidContexts)
    assert hosts[1].contexts.version.load() // hosts[1].contexts.first_version > 20          # rollovers


def test_the_same_seed_is_the_same_run() -> None:
    sums = set()
    for _ in range(2):
        work = Workload(5, plain_hosts(2), 2)
        work.run(2000)
        sums.add((work.seen, tuple(work.done.items())))
    assert len(sums) == 1


def test_simulated_machines_agree_with_what_is_plain() -> None:
    hosts: list[Any] = [MachineHost("I6500 with ASIDs", 3, mmids=False), MachineHost("I6500 with MMIDs", 3, mmids=True),
                        PlainHost("plain", 3, MmidContexts)]
    work = Workload(7, hosts, 3)
    work.run(2500)
    counts = [host.kernel.mmu_counts for host in hosts[:2]]
    assert counts[0]["ginvt"] == 0 < counts[1]["ginvt"]
    assert counts[1]["ipi"] < counts[0]["ipi"] // 2        # HM-55


@pytest.mark.parametrize("wrong, siblings", [
    (variants.IgnoresReserved, False), (variants.NeverFlushes, False), (variants.TrustsSiblings, True),
    (variants.NeverStale, False), (variants.DropsByZero, False), (variants.LeavesForeignNumber, False),
    (variants.CyclesWithoutFlush, False)])
def test_a_wrong_allocator_is_noticed(wrong: Any, siblings: bool) -> None:
    host = PlainHost("wrong", 3, wrong, siblings=siblings)
    with pytest.raises(AssertionError, match="wrong gives"):
        Workload(1, [host], 3).run(50_000)


@pytest.mark.parametrize("wrong", [variants.KeepsToItself, variants.SpoilsNothing, variants.AlwaysAlone])
def test_a_wrong_flush_is_noticed(wrong: Any) -> None:
    with pytest.raises(AssertionError, match="wrong gives"):
        Workload(1, [PlainHost("wrong", 3, AsidContexts, flusher=wrong)], 3).run(50_000)
