"""The hardware page-table walker: a TLB miss that needs no exception.  (Volume III, chapter 4, "Hardware page table
walker"; mips.md 4.5)

It reads the tables as the kernel's data loads would, but anything in its way, a pointer that is not aligned, not mapped
or not memory, ends it quietly, and the refill exception is taken as without it.  It leaves the CP0 registers alone.
Root and guest have one each; for that of a guest, a table that root's TLB does not have now is in its way as well.
"""
from __future__ import annotations

from vmm.arch.cp0.registers import GuestCtl1, PWBase, PWCtl, PWField, PWSize
from vmm.arch.privileged.entries import entry_lo_bits, find, page_mask_bits, put_entry, victim
from vmm.arch.privileged.mode import KERNEL, address_space
from vmm.arch.privileged.names import LOAD, File
from vmm.arch.privileged.regions import backing
from vmm.arch.privileged.segments import DIRECT, MAPPED, classify
from vmm.arch.rows import AnyMachine
from vmm.arch.state import GUEST_FILE, TlbSlot

LEVELS = ((PWField.BDI, PWSize.BDW), (PWField.GDI, PWSize.GDW), (PWField.UDI, PWSize.UDW), (PWField.MDI, PWSize.MDW))
RI_BIT, XI_BIT = 63, 62
"""Where EntryLo.RI and XI lie in a register or entry of ours, on 32-bit cores too; MFC0 and MTC0 move them."""
VALID = 2
WALKING, FOUND, GIVEN_UP = 0, 1, 2
"""``state.walk``."""


def refill(m: AnyMachine, base: AnyMachine, va: AnyMachine, guest_id: AnyMachine) -> AnyMachine:
    """The slot of the entry that the walker of a context wrote for ``va``, or 0.  ``va`` missed that context's TLB."""
    s, file = m.state, File(m, base)
    at = m.var(m.const(0))
    sizes = file[PWSize]
    any_level = (sizes & (PWSize.GDW.mask | PWSize.UDW.mask | PWSize.MDW.mask)) != 0
    small_entries = (file.get(PWSize.PTEW) + file.get(PWSize.PS)).below(m.const(2))    # of 4 or 8 bytes
    for _ in m.when(file.on(PWCtl.PWEn) & any_level & small_entries & (m.call(region_enabled, base, va) != 0)):
        running, guest = s.base, s.in_guest
        s.base = base                                  # the tables are this context's, in its kernel's addresses
        s.in_guest = m.flag(base == GUEST_FILE)
        s.walk = WALKING
        m.call(walk, base, m.select(s.core64 == 0, m.unsigned(va, 32), va))    # an index may reach beyond bit 31
        s.base, s.in_guest = running, guest
        for _ in m.when(s.walk == FOUND):
            at.value = m.call(fill, base, va, guest_id)
    return at.value


def region_enabled(m: AnyMachine, base: AnyMachine, va: AnyMachine) -> AnyMachine:
    """XU, XS and XK: in a region with 64-bit addressing the walker wants to be asked."""
    region = va.shr(62)
    bit = m.select(region.below(m.const(2)), region, 2)
    asked = File(m, base)[PWCtl].shr(PWCtl.XU.low).shr(bit) & 1
    return m.select(m.state.trap_wide == 0, 1, asked)


def walk(m: AnyMachine, base: AnyMachine, va: AnyMachine) -> None:
    """Down the directories to a pair of leaves, or to a huge page on the way."""
    s, file = m.state, File(m, base)
    double = file.get(PWSize.PTEW)                     # entries of twice a pointer's size
    native = file.get(PWSize.PS) + 2                   # log2 of a pointer's bytes
    huge = file.get(PWCtl.HugePg)
    directory_shift = native + (double & huge)
    s.walk_at = file[PWBase]
    for index_field, width_field in LEVELS:
        index, width = file.get(index_field), file.get(width_field)
        used = (s.walk == WALKING) & (width != 0)
        if width_field is PWSize.BDW:
            used = used & file.on(PWCtl.PWDirExt)
        for _ in m.when(used):
            m.call(descend, base, va, index, width, directory_shift, native + double)
    for _ in m.when(s.walk == WALKING):
        m.call(leaves, base, va, native + double)


def descend(m: AnyMachine, base: AnyMachine, va: AnyMachine, index: AnyMachine, width: AnyMachine,
            shift: AnyMachine, leaf_shift: AnyMachine) -> None:
    """One directory: its entry is the next table, or a huge page."""
    s, file = m.state, File(m, base)
    number = va.shr(index) & (m.const(1).shl(width) - 1)
    address = s.walk_at | number.shl(shift)
    entry = m.call(table_word, address, shift)
    leaf = file.on(PWCtl.HugePg) & ((entry.shr(file.get(PWCtl.PSn)) & 1) != 0)
    for _ in m.when((s.walk == WALKING) & leaf):
        m.call(huge_page, base, address, entry, index, leaf_shift)
    for _ in m.when(s.walk == WALKING):
        s.walk_at = m.select(shift == 2, m.word(entry), entry)


