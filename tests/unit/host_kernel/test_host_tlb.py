"""ASIDs with versions and TLB maintenance, on a booted kernel.  Rows HM-3, HM-30, HM-31, HM-40, HM-47..51, TL-1, TL-6."""
from __future__ import annotations

import pytest

from vmm.arch.cp0.registers import Cause, EBase, EntryHi, PageMask, Status, Wired
from vmm.arch.models import MODELS
from vmm.host.kernel.kernel import Kernel
from vmm.host.machine import Machine

MIB = 1 << 20


def boot(model: str = "24Kf", cpus: int = 1, page_shift: int = 12) -> Kernel:
    return Kernel(Machine(MODELS[model], cpus, 2 * MIB, engine="reference"), page_shift=page_shift)


def entries_that_match(kernel: Kernel, va: int) -> list[int]:
    return [i for i, e in enumerate(kernel.cpus[0].tlb) if not e.ehinv and e.entry_hi & ~0x1FFF == va & ~0x1FFF]


@pytest.mark.parametrize("model", ["24Kf", "P5600", "5KEf", "MIPS64R5-generic"])
def test_boot_leaves_a_cpu_that_can_run_kernel_code(model: str) -> None:
    root = boot(model, page_shift=14).cpus[0].root
    assert not root[Status] & (Status.ERL.mask | Status.BEV.mask | Status.EXL.mask | Status.IE.mask)
    assert root[EBase] & 0xFFFFF000 == 0x80000000
    assert root[PageMask] == 0x6000
    assert root[Cause] & Cause.IV.mask


def test_no_two_entries_can_match_after_boot() -> None:
    kernel = boot()
    tops = [entry.entry_hi for entry in kernel.cpus[0].tlb]
    assert len(set(tops)) == len(tops)


def test_asids_start_at_0x101_and_a_new_cycle_starts_with_an_empty_tlb() -> None:
    """Golden row ASID of section F."""
    kernel = boot()
    contexts, mm = kernel.contexts, kernel.new_mm()
    contexts.cache[0].store(0x100)
    contexts.get_new(0, mm)
    assert mm.context(0) == 0x101
    contexts.cache[0].store(0x1FF)
    flushes = kernel.tlbs[0].flushes
    contexts.get_new(0, mm)
    assert (mm.context(0), contexts.tag(0, mm), kernel.tlbs[0].flushes) == (0x200, 0, flushes + 1)


def test_a_stale_version_is_renewed_at_the_switch_and_a_current_one_kept() -> None:
    """HM-30."""
    kernel = boot()
    contexts, mm = kernel.contexts, kernel.new_mm()
    contexts.switch(0, mm)
    first = mm.context(0)
    contexts.switch(0, kernel.init_mm)
    contexts.switch(0, mm)
    assert mm.context(0) == first
    contexts.cache[0].store(contexts.cache[0].load() + 0x100)
    contexts.switch(0, mm)
    assert mm.context(0) == first + 0x101
    assert kernel.cpus[0].root[EntryHi] & 0xFF == mm.context(0) & 0xFF


def test_dropping_renews_the_active_space_and_forgets_another() -> None:
    """HM-40."""
    kernel = boot()
    contexts, mm, other = kernel.contexts, kernel.new_mm(), kernel.new_mm()
    contexts.drop(0, other)
    assert other.context(0) == 0
    contexts.switch(0, mm)
    before = mm.context(0)
    contexts.drop(0, mm)
    assert mm.context(0) == before + 1
    contexts.switch(0, kernel.init_mm)
    contexts.drop(0, mm)
    assert mm.context(0) == 0


def test_each_cpu_has_its_own_asid_of_a_space() -> None:
    """HM-1."""
    kernel = boot(cpus=2)
    mm = kernel.new_mm()
    kernel.contexts.get_new(0, kernel.new_mm())
    for cpu in (0, 1):
        kernel.contexts.switch(cpu, mm)
    assert mm.context(0) == mm.context(1) + 1
    mm.forget(but=1)
    assert (mm.context(0), bool(mm.context(1))) == (0, True)


def test_flushing_a_page_takes_the_entry_of_that_space_only() -> None:
    """TL-1, HM-49."""
    kernel = boot()
    tlb = kernel.tlbs[0]
    tlb.write(3, 0x4000 | 5, 2, 2)
    tlb.write(4, 0x4000 | 6, 2, 2)
    assert tlb.flush_page(0x5000, 5)
    assert not tlb.flush_page(0x5000, 5)
    assert entries_that_match(kernel, 0x4000) == [4]


def test_a_long_range_is_left_to_a_new_asid() -> None:
    """HM-48."""
    kernel = boot()
    tlb = kernel.tlbs[0]
    tlb.write(3, 0x4000 | 5, 2, 2)
    assert not tlb.flush_range(0, 0x100000, 5)
    assert entries_that_match(kernel, 0x4000) == [3]
    assert tlb.flush_range(0x4000, 0x6000, 5)
    assert entries_that_match(kernel, 0x4000) == []


def test_wired_entries_survive_a_full_flush() -> None:
    """HM-47, HM-51."""
    kernel = boot()
    tlb, cpu = kernel.tlbs[0], kernel.cpus[0]
    assert tlb.add_wired(0x8000, 3, 3) == 0
    tlb.update(0xA000, 7, 2, 2, victim=9)
    tlb.update(0xA000, 7, 2, 6, victim=10)
    assert (cpu.root[Wired], entries_that_match(kernel, 0xA000)) == (1, [9])
    tlb.flush_all()
    assert (entries_that_match(kernel, 0x8000), entries_that_match(kernel, 0xA000)) == ([0], [])


def test_guest_entries_of_the_root_tlb_are_told_apart_by_guest_id() -> None:
    """TL-6; mips.md 7.5: in the second stage the ASID does not count, in a guest's own TLB it does."""
    kernel = boot("MIPS64R5-generic")
    tlb = kernel.tlbs[0]
    tlb.write(2, 0x4000 | 9, 2, 2, guest_id=3)
    assert tlb.probe(0x4000, 0, 3) == 2
    assert tlb.probe(0x4000, 9, 0) is None
    tlb.flush_guests()
    assert tlb.probe(0x4000, 0, 3) is None
