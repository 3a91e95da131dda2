"""A console on a pseudoterminal: whoever opens it gets all that waited, and types; nobody need be there."""
from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from vmm.guest import pseudoterminal
from vmm.guest.console import Console, Waitable, open_console
from vmm.guest.pseudoterminal import PtyConsole

SECONDS = 20.0


@pytest.fixture
def console() -> PtyConsole:
    found = open_console("pty")
    assert isinstance(found, PtyConsole)
    return found


def say(console: Console, text: bytes) -> None:
    for byte in text:
        console.put(byte)


def until(true: Callable[[], object]) -> None:
    """The kernel hands bytes over a little later."""
    end = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < end
        time.sleep(0.001)


def opened(console: PtyConsole) -> int:
    return os.open(console.path, os.O_RDWR | os.O_NOCTTY)


def test_who_comes_late_gets_what_was_said(console: PtyConsole) -> None:
    say(console, b"early\n")
    assert not console.connected and console.descriptor is None and console.poll() == b""
    terminal = opened(console)
    say(console, b"late\n")
    assert os.read(terminal, 100) == b"early\nlate\n"
    os.close(terminal)
    console.close()


def test_keys_come_as_typed_and_are_not_echoed(console: PtyConsole) -> None:
    terminal, typed = opened(console), bytearray()
    os.write(terminal, b"ls\r\x03\x04")
    until(lambda: typed.extend(console.poll()) or len(typed) == 5)
    assert typed == b"ls\r\x03\x04" and not console.keys_ended
    say(console, b".\n")
    assert os.read(terminal, 100) == b".\n"
    os.close(terminal)
    assert console.poll() == b"" and not console.keys_ended
    console.close()


def test_it_can_be_waited_for(console: PtyConsole) -> None:
    assert isinstance(console, Waitable)
    terminal = opened(console)
    assert console.descriptor is not None
    os.close(terminal)
    console.close()


def test_what_nobody_reads_is_held_to_a_limit(console: PtyConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pseudoterminal, "MOST_WAITING", 1000)
    for number in range(500):
        say(console, b"%04d\n" % number)
    terminal, said = opened(console), bytearray()
    while len(said) < 1000:
        console.flush()
        said += os.read(terminal, 4096)
    assert said == b"".join(b"%04d\n" % number for number in range(300, 500))
    os.close(terminal)
    console.close()


def test_a_slow_reader_loses_nothing_at_the_end(console: PtyConsole) -> None:
    terminal, said = opened(console), bytearray()

    def read() -> None:
        with suppress(OSError):                             # the console has gone
            while data := os.read(terminal, 512):
                said.extend(data)
    reader = threading.Thread(target=read)
    text = b"".join(b"line %d\n" % number for number in range(5000))
    say(console, text)
    reader.start()
    console.close()
    reader.join(SECONDS)
    assert said == text
    os.close(terminal)


def test_a_reader_that_does_not_read_holds_nothing_up(console: PtyConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pseudoterminal, "MOST_LOOKS", 5)
    terminal = opened(console)
    say(console, b"x" * 99 + b"\n")
    say(console, (b"x" * 99 + b"\n") * 1000)
    console.close()
    os.close(terminal)


def test_closing_without_anybody_takes_no_time(console: PtyConsole) -> None:
    say(console, b"text\n")
    before = time.process_time()
    console.close()
    assert time.process_time() - before < 0.5
