"""The state of one CPU: a struct of 64-bit slots with a declared layout.

Both engines work on the same struct, in native memory; Python sees it through a view.  What is here is the snapshot of
a CPU, except the slots marked derived, which ``update_mode`` and the engine make again.
"""
from __future__ import annotations

from dataclasses import dataclass

REGISTERS_PER_FILE = 256
TLB_CAPACITY = 64 + 512
TLB_SLOTS = 8
REGION_CAPACITY = 8
REGION_SLOTS = 4
WATCH_CAPACITY = 32
OWNED_CAPACITY = 96
FOUND_IN_A_TLB = 256
SHARED_FTLB_BEHIND = 16
"""Entries of the VTLB on cores whose VPs share an FTLB: that memory can be the same for several CPUs."""
PAGE_OF_HOST = 4096 // 8
BREAK_CAPACITY = 256
SKIP_ALL, SKIP_BREAKS = 1, 2
"""Look for no breakpoint, and SKIP_ALL for no watchpoint either."""


class TlbSlot:
    """Where each part of a TLB entry lies within its ``TLB_SLOTS`` slots."""
    VPN = 0        # EntryHi's R and VPN2, the bits under the page mask cleared
    MASK = 1       # PageMask | 0x1fff: the bits of an address that do not take part in the match
    LO0 = 2        # EntryLo of the even page, as written (G stored in GLOBAL)
    LO1 = 3
    ASID = 4
    GLOBAL = 5     # 1 if both EntryLo.G were set
    GUEST = 6      # GuestID; 0 is the root's own
    VALID = 7      # 0 after EHINV, TLBINV and at reset, else 1 << the VP that wrote it, and LENT


LENT = 1 << 8
"""In ``TlbSlot.VALID``: the other VPs of the core use the entry, too."""


class RegionSlot:
    """A piece of physical memory that is backed by host memory."""
    BASE = 0       # first physical address
    END = 1        # first address after it
    HOST = 2       # host address of BASE
    READ_ONLY = 3  # stores leave to Python


@dataclass(frozen=True, slots=True)
class Slot:
    name: str
    count: int
    note: str
    page_at: int = 0
    """If not 0: that many slots from its start, a page of the host's memory begins."""


def _slots(*rows: tuple[str, int, str] | tuple[str, int, str, int]) -> tuple[Slot, ...]:
    return tuple(Slot(*row) for row in rows)


