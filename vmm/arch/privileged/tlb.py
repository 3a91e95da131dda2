"""The TLB instructions, on the root's TLB or the guest's.  (mips.md 4.4, 7.5)

``file`` is the slot of the CP0 file that gives the operands, ``tlb`` 0 for the root's TLB and 1 for the guest's,
``guest_id`` the GuestID that entries are written with and looked up by.
"""
from __future__ import annotations

from vmm.arch.cp0.registers import Config5, EntryHi, EntryLo0, EntryLo1, GuestCtl1, Index, MemoryMapID, PageMask, Wired
from vmm.arch.privileged import ftlb
from vmm.arch.privileged.entries import (
    GLOBAL,
    SMALLEST_PAIR,
    drop_entry,
    entry_slot,
    find,
    put_entry,
    victim,
)
from vmm.arch.privileged.ftlb import first_entry
from vmm.arch.privileged.mode import address_space
from vmm.arch.privileged.names import File
from vmm.arch.rows import AnyMachine
from vmm.arch.state import GUEST_FILE, LENT, OFFSET, TLB_SLOTS, TlbSlot

EHINV = 1 << 10
BY_ALL, BY_ADDRESS, BY_SPACE, BY_BOTH = range(4)
"""GINVT's types (HM-10)."""
OF_GUESTS = 1 << 2
"""With a type: GINVGT's, in guests' TLBs."""


def own(m: AnyMachine) -> tuple[AnyMachine, AnyMachine, AnyMachine]:
    """file, tlb, guest_id for TLB instructions of the running context."""
    s = m.state
    guest_id = m.select(s.in_guest != 0, m.root.get(GuestCtl1.ID), m.root.get(GuestCtl1.RID)) & s.guest_ids
    return s.base, s.in_guest, guest_id


def of_guest(m: AnyMachine) -> tuple[AnyMachine, AnyMachine, AnyMachine]:
    """The same for the root's TLBG* instructions."""
    return m.const(GUEST_FILE), m.const(1), m.root.get(GuestCtl1.RID) & m.state.guest_ids


def ehinv(m: AnyMachine) -> AnyMachine:
    """EntryHi.EHINV, or 0 on a core that does not have it: there an entry that was never written reads as zero."""
    return m.slot(OFFSET["root_writable"] + EntryHi.index) & EHINV


def probe(m: AnyMachine, base: AnyMachine, tlb: AnyMachine, guest_id: AnyMachine) -> None:
    file = File(m, base)
    hit = m.call(find, tlb, file[EntryHi], address_space(m, file), guest_id)
    start = first_entry(m, tlb)
    file[Index] = m.select(hit == 0, m.const(0x8000_0000), (hit - start).shr(3))


def read(m: AnyMachine, base: AnyMachine, tlb: AnyMachine, guest_id: AnyMachine) -> None:
    s, file = m.state, File(m, base)
    index = file.get(Index.Index)
    for _ in m.when(index.below(m.slot(tlb + OFFSET["tlb_size"]))):
        at = m.call(entry_slot, tlb, index)
        space = m.slot(at + TlbSlot.ASID)
        shared = m.slot(at + TlbSlot.GLOBAL)
        valid = (m.slot(at + TlbSlot.VALID) & (s.tlb_mark | m.select(s.lends_entries != 0, LENT, 0))) != 0
        by_mmid = file.on(Config5.MI)
        hi = m.slot(at + TlbSlot.VPN) | m.select(by_mmid, 0, space)
        file[EntryHi] = m.select(valid, hi, ehinv(m))
        file[EntryLo0] = m.select(valid, m.slot(at + TlbSlot.LO0) & ~GLOBAL | shared, 0)
        file[EntryLo1] = m.select(valid, m.slot(at + TlbSlot.LO1) & ~GLOBAL | shared, 0)
        file[PageMask] = m.select(valid, m.slot(at + TlbSlot.MASK) & ~SMALLEST_PAIR, 0)
        file[MemoryMapID] = m.select(by_mmid & valid, space, file[MemoryMapID])
        for _ in m.when((s.in_guest == 0) & (s.guest_ids != 0)):
            m.root.put(GuestCtl1.RID, m.slot(at + TlbSlot.GUEST))


def write_random(m: AnyMachine, base: AnyMachine, tlb: AnyMachine, guest_id: AnyMachine) -> None:
    file = File(m, base)
    m.state.random_writes = m.state.random_writes + 1
    index = m.call(victim, base, tlb, file[EntryHi], file[PageMask] | SMALLEST_PAIR)
    m.call(write_at, base, tlb, guest_id, index)


def write_indexed(m: AnyMachine, base: AnyMachine, tlb: AnyMachine, guest_id: AnyMachine) -> None:
    m.call(write_at, base, tlb, guest_id, File(m, base).get(Index.Index))


