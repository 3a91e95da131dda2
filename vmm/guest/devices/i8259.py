"""An 8259A interrupt controller, and the register that makes its inputs level-triggered.

Two of them make the ISA bus's sixteen lines: the output of the second is input 2 of the first.  A CPU that is no x86
asks for the vector by an acknowledge cycle (``acknowledge``, which a system controller does for it) or by the poll
command.  (Intel 8259A data sheet; ELCR: Intel 82371AB data sheet, section 4.2.)
Invariant: the output is up exactly while an unmasked request has priority over all that is in service.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from vmm.guest.devices.window import Window, bits, copied

# fmt: off
ICW1, ICW1_IC4, ICW1_SINGLE, ICW1_LEVEL = 0x10, 0x01, 0x02, 0x08
ICW4_AUTO_EOI, ICW4_SPECIAL_NESTED      = 0x02, 0x10
OCW3                                    = 0x08
OCW3_READ_IRR, OCW3_READ_ISR, OCW3_POLL = 0x02, 0x03, 0x04
OCW3_SMM_OFF, OCW3_SMM_ON, OCW3_SMM     = 0x40, 0x60, 0x60
NOTHING, WANT_ICW2, WANT_ICW3, WANT_ICW4 = range(4)
POLL_FOUND                              = 0x80
SPURIOUS                                = 7
# fmt: on


class I8259:
    regs = Window(span=2, width=1)

    @dataclass(slots=True)
    class State:
        levels: int = bits(8)                               # of the inputs
        irr: int = bits(8)
        isr: int = bits(8)
        imr: int = bits(8)
        elcr: int = bits(8)                                 # inputs that are level-triggered
        base: int = bits(8)                                 # of the vectors
        lowest: int = bits(3, reset=7)                      # the input of the lowest priority
        expecting: int = bits(2)                            # which ICW comes next
        icw1: int = bits(8)
        icw4: int = bits(8)
        rotate: bool = False                                # in automatic EOI mode
        special_mask: bool = False
        read_isr: bool = False
        poll: bool = False

    def __init__(self, output: Callable[[bool], None],
                 cascade: Mapping[int, Callable[[], int]] | None = None, elcr_ones: int = 0xFF) -> None:
        """``cascade``: the acknowledge cycles of the controllers behind these inputs; ``elcr_ones``: ELCR's bits."""
        self.state = self.State()
        self.elcr_ones = elcr_ones
        self._output, self._cascade = output, dict(cascade or {})

    # -- inputs and output -------------------------------------------------------------------------------------
    def set_line(self, irq: int, level: bool) -> None:
        bit, state = 1 << irq, self.state
        before, asked = state.levels & bit, state.irr
        state.levels = state.levels | bit if level else state.levels & ~bit
        if state.elcr & bit or state.icw1 & ICW1_LEVEL:
            state.irr = state.irr & ~bit | (bit if level else 0)
        elif level and not before:
            state.irr |= bit
        if state.irr != asked:
            self._update()

    def acknowledge(self) -> int:
        """The vector; of the controller behind it where the input is one."""
        irq = self._take()
        return self._cascade[irq]() if irq in self._cascade else self.state.base | irq

    # -- registers -----------------------------------------------------------------------------------------------
    @regs.read(0)
    def command_status(self) -> int:
        if self.state.poll:
            return self._polled()
        return self.state.isr if self.state.read_isr else self.state.irr

    @regs.write(0)
    def command(self, value: int) -> None:
        if value & ICW1:
            self._initialise(value)
        elif value & OCW3:
            self._ocw3(value)
        else:
            self._ocw2(value >> 5, value & 7)
        self._update()

    @regs.read(1)
    def mask(self) -> int:
        return self._polled() if self.state.poll else self.state.imr

    @regs.write(1)
    def data(self, value: int) -> None:
        state = self.state
        match state.expecting:
            case 0:
                state.imr = value
            case 1:
                state.base = value & 0xF8
                state.expecting = self._after_icw2()
            case 2:
                state.expecting = WANT_ICW4 if state.icw1 & ICW1_IC4 else NOTHING
            case _:
                state.icw4, state.expecting = value, NOTHING
        self._update()

    def set_elcr(self, value: int) -> None:
        """An input that becomes level-triggered asks exactly while it is up."""
        state = self.state
        state.elcr = value & self.elcr_ones
        state.irr = state.irr & ~state.elcr | state.levels & state.elcr
        self._update()

    def save(self) -> State:
        return copied(self.state)

    def restore(self, state: State) -> None:
        self.state = copied(state)
        self._update()

    # -- rules -------------------------------------------------------------------------------------------------
    def _initialise(self, value: int) -> None:
        state, kept = self.state, self.state
        self.state = self.State(levels=kept.levels, elcr=kept.elcr, base=state.base, icw1=value, expecting=WANT_ICW2)
        self.state.irr = kept.levels & kept.elcr

    def _after_icw2(self) -> int:
        if not self.state.icw1 & ICW1_SINGLE:
            return WANT_ICW3
        return WANT_ICW4 if self.state.icw1 & ICW1_IC4 else NOTHING

    def _ocw3(self, value: int) -> None:
        if value & OCW3_SMM in (OCW3_SMM_OFF, OCW3_SMM_ON):
            self.state.special_mask = value & OCW3_SMM == OCW3_SMM_ON
        if value & OCW3_POLL:
            self.state.poll = True
        elif value & OCW3_READ_ISR in (OCW3_READ_IRR, OCW3_READ_ISR):
            self.state.read_isr = value & OCW3_READ_ISR == OCW3_READ_ISR

    def _ocw2(self, what: int, level: int) -> None:
        """R, SL, EOI in ``what``."""
        state = self.state
        if what in (0, 4):
            state.rotate = what == 4
        elif what == 6:
            state.lowest = level
        elif what != 2:
            irq = level if what & 2 else self._first(state.isr)
            if irq is not None:
                state.isr &= ~(1 << irq)
                if what & 4:
                    state.lowest = irq

    def _first(self, among: int) -> int | None:
        """The input of the highest priority in a set."""
        for distance in range(1, 9):
            irq = self.state.lowest + distance & 7
            if among >> irq & 1:
                return irq
        return None

    def _pending(self) -> int | None:
        """The request that the output stands for."""
        state = self.state
        asking = self._first(state.irr & ~state.imr)
        if asking is None:
            return None
        serving = state.isr & ~state.imr if state.special_mask else state.isr
        if state.icw4 & ICW4_SPECIAL_NESTED and asking in self._cascade:
            serving &= ~(1 << asking)
        first = self._first(serving)
        rank = (asking - state.lowest - 1) & 7
        return asking if first is None or rank < (first - state.lowest - 1) & 7 else None

    def _take(self) -> int:
        """An acknowledge cycle: the request goes into service.  With none left it is the spurious one."""
        irq, state = self._pending(), self.state
        if irq is None:
            return SPURIOUS
        bit = 1 << irq
        if not (state.elcr & bit or state.icw1 & ICW1_LEVEL):
            state.irr &= ~bit
        if not state.icw4 & ICW4_AUTO_EOI:
            state.isr |= bit
        elif state.rotate:
            state.lowest = irq
        self._update()
        return irq

    def _polled(self) -> int:
        self.state.poll = False
        return 0 if self._pending() is None else POLL_FOUND | self._take()

    def _update(self) -> None:
        self._output(self._pending() is not None)


class TriggerModes:
    """ELCR1 and ELCR2: which inputs of two controllers are level-triggered."""
    regs = Window(span=2, width=1)

    @dataclass(slots=True)
    class State:
        """What it shows is state of the controllers."""

    def __init__(self, first: I8259, second: I8259) -> None:
        self._chips = first, second

    @regs.read(0, count=2, step=1)
    def elcr(self, chip: int) -> int:
        return self._chips[chip].state.elcr

    @regs.write(0, count=2, step=1)
    def set_elcr(self, chip: int, value: int) -> None:
        self._chips[chip].set_elcr(value)

    def save(self) -> State:
        return self.State()

    def restore(self, state: State) -> None:
        """Nothing of its own."""
