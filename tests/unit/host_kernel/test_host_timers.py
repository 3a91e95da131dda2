"""Host timers and the scheduler, on CPUs that only count.  Rows GK-4, GK-7, design section 4."""
from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from itertools import repeat
from random import Random
from types import SimpleNamespace
from typing import cast

import pytest

from vmm.host.kernel.cpu import Cpu
from vmm.host.kernel.kernel import is_stop
from vmm.host.kernel.scheduler import TIMER_LINE, Scheduler
from vmm.host.kernel.tasks import Body, Interrupted, Resched, Run, Sleep, Task
from vmm.host.kernel.timers import TimerQueue

NS = 10


class Stop(Enum):
    BUDGET = 1
    DOOR = 2
    BREAK = 3


class CountingCpu:
    """Executes nothing; stops at a door whenever an interrupt line is up, and at the ticks in ``breaks``."""

    def __init__(self) -> None:
        self.ticks = 0
        self.gpr = [0] * 32
        self.pc = 0
        self.lines: set[int] = set()
        self.breaks: list[int] = []

    def run(self, until: int) -> Stop:
        if self.lines:
            self.ticks += 1
            return Stop.DOOR
        if self.breaks and self.breaks[0] < until:
            self.ticks = self.breaks.pop(0)
            return Stop.BREAK
        self.ticks = until
        return Stop.BUDGET

    def skip_to(self, ticks: int) -> None:
        self.ticks = ticks

    def pass_time(self, until: int) -> None:
        self.ticks = max(self.ticks, until)

    def set_interrupt(self, line: int, up: bool) -> None:
        (self.lines.add if up else self.lines.discard)(line)


def scheduler(count: int = 1, quantum: int = 100, migrate: int = 0, seed: int = 0) -> Scheduler:
    cpus = [CountingCpu() for _ in range(count)]
    sched = Scheduler(cast(list[Cpu], cpus), NS, is_budget=is_stop("BUDGET"), is_debug=is_stop("BREAK"),
                      quantum=quantum, migrate=migrate, seed=seed)
    kept: dict[int, list[int]] = {}

    def switch_out(cpu: int, task: Task) -> None:
        kept[id(task)] = list(cpus[cpu].gpr)

    def switch_in(cpu: int, task: Task) -> None:
        cpus[cpu].gpr[:] = kept.pop(id(task), [0] * 32)

    sched.switch_out, sched.switch_in = switch_out, switch_in
    return sched


def spawn(sched: Scheduler, body: Body, name: str = "t") -> Task:
    return sched.spawn(name, body, 0, 0)


def test_timers_fire_in_order_of_time_then_of_start() -> None:
    queue, log = TimerQueue(), []
    for name, when in (("b", 20), ("a", 10), ("c", 20)):
        queue.timer(lambda name=name: log.append(name)).start(when)
    assert queue.next_ns() == 10
    assert queue.fire_due(20) == 3
    assert log == ["a", "b", "c"]
    assert queue.next_ns() is None


def test_a_restarted_timer_forgets_its_first_time_and_a_cancelled_one_both() -> None:
    queue, log = TimerQueue(), []
    timer = queue.timer(lambda: log.append(1))
    timer.start(5)
    timer.start(50)
    assert queue.fire_due(10) == 0
    assert timer.cancel()
    assert not timer.cancel()
    assert (queue.fire_due(100), log) == (0, [])


def test_a_sleep_ends_at_its_time_and_idling_costs_nothing() -> None:
    sched, seen = scheduler(), []

    def body() -> Body:
        yield Sleep(until_ns=123_450)
        seen.append(sched.now_ns())

    task = spawn(sched, body())
    sched.run(1_000_000, lambda: task.done)
    assert seen == [123_450]
    assert sched.cpus[0].ticks == 12_345


def test_a_wake_before_the_sleep_is_not_lost() -> None:
    sched = scheduler()

    def body() -> Body:
        sched.wake(task)
        yield Sleep()
        return "woken"

    task = spawn(sched, body())
    assert sched.complete(task, 1000) == "woken"


def test_sleeping_for_good_is_idle_and_input_goes_on() -> None:
    sched = scheduler()

    def body() -> Body:
        yield Sleep()
        return 1

    task = spawn(sched, body())
    assert sched.run(10_000) is None
    assert sched.idle
    sched.wake(task)
    assert sched.complete(task, 20_000) == 1


def test_a_timer_interrupts_what_runs_at_the_tick_it_is_due() -> None:
    sched, doors = scheduler(quantum=100_000), []

    def body() -> Body:
        stop = yield Run()
        doors.append((stop, sched.cpus[0].ticks))

    task = spawn(sched, body())
    sched.timers.timer(lambda: None).start(5_000)
    sched.run(100_000, lambda: task.done)
    assert doors == [(Stop.DOOR, 501)]