def huge_page(m: AnyMachine, base: AnyMachine, address: AnyMachine, entry: AnyMachine, index: AnyMachine,
              leaf_shift: AnyMachine) -> None:
    """A directory's entry that is a page: one of both halves, or with DPH one of two neighbours."""
    s = m.state
    lo = m.call(shaped, base, entry, leaf_shift)
    s.walk_mask = m.const(1).shl(index) - 1
    for _ in m.when((index & 1) != 0):
        half = m.const(1).shl(index - 1).shr(6)
        s.walk_lo0, s.walk_lo1 = lo & ~half, lo | half
        s.walk_mask = s.walk_mask.shr(1)
        s.walk = FOUND
    for _ in m.otherwise():
        s.walk_lo0, s.walk_lo1 = lo, lo
        other = m.const(1).shl(leaf_shift)
        for _ in m.when(~File(m, base).on(PWCtl.DPH)):
            s.walk = GIVEN_UP
        for _ in m.otherwise():
            neighbour = m.call(shaped, base, m.call(table_word, address ^ other, leaf_shift), leaf_shift)
            odd = (address & other) != 0
            s.walk_lo0, s.walk_lo1 = m.select(odd, neighbour, lo), m.select(odd, lo, neighbour)
            s.walk = m.select(s.walk == WALKING, FOUND, s.walk)


def leaves(m: AnyMachine, base: AnyMachine, va: AnyMachine, shift: AnyMachine) -> None:
    """The pair of entries in the last table."""
    s, file = m.state, File(m, base)
    index = file.get(PWField.PTI)
    number = va.shr(index) & (m.const(1).shl(file.get(PWSize.PTW)) - 1)
    address = s.walk_at | number.shr(1).shl(shift + 1)
    s.walk_lo0 = m.call(shaped, base, m.call(table_word, address, shift), shift)
    s.walk_lo1 = m.call(shaped, base, m.call(table_word, address | m.const(1).shl(shift), shift), shift)
    s.walk_mask = m.const(1).shl(index) - 1
    s.walk = m.select(s.walk == WALKING, FOUND, s.walk)


def shaped(m: AnyMachine, base: AnyMachine, entry: AnyMachine, shift: AnyMachine) -> AnyMachine:
    """A table's entry as EntryLo: PTEI is where G lies, with RI and XI right below it."""
    asked, bits = File(m, base).get(PWField.PTEI), m.const(8).shl(shift)
    at = m.select(bits.below(asked), asked - 32, asked)
    return (entry.shr(at) & ((1 << XI_BIT) - 1)) | ((entry.shr(at - 2) & 3).shl(XI_BIT))


def table_word(m: AnyMachine, address: AnyMachine, shift: AnyMachine) -> AnyMachine:
    """A word of a table, by a load that cannot fault: what would fault gives the walk up."""
    s = m.state
    host, value = m.var(m.const(0)), m.var(m.const(0))
    size = m.const(1).shl(shift)
    for _ in m.when((s.walk == WALKING) & ((address & (size - 1)) == 0)):
        host.value = m.call(table_memory, m.select(s.core64 == 0, m.word(address), address))
    for _ in m.when(host.value != 0):
        value.value = m.peek(host.value, size)
    for _ in m.otherwise():
        s.walk = GIVEN_UP
    return value.value


def table_memory(m: AnyMachine, address: AnyMachine) -> AnyMachine:
    """The host address of a kernel address of the walker's context, or 0."""
    s = m.state
    guest_id = m.root.get(GuestCtl1.ID) & s.guest_ids
    what = m.call(classify, address, m.const(KERNEL))
    physical, good = m.var(s.unmapped), m.var(m.flag(what == DIRECT))
    for _ in m.when(what == MAPPED):
        hit = m.call(find, s.in_guest, address, address_space(m, m.cp0), m.select(s.in_guest != 0, guest_id, 0))
        for _ in m.when(hit != 0):
            physical.value = m.call(readable, hit, address)
            good.value = m.flag(physical.value != -1)
    for _ in m.when((s.in_guest != 0) & (good.value != 0)):
        hit = m.call(find, m.const(0), physical.value, address_space(m, m.root), guest_id)
        good.value = m.const(0)
        for _ in m.when(hit != 0):
            physical.value = m.call(readable, hit, physical.value)
            good.value = m.flag(physical.value != -1)
    host = m.var(m.const(0))
    for _ in m.when(good.value != 0):
        host.value = m.call(backing, physical.value, m.const(LOAD))
    return host.value


def readable(m: AnyMachine, entry: AnyMachine, va: AnyMachine) -> AnyMachine:
    """The physical address that an entry gives to a load, or -1."""
    half = (m.slot(entry + TlbSlot.MASK) + 1).shr(1)
    lo = m.select((va & half) != 0, m.slot(entry + TlbSlot.LO1), m.slot(entry + TlbSlot.LO0))
    inhibited = (lo.shr(RI_BIT) & 1) != 0
    address = lo.shl(6) & m.state.pfn_mask & ~(half - 1) | (va & (half - 1))
    return m.select(((lo & VALID) == 0) | inhibited, -1, address)


def fill(m: AnyMachine, base: AnyMachine, va: AnyMachine, guest_id: AnyMachine) -> AnyMachine:
    """Write the pair as TLBWR would."""
    s = m.state
    tlb = m.flag(base == GUEST_FILE)
    bits = entry_lo_bits(m, base, RI_BIT, XI_BIT)
    mask = m.call(page_mask_bits, s.walk_mask.shr(12).shl(13))
    index = m.call(victim, base, tlb, va, mask)
    return m.call(put_entry, base, tlb, index, va, mask, s.walk_lo0 & bits, s.walk_lo1 & bits,
                  address_space(m, File(m, base)), guest_id)
