"""The GDB remote protocol for any target; it knows no architecture.

``target`` says what a target offers, ``server`` puts one on a port, ``protocol`` is the table of packets.
"""
from __future__ import annotations

from vmm.gdbstub.server import Server, listen, serve

__all__ = ["Server", "listen", "serve"]
