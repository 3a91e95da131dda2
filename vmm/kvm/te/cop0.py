"""Coprocessor 0 instructions of a guest kernel (rows C0-1, C0-2, C0-11..C0-23).

An emulation is given the word and the address to go on at; it returns where the guest goes on.  ``Reserved``
stands for an instruction that the guest's core does not have.
"""
from __future__ import annotations

from collections.abc import Callable

from vmm.arch.cp0.registers import (
    EPC,
    EntryHi,
    EntryLo0,
    EntryLo1,
    ErrorEPC,
    Index,
    PageMask,
    Random,
    SRSCtl,
    Status,
    Wired,
    sign_extended,
)
from vmm.kvm import words
from vmm.kvm.causes import BY_CODE, WAIT
from vmm.kvm.te import interrupts, registers, spaces
from vmm.kvm.te.guest import CannotEmulate, Guest
from vmm.kvm.te.tlb import ENTRIES, WORD, Entry
from vmm.kvm.vcpu import Emulation
from vmm.kvm.words import Word

COP0_OPCODE = 0x10
CO = 1 << 25
HYPCALL_CODE = 0x3FF


class Reserved(Exception):
    """No instruction of the guest's core: it takes RI."""


Emulator = Callable[[Guest, Word, int], int]


def is_cop0(word: int) -> bool:
    return word >> 26 == COP0_OPCODE


def emulate(guest: Guest, word: int, resume: int) -> int:
    # decoded as a 64-bit core's, because the original lets a 32-bit guest use DMFC0
    read = words.read(word, release=guest.host.release, bits=64)
    emulator = EMULATORS.get(read.name) if read else None
    if read is not None and emulator is not None:
        return emulator(guest, read, resume)
    if not guest.quirks.reserved_cop0_as_original:
        raise Reserved
    if word & CO:
        return resume
    raise CannotEmulate(f"coprocessor 0 instruction {word:#010x} at {guest.vcpu.pc:#x}")


def _mfc0(guest: Guest, word: Word, resume: int) -> int:
    guest.vcpu.gpr[word["rt"]] = registers.read(guest, word["rd"], word["sel"])
    return resume


def _mtc0(guest: Guest, word: Word, resume: int) -> int:
    registers.write(guest, word["rd"], word["sel"], guest.vcpu.gpr[word["rt"]])
    return resume


def _dmfc0(guest: Guest, word: Word, resume: int) -> int:
    """The guest's core has 32 bits (C0-2)."""
    if not guest.quirks.reserved_cop0_as_original:
        raise Reserved
    guest.vcpu.gpr[word["rt"]] = guest.vcpu.cop0.at(word["rd"], word["sel"])
    return resume


def _ei(guest: Guest, word: Word, resume: int) -> int:
    return _set_ie(guest, word, resume, Status.IE.mask)


def _di(guest: Guest, word: Word, resume: int) -> int:
    return _set_ie(guest, word, resume, 0)


def _set_ie(guest: Guest, word: Word, resume: int, enabled: int) -> int:
    """C0-12."""
    old = guest.status
    guest.vcpu.gpr[word["rt"]] = sign_extended(old)
    guest.vcpu.cop0[Status] = old & ~Status.IE.mask | enabled
    return resume


def _wrpgpr(guest: Guest, word: Word, resume: int) -> int:
    """With one register set, the previous set is the current one (C0-13)."""
    sets = guest.vcpu.cop0[SRSCtl]
    if sets & (SRSCtl.CSS.mask | SRSCtl.PSS.mask):
        raise CannotEmulate(f"{word.name} with SRSCtl {sets:#x}; there are no shadow register sets")
    guest.vcpu.gpr[word["rd"]] = guest.vcpu.gpr[word["rt"]]
    return resume


def _rdpgpr(guest: Guest, word: Word, resume: int) -> int:
    if guest.quirks.reserved_cop0_as_original:
        raise CannotEmulate(f"RDPGPR at {guest.vcpu.pc:#x}")
    return _wrpgpr(guest, word, resume)


