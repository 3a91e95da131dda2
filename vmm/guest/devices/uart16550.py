"""A 16550A serial port.  (National Semiconductor PC16550D data sheet, section 8.)

It has no clock: a byte written is on the wire at once, so the transmitter is always empty, and a byte that
waits below the trigger level has always waited long enough for the time-out interrupt.  The sender at the
other end honours flow control: what does not fit waits in ``State.waiting``, so only loopback can overrun.
Invariant: the interrupt line is up exactly while ``_cause`` finds one.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from vmm.guest.devices.window import Window, at_most, bits, copied

FIFO_DEPTH = 16
TRIGGER = (1, 4, 8, 14)                                     # by FCR[7:6]

# fmt: off
IER_RX, IER_TX, IER_LINE, IER_MODEM            = 0x01, 0x02, 0x04, 0x08
FCR_ENABLE, FCR_CLEAR_RX                       = 0x01, 0x02
FCR_KEPT                                       = 0xC9       # trigger level, DMA mode, enable
LCR_DLAB                                       = 0x80
MCR_DTR, MCR_RTS, MCR_OUT1, MCR_OUT2, MCR_LOOP = 0x01, 0x02, 0x04, 0x08, 0x10
LSR_DR, LSR_OE, LSR_THRE, LSR_TEMT             = 0x01, 0x02, 0x20, 0x40
MSR_TERI                                       = 0x04       # the only delta that asks for a direction
MSR_CTS, MSR_DSR, MSR_RI, MSR_DCD              = 0x10, 0x20, 0x40, 0x80
IIR_FIFOS                                      = 0xC0

NONE, MODEM, EMPTY, DATA, LINE, TIMEOUT        = 0x01, 0x00, 0x02, 0x04, 0x06, 0x0C       # IIR[3:0]

LOOPED = ((MCR_RTS, MSR_CTS), (MCR_DTR, MSR_DSR), (MCR_OUT1, MSR_RI), (MCR_OUT2, MSR_DCD))
# fmt: on
CONNECTED = MSR_CTS | MSR_DSR | MSR_DCD                     # what a terminal at the other end shows
DIVISOR_9600 = 12


def _drop(_byte: int) -> None:
    """A port with nothing plugged in."""


class Uart16550:
    regs = Window(span=8, width=1)

    @dataclass(slots=True)
    class State:
        ier: int = bits(4)
        fcr: int = bits(8)
        lcr: int = bits(8)
        mcr: int = bits(5)
        scr: int = bits(8)
        divisor: int = bits(16, reset=DIVISOR_9600)
        deltas: int = bits(4)                               # MSR[3:0]
        overrun: bool = False                               # LSR.OE
        emptied: bool = False                               # the transmitter asks to be served
        fifo: bytearray = field(default_factory=bytearray, metadata=at_most(FIFO_DEPTH))
        waiting: bytearray = field(default_factory=bytearray, metadata=at_most(None))     # at the cable's end

    def __init__(self, interrupt: Callable[[bool], None], transmit: Callable[[int], None] = _drop) -> None:
        self.state = self.State()
        self._interrupt, self._transmit = interrupt, transmit

    # -- the other end of the cable --------------------------------------------------------------------------
    def receive(self, data: bytes) -> None:
        self.state.waiting += data
        self._update()

    # -- offset 0: data, or the divisor's low half -----------------------------------------------------------
    @regs.read(0)
    def rbr(self) -> int:
        if self._dlab:
            return self.state.divisor & 0xFF
        byte = self.state.fifo.pop(0) if self.state.fifo else 0
        self._update()
        return byte

    @regs.write(0)
    def thr(self, value: int) -> None:
        if self._dlab:
            self.state.divisor = self.state.divisor & 0xFF00 | value
            return
        if self.state.mcr & MCR_LOOP:
            self._accept(value)
        else:
            self._transmit(value)
        self.state.emptied = True
        self._update()

    # -- offset 1: which interrupts, or the divisor's high half ----------------------------------------------
    @regs.read(1)
    def ier(self) -> int:
        return self.state.divisor >> 8 if self._dlab else self.state.ier

    @regs.write(1)
    def enable(self, value: int) -> None:
        if self._dlab:
            self.state.divisor = self.state.divisor & 0xFF | value << 8
            return
        if value & ~self.state.ier & IER_TX:                # enabling it asks at once, since always empty
            self.state.emptied = True
        self.state.ier = value & 0x0F
        self._update()

    # -- offset 2: why it interrupts, FIFO control -----------------------------------------------------------
    @regs.read(2)
    def iir(self) -> int:
        cause = self._cause()
        if cause == EMPTY:                                  # reading it is the acknowledgement
            self.state.emptied = False
            self._update()
        return cause | (IIR_FIFOS if self.state.fcr & FCR_ENABLE else 0)

    @regs.write(2)
    def fcr(self, value: int) -> None:
        toggled = (value ^ self.state.fcr) & FCR_ENABLE
        if toggled or value & FCR_CLEAR_RX and value & FCR_ENABLE:
            self.state.fifo.clear()
        self.state.fcr = value & FCR_KEPT if value & FCR_ENABLE else 0
        self._update()

    # -- offsets 3 to 7 --------------------------------------------------------------------------------------
    @regs.read(3)
    def lcr(self) -> int:
        return self.state.lcr

    @regs.write(3)
    def line_control(self, value: int) -> None:
        self.state.lcr = value

    @regs.read(4)
    def mcr(self) -> int:
        return self.state.mcr

    @regs.write(4)
    def modem_control(self, value: int) -> None:
        before = self._modem_lines()
        self.state.mcr = value & 0x1F
        after = self._modem_lines()
        self.state.deltas |= (before ^ after) >> 4 & ~MSR_TERI
        self.state.deltas |= (before & ~after & MSR_RI) >> 4
        self._update()

    @regs.read(5)
    def lsr(self) -> int:
        status = LSR_THRE | LSR_TEMT
        status |= (LSR_DR if self.state.fifo else 0) | (LSR_OE if self.state.overrun else 0)
        if self.state.overrun:
            self.state.overrun = False
            self._update()
        return status

    @regs.read(6)
    def msr(self) -> int:
        status = self._modem_lines() | self.state.deltas
        self.state.deltas = 0
        self._update()
        return status

    @regs.read(7)
    def scr(self) -> int:
        return self.state.scr

    @regs.write(7)
    def scratch(self, value: int) -> None:
        self.state.scr = value

    # -- snapshot --------------------------------------------------------------------------------------------
    def save(self) -> State:
        return copied(self.state)

    def restore(self, state: State) -> None:
        self.state = copied(state)
        self._update()

    # -- rules -----------------------------------------------------------------------------------------------
    @property
    def _dlab(self) -> bool:
        return bool(self.state.lcr & LCR_DLAB)

    @property
    def _depth(self) -> int:
        return FIFO_DEPTH if self.state.fcr & FCR_ENABLE else 1

    def _modem_lines(self) -> int:
        if not self.state.mcr & MCR_LOOP:
            return CONNECTED
        return sum(line for control, line in LOOPED if self.state.mcr & control)

    def _accept(self, byte: int) -> None:
        """A byte that nothing held back: a full FIFO loses the new one, a 16450's lone buffer the old."""
        if len(self.state.fifo) < self._depth:
            self.state.fifo.append(byte)
            return
        self.state.overrun = True
        if self._depth == 1:
            self.state.fifo[:] = bytes([byte])

    def _cause(self) -> int:
        """The interrupt rule: the first of table 5's sources that is enabled and asks."""
        state = self.state
        trigger = TRIGGER[state.fcr >> 6] if state.fcr & FCR_ENABLE else 1
        if state.ier & IER_LINE and state.overrun:
            return LINE
        if state.ier & IER_RX and state.fifo:
            return DATA if len(state.fifo) >= trigger else TIMEOUT
        if state.ier & IER_TX and state.emptied:
            return EMPTY
        if state.ier & IER_MODEM and state.deltas:
            return MODEM
        return NONE

    def _update(self) -> None:
        """After each change: let in what waits, then set the line.  Loopback disconnects the cable."""
        room = self._depth - len(self.state.fifo)
        if room > 0 and self.state.waiting and not self.state.mcr & MCR_LOOP:
            self.state.fifo += self.state.waiting[:room]
            del self.state.waiting[:room]
        self._interrupt(self._cause() != NONE)
