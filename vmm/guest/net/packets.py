"""Frames and packets as they are on the wire: taken apart and put together.

Ethernet, ARP (RFC 826), IPv4 (RFC 791), ICMP (RFC 792), UDP (RFC 768) and TCP (RFC 9293).  Invariant: ``parse`` gives
None for whatever is malformed or has a wrong checksum, and never raises; what ``build`` makes, ``parse`` takes.
"""
from __future__ import annotations

from struct import Struct
from typing import NamedTuple

BROADCAST_MAC = b"\xff" * 6
ETHERTYPE_IPV4, ETHERTYPE_ARP = 0x0800, 0x0806
ICMP, TCP, UDP = 1, 6, 17
MTU = 1500
LEAST_FRAME = 60                                            # without the check sequence, which no virtual link has
ARP_REQUEST, ARP_REPLY = 1, 2

_ETHERNET, _ARP = Struct(">6s6sH"), Struct(">HHBBH6s4s6s4s")
_IPV4, _ICMP, _UDP, _TCP = Struct(">BBHHHBBH4s4s"), Struct(">BBHHH"), Struct(">HHHH"), Struct(">HHIIBBHHH")
_PSEUDO = Struct(">4s4sBBH")
ARP_ETHERNET_IPV4 = 1, ETHERTYPE_IPV4, 6, 4


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071).  The ones' complement sum of 16-bit words is the number modulo 0xffff."""
    if len(data) & 1:
        data += b"\0"
    total = int.from_bytes(data, "big") % 0xFFFF
    if not total and any(data):
        total = 0xFFFF
    return 0xFFFF - total


def is_sound(data: bytes) -> bool:
    """Bytes that contain their own checksum."""
    return checksum(data) == 0


# -- Ethernet ------------------------------------------------------------------------------------------------

class Frame(NamedTuple):
    target: bytes
    source: bytes
    ethertype: int
    payload: bytes

    @classmethod
    def parse(cls, data: bytes) -> Frame | None:
        if len(data) < _ETHERNET.size:
            return None
        target, source, ethertype = _ETHERNET.unpack_from(data)
        return cls(target, source, ethertype, data[_ETHERNET.size:])

    def build(self) -> bytes:
        return (_ETHERNET.pack(self.target, self.source, self.ethertype) + self.payload).ljust(LEAST_FRAME, b"\0")


class Arp(NamedTuple):
    operation: int
    sender_mac: bytes
    sender: bytes
    target_mac: bytes
    target: bytes

    @classmethod
    def parse(cls, data: bytes) -> Arp | None:
        if len(data) < _ARP.size:
            return None
        hardware, protocol, mac_size, address_size, *rest = _ARP.unpack_from(data)
        return cls(*rest) if (hardware, protocol, mac_size, address_size) == ARP_ETHERNET_IPV4 else None

    def build(self) -> bytes:
        return _ARP.pack(*ARP_ETHERNET_IPV4, *self)


# -- IPv4 ----------------------------------------------------------------------------------------------------

class Ipv4(NamedTuple):
    """``offset``: of this fragment, in bytes."""
    source: bytes
    target: bytes
    protocol: int
    payload: bytes
    ident: int = 0
    offset: int = 0
    more: bool = False
    ttl: int = 64

    @classmethod
    def parse(cls, data: bytes) -> Ipv4 | None:
        if len(data) < _IPV4.size:
            return None
        version, _, total, ident, fragment, ttl, protocol, _, source, target = _IPV4.unpack_from(data)
        size = (version & 0xF) * 4
        if version >> 4 != 4 or size < _IPV4.size or not size <= total <= len(data) or not is_sound(data[:size]):
            return None
        return cls(source, target, protocol, data[size:total], ident, (fragment & 0x1FFF) * 8, bool(fragment & 0x2000), ttl)

    def build(self) -> bytes:
        fragment = self.offset >> 3 | self.more << 13
        fields = (0x45, 0, _IPV4.size + len(self.payload), self.ident, fragment, self.ttl, self.protocol)
        return _IPV4.pack(*fields, checksum(_IPV4.pack(*fields, 0, self.source, self.target)),
                          self.source, self.target) + self.payload

    @property
    def is_fragment(self) -> bool:
        return self.more or self.offset > 0


MOST_PAYLOAD = MTU - _IPV4.size
LARGEST_PAYLOAD = 0xFFFF - _IPV4.size                       # of a datagram in fragments


