"""Exceptions as the guest takes them (rows EX-1..EX-6): its CP0 file changes, and its PC is the vector.

Invariant: with EXL set, EPC and Cause.BD keep the outer exception's values.
"""
from __future__ import annotations

from vmm.arch.cp0.registers import (
    EPC,
    BadVAddr,
    Bits,
    Cause,
    Context,
    EBase,
    EntryHi,
    Register,
    Status,
    XContext,
)
from vmm.arch.exceptions import GENERAL_OFFSET, INTERRUPT_OFFSET, REFILL_OFFSET, ExcCode
from vmm.kvm.te.addresses import BOOT_VECTORS
from vmm.kvm.te.guest import CannotEmulate, Guest
from vmm.kvm.vcpu import Emulation

VECTOR_PAGE = 0xFFF
TLB_EXCEPTIONS = frozenset({ExcCode.Mod, ExcCode.TLBL, ExcCode.TLBS})
ADDRESS_EXCEPTIONS = TLB_EXCEPTIONS | {ExcCode.AdEL, ExcCode.AdES}


def put_field(guest: Guest, register: type[Register], field: Bits, value: int) -> None:
    cop0 = guest.vcpu.cop0
    cop0[register] = cop0[register] & ~field.mask | field.at(value)


def vector_base(guest: Guest) -> int:
    if guest.status & Status.BEV.mask:
        return BOOT_VECTORS
    return guest.vcpu.cop0[EBase] & 0xFFFF_FFFF & ~VECTOR_PAGE


def _enter(guest: Guest, code: ExcCode, offset: int) -> Emulation:
    """What all exceptions have in common."""
    vcpu, cop0 = guest.vcpu, guest.vcpu.cop0
    if not guest.status & Status.EXL.mask:
        in_slot = guest.in_slot
        cop0[EPC] = vcpu.pc
        put_field(guest, Cause, Cause.BD, in_slot)
        cop0[Status] = guest.status | Status.EXL.mask
    put_field(guest, Cause, Cause.ExcCode, code)
    vcpu.pc = vector_base(guest) + offset
    return Emulation.EXCEPT


def deliver(guest: Guest, code: ExcCode, *, coprocessor: int | None = None) -> Emulation:
    """Any exception but a TLB's; the original takes none of them inside another (EX-1, EX-4, EX-5)."""
    if guest.quirks.nested_exception_fatal and guest.status & Status.EXL.mask:
        raise CannotEmulate(f"{code.name} exception at {guest.vcpu.pc:#x} while Status.EXL is set")
    if coprocessor is not None:
        put_field(guest, Cause, Cause.CE, coprocessor)
    return _enter(guest, code, GENERAL_OFFSET)


def deliver_address_error(guest: Guest, code: ExcCode, address: int) -> Emulation:
    guest.vcpu.cop0[BadVAddr] = address
    return deliver(guest, code)


def deliver_refill(guest: Guest, code: ExcCode, address: int) -> Emulation:
    """No entry of the guest's TLB matches (EX-2)."""
    nested = guest.status & Status.EXL.mask
    _note_bad_address(guest, address)
    return _enter(guest, code, GENERAL_OFFSET if nested else REFILL_OFFSET)


def deliver_tlb(guest: Guest, code: ExcCode, address: int) -> Emulation:
    """An entry matches and forbids the access: TLB invalid or TLB modified (EX-3)."""
    _note_bad_address(guest, address)
    return _enter(guest, code, GENERAL_OFFSET)


def deliver_interrupt(guest: Guest) -> None:
    """EX-6; there are no vectored interrupts (IntCtl.VS is 0)."""
    special = guest.vcpu.cop0[Cause] & Cause.IV.mask
    _enter(guest, ExcCode.Int, INTERRUPT_OFFSET if special else GENERAL_OFFSET)


def _note_bad_address(guest: Guest, address: int) -> None:
    """What the hardware leaves for a TLB handler: BadVAddr, EntryHi, and the page-table pointers."""
    cop0 = guest.vcpu.cop0
    vpn2 = (address & 0xFFFF_FFFF) >> EntryHi.VPN2.low
    cop0[BadVAddr] = address
    cop0[EntryHi] = EntryHi.VPN2.at(vpn2) | EntryHi.ASID.at(guest.asid)
    if guest.quirks.context_not_updated:
        return
    put_field(guest, Context, Context.BadVPN2, vpn2)
    if guest.vcpu.word == 8:
        put_field(guest, XContext, XContext.BadVPN2, vpn2)
