"""A host with MMIDs on VPs that use each other's FTLB entries: spaces never see what a number's last owner had.  (HM-36)

Two VPs of one core switch among more spaces than there are numbers, and look at pages.  Misses are served as a refill
handler would, into the FTLB; a value that is not the space's own is a stale translation.
"""
from __future__ import annotations

from random import Random

import pytest

from tests.models.variants import TrustsSiblings
from vmm.arch.cp0.registers import PageMask, Status
from vmm.arch.models import find_model
from vmm.engine.cpu import TlbEntry
from vmm.host.kernel.kernel import Kernel
from vmm.host.kernel.mmids import MmidContexts
from vmm.host.machine import Machine

LOAD = 0x8C82_0000                                          # lw $2, 0($4)
CODE = 0xFFFF_FFFF_8000_3000
DATA, SPACES, VAS = 0x10_0000, 8, (0x40_0000, 0x40_2000, 0x80_0000)
VTLB, SETS, WAYS = 16, 128, 4
V_D = 2 | 4


class Host:
    def __init__(self, make: type[MmidContexts], engine: str, model: str = "I6500") -> None:
        self.machine = Machine(find_model(model), 2, 2 << 20, engine=engine)
        self.kernel = Kernel(self.machine, page_shift=12, mmids=True)
        siblings = self.kernel.contexts.siblings if isinstance(self.kernel.contexts, MmidContexts) else None
        self.contexts = make(self.kernel.mmus, count=5, siblings=siblings)
        self.spaces = [self.kernel.new_mm() for _ in range(SPACES)]
        self.machine.ram.store(CODE & 0x1FFF_FFFF, 4, LOAD)
        for cpu in range(2):
            self.contexts.switch(cpu, self.kernel.init_mm)
        for space in range(SPACES):
            for n in range(len(VAS)):
                self.machine.ram.store(self.page(space, n), 4, self.value(space, n))
        self.wrong = self.borrowed = 0

    def page(self, space: int, n: int) -> int:
        return DATA + (space * len(VAS) + n) * 0x1000

    def value(self, space: int, n: int) -> int:
        return 0x100 * space + n + 1

    def look(self, cpu: int, space: int, n: int, way: int) -> None:
        """A load in the space that the CPU runs; after a miss once more."""
        core = self.machine.cpus[cpu]
        for missed in (False, True):
            core.root[Status] = Status.KX.mask
            core.gpr[4], core.pc = VAS[n], CODE
            core.refresh()
            core.run(core.ticks + 1)
            if core.pc == CODE + 4:
                self.wrong += core.gpr[2] != self.value(space, n)
                self.borrowed += not missed and not self.has_own(cpu, n)
                return
            self.refill(cpu, space, n, way)
        raise AssertionError("a page that was just mapped is missing")

    def has_own(self, cpu: int, n: int) -> bool:
        at = self.machine.cpus[cpu].tlb.find(VAS[n], self.kernel.mmus[cpu].mmid())
        words = self.machine.cpus[cpu].state.array("root_tlb")
        return at is not None and bool(words[8 * at + 7] & 1 << cpu)

    def refill(self, cpu: int, space: int, n: int, way: int) -> None:
        index = VTLB + way * SETS + VAS[n] // 0x2000 % SETS
        lo = self.page(space, n) >> 6 | V_D
        self.machine.cpus[cpu].tlb[index] = TlbEntry(VAS[n], 0, lo, V_D, mmid=self.kernel.mmus[cpu].mmid())
        assert not self.machine.cpus[cpu].root[PageMask] & 0x7FFF


def work(host: Host, seed: int, looks: int) -> Host:
    chance, runs = Random(seed), [0, 0]
    for cpu in range(2):
        host.contexts.switch(cpu, host.spaces[cpu])
        runs[cpu] = cpu
    for _ in range(looks):
        cpu = chance.randrange(2)
        if chance.random() < 0.3:
            runs[cpu] = chance.randrange(SPACES)
            host.contexts.switch(cpu, host.spaces[runs[cpu]])
        host.look(cpu, runs[cpu], chance.randrange(len(VAS)), chance.randrange(WAYS))
    return host


@pytest.mark.parametrize("engine, seeds, looks", [("native", 8, 400), ("reference", 1, 200)])
def test_with_its_ginvt_a_switch_never_shows_what_was_there_before(engine: str, seeds: int, looks: int) -> None:
    hosts = [work(Host(MmidContexts, engine), seed, looks) for seed in range(seeds)]
    assert [host.wrong for host in hosts] == [0] * len(hosts)
    assert all(host.borrowed and host.kernel.mmu_counts["ginvt"] for host in hosts)


@pytest.mark.parametrize("engine, seeds, looks", [("native", 8, 400), ("reference", 1, 200)])
def test_without_it_a_sibling_s_stale_entry_is_hit(engine: str, seeds: int, looks: int) -> None:
    hosts = [work(Host(TrustsSiblings, engine), seed, looks) for seed in range(seeds)]
    assert all(host.wrong for host in hosts), [host.wrong for host in hosts]


def test_the_kernel_knows_who_lends_to_whom() -> None:
    kernel = Kernel(Machine(find_model("I6500"), 6, 4 << 20), mmids=True)
    assert isinstance(kernel.contexts, MmidContexts)
    assert kernel.contexts.siblings == [(1, 2, 3), (0, 2, 3), (0, 1, 3), (0, 1, 2), (5,), (4,)]
