"""The FTLB: where an address may be in it, and what Config says of it.  (Volume III, Config4 and Config6; mips.md 2, 4.4)

Behind the VTLB's entries lie those of the FTLB, ``VTLB size + way * sets + set``, all of the one page size that
Config4.FTLBPageSize names; the address chooses the set.  It is there while Config.MT says so, which on a P5600 follows
Config6.FTLBEn.  Root and guest have one each.

The VPs of one core share the root's: each writes as if it were its own, which takes the place of what another VP wrote, and
finds only its own entries.  Where the core lends entries (I6500), a VP that finds none of its own uses one that a sibling
wrote, if it means the same to both: written under an MMID, or global.  (cpu_has_shared_ftlb_ram and
cpu_has_shared_ftlb_entries of Linux's arch/mips/include/asm/cpu-features.h.)  What a VP has for guests it keeps to itself,
as GuestIDs are its own.
Invariant: ``tlb_size``, ``ftlb_sets`` and ``ftlb_shape`` are what the Config registers of that context say; when these
change, the FTLB is empty.  (To software its contents are then UNPREDICTABLE.)
"""
from __future__ import annotations

from vmm.arch.cp0.registers import Config, Config4, Config5, Config6
from vmm.arch.privileged.names import File
from vmm.arch.rows import AnyMachine
from vmm.arch.state import GUEST_FILE, LENT, OFFSET, ROOT_FILE, TLB_SLOTS, TlbSlot

SMALLEST_PAIR_BITS = 13
ONE_TLB, VTLB_AND_FTLB = 1, 4
"""Config.MT."""
SHAPE = Config4.FTLBPageSize.mask | Config4.FTLBWays.mask | Config4.FTLBSets.mask


def first_entry(m: AnyMachine, tlb: AnyMachine) -> AnyMachine:
    return m.select(tlb == 0, OFFSET["root_tlb"], OFFSET["guest_tlb"])


def there(m: AnyMachine, tlb: AnyMachine) -> AnyMachine:
    """A Condition: this TLB has an FTLB now."""
    return sets(m, tlb) != 0


def sets(m: AnyMachine, tlb: AnyMachine) -> AnyMachine:
    return m.slot(tlb + OFFSET["ftlb_sets"])


def first(m: AnyMachine, tlb: AnyMachine) -> AnyMachine:
    """The slot of its first entry."""
    return first_entry(m, tlb) + m.slot(tlb + OFFSET["vtlb_size"]).shl(3)


def end(m: AnyMachine, tlb: AnyMachine) -> AnyMachine:
    """The slot after the last entry."""
    return first_entry(m, tlb) + m.slot(tlb + OFFSET["tlb_size"]).shl(3)


def way_distance(m: AnyMachine, tlb: AnyMachine) -> AnyMachine:
    """From an entry to the one of the same set in the next way, in slots."""
    return sets(m, tlb).shl(3)


def size_shift(m: AnyMachine, tlb: AnyMachine) -> AnyMachine:
    """log2 of a pair of pages in pairs of 4 KiB (FTLBPageSize: 1 is 4 KiB, each step times 4)."""
    return ((m.slot(tlb + OFFSET["ftlb_shape"]) & Config4.FTLBPageSize.mask).shr(Config4.FTLBPageSize.low) - 1).shl(1)


def mask(m: AnyMachine, tlb: AnyMachine) -> AnyMachine:
    """The bits of an address within a pair of its pages."""
    return m.const(1 << SMALLEST_PAIR_BITS).shl(size_shift(m, tlb)) - 1


def set_of(m: AnyMachine, tlb: AnyMachine, va: AnyMachine) -> AnyMachine:
    """The set of an address: the bits just above a pair of pages."""
    return va.shr(size_shift(m, tlb) + SMALLEST_PAIR_BITS) & (sets(m, tlb) - 1)


# -- whose an entry is -------------------------------------------------------------------------------------------------
def is_own(m: AnyMachine, at: AnyMachine) -> AnyMachine:
    """A Condition: this VP wrote the entry, and it is valid."""
    return (m.slot(at + TlbSlot.VALID) & m.state.tlb_mark) != 0


def borrows(m: AnyMachine, tlb: AnyMachine, guest_id: AnyMachine) -> AnyMachine:
    """A Condition: for such a translation, entries of siblings will do."""
    return (m.state.lends_entries != 0) & (tlb == 0) & (guest_id == 0)


def mark(m: AnyMachine, tlb: AnyMachine, at: AnyMachine, shared: AnyMachine, guest_id: AnyMachine) -> AnyMachine:
    """VALID of an entry that this VP writes."""
    valid = m.var(m.state.tlb_mark)
    for _ in m.when(m.state.lends_entries != 0):
        suits_all = (shared != 0) | m.root.on(Config5.MI)
        lent = borrows(m, tlb, guest_id) & ~at.below(first(m, tlb)) & suits_all
        valid.value = valid.value | m.select(lent, LENT, 0)
    return valid.value


def update(m: AnyMachine, base: AnyMachine) -> None:
    """A Config register of a context changed, or the CPU was reset."""
    file, tlb = File(m, base), m.flag(base == GUEST_FILE)
    by_switch = (m.slot(OFFSET["root_writable"] + Config6.index) & Config6.FTLBEn.mask) != 0
    there_is_one = m.slot(tlb + OFFSET["ftlb_capacity"]) != 0
    for _ in m.when(by_switch & there_is_one):
        file.put(Config.MT, m.select(file.on(Config6.FTLBEn), VTLB_AND_FTLB, ONE_TLB))
    shape = m.select(there_is_one & (file.get(Config.MT) == VTLB_AND_FTLB), file[Config4] & SHAPE, 0)
    for _ in m.when(shape != m.slot(tlb + OFFSET["ftlb_shape"])):
        m.call(reshape, tlb, shape)


def reshape(m: AnyMachine, tlb: AnyMachine, shape: AnyMachine) -> None:
    entry = m.var(m.call(first, tlb))
    last = entry.value + m.slot(tlb + OFFSET["ftlb_capacity"]).shl(3)
    for _ in m.repeat(lambda: entry.value.below(last)):
        for _ in m.when(is_own(m, entry.value)):
            m.set_slot(entry.value + TlbSlot.VALID, m.const(0))
        entry.value = entry.value + TLB_SLOTS
    m.forget_every_page()
    count = m.select(shape == 0, 0, m.const(1).shl(shape & Config4.FTLBSets.mask))
    ways = (shape & Config4.FTLBWays.mask).shr(Config4.FTLBWays.low) + 2
    m.set_slot(tlb + OFFSET["ftlb_shape"], shape)
    m.set_slot(tlb + OFFSET["ftlb_sets"], count)
    m.set_slot(tlb + OFFSET["tlb_size"], m.slot(tlb + OFFSET["vtlb_size"]) + count * ways)


def update_both(m: AnyMachine) -> None:
    """After reset."""
    m.call(update, m.const(ROOT_FILE))
    m.call(update, m.const(GUEST_FILE))


def legal_size(m: AnyMachine, asked: AnyMachine) -> AnyMachine:
    """A Condition: the core has FTLBs of this page size."""
    return (asked != 0) & ~m.state.ftlb_largest_page.below(asked)
