"""TCP connections: from both sides, to their ends, with loss, refusal, and sides that do not read."""
from __future__ import annotations

from errno import ECONNREFUSED, ECONNRESET, EHOSTUNREACH
from itertools import pairwise
from random import Random

import pytest

from tests.support.usernet import RESOLVER_OF_HOST, Caller, FakeHost, FakeStream, Guest, failure, icmps, ips, tcps
from vmm.guest.net import packets
from vmm.guest.net.addresses import GATEWAY, RESOLVER
from vmm.guest.net.outgoing import BUFFER, FLIGHT
from vmm.guest.net.packets import ACK, FIN, PSH, RST, SYN, Tcp
from vmm.guest.net.tcp import TIME_WAIT_NS, TRIES
from vmm.guest.net.tcp_relay import MOST

OUTSIDE = bytes((192, 0, 2, 80))
SEEDS = range(40)


def connected(**options: int) -> tuple[Caller, FakeStream]:
    guest = Guest()
    guest.arp()
    caller = Caller(guest, **options)
    return caller, caller.opened()


def heard(caller: Caller, ms: int = 0) -> list[Tcp]:
    return tcps(ips(caller.guest.wait(ms)))


# -- beginning -----------------------------------------------------------------------------------------------

def test_the_handshake_waits_for_the_hosts_connection() -> None:
    guest = Guest()
    caller = Caller(guest, OUTSIDE, 8080, scale=7)
    assert caller.syn() == [] and guest.network.awaits
    assert guest.host.stream.address == ("192.0.2.80", 8080) and heard(caller) == []
    assert caller.say(SYN, seq=1000) == [] and len(guest.host.streams) == 1     # impatience
    guest.host.stream.connected = True
    answer, = heard(caller)
    assert (answer.flags, answer.ack, answer.mss, answer.scale) == (SYN | ACK, 1001, 1460, 3)
    assert heard(caller) == []
    again, = caller.say(SYN, seq=1000)
    assert again == answer


def test_a_guest_without_scaling_is_not_offered_any() -> None:
    guest = Guest()
    caller = Caller(guest)
    caller.syn()
    guest.host.stream.connected = True
    answer, = heard(caller)
    assert answer.scale is None and answer.window == 0xFFFF


def test_a_refusal_is_a_reset() -> None:
    guest = Guest()
    caller = Caller(guest)
    caller.syn()
    guest.host.stream.error = failure(ECONNREFUSED)
    answer, = heard(caller)
    assert (answer.flags, answer.seq, answer.ack) == (RST | ACK, 0, 1001)
    assert guest.host.stream.closed and not guest.network.awaits
    assert caller.say(SYN, seq=5) == [] and len(guest.host.streams) == 2        # one may try again


@pytest.mark.parametrize("at_once", [True, False])
def test_who_cannot_be_reached_is_unreachable(at_once: bool) -> None:
    guest = Guest()
    guest.arp()
    caller = Caller(guest, OUTSIDE)
    guest.host.refuses = failure(EHOSTUNREACH) if at_once else None
    syn = Tcp(caller.own_port, 80, 1000, 0, SYN, 0xFFFF)
    found = guest.ip(packets.Ipv4(guest.address, OUTSIDE, packets.TCP, syn.build(guest.address, OUTSIDE)))
    if not at_once:
        guest.host.stream.error = failure(EHOSTUNREACH)
        found = ips(guest.wait())
    answer, = icmps(found)
    quoted = packets.Ipv4.parse(answer.data)
    assert (answer.kind, answer.code) == (packets.UNREACHABLE, packets.HOST) and not guest.network.awaits
    assert quoted and quoted.target == OUTSIDE
    assert quoted.payload == (40_000).to_bytes(2, "big") + (80).to_bytes(2, "big") + (1000).to_bytes(4, "big")


def test_where_nobody_can_be() -> None:
    guest = Guest()
    loop = guest.ip(packets.Ipv4(guest.address, bytes((127, 0, 0, 1)), packets.TCP,
                                 Tcp(1, 22, 0, 0, SYN, 0).build(guest.address, bytes((127, 0, 0, 1)))))
    assert icmps(loop)[0].code == packets.HOST and not guest.host.streams
    assert [answer.flags for answer in Caller(guest, RESOLVER, 80).syn()] == [RST | ACK]
    assert Caller(guest, RESOLVER, 53).syn() == [] and guest.host.stream.address == (RESOLVER_OF_HOST, 53)


def test_a_stranger_is_reset() -> None:
    caller = Caller(Guest())
    caller.ack = 77
    assert [(got.flags, got.seq) for got in caller.say(ACK, b"abc")] == [(RST, 77)]
    assert [(got.flags, got.ack) for got in caller.say(FIN)] == [(RST | ACK, 1004)]
    assert caller.say(RST) == []


