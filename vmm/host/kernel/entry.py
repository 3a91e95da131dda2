"""The generated world switch: one exception block and one vcpu_run for each vCPU.  (rows EN-2..EN-15)

Register use between the labels: k1 is the vCPU pointer, k0 is free.  Invariant: while EBase is being changed
Status.BEV is set, so no exception can find half a pair; and the guest never sees a register of the host.
"""
from __future__ import annotations

from vmm.arch.cp0.registers import (
    EPC,
    BadInstr,
    BadInstrP,
    BadVAddr,
    Cause,
    EBase,
    EntryHi,
    GuestCtl0,
    GuestCtl1,
    HWREna,
    Status,
)
from vmm.host.kernel.contexts import asid_offset
from vmm.host.kernel.layout import CALL_FRAME, RESUME_HOST, TI_CPU, USER_MODE, CodePlan, Door, PtRegs
from vmm.host.kernel.refill import K0, K1, emit_refill, emit_save_k
from vmm.host.kernel.uasm import Assembly
from vmm.host.kernel.vcpu_block import VcpuLayout

BLOCK_BYTES = 0x4000
"""One vCPU's exception block with the switch code behind it (EN-2)."""

COMMON_EXIT = 0x2000
VECTORS = 8

_CALLEE_SAVED = (*range(16, 24), *range(28, 32))
_GUEST_SAVED = (*range(26), *range(28, 32))
_HILO = ("hi", "lo")
_GUEST_LOADED = (*range(1, 26), *range(28, 32))


