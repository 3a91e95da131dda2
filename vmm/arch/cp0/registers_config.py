"""Which core this is and what it has.  (Volume III, chapter 9; VZ module, chapter 4)"""
from __future__ import annotations

from vmm.arch.cp0.fields import Register, ro, rw


class PRId(Register, number=(15, 0), context="R"):
    """Maker, core and revision."""
    Options   = ro(31, 24)
    Company   = ro(23, 16)
    Processor = ro(15, 8)
    Revision  = ro(7, 0)


class EBase(Register, number=(15, 1), bits64=True):
    """Where the exception vectors are while Status.BEV is clear, and this CPU's number.

    Bits 63:30 change only by a write that carries WG (the write gate), on cores that have it.
    """
    Base   = rw(63, 12, reset=0xF_FFFF_FFF8_0000)
    WG     = rw(11)
    CPUNum = ro(9, 0)


class CDMMBase(Register, number=(15, 2), bits64=True, context="R"):
    """Physical address of the common device memory map, shifted right by 4 (Config3.CDMM).

    Being no virtual address, it is zero-extended on a 32-bit core, where bits 31:11 are bits 35:15 of the address.
    """
    CDMM_UPPER_ADDR = rw(63, 11)
    EN              = rw(10)
    CI              = ro(9)
    CDMMSize        = ro(8, 0)


class CMGCRBase(Register, number=(15, 3), bits64=True, context="R"):
    """Physical address of the coherence manager's registers, shifted right by 4 (Config3.CMGCR)."""
    Base = ro(63, 11)


class BEVVA(Register, number=(15, 4), context="-"):
    """Where the exception vectors are while Status.BEV is set."""
    Base = ro(31, 12)


class Config(Register, number=(16, 0)):
    """Architecture, release, byte order, kind of MMU; cacheability of kseg0."""
    M    = ro(31, reset=1)
    K23  = rw(30, 28)
    KU   = rw(27, 25)
    Impl = ro(24, 16)
    BE   = ro(15)
    AT   = ro(14, 13)
    AR   = ro(12, 10)
    MT   = ro(9, 7)
    VI   = ro(3)
    K0   = rw(2, 0, reset=2)


class Config1(Register, number=(16, 1)):
    """Size of the TLB and of the first-level caches; the oldest options."""
    M       = ro(31)
    MMUSize = ro(30, 25)
    IS      = ro(24, 22)
    IL      = ro(21, 19)
    IA      = ro(18, 16)
    DS      = ro(15, 13)
    DL      = ro(12, 10)
    DA      = ro(9, 7)
    C2      = ro(6)
    MD      = ro(5)
    PC      = ro(4)
    WR      = ro(3)
    CA      = ro(2)
    EP      = ro(1)
    FP      = ro(0)


class Config2(Register, number=(16, 2)):
    """Second- and third-level caches."""
    M  = ro(31)
    TU = ro(30, 28)
    TS = ro(27, 24)
    TL = ro(23, 20)
    TA = ro(19, 16)
    SU = ro(15, 12)
    SS = ro(11, 8)
    SL = ro(7, 4)
    SA = ro(3, 0)


class Config3(Register, number=(16, 3)):
    """Which modules and optional registers there are."""
    M        = ro(31)
    BPG      = ro(30)
    CMGCR    = ro(29)
    MSAP     = ro(28)
    BP       = ro(27)
    BI       = ro(26)
    SC       = ro(25)
    PW       = ro(24)
    VZ       = ro(23)
    IPLW     = ro(22, 21)
    MMAR     = ro(20, 18)
    MCU      = ro(17)
    ISAOnExc = rw(16)
    ISA      = ro(15, 14)
    ULRI     = ro(13)
    RXI      = ro(12)
    DSP2P    = ro(11)
    DSPP     = ro(10)
    CTXTC    = ro(9)
    ITL      = ro(8)
    LPA      = ro(7)
    VEIC     = ro(6)
    VInt     = ro(5)
    SP       = ro(4)
    CDMM     = ro(3)
    MT       = ro(2)
    SM       = ro(1)
    TL       = ro(0)


class Config4(Register, number=(16, 4)):
    """More of the TLB: invalidation, wide ASIDs, FTLB; which KScratch registers exist.

    Bits 7:0 are drawn as the FTLB's geometry; before release 6, MMUExtDef = 1: more of Config1.MMUSize.
    """
    M            = ro(31)
    IE           = ro(30, 29)
    AE           = ro(28)
    VTLBSizeExt  = ro(27, 24)
    KScrExist    = ro(23, 16)
    MMUExtDef    = ro(15, 14)
    FTLBPageSize = rw(12, 8)
    FTLBWays     = ro(7, 4)
    FTLBSets     = ro(3, 0)


class Config5(Register, number=(16, 5)):
    """Newer options and their switches."""
    M        = ro(31)
    K        = rw(30, guest_traps=True)
    CV       = rw(29, guest_traps=True)
    EVA      = ro(28)
    MSAEn    = rw(27, guest_traps=True)
    PMJ      = ro(25, 23)
    WR2      = ro(22)
    NMS      = ro(21)
    ULS      = ro(20)
    XPA      = ro(19)
    CRCP     = ro(18)
    MI       = rw(17)
    GI       = ro(16, 15)
    CA2      = ro(14)
    XNP      = ro(13)
    DEC      = ro(11)
    L2C      = ro(10)
    UFE      = rw(9, guest_traps=True)
    FRE      = rw(8, guest_traps=True)
    VP       = ro(7)
    SBRI     = rw(6)
    MVH      = ro(5)
    LLB      = ro(4)
    MRP      = ro(3)
    UFR      = rw(2, guest_traps=True)
    NFExists = ro(0)


class Config6(Register, number=(16, 6)):
    """The core's own: here, of the FTLB of proAptiv and P5600."""
    FTLBP  = rw(17, 16)
    FTLBEn = rw(15)


class Config7(Register, number=(16, 7), context="R"):
    """The core's own; WII: an interrupt that IE keeps away still ends WAIT."""
    WII = ro(31)
