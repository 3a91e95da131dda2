"""Consoles: in order, nothing lost, nothing waited for."""
from __future__ import annotations

import io
import os
import socket
import sys
from pathlib import Path

import pytest

from vmm.errors import ConfigError
from vmm.guest.console import Console, InputQueue, MemoryConsole, StreamConsole, TcpConsole, Tee, open_console


def say(console: Console, text: bytes) -> None:
    for byte in text:
        console.put(byte)


def test_memory() -> None:
    console = MemoryConsole()
    say(console, b"ok \xff")
    console.type(b"ab")
    assert console.output == b"ok \xff" and console.text == "ok \ufffd"
    assert (console.poll(), console.poll()) == (b"ab", b"")


def test_the_queue_gives_as_much_as_there_is_room_for() -> None:
    queue = InputQueue()
    queue.put(b"abc")
    queue.put(b"de")
    assert (queue.take(4), len(queue), queue.take(4), queue.take()) == (b"abcd", 1, b"e", b"")


def test_a_tee_is_read_along() -> None:
    console, heard = MemoryConsole(), bytearray()
    tee = Tee(console, heard.append)
    say(tee, b"both")
    console.type(b"key")
    assert heard == console.output == b"both" and tee.poll() == b"key"
    tee.flush()
    tee.close()


def test_lines_go_out_whole() -> None:
    output = io.BytesIO()
    console = StreamConsole("x", output)
    say(console, b"half")
    assert output.getvalue() == b""
    say(console, b" line\nrest")
    assert output.getvalue() == b"half line\n"
    console.close()
    assert output.getvalue() == b"half line\nrest" and not output.closed


def test_a_long_line_goes_out_in_pieces() -> None:
    output = io.BytesIO()
    say(StreamConsole("x", output), b"-" * 5000)
    assert len(output.getvalue()) == 4096


def test_keys_come_from_a_descriptor_until_it_ends() -> None:
    reader, writer = os.pipe()
    console = StreamConsole("x", io.BytesIO(), reader)
    assert console.poll() == b"" and not console.keys_ended
    os.write(writer, b"ls\n")
    assert console.poll() == b"ls\n"
    os.close(writer)
    assert console.poll() == b"" and console.keys_ended and console.poll() == b""
    os.close(reader)


def test_a_descriptor_that_is_gone_is_the_end() -> None:
    reader, writer = os.pipe()
    console = StreamConsole("x", io.BytesIO(), reader)
    os.close(reader)
    os.close(writer)
    assert console.poll() == b"" and console.keys_ended


def test_a_file(tmp_path: Path) -> None:
    console = open_console(f"file:{tmp_path}/log")
    say(console, b"text")
    console.close()
    assert (tmp_path / "log").read_bytes() == b"text" and console.poll() == b""


def test_tcp() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        console = open_console(f"tcp:127.0.0.1:{server.getsockname()[1]}")
        assert isinstance(console, TcpConsole)
        peer, _ = server.accept()
        with peer:
            say(console, b"login: \n")
            assert peer.recv(100) == b"login: \n"
            peer.sendall(b"root")
            keys = b""
            while len(keys) < 4:
                keys += console.poll()
            assert keys == b"root"
            console.close()
            assert peer.recv(100) == b""


def test_stdio(monkeypatch: pytest.MonkeyPatch) -> None:
    output = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(output, write_through=True))
    monkeypatch.setattr(sys, "stdin", None)
    console = open_console("stdio")
    say(console, b"shown\n")
    assert output.getvalue() == b"shown\n" and console.poll() == b""


@pytest.mark.parametrize(("spec", "message"), [
    ("", "no such console; choose stdio, pty, file:FILE, tcp:HOST:PORT or memory"),
    ("telnet:x:1", "no such console"), ("stdio:x", "no such console"), ("file", "no such console"),
    ("file:", "cannot be opened: No such file"), ("file:/", "cannot be opened: Is a directory"),
    ("file:a\0b", "cannot be opened"), ("tcp:", "is not HOST:PORT"), ("tcp:host", "is not HOST:PORT"),
    ("tcp:h:0", "is not HOST:PORT"), ("tcp:h:99999999", "is not HOST:PORT"), ("tcp:h:x", "is not HOST:PORT"),
    ("tcp:h:²", "is not HOST:PORT")])
def test_what_cannot_be_opened(spec: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        open_console(spec)
    assert str(caught.value).startswith(f"--serial {spec}: ")


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ConfigError, match="cannot be connected to: Connection refused"):
        open_console(f"tcp:127.0.0.1:{port}")


def test_what_cannot_be_delivered_is_an_error() -> None:
    output = io.BytesIO()
    console = StreamConsole("--serial x", output)
    output.close()
    with pytest.raises(ConfigError, match="--serial x: cannot be written: .*choose another"):
        say(console, b"line\n")
