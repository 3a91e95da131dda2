"""Flushes on the TLBs of a machine: plans, who is interrupted, and that the right entries go.  Rows HM-7, HM-40..55."""
from __future__ import annotations

from functools import partial

import pytest

from vmm.arch.cp0.registers import Config5, EntryHi, MemoryMapID, Wired
from vmm.arch.models import MODELS
from vmm.host.kernel.asids import AsidContexts
from vmm.host.kernel.contexts import Mm
from vmm.host.kernel.flush import PLANS, STALE, Flush, Flusher, Others, Wanted
from vmm.host.kernel.kernel import Kernel
from vmm.host.kernel.mmids import MmidContexts
from vmm.host.kernel.steps import drain
from vmm.host.machine import Machine

VA, OTHER_VA, PAIR = 0x10_0000, 0x20_0000, 0x2000
VALID = 2
both = pytest.mark.parametrize("mmids", [False, True], ids=["ASIDs", "MMIDs"])


def boot(mmids: bool, cpus: int = 3, model: str = "I6500") -> Kernel:
    return Kernel(Machine(MODELS[model], cpus, 4 << 20, engine="reference"), page_shift=12, mmids=mmids)


def touch(kernel: Kernel, cpu: int, mm: Mm, va: int = VA) -> None:
    """The CPU runs in this space and uses a page."""
    kernel.contexts.switch(cpu, mm)
    free = next(index for index, entry in enumerate(kernel.cpus[cpu].tlb) if entry.ehinv and index > 1)
    kernel.tlbs[cpu].update(va, kernel.contexts.tag(cpu, mm), VALID, VALID, victim=free)


def has(kernel: Kernel, cpu: int, mm: Mm, va: int = VA) -> bool:
    return kernel.tlbs[cpu].probe(va, kernel.contexts.tag(cpu, mm)) is not None


def test_every_operation_has_a_plan_of_each_kind_and_says_it() -> None:
    assert set(PLANS) == {(what, mmids) for what in Flush for mmids in (False, True)}
    assert str(PLANS[Flush.PAGE, True]) == "GINVT space and address, then SYNC"
    assert "by IPI: probe for one pair" in str(PLANS[Flush.ONE, True])


def test_interrupts_are_spared_where_the_original_spares_them() -> None:
    """HM-55."""
    spared = {what for what in Flush if PLANS[what, True].others is Others.GLOBAL}
    assert spared == {Flush.ALL, Flush.MM, Flush.RANGE, Flush.PAGE}
    assert all(PLANS[what, False].others is not Others.GLOBAL for what in Flush)


@both
def test_the_kernel_has_what_it_asked_for(mmids: bool) -> None:
    """HM-2, HM-7, HM-35: Config5.MI on every CPU, 16 bits; the kernel's own space is number 1."""
    kernel = boot(mmids)
    for cpu in kernel.cpus:
        assert bool(cpu.root[Config5] & Config5.MI.mask) == mmids
        assert (cpu.root[MemoryMapID], cpu.root[EntryHi]) == ((1, 0) if mmids else (0, 1))
    assert isinstance(kernel.contexts, MmidContexts if mmids else AsidContexts)
    assert kernel.mmid_bits == (16 if mmids else 0)


@pytest.mark.parametrize("model", ["24Kf", "P5600", "I6400", "mips32r6-generic", "MIPS64R5-generic"])
def test_a_host_without_mmids_boots_with_asids(model: str) -> None:
    kernel = boot(True, cpus=1, model=model)
    assert isinstance(kernel.contexts, AsidContexts) and not kernel.mmid_bits


def test_entries_carry_16_bits_of_mmid_and_no_asid() -> None:
    """HM-2, HM-50, HM-54: a number wider than an ASID leaves the address alone."""
    kernel = boot(True, cpus=1)
    tlb = kernel.tlbs[0]
    tlb.update(VA, 0xBEEF, VALID, VALID, victim=5)
    entry = kernel.cpus[0].tlb[5]
    assert (entry.entry_hi, entry.mmid, tlb.probe(VA, 0xBEEF), tlb.probe(VA, 0xEF)) == (VA, 0xBEEF, 5, None)
    kernel.cpus[0].tlb[6] = entry
    assert kernel.cpus[0].tlb[6] == entry


