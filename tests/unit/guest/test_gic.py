"""The global interrupt controller: sources, masks, maps, edges, the counter and its comparisons."""
from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.board import Time, read, write
from vmm.errors import ConfigError
from vmm.guest.bus import Bus
from vmm.guest.devices.gic import INTERRUPTS, LOCAL, OTHER, SPAN, USER, WEDGE_SET, Gic
from vmm.guest.devices.gic_counter import ONES

VPS = 3
CONFIG, COUNTER, POL, TRIG, DUAL, WEDGE, RMASK, SMASK, MASK, PEND = (
    0x0, 0x10, 0x100, 0x180, 0x200, 0x280, 0x300, 0x380, 0x400, 0x480)
MAP_PIN, MAP_VP = 0x500, 0x2000
LOCAL_PEND, LOCAL_MASK, LOCAL_RMASK, LOCAL_SMASK, COMPARE_MAP, CHOICE, IDENT, COMPARE = (
    0x4, 0x8, 0xC, 0x10, 0x44, 0x80, 0x88, 0xA0)
TO_PIN = 1 << 31
STOP = 1 << 28


class Rig:
    def __init__(self) -> None:
        self.time = Time()
        self.pins: dict[tuple[int, int], bool] = {}
        self.nmis: list[int] = []
        self.resets: list[int] = []
        self.gic = Gic([self.time.clock] * VPS, lambda vp, pin, level: self.pins.update({(vp, pin): level}),
                       self.nmis.append, self.resets.append)

    @property
    def raised(self) -> list[tuple[int, int]]:
        return sorted(place for place, level in self.pins.items() if level)

    def route(self, number: int, vp: int, pin: int) -> None:
        write(self.gic, MAP_PIN + 4 * number, TO_PIN | pin)
        write(self.gic, MAP_VP + 0x20 * number, 1 << vp)
        write(self.gic, SMASK + number // 32 * 4, 1 << number % 32)

    def compare(self, value: int, vp: int = 0) -> None:
        self.gic.master = vp
        write(self.gic, LOCAL + COMPARE, value & 0xFFFF_FFFF)
        write(self.gic, LOCAL + COMPARE + 4, value >> 32)


def test_what_it_says_of_itself() -> None:
    rig = Rig()
    assert read(rig.gic, CONFIG) == 8 << 24 | (INTERRUPTS // 8 - 1) << 16 | VPS
    for vp in range(VPS):
        rig.gic.master = vp
        assert read(rig.gic, LOCAL + IDENT) == vp
        assert read(rig.gic, LOCAL + LOCAL_MASK) == 0x32


@pytest.mark.parametrize("number", [0, 31, 32, 255])
def test_a_level_reaches_the_pin_of_the_vp_it_is_mapped_to(number: int) -> None:
    rig = Rig()
    rig.route(number, vp=2, pin=4)
    rig.gic.set_line(number, True)
    assert rig.raised == [(2, 4)] and read(rig.gic, PEND + number // 32 * 4) == 1 << number % 32
    write(rig.gic, RMASK + number // 32 * 4, 1 << number % 32)
    assert rig.raised == [] and read(rig.gic, MASK + number // 32 * 4) == 0
    write(rig.gic, SMASK + number // 32 * 4, 1 << number % 32)
    assert rig.raised == [(2, 4)]
    rig.route(number, vp=0, pin=1)
    assert rig.raised == [(0, 1)]
    rig.gic.set_line(number, False)
    assert rig.raised == []


def test_a_pin_is_up_while_any_source_is() -> None:
    rig = Rig()
    for number in (1, 100):
        rig.route(number, vp=1, pin=0)
        rig.gic.set_line(number, True)
    rig.gic.set_line(1, False)
    assert rig.raised == [(1, 0)]
    rig.gic.set_line(100, False)
    assert rig.raised == []


def test_an_interrupt_of_no_vp_or_no_pin_reaches_nobody() -> None:
    rig = Rig()
    rig.gic.set_line(7, True)
    write(rig.gic, SMASK, 1 << 7)
    assert rig.raised == []
    rig.route(7, vp=VPS, pin=0)
    assert rig.raised == []
    rig.route(7, vp=0, pin=0)
    write(rig.gic, MAP_PIN + 4 * 7, 0)
    assert rig.raised == []


def test_polarity_of_levels() -> None:
    rig = Rig()
    rig.route(9, vp=0, pin=0)
    write(rig.gic, POL, 0xFFFF_FFFF & ~(1 << 9))
    assert rig.raised == [(0, 0)] and read(rig.gic, POL) == 0xFFFF_FDFF
    rig.gic.set_line(9, True)
    assert rig.raised == []


@pytest.mark.parametrize(("rising", "dual", "expected"), [(1, 0, [1, 0]), (0, 0, [0, 1]), (1, 1, [1, 1]), (0, 1, [1, 1])])
def test_edges_stay_until_they_are_cleared(rising: int, dual: int, expected: list[int]) -> None:
    rig = Rig()
    rig.route(5, vp=0, pin=3)
    for offset, value in ((POL, rising << 5), (TRIG, 1 << 5), (DUAL, dual << 5)):
        write(rig.gic, offset, value)
    found = []
    for level in (True, False):
        rig.gic.set_line(5, level)
        found.append(int(rig.raised == [(0, 3)]))
        write(rig.gic, WEDGE, 5)
        assert rig.raised == []
    assert found == expected


def test_software_interrupts_any_vp_by_an_edge() -> None:
    rig = Rig()
    write(rig.gic, TRIG + 4, 0xFF << 8)
    for vp in range(VPS):
        rig.route(40 + vp, vp, pin=1)
    write(rig.gic, WEDGE, WEDGE_SET | 42)
    write(rig.gic, WEDGE, WEDGE_SET | 41)
    assert rig.raised == [(1, 1), (2, 1)]
    write(rig.gic, WEDGE, 42)
    assert rig.raised == [(1, 1)]
    write(rig.gic, TRIG + 4, 0)                             # an edge is nothing to a level
    assert rig.raised == []


# -- the counter -------------------------------------------------------------------------------------------------------
def test_the_counter_counts_stops_and_is_set() -> None:
    rig = Rig()
    rig.time.pass_by(1000)
    assert read(rig.gic, COUNTER) == read(rig.gic, USER) == 100
    write(rig.gic, COUNTER, 7)                              # it runs: no effect
    write(rig.gic, CONFIG, STOP)
    rig.time.pass_by(1000)
    assert read(rig.gic, COUNTER) == 100 and read(rig.gic, CONFIG) & STOP
    write(rig.gic, COUNTER, 0xFFFF_FFFF)
    write(rig.gic, COUNTER + 4, 1)
    write(rig.gic, CONFIG, 0)
    rig.time.pass_by(10)
    assert (read(rig.gic, COUNTER), read(rig.gic, COUNTER + 4), read(rig.gic, USER + 4)) == (0, 2, 2)
    assert not rig.gic.regs.store(rig.gic, USER, 1)


def test_the_counter_never_goes_back() -> None:
    """A VP whose turn is later asks at an earlier moment."""
    ahead, behind = Time(), Time()
    gic = Gic([ahead.clock, behind.clock], lambda *_: None)
    ahead.to(5000)
    assert read(gic, COUNTER) == 500
    gic.master = 1
    behind.to(1000)
    assert read(gic, COUNTER) == 500
    behind.to(6000)
    assert read(gic, COUNTER) == 600


def test_a_comparison_comes_by_the_vps_own_time() -> None:
    clocks, pins = [Time(), Time()], []
    gic = Gic([time.clock for time in clocks], lambda *place: pins.append(place))
    gic.master = 1
    for at, value in ((COMPARE, 50), (COMPARE + 4, 0)):
        write(gic, LOCAL + at, value)
    clocks[0].to(10_000)
    assert pins == []
    clocks[1].to(499)
    assert pins == []
    clocks[1].to(500)
    assert pins == [(1, 0, True)] and read(gic, LOCAL + LOCAL_PEND) == 2


def test_a_comparison_is_pending_until_the_next_is_set() -> None:
    rig = Rig()
    write(rig.gic, LOCAL + COMPARE_MAP, TO_PIN | 2)
    rig.compare(100)
    rig.time.to(1000)
    assert rig.raised == [(0, 2)]
    write(rig.gic, LOCAL + LOCAL_RMASK, 2)
    assert rig.raised == [] and read(rig.gic, LOCAL + LOCAL_PEND) == 2
    write(rig.gic, LOCAL + LOCAL_SMASK, 2)
    assert rig.raised == [(0, 2)]
    rig.compare(300)
    assert rig.raised == []
    rig.time.to(2990)
    assert rig.raised == []
    rig.time.to(3000)
    assert rig.raised == [(0, 2)]


def test_no_comparison_comes_while_the_counter_stands() -> None:
    rig = Rig()
    rig.compare(100)
    write(rig.gic, CONFIG, STOP)
    rig.time.to(5000)
    assert rig.raised == []
    write(rig.gic, CONFIG, 0)
    rig.time.to(5990)
    assert rig.raised == []
    rig.time.to(6000)
    assert rig.raised == [(0, 0)]


def test_the_other_section_is_the_vp_that_was_chosen() -> None:
    rig = Rig()
    rig.gic.master = 1
    write(rig.gic, LOCAL + CHOICE, 2)
    assert read(rig.gic, OTHER + IDENT) == 2
    write(rig.gic, OTHER + COMPARE_MAP, TO_PIN | 5)
    rig.gic.master = 2
    assert read(rig.gic, LOCAL + COMPARE_MAP) == TO_PIN | 5
    rig.gic.master = 1
    write(rig.gic, LOCAL + CHOICE, VPS)                     # is not there
    write(rig.gic, OTHER + COMPARE_MAP, 7)
    assert read(rig.gic, OTHER + COMPARE_MAP) == 0


@pytest.mark.parametrize("big_endian", [False, True], ids=["little", "big"])
def test_two_registers_are_one_of_64_bits_in_either_byte_order(big_endian: bool) -> None:
    rig = Rig()
    bus = Bus(big_endian)
    bus.attach(0, rig.gic)
    bus.store(SMASK + 8, 8, 1 << 40 | 3)
    assert rig.gic.state.mask == (1 << 40 | 3) << 64
    assert bus.load(MASK + 8, 8) == 1 << 40 | 3
    assert (bus.load(MASK + 8, 4), bus.load(MASK + 12, 4)) == (3, 1 << 8)
    bus.store(LOCAL + COMPARE, 8, 0x1_0000_0002)
    assert bus.load(LOCAL + COMPARE, 8) == 0x1_0000_0002


# -- whatever software does --------------------------------------------------------------------------------------------
OFFSETS = sorted({register.offset for register in Gic.regs})
operations = st.lists(st.tuples(st.sampled_from("rrwwwtlv"), st.integers(0, len(OFFSETS) - 1), st.integers(0, 0xFFFF_FFFF)),
                      max_size=80)


def play(rig: Rig, steps: list[tuple[str, int, int]]) -> list[Any]:
    seen: list[Any] = []
    for kind, index, value in steps:
        offset = OFFSETS[index] if index % 2 else OFFSETS[index % 128]      # more often the first, where most happens
        if kind == "r":
            seen.append(rig.gic.regs.load(rig.gic, offset))
        elif kind == "w":
            rig.gic.regs.store(rig.gic, offset, value)
        elif kind == "t":
            rig.time.pass_by(value & 0xFFFF)
        elif kind == "l":
            rig.gic.set_line(index % INTERRUPTS, bool(value & 1))
        else:
            rig.gic.master = value % VPS
        seen.append(rig.raised)
    return seen


@settings(max_examples=60, deadline=None)
@given(operations, operations)
def test_random_accesses_and_a_snapshot(before: list[tuple[str, int, int]], after: list[tuple[str, int, int]]) -> None:
    one, other = Rig(), Rig()
    play(one, before)
    other.time.to(one.time.now)
    other.gic.counter.restore(one.gic.counter.save())
    other.gic.watchdogs.restore(one.gic.watchdogs.save())
    other.gic.restore(one.gic.save())
    other.gic.master = one.gic.master
    assert play(one, after) == play(other, after)


@settings(max_examples=40, deadline=None)
@given(operations)
def test_pins_are_what_the_registers_say(steps: list[tuple[str, int, int]]) -> None:
    """After any accesses, each pin is the OR of what is pending, unmasked and mapped to it, by a second reading."""
    rig = Rig()
    play(rig, steps)
    gic, state = rig.gic, rig.gic.state
    expected = set()
    for number in range(INTERRUPTS):
        pending = gic.pending >> number & state.mask >> number & 1
        owners = [vp for vp in range(64) if state.vps[number] >> vp & 1]
        if pending and owners and owners[0] < VPS and state.pins[number] & TO_PIN and state.pins[number] & 63 < 6:
            expected.add((owners[0], state.pins[number] & 63))
    for vp in range(VPS):
        target = state.local_maps[7 * vp + 1]
        if state.local_pend[vp] & state.local_mask[vp] & 2 and target & TO_PIN and target & 63 < 6:
            expected.add((vp, target & 63))
    assert set(rig.raised) == expected


def test_a_damaged_snapshot_is_refused() -> None:
    gic = Rig().gic
    state = gic.counter.save()
    state.compare[0] = ONES + 1
    with pytest.raises(ConfigError, match=r"snapshot: Counter\.State\.compare"):
        gic.counter.restore(state)
    short = Rig().gic.save()
    short.vps.pop()
    with pytest.raises(ConfigError, match=r"snapshot: Gic\.State\.vps"):
        gic.restore(short)
    assert SPAN == 0x2_0000


# -- NMI ---------------------------------------------------------------------------------------------------------------
TO_NMI = 1 << 30


def test_a_shared_interrupt_that_is_mapped_to_nmi_comes_once_each_time_it_comes() -> None:
    rig = Rig()
    rig.route(7, vp=1, pin=3)
    write(rig.gic, MAP_PIN + 4 * 7, TO_NMI)
    for _ in range(2):
        rig.gic.set_line(7, True)
        rig.gic.set_line(9, True)                           # another one changes nothing
        rig.gic.set_line(7, False)
        rig.gic.set_line(9, False)
    assert rig.nmis == [1, 1] and not rig.raised


# -- watchdogs ---------------------------------------------------------------------------------------------------------
WD_MAP, WD_CONFIG, WD_COUNT, WD_INITIAL = 0x40, 0x90, 0x94, 0x98
WD_START, ONCE, TWICE, AGAIN, WD_INTR, WD_RESET = 1, 0 << 1, 1 << 1, 2 << 1, 1 << 6, 1 << 7


class Dog(Rig):
    """The watchdog of VP 1, on pin 2; 100 counts of 10 ns."""

    def __init__(self, kind: int) -> None:
        super().__init__()
        self.kind = kind
        self.gic.master = 1
        write(self.gic, LOCAL + WD_MAP, TO_PIN | 2)
        write(self.gic, LOCAL + LOCAL_SMASK, 1)
        write(self.gic, LOCAL + WD_INITIAL, 100)
        self.start()

    def start(self, also: int = 0) -> None:
        write(self.gic, LOCAL + WD_CONFIG, self.kind | WD_START | also)

    @property
    def config(self) -> int:
        return read(self.gic, LOCAL + WD_CONFIG)

    @property
    def left(self) -> int:
        return read(self.gic, LOCAL + WD_COUNT)


def test_a_watchdog_counts_down_and_interrupts_once() -> None:
    dog = Dog(ONCE)
    dog.time.pass_by(990)
    assert dog.left == 1 and not dog.raised
    dog.time.pass_by(10)
    assert dog.left == 0 and dog.raised == [(1, 2)] and read(dog.gic, LOCAL + LOCAL_PEND) & 1
    dog.time.pass_by(10_000)
    assert dog.config == WD_START | WD_INTR and not dog.resets
    write(dog.gic, LOCAL + WD_CONFIG, WD_INTR)              # cleared, and stopped
    assert dog.config == 0 and not dog.raised


def test_a_watchdog_that_is_fed_in_time_is_quiet_and_one_that_is_stopped_keeps_its_count() -> None:
    dog = Dog(TWICE)
    for _ in range(20):
        dog.time.pass_by(900)
        assert dog.left == 10
        dog.start()
    assert not dog.raised and not dog.resets
    dog.time.pass_by(400)
    write(dog.gic, LOCAL + WD_CONFIG, TWICE)
    dog.time.pass_by(5000)
    assert dog.left == 60 and not dog.raised


def test_the_second_time_resets_the_machine_unless_it_was_fed_between() -> None:
    dog = Dog(TWICE)
    dog.time.pass_by(1000)
    assert dog.raised == [(1, 2)] and not dog.resets
    dog.start(WD_INTR)
    dog.time.pass_by(1000)
    assert not dog.resets
    dog.time.pass_by(1000)
    assert dog.resets == [1] and dog.config & WD_RESET


def test_a_periodic_watchdog_goes_on_and_can_come_as_nmi() -> None:
    dog = Dog(AGAIN)
    write(dog.gic, LOCAL + WD_MAP, TO_NMI)
    for time in range(1, 4):
        dog.time.pass_by(1000)
        assert dog.nmis == [1] * time and not dog.raised
        write(dog.gic, LOCAL + WD_CONFIG, dog.config & ~WD_START | WD_START)  # clears WDINTR, as it is written back
    assert not dog.resets


@pytest.mark.parametrize(("begins", "comes", "acknowledged"), [
    (0x31, 0x71, 0x31),     # Linux's clock event device: one shot, goes on in WAIT and debug mode; writes back what it read
    (0x35, 0x75, 0x35),     # the same, periodic
    (0x23, 0x63, 0x22),     # the GRX500's watchdog: a second countdown resets, goes on in WAIT; is stopped first
])
def test_the_words_that_drivers_write(begins: int, comes: int, acknowledged: int) -> None:
    dog = Dog(ONCE)
    write(dog.gic, LOCAL + WD_CONFIG, WD_INTR)
    write(dog.gic, LOCAL + WD_CONFIG, begins)
    dog.time.pass_by(1000)
    assert dog.config == comes and dog.raised == [(1, 2)]
    write(dog.gic, LOCAL + WD_CONFIG, acknowledged | WD_INTR)
    assert dog.config == acknowledged and not dog.raised
    dog.time.pass_by(999)
    assert not dog.raised and not dog.resets


def test_a_watchdog_goes_on_in_a_restored_gic() -> None:
    dog, other = Dog(ONCE), Dog(ONCE)
    dog.time.pass_by(300)
    other.time.pass_by(300)
    other.gic.restore(dog.gic.save())
    other.gic.watchdogs.restore(dog.gic.watchdogs.save())
    other.time.pass_by(700)
    assert other.raised == [(1, 2)]
