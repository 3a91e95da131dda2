"""Moves to and from CP0: what a read gives, what a write changes, and which ones leave a guest.  (mips.md 2, 7.4)

A register is named by ``index``, 8*rd + sel, a Word.  Registers 32 bits wide are held zero-extended, 64-bit ones as
they are (sign-extended on a 32-bit core).
"""
from __future__ import annotations

from vmm.arch.cp0 import REGISTERS
from vmm.arch.cp0.registers import (
    DEPC,
    DESAVE,
    EPC,
    MAAR,
    MAARI,
    BadVAddr,
    Cause,
    CDMMBase,
    Compare,
    Config,
    Config3,
    Config4,
    Config5,
    Context,
    Count,
    EBase,
    EntryHi,
    EntryLo0,
    EntryLo1,
    ErrorEPC,
    GTOffset,
    GuestCtl0,
    GuestCtl0Ext,
    GuestCtl2,
    HWREna,
    Index,
    KScratch1,
    LLAddr,
    PageGrain,
    PageMask,
    PerfCtl0,
    PWField,
    Random,
    SegCtl0,
    SegCtl2,
    Status,
    UserLocal,
    WatchHi,
    WatchLo,
    Wired,
    XContext,
)
from vmm.arch.exceptions import GExcCode
from vmm.arch.privileged import counters, ftlb, watchpoints
from vmm.arch.privileged.entries import legal_page_mask, random_index
from vmm.arch.privileged.exception import exit_guest
from vmm.arch.privileged.mode import KERNEL
from vmm.arch.privileged.names import File
from vmm.arch.privileged.timer import count, guest_count, schedule, set_cause, set_count
from vmm.arch.privileged.walk import RI_BIT, XI_BIT
from vmm.arch.rows import AnyMachine
from vmm.arch.state import GUEST_FILE, OFFSET, REGISTERS_PER_FILE, ROOT_FILE

MMU_REGISTERS = (0, 8, 16, 24, 32, 33, 35, 37, 40, 41, 42, 43, 44, 45, 46, 47, 48, 54, 80, 160)
"""Index Random EntryLo0/1 Context(Config) XContextConfig MemoryMapID PageMask PageGrain SegCtl PW* Wired EntryHi XContext:
what GuestCtl0.AT = 1 keeps from the guest."""
AT_GUEST = 3
XNP = 5
"""The hardware register that says whether LLWP and SCWP are missing."""
IN_ENTRY_LO = 0x3FFF_FFFF
LONG_PTEI = 0x20
"""In PWField: PTEI is 32 or more."""
HOLDERS = (Index, EntryLo0, Context, UserLocal, PageMask, BadVAddr, XContext, EPC, ErrorEPC, DEPC, DESAVE, KScratch1)
"""Registers, and those like them, from whose value nothing is derived: it waits for an instruction or an exception."""
IS_HOLDER: tuple[int, ...] = tuple(
    int(n in REGISTERS and issubclass(REGISTERS[n], HOLDERS)) for n in range(REGISTERS_PER_FILE))
AS_HELD: tuple[int, ...] = tuple(
    int(n not in (Count.index, Random.index, LLAddr.index, MAAR.index) and n >> 3 != PerfCtl0.number[0])
    for n in range(REGISTERS_PER_FILE))
"""1 for each register, by index, that reads as it is held; of the others ``read`` knows more."""
WIDE: tuple[int, ...] = tuple(int(n in REGISTERS and REGISTERS[n].bits64) for n in range(REGISTERS_PER_FILE))
"""1 for each register of 64 bits, by index."""
ONE_CLEARS, ZERO_CLEARS = (
    tuple(getattr(REGISTERS[n], mask) if n in REGISTERS else 0 for n in range(REGISTERS_PER_FILE))
    for mask in ("clear_mask", "zero_mask"))
"""The bits of each register that software can only clear: by writing one, by writing zero."""


def need_cp0(m: AnyMachine) -> None:
    """CpU unless CP0 may be used; in a guest that root has not given CP0, a privileged-sensitive exit."""
    s = m.state
    allowed = (s.priv == KERNEL) | (m.cp0.on(Status.CU0) & (s.release6 == 0))
    for _ in m.when(~allowed):
        s.trap_ce = 0
        m.trap("CpU")
    for _ in m.when((s.in_guest != 0) & ~m.root.on(GuestCtl0.CP0)):
        m.call(exit_guest, m.const(GExcCode.GPSI))


