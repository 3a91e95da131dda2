"""Where the segments of an image go in the board's physical memory, by the way the guest is run.

An image is linked for an unmapped segment, since a guest starts with no TLB entry.  Under ``te`` the guest
kernel runs in user mode and its kseg0 is 0x40000000-0x5fffffff; on the machine itself and under ``vz`` it is
where the architecture has it.  (MIPS Vol. III, chapter 4; the trap-and-emulate memory map.)
"""
from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from vmm.errors import ConfigError
from vmm.guest.board import MALTA, Board, show_size
from vmm.guest.image import Image, Segment, short, sign_extended

Mode = Literal["bare", "te", "vz"]


@dataclass(frozen=True, slots=True)
class Unmapped:
    """Virtual ``low`` .. ``high`` shows physical ``address & mask``."""
    name: str
    low: int
    high: int
    mask: int

    def has(self, address: int) -> bool:
        return self.low <= address <= self.high


# fmt: off
KSEG0    = Unmapped("kseg0",       0xFFFF_FFFF_8000_0000, 0xFFFF_FFFF_9FFF_FFFF, 0x1FFF_FFFF)
KSEG1    = Unmapped("kseg1",       0xFFFF_FFFF_A000_0000, 0xFFFF_FFFF_BFFF_FFFF, 0x1FFF_FFFF)
XKPHYS   = Unmapped("xkphys",      0x8000_0000_0000_0000, 0xBFFF_FFFF_FFFF_FFFF, (1 << 59) - 1)
TE_KSEG0 = Unmapped("guest kseg0", 0x0000_0000_4000_0000, 0x0000_0000_5FFF_FFFF, 0x1FFF_FFFF)

REACHED: dict[Mode, tuple[Unmapped, ...]] = {
    "bare": (KSEG0, KSEG1, XKPHYS),
    "vz":   (KSEG0, KSEG1, XKPHYS),
    "te":   (TE_KSEG0,),
}
# fmt: on


@dataclass(frozen=True, slots=True)
class Placed:
    """``data`` at ``physical``, then zeros up to ``memory_size``."""
    physical: int
    data: bytes
    memory_size: int

    @property
    def end(self) -> int:
        return self.physical + self.memory_size


def unmapped_address(physical: int, mode: Mode) -> int:
    """The address, as a register holds it, at which a guest in this mode sees low physical memory."""
    first = REACHED[mode][0]
    assert not physical & ~first.mask, hex(physical)
    return first.low | physical


def place(image: Image, ram_size: int, mode: Mode, board: Board = MALTA) -> tuple[Placed, ...]:
    """The segments by physical address.  The entry point needs no translation: the guest starts at it."""
    placed = []
    backing: list[tuple[int, int, Segment]] = []
    for segment in image.segments:
        physical = _physical(image, segment, mode)
        offset = board.ram_offset(physical, segment.memory_size, ram_size)
        if offset is None:
            raise ConfigError(_outside(image, segment, physical, ram_size, board))
        placed.append(Placed(physical, segment.data, segment.memory_size))
        backing.append((offset, offset + segment.memory_size, segment))
    backing.sort(key=lambda row: row[0])
    for (_, end, one), (start, _, other) in pairwise(backing):
        if end > start:
            raise ConfigError(f"{image.path}: segments at {short(one.address)} and {short(other.address)} "
                              "are the same physical memory; relink them apart")
    return tuple(sorted(placed, key=lambda piece: piece.physical))


def _physical(image: Image, segment: Segment, mode: Mode) -> int:
    for window in REACHED[mode]:
        if window.has(segment.address):
            return segment.address & window.mask
    raise ConfigError(_not_for(image, segment, mode))


def _not_for(image: Image, segment: Segment, mode: Mode) -> str:
    home, address = REACHED[mode][0], segment.address
    others = " or ".join(f"--mode {other}" for other, windows in REACHED.items()
                         if other != mode and any(window.has(address) for window in windows))
    if any(window.has(address) for windows in REACHED.values() for window in windows):
        remedy = f"relink it at {short(home.low | address & home.mask)}"
    elif any(window.has(sign_extended(address)) for window in REACHED[mode]):
        remedy = f"64-bit images sign-extend kernel addresses: relink it at {sign_extended(address):#x}"
    else:
        remedy = f"relink it at {short(home.low | 0x10_0000)}"
    return (f"{image.path}: --mode {mode} loads images linked in {home.name} "
            f"({short(home.low)}-{short(home.high)}), but this one has a segment at {short(address)}; "
            f"{remedy}{', or use ' + others if others else ''}")


def _outside(image: Image, segment: Segment, physical: int, ram_size: int, board: Board) -> str:
    where = ", ".join(str(region) for region in board.ram(ram_size))
    return (f"{image.path}: segment at {short(segment.address)} needs physical {physical:#x}-"
            f"{physical + segment.memory_size - 1:#x}, but board '{board.name}' with -m "
            f"{show_size(ram_size)} has RAM at {where}; give more memory with -m or relink it lower")