# -- data ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("window", "scale"), [(0xFFFF, None), (0xFFFF, 7), (3000, None), (100, None)])
def test_a_download(window: int, scale: int | None) -> None:
    guest = Guest()
    guest.arp()
    caller = Caller(guest, window=window, scale=scale)
    stream = caller.opened()
    data = Random(1).randbytes(700_000 if window > 3000 else 50_000)
    stream.arrived += data
    stream.ended = True
    caller.drain()
    assert caller.received == data and caller.flags & FIN


def test_what_flies_fits_the_guests_window_and_the_cards_queue() -> None:
    caller, stream = connected(window=10_000)
    stream.arrived += bytes(BUFFER * 2)
    segments = heard(caller)
    assert sum(len(got.data) for got in segments) == 10_000 // 1460 * 1460      # no small piece for the rest
    assert len(stream.arrived) == BUFFER                    # the rest waits at the host's
    caller.window, caller.scale = 0xFFFF, 7
    guest = Guest()
    wide = Caller(guest, scale=7)
    stream = wide.opened()
    stream.arrived += bytes(BUFFER * 2)
    assert FLIGHT - 1460 < sum(len(got.data) for got in heard(wide)) <= FLIGHT


def test_the_last_of_the_data_is_pushed() -> None:
    caller, stream = connected()
    stream.arrived += bytes(3000)
    assert [(len(got.data), got.flags) for got in heard(caller)] == [(1460, ACK), (1460, ACK), (80, ACK | PSH)]


@pytest.mark.parametrize("scale", [None, 7])
def test_an_upload_to_a_host_that_does_not_read(scale: int | None) -> None:
    """The window closes when the buffer is full, nothing beyond it is taken, and it opens when the host reads on."""
    guest = Guest()
    guest.arp()
    caller = Caller(guest, scale=scale)
    stream = caller.opened()
    stream.takes = 0
    window, sent = 0xFFFF, 0
    data = Random(2).randbytes(BUFFER + 10_000)
    while window:
        piece = data[sent:sent + min(1460, window)]
        answer, = caller.say(ACK, piece)
        sent, window = sent + len(piece), answer.window << (3 if scale else 0)
        assert answer.ack == caller.seq & 0xFFFF_FFFF
    assert BUFFER - 8 < sent <= BUFFER
    answer, = caller.say(ACK, b"xxxxxxxxxxxxx", seq=caller.seq)                     # beyond the window
    assert answer.ack - caller.seq <= BUFFER - sent and answer.window == 0
    caller.seq = answer.ack
    assert heard(caller) == []
    stream.takes = 1 << 40
    update, = heard(caller)
    assert update.window << (3 if scale else 0) > 60_000 and bytes(stream.sent[:sent]) == data[:sent]


def test_data_that_comes_again_or_too_early() -> None:
    caller, stream = connected()
    caller.say(ACK, b"abc")
    early, = caller.say(ACK, b"ghi", seq=caller.seq + 3)
    assert early.ack == caller.seq
    again, = caller.say(ACK, b"abcdef", seq=caller.seq - 3)
    caller.seq += 3
    assert again.ack == caller.seq
    caller.say(ACK, b"ghi")
    caller.guest.wait()
    assert stream.sent == b"abcdefghi"


def test_are_you_there() -> None:
    """What keeps connections alive: a number before the next one, or a byte that was had already."""
    caller, _ = connected()
    for data in (b"", b"x"):
        answer, = caller.say(ACK, data, seq=caller.seq - 1)
        assert (answer.flags, answer.ack) == (ACK, caller.seq)
    challenge, = caller.say(SYN, seq=12345)
    assert (challenge.flags, challenge.ack) == (ACK, caller.seq)


# -- ending --------------------------------------------------------------------------------------------------

def test_the_guest_ends_and_still_reads() -> None:
    caller, stream = connected()
    assert [got.flags for got in caller.say(ACK | FIN, b"that's all")] == [ACK]
    caller.guest.wait()
    assert stream.sent == b"that's all" and stream.finished and not stream.closed
    stream.arrived += b"answer"
    stream.ended = True
    caller.drain()
    assert caller.received == b"answer" and caller.flags & FIN and stream.closed == "closed"
    assert not caller.guest.network.awaits


