"""A real-time clock with its memory: MC146818A, as in the 82371AB.  (Motorola MC146818A data sheet)

The time of day is a formula of virtual time, in whole seconds; nothing counts.  The update-in-progress bit is up for
the last ``UPDATE_NS`` of each second.  An alarm stands at the next second's edge only while an interrupt of it is
enabled, and at the next period while the periodic interrupt is.
Invariant: while the clock stands (SET, or the divider in reset) ``seconds`` is what it shows.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from vmm.guest.devices.time import SECOND_NS, Clock
from vmm.guest.devices.window import Window, at_most, bits, copied

# fmt: off
SECONDS, SECONDS_ALARM, MINUTES, MINUTES_ALARM, HOURS, HOURS_ALARM, WEEKDAY, DAY, MONTH, YEAR = range(10)
A, B, C, D                                = 0x0A, 0x0B, 0x0C, 0x0D
CENTURY                                   = 0x32            # where PC firmware keeps it
A_UIP, A_DIVIDER_RESET                    = 0x80, 0x60
B_SET, B_PIE, B_AIE, B_UIE, B_BINARY, B_24 = 0x80, 0x40, 0x20, 0x10, 0x04, 0x02
C_IRQ, C_PF, C_AF, C_UF                   = 0x80, 0x40, 0x20, 0x10
D_VALID                                   = 0x80
ANY                                       = 0xC0            # of an alarm: matches always
# fmt: on
TIME = (SECONDS, MINUTES, HOURS, WEEKDAY, DAY, MONTH, YEAR)
UPDATE_NS = 2_228_000                                       # 244 us of warning and 1984 us of update
MEMORY = 128
EPOCH = datetime(2000, 1, 1)
RANGE_SECONDS = 100 * 365 * 24 * 3600                       # the calendar has two digits for the year
HALF_SECOND_NS = SECOND_NS // 2


def seconds_of(moment: datetime) -> int:
    return int((moment - EPOCH).total_seconds())


class Mc146818:
    """Two ports: the address of a register, and its data."""
    regs = Window(span=2, width=1)

    @dataclass(slots=True)
    class State:
        address: int = bits(7)
        a: int = bits(7, reset=0x26)
        b: int = bits(8, reset=B_24)
        c: int = bits(8)
        seconds: int = bits(40)                             # since EPOCH, at ``base_ns``
        base_ns: int = bits(63)
        period_ns: int = bits(63)                           # when the periodic flag was last looked after
        memory: bytearray = field(default_factory=lambda: bytearray(MEMORY), metadata=at_most(MEMORY))

    def __init__(self, clock: Clock, interrupt: Callable[[bool], None], start: datetime) -> None:
        self._clock, self._interrupt = clock, interrupt
        self.state = self.State(seconds=seconds_of(start) % RANGE_SECONDS)
        self._second, self._period = clock.alarm(self._second_passed), clock.alarm(self._period_passed)

    # -- the two ports -----------------------------------------------------------------------------------------
    @regs.read(0)
    def index(self) -> int:
        return 0xFF                                         # it can only be written

    @regs.write(0)
    def set_index(self, value: int) -> None:
        self.state.address = value & MEMORY - 1

    @regs.read(1)
    def data(self) -> int:
        at = self.state.address
        if at in TIME or at == A:
            self._say_polled(at)
        if at in TIME:
            return self._shown(at)
        match at:
            case 0x0A:
                return self.state.a | (A_UIP if self._updating else 0)
            case 0x0B:
                return self.state.b
            case 0x0C:
                value, self.state.c = self.state.c, 0
                self._arm()
                return value
            case 0x0D:
                return D_VALID
            case 0x32:
                return self._coded(20)
            case _:
                return self.state.memory[at]

    @regs.write(1)
    def set_data(self, value: int) -> None:
        at = self.state.address
        if at in TIME:
            self._set_time(at, value)
        elif at in (A, B):
            self._set_control(at, value)
        elif at not in (C, D):
            self.state.memory[at] = value
        self._arm()

    def save(self) -> State:
        return copied(self.state)

    def restore(self, state: State) -> None:
        fresh = copied(state)
        fresh.memory[:] = fresh.memory.ljust(MEMORY, b"\0")
        self.state = fresh
        self._arm()

    # -- the time ------------------------------------------------------------------------------------------------
    @property
    def _stands(self) -> bool:
        return bool(self.state.b & B_SET) or self._divider_reset

    @property
    def _divider_reset(self) -> bool:
        return self.state.a & A_DIVIDER_RESET == A_DIVIDER_RESET

    @property
    def _since_ns(self) -> int:
        return max(0, self._clock.now_ns() - self.state.base_ns)

    def _now_seconds(self) -> int:
        passed = 0 if self._stands else self._since_ns // SECOND_NS
        return (self.state.seconds + passed) % RANGE_SECONDS

    @property
    def _updating(self) -> bool:
        return not self._stands and self._since_ns % SECOND_NS >= SECOND_NS - UPDATE_NS

    def _next_second_ns(self) -> int:
        return self.state.base_ns + (self._since_ns // SECOND_NS + 1) * SECOND_NS

    def _say_polled(self, at: int) -> None:
        if self._stands:
            return
        edge = self._next_second_ns()
        if at == A and not self._updating:
            edge -= UPDATE_NS
        self._clock.polled(f"mc146818 {at:#x}", edge)

    def _fields(self) -> dict[int, int]:
        now = EPOCH + timedelta(seconds=self._now_seconds())
        return {SECONDS: now.second, MINUTES: now.minute, HOURS: now.hour, WEEKDAY: now.isoweekday() % 7 + 1,
                DAY: now.day, MONTH: now.month, YEAR: now.year % 100}

    def _shown(self, at: int) -> int:
        value = self._fields()[at]
        if at == HOURS and not self.state.b & B_24:
            afternoon = 0x80 if value >= 12 else 0
            return self._coded(value % 12 or 12) | afternoon
        return self._coded(value)

    def _coded(self, value: int) -> int:
        return value if self.state.b & B_BINARY else value // 10 << 4 | value % 10

    def _decoded(self, at: int, value: int) -> int:
        afternoon = at == HOURS and not self.state.b & B_24 and value & 0x80
        if at == HOURS and not self.state.b & B_24:
            value &= 0x7F
        number = value if self.state.b & B_BINARY else (value >> 4) * 10 + (value & 0xF)
        if at == HOURS and not self.state.b & B_24:
            return number % 12 + (12 if afternoon else 0)
        return number

    def _set_time(self, at: int, value: int) -> None:
        """A field that is out of range carries into the next, so that the time is always one."""
        if at == WEEKDAY:
            return                                          # follows from the date
        fields = self._fields() | {at: self._decoded(at, value)}
        month = max(1, min(12, fields[MONTH]))
        moment = datetime(2000 + fields[YEAR] % 100, month, 1) + timedelta(
            days=fields[DAY] - 1, hours=fields[HOURS], minutes=fields[MINUTES], seconds=fields[SECONDS])
        phase = self._since_ns % SECOND_NS
        self.state.seconds = seconds_of(moment) % RANGE_SECONDS
        self.state.base_ns = max(0, self._clock.now_ns() - phase)

    def _set_control(self, at: int, value: int) -> None:
        """The clock stops where it is; after a reset of the divider the next second comes in half of one."""
        state, stood, was_reset = self.state, self._stands, self._divider_reset
        seconds, phase = self._now_seconds(), self._since_ns % SECOND_NS
        now = self._clock.now_ns()
        if at == A:
            state.a = value & 0x7F
            state.period_ns = now
        else:
            state.b = value & ~B_UIE if value & B_SET else value
            state.period_ns = state.period_ns or now
        state.seconds = seconds
        if was_reset and not self._divider_reset:
            phase = HALF_SECOND_NS
        if not stood or not self._stands:
            state.base_ns = max(0, now - phase)

    # -- interrupts ----------------------------------------------------------------------------------------------
    def _period_length(self) -> int | None:
        """The rate of the periodic flag: 32768 Hz / 2^(rate-1); rates 1 and 2 are those of 8 and 9."""
        rate = self.state.a & 0xF
        if not rate or self._divider_reset:
            return None
        shift = rate + 6 if rate < 3 else rate - 1
        return SECOND_NS * (1 << shift) // 32768

    def _arm(self) -> None:
        """The line, and the alarms of what is enabled."""
        state = self.state
        enabled = state.b & state.c & (C_PF | C_AF | C_UF)
        state.c = state.c & ~C_IRQ | (C_IRQ if enabled else 0)
        self._interrupt(bool(enabled))
        if state.b & (B_AIE | B_UIE) and not self._stands:
            self._second.start(self._next_second_ns())
        else:
            self._second.cancel()
        period = self._period_length()
        if period is not None and state.b & B_PIE:
            passed = max(0, self._clock.now_ns() - state.period_ns) // period
            self._period.start(state.period_ns + (passed + 1) * period)
        else:
            self._period.cancel()

    def _second_passed(self) -> None:
        self.state.c |= C_UF
        if self._alarm_matches():
            self.state.c |= C_AF
        self._arm()

    def _period_passed(self) -> None:
        self.state.c |= C_PF
        self._arm()

    def _alarm_matches(self) -> bool:
        pairs = ((SECONDS, SECONDS_ALARM), (MINUTES, MINUTES_ALARM), (HOURS, HOURS_ALARM))
        return all(self.state.memory[alarm] & ANY == ANY or self.state.memory[alarm] == self._shown(at)
                   for at, alarm in pairs)