def is_mmu_register(m: AnyMachine, index: AnyMachine) -> AnyMachine:
    """1 if GuestCtl0.AT governs the register."""
    low = sum(1 << n for n in MMU_REGISTERS if n < 64)
    found = m.select(index.below(m.const(64)), m.const(low).shr(index) & 1, 0)
    return found | m.flag((index == EntryHi.index) | (index == 160))


def keep_from_guest(m: AnyMachine, index: AnyMachine, write: AnyMachine) -> None:
    """Exit (GPSI) if the guest that runs may not touch this register by itself (mips.md 7.4)."""
    ctl = m.root
    absent = (m.slot(index + OFFSET["guest_present"]) == 0) & (m.slot(index + OFFSET["root_present"]) != 0)
    mmu = (m.call(is_mmu_register, index) != 0) & (ctl.get(GuestCtl0.AT) != AT_GUEST)
    timer = ((index == Count.index) | (index == Compare.index)) & ~ctl.on(GuestCtl0.GT)
    counting = (index == Count.index) & (write != 0)
    config = (index.shr(3) == Config.number[0]) & (write != 0) & ~ctl.on(GuestCtl0.CF)
    for _ in m.when(absent | mmu | timer | counting | config):
        m.call(exit_guest, m.const(GExcCode.GPSI))


def read(m: AnyMachine, index: AnyMachine) -> AnyMachine:
    """The register as held; MFC0 and DMFC0 differ only in what they do with it."""
    s = m.state
    guest = s.in_guest != 0
    for _ in m.when(guest):
        m.call(keep_from_guest, index, m.const(0))
    present = m.select(guest, m.slot(index + OFFSET["guest_present"]), m.slot(index + OFFSET["root_present"]))
    value = m.var(m.call(held, s.base, index) & present)
    for _ in m.when(index == Count.index):
        value.value = m.call(count)
    for _ in m.when(index == Random.index):
        value.value = m.call(random_index, s.base, s.in_guest) & present
    for _ in m.when(index == MAAR.index):
        value.value = m.slot(m.root.get(MAARI.INDEX) + OFFSET["maar"]) & present
    for _ in m.when(is_counter(m, index) & (s.perf_counters != 0)):
        m.call(counters.synchronise)
        value.value = m.root.at(index) & present
    return value.value


def is_counter(m: AnyMachine, index: AnyMachine) -> AnyMachine:
    """A Condition: PerfCtl or PerfCnt."""
    return index.shr(3) == PerfCtl0.number[0]


def read_of_guest(m: AnyMachine, index: AnyMachine) -> AnyMachine:
    """MFGC0: a register of the guest context, read by root."""
    value = m.var(m.call(held, m.const(GUEST_FILE), index) & m.slot(index + OFFSET["guest_present"]))
    for _ in m.when(index == Count.index):
        value.value = m.call(guest_count)
    return value.value


def held(m: AnyMachine, base: AnyMachine, index: AnyMachine) -> AnyMachine:
    """A register of a context; LLAddr.LLB is the link itself, which the contexts share (mips.md 6, LL/SC)."""
    return File(m, base).at(index) | m.select(is_link(m, base, index), m.state.llbit, 0)


def is_link(m: AnyMachine, base: AnyMachine, index: AnyMachine) -> AnyMachine:
    """A Condition: LLAddr of a core that shows the link in it."""
    return (index == LLAddr.index) & File(m, base).on(Config5.LLB)


def merged(m: AnyMachine, index: AnyMachine, old: AnyMachine, offered: AnyMachine, mask: AnyMachine) -> AnyMachine:
    """What the register holds after a write that can change the bits of ``mask``."""
    by_one, by_zero = mask & m.table(ONE_CLEARS, index), mask & m.table(ZERO_CLEARS, index)
    taken = mask & ~(by_one | by_zero)
    return old & ~(taken | (by_one & offered) | (by_zero & ~offered)) | (offered & taken)


def low_half(m: AnyMachine, index: AnyMachine, value: AnyMachine) -> AnyMachine:
    """What MFC0 gives of a register: EntryLo's RI and XI come down to bits 31 and 30."""
    lowered = value & IN_ENTRY_LO | (value.shr(XI_BIT).shl(30))
    return m.word(m.select(is_entry_lo(m, index), lowered, value))


