"""Shadow translations made on demand (rows MM-11..MM-14, MM-17, TB-1, EM-8).

Invariant: a shadow PTE is writable only if the guest-physical page is already dirty and, in a mapped segment,
the guest's own entry is; so a first store is always seen (MM-11).  The commpage's page of the kernel table
never shows anything else (CP-6).
"""
from __future__ import annotations

from enum import Enum, auto

from vmm.host.kernel.contexts import Mm
from vmm.host.kernel.pagetable import Pte, mkclean, pfn_of, wrprotect
from vmm.kvm.te.addresses import PHYSICAL_MASK, Segment, segment
from vmm.kvm.te.guest import CannotEmulate, Guest
from vmm.kvm.te.tlb import Entry, Half

COMMPAGE_FLAGS = Pte.PRESENT | Pte.READABLE | Pte.WRITEABLE | Pte.CACHED


class Fault(Enum):
    """How an attempt to map an address for the guest ended (MM-17)."""
    MAPPED = auto()
    GVA = auto()
    """Not an address of the guest's map."""
    GPA = auto()
    """No memory there, or read-only memory: a device access."""
    TLB = auto()
    TLBINV = auto()
    TLBMOD = auto()


def fault(guest: Guest, address: int, *, write: bool) -> Fault:
    where = segment(address)
    if where is Segment.KSEG0:
        return _map_kseg0(guest, address, write)
    if not where.mapped:
        return Fault.GVA
    if guest.in_kernel_mode and is_commpage(guest, address):
        _map_commpage(guest)
        return Fault.MAPPED
    entry = guest.tlb.lookup(address, guest.asid)
    if entry is None:
        return Fault.TLB
    half = _half(guest, entry, address)
    if not half.valid:
        return Fault.TLBINV
    if write and not half.dirty:
        return Fault.TLBMOD
    return _map_mapped(guest, entry, address, write)


def is_commpage(guest: Guest, address: int) -> bool:
    return address & -guest.page_size == guest.commpage


def guest_physical(guest: Guest, address: int) -> int | None:
    """MI-1, and beyond it through the guest's TLB; None: the address leads nowhere."""
    where = segment(address)
    if where in (Segment.KSEG0, Segment.DEVICES):
        return address & PHYSICAL_MASK
    entry = guest.tlb.lookup(address, guest.asid) if where.mapped else None
    return None if entry is None else _half(guest, entry, address).physical


def read_instruction(guest: Guest, address: int) -> int:
    """The instruction word at a guest address (EM-8)."""
    for _ in range(2):
        pte = guest.mm.table.get(address)
        if pte & Pte.VALID:
            return guest.vcpu.ram.load(pfn_of(pte) | address & guest.page_size - 1, 4)
        if (outcome := fault(guest, address, write=False)) is not Fault.MAPPED:
            raise CannotEmulate(f"the trapped instruction at {address:#x} cannot be read: {outcome.name}")
    raise AssertionError(f"{address:#x} was mapped and is not in the shadow table")


def _half(guest: Guest, entry: Entry, address: int) -> Half:
    return entry.half(address, guest.page_size if guest.quirks.page_mask_ignored else None)


def _map_kseg0(guest: Guest, address: int, write: bool) -> Fault:
    """MM-12: a page and its neighbour, straight from guest-physical memory."""
    pair = guest.host.map_page(address & PHYSICAL_MASK & -guest.page_size, write=write)
    if pair is None:
        return Fault.GPA
    page = address & -guest.page_size
    _install(guest, guest.kernel, page, *(_protect_clean(pte) for pte in pair))
    return Fault.MAPPED


def _map_mapped(guest: Guest, entry: Entry, address: int, write: bool) -> Fault:
    """MM-13: the faulting page gets memory; its neighbour only if it has some already."""
    if entry.page_size < guest.page_size and not guest.quirks.page_mask_ignored:
        raise CannotEmulate(f"the guest maps {address:#x} with a page of {entry.page_size} bytes and the "
                            f"host's pages have {guest.page_size}; use a host page size that is no larger (RD-4)")
    page = address & -guest.page_size
    half = _half(guest, entry, page)
    pair = guest.host.map_page(half.physical & -guest.page_size, write=write)
    if pair is None:
        return Fault.GPA
    neighbour = _neighbour(guest, entry, page ^ guest.page_size)
    _install(guest, guest.mm, page, _limit(half, pair[0]), neighbour)
    return Fault.MAPPED


def _neighbour(guest: Guest, entry: Entry, page: int) -> int:
    if guest.in_kernel_mode and page == guest.commpage:
        return guest.kernel.table.get(page)
    half = _half(guest, entry, page)
    return _limit(half, guest.host.gpa_pte(half.physical & -guest.page_size)) if half.valid else 0


def _limit(half: Half, pte: int) -> int:
    return _protect_clean(pte if half.dirty else mkclean(pte))


def _protect_clean(pte: int) -> int:
    """The host's own handler must not make the page dirty behind the slot's back (MM-11)."""
    return pte if pte & Pte.MODIFIED else wrprotect(pte)


def _map_commpage(guest: Guest) -> None:
    """MM-14; the neighbour in the pair stays as it is."""
    page = guest.commpage
    neighbour = guest.kernel.table.get(page ^ guest.page_size)
    _install(guest, guest.kernel, page, guest.vcpu.commpage_address | COMMPAGE_FLAGS, neighbour)


def _install(guest: Guest, mm: Mm, page: int, pte: int, neighbour: int) -> None:
    """Write the pair, then drop what the host's TLB holds of it: the refill may have loaded it as invalid
    (EN-9)."""
    mm.table.put(page, pte)
    mm.table.put(page ^ guest.page_size, neighbour)
    guest.host.invalidate(guest.cpu, mm, page & -2 * guest.page_size)
