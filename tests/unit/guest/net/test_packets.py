"""Packets on the wire: against bytes that others wrote, and back."""
from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vmm.guest.net.packets import ACK, FIN, SYN, TCP, UDP, Arp, Frame, Icmp, Ipv4, Tcp, Udp, checksum

A, B = bytes((10, 0, 2, 15)), bytes((10, 0, 2, 2))
ADDRESS, PORT, WORD, DATA = (st.binary(min_size=4, max_size=4), st.integers(1, 65535), st.integers(0, 2**32 - 1),
                             st.binary(max_size=100))


def slow_checksum(data: bytes) -> int:
    """RFC 1071 as it is written: add words, add the carries."""
    total = 0
    for at in range(0, len(data), 2):
        total += int.from_bytes(data[at:at + 2].ljust(2, b"\0"), "big")
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


@given(st.one_of(st.binary(max_size=200), st.integers(0, 50).map(bytes), st.integers(0, 50).map(lambda n: b"\xff" * n)))
def test_the_checksum_is_that_of_rfc_1071(data: bytes) -> None:
    assert checksum(data) == slow_checksum(data)


def test_the_header_of_a_well_known_example() -> None:
    header = bytes.fromhex("45000073000040004011b861c0a80001c0a800c7")
    packet = Ipv4.parse(header + bytes(0x73 - 20))
    assert packet and (packet.source, packet.target) == (bytes((192, 168, 0, 1)), bytes((192, 168, 0, 199)))
    assert packet.protocol == UDP
    assert Ipv4.parse(header[:-1] + b"\xc8" + bytes(0x73 - 20)) is None


@given(ADDRESS, ADDRESS, PORT, PORT, DATA)
def test_udp_and_ip_come_back(source: bytes, target: bytes, here: int, there: int, data: bytes) -> None:
    sent = Udp(here, there, data)
    packet = Ipv4.parse(Ipv4(source, target, UDP, sent.build(source, target), 7).build() + b"padding")
    assert packet and packet.ident == 7 and not packet.is_fragment and Udp.parse(packet) == sent


@given(PORT, PORT, WORD, WORD, st.sampled_from((SYN, SYN | ACK)), st.integers(0, 65535), DATA,
       st.none() | st.integers(0, 65535), st.none() | st.integers(0, 14))
def test_tcp_comes_back(here: int, there: int, seq: int, ack: int, flags: int, window: int, data: bytes,
                        mss: int | None, scale: int | None) -> None:
    sent = Tcp(here, there, seq, ack, flags, window, data, mss, scale)
    raw = sent.build(A, B)
    assert Tcp.parse(Ipv4(A, B, TCP, raw)) == sent and len(raw) % 4 == len(data) % 4
    broken = bytes([raw[0] ^ 1]) + raw[1:]
    assert Tcp.parse(Ipv4(A, B, TCP, broken)) is None


def test_options_of_other_kinds_are_skipped() -> None:
    """As Linux sends them: MSS, SACK permitted, timestamps, nothing, window scale; and broken ones end the list."""
    def parsed(options: str) -> tuple[int | None, int | None]:
        rest = bytes.fromhex(options)
        head = bytes.fromhex("9c40005000000001000000000002ffff00000000")
        head = head[:12] + bytes([(20 + len(rest)) * 4]) + head[13:]
        pseudo = A + B + bytes((0, TCP, 0, 20 + len(rest)))
        check = slow_checksum(pseudo + head + rest)
        got = Tcp.parse(Ipv4(A, B, TCP, head[:16] + check.to_bytes(2, "big") + head[18:] + rest))
        assert got is not None
        return got.mss, got.scale
    assert parsed("020405b40402080a000000010000000001030307") == (1460, 7)
    assert parsed("0103030f") == (None, 14)
    assert parsed("020405b403000000") == (1460, None)
    assert parsed("020905b4") == (None, None)
    assert parsed("00020405b4000000") == (None, None)


def test_lengths() -> None:
    assert Tcp(1, 2, 0, 0, SYN, 0).length == 1
    assert Tcp(1, 2, 0, 0, ACK | FIN, 0, b"abc").length == 4
    assert Tcp(1, 2, 0, 0, ACK, 0).length == 0


def test_icmp_and_arp_come_back() -> None:
    echo = Icmp(8, 0, 0x1234, 1, b"abcdefg")
    assert Icmp.parse(echo.build()) == echo and Icmp.parse(echo.build()[:-1] + b"X") is None
    arp = Arp(1, b"\x52\x54\0\x12\x34\x56", A, bytes(6), B)
    frame = Frame.parse(Frame(b"\xff" * 6, arp.sender_mac, 0x0806, arp.build()).build())
    assert frame and Arp.parse(frame.payload) == arp and len(frame.payload) == 60 - 14


@given(st.binary(max_size=120))
def test_nothing_raises(raw: bytes) -> None:
    Frame.parse(raw), Arp.parse(raw), Ipv4.parse(raw), Icmp.parse(raw)
    packet = Ipv4(A, B, TCP, raw)
    Udp.parse(packet), Tcp.parse(packet)
