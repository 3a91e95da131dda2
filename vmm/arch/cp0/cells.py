"""Which CP0 registers a core has, their reset values and writable bits: the rows that cores share.

``vmm.arch.models`` adds to them what is different from core to core.
Invariant: a register without a row does not exist on that core; it reads as 0 and writes are dropped.
(MIPS architecture, volume III, chapter 9; VZ module, chapter 4)
"""
from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from vmm.arch.cp0.fields import ALL_ONES, Bits, Contexts, Register, sign_extended
from vmm.arch.cp0.registers import (
    DEPC,
    DESAVE,
    EPC,
    MAAR,
    MAARI,
    BadInstr,
    BadInstrP,
    BadVAddr,
    CacheErr,
    Cause,
    Compare,
    Config,
    Config1,
    Config2,
    Config3,
    Config4,
    Config5,
    Config7,
    Context,
    Count,
    DataHi,
    DataLo,
    DDataHi,
    DDataLo,
    Debug,
    DTagHi,
    DTagLo,
    EBase,
    EntryLo0,
    EntryLo1,
    ErrCtl,
    ErrorEPC,
    GTOffset,
    GuestAccess,
    GuestCtl0,
    GuestCtl0Ext,
    GuestCtl2,
    Index,
    IntCtl,
    KScratch1,
    KScratch2,
    KScratch3,
    LLAddr,
    MemoryMapID,
    PageMask,
    PWBase,
    PWCtl,
    PWField,
    PWSize,
    Random,
    SegCtl0,
    SegCtl1,
    SegCtl2,
    SRSCtl,
    SRSMap,
    TagHi,
    TagLo,
    UserLocal,
    Wired,
    XContext,
)

ALL32 = 0xFFFF_FFFF


class Cell(NamedTuple):
    """A root register of a core: its value after reset, and the bits that MTC0 changes."""
    reset: int
    writable: int = 0


class GuestCell(NamedTuple):
    """A guest register of a core: bits that the guest's own MTC0 changes, bits that root's MTGC0 changes."""
    reset: int
    guest_writable: int
    root_writable: int


Cells = Mapping[type[Register], Cell]
GuestCells = Mapping[type[Register], GuestCell]


def without(word: int, *fields: Bits) -> int:
    """A measured number less the fields that the machine does not have."""
    for f in fields:
        word &= ~f.mask
    return word


def bits_of(*fields: Bits) -> int:
    return sum(f.mask for f in fields)


# fmt: off
EVERY_CORE: dict[type[Register], Cell] = {
    Context:   Cell(0, Context.PTEBase.mask),
    PageMask:  Cell(0, 0x1FFF_E000),
    BadVAddr:  Cell(0),
    Count:     Cell(0, ALL32),
    Compare:   Cell(0, ALL32),
    IntCtl:    Cell(0xE000_0000),
    SRSCtl:    Cell(0),
    Cause:     Cell(0, 0x08C0_0300),
    EPC:       Cell(0, ALL_ONES),
    Config2:   Cell(0x8000_0000),
    LLAddr:    Cell(0),
    Debug:     Cell(0x0200_8000, bits_of(Debug.LSNM, Debug.CountDM, Debug.IBusEP, Debug.DBusEP, Debug.IEXI)),
    DEPC:      Cell(0, ALL_ONES),
    ErrCtl:    Cell(0),
    CacheErr:  Cell(0),
    TagLo:     Cell(0, ALL_ONES),
    DataLo:    Cell(0, ALL_ONES),
    DTagLo:    Cell(0, ALL_ONES),
    DDataLo:   Cell(0, ALL_ONES),
    TagHi:     Cell(0, ALL32),
    DataHi:    Cell(0, ALL32),
    DTagHi:    Cell(0, ALL32),
    DDataHi:   Cell(0, ALL32),
    ErrorEPC:  Cell(0, ALL_ONES),
    DESAVE:    Cell(0, ALL_ONES),
}

RELEASE5: dict[type[Register], Cell] = {
    UserLocal: Cell(0, ALL_ONES),
    BadInstr:  Cell(0),
    BadInstrP: Cell(0),
    IntCtl:    Cell(0xE000_0000, IntCtl.VS.mask),
    SRSMap:    Cell(0),
    Config7:   Cell(Config7.WII.mask),
    LLAddr:    Cell(0, LLAddr.LLB.mask),
    KScratch1: Cell(0, ALL_ONES),
    KScratch2: Cell(0, ALL_ONES),
    KScratch3: Cell(0, ALL_ONES),
}

_SEGMENT_BITS = sign_extended(0xFE7F_FE7F)
SEGMENT_REGISTERS: dict[type[Register], Cell] = {
    SegCtl0: Cell(0x0020_0010, _SEGMENT_BITS),
    SegCtl1: Cell(0x0003_0002, _SEGMENT_BITS),
    SegCtl2: Cell(0x003A_043A, _SEGMENT_BITS & ~0x0200_0200),         # of 1 GiB: one address bit fewer
}
"""Segmentation control on a 32-bit core (Config3.SC)."""
WIDE_SEGMENT_REGISTERS: dict[type[Register], Cell] = {
    SegCtl0: Cell(0x0020_0010, 0xFE7F_FE7F),
    SegCtl1: Cell(0x0003_0002, 0xFE7F_FE7F | SegCtl1.XAM.mask),
    SegCtl2: Cell(0x003A_043A, 0xFC7F_FC7F | SegCtl2.XR.mask),
}
"""The same on a 64-bit core, which can also open parts of xkphys."""
WALKER_REGISTERS: dict[type[Register], Cell] = {
    PWBase:  Cell(0, ALL_ONES),
    PWField: Cell(2, 0x3FFF_FFFF),
    PWSize:  Cell(0, 0x3FFF_FFFF),
    PWCtl:   Cell(0, bits_of(PWCtl.PWEn, PWCtl.DPH, PWCtl.HugePg, PWCtl.PSn)),
}
"""The page-table walker of a 32-bit core (Config3.PW)."""
WIDE_WALKER_REGISTERS: dict[type[Register], Cell] = {
    PWBase:  Cell(0, ALL_ONES),
    PWField: Cell(0x0C30_C302, bits_of(*PWField.fields)),
    PWSize:  Cell(0x40, bits_of(*PWSize.fields)),
    PWCtl:   Cell(0, bits_of(*PWCtl.fields)),
}
"""That of a 64-bit core, of release 5 or later: it can have a level more, pointers of 64 bits, and serve xkseg."""

