"""The monitor on the console: a line is typed, a command answers, and the guest stands meanwhile.

The commands are those of a debugger's ``monitor``, and three of its own.  Invariant: a pure state machine over the
keys; it knows neither terminal nor file, and nothing that is typed here reaches the guest.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from vmm.guest.system import System

PROMPT = "(vmm) "
LONGEST_LINE = 1000
ENTER, ERASE, END, CANCEL, KILL, SEQUENCE = b"\r\n", b"\x7f\x08", 0x04, 0x03, 0x15, 0x1B
PRINTABLE = range(0x20, 0x7F)


class Monitor(Protocol):
    """The commands that look at the machine."""

    @property
    def usages(self) -> list[tuple[str, str]]:
        """Each command as it is typed, and what it shows."""

    def answer(self, line: str) -> str: ...


class SystemMonitor:
    """Of a system: about the guest's first vCPU if the words do not say, or the first CPU of a bare machine.

    The debugger's tables are imported at the first question, since most runs have none.
    """

    def __init__(self, system: System) -> None:
        self._system = system

    @property
    def usages(self) -> list[tuple[str, str]]:
        from vmm.debug.monitor import COMMANDS

        return [(f"{command.name} {command.usage}".rstrip(), command.help)
                for command in COMMANDS.values() if command.name not in OWN]

    def answer(self, line: str) -> str:
        from vmm.debug.monitor import monitor
        from vmm.debug.worlds import Worlds, cpu_thread, vcpu_thread
        from vmm.gdbstub.target import TargetError

        worlds = Worlds(self._system)
        try:
            return monitor(worlds, line, vcpu_thread(0) if worlds.guests else cpu_thread(0))
        except TargetError as refusal:
            return f"{refusal}\n"


class Prompt:
    """``open``: the keys are for the monitor.  ``quit``: the user wants no more of this run."""

    def __init__(self, monitor: Monitor, say: Callable[[str], None]) -> None:
        self._monitor, self._say = monitor, say
        self.open = self.quit = False
        self._line, self._in_sequence = "", False

    def enter(self) -> None:
        self.open = True
        self._begin()

    def leave(self) -> None:
        self._say("\n")
        self.open = False

    def _begin(self) -> None:
        self._line, self._in_sequence = "", False
        self._say(PROMPT)

    def type(self, key: int) -> None:
        if self._in_sequence:                               # an arrow or the like: to its last letter
            self._in_sequence = not (chr(key).isalpha() or key == ord("~"))
        elif key == SEQUENCE:
            self._in_sequence = True
        elif key in ENTER:
            self._say("\n")
            self._execute(self._line.strip())
        elif key in ERASE:
            self._erase(1)
        elif key == KILL:
            self._erase(len(self._line))
        elif key == CANCEL:
            self._say("\n")
            self._begin()
        elif key == END and not self._line:
            self.leave()
        elif key in PRINTABLE and len(self._line) < LONGEST_LINE:
            self._line += chr(key)
            self._say(chr(key))

    def _erase(self, count: int) -> None:
        count = min(count, len(self._line))
        self._line = self._line[:len(self._line) - count]
        self._say("\b \b" * count)

    def _execute(self, line: str) -> None:
        name = line.partition(" ")[0]
        if name in OWN:
            OWN[name].act(self)
        elif line:
            self._say(self._monitor.answer(line))
        if self.open:
            self._begin()

    # -- its own commands ------------------------------------------------------------------------------------------
    def show_help(self) -> None:
        rows = [(name, own.help) for name, own in OWN.items()] + self._monitor.usages
        width = max(len(usage) for usage, _ in rows)
        self._say("".join(f"{usage:{width}}  {help}\n" for usage, help in rows))

    def go_on(self) -> None:
        self.open = False

    def give_up(self) -> None:
        self.open, self.quit = False, True


@dataclass(frozen=True, slots=True)
class Own:
    help: str
    act: Callable[[Prompt], None]


OWN: dict[str, Own] = {
    "help": Own("this list", Prompt.show_help),
    "cont": Own("back to the guest, which goes on", Prompt.go_on),
    "quit": Own("end the run", Prompt.give_up),
}
