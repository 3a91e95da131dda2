"""Privileged instructions of a trap-and-emulate guest kernel (rows C0-1..C0-24, CA-*, HC-*)."""
from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.unit.kvm.te.te_rig import KERNEL_PC, Rig, insn
from vmm.arch.cp0.registers import (
    EPC,
    BadVAddr,
    Cause,
    Compare,
    Config3,
    Config5,
    Context,
    Count,
    EBase,
    EntryHi,
    EntryLo0,
    EntryLo1,
    ErrCtl,
    ErrorEPC,
    HWREna,
    Index,
    PageMask,
    PRId,
    Random,
    Status,
    Wired,
)
from vmm.kvm.exits import Hypercall, InternalError
from vmm.kvm.te.tlb import Entry
from vmm.kvm.vcpu import Emulation

Make = Callable[..., Rig]
NEXT = KERNEL_PC + 4
RI = 10
ALL = 0xFFFF_FFFF


# -- moves ----------------------------------------------------------------------------------------


def test_mfc0_sign_extends_and_steps_c0_1(rig: Rig) -> None:
    rig.cop0[Context] = 0x8000_0000
    assert rig.mfc0(Context) == 0xFFFF_FFFF_8000_0000
    assert rig.vcpu.pc == NEXT


def test_mfc0_count_is_alive_and_errctl_is_zero_c0_1(rig: Rig) -> None:
    rig.host.now = 1000
    assert rig.mfc0(Count) == 100
    assert rig.mfc0(ErrCtl) == 0


def test_mfc0_in_a_delay_slot_goes_on_at_the_target_em1(rig: Rig) -> None:
    rig.cp0("mfc0", branch=insn("jal", target=0x100), rt=8, rd=15, sel=0)
    assert rig.vcpu.gpr[8] == 0x19300
    assert rig.vcpu.gpr[31] == KERNEL_PC + 8
    assert rig.vcpu.pc == 0x4000_0400


def test_a_slot_after_a_coprocessor_branch_ends_the_vm_em6(rig: Rig) -> None:
    assert rig.cp0("mfc0", branch=0x4500_0010, rt=8, rd=15, sel=0) is Emulation.FAIL
    assert isinstance(rig.vcpu.exit, InternalError)
    assert rig.vcpu.pc == KERNEL_PC


@pytest.mark.parametrize(("register", "before", "written", "after"), [
    (EBase,    0x4000_0001, ALL,         0x5FFF_F001),      # C0-4
    (HWREna,   0,           ALL,         0x2000_000F),      # C0-10, Config3.ULRI is set at reset
    (Config5,  0,           ALL,         0),                # C0-8, no FPU, no MSA
    (Context,  0x0000_1230, ALL,         0xFF80_1230),
    (PageMask, 0,           ALL,         0x1FFF_E000),
    (EntryHi,  0,           ALL,         0xFFFF_E0FF),
    (EntryLo0, 0,           ALL,         0x3FFF_FFFF),
    (EPC,      0,           0x4000_1234, 0x4000_1234),
    (Wired,    0,           ALL,         63),
    (PRId,     0x19300,     0,           0x19300),          # C0-11
    (BadVAddr, 0x1234,      0,           0x1234),
    (Config3,  0x8000_2000, 0,           0x8000_2000),
    (Index,    1 << 31,     ALL,         0x8000_003F),      # C0-3
])
def test_mtc0_masks(rig: Rig, register: type, before: int, written: int, after: int) -> None:
    rig.cop0[register] = before
    assert rig.mtc0(register, written) is Emulation.DONE
    assert rig.cop0[register] == after
    assert rig.vcpu.pc == NEXT


def test_mtc0_to_a_register_that_is_not_there_is_dropped_c0_11(rig: Rig) -> None:
    rig.vcpu.gpr[8] = 5
    rig.cp0("mtc0", rt=8, rd=18, sel=0)
    assert rig.cop0.at(18, 0) == 0


