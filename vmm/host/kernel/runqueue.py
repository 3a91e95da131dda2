"""Tasks that wait for a CPU: who is next, and where.

Who has had the least of the CPUs goes first; who comes back from a sleep counts as having had what those have who stayed
awake, so that nobody saves up.  A task that left a CPU at some tick goes on nowhere before that tick, so its clock never
goes back.
Invariant: of tasks that always want to run and may run on the same CPUs, none gets ahead of another by more than two turns.
"""
from __future__ import annotations

from collections.abc import Iterator

from vmm.host.kernel.tasks import Task


class RunQueue:
    def __init__(self) -> None:
        self._waiting: list[Task] = []                      # in the order in which they came

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def __iter__(self) -> Iterator[Task]:
        return iter(self._waiting)

    def add(self, task: Task, now: int, least: int = 0) -> None:
        """``now``: the tick at which it became runnable; ``least``: what it counts as having had."""
        task.ready_at = max(task.ready_at, now)
        task.vruntime = max(task.vruntime, least)
        self._waiting.append(task)

    def pick(self, cpu: int, now: int) -> Task | None:
        """Take the next one for this CPU."""
        found = self._next(cpu, now)
        if found is not None:
            self._waiting.remove(found)
            found.destination = None
        return found

    def outranks(self, cpu: int, now: int, vruntime: int) -> bool:
        """Is it somebody else's turn there, after a task that has had ``vruntime``?"""
        found = self._next(cpu, now)
        return found is not None and (found.vruntime <= vruntime or found.destination is not None)

    def next_ready(self, cpu: int) -> int | None:
        """The first tick at which somebody could run there."""
        return min((task.ready_at for task in self._waiting if task.may_run_on(cpu)), default=None)

    def _next(self, cpu: int, now: int) -> Task | None:
        ready = (task for task in self._waiting if task.ready_at <= now and task.may_run_on(cpu))
        return min(ready, key=lambda task: task.vruntime, default=None)
