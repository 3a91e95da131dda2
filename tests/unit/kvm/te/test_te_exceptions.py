"""Exceptions of a trap-and-emulate guest (rows EX-*, EM-P*, RI-*, TE-1, TE-7..TE-9, FX-6, matrix D)."""
from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.unit.kvm.te.te_rig import KERNEL_PC, Rig, insn
from vmm.arch.cp0.registers import (
    EPC,
    BadVAddr,
    Cause,
    Config1,
    Config3,
    Context,
    EBase,
    EntryHi,
    HWREna,
    Status,
    UserLocal,
    XContext,
)
from vmm.arch.exceptions import ExcCode
from vmm.kvm.exits import InternalError
from vmm.kvm.vcpu import Emulation, Vcpu

Make = Callable[..., Rig]
GENERAL = 0x4000_0180
EXL = Status.EXL.mask
GIVEN = [ExcCode.Sys, ExcCode.Bp, ExcCode.Tr, ExcCode.MSAFPE, ExcCode.FPE]


@pytest.mark.parametrize("code", GIVEN)
def test_delivery_ex1_te7(rig: Rig, code: ExcCode) -> None:
    assert rig.trap(code) is Emulation.EXCEPT
    assert (rig.vcpu.pc, rig.exc_code, rig.cop0[EPC]) == (GENERAL, code, KERNEL_PC)
    assert rig.cop0[Status] == EXL
    assert not rig.cop0[Cause] & Cause.BD.mask


def test_delivery_from_a_delay_slot_sets_bd_ex1(rig: Rig) -> None:
    rig.trap(ExcCode.Sys, branch=insn("beq"))
    assert rig.cop0[Cause] & Cause.BD.mask
    assert rig.cop0[EPC] == KERNEL_PC


def test_nested_delivery_keeps_the_outer_epc_ex1(rig: Rig) -> None:
    rig.cop0[Status], rig.cop0[EPC] = EXL, 0x4000_5000
    assert rig.trap(ExcCode.Bp, branch=insn("beq")) is Emulation.EXCEPT
    assert (rig.vcpu.pc, rig.exc_code, rig.cop0[EPC]) == (GENERAL, ExcCode.Bp, 0x4000_5000)
    assert not rig.cop0[Cause] & Cause.BD.mask


@pytest.mark.parametrize("code", GIVEN)
def test_quirk_nested_delivery_ends_the_vm_ex1(make: Make, code: ExcCode) -> None:
    rig = make(nested_exception_fatal=True)
    rig.cop0[Status] = EXL
    assert rig.trap(code) is Emulation.FAIL
    assert isinstance(rig.vcpu.exit, InternalError)


@pytest.mark.parametrize(("status", "base"), [(Status.BEV.mask, 0x5FC0_0200), (0, 0x4123_4000)])
def test_vector_base(rig: Rig, status: int, base: int) -> None:
    rig.cop0[Status], rig.cop0[EBase] = status, 0x4123_4001
    rig.trap(ExcCode.Sys)
    assert rig.vcpu.pc == base + 0x180


@pytest.mark.parametrize(("code", "nested", "mapped", "vector"), [
    (ExcCode.TLBL, 0,   None,  0x4000_0000),     # EX-2
    (ExcCode.TLBS, 0,   None,  0x4000_0000),
    (ExcCode.TLBL, EXL, None,  GENERAL),
    (ExcCode.TLBL, 0,   0b000, GENERAL),         # EX-3: V clear
    (ExcCode.TLBS, 0,   0b000, GENERAL),
])
def test_tlb_exceptions_ex2_ex3(rig: Rig, code: ExcCode, nested: int, mapped: int | None, vector: int) -> None:
    rig.cop0[EntryHi], rig.cop0[Context], rig.cop0[Status] = 0x0000_2007, 0xAB80_0000, nested
    if mapped is not None:
        rig.map(0x2345_6789, 0x8000, flags=mapped, asid=7)
    rig.trap(code, bad=0x2345_6789)
    assert (rig.vcpu.pc, rig.exc_code, rig.cop0[BadVAddr]) == (vector, code, 0x2345_6789)
    assert rig.cop0[EntryHi] == 0x2345_6007
    assert rig.cop0[Context] == 0xAB80_0000 | 0x2345_6789 >> 13 << 4


def test_xcontext_follows_on_a_64_bit_host_ex2(make: Make) -> None:
    rig = make(word=8)
    rig.trap(ExcCode.TLBL, bad=0x2345_6789)
    assert XContext.BadVPN2.of(rig.cop0[XContext]) == 0x2345_6789 >> 13


def test_quirk_context_is_not_updated_ex2(make: Make) -> None:
    rig = make(context_not_updated=True)
    rig.trap(ExcCode.TLBL, bad=0x2345_6789)
    assert rig.cop0[Context] == 0


# -- privilege ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "kernel"), [
    (0x10, False), (0x18, False), (0, True), (0x08, True), (0x12, True), (0x14, True),
])
def test_mode_emp1(rig: Rig, status: int, kernel: bool) -> None:
    rig.cop0[Status] = status
    assert rig.guest.in_kernel_mode is kernel