def test_quirk_read_only_registers_are_writable_c0_11(make: Make) -> None:
    rig = make(read_only_registers_writable=True)
    rig.mtc0(PRId, 0x12345)
    assert rig.cop0[PRId] == 0x12345


def test_mtc0_wired_restarts_random(rig: Rig) -> None:
    rig.cop0[Random] = 7
    rig.mtc0(Wired, 4)
    assert rig.cop0[Random] == 63


def test_mtc0_status_without_fpu_c0_7(rig: Rig) -> None:
    rig.mtc0(Status, ALL)
    assert not rig.cop0[Status] & (Status.NMI.mask | Status.CU1.mask | Status.FR.mask)
    assert rig.cop0[Status] & Status.IM.mask == Status.IM.mask


def test_mtc0_cause_c0_9_tm15(rig: Rig) -> None:
    rig.cop0[Cause] = Cause.TI.mask
    rig.mtc0(Cause, ALL)
    assert rig.cop0[Cause] & ~Cause.TI.mask == 0x0880_0300
    assert rig.guest.timer.disabled
    rig.mtc0(Cause, 0)
    assert rig.cop0[Cause] == Cause.TI.mask
    assert not rig.guest.timer.disabled


def test_mtc0_compare_acknowledges_c0_6(rig: Rig) -> None:
    rig.guest.timer.interrupt.queue_timer()
    rig.mtc0(Compare, 1000)
    assert not rig.cop0[Cause] & Cause.TI.mask
    assert rig.guest.timer.deadline == 10_000


def test_mtc0_count_c0_6(rig: Rig) -> None:
    rig.mtc0(Count, 70)
    rig.host.now = 100
    assert rig.mfc0(Count) == 80


def test_dmfc0_does_not_exist_on_the_guests_core_c0_2(make: Make) -> None:
    rig = make()
    assert rig.cp0("dmfc0", rt=8, rd=15, sel=0) is Emulation.EXCEPT
    assert rig.exc_code == RI
    rig = make(reserved_cop0_as_original=True)
    assert rig.cp0("dmfc0", rt=8, rd=15, sel=0) is Emulation.DONE
    assert rig.vcpu.gpr[8] == 0x19300


def test_quirk_index_out_of_range_ends_the_vm_c0_3(make: Make) -> None:
    rig = make(reserved_cop0_as_original=True)
    assert rig.mtc0(Index, 64) is Emulation.FAIL
    assert rig.vcpu.pc == KERNEL_PC


# -- modes and sleep ------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "after"), [("ei", 0x401), ("di", 0x400)])
def test_ei_di_c0_12(rig: Rig, name: str, after: int) -> None:
    rig.cop0[Status] = 0x400
    rig.cp0(name, rt=8)
    assert rig.vcpu.gpr[8] == 0x400
    assert rig.cop0[Status] == after


def test_wrpgpr_with_one_register_set_c0_13(rig: Rig) -> None:
    rig.vcpu.gpr[9] = 77
    rig.cp0("wrpgpr", rt=9, rd=10)
    assert rig.vcpu.gpr[10] == 77


def test_rdpgpr_c0_13(make: Make) -> None:
    rig = make()
    rig.vcpu.gpr[9] = 77
    assert rig.cp0("rdpgpr", rt=9, rd=10) is Emulation.DONE
    assert rig.vcpu.gpr[10] == 77
    assert make(reserved_cop0_as_original=True).cp0("rdpgpr", rt=9, rd=10) is Emulation.FAIL


@pytest.mark.parametrize(("status", "left", "pc"), [
    (Status.ERL.mask | Status.EXL.mask, Status.EXL.mask, 0x4000_2000), (Status.EXL.mask, 0, 0x4000_1000),
    (0, 0, 0x4000_1000),
])
def test_eret_c0_14(rig: Rig, status: int, left: int, pc: int) -> None:
    rig.cop0[EPC], rig.cop0[ErrorEPC], rig.cop0[Status] = 0x4000_1000, 0x4000_2000, status
    assert rig.cp0("eret") is Emulation.DONE
    assert (rig.cop0[Status], rig.vcpu.pc) == (left, pc)


