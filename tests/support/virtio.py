"""A driver's side of virtio, by the book: PCI capabilities, negotiation, rings in RAM.  (VIRTIO 1.2, 2.7, 3.1, 4.1)"""
from __future__ import annotations

from struct import pack, unpack_from
from typing import Any

from tests.support.board import FakeRam
from vmm.guest.bus import Bus
from vmm.guest.devices.virtio.function import VirtioFunction
from vmm.guest.devices.virtio.transport import VirtioDevice

NEXT, WRITE, INDIRECT = 1, 2, 4
VERSION_1, EVENT_IDX, INDIRECT_DESC = 1 << 32, 1 << 29, 1 << 28
ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK, NEEDS_RESET = 1, 2, 4, 8, 64
COMMON, NOTIFY, ISR, DEVICE, PCI = range(1, 6)
WINDOWS = 0x1000_0000, 0x1000_1000


class Ring:
    """The driver's half of a queue of ``size``: tables at ``base``, buffers behind them."""

    def __init__(self, ram: FakeRam, base: int, size: int, *, event_index: bool = False) -> None:
        self.ram, self.size, self.event_index = ram, size, event_index
        self.descriptors, self.driver = base, base + 16 * size
        self.device = self.driver + 6 + 2 * size + 3 & ~3
        self.buffers = self.device + 6 + 8 * size + 15 & ~15
        self.at, self.index, self.seen = self.buffers, 0, 0
        self.free = list(range(size))
        self.rooms: dict[int, list[tuple[int, int]]] = {}
        self.slots: dict[int, list[int]] = {}
        ram.write(base, bytes(self.buffers - base))

    def number(self, at: int) -> int:
        return int.from_bytes(self.ram.read(at, 2), "little")

    def descriptor(self, table: int, slot: int, address: int, size: int, flags: int, following: int = 0) -> None:
        self.ram.write(table + 16 * slot, pack("<QIHH", address, size, flags, following))

    def place(self, data: bytes) -> int:
        if self.at + len(data) > len(self.ram.bytes):
            self.at = self.buffers
        at, self.at = self.at, self.at + len(data)
        self.ram.write(at, data)
        return at

    def offer(self, readable: list[bytes], writable: list[int] | None = None, *, indirect: bool = False) -> int:
        """Make a buffer available; its head."""
        pieces = [(self.place(data), len(data), 0) for data in readable]
        pieces += [(self.place(b"\xee" * size), size, WRITE) for size in writable or []]
        if indirect:
            table, slots = self.place(bytes(16 * len(pieces))), list(range(len(pieces)))
            head = self.free.pop()
            self.descriptor(self.descriptors, head, table, 16 * len(pieces), INDIRECT)
            self.slots[head] = [head]
        else:
            table, slots = self.descriptors, [self.free.pop() for _ in pieces]
            head = slots[0]
            self.slots[head] = slots
        for (address, size, flags), slot, following in zip(pieces, slots, [*slots[1:], None], strict=True):
            self.descriptor(table, slot, address, size, flags | (0 if following is None else NEXT), following or 0)
        self.rooms[head] = [(address, size) for address, size, flags in pieces if flags & WRITE]
        self.expose(head)
        return head

    def expose(self, head: int) -> None:
        self.ram.write(self.driver + 4 + 2 * (self.index % self.size), pack("<H", head))
        self.index = self.index + 1 & 0xFFFF
        self.ram.write(self.driver + 2, pack("<H", self.index))

    def collect(self) -> list[tuple[int, bytes]]:
        """What the device has given back since: heads, and as much of their room as it says it wrote."""
        found = []
        while self.seen != self.number(self.device + 2):
            head, size = unpack_from("<II", self.ram.read(self.device + 4 + 8 * (self.seen % self.size), 8))
            data = b"".join(self.ram.read(at, length) for at, length in self.rooms.pop(head))
            assert size <= len(data)
            found.append((head, data[:size]))
            self.free += self.slots.pop(head)
            self.seen = self.seen + 1 & 0xFFFF
        if self.event_index:
            self.ram.write(self.driver + 4 + 2 * self.size, pack("<H", self.seen))
        return found


