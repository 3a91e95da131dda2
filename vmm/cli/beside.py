"""Guests beside the first one (``--beside``): what they say appears on its console line by line, under their names.

Invariant: what the first guest says is not changed, only parted between its lines; keys are the first one's.
"""
from __future__ import annotations

from collections.abc import Sequence

from vmm.cli.choose import make_host, make_system
from vmm.cli.keyboard import LONGEST_LINE, NEW_LINE, Keyboard
from vmm.guest.console import Console
from vmm.guest.system import Request, System


class Aside:
    """The console of one of them."""

    def __init__(self, name: str, keyboard: Keyboard) -> None:
        self._name, self._keyboard = name, keyboard
        self._line = bytearray()

    def put(self, byte: int) -> None:
        self._line.append(byte)
        if byte == NEW_LINE or len(self._line) == LONGEST_LINE:
            self.end_line()

    def end_line(self) -> None:
        """What it has begun to say is said, though its line is not over."""
        if self._line:
            end = b"" if self._line[-1] == NEW_LINE else b"\n"
            self._keyboard.aside(f"{self._name}: ".encode() + self._line + end)
            self._line.clear()

    def poll(self) -> bytes:
        return b""

    def flush(self) -> None:
        """The keyboard's console is flushed by its owner."""

    def close(self) -> None:
        self.end_line()


def make_guests(first: Request, console: Console, others: Sequence[Request],
                keyboard: Keyboard) -> tuple[list[System], list[Aside]]:
    """The systems, the first one first, and the consoles of the others."""
    if not others:
        return [make_system(first, console)], []
    asides = [Aside(f"vm{number}", keyboard) for number in range(1, len(others) + 1)]
    host = make_host([(first, console), *zip(others, asides, strict=True)])
    return list(host.guests), asides
