"""What a write to a guest's CP0 register does (rows C0-3..C0-11, C0-16, C0-24, OR-2, OR-8).

``MASKS`` says which bits software may change; ``EFFECTS`` holds the registers whose write does more than
store.  A register in neither is one that this guest's core does not have: it reads as zero and drops writes.
"""
from __future__ import annotations

from collections.abc import Callable

from vmm.arch.cp0.registers import (
    EPC,
    REGISTERS,
    BadVAddr,
    Cause,
    Compare,
    Config,
    Config1,
    Config2,
    Config3,
    Config4,
    Config5,
    Config7,
    Context,
    Count,
    EBase,
    EntryHi,
    EntryLo0,
    EntryLo1,
    ErrorEPC,
    HWREna,
    Index,
    IntCtl,
    KScratch1,
    KScratch2,
    KScratch3,
    KScratch4,
    KScratch5,
    KScratch6,
    PageMask,
    PRId,
    Random,
    Register,
    Status,
    UserLocal,
    Wired,
    sign_extended,
)
from vmm.kvm.te import spaces
from vmm.kvm.te.guest import CannotEmulate, Guest
from vmm.kvm.te.tlb import ENTRIES, PAGE_MASK, PFN, SMALLEST, WORD

INDEX_MASK = ENTRIES - 1
EBASE_MASK = 0x1FFF_F000
"""The base stays in the guest's kseg0 (C0-4)."""
FLAGS = EntryLo0.C.mask | EntryLo0.D.mask | EntryLo0.V.mask | EntryLo0.G.mask
WIDE_MODES = Status.KX.mask | Status.SX.mask | Status.UX.mask | Status.PX.mask | Status.MX.mask
FPU_STATUS = Status.CU1.mask | Status.FR.mask

# fmt: off
MASKS: dict[type[Register], int] = {
    Index: INDEX_MASK, Random: 0, Wired: INDEX_MASK,
    EntryLo0: PFN | FLAGS, EntryLo1: PFN | FLAGS,
    PageMask: PAGE_MASK,
    EntryHi: WORD & ~SMALLEST | EntryHi.ASID.mask,
    Context: Context.PTEBase.mask & WORD,
    UserLocal: WORD, BadVAddr: 0,
    HWREna: HWREna.CPUNum.mask | HWREna.SYNCI.mask | HWREna.CC.mask | HWREna.CCRes.mask,     # and ULR: C0-10
    Count: WORD, Compare: WORD,
    Status: Status.write_mask & ~(WIDE_MODES | Status.NMI.mask), IntCtl: 0,
    Cause: Cause.DC.mask | Cause.IV.mask | Cause.IPsw.mask,
    EPC: WORD, ErrorEPC: WORD, PRId: 0, EBase: EBASE_MASK,
    Config: Config.K0.mask, Config1: 0, Config2: 0, Config3: 0, Config4: 0, Config5: 0, Config7: 0,
    KScratch1: WORD, KScratch2: WORD, KScratch3: WORD, KScratch4: WORD, KScratch5: WORD, KScratch6: WORD,
}

USER_MASKS: dict[type[Register], int] = {          # what the VMM may set, without FPU and MSA (C0-24, OR-8)
    EBase: EBASE_MASK | EBase.CPUNum.mask, IntCtl: 0,
    Config: 0, Config1: 0, Config2: 0, Config5: 0, Config7: 0,
    Config3: Config3.M.mask | Config3.ULRI.mask,
    Config4: Config4.M.mask | Config4.KScrExist.mask & ~(3 << Config4.KScrExist.low),
}

ONE_REG_ORDER: tuple[type[Register], ...] = (     # OR-2; then the timer's COUNT_CTL, COUNT_RESUME, COUNT_HZ
    Index, EntryLo0, EntryLo1, Context, UserLocal, PageMask, Wired, HWREna, BadVAddr, Count, EntryHi, Compare,
    Status, IntCtl, Cause, EPC, PRId, EBase, Config, Config1, Config2, Config3, Config4, Config5, Config7,
    ErrorEPC, KScratch1, KScratch2, KScratch3, KScratch4, KScratch5, KScratch6,
)
# fmt: on


def merge(old: int, new: int, mask: int) -> int:
    return old & ~mask | new & mask


# -- reading ---------------------------------------------------------------------------------------


def read(guest: Guest, rd: int, sel: int) -> int:
    """MFC0: the low 32 bits, sign-extended; Count is alive (C0-1)."""
    if (rd, sel) == Count.number:
        return sign_extended(guest.timer.read_count())
    return sign_extended(guest.vcpu.cop0.at(rd, sel))


# -- writing by the guest --------------------------------------------------------------------------


def write(guest: Guest, rd: int, sel: int, value: int) -> None:
    """MTC0."""
    register = REGISTERS.get(rd * 8 + sel)
    if register in EFFECTS:
        EFFECTS[register](guest, value)
    elif guest.quirks.read_only_registers_writable:
        guest.vcpu.cop0.put(rd, sel, value)
    elif register is not None:
        store(guest, register, value, MASKS.get(register, 0))


def store(guest: Guest, register: type[Register], value: int, mask: int) -> None:
    cop0 = guest.vcpu.cop0
    cop0[register] = sign_extended(merge(cop0[register], value, mask))


