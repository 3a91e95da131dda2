"""The stub on a TCP port: one client at a time, and as many one after the other as come.

What happens to the machine: a client that connects finds it stopped.  One that detaches from everything
lets it run on.  One that merely vanishes leaves it stopped, without its breakpoints, so that the next can
go on looking.
"""
from __future__ import annotations

import os
import select
import socket

from vmm.errors import ConfigError
from vmm.gdbstub.connection import Connection
from vmm.gdbstub.protocol import PROTOCOL
from vmm.gdbstub.session import Session, everything
from vmm.gdbstub.target import Console, StopEvent, Target
from vmm.gdbstub.wire import NotGdb

LOOPBACK = "127.0.0.1"
PIECE = 1 << 16
HIGHEST_PORT = 0xFFFF


def listen(address: str) -> socket.socket:
    """``[HOST:]PORT``; port 0 takes any that is free (``listener.getsockname()[1]`` says which).

    Whoever reaches this port owns the machine, so without a host only this computer does.
    """
    host, _, digits = address.rpartition(":")
    host = host.strip("[]") or LOOPBACK
    if not digits.isascii() or not digits.isdecimal() or int(digits) > HIGHEST_PORT:
        raise ConfigError(f"--gdb {address}: {digits!r} is no port. Use [HOST:]PORT, with a port up to "
                          f"{HIGHEST_PORT}; 0 takes any that is free.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, int(digits)), family=family, backlog=1)
    except OSError as failure:
        found = failure.strerror if isinstance(failure, socket.gaierror) else os.strerror(failure.errno or 0)
        raise ConfigError(f"--gdb {address}: cannot listen on {host}:{digits} ({found}). Choose another "
                          "port, or 0 for any that is free.") from None


class Server:
    """``step`` does a little of everything and returns, so that it fits into another loop."""

    def __init__(self, target: Target, listener: socket.socket, *, hold: bool = True) -> None:
        """``hold``: the target stands until a client lets it go; else it runs from the first step on."""
        self.target = target
        self.connection: Connection | None = None
        self._listener = listener
        self._listener.setblocking(False)
        self._client: socket.socket | None = None
        self._last: StopEvent | None = None
        self._free = False
        if not hold:
            self._release()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def idle(self) -> bool:
        """Nothing happens until a byte comes: the owner may wait for ``sockets``."""
        return self._quiet and not (self.connection and self.connection.output)

    @property
    def done(self) -> bool:
        """Nothing is left to debug and nobody is looking."""
        return self.connection is None and not self.target.processes()

    def sockets(self) -> list[socket.socket]:
        """To read from, for the owner's own select."""
        return [self._listener] if self._client is None else [self._listener, self._client]

    @property
    def _quiet(self) -> bool:
        return not self._free and not (self.connection and self.connection.busy)

    def step(self, wait: bool = True) -> None:
        """Move bytes, answer, run one slice.  Blocks only if it may (``wait``) and there is nothing to do."""
        self._move_bytes(None if wait and self._quiet else 0)
        if self.connection is not None:
            self._converse(self.connection)
        if self._free:
            self._run_free()

    def close(self) -> None:
        self._drop()
        self._listener.close()

    # -- bytes ---------------------------------------------------------------------------------------------

    def _move_bytes(self, timeout: float | None) -> None:
        reading, writing = [self._listener], []
        if self._client is not None and self.connection is not None:
            if self.connection.wants_input:
                reading.append(self._client)
            if self.connection.output:
                writing.append(self._client)
        readable, writable, _ = select.select(reading, writing, [], timeout)
        if self._client in writable:
            self._flush()
        if self._client in readable:    # before the listener: who left makes room for the next
            self._receive()
        if self._listener in readable:
            self._accept()

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:     # gone again before we looked
            return
        if self._client is not None:
            client.close()
            return
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._hold()
        self._client = client
        self.connection = Connection(Session(self.target, PROTOCOL, self._last))

    def _receive(self) -> None:
        if self._client is None or self.connection is None:
            return
        try:
            data = self._client.recv(PIECE)
            self.connection.receive(data)
        except BlockingIOError:
            return
        except (OSError, NotGdb):
            data = b""
        if not data:
            self._drop()

    def _flush(self) -> None:
        if self._client is None or self.connection is None or not self.connection.output:
            return
        try:
            sent = self._client.send(self.connection.output)
        except BlockingIOError:
            return
        except OSError:
            self._drop()
            return
        del self.connection.output[:sent]

    def _drop(self) -> None:
        if self._client is None or self.connection is None:
            return
        session = self.connection.session
        if session.running:
            self._stop_running()
        elif session.last is not None:
            self._last = session.last
        session.close()
        self._client.close()
        self._client = self.connection = None

    # -- the machine ---------------------------------------------------------------------------------------

    def _converse(self, connection: Connection) -> None:
        if connection.inbox:
            self._hold()
        connection.step()
        self._flush()
        if connection.session.finished and not self._free and not connection.session.running:
            self._release()

    def _release(self) -> None:
        self._free = bool(actions := everything(self.target))
        if actions:
            self.target.resume(actions)

    def _hold(self) -> None:
        if self._free:
            self._free = False
            self._stop_running()

    def _stop_running(self) -> None:
        self.target.interrupt()
        event = None
        while event is None and self.target.processes():
            event = self._last = self.target.run_slice()

    def _run_free(self) -> None:
        event = self.target.run_slice()
        if isinstance(self.target, Console):
            self.target.console_output()    # nobody to show it to
        if event is not None:
            self._last = event
            self._free = False
            self._release()     # a stop that nobody asked for is none; an end may have left other processes


def serve(target: Target, listener: socket.socket, *, hold: bool = True) -> None:
    """Until every process of the target has ended and the client is gone."""
    server = Server(target, listener, hold=hold)
    try:
        while not server.done:
            server.step()
    finally:
        server.close()

