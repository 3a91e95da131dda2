"""One client's conversation: which modes it set, which processes it sees, and what it waits for.

Invariant: ``answer`` gives exactly one reply to a packet, or None if the target now runs; then exactly one
stop reply comes from ``run_slice``.  A client is never told of a thread of a process that it does not see.
A session is dropped with its connection, so no mode survives a reconnect.
"""
from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress

from vmm.gdbstub import target as abilities
from vmm.gdbstub.packets import Packet, Packets, ThreadPattern
from vmm.gdbstub.stops import end_text, told, unasked
from vmm.gdbstub.target import (
    Action,
    Attaching,
    BreakKind,
    Breakpoints,
    Console,
    Continue,
    Exited,
    Forked,
    Killed,
    Process,
    Reversing,
    Step,
    StopEvent,
    Stopped,
    Target,
    TargetError,
    Thread,
    ThreadId,
    Unsupported,
)
from vmm.gdbstub.wire import PACKET_SIZE

ABILITIES: tuple[type, ...] = (
    Target, Breakpoints, Attaching, Console, abilities.Killing, Reversing, abilities.Monitoring,
    abilities.Described, abilities.Files)

_UNPRINTABLE = re.compile(r"[^\t\n -~\u00a0-\U0010ffff]")
_NOT_IN_ERRORS = re.compile(r"[^ -~]|[#$}*]")
_OUTPUT_PIECE = PACKET_SIZE // 16     # characters: at most 4 bytes each, 2 digits a byte

Breakpoint = tuple[BreakKind, int, int, int]     # kind, address, size, pid


def printable(text: str) -> str:
    """A guest can put what it likes into names and consoles; terminal escapes do not pass."""
    return _UNPRINTABLE.sub("", text)