class Driver:
    """Finds the parts of a function by its capabilities; ``start`` does what section 3.1.1 says."""

    def __init__(self, device: VirtioDevice, ram: FakeRam | None = None) -> None:
        self.ram = ram or FakeRam()
        self.line = False
        self.interrupts = 0
        self.device, self.function = device, VirtioFunction(device, self.ram)
        self.bus = Bus(False, [(WINDOWS[0], 0x10_0000)], floating=0xFF)
        self.function.wire(1, self._interrupt)
        self.function.connect(Bus(False), self.bus)
        for number, address in enumerate(WINDOWS):
            self.function.store(0x10 + 4 * number, 4, address)
        self.function.store(0x04, 2, 0x6)
        self.parts = {kind: (WINDOWS[bar] + offset, size) for kind, bar, offset, size in self.capabilities()}
        self.rings: list[Ring] = []

    def _interrupt(self, level: bool) -> None:
        self.interrupts += level and not self.line
        self.line = level

    def capabilities(self) -> list[tuple[int, int, int, int]]:
        found, at = [], self.function.load(0x34, 1)
        while at:
            identity, following, _, kind, bar = bytes(self.function.state.config[at:at + 5])
            if identity == 9 and kind != PCI:
                found.append((kind, bar, self.function.load(at + 8, 4), self.function.load(at + 12, 4)))
            at = following
        return found

    # -- registers -----------------------------------------------------------------------------------------------
    def load(self, offset: int, size: int, part: int = COMMON) -> int:
        return self.bus.load(self.parts[part][0] + offset, size)

    def store(self, offset: int, size: int, value: int, part: int = COMMON) -> None:
        self.bus.store(self.parts[part][0] + offset, size, value)

    def configuration(self, offset: int, size: int) -> int:
        return self.load(offset, size, DEVICE)

    @property
    def status(self) -> int:
        return self.load(0x14, 1)

    @status.setter
    def status(self, value: int) -> None:
        self.store(0x14, 1, value)

    def acknowledge(self) -> int:
        """The interrupt status, cleared by reading it."""
        return self.load(0, 1, ISR)

    @property
    def offered(self) -> int:
        words = []
        for select in (0, 1):
            self.store(0x00, 4, select)
            words.append(self.load(0x04, 4))
        return words[1] << 32 | words[0]

    def accept(self, features: int) -> None:
        for select in (0, 1):
            self.store(0x08, 4, select)
            self.store(0x0C, 4, features >> 32 * select & 0xFFFF_FFFF)

    # -- life ----------------------------------------------------------------------------------------------------
    def start(self, features: int | None = None, sizes: tuple[int, ...] = ()) -> None:
        self.status = 0
        self.status = ACKNOWLEDGE | DRIVER
        features = self.offered if features is None else features
        self.accept(features)
        self.status = ACKNOWLEDGE | DRIVER | FEATURES_OK
        assert self.status & FEATURES_OK
        self.rings, base = [], 0x100
        for number in range(self.load(0x12, 2)):
            self.store(0x16, 2, number)
            size = sizes[number] if sizes else self.load(0x18, 2)
            ring = Ring(self.ram, base, size, event_index=bool(features & EVENT_IDX))
            self.lay(ring)
            self.rings.append(ring)
            base = ring.buffers
        for number, ring in enumerate(self.rings):          # buffers behind all tables
            ring.buffers = ring.at = base + 0x4000 * number
        self.status = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK

    def lay(self, ring: Ring) -> None:
        """Tell the device of the selected queue's place, and enable it."""
        self.store(0x18, 2, ring.size)
        for offset, address in ((0x20, ring.descriptors), (0x28, ring.driver), (0x30, ring.device)):
            self.store(offset, 4, address & 0xFFFF_FFFF)
            self.store(offset + 4, 4, address >> 32)
        self.store(0x1C, 2, 1)

    def kick(self, number: int) -> None:
        self.store(0, 2, number, NOTIFY)

    def ask(self, number: int, readable: list[bytes], writable: list[int] | None = None, **how: Any) -> bytes:
        """Offer one buffer, and what the device wrote into it."""
        head = self.rings[number].offer(readable, writable, **how)
        self.kick(number)
        (found, data), = self.rings[number].collect()
        assert found == head
        return data
