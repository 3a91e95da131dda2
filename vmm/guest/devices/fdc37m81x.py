"""The configuration port of an FDC37M81x super I/O chip: 55h opens it, then an index and a data port until AAh closes it.

What it holds is what firmware left there and software writes; its logical devices are where the board put them, and stay.
Invariant: while it is closed, it answers nothing and holds what it held.  (SMSC FDC37M81x data sheet, "Configuration")
"""
from __future__ import annotations

from dataclasses import dataclass, field

from vmm.guest.devices.window import Window, at_most, bits, copied

ENTER, LEAVE, NOTHING = 0x55, 0xAA, 0xFF
# fmt: off
DEVICE, IDENTITY, REVISION, FIRST_OF_DEVICE = 0x07, 0x20, 0x21, 0x30
ACTIVE, BASE, BASE_2, IRQ, IRQ_2, DMA       = 0x30, 0x60, 0x62, 0x70, 0x72, 0x74
# fmt: on
DEVICES, REGISTERS = 16, 0x100
CHIP, CHIP_REVISION = 0x4D, 0x01
NO_DMA = 4


@dataclass(frozen=True, slots=True)
class Logical:
    """One logical device as firmware leaves it."""
    number: int
    base: int
    irq: int
    irq_2: int = 0
    dma: int = NO_DMA
    active: bool = True


AS_BOOTED = (
    Logical(0, 0x3F0, 6, dma=2, active=False), Logical(3, 0x378, 7, active=False),        # floppy disks, parallel port
    Logical(4, 0x3F8, 4), Logical(5, 0x2F8, 3), Logical(7, 0x060, 1, 12),                 # COM1, COM2, keyboard and mouse
)


class Configuration:
    regs = Window(span=2, width=1)

    @dataclass(slots=True)
    class State:
        opened: bool = False
        index: int = bits(8)
        common: bytearray = field(default_factory=lambda: bytearray(FIRST_OF_DEVICE), metadata=at_most(FIRST_OF_DEVICE))
        devices: bytearray = field(default_factory=lambda: bytearray(DEVICES * REGISTERS),
                                   metadata=at_most(DEVICES * REGISTERS))

    def __init__(self) -> None:
        self.state = self.State()
        self.state.common[IDENTITY], self.state.common[REVISION] = CHIP, CHIP_REVISION
        for device in AS_BOOTED:
            at = device.number * REGISTERS
            rows = self.state.devices
            rows[at + ACTIVE], rows[at + IRQ], rows[at + IRQ_2], rows[at + DMA] = (
                device.active, device.irq, device.irq_2, device.dma)
            rows[at + BASE:at + BASE_2] = device.base.to_bytes(2, "big")

    @regs.read(0)
    def index(self) -> int:
        return self.state.index if self.state.opened else NOTHING

    @regs.write(0)
    def set_index(self, value: int) -> None:
        state = self.state
        if not state.opened:
            state.opened = value == ENTER
        elif value == LEAVE:
            state.opened = False
        else:
            state.index = value

    @regs.read(1)
    def data(self) -> int:
        state = self.state
        if not state.opened:
            return NOTHING
        return state.common[state.index] if state.index < FIRST_OF_DEVICE else state.devices[self._at]

    @regs.write(1)
    def set_data(self, value: int) -> None:
        state = self.state
        if not state.opened or state.index in (IDENTITY, REVISION):
            return
        if state.index < FIRST_OF_DEVICE:
            state.common[state.index] = value
        else:
            state.devices[self._at] = value

    @property
    def _at(self) -> int:
        return self.state.common[DEVICE] % DEVICES * REGISTERS + self.state.index

    def save(self) -> State:
        return copied(self.state)

    def restore(self, state: State) -> None:
        fresh = copied(state)
        fresh.common[:] = fresh.common.ljust(FIRST_OF_DEVICE, b"\0")
        fresh.devices[:] = fresh.devices.ljust(DEVICES * REGISTERS, b"\0")
        self.state = fresh
