"""Files: standard input, output and error are all that there are.  (read(2), write(2), ioctl(2), fstat(2))"""
from __future__ import annotations

from vmm.host.user.calls.table import call, signed
from vmm.host.user.numbers import CallError, Errno
from vmm.host.user.threads import Thread

INPUT, OUTPUT, ERROR = 0, 1, 2
MOST_BYTES = 1 << 20
"""Of one write; programs write the rest again."""


def _check(fd: int) -> int:
    if signed(fd) not in (INPUT, OUTPUT, ERROR):
        raise CallError(Errno.EBADF)
    return fd


@call(o32=3, n64=0)
def read(thread: Thread, fd: int, buffer: int, count: int) -> int:
    if _check(fd) != INPUT:
        raise CallError(Errno.EBADF)
    data = thread.system.take_input(min(count, MOST_BYTES))
    thread.write(buffer, data)
    return len(data)


@call(o32=4, n64=1)
def write(thread: Thread, fd: int, buffer: int, count: int) -> int:
    if _check(fd) == INPUT:
        raise CallError(Errno.EBADF)
    data = thread.read(buffer, min(count, MOST_BYTES))
    thread.system.say(data, error=fd == ERROR)
    return len(data)


@call(o32=146, n64=19)
def writev(thread: Thread, fd: int, vector: int, count: int) -> int:
    if not 0 <= signed(count) <= 1024:
        raise CallError(Errno.EINVAL)
    pairs = thread.read_longs(vector, 2 * count)
    return sum(write(thread, fd, at, size) for at, size in zip(pairs[::2], pairs[1::2], strict=True) if size)


@call(o32=6, n64=3)
def close(thread: Thread, fd: int) -> int:
    _check(fd)
    return 0


@call(o32=54, n64=15)
def ioctl(thread: Thread, fd: int, request: int, argument: int) -> int:
    """None of them is a terminal."""
    _check(fd)
    raise CallError(Errno.ENOTTY)


@call(o32=19, n64=8)
def lseek(thread: Thread, fd: int, offset: int, whence: int) -> int:
    _check(fd)
    raise CallError(Errno.ESPIPE)


@call(o32=140)
def _llseek(thread: Thread, fd: int, high: int, low: int, result: int, whence: int) -> int:
    return lseek(thread, fd, low, whence)


@call(o32=5, n64=2)
def open(thread: Thread, path: int, flags: int, mode: int) -> int:
    thread.read_string(path)
    raise CallError(Errno.ENOENT)


@call(o32=288, n64=247)
def openat(thread: Thread, folder: int, path: int, flags: int, mode: int) -> int:
    return open(thread, path, flags, mode)


@call(o32=85, n64=87)
def readlink(thread: Thread, path: int, buffer: int, size: int) -> int:
    return open(thread, path, 0, 0)


@call(o32=298, n64=257)
def readlinkat(thread: Thread, folder: int, path: int, buffer: int, size: int) -> int:
    return open(thread, path, 0, 0)


@call(o32=33, n64=20)
def access(thread: Thread, path: int, mode: int) -> int:
    return open(thread, path, 0, 0)
