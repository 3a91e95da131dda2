"""A disk on the first IDE channel, through the ports a kernel uses."""
from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.board import World
from vmm.errors import ConfigError
from vmm.guest.board import MALTA
from vmm.guest.disk import FileDisk, MemoryDisk

IO = 0x1800_0000
COMMANDS, CONTROL, MASTER = IO + 0x1F0, IO + 0x3F6, IO + 0x1080
CONTENTS = bytes(n // 512 & 0xFF for n in range(512 * 300))


class Ide(World):
    def __init__(self) -> None:
        super().__init__()
        self.disk = MemoryDisk(CONTENTS)
        self.built = MALTA.build(replace(self.outside, disk=self.disk))
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


def test_a_file_is_a_disk(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("disk") / "raw"
    path.write_bytes(CONTENTS)
    disk = FileDisk(str(path))
    disk.write(2, b"z" * 512)
    assert disk.sectors == 300 and disk.read(2, 1) == b"z" * 512 == path.read_bytes()[1024:1536]
    path.write_bytes(b"odd")
    with pytest.raises(ConfigError, match="no whole number of 512-byte sectors"):
        FileDisk(str(path))
    with pytest.raises(ConfigError, match="cannot be opened"):
        FileDisk(str(path) + ".none")
