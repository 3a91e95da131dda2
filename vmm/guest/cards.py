"""The cards that a user can plug in: each a description, from which a board makes a virtio function of its own."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from vmm.guest.console import Console, Waitable
from vmm.guest.devices.virtio.blk import VirtioBlk
from vmm.guest.devices.virtio.console import VirtioConsole
from vmm.guest.devices.virtio.function import VirtioFunction
from vmm.guest.devices.virtio.net import VirtioNet
from vmm.guest.devices.virtio.rng import VirtioRng
from vmm.guest.devices.virtio.transport import VirtioDevice
from vmm.guest.disk import Disk
from vmm.guest.net.link import Link
from vmm.guest.outside import Outside, Plugged

MAC = bytes.fromhex("525400123456")
"""The usual one: locally administered, as other machine monitors have it."""


@dataclass(frozen=True, slots=True)
class DiskCard:
    disk: Disk
    serial: str = "vmm"
    read_only: bool = False

    def plug(self, outside: Outside) -> Plugged:
        return _plugged(outside, VirtioBlk(self.disk, self.serial, self.read_only))


@dataclass(frozen=True, slots=True)
class NetworkCard:
    link: Link
    mac: bytes = MAC

    def plug(self, outside: Outside) -> Plugged:
        card = VirtioNet(self.mac, self.link)

        def attend() -> Iterable[bytes]:
            self.link.attend()
            return self.link.poll()
        return replace(_plugged(outside, card), attend=attend, receive=lambda frame: card.receive((frame,)))


@dataclass(frozen=True, slots=True)
class EntropyCard:
    """``seed``: of the stream of numbers, so that a run can be had again."""
    seed: int = 0

    def plug(self, outside: Outside) -> Plugged:
        return _plugged(outside, VirtioRng(self.seed))


@dataclass(frozen=True, slots=True)
class ConsoleCard:
    console: Console

    def plug(self, outside: Outside) -> Plugged:
        card = VirtioConsole(self.console.put)

        def attend() -> Iterable[bytes]:
            self.console.flush()                            # a prompt does not end its line
            keys = self.console.poll() if card.room >= LARGEST_POLL else b""
            return (keys,) if keys else ()
        keys = Keys(self.console) if isinstance(self.console, Waitable) else None
        return replace(_plugged(outside, card), attend=attend, receive=card.receive, source=keys)

    def close(self) -> None:
        self.console.close()


LARGEST_POLL = 1 << 15
"""More bytes than a console gives at once."""


class Keys:
    """Who types at a console, as what a guest may wait for."""
    counts: Mapping[str, int] = MappingProxyType({})

    def __init__(self, console: Waitable) -> None:
        self._console = console

    @property
    def awaits(self) -> bool:
        return not self._console.keys_ended

    def fileno(self) -> int | None:
        return self._console.descriptor


def _plugged(outside: Outside, device: VirtioDevice) -> Plugged:
    function = VirtioFunction(device, outside.memory)
    return Plugged(function, {"transport": function.transport, "device": device})
