"""The pair of interrupt controllers as a kernel programs it."""
from __future__ import annotations

import pytest

from tests.support.board import read, write
from vmm.guest.devices.i8259 import I8259, TriggerModes


class Pair:
    def __init__(self) -> None:
        self.out = False
        self.second = I8259(lambda level: self.first.set_line(2, level))
        self.first = I8259(self._set, {2: self.second.acknowledge})
        self.modes = TriggerModes(self.first, self.second)

    def _set(self, level: bool) -> None:
        self.out = level

    def start(self, icw4: int = 1) -> None:
        for chip, base, wiring in ((self.first, 0x20, 4), (self.second, 0x28, 2)):
            write(chip, 0, 0x11)
            for word in (base, wiring, icw4, 0):
                write(chip, 1, word)

    def line(self, irq: int, level: bool = True) -> None:
        (self.second if irq & 8 else self.first).set_line(irq & 7, level)

    def end(self, irq: int) -> None:
        if irq & 8:
            write(self.second, 0, 0x60 | irq & 7)
            irq = 2
        write(self.first, 0, 0x60 | irq)


@pytest.fixture
def pair() -> Pair:
    pair = Pair()
    pair.start()
    return pair


@pytest.mark.parametrize("irq", [0, 1, 4, 7, 8, 12, 15])
def test_a_request_gives_its_vector_once(pair: Pair, irq: int) -> None:
    pair.line(irq)
    assert pair.out and pair.first.acknowledge() == 0x20 + irq and not pair.out
    pair.end(irq)
    assert not pair.out                                     # edge-triggered: it is still up, and asks no more
    pair.line(irq, False)
    pair.line(irq)
    assert pair.out


def test_a_lower_request_waits_for_the_end(pair: Pair) -> None:
    pair.line(3)
    assert pair.first.acknowledge() == 0x23
    pair.line(4)
    assert not pair.out
    pair.line(1)
    assert pair.out and pair.first.acknowledge() == 0x21
    pair.end(1)
    assert not pair.out
    pair.end(3)
    assert pair.out and pair.first.acknowledge() == 0x24


def test_masked_requests_are_remembered(pair: Pair) -> None:
    write(pair.first, 1, 0x10)
    pair.line(4)
    assert not pair.out and read(pair.first, 0) == 0x10
    write(pair.first, 1, 0)
    assert pair.out and pair.first.acknowledge() == 0x24


def test_level_triggered_inputs_ask_while_they_are_up(pair: Pair) -> None:
    write(pair.modes, 1, 0x0C)                              # 10 and 11
    assert read(pair.modes, 1) == 0x0C and read(pair.modes, 0) == 0
    pair.line(10)
    assert pair.first.acknowledge() == 0x2A
    pair.end(10)
    assert pair.out and pair.first.acknowledge() == 0x2A
    pair.line(10, False)
    pair.end(10)
    assert not pair.out


def test_a_request_that_goes_away_is_spurious(pair: Pair) -> None:
    write(pair.modes, 0, 0x20)
    pair.line(5)
    pair.line(5, False)
    assert not pair.out and pair.first.acknowledge() == 0x27
    write(pair.first, 0, 0x0B)
    assert read(pair.first, 0) == 0                         # and nothing is in service


def test_poll(pair: Pair) -> None:
    for chip, expected in ((pair.first, 0x82), (pair.second, 0x84)):
        if chip is pair.first:
            pair.line(12)
        write(chip, 0, 0x0C)
        assert read(chip, 0) == expected
    write(pair.first, 0, 0x0C)
    assert read(pair.first, 0) == 0
    write(pair.first, 0, 0x0B)
    assert read(pair.first, 0) == 4                         # in service


def test_rotation_makes_the_served_input_last(pair: Pair) -> None:
    pair.line(1)
    pair.first.acknowledge()
    write(pair.first, 0, 0xA0)                              # rotate on non-specific EOI
    pair.line(1, False)
    for irq in (0, 1, 3):
        pair.line(irq)
    assert [pair.first.acknowledge() for _ in range(1)] == [0x23]
    write(pair.first, 0, 0x20)
    assert pair.first.acknowledge() == 0x20


def test_automatic_end(pair: Pair) -> None:
    pair.start(icw4=3)
    pair.line(3)
    pair.first.acknowledge()
    pair.line(6)
    assert pair.out and pair.first.acknowledge() == 0x26


def test_special_mask_mode_lets_lower_requests_in(pair: Pair) -> None:
    pair.line(1)
    pair.first.acknowledge()
    pair.line(6)
    write(pair.first, 1, 0x02)
    assert not pair.out
    write(pair.first, 0, 0x68)
    assert pair.out
    write(pair.first, 0, 0x48)
    assert not pair.out


def test_a_snapshot_keeps_what_waits(pair: Pair) -> None:
    pair.line(4)
    saved = pair.first.save()
    other = Pair()
    other.first.restore(saved)
    assert other.out and other.first.acknowledge() == 0x24 and pair.out
