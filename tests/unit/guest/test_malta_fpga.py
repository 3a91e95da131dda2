"""The board's FPGA."""
from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmm.guest.devices.malta_fpga import MaltaFpga


class Board:
    def __init__(self, big_endian: bool = False) -> None:
        self.resets = 0
        self.fpga = MaltaFpga(big_endian, self.reset)

    def reset(self) -> None:
        self.resets += 1

    def read(self, offset: int) -> int | None:
        return MaltaFpga.regs.load(self.fpga, offset)

    def write(self, offset: int, value: int) -> bool:
        return MaltaFpga.regs.store(self.fpga, offset, value)


@pytest.mark.parametrize(("offset", "value"), [
    (0x200, 0), (0x208, 0x10), (0x210, 0), (0x408, 0), (0x508, 0x0A), (0xA08, 0), (0xB00, 0x3), (0xB18, 1),
    (0x204, None)])
def test_reset_values(offset: int, value: int | None) -> None:
    assert Board().read(offset) == value


def test_status_tells_the_byte_order() -> None:
    assert Board(big_endian=True).read(0x208) == 0x12


def test_only_the_magic_number_resets() -> None:
    board = Board()
    for value in (0, 0x41, 0x142):
        board.write(0x500, value)
    assert board.resets == 0
    board.write(0x500, 0x42)
    assert board.resets == 1


def test_the_display() -> None:
    board = Board()
    assert board.fpga.shown == " " * 8
    board.write(0x410, 0xCAFE)
    assert board.fpga.shown == "0000CAFE" and board.read(0x410) == 0xCAFE
    for position, letter in enumerate(b"LINUX   "):
        board.write(0x418 + 8 * position, letter)
    assert board.fpga.shown == "LINUX   " and board.read(0x418) == ord("L")


def test_i2c_pins() -> None:
    board = Board()
    board.write(0xB08, 0x1)
    board.write(0xB10, 0x2)
    assert board.read(0xB00) == 0x2                         # bit 0 driven low, bit 1 pulled up


steps = st.lists(st.tuples(st.booleans(), st.sampled_from([row.offset for row in MaltaFpga.regs])
                           | st.integers(0, 0xC00), st.integers(0, (1 << 32) - 1)), max_size=40)


def play(board: Board, ops: list[tuple[bool, int, int]]) -> list[object]:
    seen = [board.write(at, value) if is_store else board.read(at) for is_store, at, value in ops]
    return [*seen, board.fpga.shown]


@settings(max_examples=200)
@given(steps, steps)
def test_save_and_restore_change_nothing_observable(before: list[tuple[bool, int, int]],
                                                    after: list[tuple[bool, int, int]]) -> None:
    one, other = Board(), Board()
    play(one, before)
    other.fpga.restore(one.fpga.save())
    assert other.fpga.save() == one.fpga.save()
    assert play(one, after) == play(other, after)
