"""What the devices of a board may reach: interrupt lines, the clock, memory, the wire of a serial port, the board's end."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from vmm.guest.devices.time import Clock
from vmm.guest.disk import Disk


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
    disk: Disk | None = None                                # on the first IDE channel