_ROOT_ONLY_BITS: dict[type[Register], int] = {
    # What MTGC0 changes and the guest itself cannot: all that hardware sets, so that a guest can be moved.
    Index:     Index.P.mask,
    Context:   Context.BadVPN2.mask,
    BadVAddr:  ALL_ONES,
    BadInstr:  ALL32,
    BadInstrP: ALL32,
    XContext:  ALL_ONES & ~0xF,
    Cause:     without(bits_of(*Cause.fields), Cause.ASE),
    EBase:     EBase.CPUNum.mask,
    Config:    Config.M.mask,
    Config1:   bits_of(Config1.M, Config1.FP),
    Config2:   Config2.M.mask,
    Config3:   bits_of(Config3.M, Config3.MSAP),
    Config4:   Config4.M.mask,
}

_HIDDEN_FROM_GUEST: dict[type[Register], int] = {
    Config1: Config1.WR.mask | Config1.PC.mask,
    Config3: Config3.VZ.mask | Config3.CDMM.mask | Config3.CMGCR.mask,
    Config5: bits_of(Config5.MRP, Config5.MI, Config5.GI),
    IntCtl:  IntCtl.IPPCI.mask,
}
# fmt: on

_NO_GUEST_COPY = frozenset({SRSCtl, SRSMap, MAAR, MAARI, MemoryMapID})
"""A guest has no shadow sets, MAAR or MMID of its own: it exits when it touches these (GPSI)."""


FTLB = 512
FTLB_SHAPE = Config4.FTLBPageSize.at(1) | Config4.FTLBWays.at(4 - 2) | Config4.FTLBSets.at(7)
"""The FTLB of proAptiv, P5600, I6400 and I6500: 128 sets of 4 ways; after reset of pages of 4 KiB."""
LEGACY_SEGMENTS: dict[type[Register], int] = {
    register: register.reset for register in (SegCtl0, SegCtl1, SegCtl2)}
"""What a core without segmentation control holds where it would have these registers, and software cannot see."""


def tlb_registers(entries: int, ftlb: int = 0) -> dict[type[Register], Cell]:
    """The registers that hold an index; ``entries``, of the VTLB, is a power of two; ``ftlb`` entries follow."""
    return {Index: _index(entries + ftlb), Random: Cell(entries - 1), Wired: Cell(0, entries - 1)}


def release6_tlb_registers(entries: int, ftlb: int = 0) -> dict[type[Register], Cell]:
    """The same from release 6 on: no Random; Wired has a limit, and drops a write that is too large."""
    return {Index: _index(entries + ftlb), Wired: Cell(0, Wired.Wired.mask)}


def _index(entries: int) -> Cell:
    return Cell(0, (1 << (entries - 1).bit_length()) - 1)


def entry_lo(mask: int) -> dict[type[Register], Cell]:
    return {EntryLo0: Cell(0, mask), EntryLo1: Cell(0, mask)}


def vz_registers(guests_by: Bits) -> dict[type[Register], Cell]:
    """What root rules guests with.

    ``guests_by`` is the flag of what tells guests apart: root's ASID (GuestCtl0.RAD), or the GuestID
    (GuestCtl0.G1; the core then needs GuestCtl1 as well).
    """
    controls = bits_of(GuestCtl0.GM, GuestCtl0.RI, GuestCtl0.CP0, GuestCtl0.AT, GuestCtl0.GT, GuestCtl0.CG,
                       GuestCtl0.CF, GuestCtl0.PIP)
    present = bits_of(GuestCtl0.G0E, GuestCtl0.PT, GuestCtl0.G2, guests_by)
    return {GuestCtl0: Cell(present | GuestCtl0.AT.at(GuestAccess.ROOT), controls),
            GuestCtl0Ext: Cell(0, bits_of(GuestCtl0Ext.CGI, GuestCtl0Ext.FCD)),
            GuestCtl2: Cell(0, GuestCtl2.VIP.mask),
            GTOffset: Cell(0, ALL32)}


def guest_of(root: Cells) -> dict[type[Register], GuestCell]:
    """The guest context of a core: its copies of the root registers, which start as root's do; a TLB of the same size."""
    cells = dict(root)
    cells[Count] = Cell(0)      # root's Count plus GTOffset: a guest's write exits, MTGC0 has no effect
    own = {register: cell for register, cell in cells.items()
           if register.context in (Contexts.GUEST, Contexts.GUEST_IF) and register not in _NO_GUEST_COPY}
    guest = {}
    for register, cell in own.items():
        given = ~_HIDDEN_FROM_GUEST.get(register, 0)
        guest[register] = GuestCell(cell.reset & given, cell.writable & given,
                                    cell.writable & given | _ROOT_ONLY_BITS.get(register, 0))
    return guest


