"""The guest's CP0 between hardware and RAM.  (rows VZ-10..VZ-12, VZ-20..VZ-22)

One ordered table is the whole of what is moved: the Config registers come first, because they say which of the others
exist, and LLAddr last.  Invariant: a register that the guest context of this core does not have is neither read nor
written.
"""
from __future__ import annotations

from dataclasses import dataclass

from vmm.arch.cp0.fields import Register
from vmm.arch.cp0.registers import (
    EPC,
    BadInstr,
    BadInstrP,
    BadVAddr,
    Cause,
    Compare,
    Config,
    Config1,
    Config2,
    Config3,
    Config4,
    Config5,
    Config6,
    Config7,
    Context,
    ContextConfig,
    EBase,
    EntryHi,
    EntryLo0,
    EntryLo1,
    ErrorEPC,
    GuestCtl2,
    HWREna,
    Index,
    IntCtl,
    KScratch1,
    KScratch2,
    KScratch3,
    KScratch4,
    KScratch5,
    KScratch6,
    LLAddr,
    PageGrain,
    PageMask,
    PRId,
    PWBase,
    PWCtl,
    PWField,
    PWSize,
    SegCtl0,
    SegCtl1,
    SegCtl2,
    Status,
    UserLocal,
    Wired,
    XContext,
    XContextConfig,
)
from vmm.arch.models import CpuModel
from vmm.host.kernel.cpu import Cpu
from vmm.kvm.vcpu import Vcpu

# fmt: off
STATE: tuple[type[Register], ...] = (
    Config, Config1, Config2, Config3, Config4, Config5, Config6, Config7,
    Index, EntryLo0, EntryLo1, Context, ContextConfig, XContext, XContextConfig, PageMask, PageGrain, HWREna,
    BadVAddr, EntryHi, Status, IntCtl, EPC, EBase, UserLocal, ErrorEPC,
    KScratch1, KScratch2, KScratch3, KScratch4, KScratch5, KScratch6, BadInstr, BadInstrP,
    SegCtl0, SegCtl1, SegCtl2, PWBase, PWField, PWSize, PWCtl,
)
"""VZ-20's order.  Wired goes with the wired entries; Cause and Compare go with the timer."""
# fmt: on

RESET_PC = 0xFFFFFFFF_BFC00000
KSEG0 = 0xFFFFFFFF_80000000
SAVED_GUESTCTL2 = GuestCtl2.number
"""Where the RAM file keeps GuestCtl2: a slot that no guest register has (VZ-21)."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of the table that one core's guest context has, and what else the core decides."""

    registers: tuple[type[Register], ...]
    has_guestctl2: bool
    has_lladdr: bool
    ebase_gate: bool


def rows_of(model: CpuModel) -> Rows:
    present = model.guest_implemented
    return Rows(tuple(register for register in STATE if register.index in present),
                GuestCtl2.index in model.implemented, LLAddr.index in present,
                bool(model.write_mask(EBase) & EBase.WG.mask))


def save(cpu: Cpu, vcpu: Vcpu, rows: Rows) -> None:
    """VZ-21."""
    vcpu.cop0.update(zip(rows.registers, cpu.mfgc0_each(rows.registers), strict=True))
    if rows.has_guestctl2:
        vcpu.cop0.put(*SAVED_GUESTCTL2, cpu.mfc0(GuestCtl2))


def load(cpu: Cpu, vcpu: Vcpu, rows: Rows) -> None:
    """VZ-20."""
    if rows.ebase_gate:
        cpu.mtgc0(EBase, vcpu.cop0[EBase] | EBase.WG.mask)  # the gate first, then what it lets in (VZ-22)
    cpu.mtgc0_each(zip(rows.registers, vcpu.cop0.each(rows.registers), strict=True))
    if rows.has_guestctl2:
        cpu.mtc0(GuestCtl2, vcpu.cop0.at(*SAVED_GUESTCTL2) & 0xFFFFFFFF)
    if rows.has_lladdr:
        cpu.mtgc0(LLAddr, 0)  # no LL of one vCPU may pair with an SC of another


def reset(vcpu: Vcpu, model: CpuModel, *, big_endian: bool) -> None:
    """VZ-10..VZ-12: the core's own reset values, less what a guest is not given."""
    own = model.guest_reset(big_endian=big_endian, cpu=vcpu.number)
    rows: tuple[type[Register], ...] = (*rows_of(model).registers, Wired, Cause, Compare)
    for register in rows:
        vcpu.cop0[register] = own[register.index]
    vcpu.cop0[PRId] = model.prid
    vcpu.cop0[Status] = Status.BEV.mask | Status.ERL.mask
    vcpu.cop0[EBase] = KSEG0 | vcpu.number
    vcpu.cop0[Config1] &= ~_NOT_GIVEN[Config1]
    vcpu.cop0[Config3] &= ~_NOT_GIVEN[Config3]
    vcpu.cop0[Config5] &= ~_NOT_GIVEN[Config5]
    vcpu.pc = RESET_PC


_NOT_GIVEN: dict[type[Register], int] = {
    Config1: sum(f.mask for f in (Config1.C2, Config1.MD, Config1.PC, Config1.WR, Config1.CA, Config1.FP)),
    Config3: sum(f.mask for f in (Config3.MSAP, Config3.BPG, Config3.DSPP, Config3.DSP2P, Config3.CTXTC,
                                  Config3.ITL, Config3.LPA, Config3.VEIC, Config3.SP, Config3.CDMM, Config3.MT,
                                  Config3.SM, Config3.TL)),
    Config5: sum(f.mask for f in (Config5.K, Config5.CV, Config5.MSAEn, Config5.UFE, Config5.FRE, Config5.SBRI,
                                  Config5.UFR, Config5.MRP)),
}
"""VZ-11.  ULRI and VInt stay, because no root write can take them out of our cores' guest context."""