class Session:
    def __init__(self, target: Target, packets: Packets, last: StopEvent | None = None) -> None:
        self.target = target
        self.packets = packets
        self.offered = frozenset(ability for ability in ABILITIES if isinstance(target, ability))
        self.client: frozenset[str] = frozenset()       # features the client announced
        self.no_ack = False
        self.running = False
        self.finished = False                           # the client let everything go
        self.last = last
        self.visible = [process.pid for process in target.processes() if not process.hidden]
        self.general: ThreadPattern = ThreadPattern(None, 0)
        self.control: ThreadPattern = ThreadPattern(None, -1)
        self.breakpoints: dict[Breakpoint, None] = {}   # a dict for its order
        self.files: dict[int, bytes] = {}
        self.thread_list: list[str] = []                # what qsThreadInfo still has to say
        self._actions: Mapping[ThreadId, Action] = {}
        self._interrupting = False
        self._said: list[str] = []

    # -- packets -------------------------------------------------------------------------------------------

    def answer(self, body: bytes) -> str | None:
        found = self.packets.find(body.decode("latin-1"), self.offered)
        if found is None:
            return ""
        if isinstance(found, Packet):
            return self.error(TargetError.number, f"malformed packet; expected {found.usage}")
        row, holes = found
        try:
            return row.reply(self, self.target, **holes)
        except Unsupported:
            return ""
        except TargetError as refusal:
            return self.error(refusal.number, str(refusal))

    def error(self, number: int, text: str) -> str:
        """A client that did not announce it would take a text for data."""
        if "error-message" in self.client:
            return "E." + _NOT_IN_ERRORS.sub("?", text)[:1000]
        return f"E{number:02x}"

    def complain(self, text: str) -> str:
        """About something that was not even a packet."""
        return self.error(TargetError.number, text)

    def say(self, text: str) -> None:
        """Show text at the client's terminal, before the reply that comes next."""
        text = printable(text)
        for at in range(0, len(text), _OUTPUT_PIECE):
            self._said.append("O" + text[at:at + _OUTPUT_PIECE].encode().hex())

    def take_said(self) -> list[str]:
        said, self._said = self._said, []
        return said

    # -- processes and threads -----------------------------------------------------------------------------

    @property
    def multiprocess(self) -> bool:
        return "multiprocess" in self.client

    def processes(self) -> list[Process]:
        """Those the client sees.  One without multiprocess ids sees one process: numbers would collide."""
        seen = [process for process in self.target.processes() if process.pid in self.visible]
        return seen if self.multiprocess else seen[:1]

    def threads(self) -> list[Thread]:
        return [thread for process in self.processes() for thread in self.target.threads(process.pid)]

    def thread_text(self, thread: ThreadId) -> str:
        return f"p{thread.pid:x}.{thread.tid:x}" if self.multiprocess else f"{thread.tid:x}"

    def matching(self, pattern: ThreadPattern) -> list[ThreadId]:
        """The live, visible threads that a pattern names; ``matching(...)[0]`` is what "any" means."""
        pid = self._current_pid() if pattern.pid is None and pattern.tid > 0 else pattern.pid
        return [thread.id for thread in self.threads()
                if (pid in (None, -1, 0) or thread.id.pid == pid)
                and (pattern.tid in (-1, 0) or thread.id.tid == pattern.tid)]

    def current(self) -> ThreadId:
        """The thread of g, m and qC: as Hg chose or where it stopped, whichever was later.

        "Any" is the last that stopped: after vAttach GDB says Hgp0.0 and means the new process.
        """
        if not (found := self.matching(self.general)):
            raise TargetError("the selected thread does not exist any more; select another one")
        return self.last.thread if isinstance(self.last, Stopped) and self.last.thread in found else found[0]

    def _current_pid(self) -> int | None:
        if self.general.pid and self.general.pid > 0:
            return self.general.pid
        seen = self.processes()
        return seen[0].pid if seen else None

    def attach(self, pid: int) -> None:
        if isinstance(self.target, Attaching):
            self.target.attach(pid)
        self.visible.append(pid)
        self.finished = False

    def forget(self, pid: int) -> None:
        """A process that is gone, or let go, takes its breakpoints with it."""
        self.remove_breakpoints(pid)
        if pid in self.visible:
            self.visible.remove(pid)

    # -- breakpoints ---------------------------------------------------------------------------------------

    def remove_breakpoints(self, pid: int | None = None) -> None:
        if not isinstance(self.target, Breakpoints):
            return
        for breakpoint_ in [each for each in self.breakpoints if pid in (None, each[3])]:
            del self.breakpoints[breakpoint_]
            with suppress(TargetError):     # its process may be gone already, and with it the breakpoint
                self.target.remove_breakpoint(*breakpoint_)

    # -- running -------------------------------------------------------------------------------------------

    def resume(self, actions: Mapping[ThreadId, Action]) -> None:
        if not actions:
            raise TargetError("nothing to resume: the packet names no thread that exists")
        self._actions = actions
        self.target.resume(actions)
        self.running = True

    def reverse(self, target: Reversing, step: bool) -> None:
        thread = self.current()
        self._actions = {thread: Step()}    # as for a step: no event of the past is passed over
        target.reverse(thread, step)
        self.running = True

    def interrupt(self) -> None:
        """The client's Ctrl-C.  When the target has stopped by itself meanwhile, that stop is the answer."""
        if self.running:
            self._interrupting = True
            self.target.interrupt()

    def run_slice(self) -> list[str]:
        """Run a little; what to send the client: console output, and the stop reply when there is one."""
        event = self.target.run_slice()
        if isinstance(self.target, Console):
            self.say(self.target.console_output())
        if event is None:
            return self.take_said()
        if self._of_no_interest(event):
            self._go_on()
            return self.take_said()
        self.running = self._interrupting = False
        self.last = event
        reply = self.stop_text(event)
        return [*self.take_said(), reply]

    def _of_no_interest(self, event: StopEvent) -> bool:
        if isinstance(event, Exited | Killed):
            return event.pid not in self.visible
        stepped = isinstance(self._actions.get(event.thread), Step)  # then it is over, whatever happened
        return unasked(event.reason, self.client) and not stepped

    def _go_on(self) -> None:
        alive = everything(self.target)
        self.target.resume({thread: action for thread, action in self._actions.items() if thread in alive})
        if self._interrupting:
            self.target.interrupt()

    def stop_text(self, event: StopEvent) -> str:
        if isinstance(event, Exited | Killed):
            self.forget(event.pid)
            return end_text(event, self.multiprocess)
        if isinstance(event.reason, Forked) and event.reason.child.pid not in self.visible:
            self.attach(event.reason.child.pid)
        shown = {thread.id: thread for thread in self.threads()}
        thread = shown.get(event.thread) or next(iter(shown.values()), None)
        if thread is None:
            return "N" if "no-resumed" in self.client else "W00"
        self.general = ThreadPattern(*thread.id)    # GDB takes that for granted, and sends no Hg
        facts = "".join(f"{key}:{value};" for key, value in self._facts(event, thread))
        return f"T{event.signal & 0xFF:02x}{facts}"

    def _facts(self, event: Stopped, thread: Thread) -> list[tuple[str, str]]:
        facts = [("thread", self.thread_text(thread.id))]
        if thread.core is not None:
            facts.append(("core", f"{thread.core:x}"))
        if event.reason is not None and thread.id == event.thread:
            said = told(event.reason, self.thread_text)
            if not said.feature or said.feature in self.client:
                facts.append((said.key, said.value))
        for register in self.target.registers(thread.id.pid):
            if not register.expedited:
                continue
            if (value := self.target.read_register(thread.id, register.number)) is not None:
                facts.append((f"{register.number:02x}", value.hex()))
        return facts

    # -- the end -------------------------------------------------------------------------------------------

    def let_go(self, pid: int) -> None:
        self.forget(pid)
        if isinstance(self.target, Attaching):
            self.target.detach(pid)
        self.finished = not self.visible

    def close(self) -> None:
        """The client is gone.  Its breakpoints go with it, and so does what only its attaching showed."""
        self.remove_breakpoints()
        for process in self.target.processes():
            if process.hidden and process.pid in self.visible:
                self.let_go(process.pid)
        self.files.clear()


def everything(target: Target) -> dict[ThreadId, Action]:
    return {thread.id: Continue() for process in target.processes() for thread in target.threads(process.pid)}
