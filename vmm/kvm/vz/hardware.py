"""Turning VZ on and off on a CPU.  (rows VZ-1, VZ-3, VZ-4)"""
from __future__ import annotations

from functools import partial

from vmm.arch.cp0.registers import GuestAccess, GuestCtl0, GuestCtl0Ext, GuestCtl1, GuestCtl2
from vmm.errors import ConfigError
from vmm.host.kernel.kernel import Kernel
from vmm.kvm.vz.guest import VzHost

GRANTED = GuestCtl0.CP0.mask | GuestCtl0.AT.at(GuestAccess.GUEST) | GuestCtl0.CG.mask | GuestCtl0.CF.mask
"""What every guest may do by itself (VZ-3)."""


def vz_host(kernel: Kernel) -> VzHost:
    """The host's VZ, with every CPU enabled; refused where the world switch could not work (VZ-4)."""
    if not kernel.features.vz:
        raise ConfigError(f"host CPU {kernel.model.name} has no VZ module; choose one with VZ, or trap-and-emulate")
    if kernel.features.scratch.pgd is None:
        raise ConfigError(f"host CPU {kernel.model.name} has no KScratch register for the page directory, which VZ needs")
    host = VzHost(kernel, kernel.model.guest_id_mask >> GuestCtl1.ID.low)
    for number in range(len(kernel.cpus)):
        hardware_enable(host, number)
    kernel.starting.append(partial(hardware_enable, host))
    kernel.dying.append(partial(hardware_disable, host))
    return host


def hardware_enable(host: VzHost, number: int) -> None:
    """The guest TLBs of our models are their own and of fixed size, so nothing is split between root and guest.

    A CPU that comes back goes on with its GuestIDs where it was: vCPUs remember theirs, and another must not get one."""
    cpu, tlb = host.kernel.cpus[number], host.kernel.tlbs[number]
    tlb.flush_guest_tlb()
    cpu.mtc0(GuestCtl0, GRANTED)
    if cpu.mfc0(GuestCtl0) & GuestCtl0.G0E.mask:
        cpu.mtc0(GuestCtl0Ext, cpu.mfc0(GuestCtl0Ext) | GuestCtl0Ext.CGI.mask)
    if host.has_guest_id:
        cpu.mtc0(GuestCtl1, 0)
        tlb.flush_guests()
    if cpu.mfc0(GuestCtl0) & GuestCtl0.G2.mask:
        cpu.mtc0(GuestCtl2, cpu.mfc0(GuestCtl2) & ~GuestCtl2.VIP.mask)
    host.enabled[number] = True


def hardware_disable(host: VzHost, number: int) -> None:
    cpu, tlb = host.kernel.cpus[number], host.kernel.tlbs[number]
    tlb.flush_guest_tlb()
    if host.has_guest_id:
        cpu.mtc0(GuestCtl1, 0)
        tlb.flush_guests()
    host.last_vcpu[number] = host.last_exec[number] = None  # what was loaded there is lost
    host.enabled[number] = False
