"""Interrupts of a VZ guest.  (rows VZ-60..VZ-62, IN-1, IN-4)

Queueing only notes the wish, because the registers are those of the CPU the vCPU runs on; delivery, there, raises or
lowers the lines, all at once.  Whether the guest takes them is the hardware's business.
"""
from __future__ import annotations

from vmm.arch.cp0.registers import Cause, GuestCtl0, GuestCtl2, Status
from vmm.host.kernel.cpu import Cpu
from vmm.kvm.vcpu import Priority, Vcpu
from vmm.kvm.vz.guest import Guest

IO_PRIORITY: dict[int, Priority] = {2: Priority.INT_IO, 3: Priority.INT_IPI_1, 4: Priority.INT_IPI_2}

# fmt: off
LINES: tuple[tuple[Priority, int], ...] = (      # the guest's Cause.IP bit of each
    (Priority.INT_TIMER, 1 << 15),
    (Priority.INT_IO,    1 << 10),
    (Priority.INT_IPI_1, 1 << 11),
    (Priority.INT_IPI_2, 1 << 12),
)
# fmt: on

HARDWARE_CLEAR_SHIFT = GuestCtl2.HC.low - GuestCtl2.VIP.low
IP_MASK = 0xFF00


def queue_io(vcpu: Vcpu, irq: int) -> None:
    """VZ-60."""
    priority = IO_PRIORITY[abs(irq)]
    if irq > 0:
        vcpu.queue(priority)
        vcpu.lines |= dict(LINES)[priority]
    else:
        vcpu.dequeue(priority)
        vcpu.lines &= ~dict(LINES)[priority]


def deliver(vcpu: Vcpu, core: Cpu) -> None:
    """IN-4: first what goes down, then what comes up."""
    if not vcpu.pending_exceptions | vcpu.pending_exceptions_clr:
        return
    for priority, line in LINES:
        if vcpu.pending_exceptions_clr >> priority & 1:
            _lower(core, line)
    vcpu.pending_exceptions_clr = 0
    for priority, line in LINES:
        if not vcpu.is_pending(priority):
            continue
        if priority is Priority.INT_TIMER:
            core.mtgc0(Cause, core.mfgc0(Cause) | Cause.TI.mask)
        else:
            _raise(core, line)
    vcpu.pending_exceptions = 0


def _has_guestctl2(core: Cpu) -> bool:
    return bool(core.mfc0(GuestCtl0) & GuestCtl0.G2.mask)


def _raise(core: Cpu, line: int) -> None:
    """VZ-61."""
    if _has_guestctl2(core):
        core.mtc0(GuestCtl2, core.mfc0(GuestCtl2) | line)
    else:
        core.mtgc0(Cause, core.mfgc0(Cause) | line)


def _lower(core: Cpu, line: int) -> None:
    """VZ-62."""
    if not _has_guestctl2(core):
        core.mtgc0(Cause, core.mfgc0(Cause) & ~line)
    elif not core.mfc0(GuestCtl2) & line << HARDWARE_CLEAR_SHIFT:
        core.mtc0(GuestCtl2, core.mfc0(GuestCtl2) & ~line)


def wakeable(guest: Guest) -> bool:
    """Something is pending that ends WAIT: newly queued, or a line that is up and not masked."""
    vcpu = guest.vcpu
    if vcpu.pending_exceptions:
        return True
    return bool((guest.cp0[Cause] | vcpu.lines) & guest.cp0[Status] & IP_MASK)
