"""Disks on the IDE channels, through the ports a kernel uses."""
from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.board import World
from vmm.errors import ConfigError
from vmm.guest.board import MALTA
from vmm.guest.disk import MemoryDisk

IO = 0x1800_0000
COMMANDS, CONTROL, MASTER = IO + 0x1F0, IO + 0x3F6, IO + 0x1080
CONTENTS = bytes(n // 512 & 0xFF for n in range(512 * 300))


class Ide(World):
    def __init__(self, *disks: MemoryDisk) -> None:
        super().__init__()
        self.disks = disks or (MemoryDisk(CONTENTS),)
        self.disk = self.disks[0]
        self.built = MALTA.build(replace(self.outside, disks=self.disks))
        self.bus = self.built.bus
        function = self.built.chipset.functions["pci0a.1"]
        function.store(0x20, 4, 0x1081)
        function.store(0x04, 2, 5)

    @property
    def raised(self) -> bool:
        return bool(self.built.chipset.controllers[1].state.levels >> 6 & 1)

    def status(self) -> int:
        return self.bus.load(COMMANDS + 7, 1)

    def command(self, code: int, sector: int = 0, count: int = 1) -> None:
        for port, value in ((2, count), (3, sector), (4, sector >> 8), (5, sector >> 16), (6, 0xE0 | sector >> 24)):
            self.bus.store(COMMANDS + port, 1, value & 0xFF)
        self.bus.store(COMMANDS + 7, 1, code)

    def data(self, words: int) -> bytes:
        return b"".join(self.bus.load(COMMANDS, 2).to_bytes(2, "little") for _ in range(words))

    def table(self, *pieces: tuple[int, int]) -> None:
        rows = b"".join(at.to_bytes(4, "little") + (size & 0xFFFF).to_bytes(2, "little") + end for (at, size), end in
                        zip(pieces, [b"\0\0"] * (len(pieces) - 1) + [b"\0\x80"], strict=True))
        self.ram.write(0x100, rows)
        self.bus.store(MASTER + 4, 4, 0x100)


@pytest.fixture
def ide() -> Ide:
    return Ide()


def test_identify(ide: Ide) -> None:
    ide.command(0xEC)
    assert ide.raised and ide.status() == 0x58 and not ide.raised
    words = ide.data(256)
    assert words[54:62] == b"MV MIDKS"                      # pairs of characters are swapped
    assert int.from_bytes(words[120:124], "little") == int.from_bytes(words[200:208], "little") == 300
    assert ide.status() == 0x50


def test_pio_reads_sector_by_sector_with_an_interrupt_each(ide: Ide) -> None:
    ide.command(0x20, sector=5, count=2)
    for number in (5, 6):
        assert ide.raised and ide.status() & 0x08
        assert ide.data(256) == bytes([number]) * 512
    assert ide.status() == 0x50 and not ide.raised


def test_pio_writes(ide: Ide) -> None:
    ide.command(0x30, sector=9, count=1)
    assert not ide.raised and ide.status() == 0x58
    for n in range(128):
        ide.bus.store(COMMANDS, 4, n)
    assert ide.raised and ide.status() == 0x50
    assert ide.disk.read(9, 1) == b"".join(n.to_bytes(4, "little") for n in range(128))


def test_several_sectors_an_interrupt(ide: Ide) -> None:
    ide.command(0xC4, count=4)
    assert ide.status() & 1                                 # not before SET MULTIPLE
    ide.command(0xC6, count=4)
    ide.command(0xC4, sector=1, count=6)
    ide.status()
    ide.data(1024)
    assert ide.raised
    ide.status()
    ide.data(512)
    assert ide.status() == 0x50


def test_48_bit_addresses(ide: Ide) -> None:
    for port, upper, lower in ((2, 0, 1), (3, 0, 200), (4, 0, 0), (5, 0, 0)):
        ide.bus.store(COMMANDS + port, 1, upper)
        ide.bus.store(COMMANDS + port, 1, lower)
    ide.bus.store(COMMANDS + 7, 1, 0x24)
    assert ide.data(256) == bytes([200]) * 512


@pytest.mark.parametrize("code", [0x20, 0xC8, 0x30, 0xCA])
def test_beyond_the_end(ide: Ide, code: int) -> None:
    ide.command(code, sector=299, count=2)
    assert ide.raised and ide.status() == 0x51 and ide.bus.load(COMMANDS + 1, 1) == 0x10


def test_an_unknown_command_is_aborted(ide: Ide) -> None:
    ide.command(0xA1)
    assert ide.status() == 0x51 and ide.bus.load(COMMANDS + 1, 1) == 0x04


def test_dma_reads_into_the_pieces_of_its_table(ide: Ide) -> None:
    ide.table((0x2000, 1024), (0x4000, 512))
    ide.command(0xC8, sector=7, count=3)
    assert not ide.raised
    ide.bus.store(MASTER, 1, 0x09)
    assert ide.raised and ide.bus.load(MASTER + 2, 1) == 0x04
    assert ide.ram.read(0x2000, 1024) == bytes([7]) * 512 + bytes([8]) * 512
    assert ide.ram.read(0x4000, 512) == bytes([9]) * 512
    ide.bus.store(MASTER + 2, 1, 0x04)
    assert ide.bus.load(MASTER + 2, 1) == 0 and ide.status() == 0x50


def test_dma_writes(ide: Ide) -> None:
    ide.table((0x2000, 512))
    ide.ram.write(0x2000, b"w" * 512)
    ide.bus.store(MASTER, 1, 0x01)
    ide.command(0xCA, sector=3)
    assert ide.raised and ide.disk.read(3, 1) == b"w" * 512


@pytest.mark.parametrize("piece", [(0x2000, 256), (0xF_0000, 512), (0xFFFF_FFFE, 512)])
def test_a_table_that_does_not_fit_fails(ide: Ide, piece: tuple[int, int]) -> None:
    ide.table(piece)
    ide.command(0xC8)
    ide.bus.store(MASTER, 1, 0x09)
    assert ide.bus.load(MASTER + 2, 1) & 0x06 == 0x06 and ide.status() & 1


def test_the_second_device_is_not_there(ide: Ide) -> None:
    ide.bus.store(COMMANDS + 6, 1, 0xF0)
    assert ide.status() == 0
    ide.bus.store(COMMANDS + 6, 1, 0xE0)
    assert ide.status() == 0x50


def test_interrupts_can_be_held_back(ide: Ide) -> None:
    ide.bus.store(CONTROL, 1, 2)
    ide.command(0xE7)
    assert not ide.raised
    ide.bus.store(CONTROL, 1, 0)
    assert ide.raised and ide.bus.load(CONTROL, 1) == 0x50 and ide.raised


# -- two drives --------------------------------------------------------------------------------------------------

@pytest.fixture
def both() -> Ide:
    return Ide(MemoryDisk(b"first " * 100), MemoryDisk(b"second" * 100))


def select(ide: Ide, number: int) -> None:
    ide.bus.store(COMMANDS + 6, 1, 0xE0 | number << 4)


def test_both_drives_hear_the_registers_and_one_answers(both: Ide) -> None:
    for number, contents in ((0, b"first "), (1, b"second")):
        for port, value in ((2, 1), (3, 0), (4, 0), (5, 0), (6, 0xE0 | (1 - number) << 4), (6, 0xE0 | number << 4)):
            both.bus.store(COMMANDS + port, 1, value)
        both.bus.store(COMMANDS + 7, 1, 0x20)
        assert both.data(3) == contents


def test_the_interrupt_is_the_selected_drives(both: Ide) -> None:
    both.command(0xE5)
    assert both.raised and both.bus.load(COMMANDS + 2, 1) == 0xFF
    select(both, 1)
    assert not both.raised and both.bus.load(COMMANDS + 2, 1) == 1
    select(both, 0)
    assert both.raised


def test_a_reset_is_for_both_and_selects_the_first(both: Ide) -> None:
    for number in (1, 0, 1):
        select(both, number)
        both.bus.store(COMMANDS + 7, 1, 0xA1)
        assert both.status() == 0x51
    both.bus.store(CONTROL, 1, 4)
    assert both.status() == 0x80
    both.bus.store(CONTROL, 1, 0)
    for number in (0, 1):
        assert both.bus.load(COMMANDS + 6, 1) >> 4 & 1 == number
        assert (both.status(), *(both.bus.load(COMMANDS + port, 1) for port in range(1, 6))) == (0x50, 1, 1, 1, 0, 0)
        select(both, 1)


def test_a_diagnosis_is_told_by_the_first(both: Ide) -> None:
    select(both, 1)
    both.bus.store(COMMANDS + 7, 1, 0x90)
    assert both.raised and both.bus.load(COMMANDS + 6, 1) == 0xA0 and both.bus.load(COMMANDS + 1, 1) == 1


def test_a_drives_own_dma(both: Ide) -> None:
    both.table((0x2000, 512))
    for port, value in ((2, 1), (3, 0), (4, 0), (5, 0), (6, 0xF0), (7, 0xC8)):
        both.bus.store(COMMANDS + port, 1, value)
    both.bus.store(MASTER, 1, 0x09)
    assert both.raised and both.ram.read(0x2000, 6) == b"second"


def test_four_disks_and_no_more() -> None:
    built = MALTA.build(replace(World().outside, disks=tuple(MemoryDisk(bytes([n]) * 512) for n in range(4))))
    bus, seen = built.bus, []
    built.chipset.functions["pci0a.1"].store(0x04, 2, 1)
    for base in (IO + 0x1F0, IO + 0x170):
        for device in (0xE0, 0xF0):
            for port, value in ((2, 1), (3, 0), (4, 0), (5, 0), (6, device), (7, 0x20)):
                bus.store(base + port, 1, value)
            seen.append(bus.load(base, 2))
    assert seen == [0, 0x0101, 0x0202, 0x0303]
    with pytest.raises(ConfigError, match="5 IDE disks: this board takes 4; make the others virtio disks"):
        MALTA.build(replace(World().outside, disks=(MemoryDisk(bytes(512)),) * 5))


# -- settings ----------------------------------------------------------------------------------------------------

def test_cylinders_heads_and_sectors(ide: Ide) -> None:
    """Cylinder 1, head 1, sector 2 of 2 heads and 16 sectors, and what is not there."""
    def read(cylinder: int, head: int, sector: int) -> int:
        for port, value in ((2, 1), (3, sector), (4, cylinder), (5, 0), (6, 0xA0 | head)):
            ide.bus.store(COMMANDS + port, 1, value)
        ide.bus.store(COMMANDS + 7, 1, 0x20)
        return ide.status()

    for port, value in ((2, 16), (6, 0xA1), (7, 0x91)):
        ide.bus.store(COMMANDS + port, 1, value)
    assert read(1, 1, 2) == 0x58 and ide.data(256) == bytes([32 + 16 + 1]) * 512
    assert [read(0, 0, 0), read(0, 0, 17), read(0, 2, 1), read(10, 0, 1)] == [0x51] * 4


@pytest.mark.parametrize(("feature", "value", "status"), [
    (3, 0x42, 0x50), (3, 0x43, 0x51), (3, 0x21, 0x50), (3, 0x0C, 0x50), (0x82, 0, 0x50), (0xAA, 0, 0x50), (0x5A, 0, 0x51)])
def test_features(ide: Ide, feature: int, value: int, status: int) -> None:
    ide.bus.store(COMMANDS + 1, 1, feature)
    ide.command(0xEF, count=value)
    assert ide.raised and ide.status() == status


def test_chosen_modes_are_shown(ide: Ide) -> None:
    for value, word, shown in ((0x42, 88, 0x0407), (0x20, 63, 0x0107), (0x20, 88, 7)):
        ide.bus.store(COMMANDS + 1, 1, 3)
        ide.command(0xEF, count=value)
        ide.command(0xEC)
        assert int.from_bytes(ide.data(256)[2 * word:2 * word + 2], "little") == shown


def test_a_verified_range_must_exist(ide: Ide) -> None:
    ide.command(0x40, sector=0, count=0)
    assert ide.status() == 0x50
    ide.command(0x40, sector=100, count=0)
    assert ide.status() == 0x51


# -- a disk that fails ---------------------------------------------------------------------------------------------

class Failing(MemoryDisk):
    """From a sector on; ``flushes`` counts."""
    flushes = 0
    bad = 1 << 60

    def read(self, sector: int, count: int) -> bytes:
        if sector + count > self.bad:
            raise OSError("bad")
        return super().read(sector, count)

    def write(self, sector: int, data: bytes) -> None:
        self.read(sector, len(data) // 512)
        super().write(sector, data)

    def flush(self) -> None:
        self.read(self.sectors, 0)
        self.flushes += 1


@pytest.fixture
def failing() -> tuple[Ide, Failing]:
    disk = Failing(CONTENTS)
    return Ide(disk), disk


@pytest.mark.parametrize(("code", "error"), [(0x20, 0x40), (0xC8, 0x40), (0x40, 0x40), (0xCA, 0x04), (0xE7, 0x04)])
def test_the_guest_sees_a_failure(failing: tuple[Ide, Failing], code: int, error: int) -> None:
    ide, disk = failing
    disk.bad = 20
    ide.table((0x2000, 1024))
    ide.bus.store(MASTER, 1, 0x01 if code == 0xCA else 0x09)
    ide.command(code, sector=19, count=2)
    if code == 0x20:
        ide.data(256)
    assert ide.raised and (ide.status(), ide.bus.load(COMMANDS + 1, 1)) == (0x51, error)
    if code != 0xE7:
        assert ide.bus.load(COMMANDS + 3, 1) == (20 if code == 0x20 else 19)
    assert not ide.bus.load(MASTER + 2, 1) & 2              # the bus master did nothing wrong
    disk.bad = 1 << 60
    ide.command(0x20, sector=19)
    assert ide.data(256) == bytes([19]) * 512


def test_a_failure_ends_a_pio_write(failing: tuple[Ide, Failing]) -> None:
    ide, disk = failing
    disk.bad = 5
    ide.command(0x30, sector=4, count=3)
    for _ in range(512):
        ide.bus.store(COMMANDS, 2, 0x7777)
    assert ide.raised and (ide.status(), ide.bus.load(COMMANDS + 1, 1), ide.bus.load(COMMANDS + 3, 1)) == (0x51, 4, 5)
    assert disk.read(4, 1) == b"w" * 512


def test_flushing(failing: tuple[Ide, Failing]) -> None:
    """By command; and after each write, once the cache is off."""
    ide, disk = failing
    for code in (0xE7, 0xEA):
        ide.command(code)
    assert ide.status() == 0x50 and disk.flushes == 2
    ide.command(0x30, sector=1)
    ide.bus.store(COMMANDS + 1, 1, 0x82)
    ide.command(0xEF)
    assert disk.flushes == 3
    ide.command(0x30, sector=1)
    assert disk.flushes == 3
    for _ in range(256):
        ide.bus.store(COMMANDS, 2, 0)
    assert disk.flushes == 4
    ide.command(0xEC)
    words = ide.data(256)
    assert words[164] & 0x20 and not words[170] & 0x20


# -- by chance -----------------------------------------------------------------------------------------------------

PORTS = [COMMANDS + n for n in range(8)] + [CONTROL, MASTER, MASTER + 2]
CODES = [0x20, 0x30, 0xC4, 0xC5, 0xC6, 0xC8, 0xCA, 0x24, 0x34, 0x25, 0x35, 0x90, 0x91, 0xE7, 0xEC, 0xEF, 0x40, 0xA0, 0x08]
VALUES = [0, 1, 2, 4, 8, 9, 0xE0, 0xF0, 0xFF]
accesses = st.lists(st.tuples(st.sampled_from(["load", "store", "command"]), st.sampled_from(PORTS),
                              st.sampled_from(VALUES), st.sampled_from([1, 2, 4])), max_size=80)


@settings(max_examples=60)
@given(accesses, accesses, st.integers(0, 300))
def test_whatever_a_driver_does(before: list[tuple[str, int, int, int]], after: list[tuple[str, int, int, int]],
                                bad: int) -> None:
    """On two drives, of which one fails somewhere: a copy made in the middle goes on alike, disks included."""
    def make() -> Ide:
        ide = Ide(MemoryDisk(CONTENTS), Failing(CONTENTS))
        ide.disks[1].bad = bad  # type: ignore[attr-defined]
        ide.table((0x2000, 0x1000), (0x4000, 0x8000))
        return ide

    def run(ide: Ide, steps: list[tuple[str, int, int, int]]) -> list[object]:
        seen: list[object] = []
        for kind, port, value, size in steps:
            size = size if port == COMMANDS else 1
            if kind == "load":
                seen.append(ide.bus.load(port, size))
            elif kind == "store" and port != COMMANDS + 7:
                ide.bus.store(port, size, value)
            else:
                ide.bus.store(COMMANDS + 7, 1, CODES[(port + value) % len(CODES)])
            seen.append(ide.raised)
        return seen

    one, other = make(), make()
    run(one, before)
    for name, device in one.built.devices.items():
        other.built.devices[name].restore(device.save())
    other.ram.bytes[:] = one.ram.bytes
    for mine, theirs in zip(one.disks, other.disks, strict=True):
        theirs._bytes[:] = mine._bytes
    assert run(one, after) == run(other, after)
    assert [disk._bytes for disk in one.disks] == [disk._bytes for disk in other.disks]
