"""The terminal that the user sits at: whose it is, and raw mode.

Invariant: whatever happens, the terminal is as it was when ``raw`` is left.
"""
from __future__ import annotations

import os
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress

INPUT, OUTPUT, LOCAL, CONTROL = 0, 1, 3, 6                  # fields of tcgetattr's list
NOT_INPUT = (termios.IGNBRK | termios.BRKINT | termios.PARMRK | termios.ISTRIP | termios.INLCR | termios.IGNCR
             | termios.ICRNL | termios.IXON)
NOT_LOCAL = termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN


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
        with suppress(termios.error):                       # it is gone: nothing is left to put back
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)
