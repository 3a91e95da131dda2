"""What the writer writes, two readers read: pyelftools and our own loader."""
from __future__ import annotations

import io
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile

from vmm.guest.elfwriter import executable
from vmm.guest.image import Segment, parse_image

KSEG0 = 0xFFFF_FFFF_8010_0000
CODE = Segment(KSEG0, b"\x03\xe0\x00\x08" * 5, 0x3000)
DATA = Segment(KSEG0 + 0x1_2344, b"data", 4)
BSS = Segment(KSEG0 + 0x2_0000, b"", 0x100)


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("big_endian", [False, True])
def test_segments_and_symbols(bits: int, big_endian: bool) -> None:
    symbols = {"start": KSEG0 + 8, "data": KSEG0 + 0x1_2344, "uart": 0x1000}
    image = ELFFile(io.BytesIO(executable([CODE, DATA, BSS], entry=KSEG0 + 8, symbols=symbols, bits=bits,
                                          big_endian=big_endian)))
    mask = (1 << bits) - 1
    assert (image.elfclass, image.little_endian) == (bits, not big_endian)
    assert (image["e_machine"], image["e_type"], image["e_entry"]) == ("EM_MIPS", "ET_EXEC", KSEG0 + 8 & mask)
    for given, found in zip((CODE, DATA, BSS), image.iter_segments(), strict=True):
        assert found["p_vaddr"] == found["p_paddr"] == given.address & mask
        assert (found["p_filesz"], found["p_memsz"]) == (len(given.data), given.memory_size)
        assert found.data() == given.data
        assert found["p_offset"] % found["p_align"] == found["p_vaddr"] % found["p_align"]
    table: Any = image.get_section_by_name(".symtab")        # Any: the parser has a class for each kind
    assert {s.name: s["st_value"] for s in table.iter_symbols()} == {
        "": 0, **{name: value & mask for name, value in symbols.items()}}
    where = {s.name: s["st_shndx"] for s in table.iter_symbols()}
    assert (where["start"], where["data"], where["uart"]) == (1, 2, "SHN_ABS")


@pytest.mark.parametrize(("bits", "release", "flags"), [
    (32, 1, 0x5000_1001), (32, 2, 0x7000_1001), (64, 2, 0x8000_0001),
    (32, 6, 0x9000_1001), (64, 6, 0xA000_0001),
])
def test_flags_say_which_core(bits: int, release: int, flags: int) -> None:
    image = ELFFile(io.BytesIO(executable([CODE], entry=KSEG0, bits=bits, release=release)))
    assert image["e_flags"] == flags


def test_no_flag_for_this_core() -> None:
    with pytest.raises(ValueError, match="MIPS32 release 7: EF_MIPS_ARCH has no value"):
        executable([CODE], entry=KSEG0, release=7)


def test_our_loader_reads_it_back() -> None:
    symbols = {"start": KSEG0 + 8, "data": KSEG0 + 0x1_2344}
    made = executable([CODE, DATA], entry=KSEG0 + 8, symbols=symbols, big_endian=True)
    image = parse_image("made.elf", made)
    assert (image.bits, image.big_endian, image.entry) == (32, True, KSEG0 + 8)
    assert [(s.address, s.data, s.memory_size) for s in image.segments] == [
        (s.address, s.data, s.memory_size) for s in (CODE, DATA)]
    assert {s.name: s.address for s in image.symbols} == symbols
