"""The host's sockets, as the virtual network uses them: the one module of it that reaches outside.

Nothing here waits.  ``Sockets`` is what the network needs, so tests give it others; ``HostSockets`` is the real thing.
Invariant: a socket is looked at only for what its owner wants of it, so one that nobody serves wakes nobody.
"""
from __future__ import annotations

import os
import selectors
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from errno import EINPROGRESS
from pathlib import Path
from typing import Protocol

from vmm.errors import ConfigError

LOOPBACK = "127.0.0.1"
RESOLVER_CONFIGURATION = "/etc/resolv.conf"
DNS_PORT = 53
LARGEST_DATAGRAM = 65535
WAITING_CONNECTIONS = 16                                    # at a forwarded port
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)                   # linger for no time

Address = tuple[str, int]
Ready = Callable[[], None]


class Stream(Protocol):
    """A TCP connection.  Whatever goes wrong on the host's side is an ``OSError``."""

    ready: Ready

    def established(self) -> bool: ...

    def receive(self, most: int) -> bytes | None:
        """Up to so many bytes; none at the end; None if there is nothing yet."""

    def send(self, data: bytes) -> int:
        """How many of the bytes were taken."""

    def finish(self) -> None:
        """No more will be sent."""

    def want(self, reading: bool, writing: bool) -> None:
        """What to call ``ready`` for."""

    def close(self, reset: bool = False) -> None: ...


class Datagrams(Protocol):
    """A UDP socket: to one address, or a forwarded port that hears from anyone."""

    def send(self, data: bytes, to: Address | None = None) -> None: ...

    def receive(self) -> tuple[bytes, Address] | None: ...

    def close(self) -> None: ...


class Listener(Protocol):
    def accept(self) -> tuple[Stream, Address] | None:
        """A connection that came, and from where."""

    def close(self) -> None: ...


class Sockets(Protocol):
    """``ready`` is called by ``poll`` when there is something to do for a socket."""

    resolver: str | None                                    # the host's DNS server

    def connect(self, address: Address, ready: Ready) -> Stream: ...

    def datagrams(self, address: Address, ready: Ready) -> Datagrams: ...

    def listen(self, port: int, ready: Ready) -> Listener: ...

    def bind(self, port: int, ready: Ready) -> Datagrams:
        """Datagrams to a port of the host's loopback."""

    def poll(self) -> None: ...

    def fileno(self) -> int: ...

    def close(self) -> None: ...


# -- of the host ---------------------------------------------------------------------------------------------

def _nothing() -> None:
    """Before somebody serves it."""


class HostSocket:
    def __init__(self, selector: selectors.BaseSelector, made: socket.socket, ready: Ready = _nothing) -> None:
        made.setblocking(False)
        self._selector, self._socket, self.ready = selector, made, ready
        self._wanted = 0
        self.closed = False

    def want(self, reading: bool, writing: bool) -> None:
        wanted = (selectors.EVENT_READ if reading else 0) | (selectors.EVENT_WRITE if writing else 0)
        if wanted == self._wanted:
            return
        if not self._wanted:
            self._selector.register(self._socket, wanted, self)
        elif wanted:
            self._selector.modify(self._socket, wanted, self)
        else:
            self._selector.unregister(self._socket)
        self._wanted = wanted

    def close(self, reset: bool = False) -> None:
        if self.closed:
            return
        self.want(False, False)
        self.closed = True
        if reset:
            with suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._socket.close()


class HostStream(HostSocket):
    def established(self) -> bool:
        if error := self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(error, os.strerror(error))
        try:
            self._socket.getpeername()
        except OSError:                                     # still under way
            return False
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return True

    def receive(self, most: int) -> bytes | None:
        try:
            return self._socket.recv(most)
        except BlockingIOError:
            return None

    def send(self, data: bytes) -> int:
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0

    def finish(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)


class HostDatagrams(HostSocket):
    def send(self, data: bytes, to: Address | None = None) -> None:
        with suppress(BlockingIOError):                     # a datagram may be lost
            if to is None:
                self._socket.send(data)
            else:
                self._socket.sendto(data, to)

    def receive(self) -> tuple[bytes, Address] | None:
        try:
            data, sender = self._socket.recvfrom(LARGEST_DATAGRAM)
        except BlockingIOError:
            return None
        return data, (sender[0], sender[1])


class HostListener(HostSocket):
    def accept(self) -> tuple[Stream, Address] | None:
        try:
            made, sender = self._socket.accept()
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:                                     # none, or it went away again, or there are too many files
            return None
        return HostStream(self._selector, made), (sender[0], sender[1])


class HostSockets:
    def __init__(self, configuration: str = RESOLVER_CONFIGURATION) -> None:
        self._selector = selectors.DefaultSelector()
        self._opened: list[HostSocket] = []                 # of forwarded ports, which live as long as this
        self.resolver = resolver_in(configuration)

    def fileno(self) -> int:
        """Readable when a socket is ready: to wait for them all."""
        return self._selector.fileno()

    def poll(self) -> None:
        for key, _ in self._selector.select(0):
            owner: HostSocket = key.data
            if not owner.closed:                            # by what was done for another one
                owner.ready()

    def connect(self, address: Address, ready: Ready) -> HostStream:
        made = HostStream(self._selector, socket.socket(_family(address), socket.SOCK_STREAM), ready)
        error = made._socket.connect_ex(address)
        if error not in (0, EINPROGRESS):
            made.close()
            raise OSError(error, os.strerror(error))
        return made

    def datagrams(self, address: Address, ready: Ready) -> HostDatagrams:
        made = HostDatagrams(self._selector, socket.socket(_family(address), socket.SOCK_DGRAM), ready)
        try:
            made._socket.connect(address)
        except OSError:
            made.close()
            raise
        made.want(True, False)
        return made

    def listen(self, port: int, ready: Ready) -> HostListener:
        made = HostListener(self._selector, _bound(port, socket.SOCK_STREAM), ready)
        made.want(True, False)
        self._opened.append(made)
        return made

    def bind(self, port: int, ready: Ready) -> HostDatagrams:
        made = HostDatagrams(self._selector, _bound(port, socket.SOCK_DGRAM), ready)
        made.want(True, False)
        self._opened.append(made)
        return made

    def close(self) -> None:
        for owner in [*(key.data for key in self._selector.get_map().values()), *self._opened]:
            owner.close()
        self._selector.close()


def _family(address: Address) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address[0] else socket.AF_INET


def _bound(port: int, kind: socket.SocketKind) -> socket.socket:
    made = socket.socket(socket.AF_INET, kind)
    try:
        if kind is socket.SOCK_STREAM:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((LOOPBACK, port))
        if kind is socket.SOCK_STREAM:
            made.listen(WAITING_CONNECTIONS)
    except OSError as error:
        made.close()
        raise ConfigError(f"--net: port {port} of {LOOPBACK} cannot be forwarded: {error.strerror}; choose a port that "
                          "is free, above 1023 if you are not root") from None
    return made


def resolver_in(configuration: str) -> str | None:
    """The first name server of a resolv.conf(5)."""
    try:
        lines = Path(configuration).read_text(errors="replace").splitlines()
    except OSError:
        return None
    for words in map(str.split, lines):
        if len(words) >= 2 and words[0] == "nameserver":
            with suppress(OSError):
                socket.getaddrinfo(words[1], DNS_PORT, flags=socket.AI_NUMERICHOST)
                return words[1]
    return None
