"""Where a serial port's bytes go and keys come from: standard streams, a file, a connection, a pseudoterminal, memory.

Nothing here waits: ``poll`` gives what has arrived, and the caller stamps it into the input log before a device sees
it.  Invariant: what the guest wrote is delivered in order, at the latest at ``flush``; what cannot be delivered is an
error, never lost in silence.
"""
from __future__ import annotations

import errno
import os
import select
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, runtime_checkable

from vmm.errors import ConfigError
from vmm.guest.pseudoterminal import PtyConsole

HELD_BYTES = 4096                                           # written out at a new line, or when so many wait
CONNECT_SECONDS = 10.0
GONE = {                                                    # reasons that are no mistake of the user's
    errno.EPIPE: "its reader is gone", errno.EIO: "its terminal is gone",
    errno.ECONNRESET: "its peer is gone", errno.ENXIO: "its terminal is gone",
}


class ConsoleError(ConfigError):
    """What the guest wrote cannot be delivered.  ``number``: the host's reason, 0 if it gave none."""

    def __init__(self, text: str, number: int = 0) -> None:
        super().__init__(text)
        self.number = number


class Console(Protocol):
    def put(self, byte: int) -> None:
        """One byte from the guest: what a serial port's ``transmit`` is given."""

    def poll(self) -> bytes:
        """The keys that have arrived, perhaps none."""

    def flush(self) -> None: ...

    def close(self) -> None: ...


@runtime_checkable
class Waitable(Protocol):
    """A console whose keys come from a descriptor, so that one can wait for them."""

    @property
    def descriptor(self) -> int | None:
        """What to wait on; None while no key can come from there."""

    @property
    def keys_ended(self) -> bool:
        """No more keys can come, ever: end of file on the input, or no input at all."""


class Writer(Protocol):
    """The part of a binary stream that a console needs."""

    def write(self, data: bytearray, /) -> int | None: ...

    def flush(self) -> None: ...

    def close(self) -> None: ...


class MemoryConsole:
    """For tests: everything the guest said is in ``output``; keys are typed with ``type``."""

    def __init__(self) -> None:
        self.output = bytearray()
        self._keys = InputQueue()

    @property
    def text(self) -> str:
        return self.output.decode("utf-8", "replace")

    def type(self, keys: bytes) -> None:
        self._keys.put(keys)

    def put(self, byte: int) -> None:
        self.output.append(byte)

    def poll(self) -> bytes:
        return self._keys.take()

    def flush(self) -> None:
        """Nothing is held."""

    def close(self) -> None:
        """Nothing is open."""


class InputQueue:
    """Bytes on their way to the guest, in order."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def __len__(self) -> int:
        return len(self._bytes)

    def put(self, data: bytes) -> None:
        self._bytes += data

    def take(self, most: int | None = None) -> bytes:
        data = bytes(self._bytes[:most])
        del self._bytes[:most]
        return data


class Tee:
    """A console that others read along, such as the search for ``--until``."""

    def __init__(self, console: Console, *readers: Callable[[int], None]) -> None:
        self._console, self._readers = console, readers

    def put(self, byte: int) -> None:
        self._console.put(byte)
        for reader in self._readers:
            reader(byte)

    def poll(self) -> bytes:
        return self._console.poll()

    def flush(self) -> None:
        self._console.flush()

    def close(self) -> None:
        self._console.close()


class StreamConsole:
    """Writes to a binary stream; reads keys from a file descriptor until it ends.  ``name`` is for messages.
    """

    def __init__(self, name: str, output: Writer, keys: int | None = None, *,
                 owns_output: bool = False) -> None:
        self._name, self._output, self._keys, self._owns_output = name, output, keys, owns_output
        self._held = bytearray()

    @property
    def keys_ended(self) -> bool:
        return self._keys is None

    @property
    def descriptor(self) -> int | None:
        return self._keys

    def put(self, byte: int) -> None:
        self._held.append(byte)
        if byte == 0x0A or len(self._held) >= HELD_BYTES:
            self.flush()

    def poll(self) -> bytes:
        if self._keys is None:
            return b""
        try:
            if not select.select([self._keys], [], [], 0)[0]:
                return b""
            data = os.read(self._keys, HELD_BYTES)
        except (OSError, ValueError):                       # the terminal or the peer went away: no more keys
            data = b""
        if not data:
            self._keys = None
        return data

    def flush(self) -> None:
        held, self._held = self._held, bytearray()
        try:
            self._output.write(held)
            self._output.flush()
        except (OSError, ValueError) as error:              # ValueError: the stream is closed
            raise _undelivered(self._name, error) from None

    def close(self) -> None:
        try:
            self.flush()
        finally:
            if self._owns_output:
                with suppress(OSError, ValueError):         # what it could not write is told once
                    self._output.close()


class TcpConsole(StreamConsole):
    """A connection to a listener, which sees the guest's bytes and types its keys."""

    def __init__(self, name: str, connection: socket.socket) -> None:
        super().__init__(name, connection.makefile("wb"), connection.fileno(), owns_output=True)
        self._connection = connection

    def close(self) -> None:
        try:
            super().close()
        finally:
            self._connection.close()


# -- by name -------------------------------------------------------------------------------------------------

def open_console(spec: str, option: str = "--serial") -> Console:
    """``stdio``, ``pty``, ``file:F``, ``tcp:H:P`` or ``memory``."""
    kind, colon, rest = spec.partition(":")
    name = f"{option} {spec}"
    if kind not in KINDS or bool(colon) != KINDS[kind][0]:
        raise ConfigError(f"{name}: no such console; choose stdio, pty, file:FILE, tcp:HOST:PORT or memory")
    return KINDS[kind][1](name, rest)


def _stdio(name: str, _rest: str) -> Console:
    try:
        keys = sys.stdin.fileno()
    except (OSError, ValueError, AttributeError):           # no standard input, as in a service
        return StreamConsole(name, sys.stdout.buffer)
    return StreamConsole(name, sys.stdout.buffer, keys)


def _file(name: str, path: str) -> Console:
    try:
        return StreamConsole(name, open(path, "wb"), owns_output=True)
    except (OSError, ValueError) as error:
        raise _cannot(name, "opened", error) from None


def _tcp(name: str, address: str) -> Console:
    host, colon, port = address.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdigit()) or not 0 < int(port[:6]) < 65536:
        raise ConfigError(f"{name}: '{address}' is not HOST:PORT; give a host and a port from 1 to 65535")
    try:
        connection = socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS)
    except (OSError, UnicodeError) as error:
        raise _cannot(name, "connected to", error) from None
    connection.settimeout(None)
    return TcpConsole(name, connection)


def _pty(name: str, _rest: str) -> Console:
    return PtyConsole(name)


def _memory(_name: str, _rest: str) -> Console:
    return MemoryConsole()


KINDS: dict[str, tuple[bool, Callable[[str, str], Console]]] = {        # takes an argument, how to open it
    "stdio": (False, _stdio), "pty": (False, _pty), "file": (True, _file), "tcp": (True, _tcp),
    "memory": (False, _memory),
}


def _cannot(name: str, done: str, error: Exception) -> ConfigError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else error
    return ConfigError(f"{name}: cannot be {done}: {reason}; choose another console")


def _undelivered(name: str, error: Exception) -> ConsoleError:
    number = error.errno or 0 if isinstance(error, OSError) else 0
    text = f"{name}: {GONE[number]}" if number in GONE else str(_cannot(name, "written", error))
    return ConsoleError(text, number)