def test_quirk_eret_without_a_level_ends_the_vm_c0_14(make: Make) -> None:
    assert make(reserved_cop0_as_original=True).cp0("eret") is Emulation.FAIL


def test_wait_c0_15(rig: Rig) -> None:
    assert rig.cp0("wait") is Emulation.WAIT
    assert rig.vcpu.waiting
    assert rig.vcpu.pc == NEXT
    assert rig.vcpu.stats["wait"] == 1


def test_wait_with_an_unmasked_line_up_does_not_sleep_c0_15(rig: Rig) -> None:
    rig.cop0[Status] = 0x400
    rig.cop0[Cause] = 0x400
    assert rig.cp0("wait") is Emulation.DONE
    assert not rig.vcpu.waiting


@pytest.mark.parametrize("word", [0x4200_0010, 0x4200_003F, 0x4060_0000])
def test_reserved_cop0_words_are_reserved_instructions_c0_15(rig: Rig, word: int) -> None:
    assert rig.trap(11, word) is Emulation.EXCEPT
    assert rig.exc_code == RI
    assert rig.cop0[EPC] == KERNEL_PC


def test_quirk_unknown_co_function_does_nothing_c0_15(make: Make) -> None:
    rig = make(reserved_cop0_as_original=True)
    assert rig.trap(11, 0x4200_003F) is Emulation.DONE
    assert rig.vcpu.pc == NEXT
    assert rig.trap(11, 0x4060_0000) is Emulation.FAIL


def test_hypercall_hc1_hc3(rig: Rig) -> None:
    rig.vcpu.gpr[2] = 5
    assert rig.trap(11, 0x4200_0028) is Emulation.DONE
    assert rig.vcpu.gpr[2] == (1 << 64) - 1000
    assert rig.vcpu.pc == NEXT


def test_hypercall_code_1_ends_the_vm_hc1(rig: Rig) -> None:
    assert rig.trap(11, 0x4200_0828) is Emulation.FAIL
    assert rig.vcpu.pc == KERNEL_PC


def test_hypercall_for_the_vmm(rig: Rig) -> None:
    rig.host.own_hypercalls = True
    rig.vcpu.gpr[2], rig.vcpu.gpr[4] = 8, 65
    assert rig.trap(11, 0x4200_0028) is Emulation.HYPERCALL
    assert rig.vcpu.exit == Hypercall(8, (65, 0, 0, 0))
    assert rig.vcpu.pc == NEXT


# -- the TLB --------------------------------------------------------------------------------------

ENTRY = Entry(0, 0x0001_2005, 0x1047, 0x1087)


def test_tlbwi_and_tlbr_c0_17_c0_18(rig: Rig) -> None:
    rig.cop0[EntryHi] = 5
    rig.write_tlb("tlbwi", ENTRY, 9)
    assert rig.guest.tlb[9] == ENTRY
    for register in (PageMask, EntryHi, EntryLo0, EntryLo1):
        rig.cop0[register] = 0
    rig.cp0("tlbr")
    got = [rig.cop0[r] for r in (PageMask, EntryHi, EntryLo0, EntryLo1)]
    assert got == [ENTRY.page_mask, ENTRY.entry_hi, ENTRY.entry_lo0, ENTRY.entry_lo1]


def test_an_unchecked_index_is_made_to_fit_c0_18_dt12(rig: Rig) -> None:
    rig.write_tlb("tlbwi", ENTRY, 64 + 9)
    assert rig.guest.tlb[9] == ENTRY


def test_tlbwr_spares_wired_entries_and_goes_round_c0_19(rig: Rig) -> None:
    rig.mtc0(Wired, 60)
    used = []
    for _ in range(5):
        used.append(rig.cop0[Random])
        rig.write_tlb("tlbwr", ENTRY)
    assert used == [63, 62, 61, 60, 63]


