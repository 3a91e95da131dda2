"""Who is who on the virtual network, 10.0.2.0/24, as QEMU's user network has it; and where else a guest may go.

A guest reaches the host's loopback as 10.0.2.2 and in no other way: what means this host, or nobody in particular, is
no destination.  (RFC 6890 lists such addresses.)
"""
from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from vmm.guest.net.sockets import DNS_PORT, LOOPBACK, Address

NETWORK = IPv4Network("10.0.2.0/24")
GATEWAY, RESOLVER, FIRST_LEASE = (IPv4Address(f"10.0.2.{host}").packed for host in (2, 3, 15))
LEASES = 16
OWN = GATEWAY, RESOLVER
NOBODY, EVERYBODY = bytes(4), b"\xff" * 4
NETMASK, BROADCAST = NETWORK.netmask.packed, NETWORK.broadcast_address.packed

GATEWAY_MAC = bytes.fromhex("52550a000202")

NO_DESTINATIONS = tuple(map(IPv4Network, (
    "0.0.0.0/8",                                            # this network: Linux takes 0.0.0.0 for the host itself
    "127.0.0.0/8",                                          # loopback
    "169.254.0.0/16",                                       # of one link, which the guest is not on
    "224.0.0.0/3",                                          # multicast, reserved, broadcast
)))


def is_inside(address: bytes) -> bool:
    return IPv4Address(address) in NETWORK


def host_address(target: bytes, port: int, resolver: str | None) -> Address | None:
    """Where on the host's side the guest's destination is, if anywhere."""
    if target == GATEWAY:
        return LOOPBACK, port
    if target == RESOLVER:
        return (resolver, port) if resolver is not None and port == DNS_PORT else None
    address = IPv4Address(target)
    if address in NETWORK or any(address in network for network in NO_DESTINATIONS):
        return None
    return str(address), port
