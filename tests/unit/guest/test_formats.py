"""Images that are no ELF files: U-Boot's, and code alone."""
from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import threading
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.elf import Load, elf
from tests.support.uimage import uimage
from vmm.errors import ConfigError
from vmm.guest.files import read_whole
from vmm.guest.formats import Said, load_image
from vmm.guest.uimage import is_uimage, parse_uimage

KERNEL = 0xFFFF_FFFF_8010_0000
CODE = bytes(range(256)) * 4


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "image"


@pytest.mark.parametrize(("compression", "pack"), [
    (0, bytes), (1, gzip.compress), (2, bz2.compress), (3, lambda data: lzma.compress(data, lzma.FORMAT_ALONE))])
@pytest.mark.parametrize("big", [False, True])
def test_a_kernel_of_u_boot_s(file: Path, compression: int, pack: type[bytes], big: bool) -> None:
    file.write_bytes(uimage(pack(CODE), entry=0x8010_0010, compression=compression))
    image = load_image(str(file), Said(big_endian=big))
    assert [(s.address, s.data, s.memory_size) for s in image.segments] == [(KERNEL, CODE, len(CODE))]
    assert (image.bits, image.big_endian, image.entry, image.symbols) == (32, big, KERNEL + 0x10, ())
    seen = ELFFile(io.BytesIO(image.raw))                   # what a debugger is given
    assert seen.little_endian is not big and seen.get_segment(0).data() == CODE


def test_a_wide_one(file: Path) -> None:
    file.write_bytes(uimage(CODE, architecture=6))
    assert load_image(str(file)).bits == 64


def test_bytes_after_it_are_not_its_own(file: Path) -> None:
    file.write_bytes(uimage(CODE) + b"trailer")
    assert load_image(str(file)).segments[0].data == CODE


BAD = {
    "header": (uimage(CODE)[:63], "truncated U-Boot image: 63 bytes"),
    "header check": (uimage(CODE, header_check=0x1234), "header has the checksum .*, not 00001234"),
    "short": (uimage(CODE)[:-1], "1023 bytes of 1024"),
    "data": (uimage(CODE)[:-1] + b"x", "its data have the checksum .*copy or build it again"),
    "arm": (uimage(CODE, architecture=2), "architecture 2, not 5"),
    "several": (uimage(CODE, kind=4), "several files in one, not of a kernel"),
    "ramdisk": (uimage(CODE, kind=3), "RAM disk, not of a kernel"),
    "odd": (uimage(CODE, kind=77), "type 77"),
    "lzo": (uimage(CODE, compression=4), "compressed with LZO"),
    "odd method": (uimage(CODE, compression=77), "method 77"),
    "not gzip": (uimage(CODE, compression=1), "gzip data cannot be unpacked"),
    "not bzip2": (uimage(CODE, compression=2), "bzip2 data cannot be unpacked"),
    "not lzma": (uimage(b"\xff" * 64, compression=3), "LZMA data cannot be unpacked"),
    "half": (uimage(gzip.compress(CODE)[:-12], compression=1), "end too early"),
    "entry": (uimage(CODE, entry=0x8020_0000), "entry point 0x80200000 is outside"),
    "past the end": (uimage(CODE, load=0xFFFF_FFF0), "past the end of the address space"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_one_earns_one_line(name: str, file: Path) -> None:
    raw, message = BAD[name]
    file.write_bytes(raw)
    with pytest.raises(ConfigError, match=message) as caught:
        load_image(str(file))
    assert str(caught.value).startswith(f"{file}: ") and "\n" not in str(caught.value)


SEEDS = [uimage(pack(CODE), compression=n)
         for n, pack in enumerate([bytes, gzip.compress, bz2.compress, lambda d: lzma.compress(d, lzma.FORMAT_ALONE)])]


@settings(max_examples=300)
@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=4),
       st.integers(4, 1200))
def test_no_damage_is_missed(seed: bytes, changes: list[tuple[int, int]], length: int) -> None:
    raw = bytearray(seed)
    for at, byte in changes:
        raw[at % len(raw)] = byte
    damaged = bytes(raw[:length])
    try:
        image = parse_uimage("fuzz", damaged, False)
    except ConfigError as error:
        assert "\n" not in str(error)
    else:
        assert image.segments[0].data == CODE and damaged[4:] == seed[4:]       # the caller looked at the magic
        assert is_uimage(damaged) == (damaged[:4] == seed[:4])


@settings(max_examples=200)
@given(st.integers(1, 3), st.binary(max_size=200))
def test_data_that_are_rubbish_with_good_checksums(compression: int, data: bytes) -> None:
    try:
        parse_uimage("fuzz", uimage(data, compression=compression), False)
    except ConfigError as error:
        assert "\n" not in str(error)


def test_code_alone(file: Path) -> None:
    file.write_bytes(CODE)
    image = load_image(str(file), Said(load_at=0x8010_0000, big_endian=True))
    assert (image.bits, image.big_endian, image.entry) == (32, True, KERNEL)
    assert [(s.address, s.data) for s in image.segments] == [(KERNEL, CODE)]
    assert load_image(str(file), Said(load_at=0x9800_0000_0010_0000)).bits == 64
    with pytest.raises(ConfigError, match="--load-at 0x80100002: code begins at a multiple of 4"):
        load_image(str(file), Said(load_at=0x8010_0002))


@pytest.mark.parametrize("big", [False, True])
def test_the_wrong_byte_order_is_noticed(file: Path, big: bool) -> None:
    words = [0x3C1D_8010, 0x27BD_4000, 0x0C04_0040, 0x3C08_BF00, 0x2409_0042, 0xAD09_0500, 0x1000_FFFF, 0x0000_0000]
    file.write_bytes(b"".join(word.to_bytes(4, "big" if big else "little") for word in words))
    remedy = "add --big-endian" if big else "leave --big-endian out"
    for raw in (file.read_bytes(), uimage(file.read_bytes())):
        file.write_bytes(raw)
        at = None if raw[:4] == b"\x27\x05\x19\x56" else 0x8010_0000
        with pytest.raises(ConfigError, match=f"by its first 8 words; {remedy}"):
            load_image(str(file), Said(at, not big))
        load_image(str(file), Said(at, big))


def test_an_elf_file_says_it_all(file: Path) -> None:
    file.write_bytes(elf(Load(KERNEL)))
    with pytest.raises(ConfigError, match="leave --load-at out"):
        load_image(str(file), Said(load_at=0x8010_0000))
    with pytest.raises(ConfigError, match="leave --big-endian out"):
        load_image(str(file), Said(big_endian=True))
    file.write_bytes(elf(Load(KERNEL), big=True))
    assert load_image(str(file), Said(big_endian=True)).big_endian


def test_anything_else_is_told_what_would_do(file: Path) -> None:
    file.write_bytes(b"#!/bin/sh\n")
    with pytest.raises(ConfigError, match=r"not an ELF file .*uImage.*--load-at"):
        load_image(str(file))


# -- files -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null"])
def test_a_device_is_no_file(path: str) -> None:
    with pytest.raises(ConfigError, match=f"^-i {path}: is a device or a socket, not a file; give a thing$"):
        read_whole(path, "a thing", "-i")


def test_more_than_a_guest_can_hold(file: Path) -> None:
    with file.open("wb") as sparse:
        sparse.truncate((1 << 20) + 1)
    with pytest.raises(ConfigError, match="is larger than 1 MiB"):
        read_whole(str(file), "a thing", largest=1 << 20)


def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(CODE,))
    writer.start()
    assert read_whole(str(path), "a thing") == CODE
    writer.join()