def test_the_host_ends_and_still_reads() -> None:
    caller, stream = connected()
    stream.arrived += b"bye"
    stream.ended = True
    last, end = heard(caller) + heard(caller)
    assert (last.data, last.flags, end.flags, end.seq) == (b"bye", ACK | PSH, ACK | FIN, last.seq + 3)
    assert caller.take([last, end]) == [] and not stream.reading
    caller.say(ACK, b"one more")
    caller.guest.wait()
    assert stream.sent == b"one more" and not stream.closed
    assert [got.ack for got in caller.say(ACK | FIN)] == [caller.seq]
    caller.guest.wait()
    assert stream.closed == "closed" and not caller.guest.network.awaits


def test_a_last_fin_may_come_again_and_its_port_be_used_again() -> None:
    caller, stream = connected()
    stream.ended = True
    caller.drain()
    caller.say(ACK | FIN)
    caller.guest.wait()
    again, = caller.say(ACK | FIN, seq=caller.seq - 1)
    assert (again.flags, again.ack) == (ACK, caller.seq)
    assert caller.syn() == [] and len(caller.guest.host.streams) == 2


def test_time_wait_ends() -> None:
    caller, stream = connected()
    stream.ended = True
    caller.drain()
    caller.say(ACK | FIN)
    caller.guest.wait(TIME_WAIT_NS // 1_000_000 + 200)
    assert [got.flags & RST for got in caller.say(ACK, b"x")] == [RST]


def test_resets() -> None:
    caller, stream = connected()
    caller.say(RST, seq=caller.seq + BUFFER + 1)
    assert not stream.closed                                # anybody could say that
    assert caller.say(RST) == [] and stream.closed == "reset" and not caller.guest.network.awaits
    caller, stream = connected()
    stream.arrived += b"lost"
    stream.error = failure(ECONNRESET)
    assert [(got.flags, got.seq) for got in heard(caller)] == [(RST | ACK, caller.ack)] and stream.closed


def test_the_end_of_a_run_resets_what_stands() -> None:
    caller, stream = connected()
    caller.guest.network.close()
    assert stream.closed == "reset"


# -- loss ----------------------------------------------------------------------------------------------------

def test_one_lost_segment_is_sent_again_at_once() -> None:
    caller, stream = connected()
    stream.arrived += Random(4).randbytes(10 * 1460)
    first, second, *rest = heard(caller)
    caller.take([first])
    said = [caller.say(ACK) for _ in rest[:3]]
    assert said == [[], [], [second]] and caller.say(ACK) == []
    caller.ack += 9 * 1460
    assert caller.say(ACK) == [] and heard(caller, 5000) == []


def test_two_lost_segments_are_found_one_after_the_other() -> None:
    caller, stream = connected()
    stream.arrived += bytes(10 * 1460)
    segments = heard(caller)
    for _ in range(3):
        found = caller.say(ACK)
    assert found == [segments[0]]
    caller.ack = segments[5].seq                            # the next hole
    assert caller.say(ACK) == [segments[5]]


def test_silence_is_waited_for_longer_and_longer_and_ends_in_a_reset() -> None:
    caller, stream = connected()
    stream.arrived += b"hello?"
    moments: list[float] = []
    heard(caller)
    for _ in range(3000):
        caller.guest.now_ns += 100_000_000
        for got in heard(caller):
            moments.append(caller.guest.now_ns / 1e9)
            assert got.data == b"hello?" or got.flags & RST
    gaps = [round(b - a) for a, b in pairwise(moments)]
    assert gaps == [2, 4, 8, 16, 32, 32, 32, 32] and len(moments) == TRIES + 1
    assert stream.closed == "reset" and not caller.guest.network.awaits


def test_a_closed_window_is_probed_and_never_given_up() -> None:
    caller, stream = connected(window=1460)
    stream.arrived += bytes(1460) + b"probe, and more"
    caller.window = 0
    caller.take(heard(caller))
    probes = 0
    for _ in range(400):
        caller.guest.now_ns += 1_000_000_000
        for got in heard(caller):
            assert got.data == b"p"
            probes += 1
            assert caller.say(ACK) == []                    # still closed
    assert probes > TRIES and not stream.closed
    caller.window = 1000
    assert [got.data for got in caller.say(ACK)] == [b"probe, and more"]


# -- forwarded ports -----------------------------------------------------------------------------------------

def forwarded(answers: bool = True) -> tuple[Guest, FakeHost, FakeStream, list[Tcp]]:
    guest = Guest()
    guest.network.forward("tcp", 2222, 22)
    if answers:
        guest.arp()
    stream = guest.host.listeners[0].call(7001)
    return guest, guest.host, stream, tcps(ips(guest.wait()))


def test_a_forwarded_connection() -> None:
    guest, host, stream, segments = forwarded()
    syn, = segments
    assert host.listeners[0].port == 2222 and (syn.source, syn.target, syn.flags, syn.scale) == (7001, 22, SYN, 3)
    server = Caller(guest, GATEWAY, 7001, 22)
    server.ack = syn.seq + 1
    assert [got.flags for got in server.say(SYN | ACK, mss=1460, scale=7)] == [ACK]
    server.say(ACK, b"SSH-2.0")
    stream.arrived += b"hello"
    server.drain()
    assert stream.sent == b"SSH-2.0" and server.received == b"hello"
    stream.ended = True
    server.drain()
    server.say(ACK | FIN)
    guest.wait()
    assert stream.closed == "closed"


def test_the_guest_refuses_a_forwarded_connection() -> None:
    guest, _, stream, (syn,) = forwarded()
    server = Caller(guest, GATEWAY, 7001, 22)
    server.ack = syn.seq
    server.say(RST | ACK)
    assert not stream.closed                                # that acknowledges nothing of ours
    server.ack = syn.seq + 1
    server.say(RST | ACK)
    assert stream.closed == "reset"


def test_an_old_connection_of_the_guest_is_in_the_way() -> None:
    guest, _, stream, (syn,) = forwarded()
    server = Caller(guest, GATEWAY, 7001, 22)
    server.ack = 999
    assert [(got.flags, got.seq) for got in server.say(ACK)] == [(RST, 999)] and not stream.closed
    server.ack = syn.seq + 1
    assert [got.flags for got in server.say(SYN | ACK, mss=1460)] == [ACK]


def test_a_guest_that_is_not_up_yet_is_asked_again_for_two_minutes() -> None:
    guest, _, stream, segments = forwarded(answers=False)
    assert segments == []
    guest.wait(100_000)
    assert not stream.closed
    guest.arp()
    again = tcps(ips(guest.wait(33_000)))
    assert [got.flags for got in again] == [SYN] and not stream.closed
    guest.wait(200_000)
    assert stream.closed == "reset"


# -- bounds --------------------------------------------------------------------------------------------------

def test_connections_are_bounded() -> None:
    guest = Guest()
    callers = [Caller(guest, own_port=10_000 + n) for n in range(MOST + 1)]
    said = [caller.syn() for caller in callers]
    assert said[:-1] == [[]] * MOST and [got.flags for got in said[-1]] == [RST | ACK]
    for stream in guest.host.streams:
        stream.error = failure(ECONNREFUSED)
    guest.wait()
    assert callers[-1].say(SYN, seq=1) == []


# -- anything at all -----------------------------------------------------------------------------------------

class Peer(Caller):
    """A guest's TCP that keeps what is in order and sends again whatever is not acknowledged, over a bad cable."""

    def __init__(self, guest: Guest, r: Random, data: bytes) -> None:
        super().__init__(guest, scale=7)
        self.r, self.data, self.acked = r, data, 0
        self.first = 0

    def _hear(self, segments: list[Tcp]) -> None:
        for got in segments:
            if not self.r.randrange(6):
                continue                                    # lost
            if got.seq == self.ack & 0xFFFF_FFFF:
                self.received += got.data
                self.ack += got.length
                self.flags |= got.flags
            self.acked = max(self.acked, min(len(self.data) + 1, got.ack - self.first & 0xFFFF_FFFF))

    def round(self) -> None:
        guest, r = self.guest, self.r
        guest.now_ns += r.choice((0, 1_000_000, 300_000_000))
        self._hear(heard(self))
        for _ in range(r.randrange(6)):
            if self.acked > len(self.data):
                break
            at = self.acked + r.choice((0, 0, r.randrange(3000)))
            data = self.data[at:at + r.randrange(1, 1461)]
            fin = FIN if at + len(data) == len(self.data) else 0
            if at <= len(self.data) and r.randrange(6):
                self._hear(self.say(ACK | fin, data, seq=self.first + at))
        if r.randrange(6):
            self._hear(self.say(ACK, seq=self.first + self.acked))


@pytest.mark.parametrize("seed", SEEDS)
def test_both_directions_over_a_bad_cable(seed: int) -> None:
    print(f"seed {seed}")
    r, guest = Random(seed), Guest()
    guest.arp()
    up, down = r.randbytes(r.randrange(60_000)), r.randbytes(r.randrange(60_000))
    peer = Peer(guest, r, up)
    stream = peer.opened()
    peer.first = peer.seq
    left = down
    for _ in range(5000):
        count = r.choice((0, 10, 30_000))
        stream.arrived += left[:count]
        left, stream.takes = left[count:], r.choice((0, 100, 20_000))
        stream.ended = not left
        peer.round()
        if peer.flags & FIN and stream.finished:
            break
    assert peer.received == down and stream.sent == up and stream.finished
    peer.say(ACK, seq=peer.first + len(up) + 1)
    assert stream.closed == "closed"
