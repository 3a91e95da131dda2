"""Watch registers, performance counters and MAAR: exact, and alike in both engines."""
from __future__ import annotations

import pytest

from tests.support.engines import ENGINES, Rig, fresh
from vmm.arch.cp0.fields import sign_extended
from vmm.arch.cp0.registers import (
    EPC,
    MAAR,
    MAARI,
    Cause,
    EBase,
    EntryHi,
    IntCtl,
    PerfCnt0,
    PerfCnt1,
    PerfCtl0,
    PerfCtl1,
    Status,
    WatchHi,
    WatchHi1,
    WatchLo,
    WatchLo1,
)
from vmm.arch.exceptions import ExcCode

KSEG0 = 0xFFFF_FFFF_8000_0000
CODE, VECTORS, DATA = 0x4000, 0x1_0000, 0x2_0000
READ, WRITE, FETCH = WatchLo.R.mask, WatchLo.W.mask, WatchLo.I.mask
CYCLES, INSTRUCTIONS = 0, 1 << PerfCtl0.Event.low


@pytest.fixture(params=ENGINES)
def rig(request: pytest.FixtureRequest) -> Rig:
    made = fresh(request.param, "P5600")
    made.cpu.root[EBase], made.cpu.root[Status] = KSEG0 + VECTORS, 0
    made.cpu.gpr[8] = KSEG0 + DATA
    return made


def run(rig: Rig, ticks: int, *lines: str) -> None:
    if lines:
        rig.code(CODE, *lines)
        rig.cpu.pc = KSEG0 + CODE
    rig.cpu.refresh()
    rig.run_to(rig.cpu.ticks + ticks)


def taken(rig: Rig) -> tuple[ExcCode, int]:
    """The exception and where it happened, from the first instruction on."""
    return ExcCode(Cause.ExcCode.of(rig.cpu.root[Cause])), rig.cpu.root[EPC] - KSEG0 - CODE >> 2


# -- watch registers --------------------------------------------------------------------------------------------------

LINES = ("lw $9, 0($8)", "lw $9, 8($8)", "sw $9, 8($8)", "lb $9, 12($8)", "addiu $10, $0, 1")


@pytest.mark.parametrize(("at", "kinds", "mask", "where", "status"), [
    (DATA + 8, READ, 0, 1, READ), (DATA + 8, WRITE, 0, 2, WRITE), (DATA + 8, READ | WRITE, 0, 1, READ),
    (DATA, WRITE, 0xFF8, 2, WRITE), (CODE + 16, FETCH, 0, 4, FETCH), (CODE + 8, FETCH | READ, 0, 2, FETCH)])
def test_a_watch_stops_before_the_access(rig: Rig, at: int, kinds: int, mask: int, where: int, status: int) -> None:
    rig.cpu.root[WatchLo1], rig.cpu.root[WatchHi1] = KSEG0 + at | kinds, WatchHi.G.mask | mask
    run(rig, where + 1, *LINES)
    assert taken(rig) == (ExcCode.Watch, where)
    assert rig.cpu.root[WatchHi1] & 7 == status and rig.cpu.pc == KSEG0 + VECTORS + 0x180
    assert rig.cpu.root[Cause] & Cause.WP.mask == 0


def test_accesses_beside_the_watched_place_go_on(rig: Rig) -> None:
    rig.cpu.root[WatchLo], rig.cpu.root[WatchHi] = KSEG0 + DATA + 16 | READ | WRITE, WatchHi.G.mask
    rig.cpu.root[WatchLo1], rig.cpu.root[WatchHi1] = KSEG0 + CODE + 0x100 | FETCH, WatchHi.G.mask
    run(rig, 5, *LINES)
    assert rig.cpu.pc == KSEG0 + CODE + 20 and rig.cpu.root[WatchHi] & 7 == 0


def test_a_watch_may_belong_to_one_address_space(rig: Rig) -> None:
    rig.cpu.root[WatchLo], rig.cpu.root[WatchHi] = KSEG0 + DATA | READ, 5 << 16
    rig.cpu.root[EntryHi] = 6
    run(rig, 5, *LINES)
    assert rig.cpu.pc == KSEG0 + CODE + 20
    rig.cpu.root[EntryHi] = 5
    run(rig, 1, *LINES)
    assert taken(rig) == (ExcCode.Watch, 0)


def test_a_watch_at_exception_level_comes_after_eret(rig: Rig) -> None:
    rig.cpu.root[WatchLo], rig.cpu.root[WatchHi] = KSEG0 + DATA | READ, WatchHi.G.mask
    rig.cpu.root[Status], rig.cpu.root[EPC] = Status.EXL.mask, KSEG0 + CODE + 16
    run(rig, 3, "lw $9, 0($8)", "eret", "nop", "nop", "addiu $10, $0, 1")
    assert taken(rig) == (ExcCode.Watch, 4) and rig.cpu.root[Cause] & Cause.WP.mask
    assert rig.cpu.gpr[10] == 0


