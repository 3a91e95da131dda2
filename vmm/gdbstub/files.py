"""Host I/O over a virtual, read-only tree: how GDB reads the programs that run (GDB manual, appendix E.10).

Names go to ``Files.file`` and nowhere else; no path of the host is ever opened.  The manual's error
numbers, not the host's, which need not agree.
"""
from __future__ import annotations

from enum import IntEnum
from struct import pack

from vmm.gdbstub.packets import Packets
from vmm.gdbstub.session import Session
from vmm.gdbstub.target import Files
from vmm.gdbstub.wire import PACKET_SIZE, fitting

packets = Packets()

MOST_OPEN = 64
REGULAR_READABLE = 0o100444


class Errno(IntEnum):
    ENOENT = 2
    EBADF = 9
    EINVAL = 22
    EMFILE = 24
    EROFS = 30


def _failed(error: Errno) -> str:
    return f"F-1,{error:x}"


def _status(size: int) -> bytes:
    """``struct stat`` of the protocol: big-endian, no times, for there is no clock."""
    return pack(">7I3Q3I", 0, 0, REGULAR_READABLE, 1, 0, 0, 0, size, 512, (size + 511) // 512, 0, 0, 0)


def _with_data(data: bytes) -> str:
    escaped, taken = fitting(data, PACKET_SIZE - 16)
    return f"F{taken:x};{escaped.decode('latin-1')}"


@packets.on("vFile:setfs:{pid:hex}", needs=Files)
def choose_tree(session: Session, target: Files, pid: int) -> str:
    """Every process is shown the same tree."""
    return "F0"


@packets.on("vFile:open:{path:hextext},{flags:hex},{mode:hex}", needs=Files)
def open_(session: Session, target: Files, path: str, flags: int, mode: int) -> str:
    """GDB first opens "just probing" to learn whether there is Host I/O; "no such file" is right."""
    if flags:
        return _failed(Errno.EROFS)
    data = target.file(path)
    if data is None:
        return _failed(Errno.ENOENT)
    free = next((number for number in range(MOST_OPEN) if number not in session.files), None)
    if free is None:
        return _failed(Errno.EMFILE)
    session.files[free] = data
    return f"F{free:x}"


@packets.on("vFile:close:{number:hex}", needs=Files)
def close(session: Session, target: Files, number: int) -> str:
    return "F0" if session.files.pop(number, None) is not None else _failed(Errno.EBADF)


@packets.on("vFile:fstat:{number:hex}", needs=Files)
def status(session: Session, target: Files, number: int) -> str:
    data = session.files.get(number)
    return _failed(Errno.EBADF) if data is None else _with_data(_status(len(data)))


@packets.on("vFile:pread:{number:hex},{size:hex},{offset:hex}", needs=Files)
def read(session: Session, target: Files, number: int, size: int, offset: int) -> str:
    data = session.files.get(number)
    return _failed(Errno.EBADF) if data is None else _with_data(data[offset:offset + size])


@packets.on("vFile:readlink:{path:hextext}", needs=Files)
def read_link(session: Session, target: Files, path: str) -> str:
    return _failed(Errno.EINVAL if target.file(path) is not None else Errno.ENOENT)


@packets.on("vFile:pwrite:{ignored:text}", needs=Files)
@packets.on("vFile:unlink:{ignored:text}", needs=Files)
def read_only(session: Session, target: Files, ignored: str) -> str:
    return _failed(Errno.EROFS)
