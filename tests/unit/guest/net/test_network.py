"""The gateway's own part: ARP, ICMP, fragments, UDP and the name server; and that nothing a guest sends is too much."""
from __future__ import annotations

from errno import ECONNREFUSED, ENETUNREACH
from random import Random

import pytest

from tests.support.usernet import RESOLVER_OF_HOST, Caller, FakeHost, Guest, failure, icmps, ips, udps
from vmm.guest.cards import MAC as GUEST_MAC
from vmm.guest.net import packets
from vmm.guest.net.addresses import EVERYBODY, FIRST_LEASE, GATEWAY, GATEWAY_MAC, RESOLVER, host_address
from vmm.guest.net.fragments import LIFETIME_NS, Reassembly, cut
from vmm.guest.net.packets import ACK, SYN, Arp, Frame, Icmp, Ipv4, Tcp, Udp
from vmm.guest.net.user import MOST_FRAMES, MOST_HELD

OUTSIDE = bytes((192, 0, 2, 80))
SEED, ROUNDS = 11, 4000


# -- who is where --------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("target", "port", "found"), [
    ("10.0.2.2", 8080, ("127.0.0.1", 8080)), ("10.0.2.3", 53, (RESOLVER_OF_HOST, 53)), ("10.0.2.3", 80, None),
    ("10.0.2.9", 80, None), ("127.0.0.1", 80, None), ("127.9.9.9", 80, None), ("0.0.0.0", 80, None),
    ("0.1.2.3", 80, None), ("224.0.0.251", 5353, None), ("255.255.255.255", 9, None), ("169.254.169.254", 80, None),
    ("192.0.2.80", 80, ("192.0.2.80", 80)), ("10.0.3.1", 22, ("10.0.3.1", 22))])
def test_destinations(target: str, port: int, found: tuple[str, int] | None) -> None:
    assert host_address(bytes(map(int, target.split("."))), port, RESOLVER_OF_HOST) == found


def test_there_may_be_no_resolver() -> None:
    assert host_address(RESOLVER, 53, None) is None


@pytest.mark.parametrize("who", [GATEWAY, RESOLVER])
def test_arp(who: bytes) -> None:
    request = Arp(packets.ARP_REQUEST, GUEST_MAC, FIRST_LEASE, bytes(6), who)
    frame, = Guest().ethernet(packets.ETHERTYPE_ARP, request.build(), packets.BROADCAST_MAC)
    reply = Arp.parse(frame.payload)
    assert (frame.target, frame.source) == (GUEST_MAC, GATEWAY_MAC)
    assert reply == Arp(packets.ARP_REPLY, GATEWAY_MAC, who, GUEST_MAC, FIRST_LEASE)


def test_nobody_else_answers_arp() -> None:
    """Not even for the guest's own address, for which it asks before it takes it."""
    for who in (FIRST_LEASE, bytes((10, 0, 2, 4)), OUTSIDE):
        assert not Guest().ethernet(packets.ETHERTYPE_ARP, Arp(1, GUEST_MAC, bytes(4), bytes(6), who).build())


# -- ICMP ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("size", [0, 56, 1472, 4000])
def test_ping_of_the_gateway(size: int) -> None:
    guest, echo = Guest(), Icmp(packets.ECHO, 0, 77, 3, bytes(range(256)) * 16)
    echo = echo._replace(data=echo.data[:size])
    sent = Ipv4(FIRST_LEASE, GATEWAY, packets.ICMP, echo.build(), 5)
    answers = [packet for piece in cut(sent) for packet in guest.ip(piece)]
    assert all(len(packet.build()) <= packets.MTU for packet in answers)
    whole = Reassembly()
    found = [packet for piece in answers if (packet := whole.add(piece, 0))] if size > 1472 else answers
    assert icmps(found) == [echo._replace(kind=packets.ECHO_REPLY)] and found[0].source == GATEWAY