def _pseudo(source: bytes, target: bytes, protocol: int, size: int) -> bytes:
    return _PSEUDO.pack(source, target, 0, protocol, size)


# -- ICMP ----------------------------------------------------------------------------------------------------

ECHO_REPLY, UNREACHABLE, ECHO = 0, 3, 8
HOST, PROTOCOL, PORT, PROHIBITED = 1, 2, 3, 13              # codes of UNREACHABLE (RFC 792; RFC 1812, 5.2.7.1)


class Icmp(NamedTuple):
    kind: int
    code: int
    ident: int
    sequence: int
    data: bytes

    @classmethod
    def parse(cls, data: bytes) -> Icmp | None:
        if len(data) < _ICMP.size or not is_sound(data):
            return None
        kind, code, _, ident, sequence = _ICMP.unpack_from(data)
        return cls(kind, code, ident, sequence, data[_ICMP.size:])

    def build(self) -> bytes:
        plain = _ICMP.pack(self.kind, self.code, 0, self.ident, self.sequence) + self.data
        return plain[:2] + checksum(plain).to_bytes(2, "big") + plain[4:]


# -- UDP -----------------------------------------------------------------------------------------------------

class Udp(NamedTuple):
    source: int
    target: int
    data: bytes

    @classmethod
    def parse(cls, packet: Ipv4) -> Udp | None:
        raw = packet.payload
        if len(raw) < _UDP.size:
            return None
        source, target, size, check = _UDP.unpack_from(raw)
        if not _UDP.size <= size <= len(raw) or not source or not target:
            return None
        whole = _pseudo(packet.source, packet.target, UDP, size) + raw[:size]
        return cls(source, target, raw[_UDP.size:size]) if not check or is_sound(whole) else None

    def build(self, source: bytes, target: bytes) -> bytes:
        size = _UDP.size + len(self.data)
        plain = _UDP.pack(self.source, self.target, size, 0) + self.data
        check = checksum(_pseudo(source, target, UDP, size) + plain) or 0xFFFF
        return plain[:6] + check.to_bytes(2, "big") + self.data


# -- TCP -----------------------------------------------------------------------------------------------------

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
_END, _NOP, _MSS, _SCALE = 0, 1, 2, 3                       # kinds of options


class Tcp(NamedTuple):
    """``mss``, ``scale``: options of a SYN; None where there are none."""
    source: int
    target: int
    seq: int
    ack: int
    flags: int
    window: int
    data: bytes = b""
    mss: int | None = None
    scale: int | None = None

    @classmethod
    def parse(cls, packet: Ipv4) -> Tcp | None:
        raw = packet.payload
        if len(raw) < _TCP.size:
            return None
        source, target, seq, ack, size, flags, window, _, _ = _TCP.unpack_from(raw)
        size = (size >> 4) * 4
        if not _TCP.size <= size <= len(raw) or not source or not target \
                or not is_sound(_pseudo(packet.source, packet.target, TCP, len(raw)) + raw):
            return None
        mss, scale = _options(raw[_TCP.size:size]) if flags & SYN else (None, None)
        return cls(source, target, seq, ack, flags & 0x1F, window, raw[size:], mss, scale)

    def build(self, source: bytes, target: bytes) -> bytes:
        options = b"" if self.mss is None else bytes((_MSS, 4)) + self.mss.to_bytes(2, "big")
        if self.scale is not None:
            options += bytes((_NOP, _SCALE, 3, self.scale))
        size = _TCP.size + len(options)
        head = (self.source, self.target, self.seq, self.ack, size << 2, self.flags, self.window)
        rest = options + self.data
        whole = _pseudo(source, target, TCP, size + len(self.data)) + _TCP.pack(*head, 0, 0) + rest
        return _TCP.pack(*head, checksum(whole), 0) + rest

    @property
    def length(self) -> int:
        """In sequence numbers."""
        return len(self.data) + bool(self.flags & SYN) + bool(self.flags & FIN)


def _options(raw: bytes) -> tuple[int | None, int | None]:
    mss = scale = None
    while raw and raw[0] != _END:
        if raw[0] == _NOP:
            raw = raw[1:]
            continue
        if len(raw) < 2 or not 2 <= raw[1] <= len(raw):
            break
        value = raw[2:raw[1]]
        if raw[0] == _MSS and len(value) == 2:
            mss = int.from_bytes(value, "big")
        elif raw[0] == _SCALE and len(value) == 1:
            scale = min(value[0], 14)                       # RFC 7323, 2.3
        raw = raw[raw[1]:]
    return mss, scale