def write_entry_hi(guest: Guest, value: int) -> None:
    """C0-5, C0-16."""
    if EntryHi.ASID.of(value) != guest.asid:
        spaces.asid_changed(guest)
    store(guest, EntryHi, value, MASKS[EntryHi])


def _write_index(guest: Guest, value: int) -> None:
    """A core keeps as many bits as its TLB needs; the original gives up (C0-3)."""
    if guest.quirks.reserved_cop0_as_original and value & WORD >= ENTRIES:
        raise CannotEmulate(f"MTC0 Index with {value & WORD:#x}; the TLB has {ENTRIES} entries")
    store(guest, Index, value, INDEX_MASK)


def _write_wired(guest: Guest, value: int) -> None:
    store(guest, Wired, value, MASKS[Wired])
    guest.vcpu.cop0[Random] = ENTRIES - 1


def _write_count(guest: Guest, value: int) -> None:
    guest.timer.write_count(value & WORD)


def _write_compare(guest: Guest, value: int) -> None:
    guest.timer.write_compare(value & WORD, acknowledge=True)


def _write_status(guest: Guest, value: int) -> None:
    """C0-7; NMI is only the hardware's to set, and FPU bits follow the FPU."""
    old = guest.status
    mask = WORD if guest.quirks.read_only_registers_writable else MASKS[Status]
    forced_zero = Status.NMI.mask | (0 if guest.has_fpu else FPU_STATUS)
    new = merge(old, value, mask) & ~forced_zero & WORD
    changed = (value if guest.quirks.status_change_unmasked else new) ^ old
    fpu = guest.host.fpu
    if fpu and changed & Status.FR.mask:
        fpu.drop(guest.vcpu)
    if fpu and changed & Status.CU1.mask and not new & Status.FR.mask and guest.vcpu.fpu.msa_in_use:
        fpu.lose(guest.vcpu)
    guest.vcpu.cop0[Status] = new
    if fpu and changed & Status.CU1.mask and guest.vcpu.fpu.fpu_in_use:
        fpu.follow_status(guest.vcpu)


def _write_cause(guest: Guest, value: int) -> None:
    """C0-9.  A software interrupt is looked for before the guest goes on."""
    stopped = Cause.DC.mask
    changed = (guest.vcpu.cop0[Cause] ^ value) & stopped
    store(guest, Cause, value, MASKS[Cause] & ~stopped)
    if changed:
        guest.timer.set_cause_dc(bool(value & stopped))


def _write_ebase(guest: Guest, value: int) -> None:
    store(guest, EBase, value, EBASE_MASK)


def _write_config5(guest: Guest, value: int) -> None:
    mask = config5_mask(guest)
    store(guest, Config5, value, mask)
    if mask and guest.host.fpu:
        guest.host.fpu.follow_status(guest.vcpu)


def _write_hwrena(guest: Guest, value: int) -> None:
    """C0-10."""
    has_user_local = guest.vcpu.cop0[Config3] & Config3.ULRI.mask
    store(guest, HWREna, value, MASKS[HWREna] | (HWREna.ULR.mask if has_user_local else 0))


EFFECTS: dict[type[Register] | None, Callable[[Guest, int], None]] = {
    Index: _write_index, Wired: _write_wired, EntryHi: write_entry_hi, Count: _write_count,
    Compare: _write_compare, Status: _write_status, Cause: _write_cause, EBase: _write_ebase,
    Config5: _write_config5, HWREna: _write_hwrena,
}  # fmt: skip


# -- setting from outside --------------------------------------------------------------------------


def set_from_outside(guest: Guest, register: type[Register], value: int) -> None:
    """SET_ONE_REG: no acknowledgement, no read-only bits but the masked ones; side effects that keep shadows
    right (OR-8)."""
    if register is Count:
        guest.timer.write_count(value & WORD)
    elif register is Compare:
        guest.timer.write_compare(value & WORD, acknowledge=False)
    elif register is Cause:
        _set_cause(guest, value)
    elif register is EntryHi:
        if EntryHi.ASID.of(value) != guest.asid:
            spaces.asid_changed(guest)
        store(guest, EntryHi, value, WORD)
    else:
        store(guest, register, value, user_mask(guest, register))


def user_mask(guest: Guest, register: type[Register]) -> int:
    """What the VMM may set: the unit bits follow the capabilities it enabled (C0-24)."""
    units = {
        Config1: Config1.FP.mask if guest.vcpu.fpu_enabled else 0,
        Config3: Config3.MSAP.mask if guest.vcpu.msa_enabled else 0,
        Config5: config5_mask(guest),
    }
    return USER_MASKS.get(register, WORD) | units.get(register, 0)


def config5_mask(guest: Guest) -> int:
    """C0-8; UFR and UFE never."""
    return (Config5.MSAEn.mask if guest.has_msa else 0) | (Config5.FRE.mask if guest.has_fpu else 0)


def _set_cause(guest: Guest, value: int) -> None:
    """The timer stops before, and starts after, the other bits change."""
    stopped = Cause.DC.mask
    changed = (guest.vcpu.cop0[Cause] ^ value) & stopped
    if changed & value:
        guest.timer.set_cause_dc(True)
    store(guest, Cause, value, WORD & ~stopped)
    if changed & ~value:
        guest.timer.set_cause_dc(False)
