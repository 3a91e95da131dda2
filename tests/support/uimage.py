"""A U-Boot image of the old kind for tests, in which each field can be wrong."""
from __future__ import annotations

import zlib

from vmm.guest.uimage import HEADER, MAGIC, Header


def uimage(data: bytes, load: int = 0x8010_0000, entry: int | None = None, compression: int = 0, *,
           header_check: int | None = None, **wrong: int) -> bytes:
    header = Header(MAGIC, 0, 0, len(data), load, load if entry is None else entry, zlib.crc32(data), 5, 5, 2, compression,
                    b"a kernel")._replace(**wrong)
    check = zlib.crc32(HEADER.pack(*header)) if header_check is None else header_check
    return HEADER.pack(*header._replace(header_check=check)) + data
