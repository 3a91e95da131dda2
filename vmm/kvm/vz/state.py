"""The guest's CP0 between hardware and RAM.  (rows VZ-10..VZ-12, VZ-20..VZ-22)

One ordered table is the whole of what is moved: the Config registers come first, because they say which of the others
exist, and LLAddr last.  Invariant: a register that the guest context of this core does not have is neither read nor
written.
"""
from __future__ import annotations

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


def registers_of(model: CpuModel) -> tuple[type[Register], ...]:
    """The rows of the table that this core's guest context has."""
    return tuple(register for register in STATE if register.index in model.guest_implemented)


def save(cpu: Cpu, vcpu: Vcpu, model: CpuModel) -> None:
    """VZ-21."""
    for register in registers_of(model):
        vcpu.cop0[register] = cpu.mfgc0(register)
    if GuestCtl2.index in model.implemented:
        vcpu.cop0.put(*SAVED_GUESTCTL2, cpu.mfc0(GuestCtl2))


def load(cpu: Cpu, vcpu: Vcpu, model: CpuModel) -> None:
    """VZ-20."""
    for register in registers_of(model):
        if register is EBase:
            _load_ebase(cpu, vcpu.cop0[EBase], model)
        else:
            cpu.mtgc0(register, vcpu.cop0[register])
    if GuestCtl2.index in model.implemented:
        cpu.mtc0(GuestCtl2, vcpu.cop0.at(*SAVED_GUESTCTL2) & 0xFFFFFFFF)
    if LLAddr.index in model.guest_implemented:
        cpu.mtgc0(LLAddr, 0)  # no LL of one vCPU may pair with an SC of another


def _load_ebase(cpu: Cpu, value: int, model: CpuModel) -> None:
    """The gate has to be open before the upper bits can be written (VZ-22)."""
    if model.write_mask(EBase) & EBase.WG.mask:
        cpu.mtgc0(EBase, value | EBase.WG.mask)
    cpu.mtgc0(EBase, value)


def reset(vcpu: Vcpu, model: CpuModel, *, big_endian: bool) -> None:
    """VZ-10..VZ-12: the core's own reset values, less what a guest is not given."""
    own = model.guest_reset(big_endian=big_endian, cpu=vcpu.number)
    rows: tuple[type[Register], ...] = (*registers_of(model), Wired, Cause, Compare)
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
