"""Count, Compare, WAIT, and when and where interrupts are taken.  (mips.md 5.2, 5.4, 6)"""
from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.engines import ENGINES, Rig, encode, fresh
from vmm.arch.cp0.registers import EPC, BadInstr, Cause, Compare, EBase, IntCtl, Status, sign_extended
from vmm.arch.stops import Stop

KSEG0 = sign_extended(0x8000_0000)
CODE, EBASE, BEV = KSEG0 + 0x4000, KSEG0 + 0x1000, sign_extended(0xBFC0_0200)
Make = Callable[..., Rig]


@pytest.fixture(params=ENGINES)
def make(request: pytest.FixtureRequest) -> Make:
    """A CPU with its vectors at EBASE."""
    def build(name: str = "24Kf") -> Rig:
        rig = fresh(request.param, name)
        rig.cpu.root[EBase] = EBASE
        return rig
    return build


def spin(rig: Rig, status: int) -> None:
    """No-operations for a while, from CODE."""
    rig.fill(0x4000, [0] * 1024)
    rig.cpu.engine.forget()
    rig.cpu.pc = CODE
    rig.cpu.root[Status] = status


IM7 = Status.IM.at(0x80)


@pytest.mark.parametrize("ahead", [1, 5, 600])
def test_compare_interrupts_at_its_tick(make: Make, ahead: int) -> None:
    rig = make()
    spin(rig, IM7 | Status.IE.mask)
    rig.cpu.root[Compare] = ahead
    rig.cpu.refresh()
    rig.cpu.run(2 * ahead - 1)
    assert not rig.cpu.root[Status] & Status.EXL.mask
    rig.cpu.run(2 * ahead)
    assert rig.cpu.pc == EBASE + 0x180
    assert rig.cpu.root[EPC] == CODE + 4 * 2 * ahead
    assert rig.cpu.root[Cause] & (Cause.TI.mask | 0x8000 | Cause.ExcCode.mask) == Cause.TI.mask | 0x8000


def test_writing_compare_ends_the_timer_interrupt(make: Make) -> None:
    rig = make()
    rig.code(0x4000, "nop", "mtc0 $8, $11", "mfc0 $9, $13")
    rig.cpu.pc, rig.cpu.gpr[8] = CODE, 1000
    rig.cpu.root[Compare] = 0
    rig.cpu.root[Cause] = Cause.TI.mask
    rig.cpu.refresh()
    rig.run_to(1)
    assert rig.cpu.root[Cause] == Cause.TI.mask | 0x8000
    rig.run_to(3)
    assert rig.cpu.gpr[9] == 0
    assert rig.cpu.state.array("compare_at")[0] == 2000


def test_count_stops_and_goes_on(make: Make) -> None:
    rig = make()
    rig.code(0x4000, "mtc0 $8, $13", "nop", "nop", "nop", "mfc0 $9, $9", "mtc0 $0, $13", "nop", "nop", "mfc0 $10, $9")
    rig.cpu.pc, rig.cpu.gpr[8] = CODE, Cause.DC.mask
    rig.cpu.state.ticks = 100
    rig.cpu.refresh()
    rig.run_to(109)
    assert (rig.cpu.gpr[9], rig.cpu.gpr[10]) == (50, 52)   # it advances at even ticks, here at 106 and 108


def test_wait_skips_to_the_next_event_and_no_further(make: Make) -> None:
    rig = make()
    spin(rig, IM7 | Status.IE.mask)
    rig.code(0x4000, "wait")
    rig.cpu.root[Compare] = 500
    rig.cpu.refresh()
    assert rig.cpu.run(800) == Stop.BUDGET
    assert (rig.cpu.ticks, rig.cpu.state.idle_ticks, rig.cpu.retired) == (800, 799, 1)
    assert rig.cpu.run(1000) == Stop.BUDGET
    assert (rig.cpu.pc, rig.cpu.root[EPC]) == (EBASE + 0x180, CODE + 4)
    assert rig.cpu.state.idle_ticks == 999


@pytest.mark.parametrize(("status", "taken"), [
    (IM7 | Status.IE.mask, True), (IM7, False), (Status.IE.mask, False),
    (IM7 | Status.IE.mask | Status.EXL.mask, False), (IM7 | Status.IE.mask | Status.ERL.mask, False)])
def test_interrupts_need_enable_mask_and_level(make: Make, status: int, taken: bool) -> None:
    rig = make()
    spin(rig, status)
    rig.cpu.refresh()
    rig.cpu.set_interrupt(7, True)
    rig.cpu.step()
    assert (rig.cpu.pc == EBASE + 0x180) == taken
    assert rig.cpu.root[Cause] & 0x8000


@pytest.mark.parametrize(("bev", "iv", "spacing", "vector"), [
    (0, 0, 0, EBASE + 0x180), (0, 1, 0, EBASE + 0x200), (0, 1, 1, EBASE + 0x200 + 5 * 32),
    (0, 0, 1, EBASE + 0x180), (0, 1, 8, EBASE + 0x200 + 5 * 256), (1, 0, 0, BEV + 0x180), (1, 1, 8, BEV + 0x200)])
def test_interrupt_vectors(make: Make, bev: int, iv: int, spacing: int, vector: int) -> None:
    rig = make("P5600")
    spin(rig, Status.IM.at(0x3C) | Status.IE.mask | Status.BEV.at(bev))
    rig.cpu.root[Cause] = Cause.IV.at(iv)
    rig.cpu.root[IntCtl] |= IntCtl.VS.at(spacing)
    rig.cpu.root[BadInstr] = 0x1234
    rig.cpu.refresh()
    for line in (2, 5, 6):                             # 6 is masked
        rig.cpu.set_interrupt(line, True)
    rig.cpu.step()
    assert rig.cpu.pc == vector
    assert rig.cpu.root[BadInstr] == 0x1234


def test_an_interrupt_between_branch_and_slot_returns_to_the_branch(make: Make) -> None:
    rig = make()
    spin(rig, Status.IM.at(0x04) | Status.IE.mask)
    rig.code(0x4000, encode("24Kf", "b target", CODE, target=CODE + 0x100))
    rig.cpu.refresh()
    rig.run_to(1)
    rig.cpu.set_interrupt(2, True)
    rig.run_to(2)
    assert (rig.cpu.root[EPC], Cause.BD.of(rig.cpu.root[Cause])) == (CODE, 1)


def test_software_interrupts_are_bits_of_cause(make: Make) -> None:
    rig = make()
    spin(rig, Status.IM.at(0x01) | Status.IE.mask)
    rig.code(0x4000, "mtc0 $8, $13")
    rig.cpu.gpr[8] = 0x100
    rig.cpu.refresh()
    rig.run_to(1)
    assert (rig.cpu.pc, rig.cpu.root[EPC]) == (EBASE + 0x180, CODE + 4)
