"""An IDE channel and a disk on it.  Its PCI function and bus master are in ``piix4_ide``.

A command is over as soon as it is given, so BSY never shows.  (ATA/ATAPI-6, T13 1410D)
Invariant: the disk is only asked for sectors that it has; DRQ is up exactly while ``buffer`` has bytes to move or a DMA
command waits for its bus master.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from vmm.guest.devices.window import Window, at_most, bits, copied

SECTOR = 512
MOST_MULTIPLE = 16
HEADS, TRACK = 16, 63
# fmt: off
ERR, DRQ, DSC, DRDY                       = 0x01, 0x08, 0x10, 0x40
ABORTED, NOT_FOUND                        = 0x04, 0x10
CONTROL_NO_INTERRUPT, CONTROL_RESET, HOB  = 0x02, 0x04, 0x80
DEVICE_1, DEVICE_LBA                      = 0x10, 0x40
READ, WRITE                               = 1, 2             # what a transfer does
# fmt: on


class Disk(Protocol):
    @property
    def sectors(self) -> int: ...

    def read(self, sector: int, count: int, /) -> bytes: ...

    def write(self, sector: int, data: bytes, /) -> None: ...


class Memory(Protocol):
    def read(self, physical: int, size: int, /) -> bytes: ...

    def write(self, physical: int, data: bytes, /) -> None: ...


class IdeChannel:
    regs = Window(span=8, width=1)

    @dataclass(slots=True)
    class State:
        features: int = bits(16)
        count: int = bits(16, reset=1)                      # the byte written before is the upper one (HOB)
        low: int = bits(16, reset=1)
        middle: int = bits(16)
        high: int = bits(16)
        device: int = bits(8)
        status: int = bits(8, reset=DRDY | DSC)
        error: int = bits(8, reset=1)
        control: int = bits(8)
        multiple: int = bits(8)
        asks: bool = False                                  # INTRQ, before nIEN
        transfer: int = bits(2)
        dma: bool = False
        sector: int = bits(48)
        remaining: int = bits(17)                           # sectors
        block: int = bits(8, reset=1)                       # sectors an interrupt
        position: int = bits(16)
        buffer: bytearray = field(default_factory=bytearray, metadata=at_most(SECTOR * MOST_MULTIPLE))

    def __init__(self, interrupt: Callable[[bool], None], disk: Disk | None) -> None:
        self.state = self.State()
        self._interrupt, self.disk = interrupt, disk
        self.wants_dma: Callable[[], None] = lambda: None

    # -- registers -----------------------------------------------------------------------------------------------
    @regs.read(0)
    def data_byte(self) -> int:
        return self.load_data(1)

    @regs.write(0)
    def set_data_byte(self, value: int) -> None:
        self.store_data(1, value)

    @regs.read(1)
    def error(self) -> int:
        return self.state.error if self._there else 0

    @regs.write(1)
    def features(self, value: int) -> None:
        self.state.features = (self.state.features << 8 | value) & 0xFFFF

    @regs.read(2, count=4, step=1)
    def address(self, number: int) -> int:
        value: int = getattr(self.state, QUEUED[number])
        return (value >> 8 if self.state.control & HOB else value) & 0xFF if self._there else 0

    @regs.write(2, count=4, step=1)
    def set_address(self, number: int, value: int) -> None:
        self.state.control &= ~HOB
        before: int = getattr(self.state, QUEUED[number])
        setattr(self.state, QUEUED[number], (before << 8 | value) & 0xFFFF)

    @regs.read(6)
    def device(self) -> int:
        return self.state.device | 0xA0

    @regs.write(6)
    def set_device(self, value: int) -> None:
        self.state.device = value

    @regs.read(7)
    def status(self) -> int:
        self.state.asks = False
        self._update()
        return self.alternate_status()

    @regs.write(7)
    def command(self, value: int) -> None:
        self.state.control &= ~HOB
        self.state.asks = False
        if self._there:
            self._start(value)
        self._update()

    def alternate_status(self) -> int:
        return self.state.status if self._there else 0

    def set_control(self, value: int) -> None:
        before, self.state.control = self.state.control, value
        if before & CONTROL_RESET and not value & CONTROL_RESET:
            self.state = self.State(control=value)
        self._update()

    def load_data(self, size: int) -> int:
        state = self.state
        if state.transfer != READ or state.dma:
            return 0
        data = bytes(state.buffer[state.position:state.position + size])
        state.position += len(data)
        if state.position >= len(state.buffer):
            self._next_block()
        return int.from_bytes(data, "little")

    def store_data(self, size: int, value: int) -> None:
        state = self.state
        if state.transfer != WRITE or state.dma:
            return
        data = value.to_bytes(size, "little")[:len(state.buffer) - state.position]
        state.buffer[state.position:state.position + len(data)] = data
        state.position += len(data)
        if state.position >= len(state.buffer):
            self._write(bytes(state.buffer))
            self._next_block()

    regs.wide(0, load_data, store_data)

    def save(self) -> State:
        return copied(self.state)

    def restore(self, state: State) -> None:
        self.state = copied(state)
        self._update()

    # -- commands ------------------------------------------------------------------------------------------------
    @property
    def _there(self) -> bool:
        return self.disk is not None and not self.state.device & DEVICE_1

    def _start(self, command: int) -> None:
        state = self.state
        state.transfer, state.remaining, state.buffer, state.position = 0, 0, bytearray(), 0
        state.status, state.error, state.dma = DRDY | DSC, 0, False
        if command in TRANSFERS:
            what, dma, extended, multiple = TRANSFERS[command]
            self._transfer(what, dma, extended, state.multiple if multiple else 1)
        elif command == 0xEC:
            state.transfer, state.buffer = READ, bytearray(self._identity())
            state.status |= DRQ
            self._ask()
        elif command == 0xC6 and state.count & 0xFF in (1, 2, 4, 8, 16):
            state.multiple = state.count & 0xFF
            self._ask()
        elif command == 0x90:
            state.error, state.count, state.low, state.middle, state.high = 1, 1, 1, 0, 0
            self._ask()
        elif command in DONE_AT_ONCE or 0x10 <= command <= 0x1F:
            self._ask()
        else:
            self._fail(ABORTED)

    def _transfer(self, what: int, dma: bool, extended: bool, block: int) -> None:
        state, disk = self.state, self.disk
        assert disk is not None
        if not block:
            self._fail(ABORTED)                             # SET MULTIPLE comes first
            return
        state.sector, count = self._where(extended)
        if state.sector < 0 or state.sector + count > disk.sectors:
            state.sector = 0
            self._fail(NOT_FOUND)
            return
        state.transfer, state.dma, state.remaining, state.block = what, dma, count, block
        state.status |= DRQ
        if dma:
            self.wants_dma()
            return
        self._fill()
        if what == READ:
            self._ask()

    def _where(self, extended: bool) -> tuple[int, int]:
        """The first sector and how many."""
        state = self.state
        low, middle, high = state.low & 0xFF, state.middle & 0xFF, state.high & 0xFF
        if extended:
            upper = state.high >> 8 << 16 | state.middle >> 8 << 8 | state.low >> 8
            return upper << 24 | high << 16 | middle << 8 | low, state.count or 0x1_0000
        count = state.count & 0xFF or 0x100
        head = state.device & 0xF
        if state.device & DEVICE_LBA:
            return head << 24 | high << 16 | middle << 8 | low, count
        return ((high << 8 | middle) * HEADS + head) * TRACK + low - 1, count

    def _fill(self) -> None:
        """The next block of a PIO transfer: read, or room for what will be written."""
        state, disk = self.state, self.disk
        assert disk is not None
        count, state.position = min(state.block, state.remaining), 0
        state.buffer = bytearray(disk.read(state.sector, count) if state.transfer == READ else SECTOR * count)

    def _next_block(self) -> None:
        state = self.state
        count = len(state.buffer) // SECTOR if state.remaining else 0
        reading = state.transfer == READ
        state.sector, state.remaining = state.sector + count, state.remaining - count
        if state.remaining:
            self._fill()
            self._ask()
            return
        state.transfer, state.buffer, state.position = 0, bytearray(), 0
        state.status &= ~DRQ
        if not reading:
            self._ask()

    def _write(self, data: bytes) -> None:
        assert self.disk is not None
        self.disk.write(self.state.sector, data)

    def _fail(self, why: int) -> None:
        self.state.error, self.state.status = why, DRDY | DSC | ERR
        self._ask()

    def _ask(self) -> None:
        self.state.asks = True
        self._update()

    def _update(self) -> None:
        self._interrupt(self.state.asks and not self.state.control & CONTROL_NO_INTERRUPT)

    # -- DMA -----------------------------------------------------------------------------------------------------
    def move(self, pieces: list[tuple[int, int]], memory: Memory) -> bool:
        """A waiting DMA command, over these pieces of memory; false if they are too few or not memory."""
        state, disk = self.state, self.disk
        assert disk is not None
        good = sum(size for _, size in pieces) >= state.remaining * SECTOR
        try:
            for physical, size in pieces if good else []:
                count = min(-(-size // SECTOR), state.remaining)
                size = min(size, count * SECTOR)
                if size % SECTOR:
                    good = False                            # no driver splits a sector
                    break
                if state.transfer == READ:
                    memory.write(physical, disk.read(state.sector, count))
                else:
                    disk.write(state.sector, memory.read(physical, size))
                state.sector, state.remaining = state.sector + count, state.remaining - count
        except LookupError:
            good = False
        state.transfer, state.remaining, state.dma = 0, 0, False
        state.status &= ~DRQ
        if good:
            self._ask()
        else:
            self._fail(ABORTED)
        return good

    def _identity(self) -> bytes:
        assert self.disk is not None
        sectors = self.disk.sectors
        cylinders = min(sectors // (HEADS * TRACK), 16383)
        short = min(sectors, (1 << 28) - 1)
        current = cylinders * HEADS * TRACK
        words = {0: 0x0040, 1: cylinders, 3: HEADS, 6: TRACK, 47: 0x8000 | MOST_MULTIPLE, 49: 0x0300, 50: 0x4000,
                 53: 0x0007, 54: cylinders, 55: HEADS, 56: TRACK, 57: current & 0xFFFF, 58: current >> 16,
                 59: 0x0100 | self.state.multiple, 60: short & 0xFFFF, 61: short >> 16, 63: 0x0007, 64: 0x0003, 65: 120,
                 66: 120, 67: 120, 68: 120, 80: 0x007E, 82: 0x4000, 83: 0x7400, 84: 0x4000, 85: 0x4000, 86: 0x3400,
                 87: 0x4000, 88: 0x0007, 93: 0x6001,
                 **{100 + n: sectors >> 16 * n & 0xFFFF for n in range(4)}}
        words |= _text(10, "0", 20) | _text(23, "1", 8) | _text(27, "VMM DISK", 40)
        return b"".join(words.get(n, 0).to_bytes(2, "little") for n in range(256))


QUEUED = ("count", "low", "middle", "high")
TRANSFERS = {                                               # direction, DMA, 48-bit, several sectors an interrupt
    0x20: (READ, False, False, False),  0x21: (READ, False, False, False),  0x24: (READ, False, True, False),
    0x30: (WRITE, False, False, False), 0x31: (WRITE, False, False, False), 0x34: (WRITE, False, True, False),
    0xC4: (READ, False, False, True),   0xC5: (WRITE, False, False, True),
    0x29: (READ, False, True, True),    0x39: (WRITE, False, True, True),
    0xC8: (READ, True, False, False),   0xC9: (READ, True, False, False),   0x25: (READ, True, True, False),
    0xCA: (WRITE, True, False, False),  0xCB: (WRITE, True, False, False),  0x35: (WRITE, True, True, False),
}
DONE_AT_ONCE = frozenset({0x40, 0x41, 0x42, 0x70, 0x91, 0xE0, 0xE1, 0xE2, 0xE3, 0xE5, 0xE6, 0xE7, 0xEA, 0xEF})


def _text(word: int, text: str, length: int) -> dict[int, int]:
    """ATA strings have the first character in the upper byte."""
    padded = text.ljust(length).encode("ascii")
    return {word + n: padded[2 * n] << 8 | padded[2 * n + 1] for n in range(length // 2)}
