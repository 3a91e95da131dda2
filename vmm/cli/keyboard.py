"""The console as a person has it: keys for the guest, keys for us, and the monitor between them.

Invariant: a key goes to the guest, or to us, never to both; and a console that cannot be written any more is told
once, between two runs of the engine, and never thrown into a device.
"""
from __future__ import annotations

import re
import select
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vmm.cli.prompt import Monitor, Prompt
from vmm.guest.console import Console, ConsoleError, InputQueue, MemoryConsole, Waitable

ESCAPE = 0x01                                               # Ctrl-A
NEW_LINE = 0x0A
LONGEST_LINE = 1 << 16


class Keyboard:
    """A console whose keys are looked through for the escape, if they come from a terminal.

    It stands for its console before that is opened, which is done last, when nothing can be wrong any more.
    ``left``: how the user left, if so.  ``failure``: why what the guest says cannot be delivered.
    """

    def __init__(self) -> None:
        self._console: Console = MemoryConsole()
        self._keys = InputQueue()
        self._prompt: Prompt | None = None
        self._escaped = False
        self._last = NEW_LINE                               # that was written
        self._aside: list[bytes] = []
        self.left = ""
        self.failure: ConsoleError | None = None

    def connect(self, console: Console, monitor: Monitor | None = None) -> None:
        """``monitor``: what answers a person; without one, all keys are the guest's."""
        self._console = console
        self._prompt = None if monitor is None else Prompt(monitor, self.say)

    @property
    def ended(self) -> bool:
        """No key can come any more."""
        return isinstance(self._console, Waitable) and self._console.keys_ended and not self._keys

    @property
    def standing(self) -> bool:
        """The guest waits until the user is done with the monitor."""
        return self._prompt is not None and self._prompt.open and not self.ended

    # -- in ------------------------------------------------------------------------------------------------------------
    def pump(self) -> None:
        """Take what was typed, so that the escape is heard while the guest stands."""
        typed = self._console.poll()
        self._keys.put(typed if self._prompt is None else self._for_the_guest(typed, self._prompt))

    def _for_the_guest(self, typed: bytes, prompt: Prompt) -> bytes:
        kept = bytearray()
        for key in typed:
            if self._escaped:
                self._escaped = False
                if key == ESCAPE and not prompt.open:
                    kept.append(key)
                elif chr(key) in ESCAPES:
                    ESCAPES[chr(key)].act(self, prompt)
            elif key == ESCAPE:
                self._escaped = True
            elif prompt.open:
                prompt.type(key)
                self.left = self.left or ("quit" if prompt.quit else "")
            else:
                kept.append(key)
        return bytes(kept)

    def poll(self) -> bytes:
        self.pump()
        return self._keys.take()

    def wait(self, seconds: float, others: Sequence[int] = ()) -> bool:
        """The guest idles or stands: let the host's CPU do so too, until a key comes, or one of the other descriptors is
        readable: then it is true."""
        source = self._console.descriptor if isinstance(self._console, Waitable) else None
        try:
            ready, _, _ = select.select([*others, *([] if source is None else [source])], [], [], seconds)
        except (OSError, ValueError):                       # it was closed meanwhile
            return False
        return any(other in ready for other in others)

    # -- out -----------------------------------------------------------------------------------------------------------
    def put(self, byte: int) -> None:
        self._write(byte)
        if byte == NEW_LINE and self._aside:
            self._write_aside()

    def aside(self, line: bytes) -> None:
        """A whole line of somebody else's, before the guest's next one or at the end."""
        self._aside.append(line)
        if self._last == NEW_LINE:
            self._write_aside()

    def end_aside(self) -> None:
        """Nobody says anything any more."""
        if self._aside:
            self.own_line()
            self._write_aside()

    def _write_aside(self) -> None:
        lines, self._aside = self._aside, []
        for byte in b"".join(lines):
            self._write(byte)

    def _write(self, byte: int) -> None:
        self._last = byte
        if self.failure is None:
            try:
                self._console.put(byte)
            except ConsoleError as error:
                self.failure = error

    def flush(self) -> None:
        if self.failure is None:
            try:
                self._console.flush()
            except ConsoleError as error:
                self.failure = error

    def close(self) -> None:
        """What could not be written is in ``failure``."""
        try:
            self._console.close()
        except ConsoleError as error:
            self.failure = self.failure or error

    def say(self, text: str) -> None:
        """Words of ours to the user."""
        for byte in text.encode():
            self.put(byte)
        self.flush()

    def own_line(self) -> None:
        """What follows begins at the left."""
        if self._last != NEW_LINE:
            self.say("\n")

    # -- what Ctrl-A does ------------------------------------------------------------------------------------------
    def leave(self, _prompt: Prompt) -> None:
        self.left = self.left or "Ctrl-A x"

    def switch(self, prompt: Prompt) -> None:
        if prompt.open:
            prompt.leave()
        else:
            self.own_line()
            prompt.enter()

    def show_keys(self, prompt: Prompt) -> None:
        self.own_line()
        self.say("".join(f"Ctrl-A {key:<6}  {escape.help}\n" for key, escape in ESCAPES.items()))
        self.say(f"Ctrl-A {'Ctrl-A':<6}  type Ctrl-A to the guest\n")
        if prompt.open:
            prompt.enter()


@dataclass(frozen=True, slots=True)
class Escape:
    help: str
    act: Callable[[Keyboard, Prompt], None]


ESCAPES: dict[str, Escape] = {
    "h": Escape("this list", Keyboard.show_keys),
    "c": Escape("to the monitor, while the guest stands, and back", Keyboard.switch),
    "x": Escape("end the run", Keyboard.leave),
}


class LineWatch:
    """Calls ``found`` at the first byte with which a line of the console matches."""

    def __init__(self, pattern: re.Pattern[bytes], found: Callable[[], None]) -> None:
        self._pattern, self._found = pattern, found
        self._line = bytearray()

    def __call__(self, byte: int) -> None:
        if byte == NEW_LINE:
            self._line.clear()
        elif byte != 0x0D and len(self._line) < LONGEST_LINE:
            self._line.append(byte)
            if self._pattern.search(self._line):
                self._found()
