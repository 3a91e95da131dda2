"""What a debugged machine offers to the remote protocol, as small protocols.

``Target`` is what every machine must have.  The others are abilities: a packet that needs one is answered
with the empty reply when the target does not have it, which is how GDB learns to do without.  Processes are
GDB's "inferiors" (a machine, a virtual machine); threads are their processors.  Nothing here knows an
architecture: register values are bytes in the target's own order, addresses are the numbers the debugger
sent (0 .. 2**64 - 1).
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, Protocol, runtime_checkable

SIGINT, SIGTRAP = 2, 5  # GDB's own signal numbers, not the host's


class TargetError(Exception):
    """The target will not do what was asked; the text tells the user why."""
    number = 0x16


class MemoryFault(TargetError):
    """No such memory: the text names the address and the reason."""
    number = 0x0E


class Unsupported(TargetError):
    """The target has no such thing at all: answered like an unknown packet."""


class ThreadId(NamedTuple):
    pid: int
    tid: int


@dataclass(frozen=True, slots=True)
class Process:
    """``executable``: a path in ``Files``, or None.

    ``hidden``: not shown to an old client until it attaches, since a second process with a description of its
    own is more than GDB 13 can take at connect.  It stays true while a client is attached.
    """
    pid: int
    executable: str | None = None
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Thread:
    id: ThreadId
    name: str = ""
    core: int | None = None
    extra: str = ""


@dataclass(frozen=True, slots=True)
class Register:
    """``number`` is the regnum of the description; ``expedited`` ones travel with every stop."""
    number: int
    size: int
    expedited: bool = False


class BreakKind(IntEnum):
    """The type digit of Z and z."""
    SOFTWARE = 0
    HARDWARE = 1
    WRITE = 2
    READ = 3
    ACCESS = 4


# -- how to go on -----------------------------------------------------------------------------------------

@dataclass(frozen=True, slots=True)
class Continue:
    signal: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    signal: int = 0


@dataclass(frozen=True, slots=True)
class RangeStep:
    """Step while start <= pc < end; at least one instruction."""
    start: int
    end: int


Action = Continue | Step | RangeStep


# -- why it stopped ---------------------------------------------------------------------------------------

@dataclass(frozen=True, slots=True)
class BreakHit:
    """A software or hardware breakpoint, pc at it."""
    kind: BreakKind


@dataclass(frozen=True, slots=True)
class WatchHit:
    kind: BreakKind
    address: int


@dataclass(frozen=True, slots=True)
class Forked:
    """A process was created; ``child`` is its first thread."""
    child: ThreadId


@dataclass(frozen=True, slots=True)
class Execed:
    """A process started a program; ``executable`` is a path in ``Files``."""
    executable: str


@dataclass(frozen=True, slots=True)
class HistoryEnd:
    """Reverse execution came to the oldest recorded point, or forward execution to the newest."""
    oldest: bool = True


Reason = BreakHit | WatchHit | Forked | Execed | HistoryEnd


@dataclass(frozen=True, slots=True)
class Stopped:
    thread: ThreadId
    signal: int = SIGTRAP
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Exited:
    pid: int
    status: int = 0


@dataclass(frozen=True, slots=True)
class Killed:
    pid: int
    signal: int


StopEvent = Stopped | Exited | Killed


# -- what a target can do ---------------------------------------------------------------------------------

@runtime_checkable
class Inferiors(Protocol):
    def processes(self) -> Sequence[Process]:
        """Those that exist now, the first being the one a client starts with."""

    def threads(self, pid: int) -> Sequence[Thread]: ...


@runtime_checkable
class Registers(Protocol):
    def registers(self, pid: int) -> Sequence[Register]: ...

    def read_register(self, thread: ThreadId, number: int) -> bytes | None:
        """None: it exists and has no value now."""

    def write_register(self, thread: ThreadId, number: int, value: bytes) -> None: ...

    def read_registers(self, thread: ThreadId) -> Mapping[int, bytes | None]:
        """All of ``registers``, by number."""

    def write_registers(self, thread: ThreadId, values: Mapping[int, bytes]) -> None: ...


@runtime_checkable
class Memory(Protocol):
    """As the thread sees it, without side effects.  Both raise MemoryFault."""

    def read_memory(self, thread: ThreadId, address: int, size: int) -> bytes: ...

    def write_memory(self, thread: ThreadId, address: int, data: bytes) -> None: ...


@runtime_checkable
class Execution(Protocol):
    def resume(self, actions: Mapping[ThreadId, Action]) -> None:
        """Set threads going; one that is not named stays.  Runs nothing yet; forgets an old interrupt."""

    def run_slice(self) -> StopEvent | None:
        """Run for a bounded number of instructions; None while nothing worth a stop has happened."""

    def interrupt(self) -> None:
        """The debugger asks to stop: the next ``run_slice`` must return an event (Stopped with SIGINT, if
        nothing else happened)."""


@runtime_checkable
class Target(Inferiors, Registers, Memory, Execution, Protocol):
    """The least that can be debugged."""


@runtime_checkable
class Breakpoints(Protocol):
    """A kind that is not there raises Unsupported.  A virtual address need not be mapped."""

    def add_breakpoint(self, kind: BreakKind, address: int, size: int, pid: int) -> None: ...

    def remove_breakpoint(self, kind: BreakKind, address: int, size: int, pid: int) -> None: ...


@runtime_checkable
class Attaching(Protocol):
    """``attach`` brings a process that was hidden or let go under the debugger; ``detach`` lets it go."""

    def attach(self, pid: int) -> None: ...

    def detach(self, pid: int) -> None: ...


@runtime_checkable
class Killing(Protocol):
    def kill(self, pid: int) -> None: ...


@runtime_checkable
class Reversing(Protocol):
    def reverse(self, thread: ThreadId, step: bool) -> None:
        """As ``resume``, but back in time: one instruction of ``thread``, or until something stops it."""


@runtime_checkable
class Monitoring(Protocol):
    def monitor(self, command: str) -> str:
        """The text to show.  Whatever the command, it reaches no shell, no evaluator and no host file."""


@runtime_checkable
class Described(Protocol):
    def description(self, pid: int) -> str:
        """The whole target.xml of a process."""


@runtime_checkable
class Files(Protocol):
    def file(self, path: str) -> bytes | None:
        """The bytes under a name of a virtual, read-only tree; never a path of the host."""


@runtime_checkable
class Console(Protocol):
    def console_output(self) -> str:
        """What was said since the last call; shown by the debugger while the target runs."""
