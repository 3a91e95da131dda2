"""Processes: fork(2), execve(2), wait4(2), exit_group(2), and what they are called."""
from __future__ import annotations

from vmm.host.user.calls.table import call, signed
from vmm.host.user.numbers import CallError, Clone, Errno
from vmm.host.user.processes import Ended, Process
from vmm.host.user.threads import Gone, Steps, Thread

WNOHANG = 1
NAMES = ("Linux", "vmm", "6.1.0", "#1 SMP", "mips", "(none)")
NAME_BYTES = 65
RLIM_INFINITY = (1 << 64) - 1
RLIMIT_STACK, RLIMIT_BYTES = 3, 16


@call(o32=2, n64=56)
def fork(thread: Thread) -> int:
    return thread.system.clone(thread, Clone(0)).tid


@call(o32=11, n64=57)
def execve(thread: Thread, path: int, arguments: int, environment: int) -> Steps:
    wanted = thread.read_string(path).decode(errors="replace")
    texts = thread.read_strings(arguments), thread.read_strings(environment)
    yield from thread.system.execute(thread, wanted, *texts)


@call(o32=246, n64=205)
def exit_group(thread: Thread, status: int) -> None:
    thread.system.end_process(thread.process, Ended(signed(status)))
    raise Gone


@call(o32=114, n64=59, restarts=True)
def wait4(thread: Thread, pid: int, status: int, options: int, usage: int) -> Steps:
    process = thread.process
    while True:
        children = [child for child in process.children if signed(pid) <= 0 or child.pid == signed(pid)]
        if not children:
            raise CallError(Errno.ECHILD)
        for child in children:
            if child.ended is not None:
                return _reap(thread, child, status)
        if options & WNOHANG:
            return 0
        if thread.system.signals.wanted(thread):
            raise CallError(Errno.EINTR)
        process.waiting.append(thread)
        yield from thread.sleep()
        if thread in process.waiting:
            process.waiting.remove(thread)


def _reap(thread: Thread, child: Process, status: int) -> int:
    assert child.ended is not None
    if status:
        thread.write_word(status, child.ended.wait_status)
    thread.process.children.remove(child)
    del thread.system.live[child.pid]
    return child.pid


@call(o32=7, restarts=True)
def waitpid(thread: Thread, pid: int, status: int, options: int) -> Steps:
    return (yield from wait4(thread, pid, status, options, 0))


@call(o32=20, n64=38)
def getpid(thread: Thread) -> int:
    return thread.process.pid


@call(o32=64, n64=108)
def getppid(thread: Thread) -> int:
    parent = thread.process.parent
    return parent.pid if parent else 1


@call(o32=24, n64=100)
def getuid(thread: Thread) -> int:
    return 0


call(o32=49, n64=104)(getuid)
call(o32=47, n64=102)(getuid)
call(o32=50, n64=105)(getuid)
"""geteuid, getgid, getegid: there is only root."""


@call(o32=122, n64=61)
def uname(thread: Thread, buffer: int) -> int:
    name = "mips" if thread.process.abi.word == 4 else "mips64"
    texts = [name if text == "mips" else text for text in NAMES]
    thread.write(buffer, b"".join(text.encode().ljust(NAME_BYTES, b"\0") for text in texts))
    return 0


@call(o32=338, n64=297)
def prlimit64(thread: Thread, pid: int, what: int, new: int, old: int) -> int:
    if old:
        soft = 8 << 20 if what == RLIMIT_STACK else RLIM_INFINITY
        thread.write(old, soft.to_bytes(8, thread.order) + RLIM_INFINITY.to_bytes(8, thread.order))
    return 0


@call(o32=353, n64=313)
def getrandom(thread: Thread, buffer: int, size: int, flags: int) -> int:
    thread.write(buffer, thread.system.chance(min(size, 256)))
    return min(size, 256)
