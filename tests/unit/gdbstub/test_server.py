"""The port: one client at a time, reconnects, and what becomes of the machine."""
from __future__ import annotations

import re
import select
import socket
from collections.abc import Iterator
from itertools import count

import pytest

from vmm.errors import ConfigError
from vmm.gdbstub import Server, listen, serve
from vmm.gdbstub.wire import frame

from .client import GDB_13
from .machine import BASE, Machine

STEPS = 50


@pytest.fixture
def server(machine: Machine) -> Iterator[Server]:
    server = Server(machine, listen("0"))
    yield server
    server.close()


def connect(server: Server) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", server.port))
    client.setblocking(False)
    return client


def talk(server: Server, client: socket.socket, data: bytes, frames: int = 0) -> bytes:
    """Send, and step the server until so many replies are there, or (for none) for a while."""
    client.sendall(data)
    said = b""
    for step in count():
        if step >= STEPS and (not frames or step >= STEPS * STEPS):
            break
        server.step(wait=False)
        if frames and server.idle:
            select.select([client, *server.sockets()], [], [], 0.1)
        try:
            said += (piece := client.recv(1 << 20))
        except BlockingIOError:
            continue
        if not piece or (frames and len(re.findall(rb"#[0-9a-f]{2}", said)) == frames):
            break
    return said


def ask(server: Server, client: socket.socket, body: str) -> str:
    said = talk(server, client, frame(body.encode()), frames=1)
    assert said.startswith(b"+$"), said
    return said[2:-3].decode()


def is_closed(server: Server, client: socket.socket) -> bool:
    for _ in range(STEPS):
        server.step(wait=False)
        try:
            return client.recv(1) == b""
        except BlockingIOError:
            pass
        except ConnectionResetError:
            return True
    return False


def test_a_client_is_served(server: Server) -> None:
    with connect(server) as client:
        assert ask(server, client, "vMustReplyEmpty") == ""
        assert "PacketSize" in ask(server, client, GDB_13)


def test_a_packet_may_come_byte_by_byte(server: Server) -> None:
    with connect(server) as client:
        for byte in frame(b"qC")[:-1]:
            assert talk(server, client, bytes((byte,))) == b""
        assert talk(server, client, frame(b"qC")[-1:], frames=1) == b"+" + frame(b"QC1")


def test_a_second_client_is_sent_away_and_the_first_stays(server: Server) -> None:
    with connect(server) as first, connect(server) as second:
        assert ask(server, first, "qC") == "QC1"
        assert is_closed(server, second)
        assert ask(server, first, "qC") == "QC1"


def test_http_is_dropped_before_it_says_more(server: Server, machine: Machine) -> None:
    with connect(server) as browser:
        said = talk(server, browser, b"POST / HTTP/1.1\r\n\r\n" + frame(f"M{BASE:x},1:7f".encode()))
        assert said == b""
        assert is_closed(server, browser)
    assert machine.memory[1][0] == 0
    with connect(server) as client:
        assert ask(server, client, "qC") == "QC1"


def test_modes_and_breakpoints_end_with_the_connection(server: Server, machine: Machine) -> None:
    with connect(server) as client:
        ask(server, client, GDB_13)
        ask(server, client, f"Z0,{BASE:x},4")
        ask(server, client, "QStartNoAckMode")
    with connect(server) as client:
        assert ask(server, client, "qC") == "QC1"       # acknowledged, and without "p1."
    assert machine.breaks == []


def test_a_client_that_vanishes_leaves_the_machine_stopped(server: Server, machine: Machine) -> None:
    with connect(server) as client:
        assert talk(server, client, frame(b"c")) == b"+"
        assert not server.idle
    for _ in range(5):
        server.step(wait=False)
    assert server.idle
    with connect(server) as client:
        assert ask(server, client, "?").startswith("T02")


def test_a_client_that_detaches_lets_it_run_and_the_next_stops_it(server: Server, machine: Machine) -> None:
    with connect(server) as client:
        assert ask(server, client, "D") == "OK"
        assert not server.idle
        assert ask(server, client, "qC") == "E16"       # it can still ask, and sees nothing
    before = machine.fake_threads[2].pc
    server.step(wait=False)
    assert machine.fake_threads[2].pc != before         # all processes run, the hidden one too
    with connect(server) as client:
        assert ask(server, client, "?").startswith("T02")
        assert server.idle


def test_without_hold_the_machine_runs_until_a_client_comes(machine: Machine) -> None:
    server = Server(machine, listen("0"), hold=False)
    server.step()
    assert machine.fake_threads[0].pc > BASE
    with connect(server) as client:
        assert ask(server, client, "?").startswith("T02")
    server.close()


def test_a_client_that_does_not_read_is_given_no_more(server: Server) -> None:
    with connect(server) as client:
        asked = frame(f"m{BASE:x},10000".encode()) * 40
        client.sendall(asked)
        for _ in range(STEPS):
            server.step(wait=False)
        held = len(server.connection.output) if server.connection else 0
        for _ in range(STEPS):
            server.step(wait=False)
        assert server.connection is not None
        assert len(server.connection.output) == held
        assert talk(server, client, b"", frames=40).count(b"$") == 40


def test_serve_ends_when_everything_has(machine: Machine) -> None:
    listener = listen("127.0.0.1:0")
    with socket.create_connection(listener.getsockname()) as client:
        client.sendall(frame(b"vKill;1") + frame(b"vKill;2"))
        client.shutdown(socket.SHUT_WR)
        machine.memory.pop(2)
        serve(machine, listener)
        assert client.recv(100).startswith(b"+" + frame(b"OK"))
    assert machine.processes() == []


@pytest.mark.parametrize("address", ["", "x", "-1", "65536", "127.0.0.1:", "12 34", "\u0663"])
def test_a_port_that_is_none(address: str) -> None:
    with pytest.raises(ConfigError, match="is no port"):
        listen(address)


def test_a_busy_port_is_one_clear_line() -> None:
    with listen("0") as listener:
        port = listener.getsockname()[1]
        with pytest.raises(ConfigError) as busy:
            listen(f"127.0.0.1:{port}")
    assert str(busy.value) == (f"--gdb 127.0.0.1:{port}: cannot listen on 127.0.0.1:{port} (Address already "
                               "in use). Choose another port, or 0 for any that is free.")
