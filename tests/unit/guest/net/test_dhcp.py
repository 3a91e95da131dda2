"""The DHCP server, through the network: a client's way to its address, and what is refused."""
from __future__ import annotations

import pytest

from tests.support.usernet import Guest, ips, udps
from vmm.guest.cards import MAC as GUEST_MAC
from vmm.guest.net import packets
from vmm.guest.net.addresses import EVERYBODY, FIRST_LEASE, GATEWAY, NOBODY, RESOLVER
from vmm.guest.net.dhcp import CLIENT_PORT, SERVER_PORT, Kind
from vmm.guest.net.packets import BROADCAST_MAC, Frame, Ipv4, Udp

OTHER_MAC = b"\x52\x54\0\0\0\x99"


def message(kind: int, *options: bytes, mac: bytes = GUEST_MAC, own: bytes = NOBODY, flags: int = 0) -> bytes:
    """RFC 2131, figure 1, field by field."""
    fixed = bytes((1, 1, 6, 0)) + b"\x11\x22\x33\x44" + bytes(2) + flags.to_bytes(2, "big") + own + bytes(12)
    listed = b"\0" + option(53, bytes((kind,))) + b"".join(options) + b"\xff"
    return fixed + mac.ljust(16, b"\0") + bytes(192) + b"\x63\x82\x53\x63" + listed


def option(number: int, value: bytes) -> bytes:
    return bytes((number, len(value))) + value


def asked(guest: Guest, data: bytes, source: bytes = NOBODY, target: bytes = EVERYBODY,
          mac: bytes = GUEST_MAC) -> tuple[Frame, Ipv4, bytes] | None:
    """The answer to a message, taken apart."""
    packet = Ipv4(source, target, packets.UDP, Udp(CLIENT_PORT, SERVER_PORT, data).build(source, target))
    frames = guest.raw(Frame(BROADCAST_MAC, mac, packets.ETHERTYPE_IPV4, packet.build()).build())
    if not frames:
        return None
    answer, = udps(ips(frames))
    assert (answer.source, answer.target) == (SERVER_PORT, CLIENT_PORT)
    return frames[0], ips(frames)[0], answer.data


def options(data: bytes) -> dict[int, bytes]:
    assert data[236:240] == b"\x63\x82\x53\x63" and len(data) >= 300
    at, found = 240, {}
    while data[at] != 255:
        found[data[at]] = data[at + 2:at + 2 + data[at + 1]]
        at += 2 + data[at + 1]
    return found


def test_a_client_gets_its_address() -> None:
    guest = Guest()
    offer = asked(guest, message(Kind.DISCOVER))
    assert offer is not None
    frame, packet, data = offer
    assert frame.target == BROADCAST_MAC and (packet.source, packet.target) == (GATEWAY, EVERYBODY)
    assert data[:8] == bytes((2, 1, 6, 0)) + b"\x11\x22\x33\x44" and data[16:20] == FIRST_LEASE
    found = options(data)
    assert found == {53: b"\2", 54: GATEWAY, 1: b"\xff\xff\xff\0", 3: GATEWAY, 6: RESOLVER, 28: bytes((10, 0, 2, 255)),
                     51: (86_400).to_bytes(4, "big")}
    ack = asked(guest, message(Kind.REQUEST, option(50, FIRST_LEASE), option(54, GATEWAY)))
    assert ack is not None and options(ack[2])[53] == b"\5" and ack[2][16:20] == FIRST_LEASE


def test_a_client_renews_what_it_has() -> None:
    guest = Guest()
    asked(guest, message(Kind.DISCOVER))
    guest.arp()
    ack = asked(guest, message(Kind.REQUEST, own=FIRST_LEASE), FIRST_LEASE, GATEWAY)
    assert ack is not None and options(ack[2])[53] == b"\5"
    assert ack[1].target == FIRST_LEASE and ack[2][12:16] == FIRST_LEASE and ack[0].target == GUEST_MAC


@pytest.mark.parametrize("wanted", [bytes((10, 0, 2, 16)), bytes((192, 168, 1, 5)), NOBODY])
def test_another_address_is_refused(wanted: bytes) -> None:
    nak = asked(Guest(), message(Kind.REQUEST, option(50, wanted)))
    assert nak is not None and options(nak[2]) == {53: b"\6", 54: GATEWAY} and nak[2][16:20] == NOBODY


def test_cards_have_an_address_each_and_keep_it() -> None:
    guest, leases = Guest(), []
    for number in (1, 2, 1, *range(3, 20), 2):
        got = asked(guest, message(Kind.DISCOVER, mac=bytes((2, 0, 0, 0, 0, number))))
        leases.append(got and got[2][16:20])
    assert leases[0] == leases[2] == FIRST_LEASE and leases[1] == leases[-1]
    given = {lease for lease in leases if lease}
    assert len(given) == 16 and leases[-2] is None          # there are no more


def test_who_has_an_address_may_ask_for_the_rest() -> None:
    guest = Guest()
    guest.arp()
    ack = asked(guest, message(Kind.INFORM, own=FIRST_LEASE), FIRST_LEASE)
    assert ack is not None and 51 not in options(ack[2]) and options(ack[2])[6] == RESOLVER and ack[2][16:20] == NOBODY


@pytest.mark.parametrize("data", [
    message(Kind.REQUEST, option(50, FIRST_LEASE), option(54, bytes((10, 0, 2, 9)))), message(Kind.RELEASE),
    message(Kind.DECLINE), message(0), message(99), b"", message(Kind.DISCOVER)[:239], b"\2" + message(Kind.DISCOVER)[1:],
    message(Kind.DISCOVER).replace(b"\x63\x82\x53\x63", bytes(4)), message(Kind.DISCOVER)[:243] + b"\xff"])
def test_what_wants_no_answer_gets_none(data: bytes) -> None:
    guest = Guest()
    assert asked(guest, data) is None and guest.network.counts["dropped: DHCP"] == 1


@pytest.mark.parametrize("cut", range(240, 250))
def test_options_that_end_too_early(cut: int) -> None:
    asked(Guest(), message(Kind.REQUEST, option(50, FIRST_LEASE))[:cut])
