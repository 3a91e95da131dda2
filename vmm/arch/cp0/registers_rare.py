"""Registers of optional units: multithreading, watchpoints, counters, EJTAG.  (Volume III, chapter 9)"""
from __future__ import annotations

from vmm.arch.cp0.fields import Register, ro, rw, w1c


class MVPControl(Register, number=(0, 1), context="-"):
    """Control of the processor's threads (MT)."""
    CPA = rw(3)
    STLB = rw(2)
    VPC = rw(1)
    EVP = rw(0)


class MVPConf0(Register, number=(0, 2), context="-"):
    """How many threads and virtual processors there are (MT)."""
    PVPE = ro(13, 10)
    PTC  = ro(7, 0)


class MVPConf1(Register, number=(0, 3), context="-"):
    """Units of the processor (MT)."""


class VPControl(Register, number=(0, 4), context="-"):
    """Whether the sibling virtual processors are stopped (DVP, EVP)."""
    DIS = ro(0)


class VPEControl(Register, number=(1, 1), context="-"):
    """Control of this virtual processing element (MT)."""
    TE     = rw(15)
    TargTC = rw(7, 0)


class VPEConf0(Register, number=(1, 2), context="-"):
    """State of this virtual processing element (MT)."""
    MVP = rw(1)
    VPA = rw(0)


class VPEConf1(Register, number=(1, 3), context="-"):
    """Units of this virtual processing element (MT)."""


class YQMask(Register, number=(1, 4), context="-"):
    """Which inputs YIELD may wait for (MT)."""
    Mask = rw(30, 0)


class VPESchedule(Register, number=(1, 5), context="-"):
    """Hint to the thread scheduler (MT)."""
    Hint = rw(31, 0)


class VPEScheFBack(Register, number=(1, 6), context="-"):
    """Answer of the thread scheduler (MT)."""
    Feedback = rw(31, 0)


class VPEOpt(Register, number=(1, 7), context="-"):
    """Cache ways that this element may fill (MT)."""
    IWX = rw(15, 8)
    DWX = rw(7, 0)


class TCStatus(Register, number=(2, 1), context="-"):
    """State of a thread context (MT)."""
    TCU  = rw(31, 28)
    A    = rw(13)
    TKSU = rw(12, 11)
    IXMT = rw(10)
    TASID = rw(7, 0)


class TCBind(Register, number=(2, 2), context="-"):
    """Which element a thread context belongs to (MT)."""
    CurTC  = ro(28, 21)
    CurVPE = rw(3, 0)


class TCRestart(Register, number=(2, 3), bits64=True, context="-"):
    """Where a thread context goes on (MT)."""
    PC = rw(63, 0)


class TCHalt(Register, number=(2, 4), context="-"):
    """Whether a thread context is stopped (MT)."""
    H = rw(0)


class TCContext(Register, number=(2, 5), bits64=True, context="-"):
    """A word of the operating system for a thread context (MT)."""
    TCContext = rw(63, 0)


class TCSchedule(Register, number=(2, 6), context="-"):
    """Hint to the thread scheduler (MT)."""
    Hint = rw(31, 0)


class TCScheFBack(Register, number=(2, 7), context="-"):
    """Answer of the thread scheduler (MT)."""
    Feedback = rw(31, 0)


class SRSConf0(Register, number=(6, 1), context="-"):
    """Thread contexts that serve as shadow sets (MT)."""
    SRS3 = rw(29, 20)
    SRS2 = rw(19, 10)
    SRS1 = rw(9, 0)


class SRSConf1(SRSConf0, number=(6, 2), context="-"):
    """Thread contexts that serve as shadow sets (MT)."""


class SRSConf2(SRSConf0, number=(6, 3), context="-"):
    """Thread contexts that serve as shadow sets (MT)."""


class SRSConf3(SRSConf0, number=(6, 4), context="-"):
    """Thread contexts that serve as shadow sets (MT)."""


class SRSConf4(SRSConf0, number=(6, 5), context="-"):
    """Thread contexts that serve as shadow sets (MT)."""


class SAARI(Register, number=(9, 6), context="-"):
    """Which scratch address window SAAR shows."""
    Target = rw(5, 0)


class SAAR(Register, number=(9, 7), bits64=True, context="-"):
    """A scratch address window; 0 is that of the inter-thread communication unit."""
    Base = rw(43, 12)
    Size = rw(5, 1)
    En   = rw(0)


class MAAR(Register, number=(17, 1), bits64=True, context="g"):
    """Bound of a range of memory that may be read ahead (Config5.MRP); MAARI chooses which."""
    VH   = rw(63)
    ADDR = rw(55, 12)
    S    = rw(1)
    VL   = rw(0)


class MAARI(Register, number=(17, 2), context="g"):
    """Which MAAR is meant."""
    INDEX = rw(5, 0)


class WatchLo(Register, number=(18, 0), bits64=True, context="S"):
    """Address of a watchpoint, and for which accesses."""
    VAddr = rw(63, 3)
    I     = rw(2)
    R     = rw(1)
    W     = rw(0)


class WatchLo1(WatchLo, number=(18, 1), bits64=True, context="S"):
    """Address of watchpoint 1."""


class WatchLo2(WatchLo, number=(18, 2), bits64=True, context="S"):
    """Address of watchpoint 2."""


