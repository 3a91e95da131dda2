"""Boards as data: what lies at which physical address, and what each device is wired to.

A new board is new rows, not new code.  Invariant: the regions of a board are disjoint and sorted; where rows
overlap, the later row lies on top.  (Malta: MIPS MD00048, chapter 4, "Malta memory map".)
"""
from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from types import MappingProxyType

from vmm.errors import ConfigError
from vmm.guest.bus import Bus, Unclaimed
from vmm.guest.devices.flash import Flash
from vmm.guest.devices.malta_fpga import MaltaFpga
from vmm.guest.devices.uart16550 import Uart16550
from vmm.guest.devices.window import Device
from vmm.guest.malta import MaltaChipset
from vmm.guest.outside import CpuPin, IsaIrq, Line, Outside, Wire

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40


class Kind(Enum):
    RAM = "RAM"
    ROM = "ROM"
    DEVICE = "device"                                       # accesses go to the bus
    EMPTY = "empty"                                         # reads zero, ignores stores


@dataclass(frozen=True, slots=True)
class Region:
    """Physical ``base`` .. ``base + size``; RAM and ROM show their backing from ``offset`` on."""
    name: str
    kind: Kind
    base: int
    size: int
    offset: int = 0

    @property
    def end(self) -> int:
        return self.base + self.size

    def __str__(self) -> str:
        return f"{self.base:#x}-{self.end - 1:#x}"


Make = Callable[[Outside, Wire, str], Device]
"""Makes a device: what it may reach, its interrupt line, its name."""


@dataclass(frozen=True, slots=True)
class Placement:
    """A device on a board.  ``shift``: its registers are ``1 << shift`` times as far apart as its own table
    says.  ``port``: ``base`` is an ISA port rather than a physical address.
    """
    name: str
    base: int
    make: Make
    line: Line | None = None
    shift: int = 0
    port: bool = False


@dataclass(frozen=True, slots=True)
class Board:
    name: str
    about: str
    ram_least: int
    ram_most: int
    ram_step: int
    ram_default: int
    areas: tuple[Region, ...]
    devices: tuple[Placement, ...]
    rom_size: int
    rom_words: Mapping[int, int]                            # offset -> word, in the CPU's byte order
    console: str                                            # the serial port that is the console
    chipset: Callable[[Outside, Bus, Callable[[Unclaimed], None]], MaltaChipset]
    takes_dtb: bool                                         # in the way of UHI

    def check_ram(self, ram_size: int, option: str = "-m") -> None:
        if not self.ram_least <= ram_size <= self.ram_most:
            raise ConfigError(f"{option} {show_size(ram_size)}: board '{self.name}' takes "
                              f"{show_size(self.ram_least)} to {show_size(self.ram_most)} of memory; give a "
                              "size in between")
        if ram_size % self.ram_step:
            raise ConfigError(f"{option} {show_size(ram_size)}: board '{self.name}' takes memory in steps of "
                              f"{show_size(self.ram_step)}; round the size to "
                              f"{show_size(ram_size // self.ram_step * self.ram_step)}")

    def regions(self, ram_size: int) -> tuple[Region, ...]:
        """The memory map with so much RAM: disjoint, sorted, aliases of RAM and ROM included."""
        self.check_ram(ram_size)
        disjoint: list[Region] = []
        for area in self.areas:
            size = min(area.size, ram_size - area.offset) if area.kind is Kind.RAM else area.size
            if size > 0:
                disjoint = _on_top(disjoint, replace(area, size=size))
        return tuple(sorted(disjoint, key=lambda region: region.base))

    def ram(self, ram_size: int) -> tuple[Region, ...]:
        return tuple(region for region in self.regions(ram_size) if region.kind is Kind.RAM)

    def low_ram(self, ram_size: int) -> int:
        """The bytes of RAM from physical address 0 on, which kseg0 reaches."""
        return self.ram(ram_size)[0].size

    def memory(self, ram_size: int) -> tuple[tuple[int, int], ...]:
        """All RAM, each byte once: what low RAM does not show, where most of it is in one piece.  (address, size)"""
        low, *others = self.ram(ram_size)
        if low.size == ram_size:
            return ((low.base, low.size),)
        whole = max(others, key=lambda region: region.size)
        assert whole.offset <= low.size and whole.offset + whole.size == ram_size
        start = low.size - whole.offset
        return (low.base, low.size), (whole.base + start, whole.size - start)

    def ram_offset(self, physical: int, size: int, ram_size: int) -> int | None:
        """Where in the RAM's backing these bytes are, or None if some are not RAM."""
        for region in self.ram(ram_size):
            if region.base <= physical and physical + size <= region.end:
                return physical - region.base + region.offset
        return None

    def rom(self, big_endian: bool, contents: bytes = b"") -> bytes:
        """The ROM's backing: ``contents``, erased flash after it, and the words the board itself puts there.
        """
        if len(contents) > self.rom_size:
            raise ConfigError(f"--pflash of {len(contents)} bytes: board '{self.name}' has a flash memory of "
                              f"{show_size(self.rom_size)}; give a smaller file")
        backing = bytearray(contents.ljust(self.rom_size, b"\xff"))
        for offset, word in self.rom_words.items():
            backing[offset:offset + 4] = word.to_bytes(4, "big" if big_endian else "little")
        return bytes(backing)

    def build(self, outside: Outside, unclaimed: Callable[[Unclaimed], None] = lambda _: None) -> Built:
        """The devices, made anew, on a bus, as the firmware leaves them."""
        empty = [(area.base, area.size) for area in self.areas if area.kind in (Kind.EMPTY, Kind.DEVICE)]
        bus = Bus(outside.big_endian, empty, unclaimed)
        chipset = self.chipset(outside, bus, unclaimed)
        devices: dict[str, Device] = {}
        for placement in self.devices:
            device = placement.make(outside, _wire(chipset, placement.line), placement.name)
            devices[placement.name] = device
            (chipset.io if placement.port else bus).attach(placement.base, device, placement.shift)
        chipset.firmware()
        return Built(bus, chipset, chipset.devices | devices)


