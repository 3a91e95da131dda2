"""``--gdb``, ``-s`` and ``-S``: where a debugger may connect, and its server."""
from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from socket import socket
from typing import TYPE_CHECKING

from vmm.cli.options import GDB_PORT
from vmm.errors import ConfigError

if TYPE_CHECKING:                                           # a run without a debugger need not load it
    from vmm.debug.debuggee import Debuggee
    from vmm.gdbstub.server import Server


def gdb_address(options: Namespace) -> str | None:
    if options.gdb_usual and options.gdb is not None:
        raise ConfigError(f"-s and --gdb {options.gdb}: both name a port; give one of them")
    address: str | None = GDB_PORT if options.gdb_usual else options.gdb
    if options.hold and address is None:
        raise ConfigError("-S: waits for a debugger, but none can connect; add -s or --gdb PORT")
    return address


@contextmanager
def port(address: str | None) -> Iterator[socket | None]:
    if address is None:
        yield None
        return
    from vmm.gdbstub.server import listen

    with listen(address) as listener:
        yield listener


@contextmanager
def serving(system: Debuggee, listener: socket, *, hold: bool) -> Iterator[Server]:
    from vmm.debug import debug_target
    from vmm.gdbstub.server import Server

    server = Server(debug_target(system), listener, hold=hold)
    host, port = listener.getsockname()[:2]
    print(f"vmm: debugger: target remote {host}:{port}", file=sys.stderr, flush=True)
    try:
        yield server
    finally:
        server.close()
