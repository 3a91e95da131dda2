"""The Malta board as data: its map, its limits, its wiring."""
from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.board import World
from vmm.errors import ConfigError
from vmm.guest.board import (
    GIB,
    MACHINES,
    MALTA,
    MIB,
    TIB,
    Board,
    Kind,
    find_board,
    parse_size,
    show_size,
)


@pytest.mark.parametrize("board", MACHINES.values(), ids=list(MACHINES))
def test_regions_are_disjoint_and_within_their_backing(board: Board) -> None:
    for ram in (board.ram_least, board.ram_default, 513 * MIB, GIB, board.ram_most):
        regions = board.regions(ram)
        assert all(one.end <= other.base for one, other in pairwise(regions))
        backing = {Kind.RAM: ram, Kind.ROM: board.rom_size}
        assert all(r.offset + r.size <= backing[r.kind] for r in regions if r.kind in backing)


def kind_at(ram: int, physical: int) -> Kind | None:
    return next((r.kind for r in MALTA.regions(ram) if r.base <= physical < r.end), None)


@pytest.mark.parametrize(("ram", "physical", "kind"), [
    (16 * MIB,  0x00FF_FFFF, Kind.RAM),    (16 * MIB,  0x0100_0000, Kind.EMPTY),
    (GIB,       0x0FFF_FFFF, Kind.RAM),    (GIB,       0x1000_0000, Kind.EMPTY),
    (GIB,       0x1800_03F8, Kind.DEVICE), (GIB,       0x1820_0000, Kind.EMPTY),
    (GIB,       0x1E00_0000, Kind.DEVICE), (GIB,       0x1E40_0000, Kind.EMPTY),
    (GIB,       0x1F00_0900, Kind.DEVICE), (GIB,       0x1FC0_0000, Kind.ROM),
    (GIB,       0x2000_0000, Kind.RAM),    (GIB,       0x4000_0000, None),
    (512 * MIB, 0x2000_0000, None),        (2 * GIB,   0x7FFF_FFFF, Kind.RAM),
    (256 * MIB, 0x8FFF_FFFF, Kind.RAM),    (256 * MIB, 0x9000_0000, None),
])
def test_what_is_where(ram: int, physical: int, kind: Kind | None) -> None:
    assert kind_at(ram, physical) is kind


def test_ram_has_aliases() -> None:
    assert MALTA.low_ram(GIB) == 256 * MIB and MALTA.low_ram(64 * MIB) == 64 * MIB
    assert MALTA.ram_offset(0x1234, 4, GIB) == MALTA.ram_offset(0x8000_1234, 4, GIB) == 0x1234
    assert MALTA.ram_offset(0x2000_0000, 4, GIB) == MALTA.ram_offset(0xA000_0000, 4, GIB) == 0x2000_0000
    assert MALTA.ram_offset(0x0FFF_FFFE, 4, GIB) is None
    assert MALTA.ram_offset(0x1F00_0000, 4, GIB) is None


@pytest.mark.parametrize(("ram", "pieces"), [
    (64 * MIB, ((0, 64 * MIB),)), (256 * MIB, ((0, 256 * MIB),)),
    (GIB, ((0, 256 * MIB), (0x9000_0000, 768 * MIB))), (2 * GIB, ((0, 256 * MIB), (0x9000_0000, 1792 * MIB)))])
def test_each_byte_of_ram_is_told_once(ram: int, pieces: tuple[tuple[int, int], ...]) -> None:
    assert MALTA.memory(ram) == pieces


@pytest.mark.parametrize(("size", "message"), [
    (15 * MIB, "-m 15M: board 'malta' takes 16M to 2G"), (2 * GIB + MIB, "-m 2049M: .* 16M to 2G"),
    (3 * TIB, "-m 3T: .*16M to 2G"), (16 * MIB + 1024, "-m 16385K: .*steps of 1M.*16M")])
def test_ram_outside_the_limits(size: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MALTA.regions(size)


@pytest.mark.parametrize(("text", "size"), [
    ("256M", 256 * MIB), ("2g", 2 * GIB), ("64", 64 * MIB), (" 1GiB ", GIB), ("512KB", 512 * 1024),
    ("3T", 3 * TIB)])
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "M", "-1M", "1.5G", "256X", "0x10M", "1 2M", "²M", "9" * 5000, "\n"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ConfigError, match="not a size; give a number with K, M or G, such as 256M"):
        parse_size(text)


