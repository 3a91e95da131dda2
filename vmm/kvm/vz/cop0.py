"""CP0 registers that a VZ guest cannot reach by itself.  (rows VZ-41, VZ-42, VZ-45)

Three tables: what a read gives, what a write does (both for GPSI exits), and what a write of a watched field does
(GSFC exits).  A register without a row cannot be emulated.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vmm.arch.cp0.fields import Register
from vmm.arch.cp0.registers import (
    MAAR,
    MAARI,
    Cause,
    CDMMBase,
    CMGCRBase,
    Compare,
    Config5,
    Config7,
    Count,
    ErrCtl,
    IntCtl,
    LLAddr,
    PageGrain,
    PRId,
    SRSCtl,
    SRSMap,
    Status,
)
from vmm.host.kernel.cpu import Cpu
from vmm.kvm.fpu import HostFpu
from vmm.kvm.vz import timer
from vmm.kvm.vz.guest import MAAR_REGISTERS, Guest


@dataclass(frozen=True, slots=True)
class Access:
    """One trapped move: the guest, the CPU it is loaded on, whether the move has 64 bits, the FPU that is lent."""

    guest: Guest
    core: Cpu
    wide: bool
    fpu: HostFpu | None


class NotEmulated(Exception):
    """No row for this register, or a value that makes no sense; the text says which."""


Read = Callable[[Access], int]
Write = Callable[[Access, int], None]
Number = tuple[int, int]

MAAR_MASK = 0xFFFFF000 | MAAR.S.mask | MAAR.VL.mask
MAAR_WIDE = 0x00FFFFFF_00000000
MAARI_PROBE = 0x3F
"""Software writes all ones to find out how many there are."""
MAARI_LAST = MAAR_REGISTERS - 1


def _saved(register: type[Register]) -> Read:
    return lambda access: access.guest.vcpu.cop0[register]


def _read_lladdr(access: Access) -> int:
    """Only the link bit, where the core shows it at all."""
    return access.core.mfgc0(LLAddr) & LLAddr.LLB.mask


def _write_lladdr(access: Access, value: int) -> None:
    if not value & LLAddr.LLB.mask:
        access.core.mtgc0(LLAddr, 0)


def _maar(access: Access) -> int:
    index = access.guest.vcpu.cop0[MAARI]
    if index >= MAAR_REGISTERS:
        raise NotEmulated(f"MAAR {index} asked; there are {MAAR_REGISTERS}")
    return index


def _write_maar(access: Access, value: int) -> None:
    """VZ-42: MTC0 clears VH; DMTC0 makes both halves valid together."""
    mask = MAAR_MASK
    if access.core.mfgc0(PageGrain) & PageGrain.ELPA.mask:
        mask |= MAAR_WIDE
    kept = value & mask
    if access.wide and kept & MAAR.VL.mask and access.core.mfgc0(Config5) & Config5.MVH.mask:
        kept |= MAAR.VH.mask
    access.guest.maar[_maar(access)] = kept


def _write_maari(access: Access, value: int) -> None:
    index = value & MAARI_PROBE
    if index == MAARI_PROBE:
        access.guest.vcpu.cop0[MAARI] = MAARI_LAST
    elif index <= MAARI_LAST:
        access.guest.vcpu.cop0[MAARI] = index


def _write_count(access: Access, value: int) -> None:
    timer.lose(access.guest, access.core)
    access.guest.timer.write_count(value & 0xFFFFFFFF)


def _write_compare(access: Access, value: int) -> None:
    """TM-14: the guest's own write acknowledges."""
    access.guest.timer.write_compare(value & 0xFFFFFFFF, acknowledge=True)


def _ignore(access: Access, value: int) -> None:
    """Nothing behind it."""


# fmt: off
READS: dict[Number, Read] = {
    Count.number:     lambda access: access.guest.timer.read_count(),
    Compare.number:   lambda access: access.core.mfgc0(Compare),
    LLAddr.number:    _read_lladdr,
    MAAR.number:      lambda access: access.guest.maar[_maar(access)],
    PRId.number:      _saved(PRId),
    CDMMBase.number:  _saved(CDMMBase),
    CMGCRBase.number: _saved(CMGCRBase),
    SRSCtl.number:    _saved(SRSCtl),
    SRSMap.number:    _saved(SRSMap),
    Config7.number:   _saved(Config7),
    MAARI.number:     _saved(MAARI),
    ErrCtl.number:    _saved(ErrCtl),
}

WRITES: dict[Number, Write] = {
    Count.number:   _write_count,
    Compare.number: _write_compare,
    LLAddr.number:  _write_lladdr,
    MAAR.number:    _write_maar,
    MAARI.number:   _write_maari,
    ErrCtl.number:  _ignore,
}
# fmt: on


def _change_status(access: Access, value: int) -> None:
    """C0-7's rules, VZ-45: without an FPU CU1 and FR stay clear; a change of FR loses what is in the registers."""
    fpu, vcpu = access.fpu, access.guest.vcpu
    if fpu is None or not vcpu.fpu_enabled:
        access.core.mtgc0(Status, value & ~(Status.CU1.mask | Status.FR.mask))
        return
    changed = value ^ access.core.mfgc0(Status)
    if changed & Status.FR.mask:
        fpu.drop(vcpu)
    elif changed & Status.CU1.mask and not value & Status.FR.mask and vcpu.fpu.msa_in_use:
        fpu.lose(vcpu)
    access.core.mtgc0(Status, value)


def _change_cause(access: Access, value: int) -> None:
    """DC starts and stops the timer; WP can only be cleared; IV and the software interrupts are plain."""
    old = access.core.mfgc0(Cause)
    if (old ^ value) & Cause.DC.mask:
        stops = bool(value & Cause.DC.mask)
        if stops:
            timer.lose(access.guest, access.core)
        access.guest.timer.set_cause_dc(stops)
        old = access.core.mfgc0(Cause)
    plain = Cause.IV.mask | Cause.IPsw.mask
    cleared = Cause.WP.mask & ~value
    access.core.mtgc0(Cause, old & ~plain & ~cleared | value & plain)


def _change_intctl(access: Access, value: int) -> None:
    access.core.mtgc0(IntCtl, value)


def _change_config5(access: Access, value: int) -> None:
    """Within what the guest may write (18.2): K, CV and SBRI, and what its FPU and MSA have."""
    mask, vcpu = Config5.K.mask | Config5.CV.mask | Config5.SBRI.mask, access.guest.vcpu
    if access.fpu and vcpu.fpu_enabled:
        mask |= Config5.UFR.mask | Config5.UFE.mask | Config5.FRE.mask
    if access.fpu and vcpu.msa_enabled:
        mask |= Config5.MSAEn.mask
    new = access.core.mfgc0(Config5) & ~mask | value & mask
    access.core.mtgc0(Config5, new)
    if access.fpu:
        access.fpu.follow_fre(vcpu, new)


CHANGES: dict[Number, Write] = {
    Status.number: _change_status,
    Cause.number: _change_cause,
    IntCtl.number: _change_intctl,
    Config5.number: _change_config5,
}


def name_of(number: Number) -> str:
    return f"CP0 register {number[0]}.{number[1]}"
