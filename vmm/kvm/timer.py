"""The software Count/Compare timer of a guest, rows TM-1..TM-19: integers only, no clock of its own.

Invariant: a guest never reads a Count at or past Compare for which no timer interrupt was queued, and every
passing of Compare queues one interrupt.  Conversions follow TM-2 and TM-8 to the nanosecond; between two
events Count is a function of the clock alone.  Whoever runs the vCPU looks at ``deadline`` and calls
``expire`` when the clock has reached it.
"""
from __future__ import annotations

from typing import Protocol

from vmm.arch.cp0.registers import Cause, Compare, Count, Register

NS_PER_SECOND = 1_000_000_000
MAX_HZ = NS_PER_SECOND
TE_HZ = 100_000_000
"""Frequency of a trap-and-emulate guest at reset (TM-11)."""
MASTER_DISABLE = 1
"""COUNT_CTL.DC, the only bit there is (TM-16)."""
TICKS = 1 << 32


class Clock(Protocol):
    def now_ns(self) -> int:
        """Nanoseconds since the machine started; never decreases."""


class Cp0Values(Protocol):
    """The guest's CP0 file: raw values, no side effects."""
    def __getitem__(self, register: type[Register]) -> int: ...
    def __setitem__(self, register: type[Register], value: int) -> None: ...


class TimerInterrupt(Protocol):
    """Where the interrupt goes: Cause.TI and the pending bit (IN-2, VZ-60)."""
    def queue_timer(self) -> None: ...
    def dequeue_timer(self) -> None: ...


class HardwareCount(Protocol):
    """A guest Count made by hardware from the root's (VZ)."""
    def park_at(self, count: int) -> None:
        """GTOffset := count - root Count."""


def count_period(hz: int) -> int:
    """Nanoseconds in which Count goes round once."""
    return (NS_PER_SECOND << 32) // hz


