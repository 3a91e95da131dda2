"""The software timer against golden vectors and an oracle in rational arithmetic (rows TM-1..TM-18, section F)."""
from __future__ import annotations

from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmm.arch.cp0.fields import Register
from vmm.arch.cp0.registers import Cause, Compare, Count
from vmm.kvm.timer import TICKS, SoftTimer, count_period, dynamic_bias, ns_to_ticks, ns_until

MHZ = 1_000_000


class Clock:
    now = 0

    def now_ns(self) -> int:
        return self.now


class Interrupt:
    def __init__(self) -> None:
        self.queued = 0
        self.pending = False

    def queue_timer(self) -> None:
        self.queued += 1
        self.pending = True

    def dequeue_timer(self) -> None:
        self.pending = False


class Parked:
    """A hardware Count that notes when it is moved and what Compare was then."""

    def __init__(self, cp0: dict[type[Register], int]) -> None:
        self.cp0 = cp0
        self.moves: list[tuple[int, int]] = []

    def park_at(self, count: int) -> None:
        self.moves.append((count, self.cp0[Compare]))


class Rig:
    def __init__(self, hz: int = 100 * MHZ, compare: int = 0, *, hardware: bool = False) -> None:
        self.clock, self.interrupt = Clock(), Interrupt()
        self.cp0: dict[type[Register], int] = {Count: 0, Compare: compare, Cause: 0}
        self.parked = Parked(self.cp0)
        self.timer = SoftTimer(self.clock, self.cp0, self.interrupt, hz, self.parked if hardware else None)

    def pass_to(self, now: int) -> None:
        """What the run loop does: time goes on, and each deadline is met."""
        while self.timer.deadline is not None and self.timer.deadline <= now:
            self.clock.now = max(self.clock.now, self.timer.deadline)
            self.timer.expire()
        self.clock.now = now


@pytest.mark.parametrize(("hz", "period"), [
    (100 * MHZ, 42949672960), (1000 * MHZ, 4294967296), (33333333, 128849020168), (1, 4294967296 * 10**9),
])
def test_period_golden(hz: int, period: int) -> None:
    assert count_period(hz) == period


@pytest.mark.parametrize(("now", "ticks"), [
    (30, 0), (31, 1), (10**9, 33333333), (128849020168 - 1, 0xFFFFFFFF), (128849020168, 0),
    (10 * 128849020168 + 12345, 411),
])
def test_ticks_at_33333333_hz_golden_tm2(now: int, ticks: int) -> None:
    assert ns_to_ticks(now, 33333333) == ticks


def test_bias_is_a_multiple_of_the_period_tm2() -> None:
    period = count_period(33333333)
    assert dynamic_bias(period - 1, 33333333) == 0
    assert dynamic_bias(period, 33333333) == -period


@pytest.mark.parametrize(("compare", "count", "ns"), [
    (7, 7, 42949672960), (8, 7, 10), (6, 7, (TICKS - 1) * 10), (0, 0xFFFFFFFF, 10),
])
def test_time_to_compare_golden_tm8(compare: int, count: int, ns: int) -> None:
    assert ns_until(compare, count, 100 * MHZ) == ns