@pytest.mark.parametrize(("target", "code"), [(OUTSIDE, packets.PROHIBITED), (bytes((10, 0, 2, 77)), packets.HOST)])
def test_ping_of_others_is_answered_honestly(target: bytes, code: int) -> None:
    message = Icmp(packets.ECHO, 0, 77, 3, b"x" * 56)
    packet, = Guest().icmp(target, message)
    answer, = icmps([packet])
    assert (packet.source, answer.kind, answer.code) == (GATEWAY, packets.UNREACHABLE, code)
    quoted = Ipv4.parse(answer.data)
    assert quoted and (quoted.source, quoted.target) == (FIRST_LEASE, target) and quoted.payload == message.build()[:8]


def test_other_protocols_and_messages() -> None:
    guest = Guest()
    answer, = icmps(guest.ip(Ipv4(FIRST_LEASE, OUTSIDE, 132, bytes(20))))
    assert (answer.kind, answer.code) == (packets.UNREACHABLE, packets.PROTOCOL)
    assert not guest.icmp(GATEWAY, Icmp(packets.ECHO_REPLY, 0, 1, 1, b"")) and guest.network.counts["dropped: ICMP"] == 1


# -- fragments -----------------------------------------------------------------------------------------------

def datagram(size: int, ident: int = 9) -> Ipv4:
    return Ipv4(FIRST_LEASE, OUTSIDE, packets.UDP, Random(size).randbytes(size), ident)


@pytest.mark.parametrize("size", [1481, 2960, 2961, 65515])
def test_fragments_in_any_order(size: int) -> None:
    pieces = list(cut(datagram(size)))
    assert [piece.more for piece in pieces] == [True] * (len(pieces) - 1) + [False]
    for order in (pieces, pieces[::-1], Random(1).sample(pieces, len(pieces))):
        whole = Reassembly()
        found = [whole.add(piece, 0) for piece in order]
        assert found[:-1] == [None] * (len(pieces) - 1) and found[-1] == datagram(size)


def test_a_fragment_twice_does_not_hurt_and_a_lie_ends_it() -> None:
    first, second, third = cut(datagram(4000))
    whole = Reassembly()
    assert [whole.add(piece, 0) for piece in (first, first, second)] == [None] * 3 and whole.add(third, 0) == datagram(4000)
    for lie in (second._replace(offset=first.offset + 8), third._replace(offset=second.offset),
                second._replace(payload=b"short", more=True), third._replace(offset=65528), third._replace(payload=b"")):
        whole = Reassembly()
        assert [whole.add(piece, 0) for piece in (first, second, lie, third)] == [None] * 4


def test_incomplete_datagrams_are_few_and_do_not_last() -> None:
    whole = Reassembly()
    kept = [list(cut(datagram(2000, ident))) for ident in range(40)]
    for first, _ in kept:
        whole.add(first, 0)
    assert [whole.add(second, 0) is not None for _, second in kept[24:]] == [True] * 16
    whole = Reassembly()
    first, second = kept[0]
    whole.add(first, 0)
    assert whole.add(second, LIFETIME_NS + 1) is None


# -- UDP -----------------------------------------------------------------------------------------------------

def test_dns_goes_to_the_hosts_resolver_and_back() -> None:
    guest = Guest()
    assert not guest.network.awaits
    assert guest.udp(RESOLVER, 5000, 53, b"A?") == [] and guest.udp(RESOLVER, 5000, 53, b"AAAA?") == []
    socket, = guest.host.datagram_sockets                   # one for both questions
    assert socket.address == (RESOLVER_OF_HOST, 53) and [data for data, _ in socket.sent] == [b"A?", b"AAAA?"]
    assert guest.network.awaits
    socket.arrived += [(b"A!", (RESOLVER_OF_HOST, 53)), (b"AAAA!", (RESOLVER_OF_HOST, 53))]
    found = ips(guest.wait())
    assert udps(found) == [Udp(53, 5000, b"A!"), Udp(53, 5000, b"AAAA!")]
    assert {packet.source for packet in found} == {RESOLVER}
    assert not guest.network.awaits


