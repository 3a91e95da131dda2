"""From a virtual address to a physical one: segments, TLB, and for a guest the second stage.  (mips.md 4, 7.5)

A fault does not return: it raises, with the slots ``trap_*`` saying what and to which context.
"""
from __future__ import annotations

from vmm.arch.cp0.registers import GuestCtl1, PageGrain, Status
from vmm.arch.exceptions import ExcCode, GExcCode
from vmm.arch.privileged.mode import KERNEL, USER, address_space
from vmm.arch.rows import AnyMachine
from vmm.arch.state import OFFSET, TLB_SLOTS, TlbSlot

LOAD, STORE, FETCH = 0, 1, 2
ALL_RIGHTS = 7
RI_BIT, XI_BIT = 63, 62
"""Where EntryLo.RI and XI lie in a register or entry of ours, on 32-bit cores too; MFC0 and MTC0 move them."""
DIRTY, VALID, GLOBAL = 4, 2, 1
NO_ADDRESS_BITS = 0xFFF
XKPHYS_ADDRESS = (1 << 59) - 1


def physical(m: AnyMachine, va: AnyMachine, access: AnyMachine, size: AnyMachine) -> AnyMachine:
    """The physical address of an aligned access; ``state.rights`` says what else the page allows."""
    s = m.state
    wraps = (s.wrap != 0) & ((access != FETCH) | (s.core64 == 0))      # a jump out of range is an error
    narrow_user = (s.as_user != 0) & ((m.cp0[Status] & Status.UX.mask) == 0)
    address = m.select(wraps | narrow_user, m.word(va), va)
    s.access_va = address
    for _ in m.when((address & (size - 1)) != 0):
        m.call(address_error, address, access)
    return m.call(translate, address, access)


def address_error(m: AnyMachine, va: AnyMachine, access: AnyMachine) -> None:
    m.state.trap_badvaddr = va
    m.trap_code(m.select(access == STORE, ExcCode.AdES, ExcCode.AdEL))


def translate(m: AnyMachine, va: AnyMachine, access: AnyMachine) -> AnyMachine:
    s = m.state
    address = m.var(m.call(first_stage, va, access))
    for _ in m.when(s.in_guest != 0):
        address.value = m.call(second_stage, address.value, access)
    return address.value


def first_stage(m: AnyMachine, va: AnyMachine, access: AnyMachine) -> AnyMachine:
    """Through the segments and the TLB of the context that runs."""
    s = m.state
    mapped = m.call(segment, va, access)
    address = m.var(s.unmapped)
    s.rights = ALL_RIGHTS
    for _ in m.when(mapped != 0):
        guest = s.in_guest
        guest_id = m.select(guest != 0, m.root.get(GuestCtl1.ID) & s.guest_ids, 0)
        hit = m.call(find, guest, va, address_space(m, m.cp0), guest_id)
        s.trap_badvaddr = va
        for _ in m.when(hit == 0):
            s.trap_refill = s.trap_wide + 1
            m.trap_code(m.select(access == STORE, ExcCode.TLBS, ExcCode.TLBL))
        address.value = m.call(use_entry, hit, va, access, m.cp0.get(PageGrain.IEC))
    return address.value


def second_stage(m: AnyMachine, gpa: AnyMachine, access: AnyMachine) -> AnyMachine:
    """A guest physical address through the root TLB; faults go to the root context (mips.md 7.3: GExcCode GPA)."""
    s = m.state
    first_rights = s.rights
    guest_id = m.root.get(GuestCtl1.ID) & s.guest_ids
    s.trap_badvaddr = gpa
    s.trap_root = 1
    s.trap_gexc = GExcCode.GPA
    hit = m.call(find, m.const(0), gpa, address_space(m, m.root), guest_id)
    for _ in m.when(hit == 0):
        s.trap_refill = m.root.get(Status.KX) * s.core64 + 1     # EN-3: the root runs guests with KX
        m.trap_code(m.select(access == STORE, ExcCode.TLBS, ExcCode.TLBL))
    address = m.call(use_entry, hit, gpa, access, m.root.get(PageGrain.IEC))
    s.second_entry = hit
    s.trap_root = 0
    s.rights = s.rights & first_rights
    return address


