"""DMA controllers and the super I/O chip's configuration: what software wrote is what it finds."""
from __future__ import annotations

from tests.support.board import World, read, write
from vmm.guest.board import MALTA
from vmm.guest.devices.fdc37m81x import Configuration
from vmm.guest.devices.i8237 import I8237

IO = 0x1800_0000


def test_numbers_come_a_byte_at_a_time() -> None:
    dma = I8237()
    write(dma, 12, 0)
    for byte in (0x34, 0x12):
        write(dma, 3, byte)                                 # channel 1, count
    assert [read(dma, 3) for _ in range(2)] == [0x34, 0x12]
    write(dma, 3, 0x56)
    write(dma, 12, 0)
    assert read(dma, 3) == 0x56


def test_masks_and_requests() -> None:
    dma = I8237()
    assert read(dma, 15) == 0xFF
    write(dma, 10, 2)                                       # channel 2 may ask
    assert read(dma, 15) == 0xFB
    write(dma, 9, 5)
    assert read(dma, 8) == 0x20
    write(dma, 13, 0)
    assert (read(dma, 8), read(dma, 15)) == (0, 0xFF)
    write(dma, 14, 0)
    assert read(dma, 15) == 0xF0
    write(dma, 15, 0x9)
    assert read(dma, 15) == 0xF9


def test_the_second_controller_has_every_other_port() -> None:
    bus = MALTA.build(World().outside).bus
    bus.store(IO + 0xD4, 1, 0x00)                           # as a kernel opens the cascade
    assert bus.load(IO + 0xDE, 1) == 0xFE and bus.load(IO + 0x0F, 1) == 0xFF
    bus.store(IO + 0x81, 1, 0x12)
    assert bus.load(IO + 0x81, 1) == 0x12


def test_the_configuration_opens_with_its_key() -> None:
    chip = Configuration()
    assert (read(chip, 0), read(chip, 1)) == (0xFF, 0xFF)
    write(chip, 1, 0x12)
    write(chip, 0, 0x55)
    found = {}
    for index in (0x20, 0x07, 0x30):
        write(chip, 0, index)
        found[index] = read(chip, 1)
    assert found == {0x20: 0x4D, 0x07: 0, 0x30: 0}          # the floppy disk controller is not active
    write(chip, 1, 1)
    write(chip, 0, 0x07)
    write(chip, 1, 4)
    write(chip, 0, 0x60)
    assert read(chip, 1) == 0x03
    write(chip, 0, 0x07)
    write(chip, 1, 0)
    write(chip, 0, 0x30)
    assert read(chip, 1) == 1
    write(chip, 0, 0x20)
    write(chip, 1, 0)
    assert read(chip, 1) == 0x4D                            # what it is, stays
    write(chip, 0, 0xAA)
    assert read(chip, 0) == 0xFF
