"""Entering an exception, leaving one, and exits from guest mode.  (mips.md 5, 7.3)"""
from __future__ import annotations

from vmm.arch.cp0.registers import (
    DEPC,
    EPC,
    BadInstr,
    BadInstrP,
    BadVAddr,
    Cause,
    Config3,
    Context,
    Debug,
    EBase,
    EntryHi,
    ErrorEPC,
    GuestCtl0,
    IntCtl,
    SRSCtl,
    SRSMap,
    Status,
    XContext,
)
from vmm.arch.exceptions import ExcCode, GExcCode
from vmm.arch.privileged import interrupts, shadow
from vmm.arch.privileged.mode import update_mode
from vmm.arch.privileged.names import File
from vmm.arch.rows import AnyMachine
from vmm.arch.state import GUEST_FILE, ROOT_FILE

RESET_VECTOR = 0xFFFF_FFFF_BFC0_0000
BOOT_OFFSET = 0x200
DEBUG_VECTOR = 0xFFFF_FFFF_BFC0_0480
XTLB_OFFSET, GENERAL_OFFSET, INTERRUPT_OFFSET = 0x080, 0x180, 0x200
ADDRESS_CODES = (ExcCode.Mod, ExcCode.TLBL, ExcCode.TLBS, ExcCode.AdEL, ExcCode.AdES, ExcCode.TLBRI, ExcCode.TLBXI)
TLB_CODES = (ExcCode.Mod, ExcCode.TLBL, ExcCode.TLBS, ExcCode.TLBRI, ExcCode.TLBXI)
OUTSIDE_CODES = (ExcCode.Int, ExcCode.IBE, ExcCode.DBE, ExcCode.MCheck, ExcCode.Watch)
"""Exceptions that leave BadInstr and BadInstrP alone (volume III, BadInstr Register)."""


def one_of(m: AnyMachine, code: AnyMachine, codes: tuple[ExcCode, ...]) -> AnyMachine:
    """A Condition: ``code`` is among ``codes``."""
    return (m.const(sum(1 << c for c in codes)).shr(code) & 1) != 0


def deliver(m: AnyMachine) -> None:
    """Enter the exception that ``state.trap`` names, in the context it belongs to; pc, in_slot as at the fault.

    The mode follows when the engine looks around, as it does before the next instruction.
    """
    s = m.state
    redirect = ((s.trap == ExcCode.RI + 1) & (s.in_guest != 0) & (s.trap_root == 0) & m.root.on(GuestCtl0.RI))
    for _ in m.when(redirect):
        s.trap, s.trap_root, s.trap_gexc = m.const(ExcCode.GE + 1), m.const(1), m.const(GExcCode.GRR)
    code = s.trap - 1
    to_guest = (s.in_guest != 0) & (s.trap_root == 0)
    file = File(m, m.select(to_guest, GUEST_FILE, ROOT_FILE))
    for _ in m.when((s.in_guest != 0) & (s.trap_root != 0) & (code != ExcCode.Int)):
        m.root.put(GuestCtl0.GExcCode, s.trap_gexc)
    first = ~file.on(Status.EXL)
    for _ in m.when(first):
        file[EPC] = s.pc - s.in_slot.shl(2)
        file.put(Cause.BD, s.in_slot)
        for _ in m.when(~one_of(m, code, OUTSIDE_CODES)):
            file[BadInstr] = m.unsigned(s.instr, 32)
            for _ in m.when(s.in_slot != 0):
                file[BadInstrP] = m.unsigned(s.prior, 32)
    new_set = m.var(m.root.get(SRSCtl.ESS))
    offset = m.var(m.const(GENERAL_OFFSET))
    for _ in m.when(first & (s.trap_refill != 0)):
        offset.value = m.select(s.trap_refill == 2, XTLB_OFFSET, 0)
    for _ in m.when(code == ExcCode.Int):
        offset.value = m.call(interrupt_offset, m.select(to_guest, GUEST_FILE, ROOT_FILE))
        new_set.value = m.call(interrupt_set, new_set.value)
    for _ in m.otherwise():
        s.trapped = s.trapped + 1
        s.ticks = s.ticks + 1                          # an instruction was tried: exceptions take time
    file.put(Cause.ExcCode, code)
    file.put(Cause.CE, s.trap_ce)
    for _ in m.when(one_of(m, code, ADDRESS_CODES)):
        file[BadVAddr] = s.trap_badvaddr
    for _ in m.when(one_of(m, code, TLB_CODES)):
        m.call(note_page, m.select(to_guest, GUEST_FILE, ROOT_FILE))
    for _ in m.when(first & ~to_guest):
        m.call(shadow.enter, new_set.value)
    boot = m.select(to_guest, RESET_VECTOR, s.boot_base) + BOOT_OFFSET
    base = m.select(file.on(Status.BEV), boot, file[EBase] & -4096)
    file.put(Status.EXL, 1)
    s.pc = base + offset.value
    s.in_slot, s.forbidden, s.as_user, s.pc_relative = (m.const(0),) * 4
    s.trap, s.trap_refill, s.trap_root, s.trap_ce = (m.const(0),) * 4


