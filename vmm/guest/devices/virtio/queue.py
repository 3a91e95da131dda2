"""A split virtqueue: descriptors, the ring of what a driver offers, the ring of what a device has used.  (VIRTIO 1.2, 2.7)

Invariant: whatever lies in the guest's memory, a queue either goes on or raises ``Malformed``, and nothing else.  A turn
ends: it has as many buffers as the queue has places, each of no more descriptors, even if what a device writes makes new
ones appear.
"""
from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Protocol

DESCRIPTOR, USED_ELEMENT = Struct("<QIHH"), Struct("<II")
NEXT, WRITE, INDIRECT = 1, 2, 4                             # flags of a descriptor
NO_INTERRUPT = 1                                            # of the available ring
RING = 4                                                    # where a ring begins, after flags and index
LONGEST_CHAIN = 1 << 32                                     # bytes

Piece = tuple[int, int]
"""Address and length."""


class Malformed(Exception):
    """A driver broke the rules of the rings, so that nothing in them can be trusted."""


class Memory(Protocol):
    def read(self, physical: int, size: int, /) -> bytes: ...

    def write(self, physical: int, data: bytes, /) -> None: ...


class CheckedMemory:
    """Guest memory in which a place that does not exist is the driver's mistake."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def read(self, physical: int, size: int) -> bytes:
        try:
            return self._memory.read(physical, size)
        except LookupError as error:
            raise Malformed(f"no memory at {physical:#x}: {error}") from None

    def write(self, physical: int, data: bytes) -> None:
        try:
            self._memory.write(physical, data)
        except LookupError as error:
            raise Malformed(f"no memory at {physical:#x}: {error}") from None

    def number(self, physical: int) -> int:
        """Of 16 bits."""
        return int.from_bytes(self.read(physical, 2), "little")

    def put_number(self, physical: int, value: int) -> None:
        self.write(physical, value.to_bytes(2, "little"))


class Chain:
    """A driver's buffer: bytes for the device to read, then room for it to write, however they are cut in pieces."""

    def __init__(self, head: int, memory: CheckedMemory, readable: list[Piece], writable: list[Piece]) -> None:
        self.head, self._memory, self._readable, self._writable = head, memory, readable, writable
        self.readable = sum(length for _, length in readable)
        self.writable = sum(length for _, length in writable)

    def read(self, at: int, size: int) -> bytes:
        """The bytes from ``at`` on: ``size``, or as many as there are."""
        return b"".join(self._memory.read(address, length) for address, length in _cut(self._readable, at, size))

    def write(self, at: int, data: bytes) -> int:
        """How many found room."""
        done = 0
        for address, length in _cut(self._writable, at, len(data)):
            self._memory.write(address, data[done:done + length])
            done += length
        return done


def _cut(pieces: list[Piece], at: int, size: int) -> Iterator[Piece]:
    """The pieces' bytes ``at`` .. ``at + size``, as far as there are any."""
    for address, length in pieces:
        if size <= 0:
            return
        if at < length:
            taken = min(length - at, size)
            yield address + at, taken
            at, size = 0, size - taken
        else:
            at -= length


