"""The 8042 keyboard controller: two serial ports for a keyboard and a mouse, behind one byte of output.

It answers at once, so its input is always free.  Ports 60h (``I8042``) and 64h (``CommandPort``) are windows of their own,
as other devices lie between them.  Invariant: a line is up exactly while the output holds a byte of its port, or for the
keyboard's one of the controller itself, and the mode lets it interrupt.  (Intel UPI-41AH/42AH data sheet; IBM
Personal System/2 Hardware Interface Technical Reference)
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from vmm.guest.devices.window import Stateful, Window, at_most, bits, copied

# fmt: off
KEYBOARD_INTERRUPT, MOUSE_INTERRUPT, SYSTEM             = 0x01, 0x02, 0x04                 # of the mode
KEYBOARD_OFF, MOUSE_OFF, TRANSLATES                     = 0x10, 0x20, 0x40
OUTPUT_FULL, WAS_COMMAND, UNLOCKED, FROM_MOUSE          = 0x01, 0x08, 0x10, 0x20           # of the status
READ_MODE, WRITE_MODE, TEST                             = 0x20, 0x60, 0xAA
READ_PINS, WRITE_PINS                                   = 0xD0, 0xD1
AS_KEYBOARD, AS_MOUSE, TO_MOUSE                         = 0xD2, 0xD3, 0xD4
# fmt: on
REPLIES = {0xA4: 0xF1, 0xA9: 0x00, TEST: 0x55, 0xAB: 0x00, 0xC0: 0x80}
"""No password; the tests of mouse port, controller and keyboard port; the input pins, of which one says "not locked"."""
SWITCHES = {0xA7: (MOUSE_OFF, True), 0xA8: (MOUSE_OFF, False), 0xAD: (KEYBOARD_OFF, True), 0xAE: (KEYBOARD_OFF, False)}
WITH_DATA = (WRITE_MODE, WRITE_PINS, AS_KEYBOARD, AS_MOUSE, TO_MOUSE)
PINS_UP = 0xC3
"""Of the output port: reset and A20 not asserted, both clocks idle."""
TRANSLATED = {0x01: 0x43, 0x02: 0x41, 0x03: 0x3F, 0x83: 0x41}
"""What a keyboard that is not typed at sends and the translation to code set 1 changes."""
QUEUE = 16


class Ps2(Stateful, Protocol):
    """What is plugged in."""

    def take(self, byte: int, /) -> bytes:
        """A byte from the host; the answer."""


class I8042:
    regs = Window(span=1, width=1)

    @dataclass(slots=True)
    class Own:
        mode: int = bits(8, reset=KEYBOARD_INTERRUPT | MOUSE_INTERRUPT)
        expects: int = bits(8)                              # the command that the next byte of data is for; 0 for none
        was_command: bool = False
        output: int = bits(8)
        full: bool = False
        from_mouse: bool = False
        keyboard: bytearray = field(default_factory=bytearray, metadata=at_most(QUEUE))
        mouse: bytearray = field(default_factory=bytearray, metadata=at_most(QUEUE))

    @dataclass(slots=True)
    class State:
        """``plugged``: those of the keyboard and the mouse."""
        own: I8042.Own
        plugged: tuple[Any, ...]                            # Any: each has a State of its own

    def __init__(self, keyboard: Ps2, mouse: Ps2, keyboard_line: Callable[[bool], None],
                 mouse_line: Callable[[bool], None]) -> None:
        self._state = self.Own()
        self._keyboard, self._mouse = keyboard, mouse
        self._keyboard_line, self._mouse_line = keyboard_line, mouse_line

    # -- port 60h ------------------------------------------------------------------------------------------------
    @regs.read(0)
    def data(self) -> int:
        """A byte that was read stays there, until the next one comes."""
        byte, self._state.full = self._state.output, False
        self._update()
        self._fill()
        return byte

    @regs.write(0)
    def set_data(self, value: int) -> None:
        state = self._state
        command, state.expects, state.was_command = state.expects, 0, False
        if command == WRITE_MODE:
            state.mode = value
        elif command in (AS_KEYBOARD, AS_MOUSE):
            self._put(value, command == AS_MOUSE)
        elif command == TO_MOUSE:
            state.mode &= ~MOUSE_OFF
            self._answer(state.mouse, self._mouse.take(value))
        elif command != WRITE_PINS:                         # of which neither reset nor A20 is connected
            state.mode &= ~KEYBOARD_OFF
            self._answer(state.keyboard, self._keyboard.take(value))
        self._fill()

    # -- port 64h ------------------------------------------------------------------------------------------------
    def status(self) -> int:
        state = self._state
        output = OUTPUT_FULL | (FROM_MOUSE if state.from_mouse else 0) if state.full else 0
        return UNLOCKED | state.mode & SYSTEM | (WAS_COMMAND if state.was_command else 0) | output

    def command(self, value: int) -> None:
        state = self._state
        state.was_command, state.expects = True, value if value in WITH_DATA else 0
        if value == TEST:
            state.mode |= SYSTEM
        if value in SWITCHES:
            switch, on = SWITCHES[value]
            state.mode = state.mode | switch if on else state.mode & ~switch
            self._fill()
        elif value == READ_MODE:
            self._put(state.mode)
        elif value == READ_PINS:
            self._put(PINS_UP | (state.full << (5 if state.from_mouse else 4)))
        elif value in REPLIES:
            self._put(REPLIES[value])

    # -- the output ----------------------------------------------------------------------------------------------
    def _put(self, byte: int, from_mouse: bool = False) -> None:
        """What the controller itself says takes the place of what nobody has read."""
        self._state.output, self._state.full, self._state.from_mouse = byte, True, from_mouse
        self._update()

    def _answer(self, queue: bytearray, answer: bytes) -> None:
        """A device that is asked again forgets what it still had to say."""
        queue[:] = answer

    def _fill(self) -> None:
        """The next byte from a port that is on; the keyboard's comes first."""
        state = self._state
        if not state.full:
            if state.keyboard and not state.mode & KEYBOARD_OFF:
                byte = state.keyboard.pop(0)
                state.output, state.from_mouse = TRANSLATED.get(byte, byte) if state.mode & TRANSLATES else byte, False
                state.full = True
            elif state.mouse and not state.mode & MOUSE_OFF:
                state.output, state.from_mouse, state.full = state.mouse.pop(0), True, True
        self._update()

    def _update(self) -> None:
        state = self._state
        self._keyboard_line(state.full and not state.from_mouse and bool(state.mode & KEYBOARD_INTERRUPT))
        self._mouse_line(state.full and state.from_mouse and bool(state.mode & MOUSE_INTERRUPT))

    def save(self) -> State:
        return self.State(copied(self._state), (self._keyboard.save(), self._mouse.save()))

    def restore(self, state: State) -> None:
        self._state = copied(state.own)
        for device, saved in zip((self._keyboard, self._mouse), state.plugged, strict=True):
            device.restore(saved)
        self._update()


class CommandPort:
    """Port 64h of a controller."""
    regs = Window(span=1, width=1)

    @dataclass(slots=True)
    class State:
        """What it shows is state of the controller."""

    def __init__(self, controller: I8042) -> None:
        self._controller = controller

    @regs.read(0)
    def status(self) -> int:
        return self._controller.status()

    @regs.write(0)
    def command(self, value: int) -> None:
        self._controller.command(value)

    def save(self) -> State:
        return self.State()

    def restore(self, state: State) -> None:
        """Nothing of its own."""
