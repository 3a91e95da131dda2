"""A CPU of the machine: its own registers, the root CP0 file, memory through its own TLB.

While the CPU executes its guest, its general registers are the guest's: that is what the hardware holds.
"""
from __future__ import annotations

from collections.abc import Callable

from vmm.arch.cp0.fields import Register, sign_extended
from vmm.arch.cp0.registers import BadInstr, BadInstrP, BadVAddr, Cause, EntryLo0, EntryLo1, Status
from vmm.arch.privileged import cp0, timer
from vmm.arch.state import ROOT_FILE
from vmm.debug.layout import Kind, Row, layout
from vmm.debug.snapshot import Snapshot
from vmm.debug.view import LOW, FpuView, Locate, View
from vmm.engine.cpu import Cpu
from vmm.engine.numbers import Numbers
from vmm.engine.store import Memory
from vmm.gdbstub.target import MemoryFault
from vmm.host.machine import Machine

SET_BY_HARDWARE: frozenset[type[Register]] = frozenset({BadVAddr, BadInstr, BadInstrP})
"""Software cannot write them, a debugger can."""


class HostView(View):
    def __init__(self, machine: Machine, cpu: Cpu) -> None:
        super().__init__(machine, layout(machine.model.root, msa="MSA" in machine.model.ases))
        self.cpu = cpu

    def core(self, row: Row) -> int:
        return core_register(self.cpu, row)

    def set_core(self, row: Row, value: int) -> None:
        set_core_register(self.cpu, row, value)

    def fpu(self) -> FpuView:
        return CpuFpu(self.cpu, not self.cpu.root[Status] & Status.FR.mask)

    def cp0_reader(self) -> Callable[[type[Register]], int]:
        return Snapshot(self.cpu).root

    def set_cp0(self, register: type[Register], value: int) -> None:
        """As MTC0 in root mode would, whatever mode the CPU is in."""
        cpu, m = self.cpu, Numbers(self.cpu.state, self.cpu.big_endian, Memory(0))
        if register in SET_BY_HARDWARE:
            cpu.root[register] = value
        elif register is Cause:
            timer.set_cause(m, m.const(ROOT_FILE), m.const(value))
        else:
            if self.bits == 32 and register.bits64 and register not in (EntryLo0, EntryLo1):
                value = sign_extended(value)
            cpu.state.in_guest, cpu.state.base = 0, ROOT_FILE
            cp0.write(m, m.const(register.index), m.const(value))
        cpu.refresh_mode()
        cpu.forget()

    def locator(self) -> Locate:
        snapshot, ram = Snapshot(self.cpu, self.machine.memory), self.machine.ram

        def locate(va: int) -> int:
            physical = snapshot.physical(va, ROOT_FILE)
            if not ram.has(physical):
                raise MemoryFault(f"{va:#x} is physical {physical:#x}: no memory there, and devices are not read")
            return physical

        return locate


class CpuFpu(FpuView):
    """In a CPU."""

    def __init__(self, cpu: Cpu, paired: bool) -> None:
        super().__init__(cpu.state, paired)
        self._cpu = cpu

    def vector(self, n: int) -> int:
        fpr = self.core.array("fpr")
        return fpr[2 * n] | fpr[2 * n + 1] << 64

    def set_vector(self, n: int, value: int) -> None:
        fpr = self.core.array("fpr")
        fpr[2 * n], fpr[2 * n + 1] = value & LOW, value >> 64

    @property
    def msacsr(self) -> int:
        return self.core.msacsr

    @msacsr.setter
    def msacsr(self, value: int) -> None:
        self.core.msacsr = value

    @property
    def fcsr(self) -> int:
        return self.core.fcsr

    @fcsr.setter
    def fcsr(self, value: int) -> None:
        self.core.fcsr = value
        self._cpu.refresh_mode()                               # what the host's own arithmetic may do has changed


def core_register(cpu: Cpu, row: Row) -> int:
    if row.kind is Kind.GPR:
        return cpu.gpr[row.index]
    return {Kind.HI: cpu.hi, Kind.LO: cpu.lo, Kind.PC: cpu.pc}[row.kind]


def set_core_register(cpu: Cpu, row: Row, value: int) -> None:
    """A new pc also takes the CPU out of a delay slot."""
    match row.kind:
        case Kind.GPR:
            cpu.gpr[row.index] = value
        case Kind.HI:
            cpu.hi = value
        case Kind.LO:
            cpu.lo = value
        case _:
            cpu.pc = value
