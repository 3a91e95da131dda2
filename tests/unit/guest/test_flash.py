"""The flash bank as a driver finds it, programs it and erases it; its cells are the board's."""
from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.board import FakeRam, World, read, write
from vmm.guest.board import MALTA
from vmm.guest.devices.flash import BANK_BYTES, BLOCK_BYTES, Flash

BLOCK = 2 * BLOCK_BYTES                                     # of both chips
READY = 0x0080_0080


class Rig:
    def __init__(self, big_endian: bool = False) -> None:
        self.ram = FakeRam(BANK_BYTES)
        self.ram.bytes[:] = b"\xff" * BANK_BYTES
        self.flash = Flash(big_endian, self.ram, 0)

    def word(self, at: int) -> int:
        return read(self.flash, at)

    def write(self, at: int, *values: int) -> None:
        for value in values:
            write(self.flash, at, value)

    def program(self, at: int, value: int) -> None:
        self.write(at, 0x0040_0040, value)
        assert self.word(at) == READY
        self.write(at, 0x00FF_00FF)


@pytest.fixture(params=[False, True], ids=["little", "big"])
def rig(request: pytest.FixtureRequest) -> Rig:
    return Rig(request.param)


def test_it_shows_its_cells(rig: Rig) -> None:
    rig.ram.bytes[0x100:0x104] = b"\x12\x34\x56\x78"
    assert rig.word(0x100) in (0x1234_5678, 0x7856_3412) and rig.word(0x104) == 0xFFFF_FFFF


def test_a_driver_finds_out_what_it_is(rig: Rig) -> None:
    rig.write(0x55 * 4, 0x0098_0098)
    chip = [rig.word(4 * n) for n in range(0x40)]
    assert all(word >> 16 == word & 0xFFFF for word in chip)
    query = bytes(word & 0xFF for word in chip)
    assert query[0x10:0x15] == b"QRY\x01\x00" and query[query[0x15]:][:5] == b"PRI10"
    assert 2 * (1 << query[0x27]) == BANK_BYTES and query[0x2A:0x2C] == bytes(2)
    blocks, size = int.from_bytes(query[0x2D:0x2F], "little") + 1, 256 * int.from_bytes(query[0x2F:0x31], "little")
    assert 2 * blocks * size == BANK_BYTES
    rig.write(0, 0x0090_0090)
    assert (rig.word(0), rig.word(4), rig.word(8)) == (0x0089_0089, 0x00D0_00D0, 0)
    rig.write(0, 0x00FF_00FF)
    assert rig.word(0) == 0xFFFF_FFFF


def test_programming_only_clears(rig: Rig) -> None:
    rig.program(0x40, 0x1234_5678)
    rig.program(0x40, 0xFFFF_0000)
    assert rig.word(0x40) == 0x1234_0000 and rig.ram.bytes.count(0xFF) == BANK_BYTES - 4


def test_erasing_sets_a_block_and_no_other(rig: Rig) -> None:
    for at in (0, BLOCK - 4, BLOCK, 2 * BLOCK - 4, 2 * BLOCK):
        rig.program(at, 0)
    rig.write(BLOCK + 0x100, 0x0020_0020, 0x00D0_00D0)
    assert rig.word(0) == READY
    rig.write(0, 0x00FF_00FF)
    found = [rig.word(at) for at in (0, BLOCK - 4, BLOCK, 2 * BLOCK - 4, 2 * BLOCK)]
    assert found == [0, 0, 0xFFFF_FFFF, 0xFFFF_FFFF, 0]


def test_a_half_that_gets_no_command_stays_as_it_is(rig: Rig) -> None:
    rig.program(0, 0x1111_2222)
    rig.write(0, 0x0000_0070)                               # the first chip shows its status
    assert rig.word(0) == 0x1111_0080
    rig.write(0, 0x0020_00FF, 0x00D0_00FF)
    rig.write(0, 0x00FF_00FF)
    assert rig.word(0) == 0xFFFF_2222


def test_an_erase_that_is_not_confirmed(rig: Rig) -> None:
    rig.program(0, 0)
    rig.write(0, 0x0020_0020, 0x00FF_00D0)
    assert rig.word(0) == 0x00B0_0080                       # the second chip refused
    rig.write(0, 0x0050_0050, 0x00FF_00FF)
    assert rig.word(0) == 0x0000_FFFF
    rig.write(0, 0x0070_0070)
    assert rig.word(0) == READY


def test_a_bank_without_cells_is_erased() -> None:
    bus = MALTA.build(World().outside).bus                  # its RAM has no boot ROM
    bus.store(0x1E00_0000, 4, 0x0040_0040)
    bus.store(0x1E00_0000, 4, 0)
    assert bus.load(0x1E00_0000, 4) == READY
    bus.store(0x1E00_0000, 4, 0x00FF_00FF)
    assert bus.load(0x1E3F_FFFF, 1) == 0xFF and bus.load(0x1E00_0002, 2) == 0xFFFF


commands = st.sampled_from([0x00, 0xFF, 0x90, 0x98, 0x70, 0x50, 0x20, 0xD0, 0x40, 0x10, 0xF0, 0x60, 0xE8])
values = st.builds(lambda low, high: high << 16 | low, commands, commands) | st.integers(0, 0xFFFF_FFFF)
places = st.integers(0, BANK_BYTES // 4 - 1) | st.integers(0, 0x40) | st.just(BLOCK // 4)
steps = st.lists(st.tuples(st.booleans(), places.map(lambda word: 4 * word), values), max_size=40)


@settings(max_examples=40)
@given(steps, steps, st.booleans())
def test_random_accesses_and_a_snapshot_between(before: list[tuple[bool, int, int]], after: list[tuple[bool, int, int]],
                                                big: bool) -> None:
    def run(rig: Rig, steps: list[tuple[bool, int, int]]) -> list[int]:
        seen = []
        for is_store, at, value in steps:
            if is_store:
                rig.write(at, value)
            else:
                seen.append(rig.word(at))
            assert all(status & 0x80 for status in rig.flash.state.status)
        return seen
    one, other = Rig(big), Rig(big)
    run(one, before)
    other.ram.bytes[:] = one.ram.bytes
    other.flash.restore(one.flash.save())
    assert run(one, after) == run(other, after) and one.ram.bytes == other.ram.bytes
