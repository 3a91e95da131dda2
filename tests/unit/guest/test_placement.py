"""Where images go, by mode; and what is said to one that cannot."""
from __future__ import annotations

import pytest

from tests.support.elf import Load, elf
from vmm.errors import ConfigError
from vmm.guest.board import GIB, MIB
from vmm.guest.image import Image, parse_image
from vmm.guest.placement import REACHED, Mode, place, unmapped_address

KSEG0 = 0xFFFF_FFFF_8000_0000


def linked_at(*addresses: int, bits: int = 32, size: int = 16) -> Image:
    return parse_image("k.elf", elf(*(Load(address, b"\0" * 16, size) for address in addresses), bits=bits))


@pytest.mark.parametrize(("mode", "bits", "address", "physical"), [
    ("bare", 32, 0x8010_0000,           0x0010_0000),
    ("vz",   32, 0x8010_0000,           0x0010_0000),
    ("vz",   32, 0xA010_0000,           0x0010_0000),
    ("vz",   64, KSEG0 + 0x10_0000,     0x0010_0000),
    ("bare", 64, 0x9800_0000_8000_0000, 0x8000_0000),
    ("bare", 64, 0x9000_0000_0010_0000, 0x0010_0000),
    ("te",   32, 0x4010_0000,           0x0010_0000),
])
def test_goes_to(mode: Mode, bits: int, address: int, physical: int) -> None:
    placed, = place(linked_at(address, bits=bits), 256 * MIB, mode)
    assert (placed.physical, placed.memory_size, placed.end) == (physical, 16, physical + 16)


@pytest.mark.parametrize(("mode", "bits", "address", "message"), [
    ("te",   32, 0x8010_0000, "--mode te .*relink it at 0x40100000, or use --mode bare or --mode vz"),
    ("vz",   32, 0x4010_0000, "--mode vz .*relink it at 0x80100000, or use --mode te"),
    ("bare", 32, 0x4010_0000, "--mode bare .*relink it at 0x80100000, or use --mode te"),
    ("bare", 32, 0x0040_0000, "relink it at 0x80100000$"),
    ("te",   32, 0x0040_0000, "relink it at 0x40100000$"),
    ("vz",   32, 0xC000_0000, "relink it at 0x80100000$"),
    ("vz",   64, 0x8010_0000, "sign-extend kernel addresses: relink it at 0xffffffff80100000$"),
])
def test_linked_for_another_mode(mode: Mode, bits: int, address: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        place(linked_at(address, bits=bits), 256 * MIB, mode)


@pytest.mark.parametrize(("address", "ram"), [(0x8100_0000, 16 * MIB), (0x80FF_FFF8, 16 * MIB),
                                              (0x9800_0000, 1 * GIB), (0xBFC0_0000, 256 * MIB)])
def test_outside_ram(address: int, ram: int) -> None:
    with pytest.raises(ConfigError, match=r"has RAM at 0x0-.*more memory with -m or relink it lower"):
        place(linked_at(address), ram, "bare")


def test_a_segment_of_zeros_too_large_for_ram() -> None:
    with pytest.raises(ConfigError, match="more memory"):
        place(linked_at(0x8000_0000, size=0x1000_0001), 256 * MIB, "bare")


@pytest.mark.parametrize(("bits", "addresses"), [
    (32, (0x8010_0000, 0xA010_0008)),                       # kseg0 and kseg1
    (64, (0x9800_0000_8010_0000, KSEG0 + 0x10_0000)),       # the whole of RAM and its low alias
])
def test_two_names_for_the_same_memory(bits: int, addresses: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="same physical memory"):
        place(linked_at(*addresses, bits=bits), 256 * MIB, "bare")


def test_each_mode_has_a_first_segment_to_pass_pointers_in() -> None:
    assert {mode: unmapped_address(0x2000, mode) for mode in REACHED} == {
        "bare": KSEG0 + 0x2000, "vz": KSEG0 + 0x2000, "te": 0x4000_2000}
