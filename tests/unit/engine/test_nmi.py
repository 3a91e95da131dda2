"""Non-maskable interrupts: where they go, what they keep, and when they come.  (Volume III, Non Maskable Interrupt)"""
from __future__ import annotations

import pytest

from tests.support.engines import ENGINES, Rig, fresh
from vmm.arch.cp0.registers import Cause, Debug, ErrorEPC, GuestCtl0, Status
from vmm.arch.exceptions import RESET_VECTOR

KSEG0, UNCACHED = 0xFFFF_FFFF_8000_0000, 0xFFFF_FFFF_A000_0000
CODE = KSEG0 + 0x4000
TAKEN = Status.BEV.mask | Status.NMI.mask | Status.ERL.mask

engines = pytest.mark.parametrize("engine", ENGINES)


def ready(engine: str, *lines: str, status: int = 0) -> Rig:
    rig = fresh(engine, "I6500")
    rig.code(0x4000, *lines)
    rig.cpu.root[Status] = status
    rig.cpu.pc = CODE
    rig.cpu.refresh()
    return rig


@engines
def test_it_comes_although_interrupts_are_off_and_leaves_the_rest_alone(engine: str) -> None:
    rig = ready(engine, "ori $2, $0, 1", "ori $2, $0, 2", status=Status.KX.mask)
    cause = rig.cpu.root[Cause]
    rig.run_to(rig.cpu.ticks + 1)
    rig.cpu.state.nmi = 1
    rig.cpu.run(rig.cpu.ticks)
    assert (rig.cpu.pc, rig.cpu.root[ErrorEPC], rig.cpu.gpr[2]) == (RESET_VECTOR, CODE + 4, 1)
    assert rig.cpu.root[Status] == Status.KX.mask | TAKEN and rig.cpu.root[Cause] == cause
    assert rig.cpu.state.nmi == 0


@engines
def test_in_a_delay_slot_the_branch_is_where_to_go_on(engine: str) -> None:
    rig = ready(engine, "b 0x4010", "nop")
    rig.cpu.step()
    assert rig.cpu.state.in_slot
    rig.cpu.state.nmi = 1
    rig.cpu.run(rig.cpu.ticks)
    assert (rig.cpu.pc, rig.cpu.root[ErrorEPC], rig.cpu.state.in_slot) == (RESET_VECTOR, CODE, 0)


@engines
def test_it_ends_wait_and_eret_goes_on_behind_it(engine: str) -> None:
    rig = ready(engine, "wait", "ori $2, $0, 7", "wait")
    rig.code(0x5000, "eret")
    rig.cpu.state.boot_base = UNCACHED + 0x5000
    rig.run_to(rig.cpu.ticks + 100)
    assert rig.cpu.halted
    rig.cpu.state.nmi = 1
    assert not rig.cpu.halted
    rig.run_to(rig.cpu.ticks + 10)
    assert rig.cpu.gpr[2] == 7 and rig.cpu.root[Status] & (Status.NMI.mask | Status.ERL.mask) == Status.NMI.mask


@engines
def test_it_takes_a_cpu_out_of_its_guest_but_not_out_of_debug_mode(engine: str) -> None:
    rig = ready(engine, "nop")
    rig.cpu.root[GuestCtl0] |= GuestCtl0.GM.mask
    rig.cpu.refresh()
    assert rig.cpu.in_guest
    rig.cpu.state.nmi = 1
    rig.cpu.run(rig.cpu.ticks)
    assert not rig.cpu.in_guest and rig.cpu.pc == RESET_VECTOR
    rig.cpu.root[Debug] |= Debug.DM.mask
    rig.cpu.state.nmi = 1
    rig.cpu.pc = CODE
    rig.cpu.run(rig.cpu.ticks)
    assert (rig.cpu.pc, rig.cpu.state.nmi) == (CODE, 1)
