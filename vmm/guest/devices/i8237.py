"""An 8237A DMA controller, and the page registers beside it.  No device of this board asks for its service.

Invariant: with no request, a channel's current address and count are what was last written, and its terminal count never
comes.  (Intel 8237A data sheet)
"""
from __future__ import annotations

from dataclasses import dataclass, field

from vmm.guest.devices.window import Window, at_most, bits, copied

CHANNELS = 4
NUMBERS = 2 * 2 * CHANNELS
"""Bytes of the channels' numbers: address and count in turn, low byte first."""
ALL = 0xF
PAGES = 16


class I8237:
    regs = Window(span=16, width=1)

    @dataclass(slots=True)
    class State:
        numbers: bytearray = field(default_factory=lambda: bytearray(NUMBERS), metadata=at_most(NUMBERS))
        upper: bool = False                                 # which byte comes next
        command: int = bits(8)
        requests: int = bits(4)                             # by software
        mask: int = bits(4, reset=ALL)
        modes: bytearray = field(default_factory=lambda: bytearray(CHANNELS), metadata=at_most(CHANNELS))

    def __init__(self) -> None:
        self.state = self.State()

    @regs.read(0, count=2 * CHANNELS, step=1)
    def number(self, which: int) -> int:
        return self.state.numbers[self._next(which)]

    @regs.write(0, count=2 * CHANNELS, step=1)
    def set_number(self, which: int, value: int) -> None:
        self.state.numbers[self._next(which)] = value

    def _next(self, which: int) -> int:
        upper, self.state.upper = self.state.upper, not self.state.upper
        return 2 * which + upper

    @regs.read(8)
    def status(self) -> int:
        return self.state.requests << 4

    @regs.write(8)
    def set_command(self, value: int) -> None:
        self.state.command = value

    @regs.write(9)
    def request(self, value: int) -> None:
        self.state.requests = _with_bit(self.state.requests, value)

    @regs.write(10)
    def set_mask_bit(self, value: int) -> None:
        self.state.mask = _with_bit(self.state.mask, value)

    @regs.write(11)
    def set_mode(self, value: int) -> None:
        self.state.modes[value & 3] = value & 0xFC

    @regs.write(12)
    def clear_flip_flop(self, _value: int) -> None:
        self.state.upper = False

    @regs.read(13)
    def temporary(self) -> int:
        return 0

    @regs.write(13)
    def master_clear(self, _value: int) -> None:
        """Addresses, counts and modes stay."""
        state = self.state
        state.upper, state.command, state.requests, state.mask = False, 0, 0, ALL

    @regs.write(14)
    def clear_mask(self, _value: int) -> None:
        self.state.mask = 0

    @regs.read(15)
    def mask(self) -> int:
        return ~ALL & 0xFF | self.state.mask

    @regs.write(15)
    def set_mask(self, value: int) -> None:
        self.state.mask = value & ALL

    def save(self) -> State:
        return copied(self.state)

    def restore(self, state: State) -> None:
        fresh = copied(state)
        fresh.numbers[:] = fresh.numbers.ljust(NUMBERS, b"\0")
        fresh.modes[:] = fresh.modes.ljust(CHANNELS, b"\0")
        self.state = fresh


def _with_bit(bits_before: int, value: int) -> int:
    """Bit 2 of ``value`` for the channel in its bits 0 and 1."""
    bit = 1 << (value & 3)
    return bits_before | bit if value & 4 else bits_before & ~bit


class PageRegisters:
    """Address bits 16 to 23 of the channels, and registers that only hold."""
    regs = Window(span=PAGES, width=1)

    @dataclass(slots=True)
    class State:
        pages: bytearray = field(default_factory=lambda: bytearray(PAGES), metadata=at_most(PAGES))

    def __init__(self) -> None:
        self.state = self.State()

    @regs.read(0, count=PAGES, step=1)
    def page(self, number: int) -> int:
        return self.state.pages[number]

    @regs.write(0, count=PAGES, step=1)
    def set_page(self, number: int, value: int) -> None:
        self.state.pages[number] = value

    def save(self) -> State:
        return copied(self.state)

    def restore(self, state: State) -> None:
        fresh = copied(state)
        fresh.pages[:] = fresh.pages.ljust(PAGES, b"\0")
        self.state = fresh
