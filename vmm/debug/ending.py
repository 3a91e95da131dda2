"""Ends as the debugger is told them: those of guests and of processes that somebody debugs, then that of the machine.

A guest that cannot go on stops first, where it stands, so that somebody can look.
"""
from __future__ import annotations

from vmm.debug.worlds import HOST, Worlds, cpu_thread, vcpu_thread
from vmm.gdbstub.target import Exited, Killed, StopEvent, Stopped
from vmm.guest.system import Ending
from vmm.host.user.processes import Process

SIGABRT = 6


class Endings:
    def __init__(self, worlds: Worlds) -> None:
        self._worlds = worlds
        self.alive = [HOST, *worlds.vms]
        """The machine, and its guests whose end was not told."""
        self._shown: list[Ending] = []
        self._text = ""
        self._panic: Ending | None = None
        self.followed: dict[int, Process] = {}
        """Of the host kernel, those that somebody debugs."""

    def follow(self, pid: int) -> None:
        """A process of the host kernel's is debugged from now on."""
        self.followed[pid] = self._worlds.processes[pid]

    def leave(self, pid: int) -> None:
        self.followed.pop(pid, None)

    def _of_a_process(self) -> Exited | Killed | None:
        """Of some that have ended in one slice, children before their parents."""
        for pid, process in reversed(self.followed.items()):
            if process.ended is not None:
                del self.followed[pid]
                ended = process.ended
                return Killed(pid, ended.signal) if ended.signal else Exited(pid, ended.status & 0xFF)
        return None

    @property
    def over(self) -> bool:
        """There is an end to tell."""
        return self._first is not None

    @property
    def _first(self) -> tuple[int, Ending] | None:
        """Whose end comes next, and which: the machine's after those of all its guests."""
        for pid in [each for each in self.alive if each != HOST] or self.alive:
            ending = self._panic or self._worlds.vms.get(pid, self._worlds.system).ending
            if ending is not None:
                return pid, ending
        return None

    def panic(self, failure: Exception) -> None:
        """The host kernel's model cannot go on with what the debugger made of its state."""
        text = f"the host kernel cannot go on after the debugger's changes: {type(failure).__name__}: {failure}"
        self._panic = Ending(1, text, fault=True)

    def next(self) -> StopEvent | None:
        """What is to be told now."""
        if (end := self._of_a_process()) is not None:
            return end
        if self._first is None:
            return None
        pid, ending = self._first
        if all(ending is not each for each in self._shown):
            self._shown.append(ending)
            whose = f"process {pid}: " if len(self._worlds.vms) > 1 and pid != HOST else ""
            self._text = f"{whose}{ending.text}\n"
            if ending.fault:
                return Stopped(cpu_thread(0) if pid == HOST else vcpu_thread(0, pid), SIGABRT)
        self.alive.remove(pid)
        return Exited(pid, ending.status & 0xFF)

    def take_text(self) -> str:
        text, self._text = self._text, ""
        return text

    def kill(self, pid: int) -> None:
        """Killing the host takes its guests along."""
        if self._worlds.userland is not None and pid in self._worlds.processes:
            self._worlds.userland.kill(pid)
        for each in [each for each in self.alive if pid in (HOST, each)]:
            self.alive.remove(each)
            if (vm := self._worlds.vms.get(each)) is not None:
                vm.destroy_guest()
                self._shown += filter(None, [vm.ending])
