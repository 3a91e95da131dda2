"""The kernel's own exception vectors: from user mode to a frame on the task's kernel stack, and back.  (MD00090, 6; EN-10)

User code leaves k0 and k1 to the kernel, so nothing is saved before these are used.  ``kernel_sp`` holds, for each CPU, the
top of the stack of the task that it runs; Context.PTEBase says which CPU this is.  Between frame and way back stands a
door: what a kernel would do in C.  Invariant: on the way out interrupts are off, and Status has EXL from before the frame's
registers are loaded until ERET.  An exception of the kernel itself is a defect of ours, and another door.
"""
from __future__ import annotations

from vmm.arch.cp0.registers import EPC, BadVAddr, Cause, Context, Status
from vmm.host.kernel.layout import USER_MODE, CodePlan, Door, PtRegs
from vmm.host.kernel.refill import K0, K1, POINTER_SHIFT, emit_fast_refill
from vmm.host.kernel.uasm import Assembly

_SAVED = (*range(1, 26), 28, 30, 31)
SP, GP, AT = "$29", "$28", "$1"


def emit_vectors(asm: Assembly, plan: CodePlan, entry: int) -> None:
    """At EBase; ``entry`` is where ``emit_entry`` put its code."""
    if plan.word == 8:
        asm.label("tlb_refill")                        # of a task whose Status.UX is off; the walk is the same
        asm.emit("b xtlb_refill", "nop")
        asm.org(0x080)
        emit_fast_refill(asm, plan, "xtlb_refill")
    else:
        emit_fast_refill(asm, plan, "tlb_refill")
    for offset, name in ((0x180, "general"), (0x200, "interrupt")):
        asm.org(offset)
        asm.label(name)
        asm.from_cp0_word(K0, Status.number)
        asm.emit(f"andi {K0}, {K0}, {USER_MODE}", f"beq {K0}, $0, {name}_of_kernel", "nop")
        asm.load_word(K0, entry)
        asm.emit(f"jr {K0}", "nop")
        asm.label(f"{name}_of_kernel")
        asm.emit(f"sdbbp {int(Door.HOST_EXCEPTION)}")


def emit_entry(asm: Assembly, plan: CodePlan, kernel_sp: int) -> None:
    """``kernel_sp``: the address of the array, whose lower half is 0 but for an offset that loads reach."""
    frame = PtRegs(plan.word)
    asm.label("user_exception")
    asm.from_cp0(K0, Context.number)
    asm.emit(f"{'dsrl' if plan.word == 8 else 'srl'} {K0}, {K0}, {POINTER_SHIFT}")
    asm.load_word(K1, kernel_sp & 0xFFFF_0000)
    asm.add(K1, K1, K0)
    asm.load(K1, kernel_sp & 0xFFFF, K1)
    asm.add_immediate(K1, K1, -frame.size)
    asm.store(SP, frame.gpr(29), K1)
    asm.move(SP, K1)
    for number in _SAVED:
        asm.store(f"${number}", frame.gpr(number), SP)
    for name, offset in _hilo(plan, frame):
        asm.emit(f"mf{name} {K0}")
        asm.store(K0, offset, SP)
    for register, offset in ((EPC, frame.epc), (BadVAddr, frame.bad_address)):
        asm.from_cp0(K0, register.number)
        asm.store(K0, offset, SP)
    for word, offset in ((Cause, frame.cause), (Status, frame.status)):
        asm.from_cp0_word(K0, word.number)
        asm.store(K0, offset, SP)
    _emit_kernel_mode(asm, plan)
    asm.label("call_handle_exception")
    asm.emit(f"sdbbp {int(Door.USER_EXCEPTION)}")
    _emit_return(asm, plan, frame)


def _hilo(plan: CodePlan, frame: PtRegs) -> tuple[tuple[str, int], ...]:
    """Release 6 has none."""
    return (("hi", frame.hi), ("lo", frame.lo)) if plan.hilo else ()


def _emit_kernel_mode(asm: Assembly, plan: CodePlan) -> None:
    """With the Status of the frame in k0: kernel mode without EXL, interrupts off; gp is the thread info."""
    asm.load_word(AT, ~(Status.EXL.mask | Status.ERL.mask | Status.KSU.mask | Status.IE.mask) & 0xFFFF_FFFF)
    asm.emit(f"and {K0}, {K0}, {AT}", f"lui {AT}, {Status.CU0.mask >> 16}", f"or {K0}, {K0}, {AT}")
    asm.to_cp0_word(K0, Status.number)
    asm.emit("ehb")
    below = plan.geometry.page_size - 1
    asm.emit(f"ori {GP}, {SP}, {below}", f"xori {GP}, {GP}, {below}")


def _emit_return(asm: Assembly, plan: CodePlan, frame: PtRegs) -> None:
    """The frame's Status has EXL, as the exception left it."""
    asm.label("ret_from_exception")
    asm.load(K0, frame.status, SP)
    asm.to_cp0_word(K0, Status.number)
    asm.emit("ehb")
    asm.load(K0, frame.epc, SP)
    asm.to_cp0(K0, EPC.number)
    for name, offset in _hilo(plan, frame):
        asm.load(K0, offset, SP)
        asm.emit(f"mt{name} {K0}")
    for number in _SAVED:
        asm.load(f"${number}", frame.gpr(number), SP)
    asm.load(SP, frame.gpr(29), SP)
    asm.emit("ehb", "eret")