def write_at(m: AnyMachine, base: AnyMachine, tlb: AnyMachine, guest_id: AnyMachine, index: AnyMachine) -> None:
    """Write the entry; an index beyond the TLB is UNDEFINED before release 6: dropped."""
    file = File(m, base)
    hi = file[EntryHi]
    inside, none = index.below(m.slot(tlb + OFFSET["tlb_size"])), (hi & ehinv(m)) != 0
    for _ in m.when(inside & none):
        m.call(drop_entry, tlb, m.call(entry_slot, tlb, index))
    for _ in m.when(inside & ~none):
        m.call(put_entry, base, tlb, index, hi, file[PageMask] | SMALLEST_PAIR, file[EntryLo0], file[EntryLo1],
               address_space(m, file), guest_id)


def invalidate(m: AnyMachine, tlb: AnyMachine, guest_id: AnyMachine, how: AnyMachine, va: AnyMachine,
               tag: AnyMachine, start: AnyMachine, end: AnyMachine, step: AnyMachine) -> None:
    """Invalidate the own entries of ``guest_id`` that match, from slot ``start`` on."""
    s = m.state
    entry = m.var(start)
    for _ in m.repeat(lambda: entry.value.below(end)):
        at = entry.value
        shared = m.slot(at + TlbSlot.GLOBAL) != 0
        same_space = m.slot(at + TlbSlot.ASID) == tag
        same_page = ((m.slot(at + TlbSlot.VPN) ^ (va & s.vpn_mask)) & ~m.slot(at + TlbSlot.MASK)) == 0
        wanted = ((how == BY_ALL) | ((how == BY_ADDRESS) & same_page) | ((how == BY_SPACE) & same_space & ~shared)
                  | ((how == BY_BOTH) & same_page & (same_space | shared)))
        for _ in m.when(wanted & (m.slot(at + TlbSlot.GUEST) == guest_id) & ftlb.is_own(m, at)):
            m.call(drop_entry, tlb, at)
        entry.value = at + step


def invalidate_part(m: AnyMachine, base: AnyMachine, tlb: AnyMachine, guest_id: AnyMachine, how: AnyMachine,
                    tag: AnyMachine) -> None:
    """In the part of the TLB that Index names: the VTLB, or one set of the FTLB (Config4.IE = 2; mips.md 4.4)."""
    place = m.call(entry_slot, tlb, File(m, base).get(Index.Index))
    fixed = ftlb.first(m, tlb)
    one_set = ftlb.there(m, tlb) & ~place.below(fixed)
    start = m.select(one_set, fixed + (place - fixed & ftlb.way_distance(m, tlb) - 1), first_entry(m, tlb))
    m.call(invalidate, tlb, guest_id, how, m.const(0), tag, start, m.select(one_set, ftlb.end(m, tlb), fixed),
           m.select(one_set, ftlb.way_distance(m, tlb), TLB_SLOTS))


def invalidate_space(m: AnyMachine, base: AnyMachine, tlb: AnyMachine, guest_id: AnyMachine) -> None:
    """TLBINV; wired entries are not spared."""
    m.call(invalidate_part, base, tlb, guest_id, m.const(BY_SPACE), address_space(m, File(m, base)))


def invalidate_all(m: AnyMachine, base: AnyMachine, tlb: AnyMachine, guest_id: AnyMachine) -> None:
    """TLBINVF; wired entries are not spared."""
    m.call(invalidate_part, base, tlb, guest_id, m.const(BY_ALL), m.const(0))


def invalidate_everywhere(m: AnyMachine, va: AnyMachine, how: AnyMachine) -> None:
    """GINVT."""
    _, _, guest_id = own(m)
    m.call(invalidate_globally, va, how, m.root[MemoryMapID] & 0xFFFF, guest_id)


def invalidate_guest_everywhere(m: AnyMachine, va: AnyMachine, how: AnyMachine) -> None:
    """GINVGT: entries in guests' TLBs of the guest that RID names, by the address space of this CPU's guest context."""
    file, _, guest_id = of_guest(m)
    m.call(invalidate_globally, va, how | OF_GUESTS, address_space(m, File(m, file)), guest_id)


def invalidate_globally(m: AnyMachine, va: AnyMachine, how: AnyMachine, tag: AnyMachine, guest_id: AnyMachine) -> None:
    """First the other CPUs, by whoever runs them (``Stop.GLOBAL_INVALIDATE``), then this one."""
    s = m.state
    for _ in m.when(s.io_ready == 0):
        s.stop_value, s.stop_size = tag, guest_id
        m.tell_others(va, how)
    s.io_ready = 0
    m.call(invalidate_for_all, va, how, tag, guest_id)


def invalidate_for_all(m: AnyMachine, va: AnyMachine, how: AnyMachine, tag: AnyMachine, guest_id: AnyMachine) -> None:
    """One CPU's part in GINVT and GINVGT; the complete form spares its wired entries (HM-10)."""
    tlb, kind = m.select((how & OF_GUESTS) == 0, 0, 1), how & BY_BOTH
    wired = m.select(tlb == 0, m.root.get(Wired.Wired), m.guest.get(Wired.Wired))
    start = m.call(entry_slot, tlb, m.select(kind == BY_ALL, wired, 0))
    m.call(invalidate, tlb, guest_id, kind, va, tag, start, ftlb.end(m, tlb), m.const(TLB_SLOTS))