def test_tasks_of_one_cpu_take_turns_by_interrupt() -> None:
    """The task that runs is interrupted, gives way at its Resched, and keeps its registers."""
    sched, log = scheduler(), []

    def body(name: int) -> Body:
        cpu = sched.cpus[0]
        cpu.gpr[16] = name
        for _ in range(3):
            yield Run()
            sched.serve_interrupts(0)
            yield Resched()
            log.append((name, cpu.gpr[16]))

    tasks = [spawn(sched, body(n)) for n in (1, 2)]
    notified: list[tuple[str, int]] = []
    tasks[0].on_sched_out.append(lambda cpu: notified.append(("out", cpu)))
    tasks[0].on_sched_in.append(lambda cpu: notified.append(("in", cpu)))
    sched.run(5_000, lambda: all(t.done for t in tasks))
    assert sorted(log) == [(1, 1)] * 3 + [(2, 2)] * 3
    assert [name for name, _ in log][:4] != [1, 1, 1, 2]
    assert notified[:2] == [("out", 0), ("in", 0)]


def test_two_cpus_run_two_tasks_at_the_same_time() -> None:
    sched, where = scheduler(2), []

    def body() -> Body:
        yield Sleep(until_ns=1000)
        where.append(next(t.cpu for t in (a, b) if t.want is not None and t.cpu is not None))
        yield Run()

    a, b = spawn(sched, body()), spawn(sched, body())
    sched.run(10_000)
    assert {task.cpu for task in (a, b)} == {0, 1}
    assert sched.cpus[0].ticks == sched.cpus[1].ticks == 10_000


def test_a_debugger_stop_comes_out_and_the_next_run_goes_on() -> None:
    sched = scheduler()
    cast(CountingCpu, sched.cpus[0]).breaks = [42]

    def body() -> Body:
        yield Run()

    task = spawn(sched, body())
    assert sched.run(1000) == Interrupted(0, task, Stop.BREAK)
    assert sched.cpus[0].ticks == 42
    assert sched.run(1000) is None
    assert sched.cpus[0].ticks == 1000


def test_a_kick_raises_the_line_until_it_is_served() -> None:
    sched = scheduler()
    sched.kick(0)
    sched.cpus[0].set_interrupt(TIMER_LINE, True)
    sched.serve_interrupts(0)
    assert cast(SimpleNamespace, sched.cpus[0]).lines == set()


@pytest.mark.parametrize("others", [0, 1])
def test_time_that_runs_ahead_stops_at_an_alarm_and_at_the_end_of_a_turn(others: int) -> None:
    """A VMM whose guest only waits lets time pass; nothing that is due is jumped over, and nobody's turn."""
    sched = scheduler(quantum=100)
    fired: list[int] = []
    sched.timers.timer(lambda: fired.append(sched.now_ns())).start(30 * NS)
    seen: list[int] = []

    def body() -> Body:
        for _ in range(2):
            sched.run_ahead(10_000 * NS)
            seen.append(sched.now_ns() // NS)
            yield Resched()

    sched.run_ahead(5 * NS)                                 # nothing executes: nothing happens
    assert sched.now_ns() == 0
    for _ in range(1 + others):
        spawn(sched, body())
    sched.run(80)
    assert fired == [30 * NS] and seen == [30, 100 if others else 10_000]


def turns(cpus: int, slices: Iterator[int], migrate: int = 0) -> list[tuple[int, int, int]]:
    """Who ran when, of tasks that compute, sleep and wake each other."""
    sched, log = scheduler(cpus, quantum=100, migrate=migrate), list[tuple[int, int, int]]()
    tasks: list[Task] = []

    def body(name: int) -> Body:
        r = Random(name)
        for _ in range(40):
            cpu = tasks[name].cpu
            assert cpu is not None
            log.append((name, cpu, sched.cpus[cpu].ticks))
            match r.randrange(4):
                case 0:
                    yield Sleep(until_ns=sched.now_ns() + r.randrange(3_000))
                case 1:
                    sched.wake(tasks[r.randrange(len(tasks))])
                case 2:
                    sched.run_ahead(sched.now_ns() + r.randrange(3_000))
                case _:
                    yield Run()
                    sched.serve_interrupts(cpu)
            yield Resched()
        yield Run()

    for name in range(4):
        tasks.append(spawn(sched, body(name)))
    for n in range(200):
        sched.timers.timer(lambda: None).start(730 * n)
    until = 0
    while not sched.idle and until < 100_000:
        until = max(until, *(cpu.ticks for cpu in sched.cpus)) + next(slices)
        sched.run(until)
    return log


@pytest.mark.parametrize(("cpus", "migrate"), [(1, 0), (2, 0), (3, 0), (3, 70), (4, 250)])
def test_turns_do_not_depend_on_how_often_the_scheduler_is_called(cpus: int, migrate: int) -> None:
    expected = turns(cpus, repeat(100_000), migrate)
    assert len(expected) > 100
    for slices in (1, 7, 99, 100, 101):
        assert turns(cpus, repeat(slices), migrate) == expected, slices
    r = Random(1)
    assert turns(cpus, (r.choice((1, 7, 100, 230)) for _ in repeat(0)), migrate) == expected
