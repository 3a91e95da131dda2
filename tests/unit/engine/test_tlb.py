"""The TLB against a plain model of it, and its instructions.  (mips.md 4.3, 4.4)"""
from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random

import pytest

from tests.support.engines import ENGINES, MASK, MODELS, Rig, encode, fresh
from vmm.arch.cp0.registers import (
    BadVAddr,
    Cause,
    EBase,
    EntryHi,
    EntryLo0,
    EntryLo1,
    Index,
    PageGrain,
    PageMask,
    Status,
    Wired,
    sign_extended,
)
from vmm.arch.cp0.registers import (
    Random as RandomRegister,
)
from vmm.arch.exceptions import ExcCode
from vmm.arch.stops import Stop
from vmm.engine.cpu import TlbEntry

KSEG0, KSEG2 = sign_extended(0x8000_0000), sign_extended(0xC000_0000)
CODE, EBASE = KSEG0 + 0x4000, KSEG0 + 0x1000
PAGE_MASKS = (0, 0x6000, 0x1_E000, 0x7_E000, 0x1F_E000, 0x7F_E000, 0x1FF_E000, 0x7FF_E000, 0x1FFF_E000)
V, D, G = 2, 4, 1
RI, XI = 1 << 63, 1 << 62


# -- the plain model --------------------------------------------------------------------------------------------------

@dataclass
class Plain:
    """A TLB as the manual describes it."""
    vpn_mask: int
    pfn_mask: int
    iec: bool
    entries: list[TlbEntry] = field(default_factory=list)

    def match(self, va: int, asid: int) -> TlbEntry | None:
        for entry in self.entries:
            seen = self.vpn_mask & ~(entry.page_mask | 0x1FFF)
            shared = entry.entry_lo0 & entry.entry_lo1 & G
            if not entry.ehinv and (entry.entry_hi ^ va) & seen == 0 and (shared or entry.entry_hi & 0xFF == asid):
                return entry
        return None

    def translate(self, va: int, asid: int, access: str) -> int | tuple[ExcCode, bool]:
        """The physical address, or the exception and whether it is a refill."""
        missing = ExcCode.TLBS if access == "store" else ExcCode.TLBL
        entry = self.match(va, asid)
        if entry is None:
            return missing, True
        size = ((entry.page_mask | 0x1FFF) + 1) // 2
        lo = entry.entry_lo1 if va & size else entry.entry_lo0
        if not lo & V:
            return missing, False
        if access == "fetch" and lo & XI:
            return (ExcCode.TLBXI if self.iec else ExcCode.TLBL), False
        if access == "load" and lo & RI:
            return (ExcCode.TLBRI if self.iec else ExcCode.TLBL), False
        if access == "store" and not lo & D:
            return ExcCode.Mod, False
        return (lo << 6 & self.pfn_mask & -size) + va % size


def any_entry(r: Random, rig: Rig) -> TlbEntry:
    page_mask = r.choice(PAGE_MASKS[:r.randint(1, len(PAGE_MASKS))])
    bases = (0, 0x40_0000, KSEG2, KSEG2 + 0x10_0000, *((0x100_0000_0000,) if rig.model.bits == 64 else ()))
    va = r.choice(bases) + r.randrange(64) * 0x2000
    flags = [r.choice((7, 6, 6, 3, 2, 5, 0)) | r.choice((0, 0, 1, 2, 3)) << 62 for _ in range(2)]
    lows = [(1 << 17 | r.getrandbits(17)) << 6 | f for f in flags]          # frames where there is no RAM
    entry_hi = va & ~(page_mask | 0x1FFF) & MASK | r.choice((1, 2))
    return TlbEntry(entry_hi, page_mask, lows[0], lows[1], ehinv=r.random() < 0.1)


def overlap(a: TlbEntry, b: TlbEntry) -> bool:
    """Some address matches both, which no TLB lets happen."""
    kept = ~((a.page_mask | b.page_mask) | 0x1FFF)
    same_space = bool((a.entry_lo0 & a.entry_lo1 | b.entry_lo0 & b.entry_lo1) & 1) or not (a.entry_hi ^ b.entry_hi) & 0xFF
    return not (a.ehinv or b.ehinv) and same_space and not (a.entry_hi ^ b.entry_hi) & kept & MASK & -0x2000


def full_tlb(r: Random, rig: Rig) -> list[TlbEntry]:
    entries: list[TlbEntry] = []
    while len(entries) < rig.cpu.tlb.variable:
        new = any_entry(r, rig)
        entries.append(replace(new, ehinv=new.ehinv or any(overlap(new, old) for old in entries)))
    return entries