def test_software_sets_a_watch_and_clears_what_it_saw(rig: Rig) -> None:
    rig.cpu.gpr[9], rig.cpu.gpr[10] = KSEG0 + DATA | WRITE, WatchHi.G.mask
    run(rig, 4, "lw $11, 0($8)", "mtc0 $9, $18", "mtc0 $10, $19", "sw $11, 4($8)")
    assert taken(rig) == (ExcCode.Watch, 3) and rig.cpu.root[WatchHi] & 7 == WRITE
    rig.cpu.root[Status], rig.cpu.gpr[9] = 0, 7
    run(rig, 1, "mtc0 $9, $19")
    assert rig.cpu.root[WatchHi] & 7 == 0


def test_registers_as_many_as_there_are_pairs(rig: Rig) -> None:
    rig.cpu.gpr[9] = sign_extended(0xFFFF_FFF8)
    run(rig, 4, "mtc0 $9, $18, 3", "mfc0 $10, $18, 3", "mtc0 $9, $18, 4", "mfc0 $11, $18, 4")
    assert (rig.cpu.gpr[10], rig.cpu.gpr[11]) == (sign_extended(0xFFFF_FFF8), 0)
    assert all(rig.cpu.root[r] & WatchHi.M.mask for r in (WatchHi, WatchHi1))


# -- performance counters ---------------------------------------------------------------------------------------------

def test_counters_count_cycles_and_instructions_of_chosen_modes(rig: Rig) -> None:
    rig.cpu.root[PerfCtl0], rig.cpu.root[PerfCtl1] = CYCLES | PerfCtl0.K.mask, INSTRUCTIONS | PerfCtl0.K.mask
    rig.code(VECTORS + 0x180, "nop", "nop", "nop")
    run(rig, 10, *["nop"] * 6, "syscall")
    run(rig, 1)
    assert rig.cpu.move_from(PerfCnt0) == 7, "six and the one that trapped"
    assert rig.cpu.move_from(PerfCnt1) == 6
    rig.cpu.root[PerfCtl0] = CYCLES | PerfCtl0.EXL.mask
    run(rig, 20)
    assert rig.cpu.move_from(PerfCnt0) == 27 and rig.cpu.move_from(PerfCnt1) == 6


@pytest.mark.parametrize("event", [CYCLES, INSTRUCTIONS])
@pytest.mark.parametrize("left", [1, 5, 3000])
def test_an_overflow_interrupts_at_its_very_tick(rig: Rig, event: int, left: int) -> None:
    rig.fill(CODE, [0] * 4096)
    rig.cpu.engine.forget()
    rig.cpu.root[PerfCtl0] = event | PerfCtl0.K.mask | PerfCtl0.IE.mask
    rig.cpu.root[PerfCnt0] = 0x8000_0000 - left
    rig.cpu.root[Status] = Status.IE.mask | 1 << 15
    rig.cpu.pc = KSEG0 + CODE
    run(rig, left + 1)
    assert rig.cpu.root[EPC] == KSEG0 + CODE + 4 * left
    assert Cause.PCI.of(rig.cpu.root[Cause]) == 1 and IntCtl.IPPCI.of(rig.cpu.root[IntCtl]) == 7


def test_a_counter_that_is_written_takes_its_interrupt_back(rig: Rig) -> None:
    rig.cpu.root[PerfCtl0], rig.cpu.root[PerfCnt0] = PerfCtl0.IE.mask, 0x8000_0000
    run(rig, 2, "nop", "mfc0 $9, $13", "mtc0 $0, $25, 1", "mfc0 $10, $13")
    run(rig, 2)
    assert rig.cpu.gpr[9] & Cause.PCI.mask and not rig.cpu.gpr[10] & Cause.PCI.mask


def test_code_reads_what_it_has_done(rig: Rig) -> None:
    rig.cpu.gpr[9] = INSTRUCTIONS | PerfCtl0.K.mask
    run(rig, 7, "mtc0 $9, $25, 0", "nop", "nop", "mfc0 $10, $25, 1", "nop", "mfc0 $11, $25, 1", "mfc0 $12, $25, 0")
    assert rig.cpu.gpr[11] - rig.cpu.gpr[10] == 2 and rig.cpu.gpr[10] in (2, 3)
    assert PerfCtl0.M.of(rig.cpu.gpr[12]) == 1


# -- MAAR -------------------------------------------------------------------------------------------------------------

def test_maari_chooses_among_sixteen_bounds(rig: Rig) -> None:
    rig.cpu.move_to(MAARI, 0x3F)
    assert rig.cpu.move_from(MAARI) == 15
    for n in range(16):
        rig.cpu.move_to(MAARI, n)
        rig.cpu.move_to(MAAR, n << 12 | 3)
    rig.cpu.move_to(MAARI, 0x20)
    assert rig.cpu.move_from(MAARI) == 15, "an index that does not exist is not taken"
    for n in range(16):
        rig.cpu.move_to(MAARI, n)
        assert rig.cpu.move_from(MAAR) == n << 12 | 3


def test_software_cannot_pretend_that_a_watch_is_deferred(rig: Rig) -> None:
    rig.cpu.gpr[9] = Cause.WP.mask
    run(rig, 3, "mtc0 $9, $13", "mfc0 $10, $13", "nop")
    assert rig.cpu.pc == KSEG0 + CODE + 12 and not rig.cpu.gpr[10] & Cause.WP.mask
