"""A PS/2 keyboard and a mouse that nobody touches: they answer what a driver asks, and say nothing by themselves.

``take`` is a byte from the host; its value is the answer, which is there at once.  Invariant: a command that takes a byte
more waits for exactly one.  (IBM Personal System/2 Hardware Interface Technical Reference, keyboard and mouse chapters)
"""
from __future__ import annotations

from dataclasses import dataclass

from vmm.guest.devices.window import bits, copied

# fmt: off
ACK, RESEND, PASSED                                     = 0xFA, 0xFE, 0xAA
LEDS, ECHO, CODE_SET, IDENTIFY, TYPEMATIC               = 0xED, 0xEE, 0xF0, 0xF2, 0xF3     # of a keyboard
SCALE_1, SCALE_2, RESOLUTION, REPORT, STREAM, READ      = 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xEB    # of a mouse
UNWRAP, WRAP, REMOTE, RATE                              = 0xEC, 0xEE, 0xF0, 0xF3
ENABLE, DISABLE, DEFAULTS, RESET                        = 0xF4, 0xF5, 0xF6, 0xFF           # of both
# fmt: on
FIRST_COMMAND = 0xED
"""What is less is the second byte of a keyboard's command."""
KEYBOARD_ID, MOUSE_ID = b"\xab\x83", b"\x00"
KEY_TYPES = range(0xF7, 0xFE)
"""Which keys repeat, and which report their release."""


class Keyboard:
    @dataclass(slots=True)
    class State:
        pending: int = bits(8)                              # the command that waits for its second byte; 0 for none
        scanning: bool = True
        leds: int = bits(3)
        code_set: int = bits(2, reset=2)
        typematic: int = bits(7, reset=0x2B)

    def __init__(self) -> None:
        self.state = self.State()

    def take(self, byte: int) -> bytes:
        command, self.state.pending = self.state.pending, 0
        if command and byte < FIRST_COMMAND:
            return self._second(command, byte)
        match byte:
            case 0xEE:
                return bytes([ECHO])
            case 0xED | 0xF0 | 0xF3:
                self.state.pending = byte
            case 0xF2:
                return bytes([ACK]) + KEYBOARD_ID
            case 0xF4:
                self.state.scanning = True
            case 0xF5 | 0xF6 | 0xFF:
                self.state = self.State(scanning=byte != DISABLE)
                return bytes([ACK, PASSED] if byte == RESET else [ACK])
            case _ if byte not in KEY_TYPES:
                return bytes([RESEND])
        return bytes([ACK])

    def _second(self, command: int, byte: int) -> bytes:
        if command == LEDS:
            self.state.leds = byte & 0x7
        elif command == TYPEMATIC:
            self.state.typematic = byte & 0x7F
        elif not byte:
            return bytes([ACK, self.state.code_set])
        elif byte > 3:
            return bytes([RESEND])
        else:
            self.state.code_set = byte
        return bytes([ACK])

    def save(self) -> State:
        return copied(self.state)

    def restore(self, state: State) -> None:
        self.state = copied(state)


class Mouse:
    @dataclass(slots=True)
    class State:
        pending: int = bits(8)
        wrapping: bool = False                              # each byte comes back
        remote: bool = False
        reporting: bool = False
        doubled: bool = False
        resolution: int = bits(2, reset=2)
        rate: int = bits(8, reset=100)

    def __init__(self) -> None:
        self.state = self.State()

    def take(self, byte: int) -> bytes:
        state = self.state
        command, state.pending = state.pending, 0
        if state.wrapping and byte not in (UNWRAP, RESET):
            return bytes([byte])
        if command:
            return self._second(command, byte)
        match byte:
            case 0xE6 | 0xE7:
                state.doubled = byte == SCALE_2
            case 0xE8 | 0xF3:
                state.pending = byte
            case 0xE9:
                return bytes([ACK, *self._status()])
            case 0xEA | 0xF0:
                state.remote = byte == REMOTE
            case 0xEB:
                return bytes([ACK, 0x08, 0, 0])             # no button, no movement
            case 0xEC | 0xEE:
                state.wrapping = byte == WRAP
            case 0xF2:
                return bytes([ACK]) + MOUSE_ID
            case 0xF4 | 0xF5:
                state.reporting = byte == ENABLE
            case 0xF6 | 0xFF:
                self.state = self.State()
                return bytes([ACK, PASSED]) + MOUSE_ID if byte == RESET else bytes([ACK])
            case _:
                return bytes([RESEND])
        return bytes([ACK])

    def _second(self, command: int, byte: int) -> bytes:
        if command == RATE:
            self.state.rate = byte
        elif byte > 3:
            return bytes([RESEND])
        else:
            self.state.resolution = byte
        return bytes([ACK])

    def _status(self) -> bytes:
        state = self.state
        return bytes([state.remote << 6 | state.reporting << 5 | state.doubled << 4, state.resolution, state.rate])

    def save(self) -> State:
        return copied(self.state)

    def restore(self, state: State) -> None:
        self.state = copied(state)
