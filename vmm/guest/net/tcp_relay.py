"""The guest's TCP connections by their ends: those it opens, and those that come through forwarded ports.

Invariant: at most ``MOST`` connections; one more is refused, unless an old one only waits for its end.
"""
from __future__ import annotations

from collections.abc import Callable
from functools import partial

from vmm.guest.net.addresses import GATEWAY, OWN, host_address
from vmm.guest.net.packets import ACK, RST, SYN, Tcp
from vmm.guest.net.sockets import Address, Listener, Sockets, Stream
from vmm.guest.net.tcp import Connection, Ends, Phase, Wire

MOST = 512
AT_ONCE = 16                                                # connections accepted


class TcpRelay:
    def __init__(self, sockets: Sockets, now_ns: Callable[[], int], wire: Wire) -> None:
        self._sockets, self._now_ns, self._wire = sockets, now_ns, wire
        self._connections: dict[Ends, Connection] = {}
        self._touched: dict[Connection, None] = {}          # since the last flush, in order
        self._listeners: list[Listener] = []

    @property
    def awaits(self) -> bool:
        """A connection stands, or is about to."""
        return any(connection.phase is not Phase.TIME_WAIT for connection in self._connections.values())

    # -- from the guest ------------------------------------------------------------------------------------------
    def segment(self, ends: Ends, got: Tcp) -> None:
        connection = self._connections.get(ends)
        opens = got.flags & (SYN | ACK | RST) == SYN
        if connection is not None and not (opens and connection.phase is Phase.TIME_WAIT):
            connection.segment(got)
            self._look_after(connection)
        elif opens:
            self._open(ends, got)
        elif not got.flags & RST:
            self._refuse(ends, got)

    def _open(self, ends: Ends, syn: Tcp) -> None:
        address = host_address(ends.peer, ends.peer_port, self._sockets.resolver)
        if address is None and ends.peer not in OWN:
            self._wire.unreachable(ends, syn.seq)
        elif address is None or not self._has_room():
            self._refuse(ends, syn)
        else:
            connection = self._connection(ends)
            connection.called(syn, partial(self._sockets.connect, address, partial(self._served, connection)))
            self._look_after(connection)

    def _connection(self, ends: Ends) -> Connection:
        connection = self._connections[ends] = Connection(ends, self._wire, self._now_ns)
        return connection

    def _refuse(self, ends: Ends, got: Tcp) -> None:
        """As a closed port does (RFC 9293, 3.10.7.1)."""
        if got.flags & ACK:
            reset = Tcp(ends.peer_port, ends.guest_port, got.ack, 0, RST, 0)
        else:
            reset = Tcp(ends.peer_port, ends.guest_port, 0, got.seq + got.length & 0xFFFF_FFFF, RST | ACK, 0)
        self._wire.segment(ends, reset)

    def _has_room(self) -> bool:
        if len(self._connections) < MOST:
            return True
        for connection in self._connections.values():
            if connection.phase is Phase.TIME_WAIT:
                connection.close()
                self._look_after(connection)
                return True
        return False

    # -- from the host -------------------------------------------------------------------------------------------
    def _served(self, connection: Connection) -> None:
        connection.served()
        self._look_after(connection)

    def forward(self, host_port: int, guest: bytes, guest_port: int) -> None:
        """Connections to a port of the host's loopback come to the guest from the gateway."""
        def served() -> None:
            for _ in range(AT_ONCE):
                accepted = listener.accept()
                if accepted is None:
                    return
                self._accepted(*accepted, guest, guest_port)
        listener = self._sockets.listen(host_port, served)
        self._listeners.append(listener)

    def _accepted(self, stream: Stream, caller: Address, guest: bytes, guest_port: int) -> None:
        ends = Ends(guest, guest_port, GATEWAY, caller[1])
        old = self._connections.get(ends)
        if old is not None and old.phase is not Phase.TIME_WAIT or not self._has_room():
            stream.close(reset=True)
            return
        connection = self._connection(ends)
        stream.ready = partial(self._served, connection)
        connection.call(stream)
        self._look_after(connection)

    # -- both ----------------------------------------------------------------------------------------------------
    def _look_after(self, connection: Connection) -> None:
        """Something has happened to it."""
        if connection.phase is Phase.CLOSED:
            self._touched.pop(connection, None)
            if self._connections.get(connection.ends) is connection:
                del self._connections[connection.ends]
        else:
            self._touched[connection] = None

    def flush(self) -> None:
        touched, self._touched = self._touched, {}
        for connection in touched:
            connection.flush()

    def tick(self) -> None:
        for connection in list(self._connections.values()):
            connection.tick()
            self._look_after(connection)

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close(reset=True)
        for listener in self._listeners:
            listener.close()