def test_no_memory_at_all() -> None:
    with pytest.raises(ConfigError, match="-m 0: a guest needs some memory"):
        parse_size("0")


@given(st.integers(1, 1 << 45))
def test_a_size_shown_reads_back(size: int) -> None:
    shown = show_size(size * 1024)
    assert parse_size(shown) == size * 1024


def test_an_unknown_board() -> None:
    assert find_board("malta") is MALTA
    with pytest.raises(ConfigError, match="--machine pdp11: no such board; choose from malta"):
        find_board("pdp11")


@pytest.mark.parametrize("big", [False, True])
def test_the_rom_names_the_board(big: bool) -> None:
    rom = MALTA.rom(big, b"firmware")
    assert rom[:8] == b"firmware" and len(rom) == MALTA.rom_size and rom[-1] == 0xFF
    assert int.from_bytes(rom[0x10:0x14], "big" if big else "little") == 0x420
    with pytest.raises(ConfigError, match="--pflash of 4194305 bytes.* has a flash memory of 4M"):
        MALTA.rom(big, bytes(MALTA.rom_size + 1))


@pytest.mark.parametrize(("port", "base", "step", "line"), [
    ("com1", 0x1800_03F8, 1, 2),
    ("com2", 0x1800_02F8, 1, 2),
    ("cbus", 0x1F00_0900, 8, 4),
])
def test_serial_ports_are_wired(port: str, base: int, step: int, line: int) -> None:
    world = World()
    built = MALTA.build(world.outside)
    for pic in (0x1800_0020, 0x1800_00A0):
        for offset, word in ((0, 0x11), (1, 0x00), (1, 0x04), (1, 0x01), (1, 0x00)):
            built.bus.store(pic + offset, 1, word)
    built.bus.store(base, 1, ord("A"))
    assert world.sent == [(port, ord("A"))]
    built.bus.store(base + step, 1, 1)                      # IER: received data
    built.uart(port).receive(b"k")
    assert [pin for pin, level in world.pins.items() if level] == [line]
    assert built.bus.load(base + 5 * step, 1) & 1 and built.bus.load(base, 1) == ord("k")


@pytest.mark.parametrize("big", [False, True])
def test_the_fpga_is_wired(big: bool) -> None:
    world = World(big)
    bus = MALTA.build(world.outside).bus
    assert bus.load(0x1F00_0208, 4) == (0x12 if big else 0x10)
    bus.store(0x1F00_0500, 4, 0x42)
    assert world.ends == ["reset"]


def test_the_cbus_port_is_wide_registers_too() -> None:
    world = World(big_endian=True)
    bus = MALTA.build(world.outside).bus
    assert bus.load(0x1F00_0900 + 5 * 8, 4) == 0x60
    bus.store(0x1F00_0900, 4, ord("w"))
    assert world.sent == [("cbus", ord("w"))]


def test_only_a_serial_port_is_one() -> None:
    with pytest.raises(ConfigError, match="serial port 'fpga': this board has com1, com2, cbus"):
        MALTA.build(World().outside).uart("fpga")


accesses = st.lists(st.tuples(
    st.booleans(),
    st.sampled_from([0x1000_0000, 0x1800_0000, 0x1800_0400, 0x1820_0000, 0x1BE0_0000, 0x1BE0_0C00, 0x1800_02F8,
                     0x1800_03F8, 0x1F00_0000, 0x1F00_0900, 0x1400_0000, 0x1E00_0000, 0x1E3F_FFF0, 0x1FFF_FFF0]),
    st.integers(0, 0xC10), st.sampled_from([1, 2, 4, 8]), st.integers(0, (1 << 64) - 1)), max_size=40)


@settings(max_examples=150)
@given(accesses, st.booleans())
def test_no_access_below_the_hole_s_end_raises(ops: list[tuple[bool, int, int, int, int]], big: bool) -> None:
    bus = MALTA.build(World(big).outside).bus
    for is_store, base, offset, size, value in ops:
        address = min(base + offset, 0x2000_0000 - size)
        if is_store:
            bus.store(address, size, value)
        else:
            assert 0 <= bus.load(address, size) < 1 << 8 * size