@both
@pytest.mark.parametrize("shared", [False, True], ids=["one user", "two users"])
@pytest.mark.parametrize("what", [Flush.ALL, Flush.MM, Flush.RANGE, Flush.PAGE])
def test_after_a_flush_no_cpu_finds_the_page(mmids: bool, shared: bool, what: Flush) -> None:
    """HM-41..HM-44: what was used on three CPUs, by a space with one user that moved, or two."""
    kernel = boot(mmids)
    mm, neighbour = kernel.new_mm(), kernel.new_mm()
    mm.users = 1 + shared
    for cpu in (0, 1, 2):
        touch(kernel, cpu, neighbour)
        touch(kernel, cpu, mm, OTHER_VA)
        touch(kernel, cpu, mm)
        if cpu != 2:
            kernel.contexts.switch(cpu, kernel.init_mm)
    kernel.flusher.flush(2, what, Wanted(None if what is Flush.ALL else mm, VA, VA + PAIR, mine=True))
    for cpu in (0, 1, 2):
        kernel.contexts.switch(cpu, mm)
        assert not has(kernel, cpu, mm), cpu
        if what is not Flush.ALL:
            kernel.contexts.switch(cpu, neighbour)
            assert has(kernel, cpu, neighbour), cpu
    if what is Flush.PAGE and (mmids or shared):
        assert has(kernel, 0, mm, OTHER_VA)
    assert kernel.mmu_counts["ipi"] == (2 if not mmids and (shared or what is Flush.ALL) else 0)


@both
@pytest.mark.parametrize("what", [Flush.KERNEL_RANGE, Flush.ONE])
def test_pages_of_the_kernel_go_on_all_cpus_by_interrupt(mmids: bool, what: Flush) -> None:
    """HM-45, HM-46, HM-49."""
    kernel = boot(mmids)
    for cpu in kernel.cpus:
        cpu.tlb[5] = kernel.tlbs[0].make_entry(entry_hi=0xFFFFFFFF_C0000000, page_mask=0, entry_lo0=VALID | 1,
                                               entry_lo1=VALID | 1)
    kernel.flusher.flush(0, what, Wanted(None, 0xFFFFFFFF_C0000000, 0xFFFFFFFF_C0001000))
    assert all(cpu.tlb[5].ehinv for cpu in kernel.cpus)
    assert kernel.mmu_counts["ipi"] == 2


