"""What all virtio devices share: negotiation of features, the device status, queues, the interrupt status.

(VIRTIO 1.2, 2.1, 2.2, 3.1 and 4.1.4.3 to 4.1.4.5)  A notification is served at once, inside the store that brings it.
Invariant: a device's queues are served only between DRIVER_OK and the next reset, and no more once the driver broke
the rules of the rings, which DEVICE_NEEDS_RESET and a configuration interrupt tell it.
"""
from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from vmm.errors import ConfigError
from vmm.guest.devices.virtio.queue import Malformed, Memory, Virtqueue
from vmm.guest.devices.window import Window, at_most, bits, copied

# fmt: off
DRIVER_OK, FEATURES_OK, NEEDS_RESET        = 0x04, 0x08, 0x40      # of the device status
INDIRECT_DESC, EVENT_IDX, VERSION_1        = 1 << 28, 1 << 29, 1 << 32
ALWAYS                                     = INDIRECT_DESC | EVENT_IDX | VERSION_1
ISR_QUEUE, ISR_CONFIGURATION               = 1, 2
COMMON, COMMON_SIZE, ISR, NOTIFY           = 0x00, 0x40, 0x40, 0x80
SPAN                                       = 0x100
NO_VECTOR                                  = 0xFFFF                # of MSI-X, which is not there
MOST_QUEUES                                = 16
# fmt: on


class VirtioDevice(ABC):
    """One kind of device: what it offers, and what it does with a queue.  Its ``regs`` are its configuration.

    ``wake(n)``: have queue n served now, if there is a driver; a device calls it when it has something of its own.
    """
    regs: Window
    kind: int                                               # VIRTIO 1.2, chapter 5
    class_code: int
    features = 0
    queue_sizes: tuple[int, ...]

    def __init__(self) -> None:
        self.wake: Callable[[int], None] = lambda number: None

    @abstractmethod
    def serve(self, number: int, queue: Virtqueue) -> None:
        """Take from queue ``number`` what the driver offers there."""

    def start(self, features: int) -> None:  # noqa: B027    most have nothing to do
        """A driver is ready, with these features."""

    def reset(self) -> None:  # noqa: B027
        """The driver is gone."""

    @abstractmethod
    def save(self) -> Any: ...                              # Any: each device has a State of its own

    @abstractmethod
    def restore(self, state: Any) -> None: ...


