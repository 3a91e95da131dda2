"""The 82371AB south bridge (PIIX4): its PCI functions and what is in it that is no PC device of old.

Function 0 routes PCI interrupts and has the reset register, 2 is a USB controller with nothing plugged in, 3 is power
management and an SMBus with nobody on it.  Function 1, IDE, is in ``ide``.  (Intel 82371AB data sheet, chapters 4, 6, 7)
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from vmm.guest.devices.pci import COMMAND_IO, BaseRegister, Identity, PciFunction
from vmm.guest.devices.time import SECOND_NS, Clock
from vmm.guest.devices.window import Window, at_most, bits, copied

INTEL = 0x8086
USB_KEY, PM_KEY, SMBUS_KEY = 100, 101, 102                  # windows that base registers of their own kind place


# -- function 0 ------------------------------------------------------------------------------------------------

PIRQ, PIRQ_OFF = 0x60, 0x80


class IsaBridge(PciFunction):
    """PIRQA to PIRQD, each to an ISA interrupt or to none."""

    def __init__(self, set_irq: Callable[[int, bool], None]) -> None:
        self._set_irq = set_irq
        self._raised: list[set[object]] = [set() for _ in range(4)]
        self._irqs_up: set[int] = set()
        super().__init__(Identity(INTEL, 0x7110, 0x06_01_00, multifunction=True), changed=self._route)
        self.row(0x04, 2, 0x0007, ones=0x0100)              # it always decodes and is always master
        self.row(0x4C, 4, 0x0003_0040 | 0x4D, ones=0xFFFF_FFFF)
        self.row(PIRQ, 4, 0x8080_8080, ones=0x8F8F_8F8F)
        self.row(0x64, 1, 0x10, ones=0xFF)                  # serial interrupts
        self.row(0x69, 1, 0x02, ones=0xFE)                  # top of memory
        self.row(0x6A, 2, 0, ones=0xFFFF)
        self.row(0x76, 2, 0x0C0C, ones=0x8F8F)
        self.row(0x80, 4, 0, ones=0xFFFF_FFFF)
        self.row(0xB0, 4, 0, ones=0xFFFF_FFFF)              # general configuration: pin multiplexing

    def set_pirq(self, number: int, source: object, level: bool) -> None:
        """One function's line on PIRQA (0) to PIRQD (3); those that share one are ORed."""
        (self._raised[number].add if level else self._raised[number].discard)(source)
        self._route()

    def _route(self) -> None:
        wanted = {route & 0xF for route, raised in zip(self.state.config[PIRQ:PIRQ + 4], self._raised, strict=True)
                  if raised and not route & PIRQ_OFF}
        before, self._irqs_up = self._irqs_up, wanted
        for irq in sorted(before ^ wanted):
            self._set_irq(irq, irq in wanted)


class ResetControl:
    """Port CF9h.  A hard or soft reset of the CPU is the end of a run."""
    regs = Window(span=1, width=1)

    @dataclass(slots=True)
    class State:
        kept: int = bits(8)

    def __init__(self, reset: Callable[[], None]) -> None:
        self.state, self._reset = self.State(), reset

    @regs.read(0)
    def rcr(self) -> int:
        return self.state.kept

    @regs.write(0)
    def set_rcr(self, value: int) -> None:
        rises = value & ~self.state.kept & 0x4
        self.state.kept = value & 0x2
        if rises:
            self._reset()

    def save(self) -> State:
        return copied(self.state)

    def restore(self, state: State) -> None:
        self.state = copied(state)


# -- function 2 ------------------------------------------------------------------------------------------------

class Uhci:
    """A USB host controller whose two ports are empty: it runs, and finds nothing to do."""
    regs = Window(span=0x20, width=1)
    # fmt: off
    COMMAND, STATUS, FRAME, SOF, PORTS = 0x00, 0x02, 0x06, 0x0C, 0x10
    RUN, RESETS                        = 0x01, 0x06
    STATUS_HALTED                      = 0x20
    # fmt: on
    SOF_RESET, PORT_FIXED, FRAME_NS = 0x40, 0x0080, 1_000_000

    @dataclass(slots=True)
    class State:
        registers: bytearray = field(default_factory=bytearray, metadata=at_most(0x20))

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.state = self._fresh()

    def _fresh(self) -> State:
        state = self.State(bytearray(0x20))
        state.registers[self.STATUS], state.registers[self.SOF] = self.STATUS_HALTED, self.SOF_RESET
        return state

    @regs.read(0, count=0x20, step=1)
    def register(self, at: int) -> int:
        if at in (self.FRAME, self.FRAME + 1) and self.state.registers[self.COMMAND] & self.RUN:
            return self._clock.now_ns() // self.FRAME_NS >> 8 * (at - self.FRAME) & (0xFF if at == self.FRAME else 0x07)
        if self.PORTS <= at < self.PORTS + 4:
            return self.PORT_FIXED & 0xFF if not at & 1 else 0
        return self.state.registers[at]

    @regs.write(0, count=0x20, step=1)
    def set_register(self, at: int, value: int) -> None:
        registers = self.state.registers
        if at == self.COMMAND:
            if value & self.RESETS:
                self.state = self._fresh()
                return
            registers[at] = value
            registers[self.STATUS] = registers[self.STATUS] & ~self.STATUS_HALTED | (
                0 if value & self.RUN else self.STATUS_HALTED)
        elif at == self.STATUS:
            registers[at] &= ~(value & 0x1F)
        elif at < self.PORTS:
            registers[at] = value

    def save(self) -> State:
        return copied(self.state)

    def restore(self, state: State) -> None:
        fresh = copied(state)
        fresh.registers[:] = fresh.registers.ljust(0x20, b"\0")
        self.state = fresh


