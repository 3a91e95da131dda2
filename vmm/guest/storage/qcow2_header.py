"""The header of a qcow2 image, version 2 or 3, and what of the format is here.  (QEMU, docs/interop/qcow2.txt)

Invariant: a header that was read describes tables that lie in the file, at multiples of the cluster size, and large enough
for the disk.
"""
from __future__ import annotations

import errno
import sys
from array import array
from dataclasses import dataclass
from struct import Struct

from vmm.errors import ConfigError
from vmm.guest.disk import SECTOR, Image

OLD = Struct(">4sIQIIQIIQQIIQ")                             # all of version 2
NEW = Struct(">QQQII")                                      # what version 3 has after it
EXTENSION = Struct(">II")
BACKING_FORMAT = 0xE279_2ACA
AUTOCLEAR_AT, COUNT_TABLE_AT = 88, 48
CLUSTER_BITS, LARGEST_COUNT_ORDER, OLD_COUNT_ORDER = range(9, 22), 6, 4
LARGEST_L1, LARGEST_COUNT_TABLE, LARGEST_NAME = 32 << 20, 8 << 20, 1023
DIRTY = 1
CANNOT = {                                                  # incompatible features, by bit
    1: "is marked as corrupt; run qemu-img check -r all",
    2: "keeps its data in another file; convert it with qemu-img convert",
    3: "is compressed otherwise than by zlib; convert it with qemu-img convert",
    4: "has extended L2 entries; convert it with qemu-img convert",
}


@dataclass(frozen=True, slots=True)
class Header:
    """Sizes and offsets are in bytes; ``l1_size`` counts entries, ``count_table_clusters`` clusters."""
    version: int
    size: int
    cluster_bits: int
    l1_size: int
    l1_at: int
    count_table_at: int
    count_table_clusters: int
    count_order: int
    dirty: bool
    autoclear: int
    backing: str | None
    backing_format: str | None

    @property
    def cluster(self) -> int:
        return 1 << self.cluster_bits


def read_header(file: Image, name: str) -> Header:
    """``name``: what the user calls the image."""
    (_, version, backing_at, backing_size, cluster_bits, size, encrypted, l1_size, l1_at, count_at, count_clusters, _,
     _) = OLD.unpack(file.read(0, OLD.size))
    if version not in (2, 3):
        raise ConfigError(f"{name}: is qcow2 of version {version}; convert it with qemu-img convert to version 2 or 3")
    if encrypted:
        raise ConfigError(f"{name}: is encrypted; decrypt it with qemu-img convert")
    if cluster_bits not in CLUSTER_BITS:
        raise _bad(name, f"clusters of 2^{cluster_bits} bytes")
    features, autoclear, order, length = 0, 0, OLD_COUNT_ORDER, OLD.size
    if version == 3:
        features, _, autoclear, order, length = NEW.unpack(file.read(OLD.size, NEW.size))
    if why := next((why for bit, why in CANNOT.items() if features >> bit & 1), None):
        raise ConfigError(f"{name}: {why}")
    if features >> len(CANNOT) + 1:
        raise ConfigError(f"{name}: has features that are not known here ({features:#x}); convert it with qemu-img convert")
    if order > LARGEST_COUNT_ORDER or not OLD.size <= length <= 1 << cluster_bits:
        raise _bad(name, f"reference counts of 2^{order} bits, a header of {length} bytes")
    cluster = 1 << cluster_bits
    header = Header(version, size, cluster_bits, l1_size, l1_at, count_at, count_clusters, order, bool(features & DIRTY),
                    autoclear, _text(file, name, backing_at, backing_size, cluster), _format(file, length, cluster))
    _check_tables(header, file, name)
    return header


def _check_tables(header: Header, file: Image, name: str) -> None:
    cluster = header.cluster
    if not header.size or header.size % SECTOR:
        raise _bad(name, f"a disk of {header.size} bytes")
    if not -(-header.size // (cluster * cluster // 8)) <= header.l1_size <= LARGEST_L1 // 8:
        raise _bad(name, f"{header.l1_size} L1 entries for a disk of {header.size} bytes")
    if not 0 < header.count_table_clusters <= max(1, LARGEST_COUNT_TABLE // cluster):
        raise _bad(name, f"a reference count table of {header.count_table_clusters} clusters")
    for what, at, size in (("L1 table", header.l1_at, 8 * header.l1_size),
                           ("reference count table", header.count_table_at, header.count_table_clusters * cluster)):
        if not at or at % cluster or at + size > file.size:
            raise _bad(name, f"its {what} at {at:#x}, {size} bytes, and the file has {file.size}")


def _text(file: Image, name: str, at: int, size: int, cluster: int) -> str | None:
    """The name of the backing file, which lies in the first cluster."""
    if not at:
        return None
    if size > LARGEST_NAME or at + size > cluster:
        raise _bad(name, f"the name of its backing file at {at:#x}, {size} bytes")
    return file.read(at, size).decode("utf-8", "surrogateescape")


def _format(file: Image, at: int, cluster: int) -> str | None:
    """What the header extensions say of the backing file's format."""
    area, at = file.read(at, cluster - at), 0
    while at + EXTENSION.size <= len(area):
        kind, size = EXTENSION.unpack_from(area, at)
        if not kind:
            return None
        at += EXTENSION.size
        if kind == BACKING_FORMAT:
            return area[at:at + size].decode("ascii", "replace")
        at += size + 7 & ~7
    return None


def corrupt(what: str) -> OSError:
    """Found while the guest runs."""
    return OSError(errno.EIO, f"the image is corrupt: {what}; run qemu-img check")


def _bad(name: str, what: str) -> ConfigError:
    return ConfigError(f"{name}: is no sound qcow2 image: it has {what}; run qemu-img check")


# -- tables --------------------------------------------------------------------------------------------------------

def words(data: bytes) -> array[int]:
    """Of 64 bits; in the file they are big-endian."""
    table = array("Q", data)
    if sys.byteorder == "little":
        table.byteswap()
    return table


def as_bytes(table: array[int]) -> bytes:
    return words(table.tobytes()).tobytes()