# fmt: off
SLOTS: tuple[Slot, ...] = _slots(
    ("gpr",             32, "general registers; 32-bit values sign-extended"),
    ("hi",               4, "upper words of the accumulators; without DSP the first is the only one"),
    ("lo",               4, "lower words"),
    ("dspctl",           1, "DSPControl"),
    ("fpr",             64, "registers of FPU and MSA: of register n the low 64 bits at 2n, the high ones at 2n + 1"),
    ("msacsr",           1, "MSA control and status"),
    ("pc",               1, "address of the next instruction"),
    ("in_slot",          1, "1: the next instruction is a delay slot"),
    ("forbidden",        1, "1: the next instruction is in the forbidden slot of a compact branch, and may not be one; "
                            "0 also where it is known to be none"),
    ("target",           1, "where to go after the delay slot"),
    ("next_pc",          1, "while a heavy instruction runs: where to go after it"),
    ("ticks",            1, "virtual time: instructions tried, plus ticks skipped by WAIT"),
    ("idle_ticks",       1, "of these, ticks skipped by WAIT"),
    ("until",            1, "run() ends when ticks reaches it"),
    ("deadline",         1, "derived: min(until, the next Compare match)"),
    ("instr",            1, "the instruction that trapped"),
    ("prior",            1, "the branch before it, if it is in a delay slot"),

    ("fcsr",             1, "FCSR; Cause and Flags complete whenever Python looks"),
    ("fir",              1, "FIR"),
    ("fcsr_writable",    1, "bits of FCSR that CTC1 changes"),
    ("fp_guard",         1, "derived: what coprocessor 1 refuses, see vmm.arch.fp.Guard"),
    ("fp_odd",           1, "derived: how many bytes lower an odd single lies"),
    ("fp_slow",          1, "native: bits of fp_guard that are always set"),
    ("fp_flags",         1, "what the operation raises that is being executed"),
    ("fp_last",          1, "native: the operation whose Cause is owed, see vmm.arch.fp"),
    ("fp_a",             1, "native: its first operand"),
    ("fp_b",             1, "native: the second"),
    ("fp_c",             1, "native: the third"),

    ("boot_base",        1, "where the root's exceptions go while Status.BEV is set, less 0x200: its reset address"),
    ("llbit",            1, "LL/SC link"),
    ("lladdr",           1, "physical address of the link"),
    ("halted",           1, "1: in WAIT"),
    ("irq_lines",        1, "hardware interrupt lines, in Cause.IP position"),
    ("nmi",              1, "1: a non-maskable interrupt is due"),
    ("guest_ip",         1, "guest Cause.IP lines raised by the root without GuestCtl2"),
    ("perf_at",          1, "tick of the next overflow of a performance counter that interrupts"),
    ("perf_tick",        1, "ticks when the performance counters were last brought up to date"),
    ("perf_idle",        1, "idle_ticks then"),
    ("perf_trapped",     1, "trapped then"),
    ("perf_mode",        1, "the mode since then: see vmm.arch.privileged.counters"),
    ("trapped",          1, "ticks of instructions that trapped"),
    ("maar",            16, "the bounds that MAARI chooses"),
    ("count_base",       1, "root Count - (ticks >> count_shift), while it runs"),
    ("shadow",         512, "the sixteen sets of general registers; the current one is in gpr"),
    ("eic_vector",       1, "EIC mode: vector that the external controller gives, 0: that of the level"),
    ("eic_set",          1, "EIC mode: shadow set that it gives"),
    ("eic_levels",       4, "EIC mode: levels that it gives to the core's own, by vmm.arch.privileged.interrupts.OWN"),
    ("compare_at",       2, "tick of the next Count == Compare: root, guest"),
    ("random_seed",      1, "state of the Random sequence"),
    ("random_writes",    1, "TLBWRs and TLBGWRs so far, for people"),

    ("trap",             1, "0, or 1 + ExcCode of an exception to deliver"),
    ("trap_badvaddr",    1, "its address"),
    ("trap_ce",          1, "its coprocessor"),
    ("trap_refill",      1, "1: TLB refill, 2: XTLB refill"),
    ("trap_root",        1, "1: raised to the root context out of guest mode"),
    ("trap_gexc",        1, "GuestCtl0.GExcCode with it"),
    ("trap_wide",        1, "derived: the address lies in a region with 64-bit addressing"),

    ("stop",             1, "0, or why run() must return (vmm.engine.stop.Stop)"),
    ("stop_code",        1, "DOOR: the code"),
    ("stop_address",     1, "LOAD, STORE: physical address; WATCH: virtual address"),
    ("stop_size",        1, "bytes"),
    ("stop_value",       1, "STORE: the value; the answer to a LOAD"),
    ("io_ready",         1, "1: the access that stopped has been served, take stop_value"),
    ("skip_break",       1, "at the next instruction: SKIP_BREAKS, or SKIP_ALL"),
    ("step",             1, "1: stop after one instruction"),

    ("in_guest",         1, "derived: guest mode"),
    ("base",             1, "derived: slot of the CP0 file of the context that runs"),
    ("priv",             1, "derived: 0 kernel, 1 supervisor, 2 user"),
    ("ops64",            1, "derived: 1 if 64-bit operations are allowed"),
    ("vectors",          1, "derived: 0 if MSA may be used, else what it raises (vmm.arch.privileged.vector)"),
    ("wrap",             1, "derived: 1 if addresses are computed modulo 2^32"),
    ("view_key",         1, "derived: which translations the soft TLB in use holds"),
    ("unmapped",         1, "derived: physical address of an access to an unmapped segment"),
    ("access_va",        1, "derived: the address of the last access, after wrapping"),
    ("as_user",          1, "derived: 1 while an access of the kernel is translated as in user mode (EVA)"),
    ("pc_relative",      1, "derived: 1 while a load relative to the pc is done"),
    ("part_host",        1, "derived: host address of the first byte of an access that is not aligned"),
    ("walk",             1, "derived: of the walker: 0 it walks, 1 it found a pair, 2 it gave up"),
    ("walk_at",          1, "derived: its next table"),
    ("walk_lo0",         1, "derived: what it found, as EntryLo"),
    ("walk_lo1",         1, "derived: the odd page"),
    ("walk_mask",        1, "derived: the address bits in the pair"),
    ("watch_on",         1, "derived: kinds of access that a watch register pair looks at"),
    ("perf_on",          1, "derived: some performance counter counts or interrupts"),
    ("careful",          1, "derived: code of the page last fetched from is watched: one instruction at a time"),
    ("rights",           1, "derived: of the last translation: 1 load, 2 store, 4 fetch"),

    ("core64",           1, "1: a 64-bit core"),
    ("release6",         1, "1: a core of release 6"),
    ("has_vz",           1, "1: it has guest mode"),
    ("tlb_size",         2, "entries: root, guest"),
    ("vtlb_size",        2, "of these, in the VTLB; the others are the FTLB"),
    ("ftlb_capacity",    2, "entries of an FTLB that is switched on"),
    ("ftlb_shape",       2, "its fields in Config4, 0 while it is off"),
    ("ftlb_sets",        2, "its sets, 0 while it is off"),
    ("ftlb_largest_page", 1, "the largest Config4.FTLBPageSize"),
    ("asid_mask",        1, "bits of EntryHi that hold the ASID"),
    ("vpn_mask",         1, "bits of EntryHi that hold R and VPN2"),
    ("segment_excess",   1, "address bits above SEGBITS and below R"),
    ("physical_excess",  1, "address bits above PABITS and below 59"),
    ("pfn_mask",         1, "bits of a physical address that EntryLo.PFN can give"),
    ("page_mask_bits",   1, "writable bits of PageMask"),
    ("xcontext_r",       1, "bit number of XContext.R"),
    ("count_shift",      1, "Count advances once in 2^this ticks"),
    ("ccres",            1, "RDHWR CCRes"),
    ("watch_pairs",      1, "watch register pairs"),
    ("perf_counters",    1, "performance counters"),
    ("perf_cycles",      1, "number of the event cycles"),
    ("perf_instructions", 1, "number of the event instructions completed"),
    ("maar_count",       1, "bounds that MAARI can choose from"),
    ("synci_step",       1, "RDHWR SYNCI_Step"),
    ("msair",            1, "MSA implementation register"),
    ("guest_ids",        1, "mask of GuestCtl1.ID, 0 without GuestID"),
    ("tlb_mark",         1, "in VALID of the TLB entries that this VP wrote: 1 << its number in the core"),
    ("lends_entries",    1, "1: the VPs of a core use each other's FTLB entries"),
    ("core_first",       1, "the first CPU of the core, by its number in the machine"),
    ("core_cpus",        1, "how many CPUs, which follow that one, share its root FTLB"),

    ("root_cp0",         REGISTERS_PER_FILE, "the root context's CP0 registers, by 8*rd + sel"),
    ("guest_cp0",        REGISTERS_PER_FILE, "the guest context's"),
    ("root_present",     REGISTERS_PER_FILE, "all ones for a register that exists, else 0"),
    ("guest_present",    REGISTERS_PER_FILE, "the same, in the guest context"),
    ("root_writable",    REGISTERS_PER_FILE, "bits that MTC0 changes in root mode"),
    ("guest_writable",   REGISTERS_PER_FILE, "bits that MTC0 changes in guest mode"),
    ("mtgc0_writable",   REGISTERS_PER_FILE, "bits that MTGC0 changes"),
    ("guest_sensitive",  REGISTERS_PER_FILE, "bits whose change by a guest exits (GSFC)"),
    ("root_tlb",         TLB_CAPACITY * TLB_SLOTS, "see TlbSlot", SHARED_FTLB_BEHIND * TLB_SLOTS),
    ("guest_tlb",        TLB_CAPACITY * TLB_SLOTS, ""),

    ("found",            2 * FOUND_IN_A_TLB, "derived: slot of the entry last found, by bits of the address: root, guest"),

    ("region_count",     1, "pieces of memory"),
    ("regions",          REGION_CAPACITY * REGION_SLOTS, "see RegionSlot"),
    ("watch_count",      1, "watchpoints"),
    ("watches",          WATCH_CAPACITY * 3, "first address, last address, 1 load + 2 store"),
    ("break_count",      1, "breakpoints"),
    ("breaks",           BREAK_CAPACITY, "their addresses"),
    ("break_bits",       16, "native: a bit for each word of a page that has a breakpoint"),

    ("page_va",          1, "native: virtual address of the page that runs"),
    ("target_va",        1, "native: target of a jump that may leave the page"),
    ("view",             1, "native: host address of the soft TLB in use"),
    ("arrive",           1, "native: record that looks up target_va"),
    ("stop_target",      1, "native: record that ends a stepped delay slot"),
    ("stop_jump",        1, "native: record that ends a stepped compact branch"),
    ("scratch",          1, "native: block for stepping one instruction"),
    ("shared",           1, "native: host address of what the CPUs of a machine share"),
    ("views",            1, "native: host address of this CPU's soft TLBs"),
    ("view_next",        1, "native: soft TLB to give up next"),
    ("view_keys",       16, "native: what each soft TLB holds"),
    ("second_entry",     1, "native: slot of the root TLB entry that the last second stage used"),
    ("owned_count",     TLB_CAPACITY, "native: how many soft entries each root TLB entry owns; more than fit: all"),
    ("owned",           TLB_CAPACITY * OWNED_CAPACITY, "native: their host addresses"),
)
# fmt: on


def _offsets() -> dict[str, int]:
    at, offsets = 0, {}
    for slot in SLOTS:
        if slot.page_at:
            at += -(at + slot.page_at) % PAGE_OF_HOST
        offsets[slot.name] = at
        at += slot.count
    offsets["size"] = at
    return offsets


OFFSET: dict[str, int] = _offsets()
"""Slot number of each name; ``OFFSET["size"]`` is the number of slots."""

COUNT: dict[str, int] = {slot.name: slot.count for slot in SLOTS}
ROOT_FILE = OFFSET["root_cp0"]
GUEST_FILE = OFFSET["guest_cp0"]
