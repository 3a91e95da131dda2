"""The timer: counts and outputs as formulas of virtual time."""
from __future__ import annotations

import pytest

from tests.support.board import Time, read, write
from vmm.guest.devices.i8254 import HERTZ, I8254, PortB, ns_of, ticks_of


class Board:
    def __init__(self) -> None:
        self.time = Time()
        self.edges: list[int] = []
        self.out0 = True
        self.timer = I8254(self.time.clock, self._out)
        self.port = PortB(self.time.clock, self.timer)

    def _out(self, level: bool) -> None:
        if level and not self.out0:
            self.edges.append(ticks_of(self.time.now))
        self.out0 = level

    def load(self, number: int, mode: int, count: int, bcd: int = 0) -> None:
        write(self.timer, 3, number << 6 | 0x30 | mode << 1 | bcd)
        write(self.timer, number, count & 0xFF)
        write(self.timer, number, count >> 8)

    def count(self, number: int = 0) -> int:
        write(self.timer, 3, number << 6)
        return read(self.timer, number) | read(self.timer, number) << 8

    def ticks(self, ticks: int) -> None:
        self.time.to(ns_of(ticks))


def test_nanoseconds_and_ticks_agree() -> None:
    assert all(ticks_of(ns_of(tick)) == tick for tick in (0, 1, 2, 1000, HERTZ, 10 ** 12 + 7))


def test_mode_0_counts_down_and_raises_its_output_once() -> None:
    board = Board()
    board.load(0, 0, 1000)
    assert not board.out0
    board.ticks(400)
    assert board.count() == 600
    board.ticks(5000)
    assert board.edges == [1000] and board.count() == (1000 - 5000) % 0x10000
    assert board.time.timers.next_ns() is None              # nothing is left to wait for


@pytest.mark.parametrize("mode", [2, 3])
def test_periodic_modes_tick_at_their_rate(mode: int) -> None:
    board = Board()
    board.load(0, mode, 100)
    board.ticks(350)
    assert board.edges == [0, 100, 200, 300]                # the control word raises OUT, too


def test_mode_3_counts_by_two() -> None:
    board = Board()
    board.load(0, 3, 100)
    board.ticks(10)
    assert board.count() == 80
    board.ticks(60)
    assert board.count() == 80


def test_zero_is_the_longest_count() -> None:
    board = Board()
    board.load(0, 2, 0)
    board.ticks(1)
    assert board.count() == 0xFFFF
    board.load(0, 2, 0, bcd=1)
    board.time.pass_by(ns_of(2))
    assert board.count() in (0x9998, 0x9997)


def test_a_latched_count_stays() -> None:
    board = Board()
    board.load(0, 2, 1000)
    board.ticks(1)
    write(board.timer, 3, 0)
    board.ticks(500)
    assert read(board.timer, 0) | read(board.timer, 0) << 8 == 999
    assert board.count() == 500


def test_read_back_shows_status() -> None:
    board = Board()
    write(board.timer, 3, 0x34)
    write(board.timer, 3, 0xE2)
    assert read(board.timer, 0) & 0x7F == 0x74              # null count, both bytes, mode 2
    board.load(0, 2, 10)
    write(board.timer, 3, 0xE2)
    assert read(board.timer, 0) == 0xB4


def test_port_b_gates_counter_2() -> None:
    board = Board()
    board.load(2, 0, 100)
    board.ticks(1000)
    assert not read(board.port, 0) & 0x20 and board.count(2) == 100
    write(board.port, 0, 1)
    board.time.pass_by(ns_of(50))
    assert board.count(2) == 50
    write(board.port, 0, 0)
    board.ticks(2000)
    assert board.count(2) == 50
    write(board.port, 0, 1)
    board.ticks(2052)
    assert read(board.port, 0) & 0x20


def test_a_guest_that_waits_for_the_refresh_bit_gets_there() -> None:
    board = Board()
    first = read(board.port, 0) & 0x10
    reads = 0
    while read(board.port, 0) & 0x10 == first:
        reads += 1
        assert reads < 100
    assert board.time.now == 15_085


def test_a_snapshot_goes_on_from_where_it_was() -> None:
    board, other = Board(), Board()
    board.load(0, 2, 1000)
    board.ticks(1500)
    other.time.now = board.time.now
    other.timer.restore(board.timer.save())
    assert other.count() == board.count()
    other.edges.clear()
    other.ticks(2001)
    assert other.edges == [2000]
