"""TLB entries: where they are, finding one, writing one.  (Volume III, chapter 4; mips.md 4.3, 4.4)

A TLB is an array of entries: first the VTLB, any page size in each, searched as a whole; then the FTLB, if there is one
(``vmm.arch.privileged.ftlb``), searched by the set that the address chooses.
Invariant: no two entries of a VP match the same address; a write that would break this is a machine check and changes
nothing.
"""
from __future__ import annotations

from vmm.arch.cp0.registers import Config, Config5, EntryLo0, PageGrain, PageMask, Status, Wired
from vmm.arch.exceptions import ExcCode
from vmm.arch.privileged import ftlb
from vmm.arch.privileged.ftlb import first_entry
from vmm.arch.privileged.names import File
from vmm.arch.rows import AnyMachine
from vmm.arch.state import FOUND_IN_A_TLB, LENT, OFFSET, TLB_SLOTS, TlbSlot

SMALLEST_PAIR = 0x1FFF
GLOBAL = 1
RELEASE_6 = 2
"""Config.AR of release 6."""
FOUND_BITS = FOUND_IN_A_TLB.bit_length() - 1
MULTIPLE_MATCH, WRONG_FTLB_PAGE = 1, 3
"""PageGrain.MCCause."""


def entry_slot(m: AnyMachine, tlb: AnyMachine, index: AnyMachine) -> AnyMachine:
    return first_entry(m, tlb) + index.shl(3)


def legal_page_mask(m: AnyMachine, mask: AnyMachine) -> AnyMachine:
    """The largest legal mask within the bits offered: pairs of ones from bit 13 up (mips.md 2, PageMask)."""
    pairs, result, going = mask.shr(13), m.var(m.const(0)), m.var(m.const(0))
    for _ in m.repeat(lambda: (pairs.shr(going.value) & 3) == 3):
        result.value = result.value | m.const(3).shl(going.value)
        going.value = going.value + 2
    return result.value.shl(13)


# -- finding -----------------------------------------------------------------------------------------------------------
def find(m: AnyMachine, tlb: AnyMachine, va: AnyMachine, tag: AnyMachine, guest_id: AnyMachine) -> AnyMachine:
    """The state slot of the entry of TLB 0 (root) or 1 (guest) that matches, or 0 (mips.md 4.3).

    First the one that was found last for an address like this: as no two of its own match, it is the one if it matches.
    """
    place = tlb.shl(FOUND_BITS) + (va.shr(13) & FOUND_IN_A_TLB - 1) + OFFSET["found"]
    hit = m.var(m.slot(place))
    for _ in m.when(hit.value != 0):
        hit.value = m.call(find_between, hit.value, hit.value + 1, m.const(TLB_SLOTS), va, tag, guest_id, tlb,
                           m.state.tlb_mark)
    for _ in m.when(hit.value == 0):
        hit.value = m.call(search, tlb, va, tag, guest_id)
        m.set_slot(place, hit.value)
    return hit.value


def search(m: AnyMachine, tlb: AnyMachine, va: AnyMachine, tag: AnyMachine, guest_id: AnyMachine) -> AnyMachine:
    """The FTLB first: most of what is asked for is there, and it takes only as many looks as it has ways.  What a sibling
    has comes last: it saves a refill."""
    own = m.state.tlb_mark
    hit = m.var(m.const(0))
    for _ in m.when(ftlb.there(m, tlb)):
        hit.value = m.call(find_in_set, tlb, va, tag, guest_id, own)
    for _ in m.when(hit.value == 0):
        hit.value = m.call(find_between, first_entry(m, tlb), ftlb.first(m, tlb), m.const(TLB_SLOTS), va, tag,
                           guest_id, tlb, own)
    for _ in m.when((hit.value == 0) & ftlb.borrows(m, tlb, guest_id) & ftlb.there(m, tlb)):
        hit.value = m.call(find_in_set, tlb, va, m.select(m.root.on(Config5.MI), tag, -1), guest_id, m.const(LENT))
    return hit.value


def find_in_set(m: AnyMachine, tlb: AnyMachine, va: AnyMachine, tag: AnyMachine, guest_id: AnyMachine,
                marks: AnyMachine) -> AnyMachine:
    """In the FTLB's set for this address."""
    return m.call(find_between, ftlb.first(m, tlb) + ftlb.set_of(m, tlb, va).shl(3), ftlb.end(m, tlb),
                  ftlb.way_distance(m, tlb), va, tag, guest_id, tlb, marks)


