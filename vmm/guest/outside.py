"""What the devices of a board may reach: interrupt lines, the clock, memory, the wire of a serial port, the board's end;
and what is plugged into it, as cards.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, runtime_checkable

from vmm.guest.devices.pci import PciFunction
from vmm.guest.devices.time import Clock
from vmm.guest.devices.window import Device
from vmm.guest.disk import Disk
from vmm.guest.inputlog import InputLog


@dataclass(frozen=True, slots=True)
class CpuPin:
    """Straight to the CPU: Cause.IP[pin]."""
    pin: int


@dataclass(frozen=True, slots=True)
class IsaIrq:
    """Through the pair of 8259 interrupt controllers, whose output is CPU pin 2."""
    irq: int


Line = CpuPin | IsaIrq
Wire = Callable[[bool], None]


class Memory(Protocol):
    """RAM by physical address, as a bus master sees it.  Raises ``IndexError`` where there is none."""

    def read(self, physical: int, size: int, /) -> bytes: ...

    def write(self, physical: int, data: bytes, /) -> None: ...


@dataclass(frozen=True, slots=True)
class Outside:
    """``start``: the date and time when the machine is switched on."""
    big_endian: bool
    clock: Clock
    memory: Memory
    start: datetime
    pin: Callable[[int, bool], None]                        # of the CPU, 2..7
    transmit: Callable[[str, int], None]                    # port, byte
    reset: Callable[[], None]
    power_off: Callable[[], None]
    disks: tuple[Disk, ...] = ()                            # on IDE: both of the first channel, then of the second
    cards: tuple[Card, ...] = ()                            # in the PCI slots, in order
    input: InputLog = field(default_factory=lambda: InputLog(lambda: (0, 0)))
    """Where cards get an entrance for what comes from outside the simulation."""


# -- cards ---------------------------------------------------------------------------------------------------

class Source(Protocol):
    """Something outside the simulation from which a card takes what comes, and which a guest may wait for."""

    @property
    def awaits(self) -> bool:
        """Something is under way, or may come at any time: a guest's idle time must not be skipped."""

    @property
    def counts(self) -> Mapping[str, int]:
        """What has come and gone, by name."""

    def fileno(self) -> int | None:
        """A descriptor, readable when something has come; None while there is nobody to wait for."""


@dataclass(frozen=True, slots=True)
class Plugged:
    """A card in its slot.  ``devices``: its parts with state beside the configuration space, by a short name.

    ``attend`` is called between two runs: what has come for the card from outside the simulation, piece by piece.  Each
    piece then goes to ``receive``, by way of the input log.
    """
    function: PciFunction
    devices: Mapping[str, Device] = field(default_factory=dict)
    attend: Callable[[], Iterable[bytes]] = tuple
    receive: Callable[[bytes], None] = lambda data: None
    source: Source | None = None


class Card(Protocol):
    """What a user can plug into a PCI slot: a description, from which each board makes devices of its own.

    The interrupt is the function's: ``PciFunction.interrupt``.
    """

    def plug(self, outside: Outside, /) -> Plugged: ...


@runtime_checkable
class Opened(Protocol):
    """A card that has something open outside the simulation."""

    def close(self) -> None: ...
