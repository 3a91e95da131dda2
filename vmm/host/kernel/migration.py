"""Tasks that change CPUs though nobody makes them: at a fixed rhythm each goes on at the next CPU.

What runs moves at the beat; what waits or sleeps goes on there when it runs again.  The beats are multiples of a number of
ticks; while nothing wants to run there are none, and one follows at once when something does.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from vmm.host.kernel.tasks import Task

MOVING_TICKS = 1_000
"""Enough for a task to leave its CPU: so long is a round in which all do, so that none waits long for a CPU whose own task
leaves later."""

Move = Callable[[Task, int], None]


class Rhythm:
    """``ticks``: from beat to beat; 0: never."""

    def __init__(self, ticks: int) -> None:
        self.ticks = ticks
        self.next_beat = ticks

    def beat(self, now: int, tasks: Iterable[Task], cpus: Sequence[int], move: Move) -> None:
        """``cpus``: those that are there, in order."""
        self.next_beat = (now // self.ticks + 1) * self.ticks
        for task in tasks:
            at = task.last_cpu if task.cpu is None else task.cpu
            if at is not None:
                move(task, next((cpu for cpu in cpus if cpu > at), cpus[0]))
