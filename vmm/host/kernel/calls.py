"""Function calls to other CPUs by interrupt, in virtual time.  (rows HM-41..HM-46; smp_call_function)

A call is asked at a tick of the asking CPU's clock.  A target takes it when its own clock has come there: by an
interrupt if it executes something, at once if it idles or waits for answers to a call of its own.  As clocks are apart by
a turn at most, a target that is ahead takes it at its next instruction.
Invariant: each target answers once, not before the tick at which it was asked; until all have, the call is open.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from vmm.host.kernel.cpu import Cpu
from vmm.host.kernel.steps import Program, drain

RunOn = Callable[[int], Program[Any]]


class CrossCall:
    """``answered_at``: the latest tick at which a target had done its part."""

    def __init__(self, program: RunOn, targets: tuple[int, ...], asked_at: int) -> None:
        self.program, self.asked_at = program, asked_at
        self.open = set(targets)
        self.answered_at = asked_at

    def answer(self, cpu: int, clock: Cpu) -> None:
        drain(self.program(cpu))
        self.open.remove(cpu)
        self.answered_at = max(self.answered_at, clock.ticks)


class Calls:
    """What each CPU has been asked and has not answered.  ``counts``: ``ipi``, calls asked of single CPUs;
    ``interrupted``, tasks that were interrupted for some; ``interrupted_ticks``, from an interrupt to the end of the last
    answer that it gave."""

    def __init__(self, cpus: Sequence[Cpu]) -> None:
        self.cpus = cpus
        self.counts: Counter[str] = Counter()
        self._asked: list[list[CrossCall]] = [[] for _ in cpus]
        self._interrupted_at: list[int | None] = [None] * len(cpus)

    def ask(self, cpu: int, targets: tuple[int, ...], program: RunOn) -> CrossCall:
        """By ``cpu``, of the others in ``targets``."""
        call = CrossCall(program, targets, self.cpus[cpu].ticks)
        for target in targets:
            self._asked[target].append(call)
        self.counts["ipi"] += len(targets)
        return call

    def due(self, cpu: int) -> int | None:
        """The first tick at which this CPU has been asked something."""
        asked = self._asked[cpu]
        return min(call.asked_at for call in asked) if asked else None

    def has_due(self, cpu: int, limit: int) -> bool:
        due = self.due(cpu)
        return due is not None and due <= limit

    def interrupt(self, cpu: int) -> None:
        """The interrupt of this CPU goes up, for a task that executes there."""
        if self._interrupted_at[cpu] is None:
            self._interrupted_at[cpu] = self.cpus[cpu].ticks
            self.counts["interrupted"] += 1

    def serve(self, cpu: int) -> None:
        """This CPU is in the kernel and does what it has been asked up to now."""
        clock, asked = self.cpus[cpu], self._asked[cpu]
        while ready := [call for call in asked if call.asked_at <= clock.ticks]:
            asked.remove(ready[0])
            ready[0].answer(cpu, clock)
        since, self._interrupted_at[cpu] = self._interrupted_at[cpu], None
        if since is not None:
            self.counts["interrupted_ticks"] += clock.ticks - since

    def settle(self, call: CrossCall) -> None:
        """Every target answers now, whatever its clock says: for a debugger that lets one CPU alone go on."""
        for cpu in sorted(call.open):
            self._asked[cpu].remove(call)
            call.answer(cpu, self.cpus[cpu])
