"""Bytes to packets and back: ``$body#checksum``, acknowledgements, escapes, the interrupt byte.

GDB manual, appendix E.1 "Overview" and E.9 "Packet Acknowledgment".  Invariant: whatever comes in, in
whatever pieces, memory use is bounded by one packet, and a stream that does not begin as this protocol (a
browser's POST) yields nothing but NotGdb.
"""
from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, auto

PACKET_SIZE = 0x20000
"""The longest body, both ways.  Reading 16 MiB takes a quarter of the time that 4 KiB packets need."""

ESCAPE, FLIP = 0x7D, 0x20
INTERRUPT = 0x03
_FIRST = frozenset(b"+-$%\x03")
_SPECIAL = re.compile(rb"[#$}*]")
_ESCAPED = re.compile(rb"\}(.?)", re.DOTALL)
_CHECKSUM = re.compile(rb"[0-9a-fA-F]{2}")


class NotGdb(Exception):
    """The peer speaks something else; drop it before it says more."""


class Signal(Enum):
    """What arrives beside packets."""
    INTERRUPT = auto()
    ACK = auto()
    NAK = auto()
    BAD_CHECKSUM = auto()
    OVERSIZE = auto()


Event = bytes | Signal  # bytes: the body of a good packet, still escaped


def escape(data: bytes) -> bytes:
    return _SPECIAL.sub(lambda found: bytes((ESCAPE, found[0][0] ^ FLIP)), data)


def unescape(data: bytes) -> bytes:
    """A lone escape at the very end stands for nothing."""
    return _ESCAPED.sub(lambda found: bytes(byte ^ FLIP for byte in found[1]), data)


def fitting(data: bytes, room: int) -> tuple[bytes, int]:
    """As much of ``data`` as surely goes into ``room`` when escaped: (escaped, how many bytes that is)."""
    taken = data[:room]
    if len(escaped := escape(taken)) > room:
        taken = taken[:room // 2]
        escaped = escape(taken)
    return escaped, len(taken)


def frame(body: bytes) -> bytes:
    return b"$%b#%02x" % (body, sum(body) & 0xFF)


class Decoder:
    """Feed it bytes as they come; it yields events in order."""

    def __init__(self, limit: int = PACKET_SIZE) -> None:
        self._limit = limit
        self._begun = False
        self._opener = 0            # "$" or "%" while inside a packet, else 0
        self._body = bytearray()
        self._too_long = False
        self._tail: bytes | None = None     # the checksum digits after "#", as far as they came

    def feed(self, data: bytes) -> Iterator[Event]:
        if data and not self._begun:
            if data[0] not in _FIRST:
                raise NotGdb(f"first byte {data[0]:#04x} begins no packet")
            self._begun = True
        at = 0
        while at < len(data):
            if self._tail is not None:
                self._tail += data[at:at + 1]
                at += 1
                if len(self._tail) == 2:
                    yield from self._close()
            elif self._opener:
                at = self._collect(data, at)
            else:
                yield from self._between(data[at])
                at += 1

    def _between(self, byte: int) -> Iterator[Event]:
        if byte in b"$%":
            self._opener = byte
        elif byte in _SIGNALS:
            yield _SIGNALS[byte]

    def _collect(self, data: bytes, at: int) -> int:
        """Up to the "#".  0x03 in here is data: binary packets do not escape it."""
        end = data.find(b"#", at)
        stop = end if end >= 0 else len(data)
        if self._too_long or len(self._body) + stop - at > self._limit:
            self._too_long = True
            self._body.clear()
        else:
            self._body += data[at:stop]
        if end < 0:
            return stop
        self._tail = b""
        return end + 1

    def _close(self) -> Iterator[Event]:
        body, tail, opener, too_long = bytes(self._body), self._tail or b"", self._opener, self._too_long
        self._body.clear()
        self._tail, self._opener, self._too_long = None, 0, False
        if opener == ord("%"):
            return      # a client has no notification for us, and none is answered
        if too_long:
            yield Signal.OVERSIZE
        elif not _CHECKSUM.fullmatch(tail) or int(tail, 16) != sum(body) & 0xFF:
            yield Signal.BAD_CHECKSUM
        else:
            yield body


_SIGNALS = {ord("+"): Signal.ACK, ord("-"): Signal.NAK, INTERRUPT: Signal.INTERRUPT}
