"""The end of a guest as the debugger is told it: first that of the virtual machine, then that of the host.

A guest that cannot go on stops first, where it stands, so that somebody can look.  A process of the host's that somebody
debugs is told of when it ends.
"""
from __future__ import annotations

from vmm.debug.worlds import GUEST, HOST, Worlds, cpu_thread, vcpu_thread
from vmm.gdbstub.target import Exited, Killed, StopEvent, Stopped
from vmm.guest.system import Ending
from vmm.host.user.processes import Process

SIGABRT = 6


class Endings:
    def __init__(self, worlds: Worlds) -> None:
        self._worlds, self._system = worlds, worlds.system
        self.alive = [HOST, GUEST] if worlds.guests else [HOST]
        self._shown = False
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
        return self._ending is not None

    @property
    def _ending(self) -> Ending | None:
        return self._panic or self._system.ending

    def panic(self, failure: Exception) -> None:
        """The host kernel's model cannot go on with what the debugger made of its state."""
        text = f"the host kernel cannot go on after the debugger's changes: {type(failure).__name__}: {failure}"
        self._panic = Ending(1, text, fault=True)

    def next(self) -> StopEvent | None:
        """What is to be told now."""
        if (end := self._of_a_process()) is not None:
            return end
        ending = self._ending
        if ending is None or not self.alive:
            return None
        if ending.fault and not self._shown:
            self._shown = True
            self._text = f"{ending.text}\n"
            return Stopped(vcpu_thread(0) if GUEST in self.alive else cpu_thread(0), SIGABRT)
        if not self._shown:
            self._shown = True
            self._text = f"{ending.text}\n"
        return Exited(self.alive.pop(), ending.status & 0xFF)

    def take_text(self) -> str:
        text, self._text = self._text, ""
        return text

    def kill(self, pid: int) -> None:
        """Killing the host takes its guest along."""
        if pid not in (HOST, GUEST):
            if self._worlds.userland is not None and pid in self._worlds.processes:
                self._worlds.userland.kill(pid)
            return
        if GUEST in self.alive:
            self._system.destroy_guest()
        self._shown = True
        self.alive = [each for each in self.alive if each < pid]