def outcome(rig: Rig, va: int, access: str) -> int | tuple[ExcCode, bool]:
    """What an access to ``va`` does, as a physical address or an exception; RAM is out of the entries' reach."""
    cpu = rig.cpu
    cpu.root[Status], cpu.root[Cause] = Status.UX.mask | Status.KX.mask if rig.model.bits == 64 else 0, 0
    cpu.pc = va if access == "fetch" else CODE
    cpu.gpr[8] = va
    cpu.refresh()
    stop = cpu.run(cpu.ticks + 1)
    if stop in (Stop.LOAD, Stop.STORE):
        cpu.complete_store()
        cpu.state.io_ready = 0
        return cpu.state.stop_address
    code = ExcCode(Cause.ExcCode.of(cpu.root[Cause]))
    if code == ExcCode.IBE:
        return -1                                      # translated, to where there is no memory
    assert cpu.root[BadVAddr] == va
    return code, cpu.pc - EBASE in (0, 0x80)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", MODELS)
def test_translation_is_that_of_the_plain_model(engine: str, name: str) -> None:
    r = Random(7)
    for _ in range(12):
        rig = fresh(engine, name)
        cpu = rig.cpu
        cpu.root[EBase] = EBASE
        cpu.root[PageGrain] = r.getrandbits(1) * PageGrain.IEC.mask
        plain = Plain(cpu.state.vpn_mask, cpu.state.pfn_mask, bool(cpu.root[PageGrain]))
        for n, entry in enumerate(full_tlb(r, rig)):
            cpu.tlb[n] = entry
        plain.entries = [cpu.tlb[n] for n in range(cpu.tlb.variable)]
        rig.code(0x4000, "lb $9, 0($8)")
        for _ in range(40):
            entry, access = r.choice(plain.entries), r.choice(("load", "store", "fetch"))
            va = (entry.entry_hi & -0x2000) + r.choice((0, 0x1000, 0x2000, 0x1_0000, r.getrandbits(24))) & -4 & MASK
            if name in ("24Kf", "P5600"):
                va = sign_extended(va)
            above_xkseg = va >> 62 == 3 and va < KSEG0 and va >> 31 & (1 << rig.model.segbits - 31) - 1 == (
                (1 << rig.model.segbits - 31) - 1)     # its last 2 GiB are the compatibility segments' (vol. III, 4)
            if KSEG0 <= va < KSEG2 or above_xkseg:
                continue
            rig.code(0x4000, {"load": "lb $9, 0($8)", "store": "sb $9, 0($8)", "fetch": "nop"}[access])
            asid = r.choice((1, 2))
            cpu.root[EntryHi] = asid
            expected = plain.translate(va, asid, access)
            got = outcome(rig, va, access)
            assert got == (-1 if access == "fetch" and isinstance(expected, int) else expected), (entry, hex(va), access)


# -- instructions -----------------------------------------------------------------------------------------------------

def do(rig: Rig, *lines: str) -> None:
    """Run these instructions in kernel mode."""
    rig.code(0x4000, *lines)
    rig.cpu.root[Status], rig.cpu.root[EBase] = 0, EBASE
    rig.cpu.pc = CODE
    rig.cpu.refresh()
    rig.run_to(rig.cpu.ticks + len(lines))
    assert rig.cpu.pc == CODE + 4 * len(lines)


def operands(rig: Rig, hi: int, lo0: int = 0, lo1: int = 0, mask: int = 0, index: int = 0) -> None:
    root = rig.cpu.root
    root[EntryHi], root[EntryLo0], root[EntryLo1], root[PageMask], root[Index] = hi, lo0, lo1, mask, index


@pytest.fixture(params=ENGINES)
def rig(request: pytest.FixtureRequest) -> Rig:
    return fresh(request.param, "P5600")


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("engine", ENGINES)
def test_tlbr_reads_what_tlbwi_wrote(engine: str, name: str) -> None:
    rig = fresh(engine, name)
    operands(rig, KSEG2 + 0x1_2000 | 0x55, 0x1000 | 0x1F, 0x2000 | 0x1E, 0x6000, 5)
    do(rig, "tlbwi")
    kept = (KSEG2 + 0x1_0000) & rig.cpu.state.vpn_mask | 0x55
    assert rig.cpu.tlb[5] == TlbEntry(kept, 0x6000, 0x1000 | 0x1E, 0x2000 | 0x1E)
    operands(rig, 0, index=5)
    do(rig, "tlbr")
    root = rig.cpu.root
    assert root[EntryHi] == kept
    assert (root[EntryLo0], root[EntryLo1], root[PageMask]) == (0x1000 | 0x1E, 0x2000 | 0x1E, 0x6000)


