"""Status, Cause and what an exception leaves; timers.  (Volume III, chapter 9; VZ module, chapter 4)"""
from __future__ import annotations

from enum import IntEnum

from vmm.arch.cp0.fields import GuestTrap, Register, ro, rw, w0c


class Mode(IntEnum):
    KERNEL = 0
    SUPERVISOR = 1
    USER = 2
    RESERVED = 3


class HWREna(Register, number=(7, 0)):
    """Which hardware registers RDHWR may read in user mode."""
    Impl     = rw(31, 30)
    ULR      = rw(29)
    XNP      = rw(5)
    PerfCtr  = rw(4)
    CCRes    = rw(3)
    CC       = rw(2)
    SYNCI    = rw(1)
    CPUNum   = rw(0)


class BadInstr(Register, number=(8, 1), context="g"):
    """The instruction that caused the last exception (Config3.BI)."""
    BadInstr = ro(31, 0)


class BadInstrP(Register, number=(8, 2), context="g"):
    """The branch before it, if it was in a delay slot (Config3.BP)."""
    BadInstrP = ro(31, 0)


class BadInstrX(Register, number=(8, 3), context="-"):
    """The rest of a 48-bit instruction (nanoMIPS)."""
    BadInstrX = ro(31, 0)


class Count(Register, number=(9, 0)):
    """Free-running counter; the guest sees root's plus GTOffset."""
    Count = rw(31, 0)


class Compare(Register, number=(11, 0)):
    """The Count at which the timer interrupt is raised; writing it takes the interrupt back."""
    Compare = rw(31, 0)


class Status(Register, number=(12, 0)):
    """Interrupt masks and operating mode."""
    CU3  = rw(31, guest_traps=True)
    CU2  = rw(30, guest_traps=GuestTrap.UNLESS_SFC2)
    CU1  = rw(29, guest_traps=GuestTrap.UNLESS_SFC1)
    CU0  = rw(28)
    RP   = rw(27, guest_traps=True)
    FR   = rw(26, guest_traps=True)
    RE   = rw(25, guest_traps=True)
    MX   = rw(24, guest_traps=True)
    PX   = rw(23, guest_traps=True)
    BEV  = rw(22, reset=1, guest_traps=True)
    TS   = rw(21, guest_traps=True)
    SR   = rw(20, guest_traps=True)
    NMI  = rw(19, guest_traps=True)
    Impl = rw(18, 16, guest_traps=True)
    IM   = rw(15, 8)
    KX   = rw(7)
    SX   = rw(6)
    UX   = rw(5)
    KSU  = rw(4, 3, Mode, guest_traps=GuestTrap.IF_MC)
    ERL  = rw(2, reset=1, guest_traps=GuestTrap.IF_MC)
    EXL  = rw(1, guest_traps=GuestTrap.IF_MC)
    IE   = rw(0)


class IntCtl(Register, number=(12, 1)):
    """Which interrupt lines the timers use, and how far apart the vectors are."""
    IPTI  = ro(31, 29, reset=7)
    IPPCI = ro(28, 26)
    IPFDC = ro(25, 23)
    VS    = rw(9, 5, guest_traps=True)


class SRSCtl(Register, number=(12, 2), context="g"):
    """Which shadow register set is current, was current, and is for exceptions."""
    HSS   = ro(29, 26)
    EICSS = ro(21, 18)
    ESS   = rw(15, 12)
    PSS   = rw(9, 6)
    CSS   = ro(3, 0)


class SRSMap(Register, number=(12, 3), context="g"):
    """Which shadow set serves each interrupt vector."""
    SSV7 = rw(31, 28)
    SSV6 = rw(27, 24)
    SSV5 = rw(23, 20)
    SSV4 = rw(19, 16)
    SSV3 = rw(15, 12)
    SSV2 = rw(11, 8)
    SSV1 = rw(7, 4)
    SSV0 = rw(3, 0)


class View_IPL(Register, number=(12, 4), context="g"):
    """Status.IPL as an aligned number (MCU)."""
    IPL = rw(9, 2)
    IM  = rw(1, 0)


class SRSMap2(Register, number=(12, 5), context="g"):
    """Shadow sets for vectors 8 and 9 (MCU)."""
    SSV9 = rw(7, 4)
    SSV8 = rw(3, 0)


class Cause(Register, number=(13, 0)):
    """Why the last exception was taken, and which interrupts are pending."""
    BD      = ro(31)
    TI      = ro(30)
    CE      = ro(29, 28)
    DC      = rw(27, guest_traps=True)
    PCI     = ro(26)
    ASE     = ro(25, 24)
    IV      = rw(23, guest_traps=True)
    WP      = rw(22)
    FDCI    = ro(21)
    IPhw    = ro(15, 10)
    IPsw    = rw(9, 8)
    ExcCode = ro(6, 2)


class View_RIPL(Register, number=(13, 4), context="g"):
    """Cause.RIPL as an aligned number (MCU)."""
    RIPL = ro(9, 2)
    IP   = rw(1, 0)


class NestedExc(Register, number=(13, 5), context="g"):
    """Whether EXL and ERL were set when the last exception came (Config5.NFExists)."""
    ERL = ro(2)
    EXL = ro(1)


class EPC(Register, number=(14, 0), bits64=True):
    """Where to go on after an exception."""
    EPC = rw(63, 0)


class NestedEPC(Register, number=(14, 2), bits64=True, context="g"):
    """The same for an exception inside an exception (Config5.NFExists)."""
    NestedEPC = rw(63, 0)


class LLAddr(Register, number=(17, 0), bits64=True):
    """The last load linked: its physical address, and whether a store conditional would still succeed."""
    PAddr = ro(63, 1)
    LLB   = w0c(0)


class ErrorEPC(Register, number=(30, 0), bits64=True):
    """Where to go on after a reset, an NMI or a cache error."""
    ErrorEPC = rw(63, 0)


class KScratch1(Register, number=(31, 2), bits64=True):
    """A word for the kernel's use (Config4.KScrExist)."""
    KScratch = rw(63, 0)


class KScratch2(KScratch1, number=(31, 3), bits64=True):
    """A word for the kernel's use."""


class KScratch3(KScratch1, number=(31, 4), bits64=True):
    """A word for the kernel's use."""


class KScratch4(KScratch1, number=(31, 5), bits64=True):
    """A word for the kernel's use."""


class KScratch5(KScratch1, number=(31, 6), bits64=True):
    """A word for the kernel's use."""


class KScratch6(KScratch1, number=(31, 7), bits64=True):
    """A word for the kernel's use."""
