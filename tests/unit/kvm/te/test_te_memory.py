"""Shadows, devices and the commpage of a guest (rows 17.1, MM-10..MM-17, TB-1, TE-3..TE-6, CP-*)."""
from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.unit.kvm.te.te_rig import GUEST_RAM, GUEST_SIZE, KERNEL_PC, Rig, insn
from vmm.arch.cp0.registers import EPC, BadVAddr, EntryHi
from vmm.arch.exceptions import ExcCode
from vmm.host.kernel.pagetable import Pte, pfn_of
from vmm.kvm.exits import InternalError, MmioLoad, MmioStore
from vmm.kvm.te.addresses import BOOT_VECTORS, RESET_PC, Segment, commpage_address, segment
from vmm.kvm.te.faults import Fault, fault, guest_physical
from vmm.kvm.te.tlb import Entry
from vmm.kvm.vcpu import Emulation

Make = Callable[..., Rig]
PAGE = 0x4000
SW, LW = insn("sw", rt=9, base=8), insn("lw", rt=9, base=8)


@pytest.mark.parametrize(("address", "expected"), [
    (0x0000_0000, Segment.USEG),    (0x3FFF_FFFF, Segment.USEG),
    (0x4000_0000, Segment.KSEG0),   (0x5FFF_FFFF, Segment.KSEG0),
    (0x6000_0000, Segment.KSEG23),  (0x7FFF_FFFF, Segment.KSEG23),
    (0x8000_0000, Segment.DEVICES), (0xFFFF_FFFF_BFFF_FFFF, Segment.DEVICES),
    (0xC000_0000, Segment.NOWHERE), (0x1_0000_0000, Segment.NOWHERE), (0xFFFF_FFFF_4000_0000, Segment.NOWHERE),
])
def test_address_map(address: int, expected: Segment) -> None:
    assert segment(address) is expected


@pytest.mark.parametrize(("shift", "address"), [(12, 0x7000), (14, 0x4000), (15, 0), (16, 0)])
def test_commpage_address_cp3(shift: int, address: int) -> None:
    assert commpage_address(shift) == address


def test_vectors_golden() -> None:
    assert (RESET_PC, BOOT_VECTORS) == (0x5FC0_0000, 0x5FC0_0200)


# -- kseg0 ----------------------------------------------------------------------------------------


def test_kseg0_load_maps_the_page_clean_mm11_mm12(rig: Rig) -> None:
    assert rig.trap(ExcCode.TLBL, LW, bad=0x4002_0123) is Emulation.DONE
    pte = rig.guest.kernel.table.get(0x4002_0000)
    assert pfn_of(pte) == GUEST_RAM + 0x2_0000
    assert pte & Pte.VALID
    assert not pte & (Pte.DIRTY | Pte.WRITE), "the first store must be seen"
    assert rig.host.invalidated[-1] == (0, rig.guest.kernel, 0x4002_0000)
    assert rig.vcpu.pc == KERNEL_PC


def test_kseg0_store_after_load_makes_it_dirty_te3_te4(rig: Rig) -> None:
    rig.trap(ExcCode.TLBL, LW, bad=0x4002_0000)
    assert rig.trap(ExcCode.Mod, SW, bad=0x4002_0000) is Emulation.DONE
    assert rig.guest.kernel.table.get(0x4002_0000) & Pte.DIRTY


def test_the_neighbour_comes_along_if_it_has_memory_mm12(rig: Rig) -> None:
    rig.trap(ExcCode.TLBS, SW, bad=0x4002_4000)
    rig.trap(ExcCode.TLBL, LW, bad=0x4002_0000)
    assert rig.guest.kernel.table.get(0x4002_4000) & Pte.DIRTY


@pytest.mark.parametrize("code", [ExcCode.TLBS, ExcCode.Mod])
def test_store_to_read_only_memory_is_for_the_vmm_te3_te4(rig: Rig, code: ExcCode) -> None:
    rig.host.read_only.add(0x2_0000)
    rig.vcpu.gpr[9] = 0x12345678
    assert rig.trap(code, SW, bad=0x4002_0010) is Emulation.DO_MMIO
    assert rig.vcpu.exit == MmioStore(0x2_0010, 4, 0x12345678)
    assert rig.vcpu.pc == KERNEL_PC + 4


