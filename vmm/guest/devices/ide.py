"""An IDE channel: the registers and the interrupt that its two drives share.  Its PCI function is in ``piix4_ide``.

Both drives hear what is written to the registers; the one that is selected answers and takes commands.  (ATA/ATAPI-6,
T13 1410D, chapters 7 and 9.)  Invariant: the interrupt line is the selected drive's.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vmm.guest.devices.ata import Drive, Memory
from vmm.guest.devices.window import Window, bits, copied
from vmm.guest.disk import Disk

CONTROL_NO_INTERRUPT, CONTROL_RESET, HOB = 0x02, 0x04, 0x80
DEVICE_1, BUSY = 0x10, 0x80
DIAGNOSTIC = 0x90                                           # the command that both drives execute


class IdeChannel:
    regs = Window(span=8, width=1)

    @dataclass(slots=True)
    class Registers:
        device: int = bits(8)
        control: int = bits(8)

    @dataclass(slots=True)
    class State:
        registers: IdeChannel.Registers
        drives: tuple[Drive.State, ...]

    def __init__(self, interrupt: Callable[[bool], None], disks: Sequence[Disk | None]) -> None:
        """``disks``: device 0 and device 1."""
        self.registers = self.Registers()
        self._interrupt = interrupt
        self.drives = [None if disk is None else Drive(disk, bool(number)) for number, disk in enumerate(disks)]
        self.wants_dma: Callable[[], None] = lambda: None

    @property
    def _there(self) -> list[Drive]:
        return [drive for drive in self.drives if drive is not None]

    @property
    def _selected(self) -> Drive | None:
        return self.drives[bool(self.registers.device & DEVICE_1)]

    # -- registers -----------------------------------------------------------------------------------------------
    @regs.read(0)
    def data_byte(self) -> int:
        return self.load_data(1)

    @regs.write(0)
    def set_data_byte(self, value: int) -> None:
        self.store_data(1, value)

    @regs.read(1)
    def error(self) -> int:
        return 0 if self._selected is None else self._selected.state.error

    @regs.write(1)
    def features(self, value: int) -> None:
        self._hear("features", value)

    @regs.read(2, count=4, step=1)
    def address(self, number: int) -> int:
        if self._selected is None:
            return 0
        value: int = getattr(self._selected.state, QUEUED[number])
        return (value >> 8 if self.registers.control & HOB else value) & 0xFF

    @regs.write(2, count=4, step=1)
    def set_address(self, number: int, value: int) -> None:
        self._hear(QUEUED[number], value)

    def _hear(self, name: str, value: int) -> None:
        """Of two bytes written, the first is the upper one of 48-bit commands."""
        self.registers.control &= ~HOB
        for drive in self._there:
            setattr(drive.state, name, (getattr(drive.state, name) << 8 | value) & 0xFFFF)

    @regs.read(6)
    def device_head(self) -> int:
        return self.registers.device | 0xA0

    @regs.write(6)
    def set_device_head(self, value: int) -> None:
        self.registers.control &= ~HOB
        self.registers.device = value
        for drive in self._there:
            drive.state.device = value
        self._update()

    @regs.read(7)
    def status(self) -> int:
        if self._selected is not None:
            self._selected.state.asks = False
        self._update()
        return self.alternate_status()

    @regs.write(7)
    def command(self, value: int) -> None:
        self.registers.control &= ~HOB
        drive = self._selected
        if value == DIAGNOSTIC:
            self._reset()
            self._ask()
        elif drive is not None and not self.registers.control & CONTROL_RESET:
            drive.state.asks = False
            drive.command(value)
            if drive.state.dma:
                self.wants_dma()
        self._update()

    def alternate_status(self) -> int:
        if self._selected is None:
            return 0
        return BUSY if self.registers.control & CONTROL_RESET else self._selected.state.status

    def set_control(self, value: int) -> None:
        before, self.registers.control = self.registers.control, value
        if before & CONTROL_RESET and not value & CONTROL_RESET:
            self._reset()
        self._update()

    def load_data(self, size: int) -> int:
        value = 0 if self._selected is None else self._selected.load_data(size)
        self._update()
        return value

    def store_data(self, size: int, value: int) -> None:
        if self._selected is not None:
            self._selected.store_data(size, value)
        self._update()

    regs.wide(0, load_data, store_data)

    def _reset(self) -> None:
        self.registers.device = 0
        for drive in self._there:
            drive.reset()

    def _ask(self) -> None:
        if self._selected is not None:
            self._selected.state.asks = True

    def _update(self) -> None:
        drive = self._selected
        self._interrupt(drive is not None and drive.state.asks and not self.registers.control & CONTROL_NO_INTERRUPT)

    # -- DMA -----------------------------------------------------------------------------------------------------
    @property
    def waiting(self) -> int:
        """What the DMA command does that waits for the bus master; 0 if none does."""
        return next((drive.state.transfer for drive in self._there if drive.state.dma), 0)

    def move(self, pieces: list[tuple[int, int]], memory: Memory) -> bool:
        """That command, over these pieces of memory; false if they are too few or not memory."""
        drive = next(drive for drive in self._there if drive.state.dma)
        good = drive.move(pieces, memory)
        self._update()
        return good

    # -- state ---------------------------------------------------------------------------------------------------
    def save(self) -> State:
        return self.State(copied(self.registers), tuple(drive.save() for drive in self._there))

    def restore(self, state: State) -> None:
        self.registers = copied(state.registers)
        for drive, of_drive in zip(self._there, state.drives, strict=True):
            drive.restore(of_drive)
        self._update()


QUEUED = ("count", "low", "middle", "high")
