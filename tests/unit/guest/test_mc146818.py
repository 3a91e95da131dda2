"""The real-time clock."""
from __future__ import annotations

import pytest

from tests.support.board import SWITCHED_ON, Time, read, write
from vmm.guest.devices.mc146818 import UPDATE_NS, Mc146818

SECOND = 1_000_000_000


class Clock:
    def __init__(self) -> None:
        self.time = Time()
        self.line = False
        self.raised: list[int] = []
        self.rtc = Mc146818(self.time.clock, self._set, SWITCHED_ON)

    def _set(self, level: bool) -> None:
        if level and not self.line:
            self.raised.append(self.time.now)
        self.line = level

    def __getitem__(self, at: int) -> int:
        write(self.rtc, 0, at)
        return read(self.rtc, 1)

    def __setitem__(self, at: int, value: int) -> None:
        write(self.rtc, 0, at)
        write(self.rtc, 1, value)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_it_shows_when_the_machine_was_switched_on(clock: Clock) -> None:
    assert [clock[at] for at in (9, 8, 7, 6, 4, 2, 0, 0x32)] == [0x23, 0x06, 0x10, 7, 0x12, 0x34, 0x56, 0x20]
    assert (clock[0xA], clock[0xB], clock[0xC], clock[0xD]) == (0x26, 0x02, 0, 0x80)


def test_seconds_go_by(clock: Clock) -> None:
    clock.time.to(4 * SECOND - 1)
    assert clock[0] == 0x59
    clock.time.to(4 * SECOND)
    assert (clock[2], clock[0]) == (0x35, 0x00)


def test_binary_and_twelve_hours(clock: Clock) -> None:
    clock[0xB] = 0x04
    assert (clock[4], clock[2], clock[0]) == (0x8C, 34, 56)
    clock[4] = 0x81
    clock[0xB] = 0x02
    assert clock[4] == 0x13


def test_setting_the_time(clock: Clock) -> None:
    clock[0xB] = 0x82
    for at, value in ((9, 0x24), (8, 0x02), (7, 0x29), (4, 0x23), (2, 0x59), (0, 0x59)):
        clock[at] = value
    clock.time.pass_by(10 * SECOND)
    assert clock[0] == 0x59                                 # it stands
    clock[0xB] = 0x02
    clock.time.pass_by(SECOND)
    assert [clock[at] for at in (9, 8, 7, 6, 4, 2, 0)] == [0x24, 0x03, 0x01, 6, 0, 0, 0]


def test_the_next_second_comes_half_a_second_after_the_divider_starts(clock: Clock) -> None:
    clock[0xA] = 0x76
    clock.time.to(7 * SECOND)
    assert clock[0] == 0x56 and clock[0xA] == 0x76
    clock[0xA] = 0x26
    clock.time.to(7 * SECOND + SECOND // 2 - 1)
    assert clock[0] == 0x56
    clock.time.to(7 * SECOND + SECOND // 2)
    assert clock[0] == 0x57


def test_update_in_progress_and_the_rule_of_polling(clock: Clock) -> None:
    """A kernel waits for the bit to rise and to fall: tens of reads instead of millions."""
    reads = 0
    for wanted, moment in ((0x80, SECOND - UPDATE_NS), (0, SECOND), (0x80, 2 * SECOND - UPDATE_NS), (0, 2 * SECOND)):
        while clock[0xA] & 0x80 != wanted:
            reads += 1
            clock.time.pass_by(1000)
            assert reads < 100
        assert 0 <= clock.time.now - moment <= 2000
    assert clock[0] == 0x58


def test_slow_readers_do_not_move_time(clock: Clock) -> None:
    for _ in range(100):
        clock[0xA]
        clock.time.pass_by(60_000)
    assert clock.time.now == 6_000_000


def test_the_update_interrupt_and_its_acknowledgement(clock: Clock) -> None:
    clock.time.to(SECOND // 4)
    assert clock.time.timers.next_ns() is None              # nothing ticks while nobody wants it
    clock[0xB] = 0x12
    clock.time.to(SECOND * 3 // 2)
    assert clock.raised == [SECOND] and clock.line
    assert clock[0xC] == 0x90 and not clock.line and clock[0xC] == 0
    clock.time.to(SECOND * 5 // 2)
    assert clock.raised == [SECOND, 2 * SECOND]


def test_the_periodic_interrupt(clock: Clock) -> None:
    clock[0xB] = 0x42
    for _ in range(4):
        clock.time.pass_by(976_563)
        assert clock.line and clock[0xC] == 0xC0
    assert len(clock.raised) == 4


def test_the_alarm(clock: Clock) -> None:
    clock[1], clock[3], clock[5] = 0x05, 0x35, 0xFF
    clock[0xB] = 0x22
    clock.time.to(60 * SECOND)
    assert clock.raised == [9 * SECOND] and clock[0xC] & 0x20


def test_memory_and_snapshots(clock: Clock) -> None:
    clock[0x40] = 0xA5
    clock[0xB] = 0x12
    other = Clock()
    other.rtc.restore(clock.rtc.save())
    clock[0x40] = 0
    assert other[0x40] == 0xA5
    other.time.to(SECOND)
    assert other.raised == [SECOND]


@pytest.mark.parametrize("value", [0x00, 0x7F, 0xFF, 0xAA])
def test_nonsense_is_some_time(clock: Clock, value: int) -> None:
    for at in range(10):
        clock[at] = value
    clock.time.pass_by(SECOND)
    assert all(0 <= clock[at] <= 0x99 for at in (0, 2, 4, 6, 7, 8, 9))