def test_kseg0_beyond_memory_is_a_device_te4_mi1(rig: Rig) -> None:
    assert rig.trap(ExcCode.TLBL, LW, bad=0x5800_03F8) is Emulation.DO_MMIO
    assert rig.vcpu.exit == MmioLoad(0x1800_03F8, 4)
    assert (rig.vcpu.pc, rig.vcpu.mmio.io_pc) == (KERNEL_PC, KERNEL_PC + 4)


# -- mapped segments ------------------------------------------------------------------------------


@pytest.mark.parametrize("va", [0x2000_0100, 0x7000_0100])
def test_mapped_load_mm13_tb1(rig: Rig, va: int) -> None:
    rig.map(va, 0x8_0000)
    assert rig.trap(ExcCode.TLBL, LW, bad=va) is Emulation.DONE
    pte = rig.guest.kernel.table.get(va)
    assert pfn_of(pte) == GUEST_RAM + 0x8_0000
    assert not pte & Pte.DIRTY


def test_the_odd_page_of_a_pair_mm13(rig: Rig) -> None:
    rig.map(0x2000_0000, 0x8_0000)
    rig.trap(ExcCode.TLBL, LW, bad=0x2000_4000)
    assert pfn_of(rig.guest.kernel.table.get(0x2000_4000)) == GUEST_RAM + 0x8_4000
    assert not rig.guest.kernel.table.get(0x2000_0000), "no memory is made for the neighbour"


def test_user_faults_fill_the_user_table_mm10(rig: Rig) -> None:
    rig.user_mode()
    rig.map(0x2000_0000, 0x8_0000, index=1)
    rig.trap(ExcCode.TLBS, SW, bad=0x2000_0000)
    assert rig.guest.user.table.get(0x2000_0000) & Pte.DIRTY
    assert not rig.guest.kernel.table.get(0x2000_0000)


@pytest.mark.parametrize("code", [ExcCode.TLBS, ExcCode.Mod])
def test_store_to_a_page_that_the_guest_keeps_clean_is_its_own_mod_te3(rig: Rig, code: ExcCode) -> None:
    rig.map(0x2000_0000, 0x8_0000, flags=0b011)
    rig.trap(code, SW, bad=0x2000_0000)
    assert (rig.exc_code, rig.vcpu.pc, rig.cop0[BadVAddr]) == (ExcCode.Mod, 0x4000_0180, 0x2000_0000)
    assert not rig.host.ptes.get(0x8_0000, 0) & Pte.MODIFIED, "the memory slot's log says nothing"


def test_a_dirty_page_is_shadowed_clean_for_a_clean_entry_mm11(rig: Rig) -> None:
    rig.host.map_page(0x8_0000, write=True)
    rig.map(0x2000_0000, 0x8_0000, flags=0b011)
    rig.trap(ExcCode.TLBL, LW, bad=0x2000_0000)
    assert not rig.guest.kernel.table.get(0x2000_0000) & Pte.DIRTY


def test_a_stale_host_entry_te3(make: Make) -> None:
    rig = make()
    rig.trap(ExcCode.Mod, SW, bad=0x2000_0000)
    assert (rig.exc_code, rig.vcpu.pc) == (ExcCode.TLBS, 0x4000_0000)
    assert make(stale_entry_fatal=True).trap(ExcCode.Mod, SW, bad=0x2000_0000) is Emulation.FAIL


def test_a_mapped_device_tb1(make: Make) -> None:
    rig = make()
    rig.map(0x7000_0000, 0x1800_0000)
    assert rig.trap(ExcCode.TLBL, LW, bad=0x7000_43F8) is Emulation.DO_MMIO
    assert rig.vcpu.exit == MmioLoad(0x1800_43F8, 4)
    rig = make(mapped_mmio_fatal=True)
    rig.map(0x7000_0000, 0x1800_0000)
    assert rig.trap(ExcCode.TLBL, LW, bad=0x7000_03F8) is Emulation.FAIL
    rig.vcpu.exit = None
    assert rig.trap(ExcCode.Mod, SW, bad=0x7000_03F8) is Emulation.DO_MMIO


