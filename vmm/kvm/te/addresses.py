"""What a trap-and-emulate guest has where (row 17.1), and the commpage's address (CP-3).

The guest runs in the host's user mode, so its whole kernel lives below 0x80000000.  Invariant: ``segment``
gives each 64-bit address exactly one meaning; an address that is no sign-extended 32-bit one is nowhere.
"""
from __future__ import annotations

from enum import Enum, auto

from vmm.arch.cp0.registers import sign_extended
from vmm.arch.exceptions import BEV_BASE, RESET_VECTOR

KSEG0 = 0x4000_0000
"""Unmapped kernel segment; the original's KSeg1 is the same."""
KSEG2 = 0x6000_0000
HOST_KSEG0 = 0x8000_0000
HOST_KSEG2 = 0xC000_0000
PHYSICAL_MASK = 0x1FFF_FFFF

RESET_PC = RESET_VECTOR & PHYSICAL_MASK | KSEG0
BOOT_VECTORS = BEV_BASE & PHYSICAL_MASK | KSEG0


class Segment(Enum):
    USEG = auto()
    """Mapped by the guest's TLB, both modes."""
    KSEG0 = auto()
    """Unmapped, kernel only."""
    KSEG23 = auto()
    """Mapped by the guest's TLB, kernel only."""
    DEVICES = auto()
    """The host's kseg0 and kseg1: every access faults and is a device access at the low 29 bits."""
    NOWHERE = auto()

    @property
    def mapped(self) -> bool:
        return self in (Segment.USEG, Segment.KSEG23)


# fmt: off
_SEGMENTS = (                    # from the top down: first address, segment
    (HOST_KSEG2, Segment.NOWHERE),
    (HOST_KSEG0, Segment.DEVICES),
    (KSEG2,      Segment.KSEG23),
    (KSEG0,      Segment.KSEG0),
    (0,          Segment.USEG),
)
# fmt: on


def segment(address: int) -> Segment:
    low = address & 0xFFFF_FFFF
    if address not in (low, sign_extended(low)):
        return Segment.NOWHERE
    return next(found for first, found in _SEGMENTS if low >= first)


def commpage_address(page_shift: int) -> int:
    """Within reach of a 16-bit displacement from $0, and not page 0 where that can be helped."""
    page = 1 << page_shift
    return 0 if page > 0x8000 else 0x8000 - page
