"""The GT-64120 system controller: address decoding, PCI configuration, the interrupt acknowledge cycle.

Its registers are little-endian words at an address that is itself in a register; after reset the chip is wired to the
CPU's byte order, so a big-endian CPU sees them swapped.  Timers, DMA and the SDRAM parameters hold what is written.
(Galileo GT-64120A data sheet, chapters 3, 7 and 18.)
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from vmm.guest.devices.pci import ABSENT, PciBus
from vmm.guest.devices.window import Window, at_most, copied

SPAN = 0x1000
# fmt: off
CPU_INTERFACE, CPU_LITTLE                        = 0x000, 0x1000
ISD                                              = 0x068
IO, MEMORY0, MEMORY1                             = (0x048, 0x050, 0x0F0), (0x058, 0x060, 0x0F8), (0x080, 0x088, 0x100)
CAUSE, MASTER_ABORT                              = 0xC18, 1 << 18
ACKNOWLEDGE, CONFIG_ADDRESS, CONFIG_DATA         = 0xC34, 0xCF8, 0xCFC
CONFIG_ENABLE, CONFIG_OTHERS                     = 1 << 31, 0x00FF_F800

RESET = {
    0x008: 0x000, 0x010: 0x007, 0x018: 0x008, 0x020: 0x00F,             # SCS 1:0 and 3:2, low and high
    0x028: 0x0E0, 0x030: 0x070, 0x038: 0x0F8, 0x040: 0x07F,             # CS 2:0, CS 3 and boot
    0x048: 0x080, 0x050: 0x00F, 0x058: 0x090, 0x060: 0x01F,             # PCI 0 I/O, memory 0
    0x068: 0x0A0, 0x080: 0x790, 0x088: 0x01F,                           # internal space, PCI 0 memory 1
    0x090: 0x100, 0x098: 0x00F, 0x0A0: 0x110, 0x0A8: 0x01F,             # PCI 1
    0x0F0: 0x080, 0x0F8: 0x090, 0x100: 0x790, 0x120: 0x003,             # remapping, multi-GT
    0x400: 0x00, 0x404: 0x07, 0x408: 0x08, 0x40C: 0x0F, 0x410: 0x10, 0x414: 0x17, 0x418: 0x18, 0x41C: 0x1F,
    0x420: 0xC0, 0x424: 0xC7, 0x428: 0xC8, 0x42C: 0xCF, 0x430: 0xD0, 0x434: 0xDF, 0x438: 0xF0, 0x43C: 0xFB,
    0x440: 0xFC, 0x444: 0xFF,
    0x448: 0x14, 0x44C: 0x5, 0x450: 0x5, 0x454: 0x5, 0x458: 0x5,
    0x45C: 0x0013_FFF0, 0x460: 0x0014_6001,
    0xC00: 0x0, 0xC04: 0x0707, 0xC08: 0x0100_0000,
}
# fmt: on


class Range(NamedTuple):
    """CPU addresses ``base`` .. ``base + size`` go to ``target`` of the PCI space."""
    base: int
    size: int
    target: int


class Gt64120:
    regs = Window(span=SPAN)

    @dataclass(slots=True)
    class State:
        words: bytearray = field(default_factory=bytearray, metadata=at_most(SPAN))

    def __init__(self, big_endian: bool, bus: PciBus, acknowledge: Callable[[], int],
                 moved: Callable[[], None] = lambda: None) -> None:
        """``acknowledge``: the interrupt acknowledge cycle on the PCI bus; ``moved``: a decoder has changed."""
        self._big, self._bus = big_endian, bus
        self._acknowledge, self._moved = acknowledge, moved
        self.state = self.State(words=bytearray(SPAN))
        for at, value in RESET.items():
            self._put(at, value)
        self._put(CPU_INTERFACE, 0 if big_endian else CPU_LITTLE)

    # -- what it decodes -----------------------------------------------------------------------------------------
    @property
    def internal(self) -> int:
        """Where its own registers are."""
        return self._get(ISD) << 21

    def window(self, which: tuple[int, int, int]) -> Range | None:
        """The addresses of a decoder; ``which`` are its registers low, high and remapping."""
        low, high, remap = (self._get(at) for at in which)
        if high < low & 0x7F:
            return None                                     # disabled
        return Range(low << 21, (high - (low & 0x7F) + 1) << 21, (low & ~0x7FF | remap & 0x7FF) << 21)

    # -- registers -----------------------------------------------------------------------------------------------
    @regs.read(0, count=SPAN // 4, step=4)
    def register(self, index: int) -> int:
        at = 4 * index
        if at == CONFIG_DATA:
            return self._config_load()
        return self._swapped(self._acknowledge() if at == ACKNOWLEDGE else self._get(at))

    @regs.write(0, count=SPAN // 4, step=4)
    def set_register(self, index: int, value: int) -> None:
        at = 4 * index
        if at == CONFIG_DATA:
            self._config_store(value)
            return
        value = self._swapped(value)
        if at == CAUSE:
            value &= self._get(CAUSE)                       # software clears bits by writing zero
        if at in DECODERS:
            self._decoder(at, value)
        elif at not in (CPU_INTERFACE, ACKNOWLEDGE):
            self._put(at, value)

    def _decoder(self, at: int, value: int) -> None:
        width = 0x7F if at in HIGHS else 0x7FFF
        self._put(at, value & width)
        if at in REMAPPED:                                  # writing the low address sets the remapping too
            self._put(REMAPPED[at], value & 0x7FF)
        self._moved()

    def save(self) -> State:
        return copied(self.state)

    def restore(self, state: State) -> None:
        fresh = copied(state)
        fresh.words[:] = fresh.words.ljust(SPAN, b"\0")
        self.state = fresh
        self._moved()

    # -- configuration cycles ------------------------------------------------------------------------------------
    def _config_load(self) -> int:
        address = self._get(CONFIG_ADDRESS)
        function = self._bus.at(address) if address & CONFIG_ENABLE else None
        if function is None:
            self._put(CAUSE, self._get(CAUSE) | MASTER_ABORT)
            return ABSENT
        return self._ordered(address, function.load(address & 0xFC, 4))

    def _config_store(self, value: int) -> None:
        address = self._get(CONFIG_ADDRESS)
        function = self._bus.at(address) if address & CONFIG_ENABLE else None
        if function is None:
            self._put(CAUSE, self._get(CAUSE) | MASTER_ABORT)
        else:
            function.store(address & 0xFC, 4, self._ordered(address, value))

    def _ordered(self, address: int, value: int) -> int:
        """Data of other functions is swapped twice on its way to a big-endian CPU."""
        return value if address & CONFIG_OTHERS else self._swapped(value)

    def _swapped(self, value: int) -> int:
        return int.from_bytes(value.to_bytes(4, "little"), "big") if self._big else value

    def _get(self, at: int) -> int:
        return int.from_bytes(self.state.words[at:at + 4], "little")

    def _put(self, at: int, value: int) -> None:
        self.state.words[at:at + 4] = value.to_bytes(4, "little")


HIGHS = frozenset(which[1] for which in (IO, MEMORY0, MEMORY1))
REMAPPED = {which[0]: which[2] for which in (IO, MEMORY0, MEMORY1)}
DECODERS = frozenset({ISD}.union(IO, MEMORY0, MEMORY1))
