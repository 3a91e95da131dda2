"""UDP through the host's sockets: a socket for each pair of ends, and forwarded ports.

Invariant: at most ``MOST`` sockets and as many remembered strangers; who was silent longest makes room.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from vmm.guest.net.addresses import GATEWAY, host_address
from vmm.guest.net.packets import LARGEST_PAYLOAD, Udp
from vmm.guest.net.sockets import Address, Datagrams, Sockets
from vmm.guest.net.tcp import Ends

MOST = 256
AT_ONCE = 32                                                # datagrams, of one socket
PATIENCE_NS = 10_000_000_000                                # while an answer is expected
LIFETIME_NS = 120_000_000_000                               # without traffic (RFC 4787, REQ-5)
LARGEST_DATA = LARGEST_PAYLOAD - 8


@dataclass(slots=True)
class _Flow:
    socket: Datagrams
    last_ns: int
    owed: int = 0                                           # datagrams that were not answered, one for one


class UdpRelay:
    """``deliver`` is given each datagram for the guest, ``unreachable`` the ends of one that nobody took."""

    def __init__(self, sockets: Sockets, now_ns: Callable[[], int], deliver: Callable[[Ends, Udp], None],
                 unreachable: Callable[[Ends], None]) -> None:
        self._sockets, self._now_ns, self._deliver, self._unreachable = sockets, now_ns, deliver, unreachable
        self._flows: dict[Ends, _Flow] = {}                 # who was heard of last is the last
        self._strangers: dict[tuple[int, int], tuple[Datagrams, Address]] = {}      # by the guest's port and theirs

    @property
    def awaits(self) -> bool:
        """An answer may be under way."""
        now = self._now_ns()
        return any(flow.owed > 0 and now - flow.last_ns < PATIENCE_NS for flow in self._flows.values())

    # -- from the guest ------------------------------------------------------------------------------------------
    def send(self, ends: Ends, data: bytes) -> None:
        stranger = self._strangers.get((ends.guest_port, ends.peer_port)) if ends.peer == GATEWAY else None
        try:
            if stranger is not None:
                stranger[0].send(data, stranger[1])
                return
            flow = self._flows.pop(ends, None) or self._open(ends)
            self._flows[ends] = flow
            flow.last_ns, flow.owed = self._now_ns(), flow.owed + 1
            flow.socket.send(data)
        except OSError:
            self._unreachable(ends)

    def _open(self, ends: Ends) -> _Flow:
        address = host_address(ends.peer, ends.peer_port, self._sockets.resolver)
        if address is None:
            raise OSError("no destination")
        flow = _Flow(self._sockets.datagrams(address, partial(self._served, ends)), self._now_ns())
        if len(self._flows) >= MOST:
            self._close(next(iter(self._flows)))
        return flow

    # -- from the host -------------------------------------------------------------------------------------------
    def _served(self, ends: Ends) -> None:
        flow = self._flows[ends]
        try:
            for _ in range(AT_ONCE):
                got = flow.socket.receive()
                if got is None:
                    return
                flow.last_ns, flow.owed = self._now_ns(), max(0, flow.owed - 1)
                self._deliver(ends, Udp(ends.peer_port, ends.guest_port, got[0][:LARGEST_DATA]))
        except OSError:                                     # an ICMP message has come for it
            flow.owed = 0
            self._unreachable(ends)

    def tick(self) -> None:
        now = self._now_ns()
        for ends in [ends for ends, flow in self._flows.items() if now - flow.last_ns > LIFETIME_NS]:
            self._close(ends)

    def _close(self, ends: Ends) -> None:
        self._flows.pop(ends).socket.close()

    def close(self) -> None:
        for ends in list(self._flows):
            self._close(ends)

    # -- forwarded ports -----------------------------------------------------------------------------------------
    def forward(self, host_port: int, guest: bytes, guest_port: int) -> None:
        """Datagrams to a port of the host's loopback come to the guest from the gateway."""
        def served() -> None:
            for _ in range(AT_ONCE):
                try:
                    got = door.receive()
                except OSError:                             # about an answer that nobody took
                    continue
                if got is None:
                    return
                data, caller = got
                self._remember((guest_port, caller[1]), (door, caller))
                self._deliver(Ends(guest, guest_port, GATEWAY, caller[1]), Udp(caller[1], guest_port, data[:LARGEST_DATA]))
        door = self._sockets.bind(host_port, served)

    def _remember(self, key: tuple[int, int], stranger: tuple[Datagrams, Address]) -> None:
        self._strangers.pop(key, None)
        self._strangers[key] = stranger
        if len(self._strangers) > MOST:
            del self._strangers[next(iter(self._strangers))]
