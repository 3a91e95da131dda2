"""The host's sockets, on the loopback of the computer that tests."""
from __future__ import annotations

import select
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from vmm.errors import ConfigError
from vmm.guest.net.card import Forward, parse, user_card
from vmm.guest.net.sockets import LOOPBACK, HostSockets, resolver_in

PATIENCE = 10.0


@pytest.fixture
def sockets() -> Iterator[HostSockets]:
    with closing(HostSockets()) as made:
        yield made


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server((LOOPBACK, 0)) as made:
        made.settimeout(PATIENCE)
        yield made


def port_of(made: socket.socket) -> int:
    found: int = made.getsockname()[1]
    return found


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as made:
        made.bind((LOOPBACK, 0))
        return port_of(made)


def until(sockets: HostSockets, done: Callable[[], object]) -> None:
    """Poll as between runs, and wait by the descriptor that stands for all sockets."""
    for _ in range(100):
        if done():
            return
        assert select.select([sockets.fileno()], [], [], PATIENCE)[0], "nothing came"
        sockets.poll()
    raise AssertionError("it never came to that")


def test_a_connection_that_is_accepted(sockets: HostSockets, server: socket.socket) -> None:
    calls: list[bool] = []
    stream = sockets.connect((LOOPBACK, port_of(server)), lambda: calls.append(stream.established()))
    stream.want(False, True)
    until(sockets, lambda: True in calls)
    with server.accept()[0] as peer:
        stream.want(False, False)
        assert stream.receive(100) is None
        assert stream.send(b"to the peer") == 11 and peer.recv(100) == b"to the peer"
        peer.sendall(b"from the peer")
        calls.clear()
        assert not select.select([sockets.fileno()], [], [], 0.05)[0]           # nobody wants it yet
        stream.want(True, False)
        until(sockets, lambda: calls)
        assert stream.receive(4) == b"from" and stream.receive(100) == b" the peer"
        stream.finish()
        assert peer.recv(100) == b""
        peer.shutdown(socket.SHUT_WR)
        until(sockets, lambda: stream.receive(100) == b"")
    stream.close()
    stream.close()


def test_a_peer_that_does_not_read(sockets: HostSockets, server: socket.socket) -> None:
    done: list[bool] = []
    stream = sockets.connect((LOOPBACK, port_of(server)), lambda: done.append(stream.established()))
    stream.want(False, True)
    until(sockets, lambda: done)
    with server.accept()[0]:
        data = bytes(1 << 20)
        while taken := stream.send(data):
            assert taken <= len(data)
        sockets.poll()
        done.clear()
        assert not select.select([sockets.fileno()], [], [], 0)[0] and not done


def test_a_refused_connection(sockets: HostSockets) -> None:
    errors: list[OSError] = []

    def ready() -> None:
        try:
            stream.established()
        except OSError as error:
            errors.append(error)
            stream.want(False, False)
    stream = sockets.connect((LOOPBACK, free_port()), ready)
    stream.want(False, True)
    until(sockets, lambda: errors)
    assert isinstance(errors[0], ConnectionRefusedError)


def test_what_can_not_even_begin(sockets: HostSockets) -> None:
    with pytest.raises(OSError, match="Errno"):
        sockets.connect(("255.255.255.255", 80), lambda: None)


def test_a_reset_reaches_the_peer(sockets: HostSockets, server: socket.socket) -> None:
    done: list[bool] = []
    stream = sockets.connect((LOOPBACK, port_of(server)), lambda: done.append(stream.established()))
    stream.want(False, True)
    until(sockets, lambda: done)
    with server.accept()[0] as peer:
        stream.close(reset=True)
        with pytest.raises(ConnectionResetError):
            peer.recv(1)


def test_one_that_is_closed_meanwhile_is_not_served(sockets: HostSockets, server: socket.socket) -> None:
    """Both are ready in the same poll, and whichever is served first closes the other."""
    served: list[int] = []

    def ready(number: int) -> None:
        served.append(number)
        streams[1 - number].close()
    streams = [sockets.connect((LOOPBACK, port_of(server)), lambda n=n: ready(n)) for n in range(2)]  # type: ignore[misc]
    for stream in streams:
        stream.want(False, True)
    peers = [server.accept()[0] for _ in streams]
    select.select([sockets.fileno()], [], [], 0.2)
    sockets.poll()
    assert len(served) == 1
    for peer in peers:
        peer.close()