def test_large_guest_pages_mm13(make: Make) -> None:
    """64 KiB pages of the guest over 16 KiB pages of the host."""
    rig = make()
    rig.map(0x2000_0000, 0x4_0000, page_size=0x1_0000)
    for va, gpa in ((0x2000_8000, 0x4_8000), (0x2001_C000, 0x5_C000)):
        rig.trap(ExcCode.TLBL, LW, bad=va)
        assert pfn_of(rig.guest.kernel.table.get(va)) == GUEST_RAM + gpa
    rig = make(page_mask_ignored=True)
    rig.map(0x2000_0000, 0x4_0000, page_size=0x1_0000)
    rig.trap(ExcCode.TLBL, LW, bad=0x2000_8000)
    assert pfn_of(rig.guest.kernel.table.get(0x2000_8000)) == GUEST_RAM + 0x4_0000


def test_small_guest_pages_are_refused_rd4(rig: Rig) -> None:
    rig.map(0x2000_0000, 0x4_0000, page_size=0x1000)
    assert rig.trap(ExcCode.TLBL, LW, bad=0x2000_0000) is Emulation.FAIL
    assert isinstance(rig.vcpu.exit, InternalError)
    assert "RD-4" in rig.vcpu.exit.reason


@pytest.mark.parametrize(("page_shift", "word"), [(12, 4), (14, 4), (12, 8), (14, 8)])
def test_every_host_layout(make: Make, page_shift: int, word: int) -> None:
    rig = make(page_shift=page_shift, word=word)
    rig.map(0x2000_0000, 0x4_0000)
    rig.trap(ExcCode.TLBS, SW, bad=0x2000_0040)
    assert pfn_of(rig.guest.kernel.table.get(0x2000_0000)) == GUEST_RAM + 0x4_0000


# -- the commpage ---------------------------------------------------------------------------------


def test_commpage_is_mapped_for_the_kernel_cp4_mm14(rig: Rig) -> None:
    assert rig.trap(ExcCode.TLBL, LW, bad=0x4180) is Emulation.DONE
    pte = rig.guest.kernel.table.get(0x4000)
    assert pfn_of(pte) == rig.vcpu.commpage_address
    assert pte & Pte.DIRTY
    assert not rig.guest.user.table.get(0x4000)


def test_commpage_is_not_for_users_cp4(rig: Rig) -> None:
    rig.user_mode()
    rig.trap(ExcCode.TLBL, LW, bad=0x4180)
    assert (rig.exc_code, rig.vcpu.pc) == (ExcCode.TLBL, 0x4000_0000)


def test_commpage_is_never_shadowed_cp6(rig: Rig) -> None:
    rig.trap(ExcCode.TLBL, LW, bad=0x4180)
    rig.host.map_page(0x8_4000, write=True)
    rig.map(0x0, 0x8_0000)
    rig.trap(ExcCode.TLBL, LW, bad=0x0100)
    assert pfn_of(rig.guest.kernel.table.get(0x0)) == GUEST_RAM + 0x8_0000
    assert pfn_of(rig.guest.kernel.table.get(0x4000)) == rig.vcpu.commpage_address


def test_a_users_page_at_the_commpages_address_is_its_own_cp6(rig: Rig) -> None:
    rig.user_mode()
    rig.map(0x4000, 0x8_0000, index=1)
    rig.trap(ExcCode.TLBL, LW, bad=0x4180)
    assert pfn_of(rig.guest.user.table.get(0x4000)) == GUEST_RAM + 0x8_4000


# -- devices and address errors -------------------------------------------------------------------


@pytest.mark.parametrize("code", [ExcCode.AdES, ExcCode.TLBS])
def test_store_to_the_io_window_golden_te4_te5(rig: Rig, code: ExcCode) -> None:
    rig.vcpu.gpr[9] = 0x41
    assert rig.trap(code, insn("sb", rt=9, base=8), bad=0xFFFF_FFFF_B800_03F8) is Emulation.DO_MMIO
    assert rig.vcpu.exit == MmioStore(0x1800_03F8, 1, 0x41)


class Latch:
    """A device of one register, which shows what was stored."""

    def __init__(self) -> None:
        self.value = 0

    def load(self, address: int, size: int) -> int | None:
        return self.value if address == 0x1800_03F8 else None

    def store(self, address: int, size: int, value: int) -> bool:
        if address == 0x1800_03F8:
            self.value = value
        return address == 0x1800_03F8


