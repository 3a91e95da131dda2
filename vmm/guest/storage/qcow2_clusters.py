"""Which clusters of a qcow2 image are in use: reference counts, and new clusters.  (QEMU, docs/interop/qcow2.txt)

New clusters come at the end of the file and are never ones that were in use before, so that nothing which still is on the
medium can point to what they hold now.  Invariant: a count that is in a block in memory and not yet in the file is of a
block in ``_dirty``; nothing is written but new clusters, until ``write_blocks`` and ``write_table``.
"""
from __future__ import annotations

from struct import pack

from vmm.guest.disk import Image
from vmm.guest.storage.qcow2_header import COUNT_TABLE_AT, Header, as_bytes, corrupt, words


class Clusters:
    def __init__(self, file: Image, header: Header) -> None:
        self._file, self._cluster, self._order = file, header.cluster, header.count_order
        self._table_at = header.count_table_at
        self._table = words(file.read(self._table_at, header.count_table_clusters * self._cluster))
        self._blocks: dict[int, bytearray] = {}
        self._dirty: set[int] = set()
        self._table_dirty = self._table_moved = False
        self._per_block = 8 * self._cluster >> self._order
        self._next = -(-file.size // self._cluster)
        self._freed: list[int] = []

    # -- counts ------------------------------------------------------------------------------------------------------
    def count(self, at: int) -> int:
        """How often the cluster at this offset of the file is in use."""
        number, index = divmod(at // self._cluster, self._per_block)
        block = self._block(number)
        if block is None:
            return 0
        if self._order < 3:
            where, shift = divmod(index << self._order, 8)
            return block[where] >> shift & (1 << (1 << self._order)) - 1
        size = 1 << self._order - 3
        return int.from_bytes(block[index * size:(index + 1) * size], "big")

    def _add(self, at: int, by: int) -> None:
        number, index = divmod(at // self._cluster, self._per_block)
        value = self.count(at) + by
        if not 0 <= value < 1 << (1 << self._order):
            raise corrupt(f"the cluster at {at:#x} is in use {value} times")
        block = self._block(number)
        if block is None:
            block = self._new_block(number)
        if self._order < 3:
            where, shift = divmod(index << self._order, 8)
            ones = (1 << (1 << self._order)) - 1 << shift
            block[where] = block[where] & ~ones | value << shift
        else:
            size = 1 << self._order - 3
            block[index * size:(index + 1) * size] = value.to_bytes(size, "big")
        self._dirty.add(number)

    def _block(self, number: int) -> bytearray | None:
        if number not in self._blocks:
            if number >= len(self._table) or not self._table[number]:
                return None
            at = self._table[number]
            if at & self._cluster - 1 or at + self._cluster > self._file.size:
                raise corrupt(f"a block of reference counts is at {at:#x}")
            self._blocks[number] = bytearray(self._file.read(at, self._cluster))
        return self._blocks[number]

    # -- new clusters ------------------------------------------------------------------------------------------------
    def new(self, contents: bytes) -> int:
        """A cluster in use once, with these contents; its offset in the file."""
        return self._take(contents, 1)

    def _take(self, contents: bytes, clusters: int) -> int:
        """Only what could be written is in use."""
        while any(self.count((self._next + n) * self._cluster) for n in range(clusters)):
            self._next += 1
        at = self._next * self._cluster
        self._file.write(at, contents)
        self._next += clusters
        for n in range(clusters):
            self._add(at + n * self._cluster, 1)
        return at

    def _new_block(self, number: int) -> bytearray:
        """It counts itself, if it lies among the clusters that it counts."""
        if number >= len(self._table):
            self._grow(number)
            if (block := self._block(number)) is not None:  # counts clusters of the larger table
                return block
        while self.count(self._next * self._cluster):
            self._next += 1
        at = self._next * self._cluster
        self._file.write(at, bytes(self._cluster))
        self._next += 1
        self._blocks[number] = bytearray(self._cluster)
        self._table[number] = at
        self._table_dirty = True
        self._dirty.add(number)
        self._add(at, 1)
        return self._blocks[number]

    def _grow(self, number: int) -> None:
        """A larger table, elsewhere, that has entries for ``number`` and for its own clusters."""
        old, each = len(self._table) * 8 // self._cluster, self._cluster // 8
        clusters = 2 * old
        while clusters * each <= max(number, (self._next + clusters) // self._per_block) + 2:
            clusters += 1
        grown = self._table[:] + words(bytes(8 * each * (clusters - old)))
        at = self._next * self._cluster                     # what lies there is new: nothing beyond was ever counted
        self._file.write(at, bytes(clusters * self._cluster))
        self._next += clusters
        self._freed += range(self._table_at, self._table_at + old * self._cluster, self._cluster)
        self._table, self._table_at = grown, at
        self._table_dirty = self._table_moved = True
        for n in range(clusters):
            self._add(at + n * self._cluster, 1)

    def free(self, at: int) -> None:
        """Once what is in the file does not point there any more: at ``write_freed``."""
        self._freed.append(at & -self._cluster)

    # -- to the file ---------------------------------------------------------------------------------------------------
    @property
    def changed(self) -> bool:
        return bool(self._dirty or self._table_dirty or self._freed)

    def write_blocks(self) -> None:
        for number in sorted(self._dirty):
            self._file.write(self._table[number], bytes(self._blocks[number]))
            self._dirty.discard(number)

    def write_table(self) -> None:
        """The blocks last already."""
        if self._table_dirty:
            self._file.write(self._table_at, as_bytes(self._table))
            self._file.flush()
        if self._table_moved:
            clusters = 8 * len(self._table) // self._cluster
            self._file.write(COUNT_TABLE_AT, pack(">QI", self._table_at, clusters))
            self._file.flush()
        self._table_dirty = self._table_moved = False

    def write_freed(self) -> None:
        """Lost counts only waste room."""
        freed, self._freed = self._freed, []
        for at in freed:
            self._add(at, -1)
        self.write_blocks()
