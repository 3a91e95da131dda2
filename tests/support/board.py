"""What a board's devices reach, remembered: a clock that tests turn, RAM, pins, the wire, the end."""
from __future__ import annotations

from datetime import datetime
from typing import Any

from vmm.guest.clock import BoardClock
from vmm.guest.outside import Outside
from vmm.host.kernel.timers import TimerQueue

SWITCHED_ON = datetime(2023, 6, 10, 12, 34, 56)


class Time:
    """Virtual time by hand; ``clock`` is the board's own."""

    def __init__(self) -> None:
        self.now = 0
        self.timers = TimerQueue()
        self.clock = BoardClock(self.timers, lambda: self.now, self.run_ahead)

    def run_ahead(self, to_ns: int) -> None:
        self.to(min(to_ns, to_ns if (alarm := self.timers.next_ns()) is None else alarm))

    def to(self, ns: int) -> None:
        """Go there, and to each alarm on the way at its own moment."""
        while (alarm := self.timers.next_ns()) is not None and alarm <= ns:
            self.now = max(self.now, alarm)
            self.timers.fire_due(self.now)
        self.now = max(self.now, ns)

    def pass_by(self, ns: int) -> None:
        self.to(self.now + ns)


class FakeRam:
    def __init__(self, size: int = 1 << 16) -> None:
        self.bytes = bytearray(size)

    def read(self, physical: int, size: int) -> bytes:
        if physical + size > len(self.bytes):
            raise IndexError(f"{physical:#x}")
        return bytes(self.bytes[physical:physical + size])

    def write(self, physical: int, data: bytes) -> None:
        if physical + len(data) > len(self.bytes):
            raise IndexError(f"{physical:#x}")
        self.bytes[physical:physical + len(data)] = data


class World:
    """An Outside that remembers."""

    def __init__(self, big_endian: bool = False) -> None:
        self.time, self.ram = Time(), FakeRam()
        self.pins: dict[int, bool] = {}
        self.sent: list[tuple[str, int]] = []
        self.ends: list[str] = []
        self.outside = Outside(big_endian, self.time.clock, self.ram, SWITCHED_ON, self.pins.__setitem__,
                               lambda port, byte: self.sent.append((port, byte)),
                               lambda: self.ends.append("reset"), lambda: self.ends.append("off"))


def read(device: Any, offset: int) -> int:
    value: int | None = device.regs.load(device, offset)
    assert value is not None, f"no register to read at {offset:#x}"
    return value


def write(device: Any, offset: int, value: int) -> None:
    assert device.regs.store(device, offset, value), f"no register to write at {offset:#x}"
