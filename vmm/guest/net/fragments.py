"""IPv4 datagrams in pieces: put together, and cut.  (RFC 791, section 3.2; RFC 5722's rule for overlaps)

Invariant: at most ``MOST`` datagrams are incomplete at a time, none for longer than ``LIFETIME_NS``.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from vmm.guest.net.packets import LARGEST_PAYLOAD, MOST_PAYLOAD, Ipv4

MOST = 16
LIFETIME_NS = 30_000_000_000


@dataclass(slots=True)
class _Incomplete:
    born_ns: int
    pieces: dict[int, bytes] = field(default_factory=dict)
    size: int | None = None                                 # of the whole, once its last piece is here


class Reassembly:
    def __init__(self) -> None:
        self._incomplete: dict[tuple[bytes, bytes, int, int], _Incomplete] = {}

    def add(self, piece: Ipv4, now_ns: int) -> Ipv4 | None:
        """The whole datagram, with its last missing piece.  One whose pieces disagree is forgotten."""
        key = piece.source, piece.target, piece.protocol, piece.ident
        self._forget_old(now_ns)
        known = self._incomplete.setdefault(key, _Incomplete(now_ns))
        if not _fits(known, piece):
            del self._incomplete[key]
            return None
        known.pieces[piece.offset] = piece.payload
        if not piece.more:
            known.size = piece.offset + len(piece.payload)
        whole = _whole(known)
        if whole is not None:
            del self._incomplete[key]
            return piece._replace(payload=whole, offset=0, more=False)
        if len(self._incomplete) > MOST:
            del self._incomplete[next(iter(self._incomplete))]
        return None

    def _forget_old(self, now_ns: int) -> None:
        old = [key for key, known in self._incomplete.items() if now_ns - known.born_ns > LIFETIME_NS]
        for key in old:
            del self._incomplete[key]


def _fits(known: _Incomplete, piece: Ipv4) -> bool:
    """The same piece again, or one that overlaps no other and ends where it may."""
    start, end = piece.offset, piece.offset + len(piece.payload)
    if not piece.payload or end > LARGEST_PAYLOAD or piece.more and end % 8:
        return False
    if known.size is not None and (end > known.size or not piece.more and end != known.size):
        return False
    if known.pieces.get(start) == piece.payload:
        return True
    if not piece.more and any(at + len(data) > end for at, data in known.pieces.items()):
        return False
    return all(end <= at or at + len(data) <= start for at, data in known.pieces.items())


def _whole(known: _Incomplete) -> bytes | None:
    if known.size is None or sum(map(len, known.pieces.values())) != known.size:
        return None                                         # they do not overlap, so their sizes say it all
    return b"".join(known.pieces[at] for at in sorted(known.pieces))


def cut(datagram: Ipv4) -> Iterator[Ipv4]:
    """A datagram as packets that fit the cable."""
    step = MOST_PAYLOAD & ~7
    data = datagram.payload
    if len(data) <= MOST_PAYLOAD:
        yield datagram
        return
    for at in range(0, len(data), step):
        yield datagram._replace(payload=data[at:at + step], offset=at, more=at + step < len(data))
