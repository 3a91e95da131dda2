"""Registers of units that a core may have: watch register pairs, performance counters, MAAR, common device memory map.

Each function gives the rows of one unit; the flag that tells of it (Config1.WR and PC, Config5.MRP, Config3.CDMM) is
the model's own.
(MIPS architecture, volume III, chapter 9)
"""
from __future__ import annotations

from vmm.arch.cp0.cells import Cell
from vmm.arch.cp0.fields import ALL_ONES, Register, sign_extended
from vmm.arch.cp0.registers import (
    MAAR,
    MAARI,
    REGISTERS,
    CDMMBase,
    IntCtl,
    PerfCtl0,
    WatchHi,
    WatchLo,
)

ALL32 = 0xFFFF_FFFF
COUNTER_LINE = 7
"""The interrupt line of the counters, as of the timer."""


def watch_pairs(count: int, bits: int) -> dict[type[Register], Cell]:
    """``count`` pairs; each but the last says that another follows."""
    rows: dict[type[Register], Cell] = {}
    place = ALL_ONES & ~7 if bits == 64 else sign_extended(ALL32 & ~7)
    control = WatchHi.G.mask | WatchHi.ASID.mask | WatchHi.Mask.mask | 7
    for n in range(count):
        rows[REGISTERS[WatchLo.index + n]] = Cell(0, place | 7)
        another = WatchHi.M.mask * (n < count - 1)
        rows[REGISTERS[WatchHi.index + n]] = Cell(sign_extended(another) if bits == 32 else another, control)
    return rows


def counters(count: int, event_bits: int = 7, *, vectors: bool = True, vz: bool = False) -> dict[type[Register], Cell]:
    """``count`` counters of 32 bits, whose interrupt is on the timer's line."""
    events = ((1 << event_bits) - 1) << PerfCtl0.Event.low
    control = events | 0x1F | PerfCtl0.EC.mask * vz
    lines = IntCtl.IPTI.at(COUNTER_LINE) | IntCtl.IPPCI.at(COUNTER_LINE)
    rows: dict[type[Register], Cell] = {IntCtl: Cell(lines, IntCtl.VS.mask * vectors)}
    for n in range(count):
        rows[REGISTERS[PerfCtl0.index + 2 * n]] = Cell(PerfCtl0.M.mask * (n < count - 1), control)
        rows[REGISTERS[PerfCtl0.index + 2 * n + 1]] = Cell(0, sign_extended(ALL32))
    return rows


def maars(address_bits: int) -> dict[type[Register], Cell]:
    """Sixteen bounds of a core with physical addresses of so many bits."""
    address = (1 << address_bits - 4) - (1 << MAAR.ADDR.low)
    return {MAAR: Cell(0, MAAR.VH.mask | address | MAAR.S.mask | MAAR.VL.mask),
            MAARI: Cell(0, MAARI.INDEX.mask)}


CDMM_BYTES = 1 << 15
"""The size of a common device memory map, and what it is aligned to; fewer register blocks may be in use."""


def device_map(blocks: int, address_bits: int) -> dict[type[Register], Cell]:
    """A map with so many blocks of 64 bytes in use, which may lie at physical addresses of so many bits."""
    address = (1 << address_bits - 4) - (1 << CDMMBase.CDMM_UPPER_ADDR.low)
    return {CDMMBase: Cell(CDMMBase.CDMMSize.at(blocks - 1), address | CDMMBase.EN.mask)}