def dynamic_bias(now_ns: int, hz: int) -> int:
    """What TM-2 adds to the clock so that the product fits 64 bits.

    The original stores it and renews it when it is stale; renewed or not, clock + bias is the clock modulo
    the period.
    """
    period = count_period(hz)
    return -(now_ns // period) * period


def ns_to_ticks(now_ns: int, hz: int) -> int:
    return (now_ns + dynamic_bias(now_ns, hz)) * hz // NS_PER_SECOND % TICKS


def ns_until(compare: int, count: int, hz: int) -> int:
    """From Count to the next Compare; equal means all the way round (TM-8)."""
    ticks = (compare - count - 1) % TICKS + 1
    return ticks * NS_PER_SECOND // hz


def _reached(count: int, compare: int) -> bool:
    """Count is at Compare or less than half a round past it."""
    return (count - compare) % TICKS < TICKS >> 1


class SoftTimer:
    def __init__(self, clock: Clock, cp0: Cp0Values, interrupt: TimerInterrupt, hz: int = TE_HZ,
                 hardware: HardwareCount | None = None) -> None:
        self.clock = clock
        self.cp0 = cp0
        self.interrupt = interrupt
        self.hardware = hardware
        self.hz = hz
        self.bias = 0
        self.control = 0
        self.resume_ns = 0
        self.expiry_ns = 0
        """When Count will equal, or last equalled, Compare; kept while stopped, because a freeze must see it.
        """
        self.active = False
        self.write_count(0)

    # -- what there is to see ----------------------------------------------------------------------

    @property
    def master_disabled(self) -> bool:
        return bool(self.control & MASTER_DISABLE)

    @property
    def disabled(self) -> bool:
        """TM-1."""
        return self.master_disabled or bool(self.cp0[Cause] & Cause.DC.mask)

    @property
    def deadline(self) -> int | None:
        """The clock at which ``expire`` is to be called."""
        return self.expiry_ns if self.active else None

    def count_at(self, now_ns: int) -> int:
        """A running Count, with no side effect (TM-3)."""
        return (self.bias + ns_to_ticks(now_ns, self.hz)) % TICKS

    def read_count(self) -> int:
        """TM-6."""
        return self._static if self.disabled else self._read_running(self.clock.now_ns())

    def expire(self) -> None:
        """The deadline passed (TM-9)."""
        self.interrupt.queue_timer()
        self.expiry_ns += count_period(self.hz)

    # -- writes ------------------------------------------------------------------------------------

    def write_count(self, value: int) -> None:
        """TM-10."""
        at = self._effective_time()
        self.bias = (value - ns_to_ticks(at, self.hz)) % TICKS
        if self.disabled:
            self._static = value
        else:
            self.resume(at, value)

    def write_compare(self, value: int, *, acknowledge: bool) -> None:
        """TM-13: a guest's MTC0 acknowledges the interrupt, a register set from outside does not (TM-14).

        The order keeps a hardware Count from meeting a Compare, old or new, that it has not really reached.
        """
        old = self.cp0[Compare] % TICKS
        value %= TICKS
        if value == old:
            if acknowledge:
                self.interrupt.dequeue_timer()
            return
        forward = (value - old) % TICKS < TICKS >> 1
        if self.hardware and forward:
            self.hardware.park_at(value)
        frozen = None if self.disabled else self.freeze()
        if acknowledge:
            self.interrupt.dequeue_timer()
        self.cp0[Compare] = value
        if frozen:
            self.resume(*frozen)
        if self.hardware and not forward:
            self.hardware.park_at(value)

    def set_hz(self, hz: int) -> bool:
        """Change the frequency with no jump of Count and no interrupt lost (TM-12); False: no such frequency.
        """
        if not 1 <= hz <= MAX_HZ:
            return False
        if hz == self.hz:
            return True
        frozen = None if self.disabled else self.freeze()
        at, count = frozen or (self._effective_time(), self._static)
        self.hz = hz
        self.bias = (count - ns_to_ticks(at, hz)) % TICKS
        if frozen:
            self.resume(at, count)
        return True

    def set_cause_dc(self, disable: bool) -> None:
        """The guest, or the user, wrote another value to Cause.DC (TM-15)."""
        if disable:
            self.cp0[Cause] |= Cause.DC.mask
            if not self.master_disabled:
                self._stop()
        else:
            self.cp0[Cause] &= ~Cause.DC.mask
            self.write_count(self._static)

    def set_control(self, control: int) -> bool:
        """COUNT_CTL (TM-16); False: a bit that does not exist."""
        if control & ~MASTER_DISABLE:
            return False
        if control == self.control:
            return True
        self.control = control
        cause_disabled = bool(self.cp0[Cause] & Cause.DC.mask)
        if control:
            self.resume_ns = self.clock.now_ns() if cause_disabled else self._stop()
        elif not cause_disabled:
            self._go_on_as_though_never_stopped()
        return True

    def set_resume(self, resume_ns: int) -> bool:
        """COUNT_RESUME (TM-17); False: not in the past."""
        if not 0 <= resume_ns <= self.clock.now_ns():
            return False
        self.resume_ns = resume_ns
        return True

    # -- stopping and going on ---------------------------------------------------------------------

    def freeze(self) -> tuple[int, int]:
        """Stop the alarm; the time and the Count at which it stopped (TM-7)."""
        self.active = False
        now = self.clock.now_ns()
        return now, self._read_running(now)

    def resume(self, now_ns: int, count: int) -> None:
        """TM-8."""
        self.expiry_ns = now_ns + ns_until(self.cp0[Compare], count, self.hz)
        self.active = True

    def cancel(self) -> None:
        self.active = False

    def restore(self, before_ns: int, count: int, min_drift: int) -> int:
        """Take over from a hardware Count read as ``count`` since ``before_ns`` (TM-18); the correction made
        to Count."""
        drift = _signed(count - self.count_at(before_ns))
        if drift < min_drift:
            self.bias = (self.bias + drift) % TICKS
            self.resume(before_ns, count)
            return drift
        now = self.clock.now_ns()
        ahead = _signed(count - self.count_at(now))
        if ahead > 0:
            self.bias = (self.bias + ahead) % TICKS
            self.resume(now, count)
            return ahead
        behind = (self.count_at(now) - count) % TICKS
        self.resume(now - behind * NS_PER_SECOND // self.hz, count)
        return 0

    # -- inside ------------------------------------------------------------------------------------

    @property
    def _static(self) -> int:
        """Count while it stands still lives in the CP0 file."""
        return self.cp0[Count] % TICKS

    @_static.setter
    def _static(self, count: int) -> None:
        self.cp0[Count] = count % TICKS

    def _effective_time(self) -> int:
        """TM-4: under the master disable everything happens at the time of resumption."""
        return self.resume_ns if self.master_disabled else self.clock.now_ns()

    def _read_running(self, now_ns: int) -> int:
        """TM-5.  A quarter of a period tells an alarm that is due from the next round's."""
        count = self.count_at(now_ns)
        if _reached(count, self.cp0[Compare]) and self.expiry_ns < now_ns + count_period(self.hz) // 4:
            self.interrupt.queue_timer()
            if self.active:
                self.expiry_ns += count_period(self.hz)
        return count

    def _stop(self) -> int:
        now, self._static = self.freeze()
        return now

    def _go_on_as_though_never_stopped(self) -> None:
        """TM-16: the bias is untouched, so Count jumps to where it would have been.

        The alarm kept from the freeze may belong to a Count that was overwritten since, so Count is read
        without TM-5: what is due is told by the clock alone.
        """
        now = self.clock.now_ns()
        if now >= self.resume_ns + ns_until(self.cp0[Compare], self._static, self.hz):
            self.interrupt.queue_timer()
        self.resume(now, self.count_at(now))


def _signed(ticks: int) -> int:
    return (ticks + (TICKS >> 1)) % TICKS - (TICKS >> 1)
