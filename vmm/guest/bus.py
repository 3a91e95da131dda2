"""The physical address space as a guest's device accesses see it: windows, empty slots, and nothing.

Invariant: each byte of an address belongs to at most one window; an attached window lies on top of what was
there. An access that no register answers reads zero and stores nothing, but is reported to ``unclaimed``; an
access outside every window and empty slot is a ``BusError``.  Values are as the CPU sees them, in its byte
order.
"""
from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

from vmm.guest.devices.window import Device


class BusError(Exception):
    """Nothing answers at this physical address; the CPU takes a bus error exception."""

    def __init__(self, address: int, size: int, is_store: bool) -> None:
        super().__init__(f"{'store' if is_store else 'load'} of {size} bytes at physical {address:#x}: "
                         "no memory, device or empty slot of this board is there")
        self.address, self.size, self.is_store = address, size, is_store


@dataclass(frozen=True, slots=True)
class Unclaimed:
    """An access inside the board's address space that no register answered."""
    address: int
    size: int
    is_store: bool


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of the address space that one window shows; ``base`` is where the window itself begins."""
    start: int
    end: int
    base: int
    shift: int
    device: Device | None                                   # None: an empty slot


def _ignore(_access: Unclaimed) -> None:
    """The default observer."""


class Bus:
    def __init__(self, big_endian: bool, empty: Iterable[tuple[int, int]] = (),
                 unclaimed: Callable[[Unclaimed], None] = _ignore) -> None:
        """``empty``: (base, size) of the slots that read as zero."""
        self._endian: Literal["big", "little"] = "big" if big_endian else "little"
        self._unclaimed = unclaimed
        self._pieces: list[Piece] = []
        self._starts: list[int] = []
        for base, size in empty:
            self._lay(Piece(base, base + size, base, 0, None))

    def attach(self, base: int, device: Device, shift: int = 0) -> None:
        """``shift``: the window's registers are ``1 << shift`` times as far apart as the device's own."""
        self._lay(Piece(base, base + (device.regs.span << shift), base, shift, device))

    def load(self, address: int, size: int) -> int:
        piece = self._at(address, size, False)
        if address + size > piece.end:
            return self._from_bytes(bytes(self.load(address + i, 1) for i in range(size)))
        offset = address - piece.base
        if piece.device is None:
            self._unclaimed(Unclaimed(address, size, False))
            return 0
        width = piece.device.regs.width
        if piece.shift:                                     # the register fills its slot, whatever the lane
            return self._register(piece, offset >> piece.shift & -width) & (1 << 8 * size) - 1
        if size == width and not offset % width:
            return self._register(piece, offset)
        first, skip = offset & -width, offset % width
        raw = b"".join(self._register(piece, at).to_bytes(width, self._endian)
                       for at in range(first, offset + size, width))
        return self._from_bytes(raw[skip:skip + size])

    def store(self, address: int, size: int, value: int) -> None:
        piece = self._at(address, size, True)
        data = (value & (1 << 8 * size) - 1).to_bytes(size, self._endian)
        if address + size > piece.end:
            for i in range(size):                           # all or nothing: a bus error stores no byte
                self._at(address + i, 1, True)
            for i in range(size):
                self.store(address + i, 1, data[i])
            return
        if piece.device is None:
            self._unclaimed(Unclaimed(address, size, True))
            return
        offset, width = address - piece.base, piece.device.regs.width
        if piece.shift:
            self._set_register(piece, offset >> piece.shift & -width, self._from_bytes(data))
            return
        first = offset & -width
        lanes = bytes(offset - first) + data
        lanes += bytes(-len(lanes) % width)                 # a narrow store drives the other lanes with zero
        for i in range(0, len(lanes), width):
            self._set_register(piece, first + i, self._from_bytes(lanes[i:i + width]))

    # -- one register ----------------------------------------------------------------------------------------
    def _register(self, piece: Piece, offset: int) -> int:
        device = piece.device
        assert device is not None
        value = device.regs.load(device, offset)
        if value is None:
            self._unclaimed(Unclaimed(piece.base + (offset << piece.shift), device.regs.width, False))
            return 0
        return value

    def _set_register(self, piece: Piece, offset: int, value: int) -> None:
        device = piece.device
        assert device is not None
        if not device.regs.store(device, offset, value):
            self._unclaimed(Unclaimed(piece.base + (offset << piece.shift), device.regs.width, True))

    def _from_bytes(self, data: bytes) -> int:
        return int.from_bytes(data, self._endian)

    # -- who is where ----------------------------------------------------------------------------------------
    def _at(self, address: int, size: int, is_store: bool) -> Piece:
        index = bisect_right(self._starts, address) - 1
        if index < 0 or address >= self._pieces[index].end:
            raise BusError(address, size, is_store)
        return self._pieces[index]

    def _lay(self, new: Piece) -> None:
        pieces = [new]
        for old in self._pieces:
            if old.start < new.start:
                pieces.append(replace(old, end=min(old.end, new.start)))
            if old.end > new.end:
                pieces.append(replace(old, start=max(old.start, new.end)))
        self._pieces = sorted(pieces, key=lambda piece: piece.start)
        self._starts = [piece.start for piece in self._pieces]
