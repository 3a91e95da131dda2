"""Breakpoints and watchpoints: Z and z (GDB manual, appendix E.2).

Setting one twice is setting it once, and clearing one that is not there succeeds: the manual asks for
both.  The session remembers them, so that none outlives its client.
"""
from __future__ import annotations

from vmm.gdbstub.packets import Packets
from vmm.gdbstub.session import Session
from vmm.gdbstub.target import BreakKind, Breakpoints, TargetError, Unsupported

packets = Packets()

MOST = 1 << 14


def _kind(digit: int) -> BreakKind:
    try:
        return BreakKind(digit)
    except ValueError:
        raise Unsupported(f"no breakpoint type {digit}") from None


@packets.on("Z{kind:hex},{address:hex},{size:hex}", needs=Breakpoints)
def add(session: Session, target: Breakpoints, kind: int, address: int, size: int) -> str:
    wanted = (_kind(kind), address, size, session.current().pid)
    if wanted not in session.breakpoints:
        if len(session.breakpoints) >= MOST:
            raise TargetError(f"{MOST} breakpoints are set; delete some")
        target.add_breakpoint(*wanted)
        session.breakpoints[wanted] = None
    return "OK"


@packets.on("z{kind:hex},{address:hex},{size:hex}", needs=Breakpoints)
def remove(session: Session, target: Breakpoints, kind: int, address: int, size: int) -> str:
    unwanted = (_kind(kind), address, size, session.current().pid)
    if unwanted in session.breakpoints:
        target.remove_breakpoint(*unwanted)
        del session.breakpoints[unwanted]
    return "OK"
