"""Bytes in, bytes out: acknowledgements, and what may happen while the target runs.

No sockets, so that a test can be a client.  A packet that comes while the target runs interrupts it and is
answered after the stop reply; it neither waits for a stop that may never come nor is lost.
"""
from __future__ import annotations

from collections import deque

from vmm.gdbstub.session import Session
from vmm.gdbstub.wire import Decoder, Event, Signal, frame

CONGESTED = 1 << 20     # bytes the client has not read yet, from which on the target waits for it

_COMPLAINTS = {Signal.BAD_CHECKSUM: "wrong checksum", Signal.OVERSIZE: "packet longer than PacketSize"}


class Connection:
    def __init__(self, session: Session) -> None:
        self.session = session
        self.inbox: deque[Event] = deque()
        self.output = bytearray()
        self._decoder = Decoder()
        self._last_frame = b""

    @property
    def wants_input(self) -> bool:
        """A client that does not read its replies gets no further ones made."""
        return not self.inbox and not self.output

    @property
    def busy(self) -> bool:
        """There is something to do without any new byte."""
        return bool(self.inbox) or (self.session.running and len(self.output) < CONGESTED)

    def receive(self, data: bytes) -> None:
        """Raises NotGdb when this is no debugger."""
        self.inbox.extend(self._decoder.feed(data))

    def step(self) -> None:
        """Answer what can be answered now, and run a slice if the target runs."""
        while self.inbox:
            if self.session.running and self._needs_stop(self.inbox[0]):
                self.session.interrupt()
                break
            self._handle(self.inbox.popleft())
        if self.session.running and len(self.output) < CONGESTED:
            for body in self.session.run_slice():
                self._send(body)

    @staticmethod
    def _needs_stop(event: Event) -> bool:
        return isinstance(event, bytes) or event in _COMPLAINTS

    def _handle(self, event: Event) -> None:
        match event:
            case Signal.ACK:
                pass
            case Signal.INTERRUPT:
                self.session.interrupt()
            case Signal.NAK:
                if not self.session.no_ack:
                    self.output += self._last_frame
            case Signal.BAD_CHECKSUM if not self.session.no_ack:
                self.output += b"-"
            case Signal.BAD_CHECKSUM | Signal.OVERSIZE:
                self._acknowledge()
                self._send(self.session.complain(_COMPLAINTS[event]))
            case bytes():
                self._acknowledge()
                self._answer(event)

    def _acknowledge(self) -> None:
        if not self.session.no_ack:
            self.output += b"+"

    def _answer(self, body: bytes) -> None:
        reply = self.session.answer(body)
        for said in self.session.take_said():
            self._send(said)
        if reply is not None:
            self._send(reply)

    def _send(self, body: str) -> None:
        self._last_frame = frame(body.encode("latin-1"))
        self.output += self._last_frame
