"""A qcow2 image: a disk in clusters that lie anywhere in a file, or in the file behind it.  (QEMU, docs/interop/qcow2.txt)

Data goes to the file at once, what points to it at a flush: first the counts of what is new, then the tables, then the
counts of what is old, each on the medium before the next.  Invariant: whenever the run is cut off, the
image in the file is sound, and has what was written before the last flush; at worst some clusters are counted in vain.
"""
from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterator
from enum import Enum
from struct import pack

from vmm.errors import ConfigError
from vmm.guest.disk import Image
from vmm.guest.storage.qcow2_clusters import Clusters
from vmm.guest.storage.qcow2_header import AUTOCLEAR_AT, Header, as_bytes, corrupt, words

COPIED, COMPRESSED, ZERO = 1 << 63, 1 << 62, 1              # of an entry; COPIED: in use once
OFFSET = 0x00FF_FFFF_FFFF_FE00
MOST_TABLES = 16 << 20                                      # bytes of L2 tables in memory


class Source(Enum):
    """Where the contents of a cluster are."""
    FILE = "file"
    BEHIND = "behind"                                       # in the backing file, at the same offset
    ZEROS = "zeros"
    COMPRESSED = "compressed"


class Qcow2Image:
    def __init__(self, file: Image, header: Header, backing: Image | None, name: str, read_only: bool) -> None:
        if header.dirty and not read_only:
            raise ConfigError(f"{name}: was not closed, and its reference counts may be wrong; run qemu-img check -r all, "
                              "or add ,readonly")
        self.size = header.size
        self._file, self._backing, self._header, self._read_only = file, backing, header, read_only
        self._cluster, self._bits = header.cluster, header.cluster_bits
        self._clusters = Clusters(file, header)
        self._l1 = words(file.read(header.l1_at, 8 * header.l1_size))
        self._l1_dirty = False
        self._tables: dict[int, array[int]] = {}            # L2, by offset in the file
        self._dirty: set[int] = set()                       # of these
        self._inflated: tuple[int, bytes] = 0, b""          # the last compressed cluster: its entry, its contents
        if header.autoclear and not read_only:              # who does not know such a feature has to say so
            file.write(AUTOCLEAR_AT, pack(">Q", 0))

    # -- reading -------------------------------------------------------------------------------------------------------
    def read(self, offset: int, size: int) -> bytes:
        return b"".join(self._contents(*piece) for piece in self._pieces(offset, size))

    def _pieces(self, offset: int, size: int) -> Iterator[tuple[Source, int, int, int]]:
        """Where these bytes are: source, offset or entry there, the first byte of a compressed cluster, how many.

        Neighbours in one place are one piece.
        """
        before: tuple[Source, int, int, int] | None = None
        while size:
            inside = offset & self._cluster - 1
            some = min(size, self._cluster - inside)
            source, at = self._where(offset)
            if before and before[0] is source is not Source.COMPRESSED and before[1] + before[3] == at:
                before = source, before[1], 0, before[3] + some
            else:
                if before:
                    yield before
                before = source, at, inside, some
            offset, size = offset + some, size - some
        if before:
            yield before

    def _where(self, offset: int) -> tuple[Source, int]:
        entry, inside = self._entry(offset), offset & self._cluster - 1
        if entry & COMPRESSED:
            return Source.COMPRESSED, entry
        if self._is_zero(entry):
            return Source.ZEROS, offset
        if entry & OFFSET:
            return Source.FILE, self._aligned(entry & OFFSET) + inside
        return (Source.ZEROS if self._backing is None else Source.BEHIND), offset

    def _contents(self, source: Source, at: int, inside: int, size: int) -> bytes:
        if source is Source.FILE:
            return self._file.read(at, size)
        if source is Source.COMPRESSED:
            return self._inflate(at)[inside:inside + size]
        if source is Source.ZEROS or self._backing is None:
            return bytes(size)
        there = max(0, min(size, self._backing.size - at))
        return (self._backing.read(at, there) if there else b"").ljust(size, b"\0")

    def _is_zero(self, entry: int) -> bool:
        return self._header.version > 2 and bool(entry & ZERO) and not entry & COMPRESSED

    def _entry(self, offset: int) -> int:
        table = self._l1[offset >> 2 * self._bits - 3] & OFFSET
        return self._table(table)[self._index(offset)] if table else 0

    def _index(self, offset: int) -> int:
        return (offset >> self._bits) & (self._cluster >> 3) - 1

    def _table(self, at: int) -> array[int]:
        if at not in self._tables:
            if self._aligned(at) + self._cluster > self._file.size:
                raise corrupt(f"an L2 table is at {at:#x}")
            table = words(self._file.read(at, self._cluster))
            self._make_room()
            self._tables[at] = table
        return self._tables[at]

    def _make_room(self) -> None:
        if (len(self._tables) + 1) * self._cluster > MOST_TABLES:
            if self._dirty:
                self.flush()
            self._tables.clear()

    def _aligned(self, at: int) -> int:
        if at & self._cluster - 1:
            raise corrupt(f"a cluster is at {at:#x}")
        return at

    def _inflate(self, entry: int) -> bytes:
        if self._inflated[0] != entry:
            at, size = self._packed(entry)
            try:
                found = zlib.decompressobj(-zlib.MAX_WBITS).decompress(self._file.read(at, size), self._cluster)
            except zlib.error:
                found = b""
            if len(found) != self._cluster:
                raise corrupt(f"a compressed cluster at {at:#x} cannot be read")
            self._inflated = entry, found
        return self._inflated[1]

    def _packed(self, entry: int) -> tuple[int, int]:
        """Where a compressed cluster begins and how many bytes it may have."""
        split = 62 - (self._bits - 8)
        at = entry & (1 << split) - 1
        sectors = ((entry & COMPRESSED - 1) >> split) + 1
        return at, 512 * sectors - (at & 511)

    # -- writing -------------------------------------------------------------------------------------------------------
    def write(self, offset: int, data: bytes) -> None:
        done = 0
        while done < len(data):
            some = min(len(data) - done, self._cluster - (offset + done & self._cluster - 1))
            self._write_in_cluster(offset + done, data[done:done + some])
            done += some

    def _write_in_cluster(self, offset: int, data: bytes) -> None:
        at, inside = self._own_table(offset), offset & self._cluster - 1
        entry, host = self._tables[at][self._index(offset)], 0
        if entry & COPIED and not entry & COMPRESSED and (host := self._aligned(entry & OFFSET)):
            if self._clusters.count(host) != 1:
                raise corrupt(f"the cluster at {host:#x} is not in use once")
            if not self._is_zero(entry):
                self._file.write(host + inside, data)
                return
        if len(data) < self._cluster:
            whole = bytearray(self.read(offset - inside, self._cluster))
            whole[inside:inside + len(data)] = data
            data = bytes(whole)
        if host:
            self._file.write(host, data)                    # it was reserved, and read as zeros
        else:
            host = self._clusters.new(data)
            self._give_up(entry)
        self._tables[at][self._index(offset)] = host | COPIED
        self._dirty.add(at)

    def _own_table(self, offset: int) -> int:
        """The L2 table for this offset, made or copied if need be, so that it can be changed; where it is."""
        number = offset >> 2 * self._bits - 3
        entry = self._l1[number]
        at = entry & OFFSET
        table = self._table(at) if at else words(bytes(self._cluster))
        if at and entry & COPIED:
            return at
        new = self._clusters.new(as_bytes(table))
        self._make_room()
        self._tables[new] = table[:]
        self._l1[number] = new | COPIED
        self._l1_dirty = True
        if at:
            self._clusters.free(at)
        return new

    def _give_up(self, entry: int) -> None:
        if entry & COMPRESSED:
            at, size = self._packed(entry)
            for cluster in range(at & -self._cluster, at + size, self._cluster):
                self._clusters.free(cluster)
        elif entry & OFFSET:
            self._clusters.free(entry & OFFSET)

    def flush(self) -> None:
        if self._read_only:
            return
        if self._dirty or self._l1_dirty or self._clusters.changed:
            self._clusters.write_blocks()
            self._file.flush()
            self._clusters.write_table()
            for at in sorted(self._dirty):
                self._file.write(at, as_bytes(self._tables[at]))
            if self._l1_dirty:                              # a new L2 table lasts already, as it was when it was made
                self._file.write(self._header.l1_at, as_bytes(self._l1))
            self._file.flush()
            self._dirty.clear()
            self._l1_dirty = False
            self._clusters.write_freed()
        else:
            self._file.flush()

    def close(self) -> None:
        try:
            self.flush()
        finally:
            self._file.close()
            if self._backing is not None:
                self._backing.close()