@pytest.mark.parametrize("code", [*GIVEN, ExcCode.RI])
def test_user_exceptions_with_a_handler_emp2(rig: Rig, code: ExcCode) -> None:
    rig.user_mode()
    assert rig.trap(code) is Emulation.EXCEPT
    assert rig.exc_code == code


def test_user_cop0_is_refused_emp3(make: Make) -> None:
    rig = make()
    rig.user_mode()
    rig.cop0[Cause] = Cause.CE.mask
    assert rig.cp0("mfc0", rt=8, rd=12) is Emulation.PRIV_FAIL
    assert (rig.exc_code, Cause.CE.of(rig.cop0[Cause]), rig.vcpu.gpr[8]) == (ExcCode.CpU, 0, 0)
    assert rig.vcpu.stats["cop_unusable"] == 0, "a privilege failure is not counted"
    rig = make(cpu_without_ce=True)
    rig.user_mode()
    rig.cop0[Cause] = Cause.CE.mask
    rig.cp0("mfc0", rt=8, rd=12)
    assert Cause.CE.of(rig.cop0[Cause]) == 3


@pytest.mark.parametrize("number", [2, 3])
@pytest.mark.parametrize("user", [True, False])
def test_cop2_is_unusable_emp3(make: Make, number: int, user: bool) -> None:
    rig = make()
    if user:
        rig.user_mode()
    assert rig.trap(ExcCode.CpU, coprocessor=number) in (Emulation.PRIV_FAIL, Emulation.EXCEPT)
    assert (rig.exc_code, Cause.CE.of(rig.cop0[Cause])) == (ExcCode.CpU, number)
    rig = make(coprocessor_2_fatal=True)
    if user:
        rig.user_mode()
    assert rig.trap(ExcCode.CpU, coprocessor=number) is Emulation.FAIL


@pytest.mark.parametrize(("code", "given"), [(ExcCode.TLBL, ExcCode.AdEL), (ExcCode.TLBS, ExcCode.AdES)])
def test_user_access_to_kernel_space_is_an_address_error_emp4(rig: Rig, code: ExcCode, given: ExcCode) -> None:
    rig.user_mode()
    assert rig.trap(code, bad=0x4000_0000) is Emulation.PRIV_FAIL
    assert (rig.exc_code, rig.cop0[BadVAddr], rig.vcpu.pc) == (given, 0x4000_0000, GENERAL)


def test_user_access_to_host_space_is_an_address_error_emp4(rig: Rig) -> None:
    rig.user_mode()
    rig.trap(ExcCode.AdES, bad=0xFFFF_FFFF_B800_03F8)
    assert (rig.exc_code, rig.cop0[BadVAddr]) == (ExcCode.AdES, 0xB800_03F8)


def test_unaligned_user_access_beside_the_commpage_emp5(make: Make) -> None:
    rig = make()
    rig.user_mode()
    rig.trap(ExcCode.AdEL, bad=0x4001)
    assert rig.exc_code == ExcCode.AdEL
    rig = make(commpage_address_error_rewritten=True)
    rig.user_mode()
    rig.trap(ExcCode.AdEL, bad=0x4001)
    assert rig.exc_code == ExcCode.TLBL


OTHERS = [ExcCode.Ov, ExcCode.IBE, ExcCode.DBE, ExcCode.Watch, ExcCode.MCheck, ExcCode.DSPDis]


@pytest.mark.parametrize("code", OTHERS)
def test_other_exceptions_go_to_the_guest_emp6(make: Make, code: ExcCode) -> None:
    rig = make()
    rig.user_mode()
    assert rig.trap(code) is Emulation.PRIV_FAIL
    assert rig.exc_code == code
    rig = make()
    assert rig.trap(code) is Emulation.EXCEPT
    assert rig.exc_code == code
    assert make(kernel_fault_fatal=True).trap(code) is Emulation.FAIL


# -- counters -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "counter"), [
    (0, "interrupt"), (8, "syscall"), (9, "break_inst"), (10, "resvd_inst"), (11, "cop_unusable"), (13, "trap_inst"),
    (2, "tlbmiss_ld"), (3, "tlbmiss_st"), (14, "msa_fpe"), (15, "fpe"), (21, "msa_disabled"),
])
def test_counters_hx3(rig: Rig, code: int, counter: str) -> None:
    rig.trap(code)
    assert rig.vcpu.stats == {counter: 1}


# -- units ----------------------------------------------------------------------------------------


class Fpu:
    def __init__(self) -> None:
        self.calls: list[str] = []

    def own_fpu(self, vcpu: Vcpu) -> None:
        self.calls.append("own_fpu")

    def own_msa(self, vcpu: Vcpu) -> None:
        self.calls.append("own_msa")

    def drop(self, vcpu: Vcpu) -> None:
        self.calls.append("drop")

    def lose(self, vcpu: Vcpu) -> None:
        self.calls.append("lose")

    def follow_status(self, vcpu: Vcpu) -> None:
        self.calls.append("follow_status")