def enter_nmi(m: AnyMachine) -> None:
    """A non-maskable interrupt: as a reset does, but everything else stays.  (Volume III, Non Maskable Interrupt)"""
    s, file = m.state, File(m, m.const(ROOT_FILE))
    file[ErrorEPC] = s.pc - s.in_slot.shl(2)
    file[Status] = file[Status] & ~(Status.TS.mask | Status.SR.mask) | Status.BEV.mask | Status.NMI.mask | Status.ERL.mask
    s.pc = s.boot_base
    s.nmi, s.halted, s.in_slot, s.forbidden, s.as_user, s.pc_relative = (m.const(0),) * 6
    m.call(update_mode)


def note_page(m: AnyMachine, base: AnyMachine) -> None:
    """Context, XContext and EntryHi after a TLB exception (mips.md 4.3); the ASID stays."""
    s, file = m.state, File(m, base)
    va = s.trap_badvaddr
    file[Context] = file[Context] & ~Context.BadVPN2.mask | (va.shr(9) & Context.BadVPN2.mask)
    file[EntryHi] = file[EntryHi] & 0x7FF | (va & s.vpn_mask)
    for _ in m.when(s.core64 != 0):
        bits = m.const(1).shl(s.xcontext_r)            # BadVPN2 lies below R and above bit 3
        vpn = va.shr(9) & (bits - 16)
        region = va.shr(62).shl(s.xcontext_r)
        file[XContext] = file[XContext] & -(bits.shl(2)) | region | vpn


def interrupt_offset(m: AnyMachine, base: AnyMachine) -> AnyMachine:
    """Offset of the interrupt vector: general, IV's own, or spaced by IntCtl.VS (mips.md 5.2)."""
    file = File(m, base)
    spacing = m.select(file.on(Status.BEV), 0, file.get(IntCtl.VS).shl(5))
    vector = m.const(INTERRUPT_OFFSET) + m.call(vector_number, base) * spacing
    return m.select(file.on(Cause.IV), vector, GENERAL_OFFSET)


def vector_number(m: AnyMachine, base: AnyMachine) -> AnyMachine:
    """The highest pending line, or in EIC mode what the external controller says."""
    s, file = m.state, File(m, base)
    pending = (file[Cause] & file[Status]).shr(8) & 0xFF
    number = m.var(m.const(63) - m.leading_zeros(pending | 1))
    for _ in m.when(interrupts.by_controller(m, base)):
        level = m.call(interrupts.requested_level)
        outside = level == s.irq_lines.shr(interrupts.LEVEL_AT)      # and not a timer of ours
        number.value = m.select(outside & (s.eic_vector != 0), s.eic_vector, level)
    return number.value


def interrupt_set(m: AnyMachine, otherwise: AnyMachine) -> AnyMachine:
    """The shadow set for a root interrupt: SRSMap's for its vector, the controller's, or that of all exceptions."""
    s, number = m.state, m.var(otherwise)
    for _ in m.when(interrupts.is_vectored(m, m.const(ROOT_FILE))):
        number.value = m.root[SRSMap].shr(m.call(vector_number, m.const(ROOT_FILE)).shl(2)) & 15
        for _ in m.when(m.root.on(Config3.VEIC)):
            number.value = s.eic_set
            m.root.put(SRSCtl.EICSS, s.eic_set)
    return number.value


def exit_guest(m: AnyMachine, gexc: AnyMachine) -> None:
    """Leave guest mode by a Guest Exit exception of this GExcCode."""
    s = m.state
    s.trap_root = 1
    s.trap_gexc = gexc
    m.trap_code(m.const(ExcCode.GE))


def return_from_exception(m: AnyMachine, keep_link: AnyMachine) -> None:
    """ERET, and ERETNC with ``keep_link``."""
    s = m.state
    error = m.cp0.on(Status.ERL)
    s.next_pc = m.select(error, m.cp0[ErrorEPC], m.cp0[EPC])
    m.cp0[Status] = m.cp0[Status] & ~m.select(error, Status.ERL.mask, Status.EXL.mask)
    for _ in m.when(~error & (s.in_guest == 0)):
        m.call(shadow.leave)
    s.llbit = s.llbit & keep_link


def enter_debug(m: AnyMachine) -> None:
    """SDBBP with no probe: debug mode, at the debug exception vector."""
    s = m.state
    m.root[DEPC] = s.pc - s.in_slot.shl(2)
    m.root[Debug] = m.root[Debug] | Debug.DM.mask | Debug.DBp.mask
    s.next_pc = m.const(DEBUG_VECTOR)


def return_from_debug(m: AnyMachine) -> None:
    """DERET."""
    m.state.next_pc = m.root[DEPC]
    m.root[Debug] = m.root[Debug] & ~(Debug.DM.mask | Debug.DBp.mask)
