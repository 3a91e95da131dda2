"""The user's side of the console: raw terminal, the keys that leave, the line that ``--until`` waits for.

Invariant: whatever happens, the terminal is as it was when ``raw`` is left.
"""
from __future__ import annotations

import os
import re
import select
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vmm.guest.console import Console, InputQueue, MemoryConsole

ESCAPE, LEAVE = 0x01, ord("x")                              # Ctrl-A x; Ctrl-A twice types one
LONGEST_LINE = 1 << 16
INPUT, OUTPUT, LOCAL, CONTROL = 0, 1, 3, 6                  # fields of tcgetattr's list
NOT_INPUT = (termios.IGNBRK | termios.BRKINT | termios.PARMRK | termios.ISTRIP | termios.INLCR | termios.IGNCR
             | termios.ICRNL | termios.IXON)
NOT_LOCAL = termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN


class Keyboard:
    """A console whose keys are looked through for the escape, if they come from a terminal.

    It stands for its console before that is opened, which is done last, when nothing can be wrong any more.
    """

    def __init__(self) -> None:
        self._console: Console = MemoryConsole()
        self._escapes = False
        self._keys = InputQueue()
        self._escaped = False
        self.left = False

    def connect(self, console: Console, escapes: bool) -> None:
        self._console, self._escapes = console, escapes

    @property
    def ended(self) -> bool:
        """No key can come any more."""
        return bool(getattr(self._console, "keys_ended", False)) and not self._keys

    def pump(self) -> None:
        """Take what was typed, so that the escape is heard while the guest stands."""
        typed = self._console.poll()
        self._keys.put(self._without_escapes(typed) if self._escapes else typed)

    def _without_escapes(self, typed: bytes) -> bytes:
        kept = bytearray()
        for key in typed:
            if self._escaped:
                self._escaped = False
                self.left = self.left or key == LEAVE
                if key == ESCAPE:
                    kept.append(key)
            elif key == ESCAPE:
                self._escaped = True
            else:
                kept.append(key)
        return bytes(kept)

    def put(self, byte: int) -> None:
        self._console.put(byte)

    def poll(self) -> bytes:
        self.pump()
        return self._keys.take()

    def flush(self) -> None:
        self._console.flush()

    def close(self) -> None:
        self._console.close()


class LineWatch:
    """Calls ``found`` at the first byte with which a line of the console matches."""

    def __init__(self, pattern: re.Pattern[bytes], found: Callable[[], None]) -> None:
        self._pattern, self._found = pattern, found
        self._line = bytearray()

    def __call__(self, byte: int) -> None:
        if byte == 0x0A:
            self._line.clear()
        elif byte != 0x0D and len(self._line) < LONGEST_LINE:
            self._line.append(byte)
            if self._pattern.search(self._line):
                self._found()


def keys() -> int | None:
    """The descriptor of standard input, or None where there is none, as in a service."""
    try:
        return sys.stdin.fileno()
    except (OSError, ValueError, AttributeError):
        return None


def interactive(serial: str) -> bool:
    """A person types at the console: standard input is a terminal, and ours rather than another job's."""
    terminal = keys()
    if serial != "stdio" or terminal is None or not os.isatty(terminal):
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:                                         # not the terminal of this session: nobody else's either
        return True


@contextmanager
def raw(wanted: bool) -> Iterator[None]:
    """Every key goes to the guest, Ctrl-C too; output is still processed, so new lines start at the left."""
    if not wanted:
        yield
        return
    terminal = sys.stdin.fileno()
    before, changed = termios.tcgetattr(terminal), termios.tcgetattr(terminal)
    changed[INPUT] &= ~NOT_INPUT
    changed[LOCAL] &= ~NOT_LOCAL
    changed[CONTROL][termios.VMIN], changed[CONTROL][termios.VTIME] = 1, 0
    termios.tcsetattr(terminal, termios.TCSANOW, changed)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def wait_for_key(seconds: float) -> None:
    """The guest idles: let the host's CPU do so too."""
    terminal = keys()
    try:
        select.select([] if terminal is None else [terminal], [], [], seconds)
    except (OSError, ValueError):                           # it was closed meanwhile
        return
