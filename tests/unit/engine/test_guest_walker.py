"""A guest's own page-table walker: its tables are at guest physical addresses, so root has its say.  (mips.md 4.5, 7.5)"""
from __future__ import annotations

from random import Random

import pytest

from tests.support.engines import ENGINES, VZ_MODELS, Rig, fresh
from tests.support.walking import KSEG0, TABLES, Plain, Shape, any_shape, any_wide_shape, fill_tables, fill_wide_tables
from vmm.arch.cp0.fields import sign_extended
from vmm.arch.cp0.registers import EPC, Cause, EBase, EntryHi, GuestCtl0, GuestCtl1, PageGrain, PWCtl, Status
from vmm.arch.exceptions import ExcCode
from vmm.engine.cpu import TlbEntry

CODE, GRAIN, VALID = 0x4000, 0xC800_0000, 7
GUEST_AT, HALF = 0x2_0000, 0x1_0000
"""Where the guest's memory is, which root maps by one entry: code in the lower half, tables in the upper one."""
OWN = GuestCtl0.CP0.mask | GuestCtl0.AT.mask | GuestCtl0.GT.mask
ASID = 0x33


def ready(engine: str, core: str) -> Rig:
    """A guest's kernel that is about to load from where $8 points."""
    rig = fresh(engine, core)
    cpu = rig.cpu
    cpu.root[EBase], cpu.root[PageGrain] = KSEG0 + 0x1_0000, GRAIN
    cpu.root[GuestCtl0] |= GuestCtl0.GM.mask | OWN
    if cpu.state.guest_ids:
        cpu.root[GuestCtl1] = 0x1_0001
    cpu.guest[EBase], cpu.guest[PageGrain] = KSEG0 + 0x2000, GRAIN
    see(rig, tables=True)
    rig.code(GUEST_AT + CODE, "lb $9, 0($8)")
    return rig


def see(rig: Rig, *, tables: bool) -> None:
    """Let root map the guest's memory, with or without the half where its tables are."""
    low, high = GUEST_AT >> 6 | VALID, GUEST_AT + HALF >> 6 | (VALID if tables else 1)
    rig.cpu.tlb[0] = TlbEntry(0, 0x1_E000, low, high, rig.cpu.state.guest_ids & 1)


def touch(rig: Rig, va: int, status: int = 0) -> None:
    cpu = rig.cpu
    cpu.guest[Status], cpu.guest[EntryHi], cpu.root[Status] = status, ASID, Status.EXL.mask
    cpu.root[EPC], cpu.gpr[8], cpu.pc = KSEG0 + CODE, va, KSEG0 + 0x6000
    rig.code(0x6000, "eret")
    cpu.refresh()
    rig.run_to(cpu.ticks + 2)


@pytest.mark.parametrize("core", VZ_MODELS)
@pytest.mark.parametrize("engine", ENGINES)
def test_the_walker_of_a_guest_reads_tables_where_root_has_them(engine: str, core: str) -> None:
    r, rig, found = Random(7), ready(engine, core), 0
    wide = rig.cpu.model.bits == 64
    for n in range(240 if wide else 120):
        if n % 30 == 0:
            (fill_wide_tables if wide else fill_tables)(r, rig, GUEST_AT)
        rig.cpu.guest_tlb.clear()
        shape = any_wide_shape(r) if wide else any_shape(r)
        shape.put(rig.cpu.guest)
        va = sign_extended(r.choice((0x1000_0000, 0xC000_0000)) | r.getrandbits(28))
        expected = Plain(rig, shape, at=GUEST_AT, size=2 * HALF).walk(va)
        touch(rig, va)
        written = [entry for entry in rig.cpu.guest_tlb if not entry.ehinv]
        if expected is None:
            assert written == [] and Cause.ExcCode.of(rig.cpu.guest[Cause]) == ExcCode.TLBL and rig.cpu.in_guest
            continue
        found += 1
        mask, lo0, lo1 = expected
        assert len(written) == 1, (shape, hex(va))
        entry = written[0]
        assert (entry.page_mask, entry.guest_id) == (mask, rig.cpu.state.guest_ids & 1)
        assert entry.entry_hi == va & rig.cpu.model.vpn_mask & ~(mask | 0x1FFF) | ASID
        assert entry.entry_lo0 >> 6 & 0xFF_FFFF == (lo0 & ~(mask >> 7)) >> 6 & 0xFF_FFFF
        assert entry.entry_lo1 >> 6 & 0xFF_FFFF == (lo1 & ~(mask >> 7)) >> 6 & 0xFF_FFFF
    assert found > 20