def test_datagrams(sockets: HostSockets) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind((LOOPBACK, 0))
        peer.settimeout(PATIENCE)
        got: list[object] = []
        made = sockets.datagrams((LOOPBACK, port_of(peer)), lambda: got.append(made.receive()))
        made.send(b"question")
        data, sender = peer.recvfrom(100)
        peer.sendto(b"answer", sender)
        until(sockets, lambda: got)
        assert data == b"question" and got == [(b"answer", (LOOPBACK, port_of(peer)))] and made.receive() is None
    made.send(b"to nobody")
    got.clear()
    with pytest.raises(ConnectionRefusedError):
        until(sockets, lambda: got)


def test_a_forwarded_port_is_the_loopbacks(sockets: HostSockets) -> None:
    accepted: list[object] = []
    port = free_port()
    listener = sockets.listen(port, lambda: accepted.append(listener.accept()))
    with socket.create_connection((LOOPBACK, port), timeout=PATIENCE) as caller:
        until(sockets, lambda: accepted)
        stream, address = accepted[0]                       # type: ignore[misc]
        assert address == caller.getsockname() and listener.accept() is None
        caller.sendall(b"hello")
        stream.want(True, False)
        until(sockets, lambda: True)
        assert select.select([sockets.fileno()], [], [], PATIENCE)[0] and stream.receive(9) == b"hello"
    door = sockets.bind(port, lambda: None)                 # the same number, of UDP
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.sendto(b"hello", (LOOPBACK, port))
        assert select.select([sockets.fileno()], [], [], PATIENCE)[0]
        assert door.receive() == (b"hello", (LOOPBACK, port_of(peer)))


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_port_in_use_is_refused_in_one_line(protocol: str) -> None:
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind((LOOPBACK, 0))
        if protocol == "tcp":
            other.listen()
        with pytest.raises(ConfigError, match=f"port {port_of(other)} of {LOOPBACK} cannot be forwarded: Address already"):
            user_card(f"user,fwd={protocol}:{port_of(other)}:22")


def test_all_is_closed_at_the_end() -> None:
    port = free_port()
    card = user_card(f"user,fwd=tcp:{port}:22,fwd=udp:{port}:53")
    assert card.network.awaits
    card.network.close()
    user_card(f"user,fwd=tcp:{port}:22,fwd=udp:{port}:53").network.close()


# -- words -------------------------------------------------------------------------------------------------------

def test_the_options_words() -> None:
    assert parse("user") == ()
    assert parse("user,fwd=tcp:2222:22,fwd=udp:2222:53") == (Forward("tcp", 2222, 22), Forward("udp", 2222, 53))


@pytest.mark.parametrize(("spec", "told"), [
    ("", "there is no network ''"), ("tap", "there is no network 'tap'"), ("fwd=tcp:1:2", "there is no network"),
    ("user,", "'' forwards nothing"), ("user,fwd=tcp:22", "forwards nothing"), ("user,fwd=tcp:0:22", "forwards nothing"),
    ("user,fwd=tcp:80:65536", "forwards nothing"), ("user,fwd=sctp:1:2", "forwards nothing"),
    ("user,fwd=tcp:1:2:3", "forwards nothing"), ("user,fwd=tcp:-1:2", "forwards nothing"),
    ("user,fwd=tcp:٣:4", "forwards nothing"),
    ("user,fwd=tcp:80:1,fwd=udp:80:1,fwd=tcp:80:2", "tcp port 80 is forwarded twice")])
def test_other_words_are_refused(spec: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as refusal:
        parse(spec)
    assert str(refusal.value).startswith(f"--net {spec}: ") and "give" in str(refusal.value)


@pytest.mark.parametrize(("text", "found"), [
    ("nameserver 192.0.2.1\nnameserver 192.0.2.2\n", "192.0.2.1"), ("# nameserver 1.1.1.1\nsearch x\n", None), ("", None),
    ("nameserver\nnameserver nonsense\n nameserver  2001:db8::1 # six\n", "2001:db8::1")])
def test_the_hosts_resolver(text: str, found: str | None, tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_text(text)
    assert resolver_in(str(tmp_path / "resolv.conf")) == found and resolver_in(str(tmp_path / "absent")) is None
