"""Who gets which CPU: shares, moves from CPU to CPU, and time that goes forward only.  Rows GK-4, GK-7."""
from __future__ import annotations

from random import Random

import pytest

from tests.unit.host_kernel.test_host_timers import NS, scheduler, spawn
from vmm.host.kernel.runqueue import RunQueue
from vmm.host.kernel.scheduler import Scheduler
from vmm.host.kernel.tasks import Body, Resched, Run, Sleep, Task

QUANTUM = 100


def cpu_of(task: Task) -> int:
    assert task.cpu is not None
    return task.cpu


class Busy:
    """A task that always wants to run, and where and when it did."""

    def __init__(self, sched: Scheduler, affinity: frozenset[int] | None = None) -> None:
        self.sched, self.seen = sched, list[tuple[int, int]]()
        self.task = spawn(sched, self._body())
        self.task.affinity = affinity

    def _body(self) -> Body:
        while True:
            self._note()
            yield Run()
            self._note()
            self.sched.serve_interrupts(cpu_of(self.task))
            yield Resched()

    def _note(self) -> None:
        self.seen.append((cpu_of(self.task), self.sched.now_ns() // NS))


@pytest.mark.parametrize("cpus, tasks, seed", [(1, 2, 0), (1, 5, 3), (2, 3, 0), (3, 4, 2), (4, 9, 1)])
def test_tasks_that_always_run_get_equal_shares(cpus: int, tasks: int, seed: int) -> None:
    sched = scheduler(cpus, QUANTUM, seed=seed)
    busy = [Busy(sched) for _ in range(tasks)]
    sched.run(20_000)
    shares = [b.task.vruntime for b in busy]
    assert max(shares) - min(shares) <= 3 * QUANTUM
    assert sum(shares) > 0.98 * cpus * 20_000


def test_who_sleeps_a_little_before_each_turn_ends_gets_no_more_than_its_share() -> None:
    sched = scheduler(1, QUANTUM)
    other = Busy(sched)

    def body() -> Body:
        while True:
            sched.run_ahead((sched.now_ns() // NS // QUANTUM * QUANTUM + 90) * NS)
            yield Sleep(until_ns=sched.now_ns() + NS)

    dozing = spawn(sched, body())
    sched.run(50_000)
    assert 0.45 * 50_000 < other.task.vruntime < 0.65 * 50_000
    assert dozing.vruntime > 0.3 * 50_000


def test_who_slept_long_has_saved_nothing() -> None:
    sched = scheduler(1, QUANTUM)
    other = Busy(sched)

    def body() -> Body:
        yield Sleep(until_ns=20_000 * NS)
        while True:
            yield Run()
            sched.serve_interrupts(0)
            yield Resched()

    late = spawn(sched, body())
    sched.run(24_000)
    assert abs(late.vruntime - other.task.vruntime) <= 2 * QUANTUM
    assert abs(other.task.vruntime - 22_000) <= 2 * QUANTUM


def test_a_task_goes_where_it_is_moved_to() -> None:
    sched = scheduler(3, QUANTUM)
    busy = [Busy(sched) for _ in range(2)]
    sched.run(1_000)
    assert [cpu_of(b.task) for b in busy] == [0, 1]
    sched.move(busy[0].task, 2)
    sched.move(busy[1].task, 0)
    sched.run(2_000)
    assert [cpu_of(b.task) for b in busy] == [2, 0]


def test_a_task_does_not_go_where_it_may_not() -> None:
    sched = scheduler(3, QUANTUM)
    busy = Busy(sched, frozenset({0, 1}))
    sched.run(1_000)
    sched.move(busy.task, 2)
    sched.run(2_000)
    assert cpu_of(busy.task) == 0


def test_two_tasks_can_change_places() -> None:
    sched = scheduler(2, QUANTUM)
    busy = [Busy(sched) for _ in range(2)]
    sched.run(1_000)
    for b in busy:
        sched.move(b.task, 1 - cpu_of(b.task))
    sched.run(2_000)
    assert [cpu_of(b.task) for b in busy] == [1, 0]
    assert min(b.task.vruntime for b in busy) > 1_700


@pytest.mark.parametrize("tasks", [1, 2, 4, 6])
def test_at_a_rhythm_everybody_visits_every_cpu(tasks: int) -> None:
    sched = scheduler(4, QUANTUM, migrate=500)
    busy = [Busy(sched) for _ in range(tasks)]
    sched.run(40_000)
    for b in busy:
        visited = [cpu for cpu, _ in b.seen]
        assert set(visited) == {0, 1, 2, 3}
        assert sum(before != after for before, after in zip(visited, visited[1:], strict=False)) >= 60
    assert sum(b.task.vruntime for b in busy) > 0.9 * 40_000 * min(tasks, 4)


def test_a_beat_moves_who_sleeps() -> None:
    sched, visited = scheduler(4, QUANTUM, migrate=500), list[int]()

    def body() -> Body:
        while True:
            visited.append(cpu_of(task))
            yield Sleep(until_ns=sched.now_ns() + 700 * NS)

    task = spawn(sched, body())
    sched.run(20_000)
    assert visited[:6] == [0, 1, 2, 3, 0, 1]


def test_without_a_rhythm_nobody_moves() -> None:
    sched = scheduler(4, QUANTUM)
    busy = [Busy(sched) for _ in range(3)]
    sched.run(20_000)
    assert [{cpu for cpu, _ in b.seen} for b in busy] == [{0}, {1}, {2}]


@pytest.mark.parametrize("seed", range(8))
def test_time_goes_forward_only_for_every_task(seed: int) -> None:
    """Moved by chance, asleep and woken by others whose clocks are elsewhere in the turn."""
    sched, chance = scheduler(3, QUANTUM, migrate=330, seed=seed), Random(seed)
    seen: list[list[int]] = [[] for _ in range(5)]
    tasks: list[Task] = []

    def body(name: int) -> Body:
        while True:
            seen[name].append(sched.now_ns())
            match chance.randrange(5):
                case 0:
                    yield Sleep(until_ns=sched.now_ns() + chance.randrange(3_000))
                case 1:
                    yield Sleep()
                case 2:
                    sched.run_ahead(sched.now_ns() + chance.randrange(2_000))
                case 3:
                    sched.move(chance.choice(tasks), chance.randrange(3))
                case _:
                    yield Run()
                    sched.serve_interrupts(cpu_of(tasks[name]))
            sched.wake(chance.choice(tasks))
            yield Resched()

    tasks += [spawn(sched, body(name)) for name in range(5)]
    sched.run(30_000)
    assert min(map(len, seen)) > 50
    assert all(times == sorted(times) for times in seen)


def test_an_alarm_goes_off_when_every_cpu_has_come_to_it() -> None:
    """What it changes is then in nobody's future."""
    sched, at = scheduler(3, 10_000), list[list[int]]()
    for _ in range(3):
        Busy(sched)
    for tick in (4_321, 7_000, 7_001):
        sched.timers.timer(lambda: at.append([cpu.ticks for cpu in sched.cpus])).start(tick * NS)
    sched.run(20_000)
    assert at == [[4_321] * 3, [7_000] * 3, [7_001] * 3]


@pytest.mark.parametrize("turns", [1, 2, 5])
def test_a_slice_ends_with_the_turn_in_which_it_is_over(turns: int) -> None:
    """Not one later, though the slice is just as long as its turns."""
    sched = scheduler(1, QUANTUM)
    sched.slice_ticks = turns * QUANTUM
    busy = [Busy(sched) for _ in range(2)]
    sched.run((turns + 1) * QUANTUM)
    end = turns * QUANTUM + 1                               # at its interrupt
    assert (busy[0].seen[1], busy[1].seen[0]) == ((0, end), (0, end))


def test_of_two_that_have_had_the_same_the_one_that_waits_goes_first() -> None:
    queue, waiting, other = RunQueue(), _task("waiting", 100), _task("other", 200)
    queue.add(waiting, now=7)
    assert (queue.outranks(0, 7, 100), queue.outranks(0, 7, 99), queue.outranks(0, 6, 100)) == (True, False, False)
    queue.add(other, now=7)
    assert queue.pick(0, 6) is None and queue.pick(0, 7) is waiting
    other.destination = 1
    assert queue.outranks(1, 7, 0) and not queue.outranks(0, 7, 999)
    assert queue.pick(1, 7) is other and other.destination is None and not queue


def _task(name: str, vruntime: int) -> Task:
    def body() -> Body:
        yield Run()

    return Task(name, body(), 0, 0, vruntime=vruntime)