def find_between(m: AnyMachine, start: AnyMachine, end: AnyMachine, step: AnyMachine, va: AnyMachine,
                 tag: AnyMachine, guest_id: AnyMachine, tlb: AnyMachine, marks: AnyMachine) -> AnyMachine:
    """Of the entries that have one of ``marks`` in VALID."""
    any_tag = (guest_id != 0) & (tlb == 0)             # stage two with GuestID ignores the ASID (mips.md 7.5)
    wanted = va & m.state.vpn_mask
    entry, hit = m.var(start), m.var(m.const(0))
    for _ in m.repeat(lambda: entry.value.below(end) & (hit.value == 0)):
        at = entry.value
        for _ in m.when(((m.slot(at + TlbSlot.VPN) ^ wanted) & ~m.slot(at + TlbSlot.MASK)) == 0):
            same_space = (m.slot(at + TlbSlot.GLOBAL) != 0) | (m.slot(at + TlbSlot.ASID) == tag) | any_tag
            same_guest = m.slot(at + TlbSlot.GUEST) == guest_id
            hit.value = m.select(((m.slot(at + TlbSlot.VALID) & marks) != 0) & same_space & same_guest, at, 0)
        entry.value = at + step
    return hit.value


def conflicts(m: AnyMachine, tlb: AnyMachine, at: AnyMachine, vpn: AnyMachine, mask: AnyMachine, tag: AnyMachine,
              guest_id: AnyMachine) -> AnyMachine:
    """1 if an own entry other than ``at`` would match an address that this one matches; ``tag`` -1 for a global one."""
    start, end = ftlb.first(m, tlb), ftlb.end(m, tlb)
    found = m.var(m.call(conflict_between, first_entry(m, tlb), start, m.const(TLB_SLOTS), at, vpn, mask, tag, guest_id))
    for _ in m.when((found.value == 0) & ftlb.there(m, tlb)):
        one_set = ~ftlb.mask(m, tlb).below(mask)       # a page of the FTLB's size or less is in one set
        way = m.select(one_set, start + ftlb.set_of(m, tlb, vpn).shl(3), start)
        step = m.select(one_set, ftlb.way_distance(m, tlb), TLB_SLOTS)
        found.value = m.call(conflict_between, way, end, step, at, vpn, mask, tag, guest_id)
    return found.value


def conflict_between(m: AnyMachine, start: AnyMachine, end: AnyMachine, step: AnyMachine, itself: AnyMachine,
                     vpn: AnyMachine, mask: AnyMachine, tag: AnyMachine, guest_id: AnyMachine) -> AnyMachine:
    entry, found, kept = m.var(start), m.var(m.const(0)), ~mask
    for _ in m.repeat(lambda: entry.value.below(end)):
        at = entry.value
        for _ in m.when(((m.slot(at + TlbSlot.VPN) ^ vpn) & ~m.slot(at + TlbSlot.MASK) & kept) == 0):
            same_space = (m.slot(at + TlbSlot.GLOBAL) != 0) | (m.slot(at + TlbSlot.ASID) == tag) | (tag == -1)
            other = ftlb.is_own(m, at) & (m.slot(at + TlbSlot.GUEST) == guest_id) & (at != itself)
            found.value = m.select(other & same_space, 1, found.value)
        entry.value = at + step
    return found.value


# -- writing -----------------------------------------------------------------------------------------------------------
def put_entry(m: AnyMachine, base: AnyMachine, tlb: AnyMachine, index: AnyMachine, hi: AnyMachine, mask: AnyMachine,
              lo0: AnyMachine, lo1: AnyMachine, tag: AnyMachine, guest_id: AnyMachine) -> AnyMachine:
    """Write an entry that matches ``hi`` under ``mask``, or raise a machine check in the context of ``base``; its slot."""
    s = m.state
    at = m.call(entry_slot, tlb, index)
    vpn = hi & s.vpn_mask & ~mask
    shared = lo0 & lo1 & GLOBAL
    anywhere = (shared != 0) | ((guest_id != 0) & (tlb == 0))
    for _ in m.when(~at.below(ftlb.first(m, tlb))):
        in_set = (index - m.slot(tlb + OFFSET["vtlb_size"]) & ftlb.sets(m, tlb) - 1) == ftlb.set_of(m, tlb, vpn)
        for _ in m.when(~in_set | (mask != ftlb.mask(m, tlb))):
            m.call(machine_check, base, m.const(WRONG_FTLB_PAGE))
    for _ in m.when(m.call(conflicts, tlb, at, vpn, mask, m.select(anywhere, -1, tag), guest_id) != 0):
        m.call(machine_check, base, m.const(MULTIPLE_MATCH))
    m.call(forget, at, tlb)
    pfn_kept = ~(mask.shr(7) & ~0x3F)                  # PFN bits that lie under the mask are dropped
    m.set_slot(at + TlbSlot.VPN, vpn)
    m.set_slot(at + TlbSlot.MASK, mask)
    m.set_slot(at + TlbSlot.LO0, lo0 & pfn_kept)
    m.set_slot(at + TlbSlot.LO1, lo1 & pfn_kept)
    m.set_slot(at + TlbSlot.ASID, tag)
    m.set_slot(at + TlbSlot.GLOBAL, shared)
    m.set_slot(at + TlbSlot.GUEST, guest_id)
    m.set_slot(at + TlbSlot.VALID, ftlb.mark(m, tlb, at, shared, guest_id))
    for _ in m.when(s.lends_entries != 0):             # until now a sibling's entry may have served this VP
        m.call(forget_alone, at, tlb)
    return at


