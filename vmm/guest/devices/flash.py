"""A bank of two flash chips, 16 Mbit each and 16 bits wide, side by side on a bus of 32: Intel's command set 0001.

A word is a command or datum for both chips, one in each half; the low half is the first's.  An operation is over when its
second word is written, so a chip is always ready.  The cells are memory of the board: the boot ROM shows them too.
Invariant: programming only clears bits, and only erasing a block sets them.
(Intel 28F160S5 data sheet, without its write buffer; JEDEC JESD68, Common Flash Interface)
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

from vmm.guest.devices.window import Window, at_most, copied

CHIPS, CHIP_BYTES, BLOCK_BYTES, WORD = 2, 2 << 20, 64 << 10, 4
BANK_BYTES = CHIPS * CHIP_BYTES
HALF = WORD // CHIPS
ERASED = 0xFF
# fmt: off
ARRAY, IDENTITY, QUERY, STATUS                      = 0xFF, 0x90, 0x98, 0x70               # what a chip shows
CLEAR, ERASE, CONFIRM, PROGRAM, PROGRAM_TOO         = 0x50, 0x20, 0xD0, 0x40, 0x10
READY, ERASE_FAILED, PROGRAM_FAILED                 = 0x80, 0x20, 0x10
# fmt: on
MANUFACTURER, DEVICE = 0x89, 0xD0
QUERY_AT, EXTENDED_AT = 0x10, 0x31
COMMAND_SET = 0x0001


def _query() -> dict[int, int]:
    """The query structure: address within the chip, byte."""
    blocks = CHIP_BYTES // BLOCK_BYTES
    # fmt: off
    identification = [*b"QRY", *COMMAND_SET.to_bytes(2, "little"), EXTENDED_AT, 0, 0, 0, 0, 0]
    system         = [0x45, 0x55, 0, 0,                     # volts; no programming voltage of its own
                      4, 0, 10, 0, 4, 0, 4, 0]              # logarithms of typical and most times; 0: cannot do that
    geometry       = [CHIP_BYTES.bit_length() - 1, 0x02, 0, 0, 0,           # x8 or x16; no write buffer
                      1, *(blocks - 1).to_bytes(2, "little"), *(BLOCK_BYTES // 256).to_bytes(2, "little")]
    extended       = [*b"PRI10", 0, 0, 0, 0, 0, 0, 0, 0x50, 0]              # no optional feature; 5 volts
    # fmt: on
    found = dict(enumerate([*identification, *system, *geometry], QUERY_AT))
    return found | dict(enumerate(extended, EXTENDED_AT))


TABLE = _query()


class Memory(Protocol):
    def read(self, physical: int, size: int, /) -> bytes: ...

    def write(self, physical: int, data: bytes, /) -> None: ...


class Flash:
    regs = Window(span=BANK_BYTES)

    @dataclass(slots=True)
    class State:
        """A byte a chip."""
        shows: bytearray = field(default_factory=lambda: bytearray([ARRAY] * CHIPS), metadata=at_most(CHIPS))
        status: bytearray = field(default_factory=lambda: bytearray([READY] * CHIPS), metadata=at_most(CHIPS))
        started: bytearray = field(default_factory=lambda: bytearray(CHIPS), metadata=at_most(CHIPS))
        """The command whose second word comes next; 0 for none."""

    def __init__(self, big_endian: bool, memory: Memory, base: int) -> None:
        """``base``: where the cells are in ``memory``."""
        self.state = self.State()
        self._memory, self._base = memory, base
        self._order: Literal["big", "little"] = "big" if big_endian else "little"

    # -- the cells -----------------------------------------------------------------------------------------------
    def _cells(self, at: int, size: int) -> bytearray:
        try:
            return bytearray(self._memory.read(self._base + at, size))
        except LookupError:
            return bytearray([ERASED] * size)

    def _set_cells(self, at: int, cells: bytes) -> None:
        try:
            self._memory.write(self._base + at, cells)
        except LookupError:
            pass                                            # a bank without cells

    def _place(self, chip: int) -> int:
        """Of a chip's half within each word."""
        return HALF * (CHIPS - 1 - chip if self._order == "big" else chip)

    # -- words ---------------------------------------------------------------------------------------------------
    @regs.rest_read
    def word(self, at: int) -> int:
        cells = self._cells(at, WORD)
        for chip in range(CHIPS):
            if self.state.shows[chip] != ARRAY:
                place = self._place(chip)
                cells[place:place + HALF] = self._shown(chip, at).to_bytes(HALF, self._order)
        return int.from_bytes(cells, self._order)

    def _shown(self, chip: int, at: int) -> int:
        address = at // WORD
        match self.state.shows[chip]:
            case 0x70:
                return self.state.status[chip]
            case 0x98:
                return TABLE.get(address & 0xFF, 0)
            case _:
                return {0: MANUFACTURER, 1: DEVICE}.get(address & 0xFF, 0)  # the rest: no block is locked

    @regs.rest_write
    def set_word(self, at: int, value: int) -> None:
        for chip in range(CHIPS):
            half = value >> 8 * HALF * chip & (1 << 8 * HALF) - 1
            started, self.state.started[chip] = self.state.started[chip], 0
            if started:
                self._second(chip, started, at, half)
            else:
                self._first(chip, half & 0xFF)

    def _first(self, chip: int, command: int) -> None:
        """What is no command changes nothing."""
        state = self.state
        if command in (ARRAY, IDENTITY, QUERY, STATUS):
            state.shows[chip] = command
        elif command == CLEAR:
            state.status[chip] = READY
        elif command in (ERASE, PROGRAM, PROGRAM_TOO):
            state.started[chip] = command
            state.shows[chip] = STATUS

    def _second(self, chip: int, started: int, at: int, value: int) -> None:
        place = self._place(chip)
        if started != ERASE:
            cells = self._cells(at, WORD)
            old = int.from_bytes(cells[place:place + HALF], self._order)
            cells[place:place + HALF] = (old & value).to_bytes(HALF, self._order)
            self._set_cells(at, bytes(cells))
        elif value & 0xFF == CONFIRM:
            start = at & -(CHIPS * BLOCK_BYTES)
            cells = self._cells(start, CHIPS * BLOCK_BYTES)
            for byte in range(place, place + HALF):
                cells[byte::WORD] = bytes([ERASED]) * (len(cells) // WORD)
            self._set_cells(start, bytes(cells))
        else:
            self.state.status[chip] |= ERASE_FAILED | PROGRAM_FAILED        # not the command's second word

    def save(self) -> State:
        return copied(self.state)

    def restore(self, state: State) -> None:
        fresh = copied(state)
        for row in (fresh.shows, fresh.status, fresh.started):
            row[:] = row.ljust(CHIPS, b"\0")
        self.state = fresh
