"""Root's registers that say what a guest may do and which guest runs.  (VZ module, chapter 4)"""
from __future__ import annotations

from enum import IntEnum

from vmm.arch.cp0.fields import Register, ro, rw


class GuestAccess(IntEnum):
    """GuestCtl0.AT: who has the guest's MMU."""
    RESERVED0 = 0
    ROOT = 1
    RESERVED2 = 2
    GUEST = 3


class GuestCtl1(Register, number=(10, 4), context="R"):
    """The GuestIDs: of the guest that runs (ID), of root's TLB operations (RID).  0 is root itself."""
    EID = rw(31, 24)
    RID = rw(23, 16)
    ID  = rw(7, 0)


class GuestCtl2(Register, number=(10, 5), context="R"):
    """Interrupts that root raises for the guest: VIP is Guest.Cause.IP7..2; HC: drop with the real line."""
    HC  = rw(29, 24)
    VIP = rw(15, 10)


class GuestCtl3(Register, number=(10, 6), context="R"):
    """Shadow register sets for the guest."""
    GLSS = rw(3, 0)


class GuestCtl0Ext(Register, number=(11, 4), context="R"):
    """Further controls (GuestCtl0.G0E): walker, cacheability, and groups of guest writes that exit."""
    RPW = rw(9, 8)
    NCC = rw(7, 6)
    CGI = rw(4)
    FCD = rw(3)
    OG  = rw(2)
    BG  = rw(1)
    MG  = rw(0)


class GuestCtl0(Register, number=(12, 6), context="R"):
    """Guest mode, what the guest may do by itself, and why it came back."""
    GM       = rw(31)
    RI       = rw(30)
    MC       = rw(29)
    CP0      = rw(28)
    AT       = rw(27, 26, GuestAccess)
    GT       = rw(25)
    CG       = rw(24)
    CF       = rw(23)
    G1       = ro(22)
    Impl     = rw(21, 20)
    G0E      = ro(19)
    PT       = ro(18)
    ASE      = rw(17, 16)
    PIP      = rw(15, 10)
    RAD      = rw(9)
    DRG      = rw(8)
    G2       = ro(7)
    GExcCode = ro(6, 2)
    SFC2     = rw(1)
    SFC1     = rw(0)


class GTOffset(Register, number=(12, 7), context="R"):
    """What is added to root's Count to make the guest's."""
    GTOffset = rw(31, 0)