class WatchLo3(WatchLo, number=(18, 3), bits64=True, context="S"):
    """Address of watchpoint 3."""


class WatchLo4(WatchLo, number=(18, 4), bits64=True, context="S"):
    """Address of watchpoint 4."""


class WatchLo5(WatchLo, number=(18, 5), bits64=True, context="S"):
    """Address of watchpoint 5."""


class WatchLo6(WatchLo, number=(18, 6), bits64=True, context="S"):
    """Address of watchpoint 6."""


class WatchLo7(WatchLo, number=(18, 7), bits64=True, context="S"):
    """Address of watchpoint 7."""


class WatchHi(Register, number=(19, 0), bits64=True, context="S"):
    """Rest of a watchpoint's condition, and what it saw."""
    MMID = rw(63, 32)
    M    = ro(31)
    G    = rw(30)
    WM   = rw(29, 28)
    EAS  = rw(25, 24)
    ASID = rw(23, 16)
    Mask = rw(11, 3)
    I    = w1c(2)
    R    = w1c(1)
    W    = w1c(0)


class WatchHi1(WatchHi, number=(19, 1), bits64=True, context="S"):
    """Rest of watchpoint 1."""


class WatchHi2(WatchHi, number=(19, 2), bits64=True, context="S"):
    """Rest of watchpoint 2."""


class WatchHi3(WatchHi, number=(19, 3), bits64=True, context="S"):
    """Rest of watchpoint 3."""


class WatchHi4(WatchHi, number=(19, 4), bits64=True, context="S"):
    """Rest of watchpoint 4."""


class WatchHi5(WatchHi, number=(19, 5), bits64=True, context="S"):
    """Rest of watchpoint 5."""


class WatchHi6(WatchHi, number=(19, 6), bits64=True, context="S"):
    """Rest of watchpoint 6."""


class WatchHi7(WatchHi, number=(19, 7), bits64=True, context="S"):
    """Rest of watchpoint 7."""


class Debug(Register, number=(23, 0), context="R"):
    """State of EJTAG debug mode."""
    DBD      = ro(31)
    DM       = ro(30)
    LSNM     = rw(28)
    Doze     = ro(27)
    Halt     = ro(26)
    CountDM  = rw(25, reset=1)
    IBusEP   = rw(24)
    DBusEP   = rw(21)
    IEXI     = rw(20)
    Ver      = ro(17, 15, reset=1)
    DExcCode = ro(14, 10)
    SSt      = rw(8)
    DINT     = ro(5)
    DIB      = ro(4)
    DDBS     = ro(3)
    DDBL     = ro(2)
    DBp      = ro(1)
    DSS      = ro(0)


class TraceControl(Register, number=(23, 1), context="R"):
    """Control of the trace unit."""


class TraceControl2(Register, number=(23, 2), context="R"):
    """Control of the trace unit."""


class UserTraceData1(Register, number=(23, 3), context="R"):
    """A word that software puts into the trace."""


class TraceIBPC(Register, number=(23, 4), context="R"):
    """Instruction breakpoints that control the trace."""


class TraceDBPC(Register, number=(23, 5), context="R"):
    """Data breakpoints that control the trace."""


class Debug2(Register, number=(23, 6), context="R"):
    """Complex breakpoints of EJTAG."""


class DEPC(Register, number=(24, 0), bits64=True, context="R"):
    """Where to go on after debug mode."""
    DEPC = rw(63, 0)


class PerfCtl0(Register, number=(25, 0), context="S"):
    """What a performance counter counts, and in which modes."""
    M     = ro(31)
    W     = ro(30)
    EC    = rw(24, 23)
    PCTD  = rw(15)
    Event = rw(14, 5, guest_traps=True)
    IE    = rw(4)
    U     = rw(3)
    S     = rw(2)
    K     = rw(1)
    EXL   = rw(0)


class PerfCtl1(PerfCtl0, number=(25, 2), context="S"):
    """Control of performance counter 1."""


class PerfCtl2(PerfCtl0, number=(25, 4), context="S"):
    """Control of performance counter 2."""


class PerfCtl3(PerfCtl0, number=(25, 6), context="S"):
    """Control of performance counter 3."""


class PerfCnt0(Register, number=(25, 1), bits64=True, context="S"):
    """A performance counter; its top bit raises Cause.PCI."""
    Count = rw(63, 0)


class PerfCnt1(PerfCnt0, number=(25, 3), bits64=True, context="S"):
    """Performance counter 1."""


class PerfCnt2(PerfCnt0, number=(25, 5), bits64=True, context="S"):
    """Performance counter 2."""


class PerfCnt3(PerfCnt0, number=(25, 7), bits64=True, context="S"):
    """Performance counter 3."""


class ErrCtl(Register, number=(26, 0), context="R"):
    """Which memory the CACHE instruction reaches: tags, way selection, scratchpad."""
    WST = rw(29)
    SPR = rw(28)
    ITC = rw(26)


class CacheErr(Register, number=(27, 0), context="R"):
    """Where a cache found an error."""
    CacheErr = ro(31, 0)


class DESAVE(Register, number=(31, 0), bits64=True, context="R"):
    """A word for the debugger's use."""
    DESAVE = rw(63, 0)
