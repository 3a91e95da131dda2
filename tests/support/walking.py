"""Page tables by chance, and a walker for them in the words of the manual, to hold the hardware walker against."""
from __future__ import annotations

from dataclasses import dataclass
from random import Random

from tests.support.engines import Rig
from vmm.arch.cp0.fields import sign_extended
from vmm.arch.cp0.registers import PWBase, PWCtl, PWField, PWSize
from vmm.engine.cpu import Cp0File

KSEG0 = 0xFFFF_FFFF_8000_0000
XKPHYS = 0x9800_0000_0000_0000
TABLES = (0x1_0000, 0x1_4000, 0x1_8000)


@dataclass(frozen=True)
class Shape:
    """The walker's registers, as numbers."""
    base: int
    levels: tuple[tuple[int, int], ...]                # (index bit, width) from GDI down to MDI
    pti: int
    ptw: int
    ptei: int
    ptew: int
    huge: bool
    dph: bool
    psn: int
    wide: bool = False
    """Pointers of 64 bits (PWSize.PS)."""
    asked: int = 0
    """PWCtl.XU, XS and XK: regions with 64-bit addressing."""

    def put(self, registers: Cp0File) -> None:
        (gdi, gdw), (udi, udw), (mdi, mdw) = self.levels
        registers[PWBase] = sign_extended(KSEG0 + self.base)
        registers[PWField] = gdi << 24 | udi << 18 | mdi << 12 | self.pti << 6 | self.ptei
        registers[PWSize] = PWSize.PS.at(self.wide) | gdw << 24 | udw << 18 | mdw << 12 | self.ptw << 6 | self.ptew
        registers[PWCtl] = PWCtl.PWEn.mask | self.asked | self.dph << 7 | self.huge << 6 | self.psn


Pair = tuple[int, int, int]                            # PageMask, EntryLo0, EntryLo1


class Plain:
    """A walker in the words of the manual: it takes the tables from RAM, or gives up.  ``at``: where in RAM the walker's
    context has its address 0; ``size``: of its memory."""

    def __init__(self, rig: Rig, shape: Shape, *, xkphys: bool = False, at: int = 0,
                 size: int = 0x4_0000) -> None:
        self.rig, self.shape, self.xkphys, self.at, self.size = rig, shape, xkphys, at, size

    def load(self, address: int, size: int) -> int:
        physical = address - (XKPHYS if self.xkphys and address < KSEG0 else KSEG0)
        if address % size or not 0 <= physical < self.size:
            raise LookupError
        return self.rig.get(self.at + physical, size)

    def entry_lo(self, pte: int, size: int) -> int:
        at = self.shape.ptei - 32 if self.shape.ptei > 8 * size else self.shape.ptei
        return pte >> at & 0x3FFF_FFFF | (pte >> at - 2 & 3) << 62

    def walk(self, va: int) -> Pair | None:
        s = self.shape
        if not any(width for _, width in s.levels) or s.ptew > (0 if s.wide else 1):
            return None
        pointer = 8 if s.wide else 4
        leaf = pointer << s.ptew
        directory = leaf if s.huge else pointer
        table = KSEG0 + s.base
        if self.rig.cpu.model.bits == 32:
            va &= 0xFFFF_FFFF                            # what lies above bit 31 indexes as zero
        try:
            for index, width in s.levels:
                if width:
                    at = table | (va >> index & (1 << width) - 1) * directory
                    word = self.load(at, directory)
                    if s.huge and word >> s.psn & 1:
                        return self.huge_page(at, word, index, leaf)
                    table = word if directory == 8 and self.rig.cpu.model.bits == 64 else sign_extended(word)
            pair = table | (va >> s.pti & (1 << s.ptw) - 1) // 2 * 2 * leaf
            low, high = (self.entry_lo(self.load(pair | half * leaf, leaf), leaf) for half in range(2))
        except LookupError:
            return None
        return ((1 << s.pti) - 1 >> 12) << 13, low, high

    def huge_page(self, at: int, word: int, index: int, leaf: int) -> Pair | None:
        lo = self.entry_lo(word, leaf)
        if index % 2:
            half = 1 << index - 1 >> 6
            return ((1 << index) - 1 >> 1 >> 12) << 13, lo & ~half, lo | half
        if not self.shape.dph:
            return None
        other = self.entry_lo(self.load(at ^ leaf, leaf), leaf)
        low, high = (other, lo) if at & leaf else (lo, other)
        return ((1 << index) - 1 >> 12) << 13, low, high


def any_shape(r: Random) -> Shape:
    pti, ptw = r.choice((12, 14)), r.choice((2, 4, 5))
    mdi = r.choice((pti + ptw, 20, 21))
    levels = ((r.choice((mdi + 6, 29)), r.choice((0, 3, 4))), (mdi + 4, r.choice((0, 2))), (mdi, r.choice((0, 2, 4))))
    return Shape(TABLES[0], levels, pti, ptw, r.choice((6, 7, 8, 2, 34, 39)), r.choice((0, 0, 1, 1, 2)),
                 r.random() < 0.5, r.random() < 0.5, r.choice((6, 9, 3)))


def fill_tables(r: Random, rig: Rig, start: int = 0) -> None:
    """Pointers, pages and nonsense, everywhere."""
    for at in range(TABLES[0], TABLES[2] + 0x1000, 4):
        kind = r.random()
        if kind < 0.6:
            word = KSEG0 + r.choice(TABLES) & 0xFFFF_FFFF
        elif kind < 0.9:
            word = r.randrange(0x40) << 6 + r.choice((6, 7, 8)) | r.getrandbits(14)
        else:
            word = r.getrandbits(32)
        rig.put(start + at, 4, word)


REGIONS = {0: PWCtl.XU, 1: PWCtl.XS, 3: PWCtl.XK}
"""By the two highest bits of an address."""


def any_wide_shape(r: Random) -> Shape:
    pti, ptw = r.choice((12, 14)), r.choice((3, 4))
    mdi = pti + ptw
    udi, gdi = r.choice(((30, 39), (mdi + 3, 28), (32, 44)))
    levels = ((gdi, r.choice((0, 3, 4))), (udi, r.choice((0, 2))), (mdi, r.choice((0, 2, 4))))
    return Shape(TABLES[0], levels, pti, ptw, r.choice((6, 7, 8, 34)), r.choice((0, 0, 0, 1)),
                 gdi < 30 and r.random() < 0.5, r.random() < 0.5, r.choice((6, 9, 3)), True,
                 sum(f.mask for f in REGIONS.values() if r.random() < 0.8))


def fill_wide_tables(r: Random, rig: Rig, start: int = 0) -> None:
    for at in range(TABLES[0], TABLES[2] + 0x1000, 8):
        pointer = r.choice((KSEG0, XKPHYS)) + r.choice(TABLES)
        page = r.randrange(0x40) << 6 + r.choice((6, 7, 8)) | r.getrandbits(14)
        rig.put(start + at, 8, r.choices((pointer, page, r.getrandbits(64)), (6, 3, 1))[0])
