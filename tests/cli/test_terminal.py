"""The user's side: keys that leave, the terminal put back, signals, and the debugger's port."""
from __future__ import annotations

import os
import pty
import re
import signal
import socket
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import vmm
from vmm.cli.terminal import Keyboard, LineWatch
from vmm.guest.console import MemoryConsole

ROOT = Path(vmm.__file__).parent.parent
LOOP, NOP = 0x1000_FFFF, 0
LOCAL = 3                                                   # in tcgetattr's list


@pytest.mark.parametrize(("typed", "kept", "left"), [
    (b"abc", b"abc", False), (b"a\x01x", b"a", True), (b"\x01\x01", b"\x01", False), (b"\x01b", b"", False)])
def test_escapes(typed: bytes, kept: bytes, left: bool) -> None:
    keyboard, console = Keyboard(), MemoryConsole()
    keyboard.connect(console, escapes=True)
    for key in typed:                                       # one at a time, as people type
        console.type(bytes([key]))
        keyboard.pump()
    assert (keyboard.poll(), keyboard.left) == (kept, left)


def test_what_is_piped_in_has_no_escapes() -> None:
    keyboard, console = Keyboard(), MemoryConsole()
    keyboard.connect(console, escapes=False)
    console.type(b"\x01x")
    assert (keyboard.poll(), keyboard.left) == (b"\x01x", False)


def test_a_line_is_watched_byte_by_byte() -> None:
    found: list[int] = []
    watch = LineWatch(re.compile(rb"^login: $"), lambda: found.append(1))
    for byte in b"last login: never\r\nlogin:":
        watch(byte)
    assert not found
    watch(ord(" "))
    assert found == [1]


@contextmanager
def started(*arguments: str, keys: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A command as a process, with its standard input on ``keys``."""
    process = subprocess.Popen([sys.executable, "-m", "vmm", *arguments], env={**os.environ, "PYTHONPATH": str(ROOT)},
                               stdin=subprocess.PIPE if keys is None else keys, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, start_new_session=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for(process: subprocess.Popen[bytes], text: bytes) -> bytes:
    assert process.stderr is not None
    while line := process.stderr.readline():
        if text in line:
            return line
    raise AssertionError(f"no {text!r}")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_run_with_a_report(number: int, status: int, code: Callable[..., str]) -> None:
    with started("run", code(LOOP, NOP), "--mode", "bare", "--gdb", "0", "--json") as process:
        wait_for(process, b"target remote")
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert process.returncode == status
    assert b'"cause": "signal"' in out and err.startswith(b"vmm: ended by SIG")


def test_the_terminal_is_raw_while_the_guest_runs_and_as_before_afterwards(code: Callable[..., str]) -> None:
    outer, inner = pty.openpty()
    try:
        before = termios.tcgetattr(inner)
        with started("run", code(LOOP, NOP), "--mode", "bare", "--gdb", "0", "--stats", keys=inner) as process:
            wait_for(process, b"target remote")
            assert not termios.tcgetattr(inner)[LOCAL] & (termios.ECHO | termios.ICANON | termios.ISIG)
            os.write(outer, b"\x03\x01x")                   # Ctrl-C is the guest's
            out, _ = process.communicate(timeout=30)
        assert process.returncode == 0 and b"left with Ctrl-A x" in out
        assert termios.tcgetattr(inner) == before
    finally:
        os.close(outer)
        os.close(inner)


@pytest.mark.parametrize("noise", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"$g#00$m,,,#zz\x03+-$#", b"\xff" * 100_000])
def test_noise_on_the_debugger_port_changes_nothing(noise: bytes, code: Callable[..., str]) -> None:
    """The guest stands and waits for a debugger; a stranger comes and goes; the run still ends by its limit."""
    with started("run", code(LOOP, NOP), "--mode", "bare", "--gdb", "0", "-S", "--timeout", "1") as process:
        port = int(wait_for(process, b"target remote").rpartition(b":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as stranger:
            with suppress(ConnectionError):
                stranger.sendall(noise)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 124
    assert err.startswith(b"vmm: --timeout 1") and err.count(b"\n") == 1