@given(hz=st.integers(1, 10**9), now=st.integers(0, 1 << 62), count=st.integers(0, TICKS - 1))
def test_count_is_the_rational_value_tm3(hz: int, now: int, count: int) -> None:
    rig = Rig(hz)
    rig.timer.write_count(count)
    in_period = Fraction(now % ((10**9 << 32) // hz))
    assert rig.timer.count_at(now) == (count + floor(in_period * hz / 10**9)) % TICKS


@given(hz=st.integers(1, 10**9), start=st.integers(0, 1 << 40), compare=st.integers(0, TICKS - 1),
       steps=st.lists(st.integers(0, 1 << 36), max_size=20))
def test_no_count_past_compare_without_an_interrupt_tm5(hz: int, start: int, compare: int, steps: list[int]) -> None:
    """However late the alarm comes: a read that reaches Compare has queued the interrupt first."""
    rig = Rig(hz, compare)
    rig.clock.now = start
    rig.timer.write_count(0)
    before = 0
    for step in steps:
        rig.clock.now += min(step, count_period(hz) // 4)
        count = rig.timer.read_count()
        passed = (compare - before) % TICKS <= (count - before) % TICKS and count != before and before != compare
        if passed:
            assert rig.interrupt.pending
        if passed or rig.interrupt.pending:
            rig.interrupt.dequeue_timer()
        before = count


def test_a_late_alarm_and_a_read_queue_one_interrupt_tm5() -> None:
    rig = Rig(compare=100)
    rig.clock.now = 1005
    assert rig.timer.read_count() == 100
    assert rig.interrupt.queued == 1
    assert rig.timer.read_count() == 100
    assert rig.interrupt.queued == 1
    assert rig.timer.deadline == 1000 + count_period(100 * MHZ), "restarted from the old expiry, not from now"


def test_one_interrupt_each_round_tm9() -> None:
    rig = Rig(compare=100)
    rig.pass_to(1000 + 3 * count_period(100 * MHZ))
    assert rig.interrupt.queued == 4


def test_writing_count_moves_the_alarm_tm10() -> None:
    rig = Rig(compare=100)
    rig.clock.now = 500
    rig.timer.write_count(90)
    assert rig.timer.read_count() == 90
    assert rig.timer.deadline == 600


def test_writing_count_while_stopped_is_static_tm10() -> None:
    rig = Rig(compare=100)
    rig.timer.set_cause_dc(True)
    rig.timer.write_count(77)
    rig.clock.now = 10_000
    assert rig.timer.read_count() == rig.cp0[Count] == 77
    assert rig.timer.deadline is None


@pytest.mark.parametrize("acknowledge", [True, False])
def test_writing_compare_tm13_tm14(acknowledge: bool) -> None:
    rig = Rig(compare=100)
    rig.pass_to(1500)
    assert rig.interrupt.pending
    rig.timer.write_compare(200, acknowledge=acknowledge)
    assert rig.interrupt.pending is not acknowledge
    assert rig.cp0[Compare] == 200
    assert rig.timer.deadline == 2000


def test_an_unchanged_compare_only_acknowledges_tm13() -> None:
    rig = Rig(compare=100)
    rig.pass_to(1500)
    deadline = rig.timer.deadline
    rig.timer.write_compare(100, acknowledge=True)
    assert not rig.interrupt.pending
    assert rig.timer.deadline == deadline


@pytest.mark.parametrize(("new", "compare_at_move"), [(200, 100), (50, 50)])
def test_hardware_count_is_parked_before_a_move_forward_and_after_one_back_tm13(new: int, compare_at_move: int) -> None:
    rig = Rig(compare=100, hardware=True)
    rig.timer.write_compare(new, acknowledge=True)
    assert rig.parked.moves == [(new, compare_at_move)]


@pytest.mark.parametrize(("hz", "accepted"), [(0, False), (1, True), (10**9, True), (10**9 + 1, False)])
def test_frequency_limits_tm12(hz: int, accepted: bool) -> None:
    assert Rig().timer.set_hz(hz) is accepted


@given(now=st.integers(0, 1 << 50), old=st.integers(1, 10**9), new=st.integers(1, 10**9), stopped=st.booleans())
def test_a_new_frequency_leaves_count_where_it_is_tm12(now: int, old: int, new: int, stopped: bool) -> None:
    rig = Rig(old, compare=5)
    rig.clock.now = now
    if stopped:
        rig.timer.set_cause_dc(True)
    before = rig.timer.read_count()
    rig.timer.set_hz(new)
    assert rig.timer.read_count() == before
    assert (rig.timer.deadline is None) is stopped


def test_cause_dc_stops_and_restarts_tm15() -> None:
    rig = Rig(compare=100)
    rig.clock.now = 500
    rig.timer.set_cause_dc(True)
    rig.clock.now = 9999
    assert rig.timer.read_count() == 50
    rig.timer.set_cause_dc(False)
    assert rig.timer.read_count() == 50
    assert rig.timer.deadline == 9999 + 500


def test_a_freeze_sees_an_interrupt_that_was_due_tm7() -> None:
    rig = Rig(compare=100)
    rig.clock.now = 1000
    rig.timer.set_cause_dc(True)
    assert rig.interrupt.pending
    rig.timer.set_cause_dc(False)
    rig.pass_to(2000)
    assert rig.interrupt.queued == 1


def test_master_disable_jumps_forward_as_though_never_stopped_tm16() -> None:
    rig = Rig(compare=1000)
    rig.clock.now = 500
    assert rig.timer.set_control(1)
    assert rig.timer.resume_ns == 500
    rig.clock.now = 5000
    assert rig.timer.read_count() == 50
    rig.timer.set_control(0)
    assert rig.timer.read_count() == 500
    assert not rig.interrupt.pending


def test_an_interrupt_due_during_master_disable_comes_at_its_end_tm16() -> None:
    rig = Rig(compare=100)
    rig.timer.set_control(1)
    rig.clock.now = 1500
    rig.timer.set_control(0)
    assert rig.interrupt.queued == 1
    assert rig.timer.read_count() == 150
    assert rig.interrupt.queued == 1


def test_count_written_under_master_disable_counts_from_resume_tm4() -> None:
    """VM-4: a machine that was stopped gets its time back by COUNT_RESUME."""
    rig = Rig(compare=10_000)
    rig.clock.now = 5000
    rig.timer.set_control(1)
    assert rig.timer.set_resume(4000)
    rig.timer.write_count(7)
    rig.timer.set_control(0)
    assert rig.timer.read_count() == 107


def test_a_passed_compare_is_not_raised_again_by_a_stale_alarm_tm16() -> None:
    rig = Rig(compare=100)
    rig.timer.set_control(1)
    rig.timer.write_count(200)
    rig.clock.now = 50
    rig.timer.set_control(0)
    rig.timer.read_count()
    assert not rig.interrupt.queued


def test_unknown_control_bits_and_future_resume_are_refused_tm16_tm17() -> None:
    rig = Rig()
    rig.clock.now = 10
    assert not rig.timer.set_control(2)
    assert not rig.timer.set_resume(11)
    assert not rig.timer.set_resume(-1)
    assert rig.timer.set_resume(10)


@pytest.mark.parametrize(("count", "correction"), [(90, -10), (105, 5)])
def test_restore_from_hardware_corrects_the_bias_tm18(count: int, correction: int) -> None:
    rig = Rig(compare=10_000)
    rig.clock.now = 1000
    assert rig.timer.restore(1000, count, -5) == correction
    assert rig.timer.read_count() == count


def test_restore_from_hardware_lets_a_small_lag_be_tm18() -> None:
    rig = Rig(compare=110)
    rig.clock.now = 1000
    assert rig.timer.restore(1000, 98, -0x10000) == 0
    assert rig.timer.deadline == 980 + 120


def test_cancel_and_resume_for_another_cpu_tm19() -> None:
    rig = Rig(compare=100)
    rig.timer.cancel()
    assert rig.timer.deadline is None
    rig.timer.resume(0, 0)
    assert rig.timer.deadline == 1000