def from_low_half(m: AnyMachine, index: AnyMachine, value: AnyMachine) -> AnyMachine:
    """What MTC0 offers to a register: sign-extended; EntryLo's bits 31 and 30 go up to RI and XI."""
    raised = value & IN_ENTRY_LO | (value.shr(30) & 3).shl(XI_BIT)
    return m.select(is_entry_lo(m, index), raised, m.word(value))


def high_half(m: AnyMachine, index: AnyMachine, value: AnyMachine) -> AnyMachine:
    """What MFHC0 gives of a register: of EntryLo the bits of the PFN that MFC0 does not (PFNX)."""
    return m.word(m.select(is_entry_lo(m, index), m.unsigned(value, XI_BIT).shr(30), value.shr(32)))


def with_high_half(m: AnyMachine, index: AnyMachine, old: AnyMachine, value: AnyMachine) -> AnyMachine:
    """What MTHC0 makes of a register that holds ``old``."""
    inhibit = old.shr(XI_BIT).shl(XI_BIT)
    entry_lo = old & IN_ENTRY_LO | inhibit | m.unsigned(value.shl(30), XI_BIT)
    return m.select(is_entry_lo(m, index), entry_lo, m.unsigned(old, 32) | value.shl(32))


def is_entry_lo(m: AnyMachine, index: AnyMachine) -> AnyMachine:
    return (index == EntryLo0.index) | (index == EntryLo1.index)


def write(m: AnyMachine, index: AnyMachine, value: AnyMachine) -> None:
    """MTC0 and DMTC0 in the context that runs."""
    s = m.state
    guest = s.in_guest != 0
    for _ in m.when(guest):
        m.call(keep_from_guest, index, m.const(1))
    mask = m.select(guest, m.slot(index + OFFSET["guest_writable"]), m.slot(index + OFFSET["root_writable"]))
    for _ in m.when(is_counter(m, index) & (s.perf_counters != 0)):
        m.call(counters.synchronise)
    old = m.call(held, s.base, index)
    offered = m.call(adjust, s.base, index, value)
    new = m.call(merged, index, old, offered, mask)
    changed = (old ^ new) & m.slot(index + OFFSET["guest_sensitive"])
    for _ in m.when(guest & (changed != 0)):
        for _ in m.when(m.call(field_change_exits, index, changed) != 0):
            m.call(exit_guest, m.const(GExcCode.GSFC))
    m.call(put, s.base, index, new, offered)


def field_change_exits(m: AnyMachine, index: AnyMachine, changed: AnyMachine) -> AnyMachine:
    """1 unless GuestCtl0.SFC1, SFC2 or GuestCtl0Ext.FCD let the guest change these fields itself."""
    ctl = m.root
    freed = (m.select(ctl.on(GuestCtl0.SFC1), Status.CU1.mask, 0)
             | m.select(ctl.on(GuestCtl0.SFC2), Status.CU2.mask, 0))
    left = changed & ~m.select(index == Status.index, freed, 0)
    return m.flag((left != 0) & ~ctl.on(GuestCtl0Ext.FCD))


def write_of_guest(m: AnyMachine, index: AnyMachine, value: AnyMachine) -> None:
    """MTGC0 and DMTGC0: a register of the guest context, written by root."""
    mask = m.slot(index + OFFSET["mtgc0_writable"])
    offered = m.call(adjust, m.const(GUEST_FILE), index, value)
    for _ in m.when(index == Cause.index):
        m.state.guest_ip = offered & mask & m.select(m.slot(GuestCtl2.index + OFFSET["root_present"]) == 0, 0xFC00, 0)
    old = m.call(held, m.const(GUEST_FILE), index)
    m.call(put, m.const(GUEST_FILE), index, m.call(merged, index, old, offered, mask), offered)


