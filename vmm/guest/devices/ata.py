"""An ATA disk drive: what one of the two devices on an IDE channel does with its commands.  (ATA/ATAPI-6, T13 1410D)

A command is over as soon as it is given, so BSY never shows but while the channel is reset.  Invariants: the disk is only
asked for sectors that it has; DRQ is up exactly while ``buffer`` has bytes to move or a DMA command waits for its bus
master; a command that ends well after a write or a flush has done it.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from vmm.guest.devices.window import at_most, bits, copied
from vmm.guest.disk import SECTOR, Disk

MOST_MULTIPLE = 16
HEADS, TRACK = 16, 63
VERIFIED_AT_ONCE = 2048
# fmt: off
ERR, DRQ, DSC, DRDY                       = 0x01, 0x08, 0x10, 0x40
ABORTED, NOT_FOUND, UNCORRECTABLE         = 0x04, 0x10, 0x40
DEVICE_LBA                                = 0x40
READ, WRITE                               = 1, 2             # what a transfer does
PIO_FLOW, MULTIWORD, ULTRA                = 0x08, 0x20, 0x40  # transfer modes, as SET FEATURES has them
# fmt: on


class Memory(Protocol):
    def read(self, physical: int, size: int, /) -> bytes: ...

    def write(self, physical: int, data: bytes, /) -> None: ...


class Drive:
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
        multiple: int = bits(8)
        heads: int = bits(5, reset=HEADS)                   # as cylinders, heads and sectors are counted
        track: int = bits(8, reset=TRACK)
        mode: int = bits(8, reset=PIO_FLOW)                 # of transfers
        cached: bool = True                                 # what is written may wait for a flush
        asks: bool = False                                  # INTRQ, before nIEN
        transfer: int = bits(2)
        dma: bool = False
        sector: int = bits(48)
        remaining: int = bits(17)                           # sectors
        block: int = bits(8, reset=1)                       # sectors an interrupt
        position: int = bits(16)
        buffer: bytearray = field(default_factory=bytearray, metadata=at_most(SECTOR * MOST_MULTIPLE))

    def __init__(self, disk: Disk, second: bool) -> None:
        self.state = self.State()
        self.disk, self._second = disk, second

    def save(self) -> State:
        return copied(self.state)

    def restore(self, state: State) -> None:
        self.state = copied(state)

    def reset(self) -> None:
        """By software: what it was told of transfer modes and its cache stays."""
        kept = self.state
        self.state = self.State(mode=kept.mode, cached=kept.cached, heads=kept.heads, track=kept.track)

    # -- data by program -------------------------------------------------------------------------------------------
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
            try:
                self.disk.write(state.sector, bytes(state.buffer))
                self._next_block()
            except OSError:
                self._fail(ABORTED, state.sector)

    def _fill(self) -> None:
        """The next block: read, or room for what will be written."""
        state = self.state
        count, state.position = min(state.block, state.remaining), 0
        state.buffer = bytearray(self.disk.read(state.sector, count) if state.transfer == READ else SECTOR * count)

    def _next_block(self) -> None:
        state = self.state
        count = len(state.buffer) // SECTOR if state.remaining else 0
        writing = state.transfer == WRITE
        state.sector, state.remaining = state.sector + count, state.remaining - count
        if state.remaining:
            try:
                self._fill()
                state.asks = True
            except OSError:
                self._fail(UNCORRECTABLE, state.sector)
            return
        state.transfer, state.buffer, state.position = 0, bytearray(), 0
        state.status &= ~DRQ
        if writing:
            self._written()
            state.asks = True

    def _written(self) -> None:
        """Without a cache, a command that wrote is over when that lasts."""
        if not self.state.cached:
            self.disk.flush()

    # -- data by bus master ------------------------------------------------------------------------------------------
    def move(self, pieces: list[tuple[int, int]], memory: Memory) -> bool:
        """A waiting DMA command, over these pieces of memory; false if they are too few or not memory."""
        state = self.state
        state.dma = False
        try:
            self._gather(pieces, memory) if state.transfer == WRITE else self._scatter(pieces, memory)
        except LookupError:
            self._fail(ABORTED, state.sector)
            return False
        except OSError:
            self._fail(UNCORRECTABLE if state.transfer == READ else ABORTED, state.sector)
            return True
        state.transfer, state.remaining = 0, 0
        state.status &= ~DRQ
        state.asks = True
        return True

    def _scatter(self, pieces: list[tuple[int, int]], memory: Memory) -> None:
        state, at = self.state, 0
        cut = _cut(pieces, state.remaining * SECTOR)
        data = self.disk.read(state.sector, state.remaining)
        for physical, size in cut:
            memory.write(physical, data[at:at + size])
            at += size

    def _gather(self, pieces: list[tuple[int, int]], memory: Memory) -> None:
        state = self.state
        cut = _cut(pieces, state.remaining * SECTOR)
        self.disk.write(state.sector, b"".join(memory.read(physical, size) for physical, size in cut))
        self._written()

    # -- commands ------------------------------------------------------------------------------------------------
    def command(self, number: int) -> None:
        state = self.state
        state.transfer, state.remaining, state.buffer, state.position = 0, 0, bytearray(), 0
        state.status, state.error, state.dma = DRDY | DSC, 0, False
        if number in TRANSFERS:
            what, dma, extended, multiple = TRANSFERS[number]
            self._transfer(what, dma, extended, state.multiple if multiple else 1)
        elif number in COMMANDS or 0x10 <= number <= 0x1F:  # those are RECALIBRATE
            COMMANDS.get(number, _nothing)(self)
            state.asks = True
        else:
            self._fail(ABORTED)

    def _transfer(self, what: int, dma: bool, extended: bool, block: int) -> None:
        state = self.state
        if not block:
            self._fail(ABORTED)                             # SET MULTIPLE comes first
            return
        where = self._where(extended)
        if where is None:
            return
        state.sector, state.remaining = where
        state.transfer, state.dma, state.block = what, dma, block
        state.status |= DRQ
        if dma:
            return
        try:
            self._fill()
            state.asks = what == READ
        except OSError:
            self._fail(UNCORRECTABLE, state.sector)

    def _where(self, extended: bool) -> tuple[int, int] | None:
        """The first sector and how many; None, with the command ended, if the disk has not all of them."""
        state = self.state
        low, middle, high, head = state.low & 0xFF, state.middle & 0xFF, state.high & 0xFF, state.device & 0xF
        count = state.count & 0xFF or 0x100
        if extended:
            upper = state.high >> 8 << 16 | state.middle >> 8 << 8 | state.low >> 8
            first, count = upper << 24 | high << 16 | middle << 8 | low, state.count or 0x1_0000
        elif state.device & DEVICE_LBA:
            first = head << 24 | high << 16 | middle << 8 | low
        elif head < state.heads and 0 < low <= state.track:
            first = ((high << 8 | middle) * state.heads + head) * state.track + low - 1
        else:
            first = self.disk.sectors
        if first + count > self.disk.sectors:
            self._fail(NOT_FOUND)
            return None
        return first, count

    def _fail(self, why: int, sector: int | None = None) -> None:
        """``sector``: where, if the registers do not say it."""
        state = self.state
        state.transfer, state.remaining, state.dma, state.buffer, state.position = 0, 0, False, bytearray(), 0
        state.error, state.status, state.asks = why, DRDY | DSC | ERR, True
        if sector is not None:
            state.low = sector & 0xFF | sector >> 24 << 8 & 0xFF00
            state.middle = sector >> 8 & 0xFF | sector >> 32 << 8 & 0xFF00
            state.high = sector >> 16 & 0xFF | sector >> 40 << 8 & 0xFF00

    # -- commands without a transfer of sectors ----------------------------------------------------------------------
    def identify(self) -> None:
        self.state.transfer, self.state.buffer = READ, bytearray(self._identity())
        self.state.status |= DRQ

    def set_multiple(self) -> None:
        count = self.state.count & 0xFF
        if count in (0, 1, 2, 4, 8, 16):
            self.state.multiple = count
        else:
            self._fail(ABORTED)

    def verify(self) -> None:
        self._verify(False)

    def verify_extended(self) -> None:
        self._verify(True)

    def _verify(self, extended: bool) -> None:
        where = self._where(extended)
        if where is None:
            return
        sector, last = where[0], where[0] + where[1]
        try:
            while sector < last:
                self.disk.read(sector, min(VERIFIED_AT_ONCE, last - sector))
                sector += VERIFIED_AT_ONCE
        except OSError:
            self._fail(UNCORRECTABLE, sector)

    def flush(self) -> None:
        try:
            self.disk.flush()
        except OSError:
            self._fail(ABORTED)

    def parameters(self) -> None:
        """INITIALIZE DEVICE PARAMETERS."""
        state = self.state
        if state.count & 0xFF:
            state.heads, state.track = (state.device & 0xF) + 1, state.count & 0xFF
        else:
            self._fail(ABORTED)

    def check_power(self) -> None:
        self.state.count = 0xFF                             # active

    def set_features(self) -> None:
        state, feature = self.state, self.state.features & 0xFF
        if feature == 0x03 and state.count & 0xFF in MODES:
            state.mode = state.count & 0xFF
        elif feature in (0x02, 0x82):
            state.cached = feature == 0x02
            if not state.cached:
                self.flush()
        elif feature not in (0x55, 0xAA, 0x66, 0xCC):       # look-ahead; what a reset leaves as it is
            self._fail(ABORTED)

    def _identity(self) -> bytes:
        state, sectors = self.state, self.disk.sectors
        cylinders = min(sectors // (HEADS * TRACK), 16383)
        now = min(sectors // (state.heads * state.track), 65535)
        short, cache = min(sectors, (1 << 28) - 1), 0x20 if state.cached else 0
        current = now * state.heads * state.track
        words = {0: 0x0040, 1: cylinders, 3: HEADS, 6: TRACK, 47: 0x8000 | MOST_MULTIPLE, 49: 0x0300, 50: 0x4000,
                 53: 0x0007, 54: now, 55: state.heads, 56: state.track, 57: current & 0xFFFF, 58: current >> 16,
                 59: (0x0100 if state.multiple else 0) | state.multiple, 60: short & 0xFFFF, 61: short >> 16,
                 63: self._modes(MULTIWORD), 64: 0x0003, 65: 120, 66: 120, 67: 120, 68: 120, 80: 0x007E,
                 82: 0x4020, 83: 0x7400, 84: 0x4000, 85: 0x4000 | cache, 86: 0x3400, 87: 0x4000,
                 88: self._modes(ULTRA), 93: 0x6100 if self._second else 0x6001,
                 **{100 + n: sectors >> 16 * n & 0xFFFF for n in range(4)}}
        words |= _text(10, "1" if self._second else "0", 20) | _text(23, "1", 8) | _text(27, "VMM DISK", 40)
        return b"".join(words.get(n, 0).to_bytes(2, "little") for n in range(256))

    def _modes(self, kind: int) -> int:
        """Three are there, and one may be chosen."""
        chosen = self.state.mode - kind
        return 0x0007 | (1 << 8 + chosen if 0 <= chosen < 3 else 0)


def _nothing(_drive: Drive) -> None:
    """What it asks for is so already."""


MODES = frozenset({0, 1, *range(PIO_FLOW, PIO_FLOW + 5), *range(MULTIWORD, MULTIWORD + 3), *range(ULTRA, ULTRA + 3)})
TRANSFERS = {                                               # direction, DMA, 48-bit, several sectors an interrupt
    0x20: (READ, False, False, False),  0x21: (READ, False, False, False),  0x24: (READ, False, True, False),
    0x30: (WRITE, False, False, False), 0x31: (WRITE, False, False, False), 0x34: (WRITE, False, True, False),
    0xC4: (READ, False, False, True),   0xC5: (WRITE, False, False, True),
    0x29: (READ, False, True, True),    0x39: (WRITE, False, True, True),
    0xC8: (READ, True, False, False),   0xC9: (READ, True, False, False),   0x25: (READ, True, True, False),
    0xCA: (WRITE, True, False, False),  0xCB: (WRITE, True, False, False),  0x35: (WRITE, True, True, False),
}
COMMANDS: dict[int, Callable[[Drive], None]] = {
    0xEC: Drive.identify, 0xEF: Drive.set_features, 0xC6: Drive.set_multiple, 0x91: Drive.parameters,
    0x40: Drive.verify, 0x41: Drive.verify, 0x42: Drive.verify_extended, 0xE7: Drive.flush, 0xEA: Drive.flush,
    0xE5: Drive.check_power, 0x70: _nothing, 0xE0: _nothing, 0xE1: _nothing, 0xE2: _nothing, 0xE3: _nothing,
    0xE6: _nothing,                                         # SEEK; what is about standing by and sleeping
}


def _cut(pieces: list[tuple[int, int]], size: int) -> list[tuple[int, int]]:
    """The pieces as far as so many bytes go; ``LookupError`` if they do not."""
    found: list[tuple[int, int]] = []
    for physical, room in pieces:
        found.append((physical, min(room, size)))
        size -= found[-1][1]
        if not size:
            return found
    raise LookupError("the table ends before the data")


def _text(word: int, text: str, length: int) -> dict[int, int]:
    """ATA strings have the first character in the upper byte."""
    padded = text.ljust(length).encode("ascii")
    return {word + n: padded[2 * n] << 8 | padded[2 * n + 1] for n in range(length // 2)}