class Transport:
    regs = Window(span=SPAN, width=1)

    @dataclass(slots=True)
    class State:
        device_select: int = bits(32)
        driver_select: int = bits(32)
        features: int = bits(64)                            # that the driver accepts
        status: int = bits(8)
        queue_select: int = bits(16)
        isr: int = bits(8)
        queues: bytearray = field(default_factory=bytearray, metadata=at_most(MOST_QUEUES * Virtqueue.SAVED.size))

    def __init__(self, device: VirtioDevice, memory: Memory, interrupt: Callable[[bool], None]) -> None:
        self.device, self._interrupt = device, interrupt
        self.offered = device.features | ALWAYS
        self.queues = tuple(Virtqueue(memory, size) for size in device.queue_sizes)
        self.absent = Virtqueue(memory, 0)                  # what a selection beyond the last one shows
        self.state = self.State()
        device.wake = self.serve

    # -- registers -----------------------------------------------------------------------------------------------
    @regs.read(COMMON, count=COMMON_SIZE, step=1)
    def common(self, at: int) -> int:
        row = BY_OFFSET[at]
        return 0 if row is None else row.load(self) >> 8 * (at - row.at) & 0xFF

    @regs.write(COMMON, count=COMMON_SIZE, step=1)
    def set_common(self, at: int, value: int) -> None:
        row = BY_OFFSET[at]
        if row is not None and row.store is not None:
            lane = 8 * (at - row.at)
            row.store(self, row.load(self) & ~(0xFF << lane) | value << lane)

    @regs.read(ISR)
    def isr(self) -> int:
        """Reading it is the acknowledgement."""
        value, self.state.isr = self.state.isr, 0
        self._drive()
        return value

    @regs.read(NOTIFY)
    def notification(self) -> int:
        return 0

    @regs.write(NOTIFY)
    def notify(self, number: int) -> None:
        if number < len(self.queues):
            self.serve(number)

    def _notification_wide(self, _size: int) -> int:
        return 0

    def _notify_wide(self, _size: int, value: int) -> None:
        self.notify(value & 0xFFFF)

    regs.wide(NOTIFY, _notification_wide, _notify_wide)

    # -- what the registers do -----------------------------------------------------------------------------------
    @property
    def queue(self) -> Virtqueue:
        number = self.state.queue_select
        return self.queues[number] if number < len(self.queues) else self.absent

    def features_at(self, features: int, select: int) -> int:
        return features >> 32 * select & 0xFFFF_FFFF if select < 2 else 0

    def accept(self, word: int) -> None:
        """Features of the driver; final once both sides have agreed."""
        if self.state.driver_select < 2 and not self.state.status & FEATURES_OK:
            lane = 32 * self.state.driver_select
            self.state.features = self.state.features & ~(0xFFFF_FFFF << lane) | word << lane

    def change(self, name: str, value: int) -> None:
        """A property of the selected queue, while it is not in use."""
        if self.queue is not self.absent and not self.queue.enabled:
            setattr(self.queue, name, value)

    def enable(self, value: int) -> None:
        if value == 1 and self.queue is not self.absent:
            try:
                self.queue.enable()
            except Malformed:
                self._broken()

    def set_status(self, value: int) -> None:
        if not value:
            self.reset()
            return
        state = self.state
        rising = value & ~state.status
        state.status = value & ~NEEDS_RESET | state.status & NEEDS_RESET
        if rising & FEATURES_OK and (state.features & ~self.offered or not state.features & VERSION_1):
            state.status &= ~FEATURES_OK
        if rising & DRIVER_OK:
            self._agree()
            self.device.start(state.features & self.offered)

    def _agree(self) -> None:
        for queue in self.queues:
            queue.indirect = bool(self.state.features & INDIRECT_DESC)
            queue.event_index = bool(self.state.features & EVENT_IDX)

    def reset(self) -> None:
        self.state = self.State()
        for queue in self.queues:
            queue.reset()
        self.device.reset()
        self._drive()

    # -- work ------------------------------------------------------------------------------------------------------
    def serve(self, number: int) -> None:
        queue = self.queues[number]
        if self.state.status & (DRIVER_OK | NEEDS_RESET) != DRIVER_OK or not queue.enabled:
            return
        queue.begin_turn()
        try:
            self.device.serve(number, queue)
            noticed = queue.wants_notice()
        except Malformed:
            self._broken()
            return
        if noticed:
            self.state.isr |= ISR_QUEUE
            self._drive()

    def _broken(self) -> None:
        self.state.status |= NEEDS_RESET
        if self.state.status & DRIVER_OK:
            self.state.isr |= ISR_CONFIGURATION
        self._drive()

    def _drive(self) -> None:
        self._interrupt(bool(self.state.isr))

    # -- state -----------------------------------------------------------------------------------------------------
    def save(self) -> State:
        saved = copied(self.state)
        saved.queues[:] = b"".join(queue.pack() for queue in self.queues)
        return saved

    def restore(self, state: State) -> None:
        fresh, size = copied(state), Virtqueue.SAVED.size
        if len(fresh.queues) != size * len(self.queues):
            raise ConfigError(f"snapshot: {len(fresh.queues)} bytes of virtqueues, and this device has "
                              f"{len(self.queues)} of {size}; take the snapshot again")
        for number, queue in enumerate(self.queues):
            try:
                queue.unpack(bytes(fresh.queues[size * number:size * (number + 1)]))
            except Malformed as error:
                raise ConfigError(f"snapshot: virtqueue {number}: {error}; take the snapshot again") from None
        fresh.queues.clear()
        self.state = fresh
        self._agree()
        self._drive()


# -- the common configuration, row by row --------------------------------------------------------------------

@dataclass(frozen=True, slots=True)
class Row:
    at: int
    size: int
    load: Callable[[Transport], int]
    store: Callable[[Transport, int], None] | None = None


def _own(name: str) -> tuple[Callable[[Transport], int], Callable[[Transport, int], None]]:
    """A word of the transport's state."""
    return lambda t: getattr(t.state, name), lambda t, value: setattr(t.state, name, value)


def _queue(name: str) -> tuple[Callable[[Transport], int], Callable[[Transport, int], None]]:
    """A property of the selected queue."""
    return lambda t: getattr(t.queue, name), lambda t, value: t.change(name, value)


def _vector(_transport: Transport) -> int:
    return NO_VECTOR


# fmt: off
ROWS = (
    Row(0x00, 4, *_own("device_select")),
    Row(0x04, 4, lambda t: t.features_at(t.offered, t.state.device_select)),
    Row(0x08, 4, *_own("driver_select")),
    Row(0x0C, 4, lambda t: t.features_at(t.state.features, t.state.driver_select), lambda t, value: t.accept(value)),
    Row(0x10, 2, _vector),
    Row(0x12, 2, lambda t: len(t.queues)),
    Row(0x14, 1, lambda t: t.state.status, lambda t, value: t.set_status(value)),
    Row(0x16, 2, *_own("queue_select")),
    Row(0x18, 2, *_queue("size")),
    Row(0x1A, 2, _vector),
    Row(0x1C, 2, lambda t: int(t.queue.enabled), lambda t, value: t.enable(value)),
    Row(0x20, 8, *_queue("descriptors")),
    Row(0x28, 8, *_queue("driver")),
    Row(0x30, 8, *_queue("device")),
)                                                           # zero: the configuration's generation, notification offsets
# fmt: on
BY_OFFSET: tuple[Row | None, ...] = tuple(
    next((row for row in ROWS if row.at <= at < row.at + row.size), None) for at in range(COMMON_SIZE))