def adjust(m: AnyMachine, base: AnyMachine, index: AnyMachine, value: AnyMachine) -> AnyMachine:
    """The offered value, with fields that refuse it replaced by what they hold."""
    file = File(m, base)
    offered = m.var(m.select(m.call(is_wide, index) != 0, value, m.unsigned(value, 32)))
    for _ in m.when(is_entry_lo(m, index)):
        grain = file[PageGrain]
        refused = (m.select((grain & PageGrain.RIE.mask) == 0, m.const(1).shl(RI_BIT), 0)
                   | m.select((grain & PageGrain.XIE.mask) == 0, m.const(1).shl(XI_BIT), 0))
        offered.value = offered.value & ~refused
        for _ in m.when(~file.on(PageGrain.ELPA)):     # no PFNX (mips.md 2)
            offered.value = offered.value & (IN_ENTRY_LO | 3 << XI_BIT)
    for _ in m.when((index == PWField.index) & (m.state.core64 == 0) & ((value & LONG_PTEI) != 0)):
        kept = file[PWField] & PWField.PTEI.mask       # of entries of 32 bits: 32 and more is not taken (mips.md 2)
        offered.value = offered.value & ~PWField.PTEI.mask | kept
    watches = (base == ROOT_FILE) & (m.state.watch_pairs != 0)
    for _ in m.when((index == Cause.index) & watches & ~file.on(Cause.WP)):
        offered.value = offered.value & ~Cause.WP.mask                 # only hardware defers a watch
    for _ in m.when(index == MAARI.index):
        asked, count_ = value & MAARI.INDEX.mask, m.state.maar_count
        allowed = m.select(asked.below(count_), asked, file[MAARI])
        offered.value = m.select(asked == MAARI.INDEX.mask, count_ - 1, allowed)     # all ones: the highest
    for _ in m.when(index == PageMask.index):
        offered.value = m.call(legal_page_mask, value & m.state.page_mask_bits)
    for _ in m.when((index == Config4.index) & ~ftlb.legal_size(m, (value & Config4.FTLBPageSize.mask).shr(8))):
        offered.value = offered.value & ~Config4.FTLBPageSize.mask | (file[Config4] & Config4.FTLBPageSize.mask)
    for _ in m.when((index == Config5.index) & ~file.on(Config3.MSAP)):
        offered.value = offered.value & ~Config5.MSAEn.mask    # a guest may be without
    for _ in m.when(m.state.release6 != 0):
        offered.value = m.call(kept_by_release6, base, index, value, offered.value)
    for _ in m.when((index == EBase.index) & ((value & EBase.WG.mask) == 0)):
        offered.value = m.word(value & 0x3FFF_FFFF | 0x8000_0000)
    return offered.value


def kept_by_release6(m: AnyMachine, base: AnyMachine, index: AnyMachine, value: AnyMachine,
                     offered: AnyMachine) -> AnyMachine:
    """Release 6 does not take what is reserved: the field keeps what it held (mips.md 2)."""
    old, result = File(m, base).at(index), m.var(offered)
    for _ in m.when((index == Status.index) & ((value & Status.KSU.mask) == Status.KSU.mask)):
        result.value = offered & ~Status.KSU.mask | (old & Status.KSU.mask)
    for _ in m.when((index == Status.index) & (m.state.core64 != 0)):      # no mode is wider than a higher one
        narrow = ~result.value & Status.KX.mask
        narrow = narrow | narrow.shr(1) | (~result.value & Status.SX.mask)
        result.value = result.value & ~(narrow | narrow.shr(1))
    for _ in m.when((index == EntryHi.index) & (m.state.core64 != 0) & (value.shr(62) == 2)):
        result.value = offered & ~EntryHi.R.mask | (old & EntryHi.R.mask)
    for _ in m.when((index == PWField.index) & (m.call(beyond_walker, value) != 0)):
        result.value = old                             # all of it is dropped (Linux, arch/mips/mm/tlbex.c)
    size = m.slot(m.flag(base == GUEST_FILE) + OFFSET["vtlb_size"])
    for _ in m.when((index == Wired.index) & ~(value & Wired.Wired.mask).below(size)):
        result.value = old
    asked = value & PageMask.Mask.mask
    greatest = asked == PageMask.Mask.mask             # all ones: to learn the largest there is
    for _ in m.when((index == PageMask.index) & (offered != asked) & ~greatest):
        result.value = old
    return result.value


def beyond_walker(m: AnyMachine, value: AnyMachine) -> AnyMachine:
    """1 if a field of PWField is less than the walker takes: bits of an offset in a page as an index, RI and XI beyond an
    entry's end."""
    result = m.var(m.const(0))
    for field in (PWField.BDI, PWField.GDI, PWField.UDI, PWField.MDI, PWField.PTI, PWField.PTEI):
        least = 2 if field is PWField.PTEI else 12
        result.value = result.value | m.flag((value.shr(field.low) & field.mask >> field.low).below(m.const(least)))
    return result.value


