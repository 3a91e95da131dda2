"""Processes: attach, detach, kill (GDB manual, appendix E.2).

"k" and vKill end a machine or a guest, never the program that serves it.
"""
from __future__ import annotations

from vmm.gdbstub.packets import Packets
from vmm.gdbstub.session import Session
from vmm.gdbstub.target import SIGTRAP, Attaching, Killing, Stopped, Target, TargetError

packets = Packets()

SIGKILL = 9


def _seen(session: Session, pid: int) -> int:
    if pid not in [process.pid for process in session.processes()]:
        raise TargetError(f"process {pid} is not attached")
    return pid


@packets.on("vAttach;{pid:hex}", needs=Attaching)
def attach(session: Session, target: Attaching, pid: int) -> str:
    if pid in session.visible:
        raise TargetError(f"process {pid} is attached already")
    if not session.multiprocess and session.visible:
        raise TargetError("a second process needs the multiprocess extension")
    if pid not in [process.pid for process in session.target.processes()]:
        raise TargetError(f"no process {pid}")
    threads = session.target.threads(pid)
    if not threads:
        raise TargetError(f"process {pid} has no thread to stop in")
    session.attach(pid)
    session.last = Stopped(threads[0].id, SIGTRAP)
    return session.stop_text(session.last)


@packets.on("D", needs=Target)
@packets.on("D;{pid:hex}", needs=Target)
def detach(session: Session, target: Target, pid: int | None = None) -> str:
    for each in list(session.visible) if pid is None else [_seen(session, pid)]:
        session.let_go(each)
    return "OK"


@packets.on("vKill;{pid:hex}", needs=Killing)
def kill(session: Session, target: Killing, pid: int) -> str:
    target.kill(_seen(session, pid))
    session.forget(pid)
    return "OK"


@packets.on("k", needs=Killing)
def kill_all(session: Session, target: Killing) -> str:
    """GDB does not read a reply; LLDB, which sends this when it quits, waits for one."""
    for process in session.processes():
        target.kill(process.pid)
        session.forget(process.pid)
    return f"X{SIGKILL:02x}"


@packets.on("vRun;{arguments:text}", needs=Target)
def run(session: Session, target: Target, arguments: str) -> str:
    raise TargetError("this stub starts no programs; attach to a process that exists")


