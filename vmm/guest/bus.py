"""An address space as a guest's device accesses see it: windows, bridges to other spaces, empty slots, and nothing.

Invariant: each byte of an address belongs to at most one window; an attached window lies on top of what was
there. An access that no register answers reads what the empty bus reads and stores nothing, but is reported to
``unclaimed``; an access outside every window and empty slot is a ``BusError``.  Values are as the CPU sees them, in its
byte order.
"""
from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
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
class Bridge:
    """A window to ``bus``, whose address ``target`` is at the window's base."""
    bus: Bus
    target: int


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """What was laid at ``start`` .. ``end``, or the part of it that is not covered; ``base`` is where it begins."""
    start: int
    end: int
    base: int
    shift: int
    device: Device | Bridge | None                          # None: an empty slot


def _ignore(_access: Unclaimed) -> None:
    """The default observer."""


class Bus:
    def __init__(self, big_endian: bool, empty: Iterable[tuple[int, int]] = (),
                 unclaimed: Callable[[Unclaimed], None] = _ignore, floating: int = 0x00) -> None:
        """``empty``: (base, size) of the slots in which nothing answers; each byte there reads as ``floating``."""
        self.endian: Literal["big", "little"] = "big" if big_endian else "little"
        self._unclaimed, self._floating = unclaimed, floating
        slots = list(empty)
        self._lowest = len(slots)
        self._laid: list[Piece] = [Piece(base, base + size, base, 0, None) for base, size in slots]
        self._loaders: dict[tuple[int, int], Callable[[], int]] = {}
        self._storers: dict[tuple[int, int], Callable[[int], object]] = {}
        self._pieces: list[Piece] = []
        self._starts: list[int] = []
        self._arranged = False

    def attach(self, base: int, device: Device, shift: int = 0, *, bottom: bool = False) -> Piece:
        """``shift``: the window's registers are ``1 << shift`` times as far apart as the device's own.  ``bottom``:
        under all other windows."""
        return self._lay(Piece(base, base + (device.regs.span << shift), base, shift, device), bottom)

    def bridge(self, base: int, size: int, bus: Bus, target: int, *, bottom: bool = False) -> Piece:
        return self._lay(Piece(base, base + size, base, 0, Bridge(bus, target)), bottom)

    def detach(self, piece: Piece) -> None:
        """Take a window away; what it covered is seen again."""
        self._laid.remove(piece)
        self._forget()

    # -- an access -----------------------------------------------------------------------------------------------
    def load(self, address: int, size: int) -> int:
        known = self._loaders.get((address, size))
        return known() if known is not None else self._load(address, size)

    def store(self, address: int, size: int, value: int) -> None:
        known = self._storers.get((address, size))
        if known is not None:
            known(value)
        else:
            self._store(address, size, value)

    def _load(self, address: int, size: int) -> int:
        piece = self._at(address, size, False)
        if address + size > piece.end:
            return self._from_bytes(bytes(self.load(address + i, 1) for i in range(size)))
        device, offset = piece.device, address - piece.base
        if device is None:
            return self._nobody(address, size)
        if isinstance(device, Bridge):
            if device.bus.endian == self.endian:
                self._loaders[address, size] = partial(device.bus.load, device.target + offset, size)
            return self._across(device.bus, device.bus.load(device.target + offset, size), size)
        width = device.regs.width
        if piece.shift:                                     # the register fills its slot, whatever the lane
            return self._register(piece, offset >> piece.shift & -width) & (1 << 8 * size) - 1
        if size != width and device.regs.is_wide(offset, size):
            return device.regs.load_wide(device, offset, size)
        if size == width and not offset % width:
            if device.regs.reads(offset):
                self._loaders[address, size] = partial(device.regs.load, device, offset)  # type: ignore[assignment]
            return self._register(piece, offset)
        first, skip = offset & -width, offset % width
        raw = b"".join(self._register(piece, at).to_bytes(width, self.endian)
                       for at in range(first, offset + size, width))
        return self._from_bytes(raw[skip:skip + size])

    def _store(self, address: int, size: int, value: int) -> None:
        piece = self._at(address, size, True)
        value &= (1 << 8 * size) - 1
        data = value.to_bytes(size, self.endian)
        if address + size > piece.end:
            for i in range(size):                           # all or nothing: a bus error stores no byte
                self._at(address + i, 1, True)
            for i in range(size):
                self.store(address + i, 1, data[i])
            return
        device, offset = piece.device, address - piece.base
        if device is None:
            self._unclaimed(Unclaimed(address, size, True))
        elif isinstance(device, Bridge):
            if device.bus.endian == self.endian:
                self._storers[address, size] = partial(device.bus.store, device.target + offset, size)
            device.bus.store(device.target + offset, size, self._across(device.bus, value, size))
        else:
            self._store_device(piece, device, address, value, data)

    def _store_device(self, piece: Piece, device: Device, address: int, value: int, data: bytes) -> None:
        offset, size, width = address - piece.base, len(data), device.regs.width
        if piece.shift:
            self._set_register(piece, offset >> piece.shift & -width, value)
            return
        if size != width and device.regs.is_wide(offset, size):
            device.regs.store_wide(device, offset, size, value)
            return
        if size == width and not offset % width and device.regs.writes(offset):
            self._storers[address, size] = partial(device.regs.store, device, offset)
        first = offset & -width
        lanes = bytes(offset - first) + data
        lanes += bytes(-len(lanes) % width)                 # a narrow store drives the other lanes with zero
        for i in range(0, len(lanes), width):
            self._set_register(piece, first + i, self._from_bytes(lanes[i:i + width]))

    def _across(self, bus: Bus, value: int, size: int) -> int:
        """A value on the other side of a bridge between byte orders: its bytes keep their addresses."""
        if bus.endian == self.endian:
            return value
        return int.from_bytes(value.to_bytes(size, "little"), "big")

    # -- one register ----------------------------------------------------------------------------------------
    def _register(self, piece: Piece, offset: int) -> int:
        device = piece.device
        assert device is not None and not isinstance(device, Bridge)
        value = device.regs.load(device, offset)
        return self._nobody(piece.base + (offset << piece.shift), device.regs.width) if value is None else value

    def _set_register(self, piece: Piece, offset: int, value: int) -> None:
        device = piece.device
        assert device is not None and not isinstance(device, Bridge)
        if not device.regs.store(device, offset, value):
            self._unclaimed(Unclaimed(piece.base + (offset << piece.shift), device.regs.width, True))

    def _nobody(self, address: int, size: int) -> int:
        self._unclaimed(Unclaimed(address, size, False))
        return int.from_bytes(bytes([self._floating]) * size, "little")

    def _from_bytes(self, data: bytes) -> int:
        return int.from_bytes(data, self.endian)

    # -- who is where ----------------------------------------------------------------------------------------
    def device_at(self, address: int) -> Device | None:
        """What would answer there, through bridges; None for an empty slot.  Raises ``BusError``."""
        piece = self._at(address, 1, False)
        if isinstance(piece.device, Bridge):
            return piece.device.bus.device_at(piece.device.target + address - piece.base)
        return piece.device

    def _at(self, address: int, size: int, is_store: bool) -> Piece:
        if not self._arranged:
            self._arrange()
        index = bisect_right(self._starts, address) - 1
        if index < 0 or address >= self._pieces[index].end:
            raise BusError(address, size, is_store)
        return self._pieces[index]

    def _lay(self, new: Piece, bottom: bool) -> Piece:
        self._laid.insert(self._lowest if bottom else len(self._laid), new)
        self._forget()
        return new

    def _forget(self) -> None:
        """What is laid has changed.  It is arranged at the next access, as windows come and go by the dozen."""
        self._arranged = False
        self._loaders.clear()
        self._storers.clear()

    def _arrange(self) -> None:
        """The pieces by address, each the uncovered part of what was laid."""
        pieces: list[Piece] = []
        for new in self._laid:
            under, pieces = pieces, [new]
            for old in under:
                if old.end <= new.start or new.end <= old.start:
                    pieces.append(old)
                    continue
                if old.start < new.start:
                    pieces.append(replace(old, end=new.start))
                if old.end > new.end:
                    pieces.append(replace(old, start=new.end))
        self._pieces = sorted(pieces, key=lambda piece: piece.start)
        self._starts = [piece.start for piece in self._pieces]
        self._arranged = True
