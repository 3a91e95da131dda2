"""Which CPUs the scheduler has: those that are there, and of these those that are to leave.  (CPU hot-plug)

Invariant: one CPU at least stays; a CPU that leaves takes no task, and has left when it has none and owes no answer.
"""
from __future__ import annotations

from collections.abc import Iterable

from vmm.host.kernel.tasks import Task


class Online:
    def __init__(self, count: int) -> None:
        self.cpus = list(range(count))
        self.leaving: set[int] = set()

    @property
    def staying(self) -> list[int]:
        return [cpu for cpu in self.cpus if cpu not in self.leaving]

    def take_down(self, cpu: int, tasks: Iterable[Task]) -> None:
        """No task is to go on there; one that may run nowhere else may run everywhere from now on."""
        if cpu not in self.staying:
            raise ValueError(f"CPU {cpu} is asked to leave; there are {self.staying} to choose from")
        if len(self.staying) == 1:
            raise ValueError(f"CPU {cpu} is asked to leave; it is the last that could run anything")
        self.leaving.add(cpu)
        staying = frozenset(self.staying)
        for task in tasks:
            if task.affinity is not None and not task.affinity & staying:
                task.confine(None)
            if task.destination == cpu:
                task.destination = None

    def left(self, cpu: int) -> None:
        self.leaving.remove(cpu)
        self.cpus.remove(cpu)

    def bring_up(self, cpu: int) -> None:
        if cpu in self.cpus:
            raise ValueError(f"CPU {cpu} is asked to come; it is there")
        self.cpus = sorted([*self.cpus, cpu])
