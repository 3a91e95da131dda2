"""Interrupts of a trap-and-emulate guest (rows IN-2..IN-9, EX-6)."""
from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.unit.kvm.te.te_rig import KERNEL_PC, Rig, insn
from vmm.arch.cp0.registers import EPC, Cause, Compare, Status
from vmm.kvm.te.interrupts import deliver_pending, has_pending_timer, set_io, wakeable
from vmm.kvm.vcpu import Priority

Make = Callable[..., Rig]
IE = Status.IE.mask
ALL_LINES = 0xFF00


def enabled(rig: Rig, lines: int = ALL_LINES) -> Rig:
    rig.cop0[Status] = IE | lines
    return rig


@pytest.mark.parametrize(("irq", "bit", "priority"), [
    (2, 10, Priority.INT_IO), (3, 11, Priority.INT_IPI_1), (4, 12, Priority.INT_IPI_2),
])
def test_io_lines_in3(rig: Rig, irq: int, bit: int, priority: Priority) -> None:
    set_io(rig.vcpu, irq)
    assert rig.cop0[Cause] == 1 << bit
    assert rig.vcpu.is_pending(priority)
    set_io(rig.vcpu, -irq)
    assert rig.cop0[Cause] == 0
    assert not rig.vcpu.is_pending(priority)


@pytest.mark.parametrize("irq", [0, 1, 5, -7])
def test_other_lines_are_ignored_in3(rig: Rig, irq: int) -> None:
    set_io(rig.vcpu, irq)
    assert rig.cop0[Cause] == rig.vcpu.pending_exceptions == 0


def test_timer_line_in2_in9(rig: Rig) -> None:
    rig.guest.timer.interrupt.queue_timer()
    assert rig.cop0[Cause] == Cause.TI.mask | 1 << 15
    assert has_pending_timer(rig.guest)
    rig.guest.timer.interrupt.dequeue_timer()
    assert rig.cop0[Cause] == 0
    assert not has_pending_timer(rig.guest)


@pytest.mark.parametrize("status", [0, ALL_LINES, IE, IE | ALL_LINES | 2, IE | ALL_LINES | 4, IE | 1 << 11])
@pytest.mark.parametrize("edge", [False, True])
def test_conditions_in5(make: Make, status: int, edge: bool) -> None:
    rig = make(edge_interrupts=edge)
    set_io(rig.vcpu, 2)
    rig.cop0[Status] = status
    assert not deliver_pending(rig.guest)
    assert rig.vcpu.pc == KERNEL_PC


@pytest.mark.parametrize("edge", [False, True])
@pytest.mark.parametrize(("extra", "vector"), [(0, 0x4000_0180), (Cause.IV.mask, 0x4000_0200)])
def test_delivery_in5(make: Make, edge: bool, extra: int, vector: int) -> None:
    rig = enabled(make(edge_interrupts=edge))
    rig.cop0[Cause] = extra | Cause.ExcCode.at(8)
    set_io(rig.vcpu, 2)
    assert deliver_pending(rig.guest)
    assert (rig.vcpu.pc, rig.exc_code, rig.cop0[EPC]) == (vector, 0, KERNEL_PC)
    assert rig.cop0[Status] & Status.EXL.mask
    assert rig.cop0[Cause] & 1 << 10, "the line is still shown"


def test_boot_vector_with_iv_golden(rig: Rig) -> None:
    enabled(rig)
    rig.cop0[Status] |= Status.BEV.mask
    rig.cop0[Cause] = Cause.IV.mask
    set_io(rig.vcpu, 2)
    deliver_pending(rig.guest)
    assert rig.vcpu.pc == 0x5FC0_0400


def test_a_level_is_taken_again_until_it_falls_in7(make: Make) -> None:
    rig = enabled(make())
    set_io(rig.vcpu, 2)
    assert deliver_pending(rig.guest)
    rig.cp0("eret")
    assert deliver_pending(rig.guest)
    rig.cp0("eret")
    set_io(rig.vcpu, -2)
    assert not deliver_pending(rig.guest)
    rig = enabled(make(edge_interrupts=True))
    set_io(rig.vcpu, 2)
    assert deliver_pending(rig.guest)
    rig.cp0("eret")
    assert not deliver_pending(rig.guest)


def test_the_timer_stays_up_until_compare_is_written_in7(rig: Rig) -> None:
    enabled(rig)
    rig.guest.timer.expire()
    assert deliver_pending(rig.guest)
    rig.vcpu.pc = KERNEL_PC
    rig.mtc0(Compare, 5000)
    rig.cop0[Status] &= ~Status.EXL.mask
    assert not deliver_pending(rig.guest)


def test_software_interrupts_in7(make: Make) -> None:
    rig = enabled(make())
    rig.mtc0(Cause, 1 << 8)
    assert deliver_pending(rig.guest)
    rig = enabled(make(edge_interrupts=True))
    rig.mtc0(Cause, 1 << 8)
    assert not deliver_pending(rig.guest)


def test_priority_in6(make: Make) -> None:
    rig = enabled(make(edge_interrupts=True))
    for irq in (4, 3, 2):
        set_io(rig.vcpu, irq)
    rig.guest.timer.expire()
    order = []
    while deliver_pending(rig.guest):
        order.append(rig.vcpu.pending_exceptions)
        rig.cop0[Status] &= ~Status.EXL.mask
    io, ipi1, ipi2 = (1 << p for p in (Priority.INT_IO, Priority.INT_IPI_1, Priority.INT_IPI_2))
    assert order == [io | ipi1 | ipi2, ipi1 | ipi2, ipi2, 0]


def test_wait_ends_for_unmasked_lines_even_with_ie_clear_mc5(make: Make) -> None:
    rig = make()
    set_io(rig.vcpu, 2)
    assert not wakeable(rig.guest)
    rig.cop0[Status] = 1 << 10
    assert wakeable(rig.guest)
    rig = make(edge_interrupts=True)
    set_io(rig.vcpu, 2)
    assert wakeable(rig.guest)


def test_an_interrupt_in_a_delay_slot_has_bd_ex6(rig: Rig) -> None:
    enabled(rig)
    set_io(rig.vcpu, 2)
    rig.trap(0, branch=insn("beq"))
    assert deliver_pending(rig.guest)
    assert rig.cop0[Cause] & Cause.BD.mask
    assert rig.cop0[EPC] == KERNEL_PC


def test_after_an_emulated_slot_there_is_no_bd_ex6(rig: Rig) -> None:
    """The branch is over, so the interrupt comes between two instructions."""
    enabled(rig)
    set_io(rig.vcpu, 2)
    rig.cp0("mfc0", branch=insn("beq", off=0x10), rt=8, rd=15)
    assert deliver_pending(rig.guest)
    assert not rig.cop0[Cause] & Cause.BD.mask
    assert rig.cop0[EPC] == KERNEL_PC + 4 + 0x40
