"""The IDE function of the 82371AB: the channels' old ports, and a bus master that moves their data by tables in memory.

(Intel 82371AB data sheet, chapters 5 and 7.1; SFF-8038i.)
Invariant: a transfer happens once both the command and the bus master were started, whichever comes first.
"""
from __future__ import annotations

from dataclasses import dataclass, field

from vmm.guest.devices.ata import READ, Memory
from vmm.guest.devices.ide import IdeChannel
from vmm.guest.devices.pci import COMMAND_IO, BaseRegister, Identity, PciFunction, Windowed
from vmm.guest.devices.window import Window, at_most, copied

START, TO_MEMORY = 0x01, 0x08                               # of the bus master's command
ACTIVE, FAILED, RAISED = 0x01, 0x02, 0x04                   # of its status
END_OF_TABLE = 0x8000


class ControlPort:
    """Port 3F6h or 376h of a channel."""
    regs = Window(span=1, width=1)

    @dataclass(slots=True)
    class State:
        """What it shows is state of the channel."""

    def __init__(self, channel: IdeChannel) -> None:
        self._channel = channel

    @regs.read(0)
    def alternate_status(self) -> int:
        return self._channel.alternate_status()

    @regs.write(0)
    def device_control(self, value: int) -> None:
        self._channel.set_control(value)

    def save(self) -> State:
        return self.State()

    def restore(self, state: State) -> None:
        """Nothing of its own."""


class BusMaster:
    """Eight registers a channel: command, status, and the address of the table of memory pieces."""
    regs = Window(span=16, width=1)
    COMMAND, STATUS, TABLE = 0, 2, 4

    @dataclass(slots=True)
    class State:
        registers: bytearray = field(default_factory=bytearray, metadata=at_most(16))

    def __init__(self, channels: tuple[IdeChannel, IdeChannel], memory: Memory) -> None:
        self.state = self.State(bytearray(16))
        self._channels, self._memory = channels, memory
        for number, channel in enumerate(channels):
            channel.wants_dma = lambda number=number: self._move(number)  # type: ignore[misc]

    @regs.read(0, count=16, step=1)
    def register(self, at: int) -> int:
        return self.state.registers[at]

    @regs.write(0, count=16, step=1)
    def set_register(self, at: int, value: int) -> None:
        registers, register = self.state.registers, at & 7
        if register == self.STATUS:
            registers[at] = registers[at] & ~(value & (FAILED | RAISED)) & 0x07 | value & 0x60
        elif register == self.COMMAND:
            registers[at] = value & (START | TO_MEMORY)
            status = at + self.STATUS
            registers[status] = registers[status] & ~ACTIVE | (ACTIVE if value & START else 0)
            self._move(at >> 3)
        elif register == self.TABLE:
            registers[at] = value & 0xFC
        elif register > self.TABLE:
            registers[at] = value

    def _move(self, number: int) -> None:
        """Once the command and the bus master have both been started."""
        base, registers, channel = 8 * number, self.state.registers, self._channels[number]
        if not (registers[base] & START and channel.waiting):
            return
        to_memory = bool(registers[base] & TO_MEMORY)
        right_way = to_memory == (channel.waiting == READ)
        good = channel.move(self._pieces(base) if right_way else [], self._memory)
        registers[base + self.STATUS] = (registers[base + self.STATUS] & ~ACTIVE) | RAISED | (0 if good else FAILED)

    def _pieces(self, base: int) -> list[tuple[int, int]]:
        table = int.from_bytes(self.state.registers[base + self.TABLE:base + 8], "little")
        found: list[tuple[int, int]] = []
        while len(found) < 8192:                            # 64 KiB of table
            try:
                row = self._memory.read(table + 8 * len(found), 8)
            except LookupError:
                return []
            size = int.from_bytes(row[4:6], "little") or 0x1_0000
            found.append((int.from_bytes(row[:4], "little") & ~1, size & ~1))
            if int.from_bytes(row[6:8], "little") & END_OF_TABLE:
                break
        return found

    def save(self) -> State:
        return copied(self.state)

    def restore(self, state: State) -> None:
        fresh = copied(state)
        fresh.registers[:] = fresh.registers.ljust(16, b"\0")
        self.state = fresh


class IdeFunction(PciFunction):
    """Decodes the channels' old ports while its timing registers say so."""
    TIMING, DECODES = 0x40, 0x8000
    PORTS = ((0x1F0, 0x3F6), (0x170, 0x376))

    def __init__(self, channels: tuple[IdeChannel, IdeChannel], controls: tuple[ControlPort, ControlPort],
                 master: BusMaster) -> None:
        self._parts: list[tuple[Windowed, Windowed]] = [(channels[n], controls[n]) for n in range(2)]
        super().__init__(Identity(0x8086, 0x7111, 0x01_01_80, revision=1), [BaseRegister(4, 16, master)], self._decode)
        self.row(self.TIMING, 4, 0x8000_8000, ones=0xFFFF_FFFF)
        self.row(0x44, 8, 0, ones=(1 << 64) - 1)

    def _decode(self) -> None:
        for number, (parts, ports) in enumerate(zip(self._parts, self.PORTS, strict=True)):
            on = self.command & COMMAND_IO and self.load(self.TIMING + 2 * number, 2) & self.DECODES
            for key, (part, port) in enumerate(zip(parts, ports, strict=True)):
                self.lay_io(200 + 2 * number + key, part, port if on else 0)
