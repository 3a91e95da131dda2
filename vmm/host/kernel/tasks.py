"""Tasks of the host kernel: Python generators that a scheduler runs on CPUs.

A task yields what it wants and is sent the answer: ``Run`` (execute instructions on my CPU, answered with the Stop),
``Resched`` (others may go first), ``Sleep`` (until woken or until a time) and ``Wait`` (for other CPUs).  Invariant:
between two yields a task owns its CPU's registers; while it has no CPU they are in memory (``vmm.host.kernel.switch``).
"""
from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

from vmm.host.kernel.calls import CrossCall


@dataclass(frozen=True, slots=True)
class Run:
    """Execute until the machine stops for a reason of its own; the answer is that Stop."""


@dataclass(frozen=True, slots=True)
class Resched:
    """Let other tasks go first if any waits for this CPU, or leave a CPU that the affinity does not have any more."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """Give the CPU away until ``Scheduler.wake``, or until the virtual time ``until_ns`` if there is one."""

    until_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Keep the CPU, and let time pass on it, until every other has answered; meanwhile it answers what it is asked."""

    call: CrossCall


Want = Run | Resched | Sleep | Wait
Body = Generator[Want, Any, Any]


@dataclass(slots=True)
class Task:
    """One thread of control.  ``affinity``: the CPUs it may run on, None for all.  ``destination``: where it is to go on.
    ``ready_at``: the tick from which it may; ``vruntime``: the ticks that it has had CPUs for, or counts as having had."""

    name: str
    body: Body
    thread_info: int
    stack_top: int
    affinity: frozenset[int] | None = None
    cpu: int | None = None
    last_cpu: int | None = None
    destination: int | None = None
    ready_at: int = 0
    vruntime: int = 0
    sleeping: bool = False
    wake_at_ns: int | None = None
    woken: bool = False
    done: bool = False
    result: Any = None
    want: Want | None = None
    answer: Any = None
    on_sched_out: list[Callable[[int], None]] = field(default_factory=list)
    on_sched_in: list[Callable[[int], None]] = field(default_factory=list)
    """The preempt notifiers (GK-7): called with the CPU's number when it loses and gets a CPU, not at its start."""

    def confine(self, cpus: frozenset[int] | None) -> None:
        """From its next ``Resched`` on it runs there only; if it was to go on elsewhere, that is forgotten."""
        self.affinity = cpus
        if cpus is not None and self.destination not in cpus:
            self.destination = None

    def may_run_on(self, cpu: int) -> bool:
        return (self.affinity is None or cpu in self.affinity) and self.destination in (None, cpu)


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The machine stopped for a debugger (BREAK, WATCH); the scheduler's next ``run`` goes on where this stopped."""

    cpu: int
    task: Task
    stop: Any