PLAIN_SHAPE = Shape(TABLES[0], ((0, 0), (0, 0), (16, 4)), 12, 4, 6, 0, False, False, 0)
VA = 0x0001_3000


def one_page(rig: Rig) -> None:
    """VA is the guest's page 8."""
    PLAIN_SHAPE.put(rig.cpu.guest)
    rig.put(GUEST_AT + TABLES[0] + 4, 4, KSEG0 + TABLES[1] & 0xFFFF_FFFF)
    rig.put(GUEST_AT + TABLES[1] + 4 * 3, 4, (0x8 << 6 | 7) << 6)
    rig.put(GUEST_AT + 0x8000, 4, 0x1234_5678)


@pytest.mark.parametrize("core", VZ_MODELS)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_guest_finds_its_page_without_an_exception_of_anyone(engine: str, core: str) -> None:
    rig = ready(engine, core)
    one_page(rig)
    touch(rig, VA)
    assert rig.cpu.in_guest and rig.cpu.pc == KSEG0 + CODE + 4
    assert rig.cpu.gpr[9] == (0x12 if rig.big_endian else 0x78)


@pytest.mark.parametrize("core", VZ_MODELS)
@pytest.mark.parametrize("engine", ENGINES)
def test_tables_may_be_where_the_guests_tlb_maps_them(engine: str, core: str) -> None:
    rig = ready(engine, core)
    one_page(rig)
    rig.put(GUEST_AT + TABLES[0] + 4, 4, 0xC000_0000 + TABLES[1])
    kseg2 = sign_extended(0xC000_0000 + TABLES[1]) & ~0x1FFF
    rig.cpu.guest_tlb[0] = TlbEntry(kseg2, 0, TABLES[1] >> 6 | VALID, TABLES[1] + 0x1000 >> 6 | VALID,
                                    rig.cpu.state.guest_ids & 1)
    touch(rig, VA)
    assert rig.cpu.in_guest and rig.cpu.pc == KSEG0 + CODE + 4


@pytest.mark.parametrize("core", VZ_MODELS)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_table_that_root_does_not_map_leaves_it_to_the_guests_handler(engine: str, core: str) -> None:
    rig = ready(engine, core)
    one_page(rig)
    see(rig, tables=False)
    touch(rig, VA)
    assert rig.cpu.in_guest and Cause.ExcCode.of(rig.cpu.guest[Cause]) == ExcCode.TLBL
    see(rig, tables=True)
    rig.cpu.guest_tlb.clear()
    touch(rig, VA)
    assert rig.cpu.pc == KSEG0 + CODE + 4


@pytest.mark.parametrize("core", VZ_MODELS)
@pytest.mark.parametrize("engine", ENGINES)
def test_the_walker_of_root_is_not_that_of_the_guest(engine: str, core: str) -> None:
    rig = ready(engine, core)
    one_page(rig)
    rig.cpu.guest[PWCtl] = 0
    PLAIN_SHAPE.put(rig.cpu.root)
    touch(rig, VA)
    assert Cause.ExcCode.of(rig.cpu.guest[Cause]) == ExcCode.TLBL and all(e.ehinv for e in rig.cpu.guest_tlb)
