"""User programs on a host kernel, as the debugger drives them, to the end of the first."""
from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from vmm.gdbstub.target import WatchHit
from vmm.guest.hostcode import host_code
from vmm.guest.image import Image
from vmm.guest.system import Ending, Interrupted
from vmm.host.kernel.kernel import Kernel
from vmm.host.machine import Machine
from vmm.host.user.numbers import Sig
from vmm.host.user.processes import Ended
from vmm.host.user.system import UserSystem
from vmm.host.user.threads import Thread


@dataclass(frozen=True, slots=True)
class Programs:
    """``image``: of the first."""
    image: Image


class Userland:
    """A ``Debuggee``; ``images`` are the executables, the first program's first."""

    def __init__(self, users: UserSystem, images: Iterable[Image]) -> None:
        machine = users.kernel.machine
        assert isinstance(machine, Machine)
        self.users, self.machine = users, machine
        self.images = tuple(images)
        self.births: list[tuple[Thread, Thread | None]] = []
        """What has happened since somebody looked: parent and child, or who has executed another program."""
        self.is_watched: Callable[[int, int, int], WatchHit | None] = lambda pid, va, size: None
        """Does a store into this process's memory meet a watchpoint?"""
        self.stores: list[tuple[Thread, WatchHit]] = []
        """Of the kernel's into watched memory, since somebody looked: for which thread."""
        users.on_fork = lambda parent, child: self.births.append((parent, child))
        users.on_exec = lambda thread: self.births.append((thread, None))
        users.on_store = self._note_store
        self.request = Programs(self.images[0])

    def _note_store(self, thread: Thread, va: int, size: int) -> None:
        if (hit := self.is_watched(thread.process.pid, va, size)) is not None:
            self.stores.append((thread, hit))

    @property
    def kernel(self) -> Kernel:
        return self.users.kernel

    @property
    def ending(self) -> Ending | None:
        if not self.users.finished:
            return None
        ended = self.users.first.ended if self.users.first else None
        if ended is None:
            return Ending(1, "every thread waits, and nothing can wake one")
        return Ending(ended.shell_status, f"the first process has ended: {ended}")

    def _stops(self) -> bool:
        return self.users.finished or bool(self.births or self.stores)

    def run(self, until: int) -> Interrupted | None:
        """Also to the next birth, or store of the kernel into watched memory."""
        found = self.kernel.scheduler.run(until, self._stops)
        return None if found is None else Interrupted(found.cpu, found.stop)

    def step(self, cpu: int) -> Interrupted | None:
        found = self.kernel.scheduler.step(cpu, self._stops)
        return None if found is None else Interrupted(found.cpu, found.stop)

    def kill(self, pid: int) -> None:
        """The process ends as soon as it runs again."""
        self.users.end_process(self.users.live[pid], Ended(signal=Sig.KILL))

    def host_code(self) -> bytes:
        return host_code(self.kernel)
