"""PCI: functions with their configuration space, and the bus they are on.  (PCI Local Bus Specification 2.2, chapter 6)

A function is a table of rows: what its configuration holds after reset, which bits software writes or clears, and which
windows its base address registers place.  Invariant: a window is on the bus exactly while its space is enabled in the
command register, at the address that its base register holds.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from vmm.guest.devices.window import Window, at_most, copied

# fmt: off
VENDOR, COMMAND, STATUS, REVISION, CLASS, HEADER, BASE0 = 0x00, 0x04, 0x06, 0x08, 0x09, 0x0E, 0x10
SUBSYSTEM, LINE, PIN                                    = 0x2C, 0x3C, 0x3D
COMMAND_IO, COMMAND_MEMORY, COMMAND_MASTER              = 0x1, 0x2, 0x4
COMMAND_ONES, STATUS_CLEARS                             = 0x0547, 0xF900
# fmt: on
SPACE = 256
ABSENT = 0xFFFF_FFFF


class Windowed(Protocol):
    @property
    def regs(self) -> Window: ...


class Decoder(Protocol):
    """An address space on which a window can be laid."""

    def attach(self, base: int, device: Any, shift: int = 0) -> object: ...

    def detach(self, piece: Any) -> None: ...


@dataclass(frozen=True, slots=True)
class BaseRegister:
    """Base address register ``number`` places ``device``; ``size`` is a power of two, at least the device's."""
    number: int
    size: int
    device: Windowed
    io: bool = True


@dataclass(frozen=True, slots=True)
class Identity:
    vendor: int
    device: int
    class_code: int                                         # base class, subclass, interface
    revision: int = 0
    multifunction: bool = False
    pin: int = 0                                            # 1 for INTA, 0 for none


class PciFunction:
    @dataclass(slots=True)
    class State:
        config: bytearray = field(default_factory=lambda: bytearray(SPACE), metadata=at_most(SPACE))

    def __init__(self, identity: Identity, bases: Iterable[BaseRegister] = (),
                 changed: Callable[[], None] = lambda: None) -> None:
        """``changed`` is called after software wrote to the configuration space."""
        self.identity, self.bases, self._changed = identity, tuple(bases), changed
        self.ones, self.clears = bytearray(SPACE), bytearray(SPACE)
        self.state = self.State()
        self._io: Decoder | None = None
        self._memory: Decoder | None = None
        self._laid: dict[int, tuple[int, object]] = {}
        self._fill()

    def _fill(self) -> None:
        who = self.identity
        self.row(VENDOR, 4, who.vendor | who.device << 16)
        self.row(COMMAND, 2, 0, ones=COMMAND_ONES)
        self.row(STATUS, 2, 0x0280, clears=STATUS_CLEARS)
        self.row(REVISION, 4, who.revision | who.class_code << 8)
        self.row(HEADER, 1, 0x80 if who.multifunction else 0)
        self.row(0x0C, 2, 0, ones=0xFFFF)                   # cache line, latency
        self.row(LINE, 2, who.pin << 8, ones=0xFF)
        for base in self.bases:
            self.row(BASE0 + 4 * base.number, 4, int(base.io), ones=ABSENT & -base.size)

    def row(self, at: int, size: int, value: int, *, ones: int = 0, clears: int = 0) -> None:
        """``size`` bytes at ``at``: their value after reset, the bits that can be written, or cleared by a one."""
        for table, number in ((self.state.config, value), (self.ones, ones), (self.clears, clears)):
            table[at:at + size] = number.to_bytes(size, "little")

    def connect(self, io: Decoder, memory: Decoder) -> None:
        self._io, self._memory = io, memory
        self._place()

    # -- configuration cycles ------------------------------------------------------------------------------------
    def load(self, at: int, size: int) -> int:
        return int.from_bytes(self.state.config[at:at + size], "little")

    def store(self, at: int, size: int, value: int) -> None:
        config = self.state.config
        for offset, byte in enumerate(value.to_bytes(size, "little"), at):
            ones = self.ones[offset]
            config[offset] = (config[offset] & ~ones | byte & ones) & ~(byte & self.clears[offset])
        self._place()
        self._changed()

    def put(self, at: int, size: int, value: int) -> None:
        """As the device itself changes it."""
        self.state.config[at:at + size] = value.to_bytes(size, "little")

    @property
    def command(self) -> int:
        return self.load(COMMAND, 2)

    def save(self) -> State:
        return copied(self.state)

    def restore(self, state: State) -> None:
        fresh = copied(state)
        fresh.config[:] = fresh.config.ljust(SPACE, b"\0")
        self.state = fresh
        self._place()
        self._changed()

    # -- windows -------------------------------------------------------------------------------------------------
    def base(self, number: int) -> int:
        """The address in a base register."""
        value = self.load(BASE0 + 4 * number, 4)
        return value & ~0x3 if value & 1 else value & ~0xF

    def _place(self) -> None:
        for row in self.bases:
            space = self._io if row.io else self._memory
            enabled = self.command & (COMMAND_IO if row.io else COMMAND_MEMORY)
            self.lay(row.number, row.device, space, self.base(row.number) if enabled else 0)

    def lay(self, key: int, device: Windowed, space: Decoder | None, address: int) -> None:
        """Window ``key`` at this address and nowhere else; 0 is nowhere."""
        if space is None or self._laid.get(key, (0, None))[0] == address:
            return
        if key in self._laid:
            space.detach(self._laid.pop(key)[1])
        if address:
            self._laid[key] = address, space.attach(address, device)

    def lay_io(self, key: int, device: Windowed, address: int) -> None:
        self.lay(key, device, self._io, address)


class PciBus:
    """The functions of bus 0 by device and function number."""

    def __init__(self, io: Decoder, memory: Decoder) -> None:
        self.functions: dict[tuple[int, int], PciFunction] = {}
        self.io, self.memory = io, memory

    def plug(self, slot: int, number: int, function: PciFunction) -> None:
        self.functions[slot, number] = function
        function.connect(self.io, self.memory)

    def at(self, address: int) -> PciFunction | None:
        """The function that a configuration address names."""
        if address >> 16 & 0xFF:
            return None
        return self.functions.get((address >> 11 & 0x1F, address >> 8 & 7))
