"""The user network between a guest and a host that are both the test's own: nothing real, so each run is equal.

``FakeHost`` stands for the host's sockets; ``Guest`` builds frames and takes them apart.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from vmm.guest.cards import MAC as GUEST_MAC
from vmm.guest.net import packets
from vmm.guest.net.addresses import FIRST_LEASE, GATEWAY, GATEWAY_MAC
from vmm.guest.net.packets import ACK, SYN, Arp, Frame, Icmp, Ipv4, Tcp, Udp
from vmm.guest.net.sockets import Address
from vmm.guest.net.user import UserNetwork

MS = 1_000_000
RESOLVER_OF_HOST = "192.0.2.53"


# -- the host ------------------------------------------------------------------------------------------------

@dataclass(eq=False)
class FakeStream:
    """``arrived``: what the peer sent; ``takes``: how many bytes the socket takes; ``error``: raised once."""
    address: Address
    ready: Callable[[], None]
    connected: bool = False
    arrived: bytearray = field(default_factory=bytearray)
    ended: bool = False
    sent: bytearray = field(default_factory=bytearray)
    takes: int = 1 << 40
    error: OSError | None = None
    finished: bool = False
    closed: str = ""
    reading: bool = False
    writing: bool = False

    def _fail(self) -> None:
        assert not self.closed
        if self.error is not None:
            error, self.error = self.error, None
            raise error

    def established(self) -> bool:
        self._fail()
        return self.connected

    def receive(self, most: int) -> bytes | None:
        self._fail()
        if not self.arrived:
            return b"" if self.ended else None
        data = bytes(self.arrived[:most])
        del self.arrived[:most]
        return data

    def send(self, data: bytes) -> int:
        self._fail()
        count = min(len(data), self.takes)
        self.takes -= count
        self.sent += data[:count]
        return count

    def finish(self) -> None:
        self._fail()
        self.finished = True

    def want(self, reading: bool, writing: bool) -> None:
        assert not self.closed
        self.reading, self.writing = reading, writing

    def close(self, reset: bool = False) -> None:
        self.closed = self.closed or ("reset" if reset else "closed")

    @property
    def is_ready(self) -> bool:
        readable = bool(self.arrived) or self.ended or self.error is not None
        writable = (self.connected and self.takes > 0) or self.error is not None
        return not self.closed and (self.reading and readable or self.writing and writable)


@dataclass(eq=False)
class FakeDatagrams:
    address: Address | None
    ready: Callable[[], None]
    arrived: list[tuple[bytes, Address]] = field(default_factory=list)
    sent: list[tuple[bytes, Address | None]] = field(default_factory=list)
    error: OSError | None = None
    closed: bool = False

    def send(self, data: bytes, to: Address | None = None) -> None:
        assert not self.closed
        self.sent.append((data, to))

    def receive(self) -> tuple[bytes, Address] | None:
        assert not self.closed
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        return self.arrived.pop(0) if self.arrived else None

    def close(self) -> None:
        self.closed = True

    @property
    def is_ready(self) -> bool:
        return not self.closed and (bool(self.arrived) or self.error is not None)


@dataclass(eq=False)
class FakeListener:
    port: int
    ready: Callable[[], None]
    streams: list[FakeStream]
    callers: list[tuple[FakeStream, Address]] = field(default_factory=list)
    closed: bool = False

    def accept(self) -> tuple[FakeStream, Address] | None:
        return self.callers.pop(0) if self.callers else None

    def close(self) -> None:
        self.closed = True

    @property
    def is_ready(self) -> bool:
        return bool(self.callers)

    def call(self, port: int) -> FakeStream:
        """Somebody connects from this port of the loopback."""
        stream = FakeStream(("127.0.0.1", port), lambda: None, connected=True)
        self.callers.append((stream, stream.address))
        self.streams.append(stream)
        return stream


class FakeHost:
    """``refuses``: what ``connect`` raises at once."""

    def __init__(self) -> None:
        self.resolver: str | None = RESOLVER_OF_HOST
        self.streams: list[FakeStream] = []
        self.datagram_sockets: list[FakeDatagrams] = []
        self.listeners: list[FakeListener] = []
        self.refuses: OSError | None = None
        self.closed = False

    def connect(self, address: Address, ready: Callable[[], None]) -> FakeStream:
        if self.refuses is not None:
            raise self.refuses
        self.streams.append(FakeStream(address, ready))
        return self.streams[-1]

    def datagrams(self, address: Address, ready: Callable[[], None]) -> FakeDatagrams:
        self.datagram_sockets.append(FakeDatagrams(address, ready))
        return self.datagram_sockets[-1]

    def listen(self, port: int, ready: Callable[[], None]) -> FakeListener:
        self.listeners.append(FakeListener(port, ready, self.streams))
        return self.listeners[-1]

    def bind(self, port: int, ready: Callable[[], None]) -> FakeDatagrams:
        self.datagram_sockets.append(FakeDatagrams(None, ready))
        return self.datagram_sockets[-1]

    def fileno(self) -> int:
        raise AssertionError("there is nothing to wait for")

    def close(self) -> None:
        self.closed = True

    def poll(self) -> None:
        for owner in [*self.listeners, *self.streams, *self.datagram_sockets]:
            if owner.is_ready:
                owner.ready()

    @property
    def stream(self) -> FakeStream:
        return self.streams[-1]


def failure(number: int) -> OSError:
    return OSError(number, "so the test wants")


# -- the guest -----------------------------------------------------------------------------------------------

class Guest:
    """A card on the network's cable, with an address; ``now_ns`` is the virtual time."""

    def __init__(self, host: FakeHost | None = None, address: bytes = FIRST_LEASE) -> None:
        self.host = host or FakeHost()
        self.network = UserNetwork(self.host)
        self.network.now_ns = lambda: self.now_ns
        self.now_ns = 0
        self.address = address

    def wait(self, ms: int = 0) -> list[Frame]:
        """Let time pass, in steps as between two runs; what comes meanwhile."""
        frames: list[Frame] = []
        for passed in range(0, ms + 1, 100):
            self.now_ns += 100 * MS if passed else 0
            self.network.attend()
            frames += self._taken()
        return frames

    def _taken(self) -> list[Frame]:
        found = [Frame.parse(frame) for frame in self.network.poll()]
        assert None not in found
        return [frame for frame in found if frame]

    def raw(self, frame: bytes) -> list[Frame]:
        self.network.send(frame)
        return self._taken()

    def ethernet(self, ethertype: int, payload: bytes, target: bytes = GATEWAY_MAC) -> list[Frame]:
        return self.raw(Frame(target, GUEST_MAC, ethertype, payload).build())

    def ip(self, packet: Ipv4, target: bytes = GATEWAY_MAC) -> list[Ipv4]:
        return ips(self.ethernet(packets.ETHERTYPE_IPV4, packet.build(), target))

    def arp(self) -> None:
        """Say who has our address, so that nobody need ask."""
        self.ethernet(packets.ETHERTYPE_ARP, Arp(packets.ARP_REPLY, GUEST_MAC, self.address, bytes(6), GATEWAY).build())

    def udp(self, target: bytes, source_port: int, port: int, data: bytes) -> list[Ipv4]:
        payload = Udp(source_port, port, data).build(self.address, target)
        return self.ip(Ipv4(self.address, target, packets.UDP, payload))

    def icmp(self, target: bytes, message: Icmp) -> list[Ipv4]:
        return self.ip(Ipv4(self.address, target, packets.ICMP, message.build()))

    def tcp(self, target: bytes, segment: Tcp) -> list[Tcp]:
        payload = segment.build(self.address, target)
        return tcps(self.ip(Ipv4(self.address, target, packets.TCP, payload)))


