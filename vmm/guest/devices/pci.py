"""PCI: functions with their configuration space, and the bus they are on.  (PCI Local Bus Specification 2.2, chapter 6)

A function is a table of rows: what its configuration holds after reset, which bits software writes or clears, and which
windows its base address registers place.  Invariants: a window is on the bus exactly while its space is enabled in the
command register, at the address that its base register holds; the interrupt line is up exactly while the interrupt bit
of the status register is set and the command register does not disable it.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from vmm.guest.devices.window import Window, at_most, copied

# fmt: off
VENDOR, COMMAND, STATUS, REVISION, CLASS, HEADER, BASE0 = 0x00, 0x04, 0x06, 0x08, 0x09, 0x0E, 0x10
SUBSYSTEM, CAPABILITIES, LINE, PIN                      = 0x2C, 0x34, 0x3C, 0x3D
COMMAND_IO, COMMAND_MEMORY, COMMAND_MASTER              = 0x1, 0x2, 0x4
COMMAND_NO_INTERRUPT                                    = 0x400
COMMAND_ONES, STATUS_CLEARS                             = 0x0547, 0xF900
STATUS_INTERRUPT, STATUS_CAPABILITIES                   = 0x08, 0x10
MULTIFUNCTION                                           = 0x80
# fmt: on
SPACE, OWN = 256, 0x40                                      # the configuration; where a header ends
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
    subsystem: tuple[int, int] = (0, 0)                     # vendor, device


class PciFunction:
    regs = Window(span=SPACE)

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
        self._line: Callable[[bool], None] = lambda _level: None
        self._end = OWN                                     # of the capabilities so far
        self._fill()

    def _fill(self) -> None:
        who = self.identity
        self.row(VENDOR, 4, who.vendor | who.device << 16)
        self.row(COMMAND, 2, 0, ones=COMMAND_ONES)
        self.row(STATUS, 2, 0x0280, clears=STATUS_CLEARS)
        self.row(REVISION, 4, who.revision | who.class_code << 8)
        self.row(HEADER, 1, MULTIFUNCTION if who.multifunction else 0)
        self.row(SUBSYSTEM, 4, who.subsystem[0] | who.subsystem[1] << 16)
        self.row(0x0C, 2, 0, ones=0xFFFF)                   # cache line, latency
        self.row(LINE, 2, who.pin << 8, ones=0xFF)
        for base in self.bases:
            self.row(BASE0 + 4 * base.number, 4, int(base.io), ones=ABSENT & -base.size)

    def row(self, at: int, size: int, value: int, *, ones: int = 0, clears: int = 0) -> None:
        """``size`` bytes at ``at``: their value after reset, the bits that can be written, or cleared by a one."""
        for table, number in ((self.state.config, value), (self.ones, ones), (self.clears, clears)):
            table[at:at + size] = number.to_bytes(size, "little")

    def capability(self, kind: int, body: bytes) -> int:
        """Add a capability to the list; where it is."""
        at, last = self._end, CAPABILITIES
        while self.load(last, 1):
            last = self.load(last, 1) + 1
        self.row(last, 1, at)
        self.row(at, 2, kind)
        for offset, byte in enumerate(body, at + 2):
            self.row(offset, 1, byte)
        self.put(STATUS, 2, self.load(STATUS, 2) | STATUS_CAPABILITIES)
        self._end = at + 2 + len(body) + 3 & ~3
        return at

    def connect(self, io: Decoder, memory: Decoder) -> None:
        self._io, self._memory = io, memory
        self._place()

    # -- the interrupt -------------------------------------------------------------------------------------------
    def wire(self, pin: int, line: Callable[[bool], None]) -> None:
        """Where the board leads its interrupt pin: 1 for INTA."""
        self._line = line
        self.row(PIN, 1, pin)

    def interrupt(self, level: bool) -> None:
        self.put(STATUS, 2, self.load(STATUS, 2) & ~STATUS_INTERRUPT | (STATUS_INTERRUPT if level else 0))
        self._drive()

    def _drive(self) -> None:
        self._line(bool(self.load(STATUS, 2) & STATUS_INTERRUPT) and not self.command & COMMAND_NO_INTERRUPT)

    # -- configuration cycles ------------------------------------------------------------------------------------
    @regs.read(0, count=SPACE // 4, step=4)
    def word(self, index: int) -> int:
        return self.load(4 * index, 4)

    @regs.write(0, count=SPACE // 4, step=4)
    def set_word(self, index: int, value: int) -> None:
        self.store(4 * index, 4, value)

    def load(self, at: int, size: int) -> int:
        return int.from_bytes(self.state.config[at:at + size], "little")

    def store(self, at: int, size: int, value: int) -> None:
        config = self.state.config
        for offset, byte in enumerate(value.to_bytes(size, "little"), at):
            ones = self.ones[offset]
            config[offset] = (config[offset] & ~ones | byte & ones) & ~(byte & self.clears[offset])
        self._settle()

    def _settle(self) -> None:
        """Everything that follows from the configuration."""
        self._place()
        self._drive()
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
        self._settle()

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
        if number and (first := self.functions.get((slot, 0))):
            first.put(HEADER, 1, first.load(HEADER, 1) | MULTIFUNCTION)

    def at(self, address: int) -> PciFunction | None:
        """The function that a configuration address names."""
        if address >> 16 & 0xFF:
            return None
        return self.functions.get((address >> 11 & 0x1F, address >> 8 & 7))