def _wire(chipset: MaltaChipset, line: Line | None) -> Wire:
    if line is None:
        return lambda _level: None
    return lambda level: chipset.interrupt(line, level)


@dataclass(frozen=True, slots=True)
class Built:
    bus: Bus
    chipset: MaltaChipset
    devices: dict[str, Device]                              # by name, in the board's order

    def uart(self, name: str) -> Uart16550:
        device = self.devices.get(name)
        if not isinstance(device, Uart16550):
            ports = ", ".join(port for port, made in self.devices.items() if isinstance(made, Uart16550))
            raise ConfigError(f"serial port '{name}': this board has {ports}; name one of them")
        return device


def _on_top(under: list[Region], new: Region) -> list[Region]:
    pieces = [new]
    for old in under:
        if old.base < new.base:
            pieces.append(replace(old, size=min(old.end, new.base) - old.base))
        if old.end > new.end:
            start = max(old.base, new.end)
            offset = old.offset + start - old.base
            pieces.append(replace(old, base=start, size=old.end - start, offset=offset))
    return pieces


# -- sizes ---------------------------------------------------------------------------------------------------

UNITS = {"": MIB, "K": KIB, "M": MIB, "G": GIB, "T": TIB}   # a bare number is in MiB, as QEMU has it
SIZE = re.compile(r"([0-9]{1,15})([KMGT]?)(?:I?B)?")


def parse_size(text: str, option: str = "-m") -> int:
    """``256M`` -> bytes.  Whether a board takes it is ``Board.check_ram``'s to say."""
    found = SIZE.fullmatch(text.strip().upper())
    if not found:
        raise ConfigError(f"{option} {text!r}: not a size; give a number with K, M or G, such as 256M")
    if not int(found[1]):
        raise ConfigError(f"{option} {text}: a guest needs some memory; give a size such as 256M")
    return int(found[1]) * UNITS[found[2]]


def show_size(size: int) -> str:
    """The shortest exact form: 256M, not 268435456."""
    for unit, scale in (("T", TIB), ("G", GIB), ("M", MIB), ("K", KIB)):
        if size and not size % scale:
            return f"{size // scale}{unit}"
    return f"{size}B"


# -- the boards ----------------------------------------------------------------------------------------------

def _uart(outside: Outside, wire: Wire, name: str) -> Device:
    return Uart16550(wire, lambda byte: outside.transmit(name, byte))


def _fpga(outside: Outside, _wire: Wire, _name: str) -> Device:
    return MaltaFpga(outside.big_endian, outside.reset)


def _flash(outside: Outside, _wire: Wire, _name: str) -> Device:
    return Flash(outside.big_endian, outside.memory, BOOT_ROM)


BOARD_ID = 0x420                                            # Malta with a CoreLV
LOW_RAM, POST_IO = 256 * MIB, 512 * MIB
BOOT_ROM = 0x1FC0_0000                                      # shows the flash's cells

# fmt: off
MALTA = Board(
    name="malta", about="MIPS Malta with a CoreLV card",
    ram_least=16 * MIB, ram_most=2 * GIB, ram_step=MIB, ram_default=256 * MIB,
    areas=(
        #      name             kind         base         size           backing offset
        Region("I/O hole",      Kind.EMPTY,  0x0000_0000, 512 * MIB),
        Region("low RAM",       Kind.RAM,    0x0000_0000, LOW_RAM),
        Region("ISA I/O",       Kind.DEVICE, 0x1800_0000, 2 * MIB),
        Region("flash",         Kind.DEVICE, 0x1E00_0000, 4 * MIB),
        Region("FPGA",          Kind.DEVICE, 0x1F00_0000, 1 * MIB),
        Region("boot ROM",      Kind.ROM,    BOOT_ROM,    4 * MIB),
        Region("post-I/O RAM",  Kind.RAM,    0x2000_0000, 2 * GIB - POST_IO, POST_IO),
        Region("RAM",           Kind.RAM,    0x8000_0000, 2 * GIB),
    ),
    devices=(
        #         name    base         device  line       shift
        Placement("com1", 0x03F8,      _uart, IsaIrq(4),  port=True),
        Placement("com2", 0x02F8,      _uart, IsaIrq(3),  port=True),
        Placement("flash", 0x1E00_0000, _flash),
        Placement("fpga", 0x1F00_0000, _fpga),
        Placement("cbus", 0x1F00_0900, _uart, CpuPin(4),  3),        # in a hole of the FPGA's window
    ),
    rom_size=4 * MIB, rom_words=MappingProxyType({0x10: BOARD_ID}),
    console="com1", chipset=MaltaChipset, takes_dtb=True,
)
# fmt: on

MACHINES: Mapping[str, Board] = MappingProxyType({board.name: board for board in (MALTA,)})


def find_board(name: str) -> Board:
    if name not in MACHINES:
        raise ConfigError(f"--machine {name}: no such board; choose from {', '.join(MACHINES)}")
    return MACHINES[name]
