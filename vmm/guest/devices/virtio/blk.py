"""virtio-blk: a disk, one queue of requests.  (VIRTIO 1.2, 5.2)

A request is over before the driver's notification is.  Invariant: the disk is only asked for sectors that it has; what
fails is told in the request's last byte, and never in another way.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct

from vmm.guest.devices.virtio.queue import Chain, Malformed, Virtqueue
from vmm.guest.devices.virtio.transport import VirtioDevice
from vmm.guest.devices.window import Window, copied
from vmm.guest.disk import SECTOR, Disk

# fmt: off
IN, OUT, FLUSH, GET_ID, WRITE_ZEROES            = 0, 1, 4, 8, 13         # requests
DONE, FAILED, UNSUPPORTED                       = 0, 1, 2                # their ends
SEG_MAX, READ_ONLY, BLK_SIZE, CAN_FLUSH         = 1 << 2, 1 << 5, 1 << 6, 1 << 9
CAN_WRITE_ZEROES                                = 1 << 14
UNMAP                                           = 1                      # of a range
# fmt: on
HEADER, RANGE = Struct("<IIQ"), Struct("<QII")
CONFIG = Struct("<QIIIIQHHIIIIIB3x")
QUEUE_SIZE, MOST_SEGMENTS = 128, 126                        # two descriptors are the header and the end
MOST_RANGE = 1 << 22                                        # sectors that one range zeroes
MOST_RANGES = 16
AT_ONCE = 1 << 20                                           # bytes that are moved at once
ID_SIZE = 20


class VirtioBlk(VirtioDevice):
    regs = Window(span=CONFIG.size, width=1)
    kind, class_code = 2, 0x01_80_00
    queue_sizes = (QUEUE_SIZE,)

    @dataclass(slots=True)
    class State:
        """All there is lies on the disk and in the queue."""

    def __init__(self, disk: Disk, name: str = "vmm", read_only: bool = False) -> None:
        """``name``: what the guest finds under ``/sys/block/vda/serial``."""
        super().__init__()
        self.disk, self.read_only = disk, read_only
        self._id = name.encode("ascii", "replace")[:ID_SIZE].ljust(ID_SIZE, b"\0")
        self.features = SEG_MAX | BLK_SIZE | CAN_FLUSH | (READ_ONLY if read_only else CAN_WRITE_ZEROES)

    @regs.read(0, count=CONFIG.size, step=1)
    def configuration(self, at: int) -> int:
        return CONFIG.pack(self.disk.sectors, 0, MOST_SEGMENTS, 0, SECTOR, 0, 0, 1, 0, 0, 0, MOST_RANGE, MOST_RANGES, 0)[at]

    # -- requests ------------------------------------------------------------------------------------------------
    def serve(self, number: int, queue: Virtqueue) -> None:
        while (chain := queue.take()) is not None:
            if chain.readable < HEADER.size or not chain.writable:
                raise Malformed("a request without header or without room for its end")
            try:
                end, written = self._request(chain)
            except OSError:
                end, written = FAILED, 0
            chain.write(chain.writable - 1, bytes([end]))
            queue.give_back(chain, written + 1 if written == chain.writable - 1 else written)

    def _request(self, chain: Chain) -> tuple[int, int]:
        """How it ended, and how many bytes of data were written to the guest."""
        what, _, sector = HEADER.unpack(chain.read(0, HEADER.size))
        room = chain.writable - 1
        if what == IN:
            return self._read(chain, sector, room)
        if what == GET_ID:
            return DONE, chain.write(0, self._id[:room])
        if what == OUT:
            return self._write(chain, sector, chain.readable - HEADER.size), 0
        if what == FLUSH:
            self.disk.flush()
            return DONE, 0
        if what == WRITE_ZEROES and not self.read_only:
            return self._zero(chain), 0
        return UNSUPPORTED, 0

    def _read(self, chain: Chain, sector: int, size: int) -> tuple[int, int]:
        if not self._has(sector, size):
            return FAILED, 0
        for at in range(0, size, AT_ONCE):
            chain.write(at, self.disk.read(sector + at // SECTOR, min(AT_ONCE, size - at) // SECTOR))
        return DONE, size

    def _write(self, chain: Chain, sector: int, size: int) -> int:
        if self.read_only or not self._has(sector, size):
            return FAILED
        for at in range(0, size, AT_ONCE):
            self.disk.write(sector + at // SECTOR, chain.read(HEADER.size + at, min(AT_ONCE, size - at)))
        return DONE

    def _zero(self, chain: Chain) -> int:
        """Zeros are written only where there is something else, so that an image with holes keeps them."""
        rows = chain.readable - HEADER.size
        if rows % RANGE.size or rows // RANGE.size > MOST_RANGES:
            return UNSUPPORTED
        ranges = list(RANGE.iter_unpack(chain.read(HEADER.size, rows)))
        if any(flags & ~UNMAP for _, _, flags in ranges):
            return UNSUPPORTED
        if any(count > MOST_RANGE or not self._has(sector, count * SECTOR) for sector, count, _ in ranges):
            return FAILED
        for sector, count, _ in ranges:
            for at, some in _steps(count, AT_ONCE // SECTOR):
                if any(self.disk.read(sector + at, some)):
                    self.disk.write(sector + at, bytes(some * SECTOR))
        return DONE

    def _has(self, sector: int, size: int) -> bool:
        return not size % SECTOR and sector + size // SECTOR <= self.disk.sectors

    # -- state -----------------------------------------------------------------------------------------------------
    def save(self) -> State:
        return self.State()

    def restore(self, state: State) -> None:
        copied(state)


def _steps(count: int, most: int) -> Iterator[tuple[int, int]]:
    return ((at, min(most, count - at)) for at in range(0, count, most))
