"""Images: what is read from a good file, and the one line that each bad file earns."""
from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.elf import Load, elf
from vmm.errors import ConfigError
from vmm.guest.formats import load_image
from vmm.guest.image import Image, parse_image

KERNEL = 0x8010_0000
KERNEL64 = 0xFFFF_FFFF_8010_0000
LABEL, OBJECT, FUNCTION, SECTION, FILE = 0x10, 0x11, 0x12, 0x03, 0x04
SYMBOLS = (("_start", KERNEL64, FUNCTION), ("counter", KERNEL64 + 8, OBJECT), ("label", KERNEL64 + 4, LABEL),
           ("", KERNEL64, SECTION), ("file.c", 0, FILE))


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("big", [False, True])
def test_reads_what_the_file_says(bits: int, big: bool) -> None:
    raw = elf(Load(KERNEL64, b"code", 64), bits=bits, big=big, symbols=SYMBOLS)
    image = parse_image("k.elf", raw)
    assert (image.bits, image.big_endian, image.entry) == (bits, big, KERNEL64)
    assert image.endian == ("big" if big else "little")
    assert [(s.address, s.data, s.memory_size) for s in image.segments] == [(KERNEL64, b"code", 64)]
    assert [(s.name, s.address - KERNEL64, s.kind) for s in image.symbols] == [
        ("_start", 0, "function"), ("label", 4, "label"), ("counter", 8, "object")]
    assert image.raw == raw
    assert image.isa.release == 2 and image.isa.bits == bits


def test_finds_a_symbol_by_name() -> None:
    image = parse_image("k.elf", elf(Load(KERNEL), symbols=SYMBOLS))
    assert image.address_of("counter") == KERNEL64 + 8
    assert image.address_of("nothing") is None


def test_addresses_of_user_space_are_not_extended() -> None:
    assert parse_image("k.elf", elf(Load(0x4010_0000))).entry == 0x4010_0000


def test_flags_say_what_the_cpu_must_be() -> None:
    image = parse_image("k.elf", elf(Load(KERNEL), e_flags=0x9000_0600))
    assert (image.isa.name, image.isa.release, image.flags) == ("mips32r6", 6, frozenset({"fp64", "nan2008"}))


def test_empty_segments_and_other_kinds_are_left_out() -> None:
    raw = elf(Load(KERNEL), Load(KERNEL + 4, b""), Load(0, fields={"p_type": 0x7000_0003}))
    assert len(parse_image("k.elf", raw).segments) == 1


def test_an_odd_entry_chooses_the_compressed_isa() -> None:
    assert parse_image("k.elf", elf(Load(KERNEL), entry=KERNEL | 1)).entry == KERNEL64 | 1


GOOD = elf(Load(KERNEL), Load(KERNEL + 0x1000))
BAD = {
    "empty": (b"", "is empty"),
    "text": (b"#!/bin/sh\n", "not an ELF file .*23 21 2f 62"),
    "only the magic": (b"\x7fELF", "damaged or truncated ELF header"),
    "half a header": (GOOD[:40], "damaged or truncated ELF header"),
    "no such class": (GOOD[:4] + b"\x09" + GOOD[5:], "damaged or truncated ELF header"),
    "half the program headers": (GOOD[:60], "truncated ELF program headers"),
    "half the contents": (GOOD[:-20], "segment 0 at 0x80100000 is truncated"),
    "x86": (elf(Load(KERNEL), e_machine=62), "EM_X86_64, not EM_MIPS.*build it with a MIPS compiler"),
    "object": (elf(Load(KERNEL), e_type=1), "object file.*link it"),
    "shared": (elf(Load(KERNEL), e_type=3), "position independent.*-no-pie"),
    "core": (elf(Load(KERNEL), e_type=4), "core dump"),
    "odd type": (elf(Load(KERNEL), e_type=77), "of type 77"),
    "odd isa": (elf(Load(KERNEL), e_flags=0xF000_0000), "no known instruction set"),
    "wide file, narrow isa": (elf(Load(KERNEL64), bits=64, e_flags=0x7000_0000), "64-bit ELF .* mips32r2"),
    "no program headers": (elf(), "no program headers"),
    "short program headers": (elf(Load(KERNEL), e_phentsize=8), "program headers"),
    "no loadable segment": (elf(Load(KERNEL, fields={"p_type": 4})), "no loadable segment"),
    "more file than memory": (elf(Load(KERNEL, memory_size=4)), "16 bytes for 4 bytes of memory"),
    "past the end": (elf(Load(0xFFFF_FFF8)), "past the end of the 32-bit"),
    "overlap": (elf(Load(KERNEL), Load(KERNEL + 8)), "0x80100000-0x8010000f and 0x80100008.* overlap"),
    "entry outside": (elf(Load(KERNEL), entry=0x8020_0000), "entry point 0x80200000 is outside"),
    "sections cut off": (elf(Load(KERNEL), symbols=SYMBOLS)[:-100], "damaged or truncated ELF symbol table"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_earns_one_line(name: str) -> None:
    raw, message = BAD[name]
    with pytest.raises(ConfigError, match=message) as caught:
        parse_image("bad.elf", raw)
    assert str(caught.value).startswith("bad.elf: ") and "\n" not in str(caught.value)


def test_loads_a_file(tmp_path: Path) -> None:
    path = tmp_path / "k.elf"
    path.write_bytes(GOOD)
    assert isinstance(load_image(str(path)), Image)


@pytest.mark.parametrize(("name", "message"), [("none", "no such file"), (".", "is a directory"),
                                               ("a\0b", "cannot be read")])
def test_a_bad_path_earns_one_line(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_image(f"{tmp_path}/{name}")


SEEDS = [elf(Load(KERNEL64, b"x" * 8, 32), Load(KERNEL64 + 64), bits=bits, big=big, symbols=SYMBOLS)
         for bits in (32, 64) for big in (False, True)]
patches = st.lists(st.tuples(st.integers(0, 600), st.sampled_from([0, 1, 2, 3, 6, 11, 0x70, 0x7F, 0x80, 0xFF])
                             | st.integers(0, 255)), min_size=1, max_size=8)


@settings(max_examples=500)
@given(st.sampled_from(SEEDS), patches, st.integers(0, 700))
def test_no_damage_escapes_as_anything_else(seed: bytes, changes: list[tuple[int, int]], length: int) -> None:
    raw = bytearray(seed)
    for at, byte in changes:
        raw[at % len(raw)] = byte
    try:
        image = parse_image("fuzz", bytes(raw[:length]))
    except ConfigError as error:
        assert "\n" not in str(error)
    else:
        assert image.segments and all(len(s.data) <= s.memory_size for s in image.segments)


@pytest.mark.parametrize("seed", [SEEDS[0], SEEDS[-1]])
@pytest.mark.parametrize("byte", [0x00, 0xFF])
def test_each_byte_may_be_wrong(seed: bytes, byte: int) -> None:
    for at in range(len(seed)):
        try:
            parse_image("fuzz", seed[:at] + bytes([byte]) + seed[at + 1:])
        except ConfigError as error:
            assert "\n" not in str(error)
