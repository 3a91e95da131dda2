"""A process: one memory, threads in it, a parent that waits for its end.  (Linux kernel/fork.c, exit.c)

Invariant: ``memory`` counts as many users as there are threads of processes that have it.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vmm.host.user.abi import Abi
from vmm.host.user.numbers import Sig
from vmm.host.user.program import Program

if TYPE_CHECKING:
    from vmm.host.kernel.contexts import Mm
    from vmm.host.kernel.tasks import Task
    from vmm.host.user.memory import Memory
    from vmm.host.user.signals import Action, Info
    from vmm.host.user.threads import Thread

BY_SIGNAL = 128                                             # and the signal's number, as shells have it


@dataclass(frozen=True, slots=True)
class Ended:
    """By ``exit``, or by a signal that nobody handled; ``detail``: what that was about, for people."""

    status: int = 0
    signal: int = 0
    detail: str = ""

    @property
    def wait_status(self) -> int:
        """As wait4 tells it."""
        return self.signal or (self.status & 0xFF) << 8

    @property
    def shell_status(self) -> int:
        return BY_SIGNAL + self.signal if self.signal else self.status & 0xFF

    def __str__(self) -> str:
        if not self.signal:
            return f"exit status {self.status & 0xFF}"
        name = f"SIG{Sig(self.signal).name}" if self.signal in set(Sig) else f"signal {self.signal}"
        return f"killed by {name}{f': {self.detail}' if self.detail else ''}"


@dataclass(slots=True, eq=False)
class Process:
    """``ending``: it is to end like that; ``ended``: all its threads have.  ``waiting``: threads that want to know of any
    change.  ``borrows``: its parent's memory, by vfork."""

    pid: int
    program: Program
    memory: Memory
    parent: Process | None = None
    threads: dict[int, Thread] = field(default_factory=dict)
    children: list[Process] = field(default_factory=list)
    actions: dict[int, Action] = field(default_factory=dict)
    pending: list[Info] = field(default_factory=list)
    waiting: list[Thread] = field(default_factory=list)
    ending: Ended | None = None
    ended: Ended | None = None
    last: Ended = Ended()
    borrows: bool = False

    @property
    def name(self) -> str:
        return self.program.path.rpartition("/")[2]

    @property
    def abi(self) -> Abi:
        return self.program.abi

    @property
    def mm(self) -> Mm:
        return self.memory.mm

    @property
    def tasks(self) -> list[Task]:
        return [thread.task for thread in self.threads.values()]
