"""Which context runs, with what privilege, and which translations apply.  (mips.md 4.1, 7.1)"""
from __future__ import annotations

from vmm.arch.cp0.registers import Config5, Debug, EntryHi, GuestCtl0, GuestCtl1, MemoryMapID, Status
from vmm.arch.privileged.fpu import update_fpu
from vmm.arch.privileged.msa import usable
from vmm.arch.rows import AnyMachine
from vmm.arch.state import GUEST_FILE, ROOT_FILE

KERNEL, SUPERVISOR, USER = 0, 1, 2


def update_mode(m: AnyMachine) -> None:
    """Derive the mode slots from the CP0 registers; called whenever one of these may have changed."""
    s = m.state
    quiet = ((m.root[Status] & (Status.EXL.mask | Status.ERL.mask)) == 0) & ~m.root.on(Debug.DM)
    guest = m.root.on(GuestCtl0.GM) & quiet
    s.in_guest = m.flag(guest)
    s.base = m.select(guest, GUEST_FILE, ROOT_FILE)
    status = m.cp0[Status]
    debug = m.root.on(Debug.DM) & ~guest
    kernel = ((status & (Status.EXL.mask | Status.ERL.mask)) != 0) | debug
    privilege = m.select(kernel, KERNEL, m.cp0.get(Status.KSU))
    s.priv = privilege
    wide_user = (status & (Status.UX.mask | Status.PX.mask)) != 0
    core64 = s.core64 != 0
    s.ops64 = m.flag(core64 & ((privilege != USER) | wide_user))       # SX opens addresses only (vol. III, 3.4)
    narrow_user = (privilege == USER) & ((status & Status.UX.mask) == 0)
    s.vectors = usable(m)
    wide = status.shr(m.const(Status.KX.low) - privilege) & 1      # KX, SX or UX
    narrow = narrow_user | ((s.release6 != 0) & (wide == 0))       # release 6: in every mode (mips.md 4.1)
    s.wrap = m.flag(~core64 | narrow)
    m.call(update_view_key)
    m.call(update_fpu)


def update_view_key(m: AnyMachine) -> None:
    """Everything that a translation of the running context depends on, beside the TLBs' contents, in one Word."""
    s = m.state
    status = m.cp0[Status]
    guest_id = m.root.get(GuestCtl1.ID) & s.guest_ids
    modes = (m.const(1) | s.in_guest.shl(1) | s.priv.shl(2) | (status & Status.ERL.mask).shl(4 - Status.ERL.low)
             | (status & (Status.KX.mask | Status.SX.mask | Status.UX.mask)).shl(8 - Status.UX.low))
    guest = s.in_guest != 0
    by_asid = guest & (guest_id == 0)                  # the second stage then matches root's ASID
    s.view_key = (modes | address_space(m, m.cp0).shl(16) | m.select(guest, guest_id, 0).shl(32)
                  | m.select(by_asid, address_space(m, m.root), 0).shl(40))


def address_space(m: AnyMachine, file: AnyMachine) -> AnyMachine:
    """The tag that non-global entries must carry: EntryHi.ASID, or MemoryMapID where Config5.MI is on (HM-2)."""
    return m.select(file.on(Config5.MI), file[MemoryMapID] & 0xFFFF, file[EntryHi] & m.state.asid_mask)