def _eret(guest: Guest, word: Word, resume: int) -> int:
    """C0-14; with neither level set a core goes to EPC, the original gives up."""
    status, cop0 = guest.status, guest.vcpu.cop0
    if status & Status.ERL.mask:
        cop0[Status] = status & ~Status.ERL.mask
        return sign_extended(cop0[ErrorEPC])
    if guest.quirks.reserved_cop0_as_original and not status & Status.EXL.mask:
        raise CannotEmulate(f"ERET at {guest.vcpu.pc:#x} with neither Status.EXL nor Status.ERL set")
    cop0[Status] = status & ~Status.EXL.mask
    return sign_extended(cop0[EPC])


def _wait(guest: Guest, word: Word, resume: int) -> int:
    """C0-15."""
    guest.vcpu.stats[BY_CODE[WAIT].counter] += 1
    if not interrupts.wakeable(guest):
        guest.vcpu.waiting = True
    return resume


def _hypcall(guest: Guest, word: Word, resume: int) -> int:
    """HC-1."""
    if word["code"] & HYPCALL_CODE:
        raise CannotEmulate(f"hypercall code {word['code']:#x} at {guest.vcpu.pc:#x}; only code 0 is KVM's")
    if guest.host.hypercall(guest.vcpu) is Emulation.FAIL:
        raise CannotEmulate(f"hypercall {guest.vcpu.gpr[2]} at {guest.vcpu.pc:#x}")
    return resume


# -- the TLB ---------------------------------------------------------------------------------------


def _tlbr(guest: Guest, word: Word, resume: int) -> int:
    """C0-17."""
    cop0 = guest.vcpu.cop0
    entry = guest.tlb[cop0[Index] & ENTRIES - 1]
    cop0[PageMask] = entry.page_mask
    cop0[EntryLo0] = sign_extended(entry.entry_lo0)
    cop0[EntryLo1] = sign_extended(entry.entry_lo1)
    registers.write_entry_hi(guest, entry.entry_hi)
    return resume


def _tlbwi(guest: Guest, word: Word, resume: int) -> int:
    """C0-18: Index may have been stored unchecked, so it is made to fit here (DT-12)."""
    _write_entry(guest, (guest.vcpu.cop0[Index] & ~Index.P.mask & WORD) % ENTRIES)
    return resume


def _tlbwr(guest: Guest, word: Word, resume: int) -> int:
    """C0-19: Random goes round downwards, from the last entry to Wired, one a TLBWR."""
    cop0 = guest.vcpu.cop0
    lowest = 0 if guest.quirks.tlbwr_ignores_wired else min(cop0[Wired] & WORD, ENTRIES - 1)
    index = cop0[Random] & ENTRIES - 1
    if index < lowest:
        index = ENTRIES - 1
    cop0[Random] = index - 1 if index > lowest else ENTRIES - 1
    _write_entry(guest, index)
    return resume


def _write_entry(guest: Guest, index: int) -> None:
    cop0 = guest.vcpu.cop0
    spaces.drop_entry(guest, guest.tlb[index])
    guest.tlb[index] = Entry(*(cop0[part] & WORD for part in (PageMask, EntryHi, EntryLo0, EntryLo1)))


def _tlbp(guest: Guest, word: Word, resume: int) -> int:
    """C0-21."""
    cop0 = guest.vcpu.cop0
    found = guest.tlb.find(cop0[EntryHi] & WORD, guest.asid)
    miss = WORD if guest.quirks.tlbp_miss_all_ones else Index.P.mask
    cop0[Index] = sign_extended(miss if found is None else found)
    return resume


EMULATORS: dict[str, Emulator] = {
    "mfc0": _mfc0, "mtc0": _mtc0, "dmfc0": _dmfc0, "ei": _ei, "di": _di, "wrpgpr": _wrpgpr, "rdpgpr": _rdpgpr,
    "eret": _eret, "wait": _wait, "hypcall": _hypcall,
    "tlbr": _tlbr, "tlbwi": _tlbwi, "tlbwr": _tlbwr, "tlbp": _tlbp,
}  # fmt: skip
