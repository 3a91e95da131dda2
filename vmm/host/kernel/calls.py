"""Function calls to other CPUs by interrupt, in virtual time.  (rows HM-41..HM-46; smp_call_function)

What a call does to the others' TLBs is done at the instant at which it is asked for, which is the earliest that hardware
could; what it costs comes at its time.  A target takes the call when its own clock has come to the tick at which it was
asked: by an interrupt if it executes something, at once if it idles or waits for answers to a call of its own.  As clocks
are apart by a turn at most, a target that is ahead takes it at its next instruction.
Invariant: each target answers once, not before the tick at which it was asked; until all have, the call is open.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from vmm.host.kernel.cpu import Cpu


class CrossCall:
    """``work``: what it takes each target, in instructions; ``answered_at``: the latest tick at which one had done it."""

    def __init__(self, work: Mapping[int, int], asked_at: int) -> None:
        self.work, self.asked_at = work, asked_at
        self.open = set(work)
        self.answered_at = asked_at

    def answer(self, cpu: int, clock: Cpu) -> None:
        clock.skip_to(clock.ticks + self.work[cpu])
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

    def ask(self, cpu: int, work: Mapping[int, int]) -> CrossCall:
        """By ``cpu``, of the others in ``work``."""
        call = CrossCall(work, self.cpus[cpu].ticks)
        for target in work:
            self._asked[target].append(call)
        self.counts["ipi"] += len(work)
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

    def take(self, cpu: int, limit: int, *, executes: bool) -> int:
        """The CPU looks at what is due; until when it may go on before it must look again.  ``executes``: a task there has
        to be interrupted first."""
        clock = self.cpus[cpu]
        if self.has_due(cpu, clock.ticks):
            if executes:
                self.interrupt(cpu)
                return limit
            self.serve(cpu)
        due = self.due(cpu)
        return max(clock.ticks, limit if due is None else min(limit, due))

    def is_over(self, cpu: int, call: CrossCall, limit: int) -> bool:
        """All have answered by ``limit``, and the clock of ``cpu``, which waited, is where the last one's was."""
        if call.open or call.answered_at > limit:
            return False
        self.cpus[cpu].skip_to(max(call.answered_at, self.cpus[cpu].ticks))
        return True

    def may_answer(self, call: CrossCall, end: int) -> bool:
        return any(self.cpus[other].ticks < end for other in call.open)

    def settle(self, call: CrossCall) -> None:
        """Every target answers now, whatever its clock says: for a debugger that lets one CPU alone go on."""
        for cpu in sorted(call.open):
            self._asked[cpu].remove(call)
            call.answer(cpu, self.cpus[cpu])