def test_an_answer_that_does_not_come_is_not_waited_for_for_ever() -> None:
    guest = Guest()
    guest.udp(OUTSIDE, 5000, 123, b"?")
    socket, = guest.host.datagram_sockets
    guest.wait(9_000)
    assert guest.network.awaits
    guest.wait(2_000)
    assert not guest.network.awaits and not socket.closed
    socket.arrived.append((b"late", ("192.0.2.80", 123)))
    assert udps(ips(guest.wait())) == [Udp(123, 5000, b"late")]
    guest.wait(121_000)
    assert socket.closed


def test_large_datagrams_both_ways() -> None:
    guest, large = Guest(), Random(3).randbytes(9000)
    sent = Ipv4(FIRST_LEASE, OUTSIDE, packets.UDP, Udp(5000, 69, large).build(FIRST_LEASE, OUTSIDE), 1)
    for piece in cut(sent):
        guest.ip(piece)
    socket, = guest.host.datagram_sockets
    assert socket.sent == [(large, None)]
    socket.arrived.append((large, ("192.0.2.80", 69)))
    pieces, whole = ips(guest.wait()), Reassembly()
    packet = next(packet for piece in pieces if (packet := whole.add(piece, 0)))
    assert Udp.parse(packet) == Udp(69, 5000, large) and len(pieces) == 7


def test_who_does_not_listen_is_unreachable() -> None:
    guest = Guest()
    guest.udp(GATEWAY, 5000, 9, b"x")
    guest.host.datagram_sockets[0].error = failure(ECONNREFUSED)
    answer, = icmps(ips(guest.wait()))
    quoted = Ipv4.parse(answer.data)
    assert (answer.kind, answer.code) == (packets.UNREACHABLE, packets.PORT) and quoted and quoted.target == GATEWAY
    assert quoted.payload[:4] == (5000).to_bytes(2, "big") + (9).to_bytes(2, "big")
    answer, = icmps(guest.udp(bytes((127, 0, 0, 1)), 5000, 9, b"x"))
    assert answer.code == packets.PORT and len(guest.host.datagram_sockets) == 1


def test_udp_sockets_are_bounded() -> None:
    guest = Guest()
    for port in range(1, 401):
        guest.udp(OUTSIDE, port, 7, b"x")
    made = guest.host.datagram_sockets
    assert len(made) == 400 and [socket.closed for socket in made] == [True] * 144 + [False] * 256


def test_a_forwarded_udp_port() -> None:
    guest = Guest()
    guest.network.forward("udp", 5353, 53)
    guest.arp()
    door, = guest.host.datagram_sockets
    door.arrived += [(b"one", ("127.0.0.1", 7001)), (b"two", ("127.0.0.1", 7002))]
    found = ips(guest.wait())
    assert udps(found) == [Udp(7001, 53, b"one"), Udp(7002, 53, b"two")] and found[0].source == GATEWAY
    guest.udp(GATEWAY, 53, 7002, b"to two")
    assert door.sent == [(b"to two", ("127.0.0.1", 7002))] and len(guest.host.datagram_sockets) == 1
    guest.udp(GATEWAY, 54, 7002, b"from another port")
    assert len(guest.host.datagram_sockets) == 2 and guest.network.awaits


def test_the_guest_is_asked_for_before_it_was_heard_of() -> None:
    guest = Guest()
    guest.network.forward("udp", 5353, 53)
    door, = guest.host.datagram_sockets
    door.arrived += [(b"hello", ("127.0.0.1", 7001))] * (MOST_HELD + 5)
    frames = guest.wait() + guest.wait() + guest.wait()
    asked = [Arp.parse(frame.payload) for frame in frames]
    assert {frame.target for frame in frames} == {packets.BROADCAST_MAC}
    assert set(asked) == {Arp(packets.ARP_REQUEST, GATEWAY_MAC, GATEWAY, bytes(6), FIRST_LEASE)}
    answer = Arp(packets.ARP_REPLY, GUEST_MAC, FIRST_LEASE, GATEWAY_MAC, GATEWAY)
    found = udps(ips(guest.ethernet(packets.ETHERTYPE_ARP, answer.build())))
    assert found == [Udp(7001, 53, b"hello")] * MOST_HELD and guest.network.counts["dropped: address unknown"] == 5


