"""Addresses in two forms, breakpoints by world, accesses of instructions, plans of a resume."""
from __future__ import annotations

import pytest

from vmm.debug.addresses import forms
from vmm.debug.plan import make_plan
from vmm.debug.points import Point, Points
from vmm.gdbstub.target import BreakHit, BreakKind, Continue, RangeStep, Step, TargetError, ThreadId, WatchHit

LOW, HIGH = 0x8010_0000, 0xFFFF_FFFF_8010_0000
H1, H2, G1, G2 = ThreadId(1, 1), ThreadId(1, 2), ThreadId(2, 1), ThreadId(2, 2)


@pytest.mark.parametrize(("address", "bits", "expected"), [
    (0x1000, 32, (0x1000,)), (LOW, 32, (HIGH,)), (HIGH, 32, (HIGH,)), (LOW, 64, (LOW, HIGH)), (HIGH, 64, (HIGH,)),
    (0x9000_0000_0010_0000, 32, (0x9000_0000_0010_0000,)),
])
def test_forms(address: int, bits: int, expected: tuple[int, ...]) -> None:
    assert forms(address, bits) == expected


def test_a_breakpoint_counts_in_its_own_world() -> None:
    points = Points(32)
    points.add(Point(BreakKind.SOFTWARE, LOW, 4, 1))
    assert points.breaks() == {HIGH}
    assert points.hit(1, HIGH) == BreakHit(BreakKind.SOFTWARE)
    assert points.hit(2, HIGH) is None
    points.remove(Point(BreakKind.SOFTWARE, LOW, 4, 1))
    assert points.hit(1, HIGH) is None


@pytest.mark.parametrize(("kind", "is_store", "hit"), [
    (BreakKind.WRITE, True, True), (BreakKind.WRITE, False, False), (BreakKind.READ, False, True),
    (BreakKind.READ, True, False), (BreakKind.ACCESS, True, True), (BreakKind.ACCESS, False, True),
])
def test_a_watchpoint_tells_loads_from_stores(kind: BreakKind, is_store: bool, hit: bool) -> None:
    points = Points(64)
    points.add(Point(kind, LOW, 4, 2))
    assert points.access(2, HIGH + 2, 1, is_store=is_store) == (WatchHit(kind, LOW) if hit else None)
    assert points.access(2, HIGH + 4, 1, is_store=is_store) is None
    assert points.access(1, HIGH, 4, is_store=is_store) is None


def test_more_than_the_engine_takes_is_refused_and_forgotten() -> None:
    points = Points(32)
    for n in range(32):
        points.add(Point(BreakKind.WRITE, 8 * n, 4, 1))
    with pytest.raises(TargetError, match="delete some"):
        points.add(Point(BreakKind.WRITE, 0x1000, 4, 1))
    assert len(points.watches()) == 32


def test_only_guest_threads_named_lets_the_host_serve_them() -> None:
    plan = make_plan({G1: Continue(), G2: Continue()}, 2, [G1, G2])
    assert (plan.cpus, plan.held, plan.host_named, plan.one_by_one) == ((0, 1), frozenset(), False, False)


def test_only_host_threads_named_holds_a_debugged_guest() -> None:
    plan = make_plan({H1: Continue(), H2: Continue()}, 2, [G1, G2])
    assert plan.held == {G1, G2}
    assert not make_plan({H1: Continue()}, 1, []).held


def test_one_of_two_runs_one_by_one() -> None:
    assert make_plan({H2: Continue()}, 2, []).cpus == (1,)
    assert make_plan({H2: Continue()}, 2, []).one_by_one
    assert make_plan({G2: Continue()}, 1, [G1, G2]).one_by_one


def test_the_stepping_thread() -> None:
    plan = make_plan({H1: Continue(), G1: RangeStep(4, 8)}, 1, [G1])
    assert (plan.stepping, plan.action, plan.first) == (G1, RangeStep(4, 8), G1)
    assert make_plan({H1: Step()}, 1, []).stepping == H1
