"""The FPU for user programs: a thread has it from its first use until it loses its CPU.  (Linux asm/fpu.h, lazily)

Invariant: the frame's Status has CU1 exactly while the thread's registers are in the CPU; else they are here.
"""
from __future__ import annotations

from vmm.arch.cp0.registers import Config5, Status
from vmm.host.kernel.cpu import Cpu
from vmm.host.user.registers import Registers

UNITS = Status.CU1.mask | Status.FR.mask


class FpuContext:
    """``wide``: 32 registers of 64 bits.  MSA's vectors are the same registers, so they come along."""

    def __init__(self, fcsr: int, *, wide: bool) -> None:
        self.used = self.live = False
        self.wide = wide
        self.registers = [0] * 64
        self.fcsr, self.msacsr = fcsr, 0

    def copy(self) -> FpuContext:
        """Of what was kept."""
        other = FpuContext(self.fcsr, wide=self.wide)
        other.used, other.registers, other.msacsr = self.used, list(self.registers), self.msacsr
        return other

    def own(self, core: Cpu, registers: Registers, *, msa: bool = False) -> None:
        """The thread used the unit: it may go on."""
        if not self.live:
            fpr, state = core.state.array("fpr"), core.state
            for n, value in enumerate(self.registers):
                fpr[n] = value
            state.fcsr, state.msacsr = self.fcsr, self.msacsr
        self.used = self.live = True
        registers.status = registers.status | Status.CU1.mask | (Status.FR.mask if self.wide or msa else 0)
        if msa:
            core.mtc0(Config5, core.mfc0(Config5) | Config5.MSAEn.mask)

    def lose(self, core: Cpu, registers: Registers) -> None:
        if self.live:
            self.keep(core)
            self.live = False
            registers.status = registers.status & ~UNITS
            core.mtc0(Config5, core.mfc0(Config5) & ~Config5.MSAEn.mask)

    def keep(self, core: Cpu) -> None:
        """A copy of what the CPU has."""
        if self.live:
            state = core.state
            self.registers[:] = state.array("fpr")
            self.fcsr, self.msacsr = state.fcsr, state.msacsr
