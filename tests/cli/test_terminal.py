"""The user's side: keys for us, the monitor, the terminal put back or gone, signals, and the debugger's port."""
from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import vmm
from tests.support.cli import vmm as vmm_here
from tests.support.engines import encode
from vmm.cli.keyboard import ESCAPES, Keyboard, LineWatch
from vmm.cli.prompt import OWN, Prompt
from vmm.guest.console import ConsoleError, MemoryConsole

ROOT = Path(vmm.__file__).parent.parent
LOOP, NOP = 0x1000_FFFF, 0
LOCAL = 3                                                   # in tcgetattr's list


class Echo:
    """Answers a line with itself."""
    usages = [("echo [WORD]", "what it is told")]

    def answer(self, line: str) -> str:
        return f"<{line}>\n"


def typed_to(keyboard: Keyboard, console: MemoryConsole, keys: bytes) -> None:
    """One at a time, as people type."""
    for key in keys:
        console.type(bytes([key]))
        keyboard.pump()


@pytest.fixture
def console() -> MemoryConsole:
    return MemoryConsole()


@pytest.fixture
def keyboard(console: MemoryConsole) -> Keyboard:
    keyboard = Keyboard()
    keyboard.connect(console, Echo())
    return keyboard


@pytest.mark.parametrize(("typed", "kept", "left"), [
    (b"abc", b"abc", ""), (b"a\x01x", b"a", "Ctrl-A x"), (b"\x01\x01", b"\x01", ""), (b"\x01b", b"", "")])
@pytest.mark.parametrize("at_once", [False, True])
def test_escapes(typed: bytes, kept: bytes, left: str, at_once: bool, keyboard: Keyboard, console: MemoryConsole) -> None:
    if at_once:
        console.type(typed)
    else:
        typed_to(keyboard, console, typed)
    assert (keyboard.poll(), keyboard.left) == (kept, left)


def test_what_is_piped_in_has_no_escapes(console: MemoryConsole) -> None:
    keyboard = Keyboard()
    keyboard.connect(console)
    console.type(b"\x01x\x01c")
    assert (keyboard.poll(), keyboard.left, keyboard.standing) == (b"\x01x\x01c", "", False)


# -- the monitor ---------------------------------------------------------------------------------------------------

def test_the_keys_are_listed_on_a_line_of_their_own(keyboard: Keyboard, console: MemoryConsole) -> None:
    keyboard.put(ord("#"))
    typed_to(keyboard, console, b"\x01h")
    first, *lines = console.text.splitlines()
    assert first == "#" and [line[7] for line in lines[:len(ESCAPES)]] == list(ESCAPES)
    assert keyboard.poll() == b"" and not keyboard.standing


@pytest.mark.parametrize("back", [b"cont\r", b"\x01c", b"\x04"])
def test_the_monitor_takes_keys_until_one_goes_back(back: bytes, keyboard: Keyboard, console: MemoryConsole) -> None:
    typed_to(keyboard, console, b"a\x01c")
    assert keyboard.standing and console.text == "(vmm) "
    typed_to(keyboard, console, b"tlb host\r" + back)
    assert console.text.startswith("(vmm) tlb host\n<tlb host>\n(vmm) ")
    assert not keyboard.standing
    typed_to(keyboard, console, b"b")
    assert (keyboard.poll(), keyboard.left) == (b"ab", "")


def test_what_follows_the_key_in_one_read_is_the_monitors(keyboard: Keyboard, console: MemoryConsole) -> None:
    console.type(b"x\x01chello\rcont\ry")
    assert keyboard.poll() == b"xy" and "<hello>" in console.text


@pytest.mark.parametrize(("typed", "line"), [
    (b"cp1\x7f0\r", "cp0"), (b"ab\x08\x08\x08c\r", "c"), (b"rubbish\x15tlb\n", "tlb"), (b"x\x03y\r", "y"),
    (b"\x1b[Aup\x1b[3~\r", "up"), (b" a  b \r", "a  b"), (b"\xc3\xa9\0e\r", "e"), (b"\ra\x04\r", "a"),
    (b"z" * 2000 + b"\r", "z" * 1000)])
def test_a_line_is_edited(typed: bytes, line: str, console: MemoryConsole) -> None:
    said: list[str] = []
    prompt = Prompt(Echo(), said.append)
    prompt.enter()
    for key in typed:
        prompt.type(key)
    assert [text for text in said if text.startswith("<")] == [f"<{line}>\n"] and prompt.open


def test_the_monitors_help_lists_its_own_commands_and_the_machines(keyboard: Keyboard, console: MemoryConsole) -> None:
    typed_to(keyboard, console, b"\x01chelp\r")
    words = [line.split()[0] for line in console.text.splitlines()[1:-1]]
    assert words == [*OWN, "echo"]


def test_quit_ends_the_run(keyboard: Keyboard, console: MemoryConsole) -> None:
    typed_to(keyboard, console, b"\x01cquit\r")
    assert keyboard.left == "quit" and not keyboard.standing


