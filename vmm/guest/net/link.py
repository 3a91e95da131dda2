"""The cable of a network card: Ethernet frames, without preamble and checksum, between a guest and its network.

Invariant: only ``attend`` looks at anything outside the simulation, and it is called between two runs; what the network
answers from within itself (ARP, DHCP) is there for ``poll`` at once, so that it comes at the same instruction in each run.
"""
from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Link(Protocol):
    def send(self, frame: bytes, /) -> None:
        """From the guest, in the middle of a run."""

    def poll(self) -> Iterable[bytes]:
        """The frames that wait for the guest, once each, in order.  Asked after one ``send`` or several, and
        after every ``attend``."""

    def attend(self) -> None:
        """Between two runs: take what has arrived from outside.  Never waits."""
