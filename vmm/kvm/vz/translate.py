"""Guest virtual to guest physical in software.  (rows VZ-52, TL-5; mips.md 4.1, 4.3)

Needed only where the hardware reports a guest virtual address.  Our cores have no segmentation control, so segments
are the classic ones.
"""
from __future__ import annotations

from vmm.arch.cp0.registers import EntryHi
from vmm.host.kernel.cpu import Cpu
from vmm.host.kernel.tlb import pair_mask

COMPAT = 0xFFFFFFFF_80000000
KSEG2 = 0xFFFFFFFF_C0000000
UNMAPPED_MASK = 0x1FFFFFFF
XKPHYS_MASK = 0x07FFFFFF_FFFFFFFF
VALID = 2


def guest_physical(core: Cpu, gva: int, guest_id: int) -> int | None:
    """``gva`` is sign-extended; None: the guest's TLB has no valid entry for it."""
    if COMPAT <= gva < KSEG2:
        return gva & UNMAPPED_MASK
    if gva >> 62 == 0b10:
        return gva & XKPHYS_MASK
    index = core.guest_tlb.find(gva, core.mfgc0(EntryHi) & EntryHi.ASID.mask, guest_id)
    if index is None:
        return None
    entry = core.guest_tlb[index]
    page: int = pair_mask(entry.page_mask) >> 1
    lo: int = entry.entry_lo1 if gva & (page + 1) else entry.entry_lo0
    if not lo & VALID:
        return None
    return (lo & 0x3FFFFFFF_FFFFFFC0) << 6 & ~page | gva & page
