"""The hardware page-table walker against a plain one, and machine checks in the place of duplicate TLB entries."""
from __future__ import annotations

from random import Random

import pytest

from tests.support.engines import ENGINES, Rig, fresh
from tests.support.walking import (
    KSEG0,
    REGIONS,
    TABLES,
    Plain,
    Shape,
    any_shape,
    any_wide_shape,
    fill_tables,
    fill_wide_tables,
)
from vmm.arch.cp0.fields import sign_extended
from vmm.arch.cp0.registers import (
    Cause,
    EBase,
    EntryHi,
    EntryLo0,
    EntryLo1,
    Index,
    PageGrain,
    PageMask,
    PWField,
    Status,
)
from vmm.arch.exceptions import ExcCode
from vmm.engine.cpu import TlbEntry

CODE = 0x4000
GRAIN = 0xC800_0000


def ready(engine: str, big_endian: bool = False, core: str = "P5600") -> Rig:
    rig = fresh(engine, core, big_endian)
    rig.cpu.root[EBase], rig.cpu.root[PageGrain] = sign_extended(0x8002_0000), GRAIN
    return rig


def touch(rig: Rig, va: int, status: int = 0) -> ExcCode | None:
    """Load from an address in kernel mode; the exception."""
    rig.cpu.root[Status] = status
    rig.cpu.gpr[8] = va
    rig.cpu.pc = KSEG0 + CODE
    rig.cpu.refresh()
    rig.run_to(rig.cpu.ticks + 1)
    return None if rig.cpu.pc == KSEG0 + CODE + 4 else ExcCode(Cause.ExcCode.of(rig.cpu.root[Cause]))


@pytest.mark.parametrize("big_endian", [False, True], ids=["little", "big"])
@pytest.mark.parametrize("engine", ENGINES)
def test_the_walker_writes_what_a_plain_walker_finds(engine: str, big_endian: bool) -> None:
    r, found = Random(5), 0
    rig = ready(engine, big_endian)
    for n in range(150):
        if n % 30 == 0:
            fill_tables(r, rig)
        rig.code(CODE, "lb $9, 0($8)")
        rig.cpu.tlb.clear()
        shape, va = any_shape(r), sign_extended(r.choice((0x1000_0000, 0xC000_0000)) | r.getrandbits(28))
        shape.put(rig.cpu.root)
        rig.cpu.root[EntryHi] = 0x33
        expected = Plain(rig, shape).walk(va)
        code = touch(rig, va)
        written = [entry for entry in rig.cpu.tlb if not entry.ehinv]
        if expected is None:
            assert written == [] and code is ExcCode.TLBL
            continue
        found += 1
        mask, lo0, lo1 = expected
        under = mask >> 7 & ~0x3F
        assert len(written) == 1, (shape, hex(va))
        entry, shared = written[0], lo0 & lo1 & 1
        assert entry.page_mask == mask
        assert (entry.entry_lo0, entry.entry_lo1) == (lo0 & ~1 & ~under | shared, lo1 & ~1 & ~under | shared)
        assert entry.entry_hi == va & ~(mask | 0x1FFF) | 0x33
        half = lo1 if va & (mask | 0x1FFF) + 1 >> 1 else lo0
        assert code is (ExcCode.TLBL if not half & 2 else ExcCode.TLBRI if half >> 63 else code)
        assert rig.cpu.root[PageMask] == rig.cpu.root[EntryLo0] == 0
    assert found > 40


WIDE = Status.KX.mask | Status.SX.mask | Status.UX.mask


@pytest.mark.parametrize("core", ["I6400", "MIPS64R5-generic"])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_wide_walker_writes_what_a_plain_one_finds(engine: str, core: str) -> None:
    """Pointers of 64 bits, addresses of four regions, of which the walker serves those it is asked to."""
    r, found, passed = Random(6), 0, 0
    rig = ready(engine, core=core)
    for n in range(300):
        if n % 30 == 0:
            fill_wide_tables(r, rig)
        rig.code(CODE, "lb $9, 0($8)")
        rig.cpu.tlb.clear()
        region, shape = r.choice((0, 1, 3)), any_wide_shape(r)
        va, wide = region << 62 | r.getrandbits(47), r.random() < 0.8
        if not wide:
            va = sign_extended(r.choice((0x1000_0000, 0xC000_0000)) | r.getrandbits(28))
        shape.put(rig.cpu.root)
        rig.cpu.root[EntryHi] = 0x33
        asked = not wide or shape.asked & REGIONS[region].mask
        status = WIDE if wide else Status.KX.mask if va >> 63 == 0 else 0
        expected = Plain(rig, shape, xkphys=status != 0).walk(va) if asked else None
        code = touch(rig, va, status)
        written = [entry for entry in rig.cpu.tlb if not entry.ehinv]
        if expected is None:
            assert written == [] and code is ExcCode.TLBL
            passed += not asked
            continue
        found += 1
        mask, lo0, lo1 = expected
        under = mask >> 7 & ~0x3F
        assert len(written) == 1, (shape, hex(va))
        entry, shared, small = written[0], lo0 & lo1 & 1, 3 << 62 | 0x3FFF_FFFF
        assert entry.page_mask == mask
        assert (entry.entry_lo0, entry.entry_lo1) == tuple(lo & small & ~1 & ~under | shared for lo in (lo0, lo1))
        assert entry.entry_hi == va & rig.cpu.model.vpn_mask & ~(mask | 0x1FFF) | 0x33
    assert found > 60 and passed > 20