def test_quirk_tlbwr_ignores_wired_c0_19(make: Make) -> None:
    rig = make(tlbwr_ignores_wired=True)
    rig.mtc0(Wired, 63)
    rig.write_tlb("tlbwr", ENTRY)
    assert rig.cop0[Random] == 62


def test_tlbp_c0_21(make: Make) -> None:
    rig = make()
    rig.guest.tlb[9] = ENTRY
    rig.cop0[EntryHi] = ENTRY.entry_hi
    rig.cp0("tlbp")
    assert rig.cop0[Index] == 9
    rig.cop0[EntryHi] = 0x7000_0000
    rig.cp0("tlbp")
    assert rig.cop0[Index] == 1 << 31
    rig = make(tlbp_miss_all_ones=True)
    rig.cop0[EntryHi] = 0x7000_0000
    rig.cp0("tlbp")
    assert rig.cop0[Index] == ALL


@pytest.mark.parametrize(("entry", "address", "asid", "hit"), [
    (Entry(0,      0x2000_2005, 0, 0), 0x2000_2000, 5, True),
    (Entry(0,      0x2000_2005, 0, 0), 0x2000_3FFF, 5, True),
    (Entry(0,      0x2000_2005, 0, 0), 0x2000_4000, 5, False),
    (Entry(0,      0x2000_2005, 0, 0), 0x2000_2000, 6, False),
    (Entry(0,      0x2000_2005, 1, 1), 0x2000_2000, 6, True),
    (Entry(0,      0x2000_2005, 1, 0), 0x2000_2000, 6, False),
    (Entry(0x6000, 0x2000_2005, 0, 0), 0x2000_6000, 5, True),
])
def test_match_c0_23(entry: Entry, address: int, asid: int, hit: bool) -> None:
    assert entry.matches(address, asid) is hit


def test_the_first_match_wins_c0_23(rig: Rig) -> None:
    rig.guest.tlb[3] = rig.guest.tlb[9] = ENTRY
    assert rig.guest.tlb.find(0x0001_2000, 5) == 3


# -- CACHE ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("op", [0x00, 0x01, 0x05, 0x08, 0x09, 0x10, 0x11, 0x14, 0x15, 0x19, 0x1B])
def test_cache_on_memory_is_done_ca1(rig: Rig, op: int) -> None:
    rig.vcpu.gpr[9] = 0x4000_0100
    assert rig.trap(11, insn("cache", op=op, base=9, offset=0xFFF0)) is Emulation.DONE
    assert rig.vcpu.pc == NEXT
    assert rig.vcpu.stats["cache"] == 1


def test_cache_hit_takes_the_guests_tlb_exceptions_ca5(rig: Rig) -> None:
    rig.vcpu.gpr[9] = 0x2000_0000
    rig.trap(11, insn("cache", op=0x15, base=9))
    assert (rig.vcpu.pc, rig.exc_code, rig.cop0[BadVAddr]) == (0x4000_0000, 2, 0x2000_0000)
    assert rig.cop0[EPC] == KERNEL_PC


def test_cache_hit_on_an_invalid_page_ca5(rig: Rig) -> None:
    rig.map(0x2000_0000, 0x8_0000, flags=0)
    rig.vcpu.gpr[9] = 0x2000_0000
    rig.trap(11, insn("cache", op=0x15, base=9))
    assert (rig.vcpu.pc, rig.exc_code) == (0x4000_0180, 2)


@pytest.mark.parametrize("op", [0x05, 0x19, 0x03, 0x13])
def test_quirk_unknown_cache_operations_end_the_vm_ca2_ca4(make: Make, op: int) -> None:
    assert make(cache_op_fatal=True).trap(11, insn("cache", op=op, base=0)) is Emulation.FAIL


def test_other_privileged_words_are_reserved_te2(make: Make) -> None:
    assert make().trap(11, insn("addiu")) is Emulation.EXCEPT
    assert make(reserved_cop0_as_original=True).trap(11, insn("addiu")) is Emulation.FAIL
