"""An 8254 timer with three counters, and port B, which gates the third.  (Intel 8254 data sheet)

A counter is a formula of virtual time: what was loaded, in which mode, and when.  Nothing counts; an alarm stands at
the next change of OUT of a counter whose OUT somebody watches.
Invariant: ``State`` and the clock together say everything a read answers.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vmm.guest.devices.time import SECOND_NS, Clock
from vmm.guest.devices.window import Window, bits, copied

HERTZ = 1_193_182
LOW, HIGH, BOTH = 1, 2, 3                                   # the read/write field of the control word
READ_BACK = 3                                               # instead of a counter's number
STATUS_OUT, STATUS_NULL = 0x80, 0x40
NS_BITS = 63
PLACES = (1, 10, 100, 1000)                                 # of a BCD count


def ticks_of(ns: int) -> int:
    return ns * HERTZ // SECOND_NS


def ns_of(ticks: int) -> int:
    """The first nanosecond at which so many ticks have passed."""
    return -(-ticks * SECOND_NS // HERTZ)


class Counter:
    @dataclass(slots=True)
    class State:
        control: int = bits(6, reset=BOTH << 4)             # access, mode, BCD
        loaded: int = bits(16)
        running: bool = False                               # a count was loaded (modes 1 and 5: and triggered)
        null: bool = True                                   # none was loaded since the control word
        gate: bool = True
        start_ns: int = bits(NS_BITS)
        held: int = bits(17)                                # ticks that had passed when the gate closed
        low_byte: int = bits(8)                             # written; the high byte has yet to come
        half_written: bool = False
        half_read: bool = False
        latched: bool = False
        latch: int = bits(16)
        status_latched: bool = False
        status_latch: int = bits(8)

    def __init__(self, clock: Clock) -> None:
        self.state = self.State()
        self._clock = clock

    # -- by time -----------------------------------------------------------------------------------------------
    @property
    def mode(self) -> int:
        mode = self.state.control >> 1 & 7
        return mode & 3 if mode > 5 else mode               # 6 and 7 are 2 and 3

    @property
    def _full(self) -> int:
        return 10_000 if self.state.control & 1 else 0x1_0000

    @property
    def _reload(self) -> int:
        loaded = self.state.loaded
        return (_from_bcd(loaded) if self.state.control & 1 else loaded) or self._full

    @property
    def _elapsed(self) -> int:
        if self._stopped:
            return self.state.held
        return ticks_of(max(0, self._clock.now_ns() - self.state.start_ns))

    @property
    def _stopped(self) -> bool:
        return not self.state.gate and self.mode not in (1, 5)

    @property
    def out(self) -> bool:
        state, reload = self.state, self._reload
        if not state.running or self.mode in (2, 3) and not state.gate:
            return self.mode != 0
        elapsed = self._elapsed
        match self.mode:
            case 0 | 1:
                return elapsed >= reload
            case 2:
                return elapsed % reload != reload - 1
            case 3:
                return elapsed % reload < (reload + 1) // 2
            case _:
                return elapsed != reload

    def next_change_ns(self) -> int | None:
        """When OUT will change if nobody does anything."""
        if not self.state.running or self._stopped:
            return None
        elapsed, reload = self._elapsed, self._reload
        match self.mode:
            case 0 | 1:
                marks = [reload]
            case 2 | 3:
                start = elapsed - elapsed % reload
                middle = reload - 1 if self.mode == 2 else (reload + 1) // 2
                marks = [start + middle, start + reload]
            case _:
                marks = [reload, reload + 1]
        mark = next((mark for mark in marks if mark > elapsed), None)
        return None if mark is None else self.state.start_ns + ns_of(mark)

    def next_count_ns(self) -> int | None:
        if not self.state.running or self._stopped:
            return None
        return self.state.start_ns + ns_of(self._elapsed + 1)

    @property
    def count(self) -> int:
        """As a read gives it."""
        if not self.state.running:
            return self.state.loaded
        elapsed, reload = self._elapsed, self._reload
        if self.mode == 2:
            value = reload - elapsed % reload
        elif self.mode == 3:
            half, even = (reload + 1) // 2, reload & ~1
            within = elapsed % reload
            value = even - 2 * (within if within < half else within - half)
        else:
            value = reload - elapsed
        value %= self._full
        return _to_bcd(value) if self.state.control & 1 else value

    # -- by software -------------------------------------------------------------------------------------------
    def control(self, value: int) -> None:
        kept = self.state
        self.state = self.State(control=value & 0x3F, loaded=kept.loaded, gate=kept.gate)

    def latch_count(self) -> None:
        if not self.state.latched:
            self.state.latched, self.state.latch = True, self.count

    def latch_status(self) -> None:
        state = self.state
        if not state.status_latched:
            state.status_latched = True
            state.status_latch = (state.control | (STATUS_OUT if self.out else 0) | (STATUS_NULL if state.null else 0))

    def read(self) -> int:
        state = self.state
        if state.status_latched:
            state.status_latched = False
            return state.status_latch
        value, access = state.latch if state.latched else self.count, state.control >> 4
        high = access == HIGH or access == BOTH and state.half_read
        state.half_read = access == BOTH and not state.half_read
        if not state.half_read:
            state.latched = False
        return value >> 8 if high else value & 0xFF

    def write(self, value: int) -> None:
        state, access = self.state, self.state.control >> 4
        if access == BOTH and not state.half_written:
            state.low_byte, state.half_written = value, True
            if self.mode == 0:
                state.running = False                       # the first byte stops it
            return
        state.half_written = False
        if access == BOTH:
            state.loaded = value << 8 | state.low_byte
        else:
            state.loaded = value << 8 if access == HIGH else value
        state.null = False
        if self.mode not in (1, 5):                         # those wait for the gate
            self._start()

    def set_gate(self, gate: bool) -> None:
        state = self.state
        if gate == state.gate:
            return
        if not gate:
            state.held = min(self._elapsed, 0x1_0000) if state.running else 0
            state.gate = False
            return
        state.gate = True
        if self.mode in (0, 4):
            state.start_ns = max(0, self._clock.now_ns() - ns_of(state.held))
        elif not state.null:
            self._start()

    def _start(self) -> None:
        self.state.running, self.state.held = True, 0
        self.state.start_ns = self._clock.now_ns()


class I8254:
    regs = Window(span=4, width=1)

    @dataclass(slots=True)
    class State:
        counters: tuple[Counter.State, ...]

    def __init__(self, clock: Clock, out0: Callable[[bool], None]) -> None:
        self._clock, self._out0 = clock, out0
        self._alarm = clock.alarm(self._changed)
        self.counters = tuple(Counter(clock) for _ in range(3))

    @regs.read(0, count=3, step=1)
    def counter(self, number: int) -> int:
        counter = self.counters[number]
        edge = None if counter.state.latched or counter.state.status_latched else counter.next_count_ns()
        if edge is not None:
            self._clock.polled(f"i8254 counter {number}", edge)
        return counter.read()

    @regs.write(0, count=3, step=1)
    def load(self, number: int, value: int) -> None:
        self.counters[number].write(value)
        self._changed()

    @regs.write(3)
    def control(self, value: int) -> None:
        select, access = value >> 6, value >> 4 & 3
        if select == READ_BACK:
            for number, counter in enumerate(self.counters):
                if value >> number + 1 & 1:
                    if not value & 0x20:
                        counter.latch_count()
                    if not value & 0x10:
                        counter.latch_status()
        elif not access:
            self.counters[select].latch_count()
        else:
            self.counters[select].control(value)
        self._changed()

    def set_gate(self, number: int, gate: bool) -> None:
        self.counters[number].set_gate(gate)
        self._changed()

    def save(self) -> State:
        return self.State(tuple(copied(counter.state) for counter in self.counters))

    def restore(self, state: State) -> None:
        for counter, saved in zip(self.counters, state.counters, strict=True):
            counter.state = copied(saved)
        self._changed()

    def _changed(self) -> None:
        """OUT of counter 0 is wired to an interrupt."""
        first = self.counters[0]
        self._out0(first.out)
        edge = first.next_change_ns()
        if edge is None:
            self._alarm.cancel()
        else:
            self._alarm.start(edge)


# fmt: off
PORT_GATE2, PORT_SPEAKER, PORT_KEPT = 0x01, 0x02, 0x0F
PORT_REFRESH, PORT_OUT2             = 0x10, 0x20
# fmt: on
REFRESH_NS = 15_085


class PortB:
    """Port 61h: the gate and the output of counter 2, and a bit that toggles with each memory refresh."""
    regs = Window(span=1, width=1)

    @dataclass(slots=True)
    class State:
        kept: int = bits(4)

    def __init__(self, clock: Clock, timer: I8254) -> None:
        self.state = self.State()
        self._clock, self._timer = clock, timer
        timer.set_gate(2, False)

    @regs.read(0)
    def status(self) -> int:
        now = self._clock.now_ns()
        refresh, out2 = now - now % REFRESH_NS + REFRESH_NS, self._timer.counters[2].next_change_ns()
        self._clock.polled("port B", refresh if out2 is None else min(refresh, out2))
        toggle = PORT_REFRESH if self._clock.now_ns() // REFRESH_NS & 1 else 0
        return self.state.kept | toggle | (PORT_OUT2 if self._timer.counters[2].out else 0)

    @regs.write(0)
    def control(self, value: int) -> None:
        self.state.kept = value & PORT_KEPT
        self._timer.set_gate(2, bool(value & PORT_GATE2))

    def save(self) -> State:
        return copied(self.state)

    def restore(self, state: State) -> None:
        self.state = copied(state)


def _from_bcd(value: int) -> int:
    return sum((value >> 4 * place & 0xF) * unit for place, unit in enumerate(PLACES)) % 10_000


def _to_bcd(value: int) -> int:
    return sum(value // unit % 10 << 4 * place for place, unit in enumerate(PLACES))
