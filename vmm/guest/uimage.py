"""Images that ``mkimage`` makes for U-Boot, of the old kind: a header of 64 bytes and a kernel, perhaps compressed.

The header is big-endian on every machine and does not say the byte order of the code.  Nothing of the kernel is used
before both of its checksums agree.  (U-Boot, include/image.h; doc/mkimage.1)
"""
from __future__ import annotations

import bz2
import lzma
import struct
import zlib
from collections.abc import Callable
from typing import NamedTuple, Protocol

from vmm.errors import ConfigError
from vmm.guest.image import LARGEST_FILE, Image, image_of_code

MAGIC = 0x2705_1956
HEADER = struct.Struct(">7I4B32s")
HEADER_CHECK = 4                                            # where the header's own checksum is, zero while it is taken
# fmt: off
WIDTHS = {5: 32, 6: 64}                                     # by architecture: MIPS, MIPS64
KERNEL = 2
OTHERS = {1: "a standalone program", 3: "a RAM disk", 4: "several files in one", 5: "firmware", 6: "a script",
          7: "a file system", 8: "a device tree"}
UNPACKED = 0
UNSUPPORTED = {4: "LZO", 5: "LZ4", 6: "Zstandard"}
# fmt: on


class Unpacker(Protocol):
    @property
    def eof(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


UNPACKERS: dict[int, tuple[str, Callable[[], Unpacker]]] = {
    1: ("gzip", lambda: zlib.decompressobj(16 + zlib.MAX_WBITS)),
    2: ("bzip2", bz2.BZ2Decompressor),
    3: ("LZMA", lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE)),
}


class Header(NamedTuple):
    magic: int
    header_check: int
    time: int
    size: int
    load: int
    entry: int
    data_check: int
    system: int
    architecture: int
    kind: int
    compression: int
    name: bytes


def is_uimage(raw: bytes) -> bool:
    return raw[:4] == MAGIC.to_bytes(4, "big")


def parse_uimage(path: str, raw: bytes, big_endian: bool) -> Image:
    """``big_endian``: of the code."""
    header = _header(path, raw)
    if header.architecture not in WIDTHS:
        raise ConfigError(f"{path}: a U-Boot image for architecture {header.architecture}, not 5 (MIPS) or 6 (MIPS64); "
                          "make it with mkimage -A mips")
    if header.kind != KERNEL:
        found = OTHERS.get(header.kind, f"type {header.kind}")
        raise ConfigError(f"{path}: a U-Boot image of {found}, not of a kernel; make it with mkimage -T kernel")
    packed = raw[HEADER.size:HEADER.size + header.size]
    if len(packed) < header.size:
        raise ConfigError(f"{path}: a truncated U-Boot image: {len(packed)} bytes of {header.size}; copy or build it again")
    if zlib.crc32(packed) != header.data_check:
        raise ConfigError(f"{path}: a damaged U-Boot image: its data have the checksum {zlib.crc32(packed):08x}, not "
                          f"{header.data_check:08x}; copy or build it again")
    code = packed if header.compression == UNPACKED else _unpacked(path, packed, header.compression)
    return image_of_code(path, code, header.load, header.entry, WIDTHS[header.architecture], big_endian)


def _header(path: str, raw: bytes) -> Header:
    if len(raw) < HEADER.size:
        raise ConfigError(f"{path}: a truncated U-Boot image: {len(raw)} bytes, and its header has {HEADER.size}; copy or "
                          "build it again")
    header = Header(*HEADER.unpack_from(raw))
    found = zlib.crc32(raw[:HEADER_CHECK] + bytes(4) + raw[HEADER_CHECK + 4:HEADER.size])
    if found != header.header_check:
        raise ConfigError(f"{path}: a damaged U-Boot image: its header has the checksum {found:08x}, not "
                          f"{header.header_check:08x}; copy or build it again")
    return header


def _unpacked(path: str, packed: bytes, compression: int) -> bytes:
    if compression not in UNPACKERS:
        found = UNSUPPORTED.get(compression, f"method {compression}")
        raise ConfigError(f"{path}: a U-Boot image compressed with {found}; make it with mkimage -C none, gzip, bzip2 or "
                          "lzma")
    name, make = UNPACKERS[compression]
    unpacker = make()
    try:
        code = unpacker.decompress(packed, LARGEST_FILE)
    except (zlib.error, OSError, lzma.LZMAError, EOFError, ValueError) as error:
        raise ConfigError(f"{path}: a U-Boot image whose {name} data cannot be unpacked ({error}); build it "
                          "again") from None
    if not unpacker.eof:
        raise ConfigError(f"{path}: a U-Boot image whose {name} data end too early, or go on beyond "
                          f"{LARGEST_FILE >> 20} MiB; build it again")
    return code
