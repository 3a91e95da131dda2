"""An access of a trap-and-emulate guest explained: its TLB is KVM's (C0-23), and what that says is found again, or not, in
the shadow address space that the CPU translates with (MM-10).
"""
from __future__ import annotations

from vmm.arch.cp0.registers import EntryHi, Status
from vmm.arch.privileged.names import STORE
from vmm.arch.state import ROOT_FILE
from vmm.debug.explain import hypervisor, worded
from vmm.debug.explain.look import look
from vmm.debug.guest import TeView
from vmm.debug.snapshot import Snapshot
from vmm.host.kernel.contexts import Mm
from vmm.kvm.te.addresses import PHYSICAL_MASK, Segment, segment
from vmm.kvm.te.faults import is_commpage
from vmm.kvm.te.guest import Guest
from vmm.kvm.te.tlb import Entry

USER = Status.KSU.at(2)
MODE = Status.EXL.mask | Status.ERL.mask | Status.KSU.mask


def lines_of(view: TeView, va: int, access: int) -> list[str]:
    guest = view.backend.guest(view.vcpu)
    mode, where = "kernel" if guest.in_kernel_mode else "user", segment(va)
    lines = [f"vCPU {view.vcpu.number} ({view.state})",
             f"{worded.ACCESS_NAMES[access]} of {va:#x} by the guest's {mode}, which runs in the host's user mode"]
    gpa = _first(guest, va, access, where, lines)
    if gpa is not None:
        lines += hypervisor.lines_of(view, gpa, access)
    lines += _shadow(view, guest, va, access)
    return lines


def _first(guest: Guest, va: int, access: int, where: Segment, lines: list[str]) -> int | None:
    """The guest's own translation, which KVM does (row 17.1); the guest-physical address."""
    if guest.in_kernel_mode and is_commpage(guest, va):
        lines.append("  the commpage: KVM's own page, which the guest's TLB does not decide")
        return None
    if not where.mapped and where is not Segment.NOWHERE:
        device = ", a device access" if where is Segment.DEVICES else ""
        lines.append(f"  segment {where.name.lower()}: not mapped{device}")
        if where is Segment.KSEG0 and not guest.in_kernel_mode:
            lines.append("  not for the guest's user: address error to the guest")
            return None
        return va & PHYSICAL_MASK
    if not where.mapped:
        lines.append("  no address of this guest: address error to the guest")
        return None
    lines.append(f"  segment {where.name.lower()}: mapped by the guest's TLB, which KVM keeps")
    return _lookup(guest, va & 0xFFFF_FFFF, access, lines)


def _lookup(guest: Guest, va: int, access: int, lines: list[str]) -> int | None:
    won = guest.tlb.find(va, guest.asid)
    lines.append(f"  guest TLB (of {len(guest.tlb.entries)}): looks for {va:#x}, ASID {guest.asid:#x}")
    others = 0
    for number, entry in enumerate(guest.tlb.entries):
        if number == won:
            lines.append(f"    entry {number} won: {_entry(entry)}")
        elif entry.matches(va, EntryHi.ASID.of(entry.entry_hi)) and entry != Entry():
            why = "an entry before it matches" if entry.matches(va, guest.asid) else f"its ASID is not {guest.asid:#x}"
            lines.append(f"    entry {number} lost, {why}: {_entry(entry)}")
        else:
            others += 1
    lines.append(f"    the others: {others} of other pages or empty")
    if won is None:
        lines.append("  nothing matches: TLB refill to the guest")
        return None
    half = guest.tlb[won].half(va)
    if not half.valid or access == STORE and not half.dirty:
        lines.append(f"  {worded.forbids(half.entry_lo, access)}: exception to the guest")
        return None
    lines.append(f"  so guest-physical {half.physical:#x}")
    return half.physical


def _entry(entry: Entry) -> str:
    shared = entry.entry_lo0 & entry.entry_lo1 & 1
    return (f"{entry.start:#x}..{entry.end:#x}, "
            + ("global" if shared else f"ASID {EntryHi.ASID.of(entry.entry_hi):#x}")
            + f", EntryLo0 {entry.entry_lo0:#x}, EntryLo1 {entry.entry_lo1:#x}")


def _shadow(view: TeView, guest: Guest, va: int, access: int) -> list[str]:
    """What the CPU has of it: the shadow space of the guest's mode, in user mode of the host."""
    mm, cpu = guest.mm, view.machine.cpus[guest.cpu]
    lines = [f"shadow: the space for the guest's {'kernel' if mm is guest.kernel else 'users'}, "
             + _context(mm, cpu.number)]
    if mm.context(cpu.number):
        snapshot = Snapshot(cpu)
        words, at = snapshot.state.words, ROOT_FILE + Status.index
        words[at] = words[at] & ~MODE | USER
        words[ROOT_FILE + EntryHi.index] = view.system.kernel.contexts.tag(cpu.number, mm)
        seen = look(snapshot.state, cpu.big_endian, view.machine.memory, va, access)
        lines += ["  " + line for line in worded.stages(seen)]
        if seen.raised is not None:
            lines.append("  " + worded.exception(seen))
    page = va & 0xFFFF_FFFF & -guest.page_size
    if segment(va) in (Segment.USEG, Segment.KSEG0, Segment.KSEG23):
        pte = hypervisor.pte_text(mm.table.get(page))
        lines.append(f"  the refill handler finds {pte} for {page:#x} in its page table")
    return lines


def _context(mm: Mm, cpu: int) -> str:
    word = mm.context(cpu)
    return f"context word {word:#x} on CPU {cpu}" if word else f"without an ASID on CPU {cpu}: it gets one when it runs"