class SwitchCode:
    """Emits the code of one vCPU at ``guest_ebase``."""

    def __init__(self, plan: CodePlan, layout: VcpuLayout, guest_ebase: int) -> None:
        self.plan, self.layout = plan, layout
        self.guest_ebase = guest_ebase
        self.asm = Assembly(guest_ebase, plan.word)
        self.frame = PtRegs(plan.word)
        wide = plan.word == 8
        self.kx = Status.KX.mask if wide else 0

    def emit(self) -> Assembly:
        """EN-3: the block in the order of its addresses."""
        asm = self.asm
        if self.plan.vz and self.plan.word == 8:
            asm.org(0x080)  # root runs with KX, so every stage-2 miss comes to the XTLB vector
        emit_refill(asm, self.plan, self.layout, "tlb_refill")
        asm.org(0x180)
        self._stub("general_exception")
        for number in range(VECTORS):
            asm.org(0x200 + 0x100 * number)
            self._stub(f"interrupt_{number}")
        asm.org(COMMON_EXIT)
        self._exit()
        self._return()
        self._enter_guest()
        self._vcpu_run()
        asm.label("end")
        return asm

    def _stub(self, name: str) -> None:
        """EN-10."""
        self.asm.label(name)
        emit_save_k(self.asm, self.plan, self.layout)
        self.asm.emit("b common_exit", "nop")

    def _set_ebase(self, address: int) -> None:
        """With Status.BEV set; k0 is lost.  Kernel code is in kseg0, so a gated write needs no wider value."""
        gate = EBase.WG.mask if self.plan.ebase_gate else 0
        self.asm.load_word(K0, address | gate)
        if self.plan.ebase_gate and self.plan.word == 8:
            self.asm.to_cp0(K0, EBase.number)
        else:
            self.asm.to_cp0_word(K0, EBase.number)
        self.asm.emit("ehb")

    def _vcpu_run(self) -> None:
        """EN-4: int vcpu_run(run, vcpu); the frame lies below SP, whose value stays as it was."""
        asm, frame, scratch = self.asm, self.frame, self.plan.scratch
        asm.label("vcpu_run")
        asm.add_immediate(K1, "$29", -frame.size)
        for number in _CALLEE_SAVED:
            asm.store(f"${number}", frame.gpr(number), K1)
        asm.from_cp0_word("$2", Status.number)
        asm.store("$2", frame.status, K1)
        asm.from_cp0(K0, scratch.vcpu)
        asm.store(K0, frame.epc, K1)
        asm.from_cp0(K0, scratch.temporary)
        asm.store(K0, frame.cause, K1)
        asm.to_cp0("$5", scratch.vcpu)
        asm.move(K1, "$5")
        asm.store("$29", self.layout.at("host_stack"), K1)
        asm.store("$28", self.layout.at("host_gp"), K1)
        asm.load_word(K0, Status.BEV.mask | Status.EXL.mask | USER_MODE | self.kx)
        asm.to_cp0_word(K0, Status.number)
        asm.emit("ehb")
        self._set_ebase(self.guest_ebase)
        asm.emit(f"ori {K0}, $0, {Status.EXL.mask | USER_MODE | Status.IE.mask | self.kx}")
        asm.emit(f"andi $2, $2, {Status.IM.mask}", f"or {K0}, {K0}, $2")
        asm.to_cp0_word(K0, Status.number)
        asm.emit("ehb", "b enter_guest", "nop")

    def _enter_guest(self) -> None:
        """EN-5..EN-8; k1 is the vCPU."""
        asm, layout = self.asm, self.layout
        asm.label("enter_guest")
        asm.load("$8", layout.at("pc"), K1)
        asm.to_cp0("$8", EPC.number)
        if self.plan.vz:
            self._enter_vz()
        else:
            self._enter_te()
        asm.to_cp0_word("$0", HWREna.number)
        for name in _HILO if self.plan.hilo else ():
            asm.load(K0, layout.at(name), K1)
            asm.emit(f"mt{name} {K0}")
        for number in _GUEST_LOADED:
            asm.load(f"${number}", layout.gpr(number), K1)
        asm.load(K0, layout.gpr(26), K1)
        asm.load(K1, layout.gpr(27), K1)
        asm.emit("ehb", "eret")

    def _enter_vz(self) -> None:
        """EN-6: stage 2 tables, guest mode, and who the guest is."""
        asm, layout, plan = self.asm, self.layout, self.plan
        assert plan.scratch.pgd is not None  # VZ-4: refused at boot
        asm.from_cp0(K0, plan.scratch.pgd)
        asm.store(K0, layout.at("host_pgd"), K1)
        asm.load("$9", layout.at("gpa_mm"), K1)
        self._setup_pgd_of("$9")
        asm.from_cp0_word(K0, GuestCtl0.number)
        asm.emit("addiu $8, $0, 1", f"ins {K0}, $8, {GuestCtl0.GM.low}, 1")
        asm.to_cp0_word(K0, GuestCtl0.number)
        if plan.guest_id:
            asm.from_cp0_word("$8", GuestCtl1.number)
            asm.emit(f"ext $10, $8, {GuestCtl1.ID.low}, 8", f"ins $8, $10, {GuestCtl1.RID.low}, 8")
            asm.to_cp0_word("$8", GuestCtl1.number)
            return
        asm.from_cp0(K0, EntryHi.number)
        asm.store(K0, layout.at("host_entryhi"), K1)
        self._load_asid_of("$9")

    def _enter_te(self) -> None:
        """EN-7: the kernel's or the user's shadow address space, as the guest's Status says."""
        asm, layout = self.asm, self.layout
        asm.load("$8", layout.at("cop0_address"), K1)
        low_word = self.plan.word - 4 if self.plan.big_endian else 0
        asm.emit(f"lw $8, {layout.cop0(*Status.number) + low_word}($8)")
        asm.load("$9", layout.at("kernel_mm"), K1)
        asm.emit(f"andi $8, $8, {USER_MODE | Status.ERL.mask | Status.EXL.mask}", f"xori $8, $8, {USER_MODE}")
        asm.emit("bne $8, $0, guest_is_kernel", "nop")
        asm.load("$9", layout.at("user_mm"), K1)
        asm.label("guest_is_kernel")
        self._load_asid_of("$9")
        self._setup_pgd_of("$9")

    def _setup_pgd_of(self, mm: str) -> None:
        """Call the kernel's helper with the mm's directory; it changes only AT and $10."""
        self.asm.load("$4", 0, mm)
        self._call_setup_pgd()

    def _call_setup_pgd(self) -> None:
        self.asm.load_word("$25", self.plan.setup_pgd)
        self.asm.emit("jalr $31, $25", "nop")

    def _load_asid_of(self, mm: str) -> None:
        """EntryHi := this CPU's ASID of the mm; the CPU is the one in the task's thread info."""
        asm = self.asm
        low_word = 4 if self.plan.big_endian else 0
        asm.emit(f"lw $10, {TI_CPU}($28)", "sll $10, $10, 3")
        asm.add("$10", mm, "$10")
        asm.emit(f"lw {K0}, {asid_offset(0) + low_word}($10)", f"andi {K0}, {K0}, {self.plan.asid_mask}")
        asm.to_cp0(K0, EntryHi.number)
        asm.emit("ehb")

    def _exit(self) -> None:
        """EN-11..EN-13; k1 is the vCPU, the guest's k0 is saved, its k1 is in the temporary scratch register."""
        asm, layout, plan = self.asm, self.layout, self.plan
        asm.label("common_exit")
        for number in _GUEST_SAVED:
            asm.store(f"${number}", layout.gpr(number), K1)
        for name in _HILO if plan.hilo else ():
            asm.emit(f"mf{name} $8")
            asm.store("$8", layout.at(name), K1)
        asm.emit("ehb")
        asm.from_cp0("$8", plan.scratch.temporary)
        asm.store("$8", layout.gpr(27), K1)
        asm.move("$17", K1)
        self._save_exit_registers()
        asm.from_cp0_word("$2", Status.number)
        asm.load_word("$1", Status.BEV.mask)
        asm.emit(f"or {K0}, $2, $1")
        asm.to_cp0_word(K0, Status.number)
        asm.emit("ehb")
        self._set_ebase(plan.host_ebase)
        if plan.vz:
            self._leave_vz()
        self._back_to_c()

    def _save_exit_registers(self) -> None:
        """What says why the guest left; the words of instructions only where the core keeps them."""
        asm, layout, plan = self.asm, self.layout, self.plan
        for register, name in ((EPC, "pc"), (BadVAddr, "host_badvaddr")):
            asm.from_cp0(K0, register.number)
            asm.store(K0, layout.at(name), K1)
        words = [(Cause, "host_cause", True), (BadInstr, "host_badinstr", plan.has_bad_instr),
                 (BadInstrP, "host_badinstrp", plan.has_bad_instr_p)]
        for word, name, there in words:
            if there:
                asm.from_cp0_word(K0, word.number)
                asm.store(K0, layout.at(name), K1)

    def _leave_vz(self) -> None:
        """EN-12."""
        asm, layout, plan = self.asm, self.layout, self.plan
        if not plan.guest_id:
            asm.load(K0, layout.at("host_entryhi"), K1)
            asm.to_cp0(K0, EntryHi.number)
        asm.load("$4", layout.at("host_pgd"), K1)
        self._call_setup_pgd()
        asm.from_cp0_word(K0, GuestCtl0.number)
        asm.emit(f"ins {K0}, $0, {GuestCtl0.GM.low}, 1")
        asm.to_cp0_word(K0, GuestCtl0.number)
        asm.store(K0, layout.at("host_guestctl0"), K1)
        if plan.guest_id:
            asm.from_cp0_word("$8", GuestCtl1.number)
            asm.emit(f"ins $8, $0, {GuestCtl1.RID.low}, 8")
            asm.to_cp0_word("$8", GuestCtl1.number)

    def _back_to_c(self) -> None:
        """EN-13: the host's Status, stack, scratch registers; then handle_exit(run, vcpu) behind its door."""
        asm, layout, frame, plan = self.asm, self.layout, self.frame, self.plan
        wide = Status.SX.mask | Status.UX.mask if plan.word == 8 else 0
        asm.load_word("$1", ~(Status.EXL.mask | USER_MODE | Status.IE.mask) & 0xFFFFFFFF)
        asm.emit("and $2, $2, $1")
        asm.load_word("$1", Status.CU0.mask | wide)
        asm.emit("or $2, $2, $1")
        asm.to_cp0_word("$2", Status.number)
        asm.emit("ehb")
        asm.load("$28", layout.at("host_gp"), K1)
        asm.load("$29", layout.at("host_stack"), K1)
        asm.add_immediate("$29", "$29", -frame.size)
        asm.load(K0, frame.epc, "$29")
        asm.to_cp0(K0, plan.scratch.vcpu)
        asm.load(K0, frame.cause, "$29")
        asm.to_cp0(K0, plan.scratch.temporary)
        asm.load_word(K0, plan.hwrena)
        asm.to_cp0_word(K0, HWREna.number)
        asm.move("$5", "$17")
        asm.add_immediate("$29", "$29", -CALL_FRAME)
        asm.label("call_handle_exit")
        asm.emit(f"sdbbp {int(Door.HANDLE_EXIT)}")
        asm.add_immediate("$29", "$29", CALL_FRAME)

    def _return(self) -> None:
        """EN-14: back into the guest, or back to whoever called vcpu_run."""
        asm, frame, scratch = self.asm, self.frame, self.plan.scratch
        asm.label("ret_from_exit")
        asm.emit("di $0", "ehb")
        asm.move(K1, "$17")
        asm.emit(f"andi $8, $2, {RESUME_HOST}", "bne $8, $0, return_to_host", "nop")
        asm.label("return_to_guest")
        asm.to_cp0(K1, scratch.vcpu)
        asm.from_cp0_word("$3", Status.number)
        asm.load_word("$1", Status.BEV.mask)
        asm.emit("or $1, $3, $1")
        asm.to_cp0_word("$1", Status.number)
        asm.emit("ehb")
        self._set_ebase(self.guest_ebase)
        asm.emit(f"ori $3, $3, {Status.EXL.mask | USER_MODE | Status.IE.mask}")
        gone = Status.CU0.mask | Status.MX.mask | Status.SX.mask | Status.UX.mask
        asm.load_word("$1", ~gone & 0xFFFFFFFF)
        asm.emit("and $3, $3, $1")
        asm.to_cp0_word("$3", Status.number)
        asm.emit("ehb", "b enter_guest", "nop")
        asm.label("return_to_host")
        asm.move(K1, "$29")
        for number in (*range(16, 24), 28, 30, 31):
            asm.load(f"${number}", frame.gpr(number), K1)
        asm.load_word(K0, self.plan.hwrena)
        asm.to_cp0_word(K0, HWREna.number)
        asm.load("$29", frame.gpr(29), K1)
        asm.emit("jr $31", "sra $2, $2, 2")