def is_wide(m: AnyMachine, index: AnyMachine) -> AnyMachine:
    """1 for registers of 64 bits."""
    return m.table(WIDE, index)


def put(m: AnyMachine, base: AnyMachine, index: AnyMachine, new: AnyMachine, offered: AnyMachine) -> None:
    """Store a merged value, with what the write does beside it."""
    file = File(m, base)
    for _ in m.when(index == Cause.index):
        m.call(set_cause, base, new)
    for _ in m.otherwise():
        file.put_at(index, new)
    for _ in m.when(index == Count.index):
        for _ in m.when(base == ROOT_FILE):
            m.call(set_count, offered)
    for _ in m.when(index == Compare.index):
        file.put(Cause.TI, 0)
    for _ in m.when((index == Compare.index) | (index == GTOffset.index)):
        m.call(schedule)
    for _ in m.when(index == Wired.index):
        m.call(limit_wired, base)
    for _ in m.when(index.shr(3) == Config.number[0]):
        m.call(ftlb.update, base)
    for _ in m.when(is_counter(m, index) & (m.state.perf_counters != 0)):
        m.call(counters.update)
    for _ in m.when((index.shr(3) == WatchLo.number[0]) | (index.shr(3) == WatchHi.number[0])):
        m.call(watchpoints.update)
    for _ in m.when((index == MAAR.index) & (base == ROOT_FILE)):
        m.set_slot(m.root.get(MAARI.INDEX) + OFFSET["maar"], new)
    segments = ~index.below(m.const(SegCtl0.index)) & index.below(m.const(SegCtl2.index + 1))
    for _ in m.when(segments | (index == CDMMBase.index) | (index == PageGrain.index)):
        m.forget_every_page()
    for _ in m.when(is_link(m, base, index)):
        m.state.llbit = new & LLAddr.LLB.mask
        file[LLAddr] = new & ~LLAddr.LLB.mask


def limit_wired(m: AnyMachine, base: AnyMachine) -> None:
    """Wired wraps at the VTLB's size before release 6 (mips.md 2)."""
    file = File(m, base)
    size = m.slot(m.flag(base == GUEST_FILE) + OFFSET["vtlb_size"])
    _, wrapped = m.divide_unsigned(file.get(Wired.Wired), m.select(size == 0, 1, size))
    file[Wired] = file[Wired] & ~Wired.Wired.mask | wrapped


def hardware_register(m: AnyMachine, number: AnyMachine, sel: AnyMachine) -> AnyMachine:
    """RDHWR: RI unless kernel, CU0 (before release 6) or HWREna allows it and the register exists."""
    s = m.state
    privileged = (s.priv == KERNEL) | (m.cp0.on(Status.CU0) & (s.release6 == 0))
    enabled = (m.cp0[HWREna].shr(number) & 1) != 0
    known = ((m.const(0x2000_000F) | s.release6.shl(XNP)).shr(number) & 1) != 0
    local = (number != 29) | (m.slot(UserLocal.index + OFFSET["root_present"]) != 0)
    m.require((privileged | enabled) & known & local & (sel == 0), "RI")
    for _ in m.when((number == 2) & (s.in_guest != 0) & ~m.root.on(GuestCtl0.GT)):
        m.call(exit_guest, m.const(GExcCode.GPSI))
    value = m.var(m.cp0[EBase] & EBase.CPUNum.mask)
    value.value = m.select(number == 1, s.synci_step, value.value)
    value.value = m.select(number == 3, s.ccres, value.value)
    value.value = m.select(number == XNP, m.cp0.get(Config5.XNP), value.value)
    value.value = m.select(number == 29, m.cp0[UserLocal], value.value)
    for _ in m.when(number == 2):
        value.value = m.word(m.call(count))
    return value.value


def set_interrupt_enable(m: AnyMachine, enable: AnyMachine) -> AnyMachine:
    """DI and EI: the old Status."""
    old = m.cp0[Status]
    m.cp0[Status] = old & ~Status.IE.mask | enable
    return m.word(old)
