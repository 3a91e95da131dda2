"""The bundled guest builds for every way to run it, and is what GNU as makes of the same source."""
from __future__ import annotations

import io
import re
import struct
import subprocess
from pathlib import Path
from typing import Any, get_args

import pytest
from elftools.elf.elffile import ELFFile

from vmm.errors import ConfigError
from vmm.guest import bundled

WAYS = [(mode, big, shift) for mode in ("bare", "te") for big in (False, True) for shift in (12, 14)]


def elf(data: bytes) -> ELFFile:
    return ELFFile(io.BytesIO(data))


def section(image: ELFFile, name: str) -> Any:       # Any: the parser has a class for each kind
    return image.get_section_by_name(name)


@pytest.mark.parametrize(("mode", "big_endian", "page_shift"), WAYS)
def test_one_segment_at_the_modes_address(mode: bundled.Mode, big_endian: bool, page_shift: int) -> None:
    image = elf(bundled.build(mode, big_endian, page_shift))
    base = {"bare": 0x8010_0000, "te": 0x4010_0000}[mode]
    assert (image.elfclass, image.little_endian, image["e_entry"]) == (32, not big_endian, base)
    (segment,) = image.iter_segments()
    assert (segment["p_type"], segment["p_vaddr"], segment["p_paddr"]) == ("PT_LOAD", base, base)
    assert segment["p_offset"] % 0x1000 == base % 0x1000
    symbols = {s.name: s["st_value"] for s in section(image, ".symtab").iter_symbols()}
    assert symbols["_start"] == base
    assert symbols["image_end"] == base + segment["p_filesz"]
    assert symbols["bss_end"] == base + segment["p_memsz"]
    assert segment["p_filesz"] % (1 << page_shift) == 0
    assert {"refill_vector", "exception_entry", "user_text"} <= symbols.keys()


def test_every_mode_has_addresses() -> None:
    assert set(bundled.ADDRESSES) == set(get_args(bundled.Mode))


def test_vz_runs_the_bare_image() -> None:
    assert bundled.build("vz") == bundled.build("bare")


def test_vectors_and_the_users_text_fit_where_they_are_copied() -> None:
    for mode in ("bare", "te"):
        labels = bundled.assemble_kernel(mode).labels
        assert labels["refill_vector_end"] - labels["refill_vector"] <= 0x80
        assert labels["general_vector_end"] - labels["general_vector"] <= 0x80
        assert labels["user_text_end"] - labels["user_text"] <= 0x1000


def test_names_of_checks_are_unique() -> None:
    """A check's output line is its identity in logs, so no two may share one."""
    code = bundled.assemble_kernel("bare")
    use = re.compile(r"^\s+expect(?:_\w+)?\s+(.*?)(?:\s*#.*)?$", re.MULTILINE)
    uses = [line for path in sorted(bundled.firmware().glob("*.S")) for line in use.findall(path.read_text())]
    names = [line.split(",")[-1].strip() for line in uses if "\\" not in line]
    assert len(names) == len(set(names)) > 60
    assert all(name.encode() + b"\0" in code.code for name in names)


@pytest.mark.parametrize(("mode", "big_endian", "page_shift"), WAYS)
def test_gnu_as_makes_the_same_bytes(mode: bundled.Mode, big_endian: bool, page_shift: int,
                                     tmp_path: Path) -> None:
    tools = "mips-linux-gnu-" if big_endian else "mipsel-linux-gnu-"
    symbols = bundled.build_symbols(mode, big_endian, page_shift)
    program = bundled.assemble_kernel(mode, big_endian, page_shift)
    flags = ["-EB" if big_endian else "-EL", "-mips32r2", "-mabi=32", "-non_shared", "-G0",
             "-mno-fix-loongson3-llsc"]              # else Debian's puts a SYNC before each LL
    for name, value in symbols.items():
        flags += ["--defsym", f"{name}={value:#x}"]
    source = bundled.firmware() / "kernel.S"
    made, linked = tmp_path / "kernel.o", tmp_path / "kernel.elf"
    subprocess.run([tools + "as", *flags, "-o", made, source], cwd=source.parent, check=True)
    place = ["-Ttext", hex(program.base), "-e", "_start"]
    subprocess.run([tools + "ld", *place, "-o", linked, made], check=True)
    theirs = section(elf(linked.read_bytes()), ".text").data()
    assert first_difference(theirs, program.code, big_endian) is None


def first_difference(theirs: bytes, ours: bytes, big_endian: bool) -> str | None:
    order = ">" if big_endian else "<"
    for at in range(0, max(len(theirs), len(ours)), 4):
        if theirs[at:at + 4] != ours[at:at + 4]:
            words = [[f"{word:08x}" for word, in struct.iter_unpack(order + "I", code[at:at + 4])]
                     for code in (theirs, ours)]
            return f"at offset {at:#x}: GNU as has {words[0]}, we have {words[1]}"
    return None


@pytest.mark.parametrize(("arguments", "message"), [
    (("kvm",), "there are bare, vz, te"),
    (("te", False, 16), "4096 or 16384"),
])
def test_what_it_cannot_be_built_for(arguments: tuple[bundled.Mode, bool, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        bundled.build(*arguments)

