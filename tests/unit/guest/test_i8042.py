"""The keyboard controller as a driver probes it, and what is plugged into it."""
from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.board import read, write
from vmm.guest.devices.i8042 import I8042, CommandPort
from vmm.guest.devices.ps2 import Keyboard, Mouse

FULL, FROM_MOUSE = 0x01, 0x20


class Rig:
    def __init__(self) -> None:
        self.lines = {1: False, 12: False}
        self.edges: list[int] = []
        self.data = I8042(Keyboard(), Mouse(), lambda level: self._set(1, level), lambda level: self._set(12, level))
        self.port = CommandPort(self.data)

    def _set(self, line: int, level: bool) -> None:
        if level and not self.lines[line]:
            self.edges.append(line)
        self.lines[line] = level

    def command(self, command: int, *data: int) -> int | None:
        """With the answer, if one comes."""
        write(self.port, 0, command)
        for byte in data:
            write(self.data, 0, byte)
        return self.answer()

    def answer(self) -> int | None:
        return read(self.data, 0) if read(self.port, 0) & FULL else None

    def answers(self) -> bytes:
        found = bytearray()
        while (byte := self.answer()) is not None:
            found.append(byte)
        return bytes(found)

    def ask(self, *data: int, mouse: bool = False) -> bytes:
        found = b""
        for byte in data:
            if mouse:
                write(self.port, 0, 0xD4)
            write(self.data, 0, byte)
            found += self.answers()
        return found


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_a_driver_s_probe_of_the_controller(rig: Rig) -> None:
    assert rig.answer() is None
    assert rig.command(0xAA) == 0x55                        # self test
    mode = rig.command(0x20)
    assert mode == 0x07                                     # both interrupts, system
    rig.command(0x60, mode & ~3 | 0x30)
    assert rig.command(0x20) == 0x34 and rig.edges == [1, 1]        # none but those of the first two answers
    assert rig.command(0xD3, 0x5A) == 0x5A                  # the mouse port's loop
    rig.command(0xA7)
    assert (rig.command(0x20) or 0) & 0x20
    rig.command(0xA8)
    assert not (rig.command(0x20) or 0) & 0x20
    assert rig.command(0xA9) == rig.command(0xAB) == 0


def test_the_loop_interrupts_as_a_mouse_does(rig: Rig) -> None:
    rig.command(0x60, 0x02)
    write(rig.port, 0, 0xD3)
    write(rig.data, 0, 0xA5)
    assert rig.lines == {1: False, 12: True} and read(rig.port, 0) & FROM_MOUSE
    assert read(rig.data, 0) == 0xA5 and not rig.lines[12]


def test_bytes_wait_their_turn_and_each_is_an_edge(rig: Rig) -> None:
    write(rig.data, 0, 0xF2)
    write(rig.port, 0, 0xD4)
    write(rig.data, 0, 0xF4)
    assert [read(rig.data, 0) for _ in range(4)] == [0xFA, 0xAB, 0x83, 0xFA]
    assert rig.edges == [1, 1, 1, 12] and rig.answer() is None


def test_a_port_that_is_off_keeps_its_bytes(rig: Rig) -> None:
    rig.command(0xAD)
    rig.data._keyboard.take(0xEE)
    write(rig.data, 0, 0xEE)                                # to speak to it turns it on again
    assert rig.answers() == b"\xee"
    write(rig.data, 0, 0xF2)
    assert rig.answer() == 0xFA
    write(rig.port, 0, 0xAD)
    assert read(rig.data, 0) == 0xAB and rig.answer() is None       # that one was in the output
    write(rig.port, 0, 0xAE)
    assert rig.answers() == b"\x83"


def test_translation(rig: Rig) -> None:
    assert rig.ask(0xF2) == b"\xfa\xab\x83"
    rig.command(0x60, 0x47)
    assert rig.ask(0xF2) == b"\xfa\xab\x41"


@pytest.mark.parametrize(("data", "found"), [
    ([0xFF], "fa aa"), ([0xF2], "fa ab 83"), ([0xED, 0x07], "fa fa"), ([0xF3, 0x00], "fa fa"), ([0xF4], "fa"),
    ([0xF0, 0x00], "fa fa 02"), ([0xF0, 0x03, 0xF0, 0x00], "fa fa fa fa 03"), ([0xF0, 0x07], "fa fe"),
    ([0xEE], "ee"), ([0xF9], "fa"), ([0xED, 0xF4], "fa fa"), ([0x12], "fe"),
])
def test_keyboard(rig: Rig, data: list[int], found: str) -> None:
    assert rig.ask(*data).hex(" ") == found


@pytest.mark.parametrize(("data", "found"), [
    ([0xFF], "fa aa 00"), ([0xF2], "fa 00"), ([0xE8, 0x03, 0xE9], "fa fa fa 00 03 64"), ([0xE8, 0x04], "fa fe"),
    ([0xF3, 0xC8, 0xE7, 0xF4, 0xE9], "fa fa fa fa fa 30 02 c8"), ([0xEB], "fa 08 00 00"), ([0xF0, 0xE9], "fa fa 40 02 64"),
    ([0xEE, 0x12, 0xEC, 0x12], "fa 12 fa fe"), ([0xE6, 0xF6], "fa fa"),
])
def test_mouse(rig: Rig, data: list[int], found: str) -> None:
    assert rig.ask(*data, mouse=True).hex(" ") == found


@pytest.mark.parametrize(("command", "data", "found"), [
    (0xA4, (), 0xF1), (0xC0, (), 0x80), (0xD0, (), 0xC3), (0xD1, (0x00,), None), (0xD2, (0x1C,), 0x1C), (0xFE, (), None)])
def test_other_commands(rig: Rig, command: int, data: tuple[int, ...], found: int | None) -> None:
    assert rig.command(command, *data) == found


accesses = st.lists(st.tuples(st.sampled_from(["read", "write", "status", "command"]),
                              st.integers(0, 255) | st.sampled_from([0xD4, 0xD3, 0x60, 0xAD, 0xAE, 0xF2, 0xFF])),
                    max_size=80)


@settings(max_examples=100)
@given(accesses, accesses)
def test_random_accesses_and_a_snapshot_between(before: list[tuple[str, int]], after: list[tuple[str, int]]) -> None:
    def run(rig: Rig, steps: list[tuple[str, int]]) -> list[int]:
        seen = []
        for what, value in steps:
            if what == "read":
                seen.append(read(rig.data, 0))
            elif what == "status":
                seen.append(read(rig.port, 0))
            else:
                write(rig.data if what == "write" else rig.port, 0, value)
            status = read(rig.port, 0)
            assert not (rig.lines[1] and rig.lines[12]) and not (not status & FULL and any(rig.lines.values()))
        return seen
    one, other = Rig(), Rig()
    run(one, before)
    other.data.restore(one.data.save())
    assert (other.data.save(), other.lines) == (one.data.save(), one.lines)
    assert run(one, after) == run(other, after)