def segment(m: AnyMachine, va: AnyMachine, access: AnyMachine) -> AnyMachine:
    """1 if the address is mapped; 0 if not, with ``state.unmapped`` its physical address; AdE if not allowed."""
    s = m.state
    status = m.cp0[Status]
    as_user = s.as_user != 0
    kernel, user = (s.priv == KERNEL) & ~as_user, (s.priv == USER) | as_user
    ux, sx, kx = ((status & bit.mask) != 0 for bit in (Status.UX, Status.SX, Status.KX))
    core64 = s.core64 != 0
    error_level = kernel & ((status & Status.ERL.mask) != 0)

    high = va.sar(31)
    low_half, top = high == 0, high == -1
    zone = va.shr(29) & 3                              # of the upper 2 GiB: kseg0, kseg1, sseg, kseg3
    unmapped_zone = top & (zone.below(m.const(2)))
    top_allowed = kernel | ((zone == 2) & ~user)

    region = va.shr(62)
    in_range = (va & s.segment_excess) == 0
    xkphys = (region == 2) & kernel & kx & ((va & s.physical_excess) == 0)
    wide_allowed = core64 & (((region == 0) & ux & in_range) | ((region == 1) & sx & ~user & in_range)
                             | xkphys | ((region == 3) & kx & kernel & in_range))
    s.trap_wide = m.flag(core64 & (((region == 0) & ux) | ((region == 1) & sx) | (region.shr(1) != 0) & kx))
    allowed = low_half | (top & top_allowed) | (~low_half & ~top & wide_allowed)
    for _ in m.when(~allowed):
        m.call(address_error, va, access)
    s.unmapped = m.select(unmapped_zone, va & 0x1FFF_FFFF, m.select(low_half, va, va & XKPHYS_ADDRESS))
    direct = unmapped_zone | (low_half & error_level) | (~low_half & ~top & xkphys)
    return m.flag(~direct)


def find(m: AnyMachine, tlb: AnyMachine, va: AnyMachine, tag: AnyMachine, guest_id: AnyMachine) -> AnyMachine:
    """The state slot of the first matching entry of TLB 0 (root) or 1 (guest), or 0 (mips.md 4.3)."""
    s = m.state
    start = m.select(tlb == 0, OFFSET["root_tlb"], OFFSET["guest_tlb"])
    end = start + m.slot(tlb + OFFSET["tlb_size"]).shl(3)
    any_tag = (guest_id != 0) & (tlb == 0)             # stage two with GuestID ignores the ASID (mips.md 7.5)
    wanted = va & s.vpn_mask
    entry, hit = m.var(start), m.var(m.const(0))
    for _ in m.repeat(lambda: entry.value.below(end) & (hit.value == 0)):
        at = entry.value
        same_page = ((m.slot(at + TlbSlot.VPN) ^ wanted) & ~m.slot(at + TlbSlot.MASK)) == 0
        same_space = (m.slot(at + TlbSlot.GLOBAL) != 0) | (m.slot(at + TlbSlot.ASID) == tag) | any_tag
        same_guest = m.slot(at + TlbSlot.GUEST) == guest_id
        found = (m.slot(at + TlbSlot.VALID) != 0) & same_page & same_space & same_guest
        hit.value = m.select(found, at, 0)
        entry.value = at + TLB_SLOTS
    return hit.value


def use_entry(m: AnyMachine, entry: AnyMachine, va: AnyMachine, access: AnyMachine, iec: AnyMachine) -> AnyMachine:
    """The physical address an entry gives; faults if the half is not valid or forbids the access (mips.md 4.3)."""
    s = m.state
    half = (m.slot(entry + TlbSlot.MASK) + 1).shr(1)
    lo = m.select((va & half) != 0, m.slot(entry + TlbSlot.LO1), m.slot(entry + TlbSlot.LO0))
    no_read, no_execute = lo.shr(RI_BIT) & 1, lo.shr(XI_BIT) & 1
    for _ in m.when((lo & VALID) == 0):
        m.trap_code(m.select(access == STORE, ExcCode.TLBS, ExcCode.TLBL))
    for _ in m.when((access == FETCH) & (no_execute != 0)):
        m.trap_code(m.select(iec != 0, ExcCode.TLBXI, ExcCode.TLBL))
    for _ in m.when((access == LOAD) & (no_read != 0)):
        m.trap_code(m.select(iec != 0, ExcCode.TLBRI, ExcCode.TLBL))
    for _ in m.when((access == STORE) & ((lo & DIRTY) == 0)):
        m.trap_code(m.const(ExcCode.Mod))
    s.rights = (no_read ^ 1) | (lo & DIRTY).shr(1) | (no_execute ^ 1).shl(2)
    return lo.shl(6) & s.pfn_mask & ~(half - 1) | (va & (half - 1))
