"""What one resume allows: which CPUs run, which guests must not, which thread steps.

GDB names the threads that run.  A guest runs on host CPUs, so a resume that names only guest threads lets all CPUs run
in their service; one that names only host threads must not let a guest run behind GDB's back.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vmm.debug.worlds import HOST
from vmm.gdbstub.target import Action, RangeStep, Step, ThreadId


@dataclass(frozen=True, slots=True)
class Plan:
    """``cpus`` that run; ``held``: vCPUs that do not; ``stepping``: the thread with a step, and the step."""
    cpus: tuple[int, ...]
    held: frozenset[ThreadId]
    host_named: bool
    all_cpus: bool
    stepping: ThreadId | None
    action: Step | RangeStep | None
    first: ThreadId

    @property
    def one_by_one(self) -> bool:
        """Some of the machine must stand while the rest runs: CPUs that were not named, or a guest's."""
        return not self.all_cpus or bool(self.held) and not self.host_named


def make_plan(actions: Mapping[ThreadId, Action], cpus: int, vcpus: Iterable[ThreadId]) -> Plan:
    """``vcpus``: of the guests that are debugged; one that nobody debugs is part of the host's work and is never held."""
    named = tuple(thread.tid - 1 for thread in actions if thread.pid == HOST)
    held = frozenset(vcpus) - actions.keys()
    steps = [(thread, action) for thread, action in actions.items() if isinstance(action, Step | RangeStep)]
    stepping, action = steps[0] if steps else (None, None)
    return Plan(cpus=named or tuple(range(cpus)), held=held, host_named=bool(named),
                all_cpus=not named or len(named) == cpus, stepping=stepping, action=action,
                first=stepping or next(iter(actions)))