def test_a_device_on_the_bus_answers_without_the_vmm_v5(rig: Rig) -> None:
    rig.host.io_bus = Latch()
    rig.vcpu.gpr[9] = 0x41
    assert rig.trap(ExcCode.AdES, insn("sb", rt=9, base=8), bad=0xFFFF_FFFF_B800_03F8) is Emulation.DONE
    assert rig.trap(ExcCode.AdEL, insn("lw", rt=10, base=8), bad=0xFFFF_FFFF_B800_03F8,
                    branch=insn("jal", target=0x40)) is Emulation.DONE
    assert (rig.vcpu.gpr[10], rig.vcpu.pc, rig.vcpu.exit) == (0x41, 0x4000_0100, None)
    assert rig.trap(ExcCode.AdEL, LW, bad=0xFFFF_FFFF_B800_0400) is Emulation.DO_MMIO


def test_load_in_a_delay_slot_te6_mi3(rig: Rig) -> None:
    result = rig.trap(ExcCode.AdEL, LW, bad=0xFFFF_FFFF_B800_03F8, branch=insn("jal", target=0x40))
    assert result is Emulation.DO_MMIO
    assert (rig.vcpu.pc, rig.vcpu.mmio.io_pc) == (KERNEL_PC, 0x4000_0100)


def test_linked_loads_do_not_reach_devices_mi5(rig: Rig) -> None:
    assert rig.trap(ExcCode.AdEL, insn("ll", rt=9, base=8), bad=0xFFFF_FFFF_B800_03F8) is Emulation.FAIL
    assert rig.vcpu.pc == KERNEL_PC


@pytest.mark.parametrize(("code", "word", "bad", "given"), [
    (ExcCode.AdEL, LW, 0x4002_0001,           ExcCode.AdEL),     # unaligned
    (ExcCode.AdES, SW, 0x2000_0002,           ExcCode.AdES),
    (ExcCode.AdEL, LW, 0xFFFF_FFFF_B800_03F9, ExcCode.AdEL),     # unaligned, at a device
    (ExcCode.AdEL, LW, 0xFFFF_FFFF_C000_0000, ExcCode.AdEL),     # nowhere
    (ExcCode.TLBS, SW, 0xFFFF_FFFF_C000_0000, ExcCode.AdES),     # the same on a host with EVA
])
def test_address_errors_of_the_kernel_te5_te6(make: Make, code: ExcCode, word: int, bad: int, given: ExcCode) -> None:
    rig = make()
    rig.trap(code, word, bad=bad)
    assert (rig.exc_code, rig.cop0[BadVAddr], rig.cop0[EPC]) == (given, bad & 0xFFFF_FFFF, KERNEL_PC)


@pytest.mark.parametrize(("code", "bad"), [(ExcCode.AdEL, 0x4002_0001), (ExcCode.AdES, 0x2000_0002)])
def test_quirk_address_errors_end_the_vm_te5_te6(make: Make, code: ExcCode, bad: int) -> None:
    assert make(kernel_fault_fatal=True).trap(code, LW, bad=bad) is Emulation.FAIL


@pytest.mark.parametrize(("code", "pc", "given"), [
    (ExcCode.AdEL, 0x8000_1000, ExcCode.AdEL), (ExcCode.TLBL, 0x5000_0000, ExcCode.IBE),
])
def test_a_fetch_is_never_a_device_access_mi6_te10(make: Make, code: ExcCode, pc: int, given: ExcCode) -> None:
    assert GUEST_SIZE <= 0x1000_0000
    rig = make()
    rig.vcpu.pc = pc
    rig.trap(code, bad=rig.vcpu.pc)
    assert rig.exc_code == given
    rig = make(kernel_fault_fatal=True)
    rig.vcpu.pc = pc
    assert rig.trap(code, bad=rig.vcpu.pc) is Emulation.FAIL