@pytest.mark.parametrize("engine", ENGINES)
def test_a_walk_takes_no_exception_and_spares_wired_entries(engine: str) -> None:
    rig = ready(engine)
    Shape(TABLES[0], ((0, 0), (0, 0), (16, 4)), 12, 4, 6, 0, False, False, 0).put(rig.cpu.root)
    va = 0x0001_3000
    rig.put(TABLES[0] + 4, 4, KSEG0 + TABLES[1] & 0xFFFF_FFFF)
    rig.put(TABLES[1] + 4 * 3, 4, (0x8 << 6 | 7) << 6)
    rig.put(0x8000, 4, 0x1234_5678)
    rig.code(CODE, "lw $9, 0($8)")
    assert touch(rig, va) is None
    assert rig.cpu.gpr[9] == 0x1234_5678 and rig.cpu.retired == rig.cpu.ticks == 1


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("second", "checked"), [
    (dict(hi=0x4005), True), (dict(hi=0x4006), False), (dict(hi=0x4006, shared=1), True), (dict(hi=0x6005), False),
    (dict(hi=0x1_0005, mask=0x1_E000), True), (dict(hi=0x4405), False)],
    ids=["same", "other ASID", "global", "other page", "larger page", "EHINV"])
def test_a_write_that_would_match_twice_is_a_machine_check(engine: str, second: dict[str, int], checked: bool) -> None:
    rig = ready(engine)
    hi, mask, shared = second["hi"], second.get("mask", 0), second.get("shared", 0)
    rig.cpu.tlb[3] = TlbEntry(0x4005 if mask == 0 else 0x1_8005, 0, 0x207, 0x206)
    before = list(rig.cpu.tlb)
    root = rig.cpu.root
    root[EntryHi], root[PageMask], root[Index], root[Status] = hi, mask, 5, 0
    root[EntryLo0] = root[EntryLo1] = 0x40 | shared
    rig.code(CODE, "tlbwi")
    rig.cpu.pc = KSEG0 + CODE
    rig.cpu.refresh()
    rig.run_to(1)
    assert (Cause.ExcCode.of(root[Cause]) == ExcCode.MCheck) == checked
    assert bool(root[Status] & Status.TS.mask) == checked
    assert (list(rig.cpu.tlb) == before) == (checked or bool(hi & 0x400))


@pytest.mark.parametrize("engine", ENGINES)
def test_an_entry_may_be_written_again_in_its_place(engine: str) -> None:
    rig = ready(engine)
    rig.cpu.tlb[5] = TlbEntry(0x4005, 0, 0x206, 0x206)
    root = rig.cpu.root
    root[EntryHi], root[Index], root[EntryLo0], root[Status] = 0x4005, 5, 0x246, 0
    rig.code(CODE, "tlbwi")
    rig.cpu.pc = KSEG0 + CODE
    rig.cpu.refresh()
    rig.run_to(1)
    assert rig.cpu.pc == KSEG0 + CODE + 4 and rig.cpu.tlb[5].entry_lo0 == 0x246


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("core", ["MIPS64R5-generic", "I6400"])
def test_release_6_takes_no_index_inside_a_page(engine: str, core: str) -> None:
    rig = ready(engine, core=core)
    rig.code(CODE, "dmtc0 $8, $5, 6", "dmfc0 $9, $5, 6")
    whole, reset = 0x3F_3FFF_FFFF, 0x0C30_C302
    for offered, kept in ((0x2A_0C71_D306 | 12 << 32, False), (30 << 24 | 21 << 18 | 21 << 12 | 12 << 6 | 8, True),
                          (12 << 32 | 30 << 24 | 11 << 18 | 21 << 12 | 12 << 6 | 8, True),
                          (12 << 32 | 30 << 24 | 21 << 18 | 21 << 12 | 12 << 6 | 1, True)):
        rig.cpu.root[PWField], rig.cpu.root[Status], rig.cpu.gpr[8] = reset, 0, offered
        rig.cpu.pc = KSEG0 + CODE
        rig.cpu.refresh()
        rig.run_to(rig.cpu.ticks + 2)
        assert rig.cpu.gpr[9] == (reset if kept and core == "I6400" else offered & whole)
