"""The guest's timer between hardware and software.  (rows VZ-63..VZ-66, TM-13, TM-18)

Lent to the guest (hard): guest Count is root Count + GTOffset and the guest reads and compares it without exits.
Kept in software: GuestCtl0.GT is 0, guest Count is parked at Compare so that it does not fire, and the host's timer
stands in.  Invariant: exactly one of the two can raise the interrupt at any time, and none is lost at a change.
"""
from __future__ import annotations

from vmm.arch.cp0.registers import Cause, Compare, Count, GTOffset, GuestCtl0
from vmm.host.kernel.cpu import Cpu
from vmm.kvm.vz.guest import Cp0, Guest, VzHost

MIN_DRIFT = -0x10000
MASK32 = 0xFFFFFFFF


class Parking:
    """GTOffset as ``SoftTimer`` uses it when Compare moves (TM-13)."""

    def __init__(self, cp0: Cp0) -> None:
        self._cp0 = cp0

    def park_at(self, count: int) -> None:
        core = self._cp0.core
        if core is not None:
            core.mtc0(GTOffset, count - core.mfc0(Count) & MASK32)


def usable(host: VzHost, guest: Guest) -> bool:
    """VZ-63."""
    full_width = host.kernel.model.write_mask(GTOffset) & MASK32 == MASK32
    return full_width and not guest.timer.disabled and guest.timer.hz == host.kernel.count_hz


def restore(guest: Guest, core: Cpu) -> None:
    """The vCPU was loaded: the timer stays in software, with guest Count at Compare where it does not match."""
    core.mtc0(GuestCtl0, core.mfc0(GuestCtl0) & ~GuestCtl0.GT.mask)
    compare = guest.vcpu.cop0[Compare]
    core.mtgc0(Compare, compare)
    core.mtc0(GTOffset, compare - core.mfc0(Count) & MASK32)
    core.mtgc0(Cause, guest.vcpu.cop0[Cause])


def acquire(host: VzHost, guest: Guest, core: Cpu) -> None:
    """Lend the guest the hardware timer (VZ-64)."""
    if guest.hard_timer or not usable(host, guest):
        return
    cause = core.mfgc0(Cause)
    core.mtc0(GuestCtl0, core.mfc0(GuestCtl0) | GuestCtl0.GT.mask)
    _, start = guest.timer.freeze()
    core.mtc0(GTOffset, start - core.mfc0(Count) & MASK32)
    core.mtgc0(Cause, cause)
    after = core.mfgc0(Count)
    _note_passed(guest, core, start, after)
    guest.hard_timer = True


def save(guest: Guest, core: Cpu) -> None:
    """Take it back; software goes on from the Count that hardware had reached (VZ-65)."""
    if not guest.hard_timer:
        guest.vcpu.cop0[Compare] = core.mfgc0(Compare)
        guest.vcpu.cop0[Cause] = core.mfgc0(Cause)
        return
    core.mtc0(GuestCtl0, core.mfc0(GuestCtl0) & ~GuestCtl0.GT.mask)
    guest.vcpu.cop0[Compare] = core.mfgc0(Compare)
    at = guest.timer.clock.now_ns()
    before = core.mfgc0(Count)
    guest.vcpu.cop0[Cause] = core.mfgc0(Cause)
    end = core.mfgc0(Count)
    _note_passed(guest, core, before, end)
    guest.timer.restore(at, end, MIN_DRIFT)
    guest.hard_timer = False


def lose(guest: Guest, core: Cpu) -> None:
    """Back to software while the vCPU stays loaded (VZ-65, VZ-66)."""
    if guest.hard_timer:
        save(guest, core)
        restore(guest, core)


def _note_passed(guest: Guest, core: Cpu, start: int, end: int) -> None:
    """An interrupt fell between two readings of Count, while nobody was looking."""
    if (end - start) & MASK32 > (core.mfgc0(Compare) - start - 1) & MASK32:
        guest.timer.interrupt.queue_timer()