def with_fpu(rig: Rig) -> Fpu:
    rig.host.fpu = fpu = Fpu()
    rig.vcpu.fpu_enabled = rig.vcpu.msa_enabled = True
    rig.cop0[Config1] |= Config1.FP.mask
    rig.cop0[Config3] |= Config3.MSAP.mask
    return fpu


def test_a_guest_without_fpu_takes_cpu_te1_ex4(rig: Rig) -> None:
    rig.trap(ExcCode.CpU, coprocessor=1)
    assert (rig.exc_code, Cause.CE.of(rig.cop0[Cause])) == (ExcCode.CpU, 1)


def test_the_first_fpu_instruction_takes_the_fpu_te1(rig: Rig) -> None:
    fpu = with_fpu(rig)
    assert rig.trap(ExcCode.CpU, coprocessor=1) is Emulation.EXCEPT, "the guest's CU1 is clear"
    rig.cop0[Status], rig.vcpu.pc = Status.CU1.mask, KERNEL_PC
    assert rig.trap(ExcCode.CpU, coprocessor=1) is Emulation.DONE
    assert fpu.calls == ["own_fpu"]
    assert rig.vcpu.pc == KERNEL_PC


@pytest.mark.parametrize(("has", "status", "enabled", "given"), [
    (False, 0, 0, ExcCode.RI), (True, Status.CU1.mask, 1 << 27, ExcCode.RI), (True, 0, 0, ExcCode.MSADis),
])
def test_msa_disabled_fx6(rig: Rig, has: bool, status: int, enabled: int, given: ExcCode) -> None:
    if has:
        with_fpu(rig)
    rig.cop0[Status] = status
    rig.cop0.put(16, 5, enabled)
    rig.trap(ExcCode.MSADis)
    assert rig.exc_code == given


def test_msa_taken_fx6(rig: Rig) -> None:
    fpu = with_fpu(rig)
    rig.cop0.put(16, 5, 1 << 27)
    assert rig.trap(ExcCode.MSADis) is Emulation.DONE
    assert fpu.calls == ["own_msa"]


def test_status_and_the_live_fpu_c0_7(make: Make) -> None:
    rig = make()
    fpu = with_fpu(rig)
    rig.vcpu.fpu.fpu_in_use = True
    rig.mtc0(Status, Status.CU1.mask | Status.FR.mask)
    assert fpu.calls == ["drop", "follow_status"]
    rig.mtc0(Status, Status.CU1.mask | Status.FR.mask | Status.NMI.mask)
    assert len(fpu.calls) == 2


@pytest.mark.parametrize(("quirk", "calls"), [(False, []), (True, ["drop"])])
def test_status_changes_are_told_from_what_is_stored_c0_7(make: Make, quirk: bool, calls: list[str]) -> None:
    rig = make(status_change_unmasked=quirk)
    rig.host.fpu = fpu = Fpu()
    rig.mtc0(Status, Status.FR.mask)
    assert fpu.calls == calls


# -- RDHWR ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rd", "value"), [(0, 1), (1, 16), (2, 100), (3, 2), (29, 0x2000_0010)])
def test_rdhwr_in_kernel_mode_ri1_ri2(rig: Rig, rd: int, value: int) -> None:
    rig.cop0[UserLocal] = 0x2000_0010
    rig.host.now = 1000
    assert rig.trap(ExcCode.RI, insn("rdhwr", rt=3, rd=rd)) is Emulation.DONE
    assert (rig.vcpu.gpr[3], rig.vcpu.pc) == (value, KERNEL_PC + 4)


@pytest.mark.parametrize("enabled", [True, False])
def test_rdhwr_in_user_mode_needs_hwrena_ri1(rig: Rig, enabled: bool) -> None:
    rig.user_mode()
    rig.cop0[HWREna] = enabled << 29
    result = rig.trap(ExcCode.RI, insn("rdhwr", rt=3, rd=29))
    assert result is (Emulation.DONE if enabled else Emulation.EXCEPT)


@pytest.mark.parametrize("word", [insn("rdhwr", rt=3, rd=4), 0xFFFF_FFFF, 0x7C00_0000 | 0x3F])
def test_other_reserved_words_are_the_guests_ri3(rig: Rig, word: int) -> None:
    assert rig.trap(ExcCode.RI, word) is Emulation.EXCEPT
    assert (rig.exc_code, rig.cop0[EPC]) == (ExcCode.RI, KERNEL_PC)


def test_words_reported_by_the_host_are_used_em2(rig: Rig) -> None:
    rig.host.bad_instr = True
    rig.vcpu.host_badinstr, rig.vcpu.host_badinstrp = insn("rdhwr", rt=3, rd=3), insn("beq", off=0x10)
    rig.trap(ExcCode.RI, 0, branch=0)
    assert (rig.vcpu.gpr[3], rig.vcpu.pc) == (2, KERNEL_PC + 4 + 0x40)