def test_g_is_set_only_if_both_halves_have_it(rig: Rig) -> None:
    for lo0, lo1, shared in ((V | G, V | G, 1), (V | G, V, 0), (V, V | G, 0)):
        operands(rig, KSEG2 | 1, lo0, lo1)
        do(rig, "tlbwi", "tlbr")
        assert (rig.cpu.root[EntryLo0] & G, rig.cpu.root[EntryLo1] & G) == (shared, shared)


def test_tlbp_finds_by_page_and_space(rig: Rig) -> None:
    rig.cpu.tlb[9] = TlbEntry(KSEG2 | 0x55, 0x6000, V, V)
    none = 1 << 31
    for hi, found in ((0x55, 9), (0x4055, 9), (0x54, none), (0x8055, none)):
        operands(rig, KSEG2 + hi)
        do(rig, "tlbp")
        assert rig.cpu.root[Index] == found


def test_an_invalidated_entry_matches_nothing_and_reads_as_ehinv(rig: Rig) -> None:
    operands(rig, KSEG2 | EntryHi.EHINV.mask, V, V, index=3)
    do(rig, "tlbwi", "tlbp")
    assert rig.cpu.root[Index] == 1 << 31
    operands(rig, 0, 1, 1, 0x6000, 3)
    do(rig, "tlbr")
    root = rig.cpu.root
    assert (root[EntryHi], root[EntryLo0], root[EntryLo1], root[PageMask]) == (EntryHi.EHINV.mask, 0, 0, 0)


def test_tlbinv_spares_other_spaces_and_global_entries_and_tlbinvf_nothing(rig: Rig) -> None:
    for n, (hi, lo) in enumerate(((0x0005, V), (0x2006, V), (0x4005, V | G))):
        rig.cpu.tlb[n] = TlbEntry(KSEG2 + hi, 0, lo, lo)
    rig.cpu.root[Wired] = 2
    operands(rig, 5)
    do(rig, "tlbinv")
    assert [rig.cpu.tlb[n].ehinv for n in range(3)] == [True, False, False]
    do(rig, "tlbinvf")
    assert all(entry.ehinv for entry in rig.cpu.tlb)


@pytest.mark.parametrize("wired", [0, 1, 40, 63])
def test_random_spares_wired_entries(rig: Rig, wired: int) -> None:
    rig.cpu.root[Wired] = wired
    before = [rig.cpu.tlb[n] for n in range(wired)]
    seen = set()
    for n in range(120):
        operands(rig, KSEG2 + 0x2000 * n | 1, V, V)
        do(rig, "mfc0 $9, $1", "tlbwr")
        seen.add(rig.cpu.gpr[9])
    assert seen <= set(range(wired, 64))
    assert len(seen) >= min(64 - wired, 20)
    assert [rig.cpu.tlb[n] for n in range(wired)] == before


def test_wired_wraps_at_the_size_of_the_tlb(rig: Rig) -> None:
    rig.cpu.gpr[8] = 64 + 5
    do(rig, "mtc0 $8, $6")
    assert rig.cpu.root[Wired] == 5


@pytest.mark.parametrize(("offered", "taken"), [
    (0, 0), (0x6000, 0x6000), (0x1FFF_E000, 0x1FFF_E000), (0x2000, 0), (0x1_6000, 0x6000), (0x1_8000, 0),
    (-1, 0x1FFF_E000)])
def test_page_mask_takes_only_legal_masks(rig: Rig, offered: int, taken: int) -> None:
    rig.cpu.gpr[8] = offered & MASK
    do(rig, "mtc0 $8, $5")
    assert rig.cpu.root[PageMask] == taken


def test_a_written_entry_is_seen_at_once_and_a_removed_one_no_more(rig: Rig) -> None:
    rig.put(0x8000, 4, 1)
    rig.put(0x9000, 4, 2)
    rig.cpu.tlb[0] = TlbEntry(KSEG2, 0, 0x8000 >> 6 | V | G, 0)
    rig.cpu.gpr[8] = KSEG2
    operands(rig, KSEG2, 0x9000 >> 6 | V | G, G)
    do(rig, "lw $9, 0($8)", "tlbwi", "lw $10, 0($8)", "tlbinvf", "nop")
    assert (rig.cpu.gpr[9], rig.cpu.gpr[10]) == (1, 2)
    rig.code(0x4000, "lw $9, 0($8)")
    rig.cpu.pc = CODE
    rig.cpu.run(rig.cpu.ticks + 1)
    assert rig.cpu.pc == EBASE


