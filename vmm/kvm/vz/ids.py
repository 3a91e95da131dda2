"""Which guest a TLB entry belongs to: GuestIDs, or root ASIDs on cores without them.  (rows VZ-23, VZ-30..VZ-34)

Invariant: when the guest is entered, no entry of the guest TLB or of root's that could match was made for another vCPU
or for mappings that have been flushed since; and the guest's wired entries are in place.
"""
from __future__ import annotations

from vmm.arch.cp0.registers import GuestCtl1, Wired
from vmm.kvm.vcpu import Request
from vmm.kvm.vm import Vm
from vmm.kvm.vz.guest import Guest, VzHost

CKSEG1 = 0xFFFFFFFF_A0000000


def new_guest_id(host: VzHost, cpu: int) -> int:
    """VZ-30: the next number on this CPU; 0 is root's, and a new cycle starts with empty TLBs."""
    number = host.cache[cpu] + 1
    if not number & host.guest_id_mask:
        number += 1
        host.kernel.tlbs[cpu].flush_guests()
        host.kernel.tlbs[cpu].flush_guest_tlb()
    host.cache[cpu] = number
    return number


def load_tlb(host: VzHost, vm: Vm, guest: Guest, cpu: int) -> None:
    """Give the guest the identity under which its entries on this CPU are found (VZ-31, VZ-32)."""
    core, vcpu = host.kernel.cpus[cpu], guest.vcpu
    migrated = vcpu.last_exec_cpu != cpu
    if host.has_guest_id:
        stale = (guest.guest_ids[cpu] ^ host.cache[cpu]) & ~host.guest_id_mask
        if migrated or stale or not guest.guest_ids[cpu]:
            guest.guest_ids[cpu] = new_guest_id(host, cpu)
        if (core.root[GuestCtl1] ^ guest.guest_ids[cpu]) & host.guest_id_mask:
            core.mtc0(GuestCtl1, core.mfc0(GuestCtl1) & ~GuestCtl1.ID.mask | guest.guest_ids[cpu] & host.guest_id_mask)
    else:
        if migrated or host.last_exec[cpu] is not vcpu:
            host.kernel.tlbs[cpu].flush_guest_tlb()
        _renew_root_asid(vm, cpu)
    vcpu.last_exec_cpu = cpu
    host.last_exec[cpu] = vcpu


def _renew_root_asid(vm: Vm, cpu: int) -> None:
    """A flush that was asked for while this CPU was elsewhere becomes a new root ASID now (VZ-32)."""
    if vm.asid_flush_mask >> cpu & 1:
        vm.asid_flush_mask &= ~(1 << cpu)
        vm.contexts.get_new(cpu, vm.gpa_mm)
    else:
        vm.contexts.check(cpu, vm.gpa_mm)


def root_tag(host: VzHost, vm: Vm, guest: Guest, cpu: int) -> tuple[int, int]:
    """(ASID, GuestID) of this guest's root TLB entries on a CPU (TL-4)."""
    if host.has_guest_id:
        return 0, guest.guest_ids[cpu] & host.guest_id_mask
    return vm.contexts.tag(cpu, vm.gpa_mm), 0


def check_requests(host: VzHost, guest: Guest) -> bool:
    """True: the guest TLB's contents were given up, so wired entries must be loaded again (VZ-33)."""
    requests = guest.vcpu.requests
    if Request.TLB_FLUSH not in requests:
        return False
    requests.discard(Request.TLB_FLUSH)
    if not host.has_guest_id:
        return False
    guest.guest_ids[:] = [0] * len(guest.guest_ids)
    return True


def flush_all(host: VzHost, vm: Vm) -> None:
    """VZ-34."""
    if not host.has_guest_id:
        vm.asid_flush_mask = (1 << len(host.kernel.cpus)) - 1
    vm.flush_remote()


def save_wired(host: VzHost, guest: Guest, cpu: int) -> None:
    """VZ-23, TL-8: an entry of somebody else's reads as invalid."""
    core, tlb = host.kernel.cpus[cpu], host.kernel.tlbs[cpu]
    wired = min(core.guest[Wired] & 0xFFFF, core.guest_tlb.variable)
    if not wired:
        guest.wired = []
        return
    own = root_id(host, guest, cpu)
    entries = [core.guest_tlb[index] for index in range(wired)]
    guest.wired = [entry if entry.guest_id == own else tlb.unique(index, CKSEG1)
                   for index, entry in enumerate(entries)]


def load_wired(host: VzHost, guest: Guest, cpu: int) -> None:
    """Under the guest's present identity; Wired itself is loaded with the vCPU."""
    core, tlb = host.kernel.cpus[cpu], host.kernel.tlbs[cpu]
    core.guest_tlb.write_each((index, tlb.make_entry(
        entry_hi=entry.entry_hi, page_mask=entry.page_mask, entry_lo0=entry.entry_lo0, entry_lo1=entry.entry_lo1,
        guest_id=root_id(host, guest, cpu), ehinv=entry.ehinv)) for index, entry in enumerate(guest.wired))


def root_id(host: VzHost, guest: Guest, cpu: int) -> int:
    return guest.guest_ids[cpu] & host.guest_id_mask