def machine_check(m: AnyMachine, base: AnyMachine, why: AnyMachine) -> None:
    """The TLB refuses: Status.TS, and from release 6 on PageGrain.MCCause."""
    file = File(m, base)
    file.put(Status.TS, 1)
    for _ in m.when(~file.get(Config.AR).below(m.const(RELEASE_6))):
        file.put(PageGrain.MCCause, why)
    m.trap_code(m.const(ExcCode.MCheck))


def drop_entry(m: AnyMachine, tlb: AnyMachine, at: AnyMachine) -> None:
    """Let the entry match nothing."""
    m.call(forget, at, tlb)
    m.set_slot(at + TlbSlot.VALID, m.const(0))


def forget(m: AnyMachine, at: AnyMachine, tlb: AnyMachine) -> None:
    """Drop what the engine remembers of translations that used this entry, which may be a sibling's or lent to siblings."""
    valid = m.slot(at + TlbSlot.VALID)
    for _ in m.when(valid != 0):
        m.call(forget_alone, at, tlb)
        for _ in m.when(valid != m.state.tlb_mark):
            m.forget_at_siblings(at)


def forget_alone(m: AnyMachine, at: AnyMachine, tlb: AnyMachine) -> None:
    """Of this VP only, of an entry that is valid: translations of its own context, and of a root entry those of guests,
    which the engine has listed."""
    in_root_tlb = (tlb == 0) & (m.state.has_vz != 0)
    for _ in m.when(in_root_tlb):
        m.forget_owned(at)
    for _ in m.when(~in_root_tlb | (m.slot(at + TlbSlot.GUEST) == 0)):
        m.forget_pages(m.slot(at + TlbSlot.VPN), m.slot(at + TlbSlot.MASK), tlb)


# -- where TLBWR and the walker write ----------------------------------------------------------------------------------
def random_index(m: AnyMachine, base: AnyMachine, tlb: AnyMachine) -> AnyMachine:
    """The next of a fixed sequence over the VTLB's entries that are not wired; the same on every run."""
    s = m.state
    s.random_seed = m.unsigned(s.random_seed * 1103515245 + 12345, 31)
    size = m.slot(tlb + OFFSET["vtlb_size"])
    wired = File(m, base).get(Wired.Wired)
    free = m.select(wired.below(size), size - wired, 1)
    _, offset = m.divide_unsigned(s.random_seed.shr(8), free)
    return m.select(wired.below(size), wired, size - 1) + offset


def victim(m: AnyMachine, base: AnyMachine, tlb: AnyMachine, va: AnyMachine, mask: AnyMachine) -> AnyMachine:
    """The entry to give up for this page: a way of its FTLB set if the size fits, else of the VTLB."""
    index = m.var(m.call(random_index, base, tlb))
    for _ in m.when(ftlb.there(m, tlb) & (mask == ftlb.mask(m, tlb))):
        start, count = m.slot(tlb + OFFSET["vtlb_size"]), ftlb.sets(m, tlb)
        ways, _rest = m.divide_unsigned(m.slot(tlb + OFFSET["tlb_size"]) - start, count)
        _, way = m.divide_unsigned(m.state.random_seed.shr(8), ways)
        index.value = start + way * count + ftlb.set_of(m, tlb, va)
    return index.value


def entry_lo_bits(m: AnyMachine, base: AnyMachine, rie: int, xie: int) -> AnyMachine:
    """The bits that EntryLo may have now, RI and XI among them if PageGrain lets pages have these."""
    grain = File(m, base)[PageGrain]
    refused = (m.select((grain & PageGrain.RIE.mask) == 0, m.const(1).shl(rie), 0)
               | m.select((grain & PageGrain.XIE.mask) == 0, m.const(1).shl(xie), 0))
    high = m.select((grain & PageGrain.ELPA.mask) == 0, 0x3FFF_FFFF | 3 << rie - 1, m.const(-1))       # no PFNX
    return m.slot(OFFSET["root_writable"] + EntryLo0.index) & ~refused & high


def page_mask_bits(m: AnyMachine, mask: AnyMachine) -> AnyMachine:
    return m.call(legal_page_mask, mask & m.slot(OFFSET["root_writable"] + PageMask.index)) | SMALLEST_PAIR