def usb(uhci: Uhci) -> PciFunction:
    function = PciFunction(Identity(INTEL, 0x7112, 0x0C_03_00, revision=1, pin=4), [BaseRegister(4, 0x20, uhci)])
    function.row(0x60, 1, 0x10)                             # USB release 1.0
    function.row(0xC0, 2, 0x2000, ones=0x203F)              # legacy support
    return function


# -- function 3 ------------------------------------------------------------------------------------------------

PM_HERTZ = 3_579_545


class PowerManagement:
    """The ACPI registers.  To enter the state "soft off" ends the run; the others only wait, as WAIT does."""
    regs = Window(span=0x40, width=1)
    # fmt: off
    STATUS, CONTROL, TIMER, GENERAL_STATUS = 0x00, 0x04, 0x08, 0x0C
    # fmt: on
    SUSPEND, TYPE = 0x2000, 0x1C00                          # of CONTROL; type 0 is soft off
    CLEARED_BY_ONES = (STATUS, STATUS + 1, GENERAL_STATUS, GENERAL_STATUS + 1)

    @dataclass(slots=True)
    class State:
        registers: bytearray = field(default_factory=bytearray, metadata=at_most(0x40))

    def __init__(self, clock: Clock, power_off: Callable[[], None]) -> None:
        self._clock, self._power_off = clock, power_off
        self.state = self.State(bytearray(0x40))

    @regs.read(0, count=0x40, step=1)
    def register(self, at: int) -> int:
        if self.TIMER <= at < self.TIMER + 4:
            ticks = self._clock.now_ns() * PM_HERTZ // SECOND_NS
            self._clock.polled("power management timer", -(-(ticks + 1) * SECOND_NS // PM_HERTZ))
            ticks = self._clock.now_ns() * PM_HERTZ // SECOND_NS
            return (ticks & 0xFF_FFFF) >> 8 * (at - self.TIMER) & 0xFF
        return self.state.registers[at]

    @regs.write(0, count=0x40, step=1)
    def set_register(self, at: int, value: int) -> None:
        registers = self.state.registers
        if at in self.CLEARED_BY_ONES:
            registers[at] &= ~value
        elif not self.TIMER <= at < self.TIMER + 4:
            registers[at] = value
        if at == self.CONTROL + 1 and value << 8 & self.SUSPEND:
            registers[at] &= ~(self.SUSPEND >> 8)           # it reads as zero
            if not value << 8 & self.TYPE:
                self._power_off()

    def save(self) -> State:
        return copied(self.state)

    def restore(self, state: State) -> None:
        fresh = copied(state)
        fresh.registers[:] = fresh.registers.ljust(0x40, b"\0")
        self.state = fresh


class SmBus:
    """The SMBus host controller: each transaction ends at once with "no answer"."""
    regs = Window(span=0x10, width=1)
    STATUS, CONTROL, START, DEVICE_ERROR = 0x0, 0x2, 0x40, 0x04

    @dataclass(slots=True)
    class State:
        registers: bytearray = field(default_factory=bytearray, metadata=at_most(0x10))

    def __init__(self) -> None:
        self.state = self.State(bytearray(0x10))

    @regs.read(0, count=0x10, step=1)
    def register(self, at: int) -> int:
        return self.state.registers[at]

    @regs.write(0, count=0x10, step=1)
    def set_register(self, at: int, value: int) -> None:
        registers = self.state.registers
        if at == self.STATUS:
            registers[at] &= ~value
            return
        registers[at] = value
        if at == self.CONTROL and value & self.START:
            registers[at] &= ~self.START
            registers[self.STATUS] |= self.DEVICE_ERROR

    def save(self) -> State:
        return copied(self.state)

    def restore(self, state: State) -> None:
        fresh = copied(state)
        fresh.registers[:] = fresh.registers.ljust(0x10, b"\0")
        self.state = fresh


class PowerFunction(PciFunction):
    """Its two windows have base registers outside the header, each with an enable bit of its own."""
    PM_BASE, PM_MISC, SMBUS_BASE, SMBUS_HOST = 0x40, 0x80, 0x90, 0xD2

    def __init__(self, management: PowerManagement, smbus: SmBus) -> None:
        self._management, self._smbus = management, smbus
        super().__init__(Identity(INTEL, 0x7113, 0x06_80_00), changed=self._place_windows)
        self.row(self.PM_BASE, 4, 1, ones=0xFFC0)
        self.row(0x44, 12, 0, ones=(1 << 96) - 1)
        self.row(0x50, 28, 0, ones=(1 << 224) - 1)
        self.row(self.PM_MISC, 1, 0, ones=1)
        self.row(self.SMBUS_BASE, 4, 1, ones=0xFFF0)
        self.row(self.SMBUS_HOST, 1, 0, ones=0x0F)

    def _place_windows(self) -> None:
        pm = self.load(self.PM_BASE, 4) & 0xFFC0 if self.load(self.PM_MISC, 1) & 1 else 0
        smbus = self.load(self.SMBUS_BASE, 4) & 0xFFF0 if self.load(self.SMBUS_HOST, 1) & 1 else 0
        self.lay_io(PM_KEY, self._management, pm)
        self.lay_io(SMBUS_KEY, self._smbus, smbus if self.command & COMMAND_IO else 0)
