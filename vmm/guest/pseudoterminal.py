"""A console on a pseudoterminal of its own, which any terminal program can open and leave again.

Nobody need be there: what the guest says meanwhile waits, the last ``MOST_WAITING`` bytes of it, and what nobody has
read when the run ends is gone.  Invariant: nothing here waits for a reader but ``close``, and that not long.
(pty(7), ioctl_tty(2))
"""
from __future__ import annotations

import errno
import fcntl
import os
import select
import struct
import termios
import tty
from contextlib import suppress

from vmm.errors import ConfigError

MOST_WAITING = 1 << 20
MOST_KEYS = 4096
LOOK_SECONDS, MOST_LOOKS = 0.01, 100                        # for a reader, when the run has ended
QUIET_LOOKS = 2                                             # the kernel hands bytes over a little later


class PtyConsole:
    keys_ended = False                                      # somebody may come at any time

    def __init__(self, name: str) -> None:
        """``path``: the terminal to open, such as /dev/pts/3."""
        try:
            self._master, reader = os.openpty()
        except OSError as error:
            raise ConfigError(f"{name}: no pseudoterminal can be had: {error.strerror}; choose another console") from None
        self.path = os.ttyname(reader)
        tty.setraw(reader)
        os.close(reader)
        os.set_blocking(self._master, False)
        self._poll = select.poll()
        self._poll.register(self._master, select.POLLIN)
        self._waiting = bytearray()

    @property
    def connected(self) -> bool:
        """Somebody has the terminal open."""
        return not any(event & (select.POLLHUP | select.POLLNVAL) for _, event in self._poll.poll(0))

    @property
    def descriptor(self) -> int | None:
        return self._master if self.connected else None

    def put(self, byte: int) -> None:
        self._waiting.append(byte)
        if byte == 0x0A or len(self._waiting) > MOST_WAITING:
            self.flush()

    def poll(self) -> bytes:
        try:
            return os.read(self._master, MOST_KEYS)
        except OSError:                                     # no key, or nobody there
            return b""

    def flush(self) -> None:
        """As much as the terminal takes now, if somebody has it open."""
        while self._waiting and self.connected:
            try:
                sent = os.write(self._master, self._waiting[:MOST_KEYS])
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.EIO):
                    raise
                break
            del self._waiting[:sent]
        del self._waiting[:-MOST_WAITING]

    def close(self) -> None:
        """A reader gets what is on its way: closing takes away what it has not read yet."""
        quiet = 0
        for _ in range(MOST_LOOKS):
            self.flush()
            if quiet == QUIET_LOOKS or not self.connected:
                break
            quiet = 0 if self._waiting or self._unread() else quiet + 1
            select.select([], [], [], LOOK_SECONDS)
        os.close(self._master)

    def _unread(self) -> int:
        with suppress(OSError):
            reader = os.open(self.path, os.O_RDONLY | os.O_NOCTTY)
            try:
                count: int = struct.unpack("i", fcntl.ioctl(reader, termios.FIONREAD, bytes(4)))[0]
                return count
            finally:
                os.close(reader)
        return 0