def test_fault_outcomes_mm17(rig: Rig) -> None:
    rig.map(0x2000_0000, 0x8_0000, flags=0b001)
    rig.map(0x2001_0000, 0x8_0000, index=1, flags=0b011)
    rig.map(0x2002_0000, 0x1800_0000, index=2)
    outcomes = {va: fault(rig.guest, va, write=True) for va in (
        0x4000_0000, 0xC000_0000, 0x5800_0000, 0x3000_0000, 0x2000_0000, 0x2001_0000, 0x2002_0000)}
    assert list(outcomes.values()) == [
        Fault.MAPPED, Fault.GVA, Fault.GPA, Fault.TLB, Fault.TLBINV, Fault.TLBMOD, Fault.GPA]


def test_guest_physical_mi1(rig: Rig) -> None:
    rig.map(0x2000_0000, 0x8_0000)
    addresses = (0x4012_3456, 0xFFFF_FFFF_B800_03F8, 0x2000_4567, 0x3000_0000, 0xC000_0000)
    assert [guest_physical(rig.guest, va) for va in addresses] == [0x12_3456, 0x1800_03F8, 0x8_4567, None, None]


# -- replacing entries ----------------------------------------------------------------------------


def test_a_replaced_entry_takes_its_shadows_along_c0_20(rig: Rig) -> None:
    rig.map(0x2000_0000, 0x8_0000, index=5)
    rig.trap(ExcCode.TLBL, LW, bad=0x2000_0000)
    rig.guest.kernel.set_context(1, 0x155)
    rig.write_tlb("tlbwi", Entry(), 5)
    assert not rig.guest.kernel.table.get(0x2000_0000)
    assert (0, rig.guest.kernel, 0x2000_0000) in rig.host.invalidated
    assert (0, rig.guest.user, 0x2000_0000) in rig.host.invalidated
    assert rig.guest.kernel.context(1) == 0, "another CPU takes a new ASID"


def test_a_kernel_entry_does_not_touch_the_users_c0_20(rig: Rig) -> None:
    rig.map(0x7000_0000, 0x8_0000, index=5)
    rig.host.invalidated.clear()
    rig.write_tlb("tlbwi", Entry(), 5)
    assert {mm is rig.guest.kernel for _, mm, va in rig.host.invalidated if va == 0x7000_0000} == {True}


@pytest.mark.parametrize("entry", [Entry(0, 0x2000_0000, 0, 0), Entry(0, 0x8000_0000, 7, 7)])
def test_nothing_is_dropped_for_entries_without_shadows_c0_20(rig: Rig, entry: Entry) -> None:
    rig.guest.tlb[5] = entry
    rig.put_word(KERNEL_PC, 0)
    fault(rig.guest, KERNEL_PC, write=False)
    rig.host.invalidated.clear()
    rig.write_tlb("tlbwi", Entry(), 5)
    assert not rig.host.invalidated


def test_a_large_entry_drops_every_page_of_it_c0_20(make: Make) -> None:
    for quirk in (False, True):
        rig = make(page_mask_ignored=quirk)
        entry = Entry(0x1_E000, 0x2000_0000, 0x1007, 0x2007)
        rig.guest.tlb[5] = entry
        for va in (0x2000_0000, 0x2000_8000):
            rig.guest.kernel.table.put(va, GUEST_RAM | Pte.PRESENT | Pte.VALID)
        rig.write_tlb("tlbwi", Entry(), 5)
        assert not rig.guest.kernel.table.get(0x2000_0000)
        assert bool(rig.guest.kernel.table.get(0x2000_8000)) is quirk


def test_an_asid_change_flushes_kernel_shadows_but_kseg0_c0_16(rig: Rig) -> None:
    rig.map(0x2000_0000, 0x8_0000)
    for va in (0x2000_0000, 0x4002_0000):
        rig.trap(ExcCode.TLBL, LW, bad=va)
    rig.guest.kernel.set_context(1, 0x155)
    before = rig.guest.kernel.context(0)
    rig.mtc0(EntryHi, 1)
    assert rig.guest.kernel.context(0) != before
    assert rig.guest.kernel.context(1) == 0
    assert not rig.guest.kernel.table.get(0x2000_0000)
    assert rig.guest.kernel.table.get(0x4002_0000)


def test_the_same_asid_flushes_nothing_c0_16(rig: Rig) -> None:
    rig.map(0x2000_0000, 0x8_0000)
    rig.trap(ExcCode.TLBL, LW, bad=0x2000_0000)
    rig.mtc0(EntryHi, 0x5555_4000)
    assert rig.guest.kernel.table.get(0x2000_0000)