@pytest.mark.parametrize(("write", "random"), [("tlbwi", 0), ("tlbwr", 1)])
def test_code_that_maps_its_own_page_anew_goes_on_in_the_new_one(rig: Rig, write: str, random: int) -> None:
    """Far from the end of its time, where an engine goes on freely; a write of other pages lets it do so."""
    last = rig.cpu.tlb.variable - 1 if random else 0
    rig.cpu.root[Wired] = last                             # leaves TLBWR one entry: the FTLB has no such pages
    rig.cpu.tlb[last] = TlbEntry(KSEG2, 0x6000, 0x8000 >> 6 | V | G, V | G)
    rig.code(0x8000, "ori $9, $0, 1", write, "ori $9, $9, 2", "b -4", "nop")
    rig.code(0xC000, "nop", "nop", "ori $9, $9, 4", "b -4", "nop")
    operands(rig, KSEG2, 0xC000 >> 6 | V | G, V | G, 0x6000, last)
    rig.cpu.root[Status], rig.cpu.root[EBase] = 0, EBASE
    rig.cpu.pc = KSEG2
    rig.cpu.refresh()
    rig.run_to(rig.cpu.ticks + 5000)
    assert rig.cpu.gpr[9] == 5


def test_another_space_does_not_see_the_pages_of_the_first(rig: Rig) -> None:
    for n, asid in enumerate((1, 2)):
        rig.put(0x8000 + 0x1000 * n, 4, asid)
        rig.cpu.tlb[n] = TlbEntry(KSEG2 | asid, 0, 0x8000 + 0x1000 * n >> 6 | V, 0)
    rig.cpu.gpr[8], rig.cpu.gpr[2], rig.cpu.root[EntryHi] = KSEG2, 2, 1
    do(rig, "lw $9, 0($8)", "mtc0 $2, $10", "lw $10, 0($8)", "mtc0 $11, $10")
    assert (rig.cpu.gpr[9], rig.cpu.gpr[10]) == (1, 2)


def test_the_random_register_cannot_be_written(rig: Rig) -> None:
    before = rig.cpu.root[RandomRegister]
    rig.cpu.gpr[8] = 3
    do(rig, "mtc0 $8, $1")
    assert rig.cpu.root[RandomRegister] == before


@pytest.mark.parametrize(("name", "shown"), [("24Kf", 0), ("5KEf", 0), ("P5600", 1 << 10), ("MIPS64R5-generic", 1 << 10)])
@pytest.mark.parametrize("engine", ENGINES)
def test_ehinv_is_only_where_a_core_has_it(engine: str, name: str, shown: int) -> None:
    """Kernels read an entry that was never written, and write entries with the EntryHi that they then find."""
    rig = fresh(engine, name)
    rig.cpu.root[Index] = 0
    do(rig, "tlbr")
    assert rig.cpu.root[EntryHi] == shown
    rig.cpu.root[EntryHi] = KSEG2 | shown
    do(rig, "tlbwi")
    assert rig.cpu.tlb[0].ehinv == bool(shown)


@pytest.mark.parametrize(("inhibit", "load", "read"), [
    (RI, "lwpc $9, {}", True), (RI, "ldpc $9, {}", True), (RI | XI, "lwpc $9, {}", False), (RI, "lw $9, 0($8)", False)])
@pytest.mark.parametrize("engine", ENGINES)
def test_loads_relative_to_the_pc_read_what_can_be_executed(engine: str, inhibit: int, load: str, read: bool) -> None:
    """Volume III, chapter 4: RI does not count for them, unless XI is set too."""
    rig = fresh(engine, "I6500")
    cpu = rig.cpu
    rig.put(0x9000, 4, 77)
    cpu.tlb[0] = TlbEntry(KSEG2, 0, 0x8000 >> 6 | V | G, 0x9000 >> 6 | V | G | inhibit)
    rig.put(0x8000, 4, encode("I6500", load.format(f"{KSEG2 + 0x1000:#x}"), KSEG2))
    rig.put(0x8004, 4, encode("I6500", "lw $10, 0($8)"))
    cpu.root[Status], cpu.root[EBase], cpu.gpr[8], cpu.pc = Status.KX.mask, EBASE, KSEG2 + 0x1000, KSEG2
    cpu.refresh()
    cpu.run(cpu.ticks + 1)
    assert (cpu.gpr[9], cpu.pc) == ((77, KSEG2 + 4) if read else (0, EBASE + 0x180))
    if read:
        cpu.run(cpu.ticks + 1)                         # what the page allowed before does not help another load
        assert (cpu.gpr[10], cpu.pc) == (0, EBASE + 0x180)
