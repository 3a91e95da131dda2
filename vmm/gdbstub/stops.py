"""A stop as GDB is told it: T, W and X replies (GDB manual, appendix E.3 "Stop Reply Packets").

A reason goes out only to a client that announced its key: an unknown key would be taken for a register
number.
"""
from __future__ import annotations

from collections.abc import Callable, Container
from typing import NamedTuple, assert_never

from vmm.gdbstub.target import (
    BreakHit,
    BreakKind,
    Execed,
    Exited,
    Forked,
    HistoryEnd,
    Killed,
    Reason,
    ThreadId,
    WatchHit,
)

# fmt: off
KEYS = {
    BreakKind.SOFTWARE: "swbreak",
    BreakKind.HARDWARE: "hwbreak",
    BreakKind.WRITE:    "watch",
    BreakKind.READ:     "rwatch",
    BreakKind.ACCESS:   "awatch",
}
# fmt: on


class Told(NamedTuple):
    """``feature``: what the client must have announced; "" for what every client knows."""
    key: str
    value: str
    feature: str = ""


def told(reason: Reason, thread_text: Callable[[ThreadId], str]) -> Told:
    match reason:
        case BreakHit(kind):
            return Told(KEYS[kind], "", feature=KEYS[kind])
        case WatchHit(kind, address):
            return Told(KEYS[kind], f"{address:x}")
        case Forked(child):
            return Told("fork", thread_text(child), feature="fork-events")
        case Execed(executable):
            return Told("exec", executable.encode().hex(), feature="exec-events")
        case HistoryEnd(oldest):
            return Told("replaylog", "begin" if oldest else "end")
        case _:
            assert_never(reason)


def unasked(reason: Reason | None, client: Container[str]) -> bool:
    """A birth that this client does not know about is no stop for it: the target goes on."""
    if not isinstance(reason, Forked | Execed):
        return False
    return told(reason, str).feature not in client


def end_text(event: Exited | Killed, multiprocess: bool) -> str:
    letter, code = ("W", event.status) if isinstance(event, Exited) else ("X", event.signal)
    return f"{letter}{code & 0xFF:02x}" + (f";process:{event.pid:x}" if multiprocess else "")
