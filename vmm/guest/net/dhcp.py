"""The DHCP server of the virtual network.  (RFC 2131; options: RFC 2132)

Invariant: a hardware address keeps its lease for the whole run, and no two have the same.
"""
from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from ipaddress import IPv4Address
from struct import Struct
from typing import NamedTuple

from vmm.guest.net.addresses import BROADCAST, EVERYBODY, FIRST_LEASE, GATEWAY, LEASES, NETMASK, NOBODY, RESOLVER

SERVER_PORT, CLIENT_PORT = 67, 68
LEASE_SECONDS = 86_400
COOKIE = bytes((99, 130, 83, 99))
BOOT_REQUEST, BOOT_REPLY = 1, 2
ETHERNET, MAC_SIZE = 1, 6
LEAST_MESSAGE = 300                                         # what BOOTP clients wait for (RFC 1542, 2.1)
_HEADER = Struct(">BBBBIHH4s4s4s4s16s64s128s")

PAD, SUBNET_MASK, ROUTER, NAME_SERVER, BROADCAST_ADDRESS = 0, 1, 3, 6, 28
WANTED_ADDRESS, LEASE_TIME, KIND, SERVER, END = 50, 51, 53, 54, 255


class Kind(IntEnum):
    DISCOVER = 1
    OFFER = 2
    REQUEST = 3
    DECLINE = 4
    ACK = 5
    NAK = 6
    RELEASE = 7
    INFORM = 8


class Message(NamedTuple):
    """``address``: the client's own, if it has one; ``raw_mac``: all 16 bytes of the field."""
    transaction: int
    flags: int
    address: bytes
    relay: bytes
    raw_mac: bytes
    options: dict[int, bytes]

    @classmethod
    def parse(cls, data: bytes) -> Message | None:
        if len(data) < _HEADER.size + len(COOKIE) or data[_HEADER.size:][:4] != COOKIE:
            return None
        op, hardware, size, _, transaction, _, flags, own, _, _, relay, mac, _, _ = _HEADER.unpack_from(data)
        if (op, hardware, size) != (BOOT_REQUEST, ETHERNET, MAC_SIZE):
            return None
        return cls(transaction, flags, own, relay, mac, dict(_options(data[_HEADER.size + 4:])))

    @property
    def kind(self) -> int:
        return int.from_bytes(self.options.get(KIND, b""), "big")


def _options(raw: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(raw) and raw[at] != END:
        if raw[at] == PAD:
            at += 1
            continue
        size = raw[at + 1] if at + 1 < len(raw) else len(raw)
        if at + 2 + size > len(raw):
            return
        yield raw[at], raw[at + 2:at + 2 + size]
        at += 2 + size


class DhcpServer:
    def __init__(self) -> None:
        self._leases: dict[bytes, bytes] = {}               # by hardware address

    def answer(self, data: bytes) -> tuple[bytes, bytes] | None:
        """To which address to send what in answer to a client's message, if anything."""
        message = Message.parse(data)
        if message is None:
            return None
        lease = self._lease(message.raw_mac[:MAC_SIZE])
        wanted = message.options.get(WANTED_ADDRESS, message.address)
        match message.kind:
            case Kind.DISCOVER if lease:
                return _reply(message, Kind.OFFER, lease)
            case Kind.REQUEST if message.options.get(SERVER, GATEWAY) == GATEWAY:
                return _reply(message, Kind.ACK, lease) if lease and wanted == lease else _reply(message, Kind.NAK, NOBODY)
            case Kind.INFORM:
                return _reply(message, Kind.ACK, NOBODY)
        return None                                         # for another server, or nothing that wants an answer

    def _lease(self, mac: bytes) -> bytes | None:
        if mac not in self._leases and len(self._leases) < LEASES:
            self._leases[mac] = (IPv4Address(FIRST_LEASE) + len(self._leases)).packed
        return self._leases.get(mac)


def _reply(to: Message, kind: Kind, lease: bytes) -> tuple[bytes, bytes]:
    options = [(KIND, bytes((kind,))), (SERVER, GATEWAY)]
    if kind is not Kind.NAK:
        options += [(SUBNET_MASK, NETMASK), (ROUTER, GATEWAY), (NAME_SERVER, RESOLVER), (BROADCAST_ADDRESS, BROADCAST)]
        if lease != NOBODY:
            options.append((LEASE_TIME, LEASE_SECONDS.to_bytes(4, "big")))
    own = to.address if kind is Kind.ACK else NOBODY
    header = _HEADER.pack(BOOT_REPLY, ETHERNET, MAC_SIZE, 0, to.transaction, 0, to.flags, own, lease,
                          GATEWAY if kind is not Kind.NAK else NOBODY, to.relay, to.raw_mac, b"", b"")
    listed = b"".join(bytes((number, len(value))) + value for number, value in options)
    return (own if own != NOBODY else EVERYBODY,
            (header + COOKIE + listed + bytes((END,))).ljust(LEAST_MESSAGE, b"\0"))