@both
def test_a_long_kernel_range_empties_the_tlbs(mmids: bool) -> None:
    """HM-49: more pairs than an eighth of a TLB with an FTLB."""
    kernel = boot(mmids)
    before = [tlb.flushes for tlb in kernel.tlbs]
    entries = len(kernel.cpus[0].tlb)
    kernel.flusher.flush(0, Flush.KERNEL_RANGE, Wanted(None, 0, PAIR * (entries // 8)))
    assert [tlb.flushes for tlb in kernel.tlbs] == before
    kernel.flusher.flush(0, Flush.KERNEL_RANGE, Wanted(None, 0, PAIR * (entries // 8 + 1)))
    assert [tlb.flushes for tlb in kernel.tlbs] == [count + 1 for count in before]


@pytest.mark.parametrize("what, executable, left", [
    (Flush.MM, True, 0), (Flush.MM, False, 0), (Flush.RANGE, True, 0), (Flush.RANGE, False, STALE),
    (Flush.PAGE, True, STALE)])
def test_words_that_are_spoilt_may_still_say_that_the_space_was_used(what: Flush, executable: bool, left: int) -> None:
    """HM-42..HM-44, HM-53, hard detail 27; CPU 2 never ran it and still has not."""
    kernel = boot(False)
    mm = kernel.new_mm()
    touch(kernel, 1, mm)
    kernel.contexts.switch(1, kernel.init_mm)
    touch(kernel, 0, mm)
    kernel.flusher.flush(0, what, Wanted(mm, VA, VA + PAIR, executable, mine=True))
    assert (mm.context(1), mm.context(2)) == (left, 0)
    assert kernel.contexts.ever_used(mm, (1, 2)) == bool(left)


def test_an_idle_cpu_that_flushes_for_another_interrupts_it() -> None:
    """HM-42: the space was left loaded on CPU 0 when its task went to CPU 1, where it runs."""
    kernel = boot(False)
    mm = kernel.new_mm()
    touch(kernel, 0, mm)
    touch(kernel, 1, mm)
    kernel.flusher.flush(0, Flush.PAGE, Wanted(mm, VA, VA + PAIR))
    assert kernel.mmu_counts["ipi"] == 2 and not has(kernel, 1, mm)


def test_ranges_by_ginvt_wait_once_and_long_ones_become_one_request() -> None:
    """L-16 lifted; and as the original, by an option: a SYNC for each pair, however many."""
    kernel = boot(True, cpus=1)
    mm = kernel.new_mm()
    touch(kernel, 0, mm)
    original = Flusher(kernel.contexts, kernel.mmus, 12, as_original=True)
    counts, pairs = kernel.mmu_counts, len(kernel.cpus[0].tlb) // 8

    def requests(flusher: Flusher, size: int) -> tuple[int, int]:
        counts.clear()
        flusher.flush(0, Flush.RANGE, Wanted(mm, VA, VA + size))
        return counts["ginvt"], counts["sync"]

    assert requests(kernel.flusher, 3 * PAIR) == (3, 1)
    assert requests(kernel.flusher, pairs * PAIR) == (pairs, 1)
    assert requests(kernel.flusher, pairs * PAIR + 1) == (1, 1)
    assert requests(original, pairs * PAIR + 1) == (pairs + 1, pairs + 1)


def test_a_space_that_never_ran_has_nothing_to_flush_and_wired_entries_stay() -> None:
    """HM-8, HM-43 [q]: the original's GINVT under number 0 takes a wired entry of that address."""
    kernel = boot(True)
    assert kernel.tlbs[0].add_wired(VA, VALID, VALID) == 0
    mm = kernel.new_mm()
    wanted = Wanted(mm, VA, VA + PAIR)
    for what in (Flush.MM, Flush.RANGE, Flush.PAGE):
        kernel.flusher.flush(0, what, wanted)
    kernel.flusher.flush(0, Flush.ALL, Wanted())
    assert kernel.tlbs[0].probe(VA, 0) == 0
    Flusher(kernel.contexts, kernel.mmus, 12, as_original=True).flush(0, Flush.RANGE, wanted)
    assert kernel.tlbs[0].probe(VA, 0) is None


@both
def test_a_window_is_seen_while_it_is_open_and_leaves_the_rest_alone(mmids: bool) -> None:
    """HM-51: kmap_coherent.  Under MMIDs it is nobody's, so the CPU looks through it as number 0."""
    kernel = boot(mmids, cpus=1)
    tlb, mm = kernel.tlbs[0], kernel.new_mm()
    touch(kernel, 0, mm)
    assert tlb.push_wired(OTHER_VA, VALID, VALID) == 0
    assert tlb.probe(OTHER_VA, 0) == 0 and has(kernel, 0, mm)
    tlb.pop_wired()
    assert tlb.probe(OTHER_VA, 0) is None and has(kernel, 0, mm)
    assert kernel.cpus[0].root[Wired] & 0xFFFF == 0
    with pytest.raises(ValueError, match="there is none"):
        tlb.pop_wired()


@both
def test_a_cpu_that_was_away_missed_the_flushes_and_starts_empty(mmids: bool) -> None:
    """HM-52: CPU hot-plug."""
    kernel = boot(mmids)
    mm = kernel.new_mm()
    mm.users = 2
    touch(kernel, 1, mm)
    drain(kernel.flusher.stopping(1, kernel.init_mm))
    kernel.contexts.switch(0, mm)
    counts = kernel.mmu_counts
    counts.clear()
    kernel.flusher.flush(0, Flush.PAGE, Wanted(mm, VA, VA + PAIR))
    assert counts["ipi"] == (0 if mmids else 1)            # CPU 2's
    drain(kernel.flusher.starting(1))
    kernel.contexts.switch(1, mm)
    assert not has(kernel, 1, mm)


@both
def test_dropping_for_another_space_leaves_the_loaded_one_as_it_is(mmids: bool) -> None:
    """HM-40."""
    kernel = boot(mmids)
    mine, other = kernel.new_mm(), kernel.new_mm()
    touch(kernel, 0, other)
    touch(kernel, 0, mine)
    registers = partial(lambda root: (root[EntryHi], root[MemoryMapID]), kernel.cpus[0].root)
    before = registers()
    kernel.contexts.drop(0, other)
    assert registers() == before and has(kernel, 0, mine)
    kernel.contexts.switch(0, other)
    assert not has(kernel, 0, other)
