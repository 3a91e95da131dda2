"""The boot convention, read back as a kernel reads it: through the registers and memory alone."""
from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.elf import Load, elf
from vmm.errors import ConfigError
from vmm.guest import fdt
from vmm.guest.board import GIB, MALTA, MIB
from vmm.guest.boot import A0, A1, A2, A3, SP, Boot, BootRequest, boot
from vmm.guest.image import Image, parse_image
from vmm.guest.placement import Mode

MODES: list[Mode] = ["bare", "vz", "te"]
HOME = {"bare": 0xFFFF_FFFF_8000_0000, "vz": 0xFFFF_FFFF_8000_0000, "te": 0x4000_0000}


def kernel(mode: Mode = "bare", at: int = 0x10_0000, *, big: bool = False, bits: int = 32,
           size: int = 64) -> Image:
    raw = elf(Load(HOME[mode] + at, b"code", size), bits=bits, big=big)
    return parse_image("some/where/vmlinux", raw)


class Memory:
    """What the guest finds in RAM."""

    def __init__(self, start: Boot, big: bool) -> None:
        self.order = "big" if big else "little"
        self.bytes: dict[int, int] = {}
        for physical, data in start.writes:
            for i, byte in enumerate(data):
                assert physical + i not in self.bytes, "two writes to one place"
                self.bytes[physical + i] = byte

    def word(self, address: int) -> int:
        data = bytes(self.bytes[(address & 0x1FFF_FFFF) + i] for i in range(4))
        return int.from_bytes(data, "big" if self.order == "big" else "little")

    def text(self, address: int) -> str:
        physical, found = address & 0x1FFF_FFFF, bytearray()
        while self.bytes[physical]:
            found.append(self.bytes[physical])
            physical += 1
        return found.decode()

    def strings(self, address: int) -> list[str]:
        found = []
        while pointer := self.word(address):
            found.append(self.text(pointer))
            address += 4
        return found


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("bits", [32, 64])
def test_a_kernel_finds_its_arguments(mode: Mode, big: bool, bits: int) -> None:
    start = boot(BootRequest(kernel(mode, big=big, bits=bits), mode, 512 * MIB, "console=ttyS0 quiet"))
    memory = Memory(start, big)
    registers = start.registers
    assert start.pc == HOME[mode] + 0x10_0000
    assert registers[A0] == 2 and registers[A3] == 256 * MIB
    assert registers[A1] == HOME[mode] + 0x2000 and registers[SP] == HOME[mode] + 0x1FC0
    assert memory.strings(registers[A1]) == ["vmlinux", "console=ttyS0 quiet"]
    assert memory.strings(registers[A2]) == ["memsize", str(256 * MIB), "ememsize", str(512 * MIB),
                                             "modetty0", "38400n8r"]
    assert memory.word(registers[A1]) >> 28 == (0x4 if mode == "te" else 0x8)
    assert bytes(memory.bytes[0x10_0000 + i] for i in range(4)) == b"code"


def test_the_same_request_boots_the_same() -> None:
    request = BootRequest(kernel(), "bare", 64 * MIB, "x", b"initrd")
    assert boot(request) == boot(request)


@pytest.mark.parametrize(("mode", "bits", "start"), [
    ("bare", 32, "0x8ffd0000"), ("te", 32, "0x4ffd0000"), ("vz", 64, "0xffffffff8ffd0000")])
def test_the_initrd_is_high_and_announced(mode: Mode, bits: int, start: str) -> None:
    found = boot(BootRequest(kernel(mode, bits=bits), mode, 1 * GIB, "rdinit=/bin/sh", b"cpio" * 1000))
    assert (0x0FFD_0000, b"cpio" * 1000) in found.writes
    line = Memory(found, False).strings(found.registers[A1])[1]
    assert line == f"rd_start={start} rd_size=4000 rdinit=/bin/sh"


def test_an_initrd_that_does_not_fit() -> None:
    message = r"initrd of 1048576 bytes does not fit .*0x1000000 \(-m 16M\); give more"
    with pytest.raises(ConfigError, match=message):
        boot(BootRequest(kernel(size=0xE8_0000), "bare", 16 * MIB, initrd=bytes(MIB)))


@pytest.mark.parametrize(("at", "size"), [(0x0, 0x1004), (0x1000, 4), (0x2000, 64), (0x2010, 64)])
def test_an_image_linked_where_the_tables_go_keeps_its_place(at: int, size: int) -> None:
    start = boot(BootRequest(kernel(at=at, size=size), "bare", 16 * MIB, "hello"))
    assert start.registers[A1] == HOME["bare"] + 16 * MIB - 0x1000
    assert Memory(start, False).strings(start.registers[A1])[1] == "hello"


def test_no_room_for_the_tables() -> None:
    with pytest.raises(ConfigError, match="no room beside the image"):
        boot(BootRequest(kernel(at=0, size=16 * MIB), "bare", 16 * MIB))


def test_a_line_with_a_nul() -> None:
    with pytest.raises(ConfigError, match="NUL character"):
        boot(BootRequest(kernel(), "bare", 16 * MIB, "a\0b"))


def test_a_long_line_and_bytes_that_are_no_text() -> None:
    long = "x" * 5000 + "\udcff"
    start = boot(BootRequest(kernel(), "bare", 16 * MIB, long))
    assert start.writes[-1][1].count(b"x" * 5000 + b"\xff\0") == 1


# -- with a device tree -----------------------------------------------------------------------------------------

TREE = fdt.build(fdt.Tree(fdt.Node("", {"#address-cells": bytes(3) + b"\1", "#size-cells": bytes(3) + b"\1"})))


@pytest.mark.parametrize("mode", MODES)
def test_a_kernel_finds_its_device_tree(mode: Mode) -> None:
    start = boot(BootRequest(kernel(mode), mode, 1 * GIB, "console=ttyS0", b"cpio", dtb=TREE))
    assert [start.registers[number] for number in (A0, A2, A3)] == [(1 << 64) - 2, 0, 0]
    at = start.registers[A1] - HOME[mode]
    found = dict(start.writes)
    tree = fdt.parse("passed", found[at])
    assert not at % 8 and set(found) == {0x10_0000, at, 0x0FFD_0000}
    assert tree.root.child("memory@0").properties["reg"].hex(" ", 4) == "00000000 10000000 90000000 30000000"
    assert tree.root.child("chosen").properties == {
        "bootargs": b"console=ttyS0\0", "linux,initrd-start": bytes.fromhex("0ffd0000"),
        "linux,initrd-end": bytes.fromhex("0ffd0004")}
    assert start.registers[SP] < start.registers[A1] and start.pc == HOME[mode] + 0x10_0000


def test_a_device_tree_without_room_or_sense() -> None:
    with pytest.raises(ConfigError, match="device tree of .* has no room"):
        boot(BootRequest(kernel(size=0xEF_0000), "bare", 16 * MIB, dtb=TREE))
    with pytest.raises(ConfigError, match="--dtb: not a device tree blob"):
        boot(BootRequest(kernel(), "bare", 16 * MIB, dtb=b"rubbish"))
    with pytest.raises(ConfigError, match="no way to pass a device tree"):
        boot(BootRequest(kernel(), "bare", 16 * MIB, board=replace(MALTA, takes_dtb=False), dtb=TREE))
