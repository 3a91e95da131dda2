"""The Malta board's FPGA: switches, display, reset.  (MIPS MD00048, chapter 4.)

Registers are 32 bits wide, 8 bytes apart, in the byte order of the CPU.  The board's revision is not here but
in the boot ROM (``board.BOARD_ID``).  Nothing is wired to the I2C and general-purpose pins: inputs read as
pulled up.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from vmm.guest.devices.window import Window, at_most, bits, copied

SOFTRES_MAGIC = 0x42
STATUS_FIXED, STATUS_BIG_ENDIAN = 0x10, 0x02
I2C_IDLE = 0x3                                              # clock and data pulled up
DISPLAY_WIDTH = 8


class MaltaFpga:
    regs = Window(span=0xC00)

    @dataclass(slots=True)
    class State:
        ledbar: int = bits(8)
        ascii_word: int = bits(32)
        display: bytearray = field(default_factory=bytearray, metadata=at_most(DISPLAY_WIDTH))
        break_character: int = bits(8, reset=0x0A)
        gpio_out: int = bits(8)
        i2c_enable: int = bits(2)
        i2c_out: int = bits(2, reset=I2C_IDLE)
        i2c_select: int = bits(1, reset=1)

    def __init__(self, big_endian: bool, reset: Callable[[], None]) -> None:
        self.state = self._fresh()
        self._big_endian, self._reset = big_endian, reset

    @regs.read(0x200)
    def switch(self) -> int:
        return 0

    @regs.read(0x208)
    def status(self) -> int:
        return STATUS_FIXED | (STATUS_BIG_ENDIAN if self._big_endian else 0)

    @regs.read(0x210)
    def jmprs(self) -> int:
        return 0

    @regs.read(0x408)
    def ledbar(self) -> int:
        return self.state.ledbar

    @regs.write(0x408)
    def set_ledbar(self, value: int) -> None:
        self.state.ledbar = value & 0xFF

    @regs.read(0x410)
    def asciiword(self) -> int:
        return self.state.ascii_word

    @regs.write(0x410)
    def show_number(self, value: int) -> None:
        """The display shows the word in hexadecimal."""
        self.state.ascii_word = value
        self.state.display[:] = b"%08X" % value

    @regs.read(0x418, count=DISPLAY_WIDTH, step=8)
    def asciipos(self, position: int) -> int:
        return self.state.display[position]

    @regs.write(0x418, count=DISPLAY_WIDTH, step=8)
    def show_character(self, position: int, value: int) -> None:
        self.state.display[position] = value & 0xFF

    @regs.write(0x500)
    def softres(self, value: int) -> None:
        if value == SOFTRES_MAGIC:
            self._reset()

    @regs.read(0x508)
    def brkres(self) -> int:
        return self.state.break_character

    @regs.write(0x508)
    def set_break_character(self, value: int) -> None:
        self.state.break_character = value & 0xFF

    @regs.read(0xA00)
    def gpout(self) -> int:
        return self.state.gpio_out

    @regs.write(0xA00)
    def set_gpout(self, value: int) -> None:
        self.state.gpio_out = value & 0xFF

    @regs.read(0xA08)
    def gpinp(self) -> int:
        return 0

    @regs.read(0xB00)
    def i2cinp(self) -> int:
        """A pin that drives shows what it drives; one that does not is pulled up."""
        return self.state.i2c_out & self.state.i2c_enable | I2C_IDLE & ~self.state.i2c_enable

    @regs.read(0xB08)
    def i2coe(self) -> int:
        return self.state.i2c_enable

    @regs.write(0xB08)
    def set_i2coe(self, value: int) -> None:
        self.state.i2c_enable = value & 0x3

    @regs.read(0xB10)
    def i2cout(self) -> int:
        return self.state.i2c_out

    @regs.write(0xB10)
    def set_i2cout(self, value: int) -> None:
        self.state.i2c_out = value & 0x3

    @regs.read(0xB18)
    def i2csel(self) -> int:
        return self.state.i2c_select

    @regs.write(0xB18)
    def set_i2csel(self, value: int) -> None:
        self.state.i2c_select = value & 0x1

    @property
    def shown(self) -> str:
        """What a person in front of the board reads."""
        return self.state.display.decode("latin-1")

    def save(self) -> State:
        return copied(self.state)

    def restore(self, state: State) -> None:
        fresh = copied(state)
        fresh.display[:] = fresh.display.ljust(DISPLAY_WIDTH)
        self.state = fresh

    def _fresh(self) -> State:
        return self.State(display=bytearray(b" " * DISPLAY_WIDTH))
