"""The bytes of a TCP connection on their way to the guest, and what of them is sent, lost and acknowledged.

Sequence numbers count from ``una``, the first that is not acknowledged: the bytes of ``data``, then the FIN once
``ended``.  (RFC 9293 section 3.4; RFC 6582 for a loss)  Invariant: una <= next <= most, modulo 2**32.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

WORD = 0xFFFF_FFFF
HALF = 1 << 31
BUFFER = 256 << 10                                          # bytes, of each direction of a connection
FLIGHT = 96 << 10                                           # not acknowledged: a card has room for so many frames
DUPLICATES = 3                                              # acknowledgements, that tell of a loss


class Piece(NamedTuple):
    seq: int
    data: bytes
    is_last: bool                                           # no byte waits behind it
    fin: bool


@dataclass(slots=True)
class Outgoing:
    una: int
    next: int                                               # what is sent next
    most: int                                               # the highest that was ever sent
    data: bytearray = field(default_factory=bytearray)
    window: int = 0
    mss: int = 0
    ended: bool = False
    fin_acked: bool = False
    duplicates: int = 0
    recover: int | None = None                              # until this is acknowledged, what is missing is sent again

    @property
    def flying(self) -> int:
        return self.next - self.una & WORD

    @property
    def room(self) -> int:
        return BUFFER - len(self.data)

    @property
    def fin_waits(self) -> bool:
        return self.ended and not self.fin_acked

    @property
    def is_quiet(self) -> bool:
        """Nothing is left to send or to be acknowledged."""
        return not self.data and not self.fin_waits and not self.flying

    def covers(self, ack: int) -> bool:
        """Whether an acknowledgement is of something sent, and none before it."""
        return (ack - self.una & WORD) <= (self.most - self.una & WORD)

    def acknowledge(self, ack: int, window: int, *, bare: bool) -> Iterator[Piece]:
        """One that is covered; ``bare``: of a segment without data.  What is to be sent again at once."""
        acked = ack - self.una & WORD
        before, self.window = self.window, window
        if acked:
            yield from self._advance(ack, acked)
        elif not before:                                    # what has asked for the window was not kept
            self.next = self.una
        elif self.flying and window == before and bare:
            self.duplicates += 1
            if self.duplicates == DUPLICATES and self.recover is None:
                self.recover = self.most
                yield self.piece(0, min(self.mss, len(self.data)))

    def _advance(self, ack: int, acked: int) -> Iterator[Piece]:
        if acked > len(self.data) and self.ended:
            self.fin_acked = True
        if self.flying < acked:                             # the guest had more than was begun again with
            self.next = ack
        del self.data[:acked]
        self.una, self.duplicates = ack, 0
        if self.recover is not None and not 0 < self.recover - ack & WORD < HALF:
            self.recover = None
        if self.recover is not None:
            yield self.piece(0, min(self.mss, len(self.data)))

    def pieces(self) -> Iterator[Piece]:
        """What may be sent now, marked as sent."""
        while True:
            offset = self.flying
            left, room = len(self.data) - offset, min(self.window, FLIGHT) - offset
            size = min(left, room, self.mss)
            if size < min(left, self.mss) and (offset or size <= 0):
                return                                      # a small piece for a window's rest only: let it open
            if size <= 0 and not (left == 0 and self.fin_waits and room > 0):
                return
            yield self.piece(offset, size)

    def again(self) -> Piece:
        """From the beginning, because nothing was heard; at least a byte, which asks whether the window has opened."""
        self.next, self.recover = self.una, None
        return self.piece(0, min(len(self.data), max(1, min(self.mss, self.window))))

    def piece(self, offset: int, size: int) -> Piece:
        end = offset + size
        is_last = end == len(self.data)
        fin = is_last and self.fin_waits
        self._sent(self.una + end + fin & WORD)
        return Piece(self.una + offset & WORD, bytes(self.data[offset:end]), is_last, fin)

    def _sent(self, end: int) -> None:
        if end - self.next & WORD < HALF:
            self.next = end
        if end - self.most & WORD < HALF:
            self.most = end