class Virtqueue:
    """``most``: the size that the device offers."""
    SAVED = Struct("<H?QQQHHH")

    def __init__(self, memory: Memory, most: int) -> None:
        self.memory, self.most = CheckedMemory(memory), most
        self.indirect = self.event_index = False            # features
        self.reset()

    def reset(self) -> None:
        self.size, self.enabled = self.most, False
        self.descriptors = self.driver = self.device = 0    # addresses of the three parts
        self.seen = self.used = self.told = 0               # indexes: next to take, next to use, used at the last notice
        self.left = 0                                       # to take in this turn

    def enable(self) -> None:
        if not 0 < self.size <= self.most or self.size & self.size - 1:
            raise Malformed(f"a queue of {self.size}: not a power of two up to {self.most}")
        self.enabled = True

    # -- what the driver offers ----------------------------------------------------------------------------------
    def begin_turn(self) -> None:
        """The driver stands still until the turn is over, so it cannot offer more than the queue holds."""
        self.left = self.size + 1                           # the last look finds nothing, and says so to the driver

    def take(self) -> Chain | None:
        """The next buffer that the driver has made available."""
        if not self.left:
            return None
        self.left -= 1
        waiting = self.memory.number(self.driver + 2) - self.seen & 0xFFFF
        if waiting > self.size:
            raise Malformed(f"{waiting} buffers are available in a queue of {self.size}")
        if not waiting:
            if self.event_index:                            # tell me of the next one
                self.memory.put_number(self.device + RING + USED_ELEMENT.size * self.size, self.seen)
            return None
        head = self.memory.number(self.driver + RING + 2 * (self.seen % self.size))
        chain = self._chain(head)
        self.seen = self.seen + 1 & 0xFFFF
        return chain

    def _chain(self, head: int) -> Chain:
        readable: list[Piece] = []
        writable: list[Piece] = []
        for address, length, flags in self._walk(head):
            if flags & WRITE:
                writable.append((address, length))
            elif writable:
                raise Malformed("a readable descriptor after a writable one")
            else:
                readable.append((address, length))
        chain = Chain(head, self.memory, readable, writable)
        if chain.readable + chain.writable > LONGEST_CHAIN:
            raise Malformed(f"a chain of {chain.readable + chain.writable} bytes")
        return chain

    def _walk(self, head: int) -> Iterator[tuple[int, int, int]]:
        """Address, length and flags of a chain's descriptors; a table that one refers to takes the place of the rest."""
        table, rows, at, nested = self.descriptors, self.size, head, False
        for _ in range(self.size + 1):                      # a chain is no longer than the queue, and the reference to
            if at >= rows:                                  # a table is not part of it
                raise Malformed(f"descriptor {at} of {rows}")
            address, length, flags, following = DESCRIPTOR.unpack(
                self.memory.read(table + DESCRIPTOR.size * at, DESCRIPTOR.size))
            if flags & INDIRECT:
                if nested or flags & NEXT or not self.indirect or not length or length % DESCRIPTOR.size:
                    raise Malformed(f"an indirect descriptor of {length} bytes with flags {flags:#x}")
                table, rows, at, nested = address, length // DESCRIPTOR.size, 0, True
                continue
            yield address, length, flags
            if not flags & NEXT:
                return
            at = following
        raise Malformed("a chain of descriptors that is longer than the queue")

    # -- what the device has used ---------------------------------------------------------------------------------
    def give_back(self, chain: Chain, written: int = 0) -> None:
        """``written``: bytes from the beginning of its writable part."""
        element = self.device + RING + USED_ELEMENT.size * (self.used % self.size)
        self.memory.write(element, USED_ELEMENT.pack(chain.head, min(written, 0xFFFF_FFFF)))
        self.used = self.used + 1 & 0xFFFF
        self.memory.put_number(self.device + 2, self.used)

    def wants_notice(self) -> bool:
        """Whether the driver wants to hear of what was used since this was asked last."""
        before, self.told = self.told, self.used
        if self.used == before:
            return False
        if not self.event_index:
            return not self.memory.number(self.driver) & NO_INTERRUPT
        event = self.memory.number(self.driver + RING + 2 * self.size)
        return (self.used - event - 1 & 0xFFFF) < (self.used - before & 0xFFFF)

    # -- state -----------------------------------------------------------------------------------------------------
    def pack(self) -> bytes:
        return self.SAVED.pack(self.size, self.enabled, self.descriptors, self.driver, self.device, self.seen, self.used,
                               self.told)

    def unpack(self, saved: bytes) -> None:
        (self.size, self.enabled, self.descriptors, self.driver, self.device, self.seen, self.used,
         self.told) = self.SAVED.unpack(saved)
        if self.enabled:
            self.enable()
