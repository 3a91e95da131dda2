"""Memory: read, write, checksum, search (GDB manual, appendix E.2 and E.4).

Addresses go to the target as sent: a 32-bit client truncates in m and sign-extends in qCRC, and only the
target knows which forms name the same place.
"""
from __future__ import annotations

import zlib
from collections.abc import Iterator

from vmm.gdbstub.packets import Packets
from vmm.gdbstub.session import Session
from vmm.gdbstub.target import Target, TargetError
from vmm.gdbstub.wire import PACKET_SIZE, fitting

packets = Packets()

ADDRESS_MASK = (1 << 64) - 1
PIECE = 1 << 16
SCAN_LIMIT = 1 << 28
"""The most that one qCRC or qSearch reads; the target does not run and Ctrl-C is not seen meanwhile."""

_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@packets.on("m{address:hex},{size:hex}", needs=Target)
def read_memory(session: Session, target: Target, address: int, size: int) -> str:
    """A longer read than a packet holds gives its beginning, and the client asks for the rest."""
    return _read(session, target, address, min(size, PACKET_SIZE // 2)).hex()


@packets.on("x{address:hex},{size:hex}", needs=Target, feature="binary-upload+")
def read_memory_binary(session: Session, target: Target, address: int, size: int) -> str:
    data = _read(session, target, address, min(size, PACKET_SIZE - 1))
    return "b" + fitting(data, PACKET_SIZE - 1)[0].decode("latin-1")


@packets.on("M{address:hex},{size:hex}:{data:bytes}", needs=Target)
@packets.on("X{address:hex},{size:hex}:{data:binary}", needs=Target)
def write_memory(session: Session, target: Target, address: int, size: int, data: bytes) -> str:
    if size != len(data):
        raise TargetError(f"{size} bytes announced, {len(data)} sent; nothing was written")
    if data:
        target.write_memory(session.current(), address, data)
    return "OK"


@packets.on("qCRC:{address:hex},{size:hex}", needs=Target)
def checksum(session: Session, target: Target, address: int, size: int) -> str:
    """GDB's CRC takes bits from the top, zlib's from the bottom: the same polynomial seen in a mirror."""
    crc = 0
    for piece in _pieces(session, target, address, size):
        crc = zlib.crc32(piece.translate(_REVERSED), crc)
    return f"C{int(f'{crc ^ 0xFFFF_FFFF:032b}'[::-1], 2):08x}"


@packets.on("qSearch:memory:{address:hex};{size:hex};{pattern:binary}", needs=Target,
            feature="qSearch:memory+")
def search(session: Session, target: Target, address: int, size: int, pattern: bytes) -> str:
    if not pattern:
        raise TargetError("the search pattern is empty")
    seen, start = b"", address
    for piece in _pieces(session, target, address, size):
        seen += piece
        if (at := seen.find(pattern)) >= 0:
            return f"1,{start + at & ADDRESS_MASK:x}"
        kept = min(len(seen), len(pattern) - 1)     # a match may lie across two pieces
        start += len(seen) - kept
        seen = seen[len(seen) - kept:]
    return "0"


def _pieces(session: Session, target: Target, address: int, size: int) -> Iterator[bytes]:
    if size > SCAN_LIMIT:
        raise TargetError(f"{size:#x} bytes at once; at most {SCAN_LIMIT:#x}: ask for parts")
    for offset in range(0, size, PIECE):
        yield _read(session, target, address + offset & ADDRESS_MASK, min(PIECE, size - offset))


def _read(session: Session, target: Target, address: int, size: int) -> bytes:
    thread = session.current()
    return target.read_memory(thread, address, size) if size else b""
