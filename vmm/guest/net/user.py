"""The user network: what is at the other end of a guest's cable.

A gateway with a DHCP server, a name server, and the host's network behind it.  Frames and virtual time go in, frames
come out; the host is seen through ``Sockets`` alone.  Invariants: the sockets are looked at in ``attend`` only, so what
the network answers from within itself comes at the same instruction in each run; whatever a guest sends is answered,
forwarded, or dropped and counted by cause, and what is kept for it is bounded.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from vmm.guest.net import packets
from vmm.guest.net.addresses import (
    BROADCAST,
    EVERYBODY,
    FIRST_LEASE,
    GATEWAY,
    GATEWAY_MAC,
    NOBODY,
    OWN,
    is_inside,
)
from vmm.guest.net.dhcp import CLIENT_PORT, SERVER_PORT, DhcpServer
from vmm.guest.net.fragments import Reassembly, cut
from vmm.guest.net.packets import Arp, Frame, Icmp, Ipv4, Tcp, Udp
from vmm.guest.net.sockets import Sockets
from vmm.guest.net.tcp import Ends, Wire
from vmm.guest.net.tcp_relay import TcpRelay
from vmm.guest.net.udp import UdpRelay

MOST_FRAMES = 4096                                          # that wait for the guest
MOST_HELD = 64                                              # packets for an address whose card is not known yet
MOST_NEIGHBOURS = 64
TICK_NS = 50_000_000
QUOTED = 8                                                  # bytes of a packet in an ICMP error, after its header


class UserNetwork:
    """A ``Link``, and a ``Source`` of what comes; ``now_ns`` is the guest's time."""

    def __init__(self, sockets: Sockets) -> None:
        self._sockets = sockets
        self.now_ns: Callable[[], int] = lambda: 0
        self.counts: Counter[str] = Counter()
        self._frames: list[bytes] = []
        self._neighbours: dict[bytes, bytes] = {}           # hardware addresses of the guest, by its own
        self._held: list[Ipv4] = []
        self._ident = 0
        self._tick_ns = 0
        self._dhcp, self._reassembly = DhcpServer(), Reassembly()
        self._tcp = TcpRelay(sockets, self._now, Wire(self._segment, self._host_unreachable))
        self._udp = UdpRelay(sockets, self._now, self._datagram, self._port_unreachable)
        self._forwards = 0

    def _now(self) -> int:
        return self.now_ns()

    def forward(self, protocol: str, host_port: int, guest_port: int) -> None:
        """Lead a port of the host's loopback to the guest.  Raises ``ConfigError``."""
        relay = self._tcp if protocol == "tcp" else self._udp
        relay.forward(host_port, FIRST_LEASE, guest_port)
        self._forwards += 1

    @property
    def awaits(self) -> bool:
        """Something may come from outside: a forwarded port is open, a connection stands, or an answer is due."""
        return self._forwards > 0 or self._tcp.awaits or self._udp.awaits

    # -- the cable -----------------------------------------------------------------------------------------------
    def send(self, frame: bytes) -> None:
        self.counts["frames sent"] += 1
        self.counts["bytes sent"] += len(frame)
        got = Frame.parse(frame)
        if got is None:
            self._drop("short frame")
        elif got.source[0] & 1 or got.target not in (GATEWAY_MAC, packets.BROADCAST_MAC):
            self._drop("not for the gateway")
        elif got.ethertype == packets.ETHERTYPE_ARP:
            self._arp(got)
        elif got.ethertype == packets.ETHERTYPE_IPV4:
            self._ipv4(got)
        else:
            self._drop(f"protocol {got.ethertype:#06x}")

    def poll(self) -> list[bytes]:
        self._tcp.flush()
        frames, self._frames = self._frames, []
        return frames

    def attend(self) -> None:
        self._sockets.poll()
        now = self._now()
        if now >= self._tick_ns:
            self._tick_ns = now + TICK_NS
            self._tcp.tick()
            self._udp.tick()

    def close(self) -> None:
        self._tcp.close()
        self._udp.close()
        self._sockets.close()

    def fileno(self) -> int:
        return self._sockets.fileno()

    def _drop(self, cause: str) -> None:
        self.counts[f"dropped: {cause}"] += 1

    def _to_guest(self, frame: bytes) -> None:
        if len(self._frames) >= MOST_FRAMES:
            self._drop("too many wait")
            return
        self.counts["frames received"] += 1
        self.counts["bytes received"] += len(frame)
        self._frames.append(frame)

    # -- ARP -----------------------------------------------------------------------------------------------------
    def _arp(self, frame: Frame) -> None:
        arp = Arp.parse(frame.payload)
        if arp is None or arp.sender_mac != frame.source:
            self._drop("malformed ARP")
            return
        self._meet(arp.sender, arp.sender_mac)
        if arp.operation == packets.ARP_REQUEST and arp.target in OWN:
            reply = Arp(packets.ARP_REPLY, GATEWAY_MAC, arp.target, arp.sender_mac, arp.sender)
            self._to_guest(Frame(arp.sender_mac, GATEWAY_MAC, packets.ETHERTYPE_ARP, reply.build()).build())

    def _meet(self, address: bytes, mac: bytes) -> None:
        """A packet or an ARP message says that this address of the network is there."""
        if self._neighbours.get(address) == mac or not is_inside(address) or address in OWN:
            return
        if address not in self._neighbours and len(self._neighbours) >= MOST_NEIGHBOURS:
            del self._neighbours[next(iter(self._neighbours))]
        self._neighbours[address] = mac
        held, self._held = self._held, []
        for packet in held:
            self._route(packet)

    def _ask(self, address: bytes) -> None:
        request = Arp(packets.ARP_REQUEST, GATEWAY_MAC, GATEWAY, bytes(6), address)
        self._to_guest(Frame(packets.BROADCAST_MAC, GATEWAY_MAC, packets.ETHERTYPE_ARP, request.build()).build())

    # -- IPv4 ----------------------------------------------------------------------------------------------------
    def _ipv4(self, frame: Frame) -> None:
        packet = Ipv4.parse(frame.payload)
        if packet is not None and packet.is_fragment:
            packet = self._reassembly.add(packet, self._now())
            if packet is None:
                return                                      # not whole yet
        if packet is None:
            self._drop("malformed IPv4")
        elif packet.source != NOBODY and (not is_inside(packet.source) or packet.source in OWN):
            self._drop("forged source")
        elif packet.target in (EVERYBODY, BROADCAST) or packet.source == NOBODY:
            self._broadcast(packet)
        else:
            self._meet(packet.source, frame.source)
            self._unicast(packet)

    def _broadcast(self, packet: Ipv4) -> None:
        """The DHCP server alone listens to what is for everybody, or from one that has no address."""
        got = Udp.parse(packet) if packet.protocol == packets.UDP else None
        if got is None or got.target != SERVER_PORT:
            self._drop("broadcast")
        else:
            self._serve_dhcp(got)

    def _unicast(self, packet: Ipv4) -> None:
        if packet.protocol == packets.TCP:
            self._from_tcp(packet)
        elif packet.protocol == packets.UDP:
            self._from_udp(packet)
        elif packet.protocol == packets.ICMP:
            self._from_icmp(packet)
        else:
            self._unreachable(packet, packets.PROTOCOL)

    def _from_tcp(self, packet: Ipv4) -> None:
        got = Tcp.parse(packet)
        if got is None:
            self._drop("malformed TCP")
        else:
            self._tcp.segment(Ends(packet.source, got.source, packet.target, got.target), got)

    def _from_udp(self, packet: Ipv4) -> None:
        got = Udp.parse(packet)
        if got is None:
            self._drop("malformed UDP")
        elif packet.target == GATEWAY and got.target == SERVER_PORT:
            self._serve_dhcp(got)
        else:
            self._udp.send(Ends(packet.source, got.source, packet.target, got.target), got.data)

    def _serve_dhcp(self, got: Udp) -> None:
        answer = self._dhcp.answer(got.data)
        if answer is None:
            self._drop("DHCP")
            return
        target, data = answer
        self._packet(GATEWAY, target, packets.UDP, Udp(SERVER_PORT, CLIENT_PORT, data).build(GATEWAY, target))

    # -- ICMP ----------------------------------------------------------------------------------------------------
    def _from_icmp(self, packet: Ipv4) -> None:
        """The gateway and the name server answer; to reach others takes privileges that we do not ask for."""
        got = Icmp.parse(packet.payload)
        if got is None:
            self._drop("malformed ICMP")
        elif got.kind != packets.ECHO:
            self._drop("ICMP")
        elif packet.target in OWN:
            self._packet(packet.target, packet.source, packets.ICMP, got._replace(kind=packets.ECHO_REPLY).build())
        else:
            self._unreachable(packet, packets.HOST if is_inside(packet.target) else packets.PROHIBITED)

    def _unreachable(self, packet: Ipv4, code: int) -> None:
        quoted = packet._replace(payload=packet.payload[:QUOTED]).build()
        self._packet(GATEWAY, packet.source, packets.ICMP, Icmp(packets.UNREACHABLE, code, 0, 0, quoted).build())

    def _host_unreachable(self, ends: Ends, seq: int) -> None:
        start = Tcp(ends.guest_port, ends.peer_port, seq, 0, packets.SYN, 0).build(ends.guest, ends.peer)
        self._unreachable(Ipv4(ends.guest, ends.peer, packets.TCP, start), packets.HOST)

    def _port_unreachable(self, ends: Ends) -> None:
        start = Udp(ends.guest_port, ends.peer_port, b"").build(ends.guest, ends.peer)
        self._unreachable(Ipv4(ends.guest, ends.peer, packets.UDP, start), packets.PORT)

    # -- to the guest --------------------------------------------------------------------------------------------
    def _segment(self, ends: Ends, segment: Tcp) -> None:
        self._packet(ends.peer, ends.guest, packets.TCP, segment.build(ends.peer, ends.guest))

    def _datagram(self, ends: Ends, datagram: Udp) -> None:
        self._packet(ends.peer, ends.guest, packets.UDP, datagram.build(ends.peer, ends.guest))

    def _packet(self, source: bytes, target: bytes, protocol: int, payload: bytes) -> None:
        self._ident = self._ident + 1 & 0xFFFF
        for packet in cut(Ipv4(source, target, protocol, payload, self._ident)):
            self._route(packet)

    def _route(self, packet: Ipv4) -> None:
        """To the card that has the address; if none is known, ask, and keep the packet until the answer."""
        mac = packets.BROADCAST_MAC if packet.target == EVERYBODY else self._neighbours.get(packet.target)
        if mac is not None:
            self._to_guest(Frame(mac, GATEWAY_MAC, packets.ETHERTYPE_IPV4, packet.build()).build())
        elif len(self._held) >= MOST_HELD:
            self._drop("address unknown")
        else:
            self._held.append(packet)
            self._ask(packet.target)
