"""The two shadow address spaces of a guest, for its kernel and its users (rows MM-10, MM-15, MM-16,
TE-30..TE-36, C0-16, C0-20).

Invariant: no shadow translation outlives the guest TLB entry, the guest ASID or the memory slot it was made
from: the tables are cleared and the host's TLB tags dropped in the same breath.  Kernel shadows follow an
ASID change at once, user shadows at the next entry to user mode.
"""
from __future__ import annotations

from vmm.host.kernel.contexts import Mm
from vmm.kvm.te.addresses import HOST_KSEG0, KSEG0, KSEG2
from vmm.kvm.te.guest import Guest
from vmm.kvm.te.tlb import Entry

Ranges = tuple[tuple[int, int], ...]

USER: Ranges = ((0, KSEG0),)
KERNEL_MAPPED: Ranges = ((0, KSEG0), (KSEG2, HOST_KSEG0))
KERNEL_ALL: Ranges = ((0, HOST_KSEG0),)
"""Also what kseg0 shadows, for when guest-physical memory changed."""


def _clear(mm: Mm, ranges: Ranges) -> None:
    for start, end in ranges:
        mm.table.clear(start, end)


def _retag(guest: Guest, mm: Mm) -> None:
    """A new host ASID here, and one at the next run anywhere else."""
    guest.host.contexts.get_new(guest.cpu, mm)
    mm.forget(but=guest.cpu)


def asid_changed(guest: Guest) -> None:
    """The guest wrote another ASID to EntryHi (C0-16)."""
    _clear(guest.kernel, KERNEL_MAPPED)
    _retag(guest, guest.kernel)


def flush(guest: Guest, *, renew: bool = False) -> None:
    """The TLB_FLUSH request (TE-32); ``renew``: the guest's address space is loaded and goes on being used.
    """
    _clear(guest.kernel, KERNEL_ALL)
    _clear(guest.user, USER)
    guest.kernel.forget()
    guest.user.forget()
    if renew:
        guest.host.contexts.switch(guest.cpu, guest.mm)


def before_entry(guest: Guest) -> Mm:
    """Choose the address space of the guest's mode and give it a valid ASID here (TE-34)."""
    mm = guest.mm
    if mm is guest.user and guest.asid != guest.last_user_asid:
        _clear(guest.user, USER)
        guest.user.forget()
        guest.last_user_asid = guest.asid
    guest.host.contexts.check(guest.cpu, mm)
    return mm


def drop_entry(guest: Guest, entry: Entry) -> None:
    """A guest TLB entry is about to be replaced (C0-20)."""
    if not entry.ever_valid or entry.start >= HOST_KSEG0:
        return
    spaces = (guest.kernel, guest.user) if entry.start < KSEG0 else (guest.kernel,)
    one_pair = entry.end - entry.start <= 2 * guest.page_size
    for mm in spaces:
        if one_pair or guest.quirks.page_mask_ignored:
            mm.table.clear_pair(entry.start)
            guest.host.invalidate(guest.cpu, mm, entry.start)
            mm.forget(but=guest.cpu)
        else:
            mm.table.clear(entry.start, entry.end)
            _retag(guest, mm)
