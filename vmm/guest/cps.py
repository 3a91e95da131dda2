"""The coherent processing system around the CPUs of a machine: coherence manager, power controller, interrupt controller.

The CM's registers are where CMGCRBase says, those of CPC and GIC where the CM's say, once they are enabled; RAM, where
there is some, lies on top.  Until the GIC is enabled, the board's interrupt lines reach the first CPU as on a board without
one; from then on they are the GIC's.
"""
from __future__ import annotations

from collections.abc import Callable

from vmm.arch.cp0.registers import CMGCRBase
from vmm.engine.cpu import Cpu
from vmm.guest.bus import Bus
from vmm.guest.clock import BoardClock
from vmm.guest.devices import cpc, gcr, gic
from vmm.guest.devices.window import Stateful
from vmm.host.kernel.timers import TimerQueue
from vmm.host.machine import Machine

FIRST_LINE = 2
"""The CPU's interrupt line that pin 0 of the GIC is."""
INPUT_OF_LINE = 1
"""Malta: what is line n without a GIC, is its shared interrupt n + 1."""
CPC_AT, GIC_AT = 1 << 20, 2 << 20
"""Where they are on the bus that is theirs alone; the GCR is at 0."""


class Cps:
    def __init__(self, machine: Machine, now_ns: Callable[[], int], run_ahead: Callable[[int], None]) -> None:
        """``now_ns``: of the CPU that executes."""
        self._machine, self._base = machine, machine.model.reset(CMGCRBase) << 4
        self.timers = tuple(TimerQueue() for _ in machine.cpus)
        self.gcr = gcr.Gcr(machine.topology, self._base, machine.model.cm)
        self.cpc = cpc.Cpc(machine.topology, self.gcr.chosen_core, self._begin, self._end)
        self.gic = gic.Gic([BoardClock(queue, now_ns, run_ahead) for queue in self.timers], self._drive)
        self._lines = 0                                     # of the board
        self._bus = Bus(machine.big_endian)
        for at, device in ((0, self.gcr), (CPC_AT, self.cpc), (GIC_AT, self.gic)):
            self._bus.attach(at, device)

    @property
    def stateful(self) -> dict[str, Stateful]:
        return {"gcr": self.gcr, "cpc": self.cpc, "gic": self.gic}

    # -- accesses --------------------------------------------------------------------------------------------------------
    def port(self, cpu: Cpu) -> Port:
        """What this CPU sees of it."""
        return Port(self, cpu.number)

    def find(self, physical: int) -> int | None:
        """The place on the own bus, or None if it is none of these registers."""
        if 0 <= physical - self._base < gcr.SPAN:
            return physical - self._base
        for base, span, at in ((self.gcr.gic_at, gic.SPAN, GIC_AT), (self.gcr.cpc_at, cpc.SPAN, CPC_AT)):
            if base is not None and 0 <= physical - base < span:
                return at + physical - base
        return None

    def load(self, cpu: int, at: int, size: int) -> int:
        self.gcr.master = self.cpc.master = self.gic.master = cpu
        return self._bus.load(at, size)

    def store(self, cpu: int, at: int, size: int, value: int) -> None:
        self.gcr.master = self.cpc.master = self.gic.master = cpu
        enabled = self.gcr.gic_at is not None
        self._bus.store(at, size, value)
        if not enabled and self.gcr.gic_at is not None:
            self._take_lines()

    # -- interrupts --------------------------------------------------------------------------------------------------------
    def set_line(self, line: int, level: bool) -> None:
        """An interrupt line of the board, as the CPU numbers them."""
        bit = 1 << line
        self._lines = self._lines | bit if level else self._lines & ~bit
        if self.gcr.gic_at is None:
            self._machine.cpus[0].set_interrupt(line, level)
        else:
            self.gic.set_line(line + INPUT_OF_LINE, level)

    def _take_lines(self) -> None:
        """The GIC is enabled: what was the first CPU's is its own."""
        for line in range(2, 8):
            self._machine.cpus[0].set_interrupt(line, False)
            self.gic.set_line(line + INPUT_OF_LINE, bool(self._lines >> line & 1))

    def _drive(self, vp: int, pin: int, level: bool) -> None:
        self._machine.cpus[vp].set_interrupt(pin + FIRST_LINE, level)

    # -- power -------------------------------------------------------------------------------------------------------------
    def runs(self, cpu: int) -> bool:
        return self.cpc.runs(cpu)

    def _begin(self, number: int) -> None:
        """Out of reset; the lines are others' and stay."""
        cpu = self._machine.cpus[number]
        lines = cpu.state.irq_lines
        cpu.reset(self.gcr.reset_address(number))
        cpu.state.irq_lines = lines

    def _end(self, number: int) -> None:
        self._machine.cpus[number].state.halted = 1


class Port:
    """One CPU's way to these registers."""

    def __init__(self, cps: Cps, number: int) -> None:
        self._cps, self._number, self._at = cps, number, 0

    def covers(self, physical: int) -> bool:
        at = self._cps.find(physical)
        self._at = at or 0
        return at is not None

    def load(self, _physical: int, size: int) -> int:
        """Of the address for which ``covers`` was asked last."""
        return self._cps.load(self._number, self._at, size)

    def store(self, _physical: int, size: int, value: int) -> None:
        self._cps.store(self._number, self._at, size, value)