def ips(frames: list[Frame]) -> list[Ipv4]:
    found = [Ipv4.parse(frame.payload) for frame in frames if frame.ethertype == packets.ETHERTYPE_IPV4]
    assert None not in found
    return [packet for packet in found if packet]


def tcps(found: list[Ipv4]) -> list[Tcp]:
    segments = [Tcp.parse(packet) for packet in found if packet.protocol == packets.TCP]
    assert None not in segments
    return [segment for segment in segments if segment]


def udps(found: list[Ipv4]) -> list[Udp]:
    datagrams = [Udp.parse(packet) for packet in found if packet.protocol == packets.UDP]
    assert None not in datagrams
    return [datagram for datagram in datagrams if datagram]


def icmps(found: list[Ipv4]) -> list[Icmp]:
    messages = [Icmp.parse(packet.payload) for packet in found if packet.protocol == packets.ICMP]
    assert None not in messages
    return [message for message in messages if message]


class Caller:
    """The guest's end of a TCP connection, as simple as can be: it says what the test says."""

    def __init__(self, guest: Guest, target: bytes = GATEWAY, port: int = 80, own_port: int = 40_000, *,
                 window: int = 0xFFFF, scale: int | None = None) -> None:
        self.guest, self.target, self.port, self.own_port = guest, target, port, own_port
        self.seq, self.ack, self.window, self.scale = 1000, 0, window, scale
        self.received = bytearray()
        self.flags = 0                                      # all that came

    def say(self, flags: int, data: bytes = b"", *, seq: int | None = None, **options: Any) -> list[Tcp]:
        at = self.seq if seq is None else seq
        segment = Tcp(self.own_port, self.port, at, self.ack, flags, self.window, data, **options)
        if seq is None:
            self.seq += segment.length
        return self.guest.tcp(self.target, segment)

    def syn(self) -> list[Tcp]:
        return self.say(SYN, mss=1460, scale=self.scale)

    def opened(self) -> FakeStream:
        """Connect, let the host's connection stand, and finish the handshake."""
        self.syn()
        stream = self.guest.host.stream
        stream.connected = True
        answer, = tcps(ips(self.guest.wait()))
        assert answer.flags == SYN | ACK and answer.ack == self.seq
        self.ack = answer.seq + 1
        assert self.say(ACK) == []
        return stream

    def take(self, segments: list[Tcp]) -> list[Tcp]:
        """Keep what is in order, acknowledge all of it at once, and what comes then."""
        for segment in segments:
            if segment.seq == self.ack & 0xFFFF_FFFF:
                self.received += segment.data
                self.ack += segment.length
                self.flags |= segment.flags
        return self.say(ACK)

    def drain(self) -> None:
        """Take until nothing comes any more."""
        segments = tcps(ips(self.guest.wait()))
        while segments:
            segments = self.take(segments)
            segments += tcps(ips(self.guest.wait()))
