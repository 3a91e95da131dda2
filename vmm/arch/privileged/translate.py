"""From a virtual address to a physical one: segments, TLB, and for a guest the second stage.  (mips.md 4, 7.5)

A fault does not return: it raises, with the slots ``trap_*`` saying what and to which context.
"""
from __future__ import annotations

from vmm.arch.cp0.registers import GuestCtl1, PageGrain, Status
from vmm.arch.exceptions import ExcCode, GExcCode
from vmm.arch.privileged import watchpoints
from vmm.arch.privileged.entries import find
from vmm.arch.privileged.mode import USER, address_space
from vmm.arch.privileged.names import FETCH, LOAD, STORE
from vmm.arch.privileged.segments import ERROR, classify, wide_enabled
from vmm.arch.privileged.walk import RI_BIT, XI_BIT, refill
from vmm.arch.rows import AnyMachine
from vmm.arch.state import ROOT_FILE, TlbSlot

ALL_RIGHTS = 7
DIRTY, VALID, GLOBAL = 4, 2, 1


def physical(m: AnyMachine, va: AnyMachine, access: AnyMachine, size: AnyMachine) -> AnyMachine:
    """The physical address of an aligned access; ``state.rights`` says what else the page allows."""
    s = m.state
    wraps = (s.wrap != 0) & ((access != FETCH) | (s.core64 == 0))      # a jump out of range is an error
    narrow_user = (s.as_user != 0) & ((m.cp0[Status] & Status.UX.mask) == 0)
    address = m.select(wraps | narrow_user, m.word(va), va)
    s.access_va = address
    for _ in m.when(watchpoints.looks(m)):
        m.call(watchpoints.check, address, access)
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
        hit = m.var(m.call(find, guest, va, address_space(m, m.cp0), guest_id))
        s.trap_badvaddr = va
        for _ in m.when(hit.value == 0):
            hit.value = m.call(refill, s.base, va, guest_id)
        for _ in m.when(hit.value == 0):
            s.trap_refill = s.trap_wide + 1
            m.trap_code(m.select(access == STORE, ExcCode.TLBS, ExcCode.TLBL))
        address.value = m.call(use_entry, hit.value, va, access, m.cp0.get(PageGrain.IEC))
    return address.value


def second_stage(m: AnyMachine, gpa: AnyMachine, access: AnyMachine) -> AnyMachine:
    """A guest physical address through the root TLB; faults go to the root context (mips.md 7.3: GExcCode GPA)."""
    s = m.state
    first_rights = s.rights
    guest_id = m.root.get(GuestCtl1.ID) & s.guest_ids
    s.trap_badvaddr = gpa
    s.trap_root = 1
    s.trap_gexc = GExcCode.GPA
    s.trap_wide = m.root.get(Status.KX) * s.core64     # EN-3: the root runs guests with KX
    hit = m.var(m.call(find, m.const(0), gpa, address_space(m, m.root), guest_id))
    for _ in m.when(hit.value == 0):
        hit.value = m.call(refill, m.const(ROOT_FILE), gpa, guest_id)
    for _ in m.when(hit.value == 0):
        s.trap_refill = s.trap_wide + 1
        m.trap_code(m.select(access == STORE, ExcCode.TLBS, ExcCode.TLBL))
    address = m.call(use_entry, hit.value, gpa, access, m.root.get(PageGrain.IEC))
    s.second_entry = hit.value
    s.trap_root = 0
    s.rights = s.rights & first_rights
    return address


def segment(m: AnyMachine, va: AnyMachine, access: AnyMachine) -> AnyMachine:
    """1 if the address is mapped; 0 if not, with ``state.unmapped`` its physical address; AdE if not allowed."""
    s = m.state
    s.trap_wide = s.core64 & m.call(wide_enabled, va.shr(62))
    what = m.call(classify, va, m.select(s.as_user != 0, USER, s.priv))
    for _ in m.when(what == ERROR):
        m.call(address_error, va, access)
    return what


def use_entry(m: AnyMachine, entry: AnyMachine, va: AnyMachine, access: AnyMachine, iec: AnyMachine) -> AnyMachine:
    """The physical address an entry gives; faults if the half is not valid or forbids the access (mips.md 4.3).

    Loads relative to the pc may read what may be executed, whatever RI says (volume III, chapter 4, "TLB lookup").
    """
    s = m.state
    half = (m.slot(entry + TlbSlot.MASK) + 1).shr(1)
    lo = m.select((va & half) != 0, m.slot(entry + TlbSlot.LO1), m.slot(entry + TlbSlot.LO0))
    no_read, no_execute = lo.shr(RI_BIT) & 1, lo.shr(XI_BIT) & 1
    for _ in m.when((lo & VALID) == 0):
        m.trap_code(m.select(access == STORE, ExcCode.TLBS, ExcCode.TLBL))
    for _ in m.when((access == FETCH) & (no_execute != 0)):
        m.trap_code(m.select(iec != 0, ExcCode.TLBXI, ExcCode.TLBL))
    for _ in m.when((access == LOAD) & (no_read != 0) & ~((s.pc_relative != 0) & (no_execute == 0))):
        m.trap_code(m.select(iec != 0, ExcCode.TLBRI, ExcCode.TLBL))
    for _ in m.when((access == STORE) & ((lo & DIRTY) == 0)):
        m.trap_code(m.const(ExcCode.Mod))
    s.rights = (no_read ^ 1) | (lo & DIRTY).shr(1) | (no_execute ^ 1).shl(2)
    return lo.shl(6) & s.pfn_mask & ~(half - 1) | (va & (half - 1))