class Full(MemoryConsole):
    """A console that takes three bytes."""

    def put(self, byte: int) -> None:
        super().put(byte)
        if len(self.output) > 3:
            raise ConsoleError("no room", 28)


def test_a_console_that_fails_is_no_exception_in_a_device() -> None:
    keyboard, console = Keyboard(), Full()
    keyboard.connect(console)
    for byte in b"abcdef":
        keyboard.put(byte)
    keyboard.flush()
    assert str(keyboard.failure) == "no room" and console.output == b"abcd"


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


# -- a terminal ----------------------------------------------------------------------------------------------------

SAY = [encode("24Kf", line) for line in ("lui $t1, 0xb800", "addiu $t0, $zero, 0x2e", "sb $t0, 0x3f8($t1)")]
SAY_FOREVER = [*SAY, 0x1000_FFFE, NOP]                      # dots, to the end of time


def read_until(terminal: int, text: bytes) -> bytes:
    said = b""
    while text not in said:
        assert select.select([terminal], [], [], 60)[0], said
        said += os.read(terminal, 4096)
    return said


@contextmanager
def at_a_terminal(*arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A command with a terminal of its own for everything, and the other end of that."""
    outer, inner = pty.openpty()
    process = subprocess.Popen([sys.executable, "-m", "vmm", *arguments], env={**os.environ, "PYTHONPATH": str(ROOT)},
                               stdin=inner, stdout=inner, stderr=subprocess.PIPE, start_new_session=True,
                               preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
    os.close(inner)
    try:
        yield process, outer
    finally:
        process.kill()
        process.communicate()
        with suppress(OSError):
            os.close(outer)


def test_a_session_with_the_monitor_on_a_terminal(code: Callable[..., str]) -> None:
    with at_a_terminal("run", code(LOOP, NOP), "--mode", "vz") as (process, terminal):
        os.write(terminal, b"\x01c")
        read_until(terminal, b"(vmm) ")
        os.write(terminal, b"disasm\r")
        assert b"80100000: 1000ffff  b" in read_until(terminal, b"\n(vmm) ")
        os.write(terminal, b"nothing\r")
        assert b"no command 'nothing'" in read_until(terminal, b"\n(vmm) ")
        os.write(terminal, b"quit\r")
        assert process.wait(60) == 0


@pytest.mark.parametrize("guest", [SAY_FOREVER, [LOOP, NOP]], ids=["says", "is-silent"])
def test_a_terminal_that_goes_away_ends_the_run(guest: list[int], code: Callable[..., str]) -> None:
    with at_a_terminal("run", code(*guest), "--mode", "bare", "--stats") as (process, terminal):
        os.write(terminal, b"\x01h")
        read_until(terminal, b"end the run")
        os.close(terminal)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGHUP
    assert err in (b"vmm: ended by SIGHUP\n", b"vmm: --serial stdio: its terminal is gone\n")


def test_a_pipe_that_nobody_reads_any_more_ends_the_run(code: Callable[..., str]) -> None:
    with started("run", code(*SAY_FOREVER), "--mode", "bare", "--stats") as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.read(1)
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(60) == 128 + signal.SIGPIPE
    assert err == b"vmm: --serial stdio: its reader is gone\n"


def test_a_peer_that_hangs_up_ends_the_run(code: Callable[..., str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: server.accept()[0].close()).start()
        console = f"tcp:127.0.0.1:{server.getsockname()[1]}"
        ran = vmm_here("run", code(*SAY_FOREVER), "--mode", "bare", "--serial", console)
    assert ran.status == 128 + signal.SIGPIPE
    assert re.fullmatch(f"vmm: --serial {console}: its (peer|reader) is gone\n", ran.err)


def test_a_full_disk_is_told(code: Callable[..., str]) -> None:
    ran = vmm_here("run", code(*SAY_FOREVER), "--mode", "bare", "--serial", "file:/dev/full", "--stats")
    assert ran.status == 125 and "instructions" in ran.out
    assert ran.err == "vmm: --serial file:/dev/full: cannot be written: No space left on device; choose another console\n"


def test_a_console_on_a_pseudoterminal(code: Callable[..., str]) -> None:
    """The guest says a dot and waits; the terminal's path is told, and the run ends with all that was said read."""
    with started("run", code(*SAY, LOOP, NOP), "--mode", "bare", "--serial", "pty", "--until", r"\.",
                 "--gdb", "0", "-S") as process:
        path = wait_for(process, b"vmm: console: ").split()[-1]
        port = int(wait_for(process, b"target remote").rpartition(b":")[2])
        terminal = os.open(path, os.O_RDWR | os.O_NOCTTY)
        with socket.create_connection(("127.0.0.1", port), timeout=10) as debugger:
            debugger.sendall(b"$c#63")
            assert os.read(terminal, 10) == b"."
        assert process.wait(60) == 0
        os.close(terminal)
