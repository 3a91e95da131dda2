"""Interrupts of a trap-and-emulate guest (rows IN-2..IN-9).

Invariant: Cause.IP shows every asserted line.  An interrupt is taken while its line is up, enabled and
unmasked, as on a core; the original takes each queueing once (``edge_interrupts``).
"""
from __future__ import annotations

from vmm.arch.cp0.registers import Cause, Status
from vmm.kvm.te.deliver import deliver_interrupt
from vmm.kvm.te.guest import Guest
from vmm.kvm.vcpu import Priority, Vcpu

IP = Cause.IPhw.mask | Cause.IPsw.mask


def line(number: int) -> int:
    """Cause.IPn, which is where Status.IMn is too."""
    return 1 << Cause.IPsw.low + number


TIMER_LINE = line(7)

IO_PRIORITY: dict[int, Priority] = {2: Priority.INT_IO, 3: Priority.INT_IPI_1, 4: Priority.INT_IPI_2}
"""The irq numbers of KVM_INTERRUPT (IN-3)."""

# fmt: off
LINES: tuple[tuple[Priority, int], ...] = (      # highest priority first (IN-6)
    (Priority.INT_TIMER, TIMER_LINE),
    (Priority.INT_IO,    line(2)),
    (Priority.INT_IPI_1, line(3)),
    (Priority.INT_IPI_2, line(4)),
)
# fmt: on


class TimerLine:
    """The timer's interrupt: IP7 and TI, whatever IntCtl says (IN-2)."""

    def __init__(self, vcpu: Vcpu) -> None:
        self._vcpu = vcpu

    def queue_timer(self) -> None:
        self._vcpu.cop0[Cause] |= TIMER_LINE | Cause.TI.mask
        self._vcpu.queue(Priority.INT_TIMER)
        self._vcpu.wake()

    def dequeue_timer(self) -> None:
        self._vcpu.cop0[Cause] &= ~(TIMER_LINE | Cause.TI.mask)
        self._vcpu.dequeue(Priority.INT_TIMER)


def set_io(vcpu: Vcpu, irq: int) -> None:
    """KVM_INTERRUPT: a positive number asserts the line, a negative one takes it back; unknown ones do
    nothing (IN-3)."""
    priority = IO_PRIORITY.get(abs(irq))
    if priority is None:
        return
    bit = line(abs(irq))
    if irq > 0:
        vcpu.cop0[Cause] |= bit
        vcpu.queue(priority)
    else:
        vcpu.cop0[Cause] &= ~bit
        vcpu.dequeue(priority)


def deliver_pending(guest: Guest) -> bool:
    """Let the guest take one interrupt if it can (IN-4, IN-5); did it?"""
    blocked = guest.status & (Status.EXL.mask | Status.ERL.mask)
    if blocked or not guest.status & Status.IE.mask:
        return False
    if guest.quirks.edge_interrupts:
        return _deliver_queued(guest)
    if not wakeable(guest):
        return False
    deliver_interrupt(guest)
    return True


def wakeable(guest: Guest) -> bool:
    """An unmasked line is up: what ends WAIT even with Status.IE clear (Config7.WII)."""
    if guest.quirks.edge_interrupts:
        return guest.vcpu.runnable
    return bool(guest.vcpu.cop0[Cause] & guest.status & IP)


def has_pending_timer(guest: Guest) -> bool:
    """IN-9."""
    return guest.vcpu.is_pending(Priority.INT_TIMER) or bool(guest.vcpu.cop0[Cause] & Cause.TI.mask)


def _deliver_queued(guest: Guest) -> bool:
    vcpu = guest.vcpu
    for priority, bit in LINES:
        if vcpu.is_pending(priority) and guest.status & bit:
            vcpu.pending_exceptions &= ~(1 << priority)
            deliver_interrupt(guest)
            return True
    return False