# -- what is dropped -----------------------------------------------------------------------------------------

def framed(packet: Ipv4) -> bytes:
    return Frame(GATEWAY_MAC, GUEST_MAC, packets.ETHERTYPE_IPV4, packet.build()).build()


@pytest.mark.parametrize(("cause", "frame"), [
    ("short frame", b"\xff" * 13),
    ("not for the gateway", Frame(b"\x33\x33\0\0\0\1", GUEST_MAC, 0x86DD, b"").build()),
    ("not for the gateway", Frame(GATEWAY_MAC, b"\xff" * 6, packets.ETHERTYPE_ARP, b"").build()),
    ("protocol 0x86dd", Frame(GATEWAY_MAC, GUEST_MAC, 0x86DD, b"").build()),
    ("malformed ARP", Frame(GATEWAY_MAC, GUEST_MAC, packets.ETHERTYPE_ARP, b"").build()),
    ("malformed IPv4", Frame(GATEWAY_MAC, GUEST_MAC, packets.ETHERTYPE_IPV4, b"\x45").build()),
    ("forged source", framed(Ipv4(OUTSIDE, GATEWAY, 6, b""))),
    ("forged source", framed(Ipv4(GATEWAY, GATEWAY, 6, b""))),
    ("broadcast", framed(Ipv4(FIRST_LEASE, EVERYBODY, 17, b""))),
    ("malformed TCP", framed(Ipv4(FIRST_LEASE, GATEWAY, 6, b""))),
    ("malformed UDP", framed(Ipv4(FIRST_LEASE, GATEWAY, 17, b""))),
    ("malformed ICMP", framed(Ipv4(FIRST_LEASE, GATEWAY, 1, b""))),
])
def test_causes_are_counted(cause: str, frame: bytes) -> None:
    guest = Guest()
    assert guest.raw(frame) == [] and guest.network.counts[f"dropped: {cause}"] == 1
    assert guest.network.counts["frames sent"] == 1 and guest.network.counts["bytes sent"] == len(frame)


def test_frames_that_nobody_takes_are_bounded() -> None:
    guest = Guest()
    echo = framed(Ipv4(FIRST_LEASE, GATEWAY, packets.ICMP, Icmp(packets.ECHO, 0, 1, 1, b"").build()))
    for _ in range(MOST_FRAMES + 3):
        guest.network.send(echo)
    assert len(guest.network.poll()) == MOST_FRAMES and guest.network.counts["dropped: too many wait"] == 3


# -- anything at all -----------------------------------------------------------------------------------------

