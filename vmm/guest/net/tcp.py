"""A TCP connection of the guest, ended here, and carried on by a socket of the host's.  (RFC 9293, RFC 7323 section 2)

The virtual cable keeps the order, so what arrives out of order is not kept: its sender is told what is missing.  What
is sent again is so only for a guest that had no room for a frame, or is gone.  Invariants: neither direction ever holds
more than ``BUFFER`` bytes, since the guest is offered a window of what is free and the host's socket is read only as
far as there is room; what the guest's TCP has acknowledged or was acknowledged is never lost but by a reset.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from errno import ECONNREFUSED
from typing import NamedTuple

from vmm.guest.net.outgoing import BUFFER, HALF, WORD, Outgoing, Piece
from vmm.guest.net.packets import ACK, FIN, MTU, PSH, RST, SYN, Tcp
from vmm.guest.net.sockets import Stream

MSS = MTU - 40
USUAL_MSS, LEAST_MSS = 536, 64                              # of a peer that names none (RFC 9293, 3.7.1)
SCALE = 3                                                   # of the window that is offered: enough for BUFFER

MS = 1_000_000
FIRST_TIMEOUT_NS, LONGEST_TIMEOUT_NS = 1000 * MS, 32_000 * MS
TRIES = 8                                                   # without an answer: then the guest is gone
TIME_WAIT_NS = 2000 * MS


class Phase(Enum):
    CONNECTING = "connecting"                               # the guest's SYN waits for the host's answer
    OFFERED = "offered"                                     # our SYN waits for the guest's: a forwarded port
    ANSWERED = "answered"                                   # our SYN-ACK waits for its ACK
    OPEN = "open"                                           # data flows, in at least one direction
    TIME_WAIT = "time-wait"                                 # all is said; the guest's FIN may come again
    CLOSED = "closed"


class Ends(NamedTuple):
    """Who talks: the guest's address and port, and the other's as the guest knows them."""
    guest: bytes
    guest_port: int
    peer: bytes
    peer_port: int


@dataclass(frozen=True, slots=True)
class Wire:
    """To the guest: a segment; or, in answer to its SYN with this number, that nobody is there."""
    segment: Callable[[Ends, Tcp], None]
    unreachable: Callable[[Ends, int], None]


class Connection:
    """Whoever owns it calls ``served`` when the socket is ready, ``flush`` after all that, and ``tick`` now and then."""

    def __init__(self, ends: Ends, wire: Wire, now_ns: Callable[[], int]) -> None:
        self.ends, self._wire, self._now_ns = ends, wire, now_ns
        self.phase = Phase.CONNECTING
        self._stream: Stream | None = None
        first = now_ns() // 4000 & WORD                     # a clock of 4 microseconds (RFC 9293, 3.4.1)
        self._out = Outgoing(first, first, first)
        self._out_scale = 0
        self._in = bytearray()                              # from the guest, not taken by the host yet
        self._in_next = self._in_scale = 0
        self._in_ended = self._finished = False
        self._offered = 0                                   # the right edge of the window that the guest was told
        self._owes_ack = False
        self._deadline_ns: int | None = None
        self._tries = 0

    # -- beginning -----------------------------------------------------------------------------------------------
    def called(self, syn: Tcp, connect: Callable[[], Stream]) -> None:
        """The guest connects; it is answered when the host's connection stands."""
        self._meet(syn)
        try:
            self._stream = connect()
        except OSError as error:
            self._failed(error)
        else:
            self._stream.want(False, True)

    def call(self, stream: Stream) -> None:
        """Connect to the guest for a connection that the host has accepted."""
        self._stream, self.phase = stream, Phase.OFFERED
        self._send_syn()

    def _meet(self, syn: Tcp) -> None:
        self._in_next = syn.seq + 1 & WORD
        self._out.mss = max(LEAST_MSS, min(syn.mss or USUAL_MSS, MSS))
        self._out.window = syn.window
        if syn.scale is not None:
            self._out_scale, self._in_scale = syn.scale, SCALE

    def _send_syn(self) -> None:
        out, window = self._out, min(BUFFER, 0xFFFF)
        self._offered = self._in_next + window & WORD
        if self.phase is Phase.ANSWERED:
            flags, scale = SYN | ACK, SCALE if self._in_scale else None
        else:
            flags, scale = SYN, SCALE
        self._emit(out.una, flags, window, mss=MSS, scale=scale)
        out.next = out.most = out.una + 1 & WORD
        self._arm()

    def _emit(self, seq: int, flags: int, window: int, data: bytes = b"", *, mss: int | None = None,
              scale: int | None = None) -> None:
        ends = self.ends
        ack = self._in_next if flags & ACK else 0
        self._wire.segment(ends, Tcp(ends.peer_port, ends.guest_port, seq, ack, flags, window, data, mss, scale))

    # -- from the guest ------------------------------------------------------------------------------------------
    def segment(self, got: Tcp) -> None:
        self._tries = 0                                     # it is not gone
        if got.flags & RST:
            self._reset_by_guest(got)
        elif self.phase is Phase.CONNECTING:
            return                                          # its SYN again
        elif self.phase is Phase.OFFERED:
            self._accepted(got)
        elif got.flags & SYN:
            self._syn_again(got)
        elif got.flags & ACK:
            self._acknowledged(got)
            if self.phase is not Phase.ANSWERED:
                self._received(got)
        self._settle()

    def _reset_by_guest(self, got: Tcp) -> None:
        if self.phase is Phase.OFFERED:
            believed = bool(got.flags & ACK) and got.ack == self._out.next
        else:
            believed = got.seq - self._in_next & WORD <= BUFFER
        if believed:
            self.close(reset=True)

    def _accepted(self, got: Tcp) -> None:
        if not got.flags & ACK:
            return
        if got.ack != self._out.next:                       # of a connection before this one
            self._emit(got.ack, RST, 0)
        elif got.flags & SYN:
            self._meet(got)
            self._opened()
            self._owes_ack = True

    def _syn_again(self, got: Tcp) -> None:
        """Our answer was lost; or, once the connection stands, what RFC 5961 section 4 wants to be answered so."""
        if self.phase is Phase.ANSWERED and got.seq + 1 & WORD == self._in_next:
            self._send_syn()
        else:
            self._owes_ack = True

    def _opened(self) -> None:
        self._out.una = self._out.next
        self._deadline_ns, self.phase = None, Phase.OPEN

    def _acknowledged(self, got: Tcp) -> None:
        out = self._out
        if not out.covers(got.ack):
            self._owes_ack = self._owes_ack or got.ack - out.una & WORD < HALF      # of what was never sent
            return
        if self.phase is Phase.ANSWERED:
            if got.ack == out.una:
                return
            self._opened()
        before = out.una
        for piece in out.acknowledge(got.ack, got.window << self._out_scale, bare=not got.length):
            self._send(piece)
        if out.una != before and self.phase is Phase.OPEN:
            self._deadline_ns = None
            if out.flying:
                self._arm()

    def _received(self, got: Tcp) -> None:
        if not got.length:
            self._owes_ack = self._owes_ack or got.seq != self._in_next             # a question whether we are here
            return
        self._owes_ack = True
        skip = self._in_next - got.seq & WORD               # what is here already
        if self._in_ended or skip > got.length:             # all was said; or something before this is missing
            return
        data = got.data[skip:][:BUFFER - len(self._in)]
        self._in += data
        self._in_next = self._in_next + len(data) & WORD
        if got.flags & FIN and skip + len(data) == len(got.data):
            self._in_next = self._in_next + 1 & WORD
            self._in_ended = True

    # -- from the host -------------------------------------------------------------------------------------------
    def served(self) -> None:
        """The socket is ready for what was wanted of it."""
        if self._stream is None:
            return
        try:
            if self.phase is Phase.CONNECTING:
                self._connected(self._stream)
            elif self.phase is Phase.OPEN:
                self._write(self._stream)
                self._read(self._stream)
        except OSError as error:
            self._failed(error)
        self._settle()

    def _connected(self, stream: Stream) -> None:
        if stream.established():
            self.phase = Phase.ANSWERED
            self._send_syn()

    def _write(self, stream: Stream) -> None:
        if self._in:
            del self._in[:stream.send(bytes(self._in))]
            grown = self._in_next + self._window() - self._offered & WORD
            if min(BUFFER // 2, 2 * MSS) <= grown < HALF:
                self._owes_ack = True                       # the guest may send on
        if self._in_ended and not self._in and not self._finished:
            stream.finish()
            self._finished = True

    def _read(self, stream: Stream) -> None:
        out = self._out
        if out.ended or out.room <= 0:
            return
        got = stream.receive(out.room)
        if got:
            out.data += got
        elif got is not None:
            out.ended = True

    # -- to the guest --------------------------------------------------------------------------------------------
    def flush(self) -> None:
        """Data as far as the window goes, else an acknowledgement if one is owed."""
        out = self._out
        if self.phase is Phase.OPEN:
            for piece in out.pieces():
                self._send(piece)
            if self._deadline_ns is None and not out.is_quiet:
                self._arm()                                 # against a loss, or a window that opens unseen
        if self._owes_ack and self.phase in (Phase.OPEN, Phase.TIME_WAIT):
            self._send(Piece(out.next, b"", False, False))

    def _send(self, piece: Piece) -> None:
        window = self._window()
        self._offered = self._in_next + window & WORD
        self._owes_ack = False
        flags = ACK | (PSH if piece.data and piece.is_last else 0) | (FIN if piece.fin else 0)
        self._emit(piece.seq, flags, window >> self._in_scale, piece.data)

    def _window(self) -> int:
        room = min(BUFFER - len(self._in), 0xFFFF << self._in_scale)
        return room >> self._in_scale << self._in_scale

    # -- time ----------------------------------------------------------------------------------------------------
    def _arm(self) -> None:
        self._deadline_ns = self._now_ns() + min(FIRST_TIMEOUT_NS << self._tries, LONGEST_TIMEOUT_NS)

    def tick(self) -> None:
        if self._deadline_ns is None or self._now_ns() < self._deadline_ns:
            return
        self._tries += 1
        if self.phase is Phase.TIME_WAIT:
            self.close()
        elif self._tries > TRIES:
            self.abort()
        elif self.phase is Phase.OPEN:
            self._send(self._out.again())
            self._arm()
        else:
            self._send_syn()

    # -- ending --------------------------------------------------------------------------------------------------
    def _settle(self) -> None:
        """After each event: is all said on both sides, and if not, what is the socket good for?"""
        if self.phase is Phase.OPEN and self._finished and self._out.fin_acked:
            self.phase = Phase.TIME_WAIT
            self._deadline_ns = self._now_ns() + TIME_WAIT_NS
            self._drop_stream()
        if self._stream is not None and self.phase in (Phase.ANSWERED, Phase.OPEN):
            is_open, out = self.phase is Phase.OPEN, self._out
            self._stream.want(is_open and not out.ended and out.room > 0,
                              is_open and (bool(self._in) or self._in_ended and not self._finished))

    def _failed(self, error: OSError) -> None:
        if self.phase is Phase.CONNECTING and error.errno != ECONNREFUSED:
            self._wire.unreachable(self.ends, self._in_next - 1 & WORD)
            self.close()
        else:
            self.abort()

    def abort(self) -> None:
        """Tell the guest that the connection is no more, or was refused."""
        self._emit(0 if self.phase is Phase.CONNECTING else self._out.next, RST | ACK, 0)
        self.close(reset=True)

    def close(self, reset: bool = False) -> None:
        self.phase = Phase.CLOSED
        self._drop_stream(reset)

    def _drop_stream(self, reset: bool = False) -> None:
        if self._stream is not None:
            self._stream.close(reset)
            self._stream = None
