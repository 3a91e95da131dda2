"""The MMU's registers: TLB operands, segments, page-table walker.  (Volume III, chapter 9)"""
from __future__ import annotations

from vmm.arch.cp0.fields import Register, ro, rw


class Index(Register, number=(0, 0)):
    """Index into the TLB; P tells that TLBP found nothing."""
    P     = ro(31)
    Index = rw(30, 0)


class Random(Register, number=(1, 0)):
    """Index that TLBWR takes, from Wired to the last entry.  Removed in release 6."""
    Random = ro(30, 0)


class EntryLo0(Register, number=(2, 0), bits64=True):
    """Even half of a TLB entry.  MFC0 brings RI and XI down to bits 31 and 30, MTC0 sends them up."""
    RI  = rw(63)
    XI  = rw(62)
    PFN = rw(61, 6)
    C   = rw(5, 3)
    D   = rw(2)
    V   = rw(1)
    G   = rw(0)


class EntryLo1(EntryLo0, number=(3, 0), bits64=True):
    """Odd half of a TLB entry."""


class GlobalNumber(Register, number=(3, 1), context="-"):
    """Which virtual processor of which core of which cluster this is (release 6, Config5.VP)."""
    Cluster = ro(19, 16)
    Core    = ro(15, 8)
    VP      = ro(7, 0)


class Context(Register, number=(4, 0), bits64=True):
    """Pointer into a page table, ready made for the refill handler of 32-bit regions."""
    PTEBase = rw(63, 23)
    BadVPN2 = ro(22, 4)


class ContextConfig(Register, number=(4, 1), context="g"):
    """Which bits of Context the hardware fills in (Config3.CTXTC or SM)."""
    VirtualIndex = rw(22, 2, reset=0x1FFFFC)


class UserLocal(Register, number=(4, 2), bits64=True, context="g"):
    """A word of the operating system that user mode reads by RDHWR 29 (Config3.ULRI)."""
    UserLocal = rw(63, 0)


class XContextConfig(Register, number=(4, 3), bits64=True, context="g"):
    """Which bits of XContext the hardware fills in."""
    VirtualIndex = rw(63, 2)


class DebugContextID(Register, number=(4, 4), context="-"):
    """Tag of the running context for a debugger (release 6)."""
    ID = rw(7, 0)


class MemoryMapID(Register, number=(4, 5), context="g"):
    """Global tag of TLB entries, in the place of the ASID, while Config5.MI is set."""
    MMID = rw(31, 0)


class PageMask(Register, number=(5, 0)):
    """Page size of a TLB entry."""
    Mask  = rw(31, 13)
    MaskX = rw(12, 11)


class PageGrain(Register, number=(5, 1)):
    """What a page can do: read and execute inhibit, large addresses, small pages."""
    RIE     = rw(31)
    XIE     = rw(30)
    ELPA    = rw(29)
    ESP     = rw(28)
    IEC     = rw(27)
    MCCause = ro(4, 0)


class SegCtl0(Register, number=(5, 2), bits64=True, context="g"):
    """Segments 1 (C0000000) and 0 (E0000000)."""
    CFG1 = rw(31, 16, reset=0x0020)
    CFG0 = rw(15, 0, reset=0x0010)


class SegCtl1(Register, number=(5, 3), bits64=True, context="g"):
    """Segments 3 (80000000) and 2 (A0000000), and the mode of the opened part of xkphys."""
    XAM  = rw(61, 59)
    CFG3 = rw(31, 16, reset=0x0003)
    CFG2 = rw(15, 0, reset=0x0002)


class SegCtl2(Register, number=(5, 4), bits64=True, context="g"):
    """Segments 5 (0) and 4 (40000000), and which parts of xkphys are open."""
    XR   = rw(63, 56)
    CFG5 = rw(31, 16, reset=0x0038)
    CFG4 = rw(15, 0, reset=0x0438)


class PWBase(Register, number=(5, 5), bits64=True, context="g"):
    """Address of the top page table for the hardware walker."""
    PWBase = rw(63, 0)


class PWField(Register, number=(5, 6), bits64=True, context="g"):
    """Which address bits index each level, and where an entry's fields start."""
    BDI  = rw(37, 32)
    GDI  = rw(29, 24)
    UDI  = rw(23, 18)
    MDI  = rw(17, 12)
    PTI  = rw(11, 6)
    PTEI = rw(5, 0, reset=2)


class PWSize(Register, number=(5, 7), bits64=True, context="g"):
    """How many bits index each level, and the size of pointers and entries."""
    BDW  = rw(37, 32)
    PS   = rw(30)
    GDW  = rw(29, 24)
    UDW  = rw(23, 18)
    MDW  = rw(17, 12)
    PTW  = rw(11, 6)
    PTEW = rw(5, 0)


class Wired(Register, number=(6, 0)):
    """Entries below Wired are safe from TLBWR; Limit (release 6) is the most that Wired may be."""
    Limit = ro(31, 16)
    Wired = rw(15, 0)


class PWCtl(Register, number=(6, 6), context="g"):
    """Switches of the hardware page-table walker."""
    PWEn     = rw(31)
    PWDirExt = rw(30)
    XK       = rw(28)
    XS       = rw(27)
    XU       = rw(26)
    DPH      = rw(7)
    HugePg   = rw(6)
    PSn      = rw(5, 0)


class BadVAddr(Register, number=(8, 0), bits64=True):
    """The address that caused the last address error or TLB exception."""
    BadVAddr = ro(63, 0)


class EntryHi(Register, number=(10, 0), bits64=True):
    """Virtual half of a TLB entry, and the address space that runs."""
    R     = rw(63, 62)
    VPN2  = rw(61, 13)
    VPN2X = rw(12, 11)
    EHINV = rw(10)
    ASIDX = rw(9, 8)
    ASID  = rw(7, 0)


class XContext(Register, number=(20, 0), bits64=True):
    """Pointer into a page table for the refill handler of 64-bit regions.

    Drawn for SEGBITS = 40; each further bit of SEGBITS moves PTEBase and R one up (``CpuModel.xcontext``).
    """
    PTEBase = rw(63, 33)
    R       = ro(32, 31)
    BadVPN2 = ro(30, 4)