def chance_frame(r: Random) -> bytes:
    """Mostly right, so that every layer is reached; then perhaps broken."""
    target = r.choice((GATEWAY, RESOLVER, OUTSIDE, EVERYBODY, FIRST_LEASE, r.randbytes(4)))
    source = r.choice((FIRST_LEASE, FIRST_LEASE, bytes(4), bytes((10, 0, 2, r.randrange(256))), r.randbytes(4)))
    port, own = r.choice((53, 67, 80, r.randrange(65536))), r.choice((68, 5000, r.randrange(65536)))
    protocol = r.choice((packets.TCP, packets.TCP, packets.UDP, packets.ICMP, r.randrange(256)))
    if protocol == packets.TCP:
        flags = r.choice((SYN, SYN, ACK, ACK, r.randrange(64)))
        seq = r.choice((0, 1, 2**32 - 1, r.getrandbits(32)))
        payload = Tcp(own, port, seq, r.getrandbits(32), flags, r.randrange(65536), r.randbytes(r.randrange(20)),
                      r.choice((None, 0, 1460)), r.choice((None, 14))).build(source, target)
    elif protocol == packets.UDP:
        payload = Udp(own, port, r.randbytes(r.randrange(300))).build(source, target)
    elif protocol == packets.ICMP:
        payload = Icmp(r.choice((0, 3, 8, 13)), 0, 1, 1, r.randbytes(r.randrange(20))).build()
    else:
        payload = r.randbytes(r.randrange(60))
    place = r.choice((0, 0, 0, 8, 65528)), not r.randrange(8)
    packet = Ipv4(source, target, protocol, payload, r.randrange(4), *place).build()
    frame = bytearray(Frame(r.choice((GATEWAY_MAC, packets.BROADCAST_MAC)), GUEST_MAC,
                            r.choice((0x0800, 0x0800, 0x0800, 0x0806)), packet).build())
    for _ in range(r.choice((0, 0, 0, 1, 3))):
        frame[r.randrange(len(frame))] = r.randrange(256)
    return bytes(frame[:r.choice((len(frame), len(frame), r.randrange(len(frame) + 1)))])


def chance_host(r: Random, host: FakeHost) -> None:
    host.refuses = failure(ENETUNREACH) if not r.randrange(8) else None
    for stream in host.streams[-6:]:
        if not stream.closed:
            stream.connected = stream.connected or bool(r.randrange(2))
            stream.arrived += r.randbytes(r.choice((0, 1, 5000)))
            stream.takes = r.choice((0, 10, 1 << 20))
            stream.ended = stream.ended or not r.randrange(10)
            stream.error = failure(r.choice((ECONNREFUSED, ENETUNREACH))) if not r.randrange(10) else None
    for listener in host.listeners:
        if not r.randrange(4):
            listener.call(r.randrange(1, 65536))
    for socket in host.datagram_sockets[-4:]:
        if not socket.closed:
            socket.arrived.append((r.randbytes(r.choice((0, 9, 3000))), ("127.0.0.1", r.randrange(1, 65536))))
            socket.error = failure(ECONNREFUSED) if not r.randrange(5) else None


def chance_run(seed: int) -> tuple[list[bytes], dict[str, int]]:
    r, guest = Random(seed), Guest()
    guest.network.forward("tcp", 2222, 22)
    guest.network.forward("udp", 5353, 53)
    open_, said = [Caller(guest, own_port=5000 + n) for n in range(4)], []
    for _ in range(ROUNDS):
        guest.network.send(chance_frame(r))
        said += guest.network.poll()
        if not r.randrange(4):
            chance_host(r, guest.host)
            guest.now_ns += r.choice((0, 1000, 10**9))
            guest.network.attend()
            said += guest.network.poll()
        if not r.randrange(8):                              # somewhere near an open connection's numbers
            caller = r.choice(open_)
            for got in caller.say(r.choice((SYN, ACK, r.randrange(64))), r.randbytes(r.randrange(50))):
                caller.ack = got.seq + got.length & 0xFFFF_FFFF
            caller.seq = r.choice((caller.seq & 0xFFFF_FFFF, 1000))
    return said, dict(guest.network.counts)


def test_whatever_a_guest_sends() -> None:
    """Nothing raises, every frame that comes is sound, and the same frames and times give the same answers."""
    print(f"seed {SEED}, {ROUNDS} frames")
    said, counts = chance_run(SEED)
    for raw in said:
        frame = Frame.parse(raw)
        assert frame and len(raw) <= 14 + packets.MTU
        if frame.ethertype == packets.ETHERTYPE_IPV4:
            packet = Ipv4.parse(frame.payload)
            assert packet is not None
            if not packet.is_fragment:
                parsed = {packets.TCP: Tcp.parse, packets.UDP: Udp.parse}.get(packet.protocol)
                assert parsed is None or parsed(packet) is not None
    assert len(said) > ROUNDS // 2 and len(counts) > 12
    assert chance_run(SEED) == (said, counts)
