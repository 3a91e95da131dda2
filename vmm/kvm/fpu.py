"""The FPU and MSA of the host's CPUs, lent to one guest at a time, lazily.  (rows FX-1..FX-8, FP-1)

A vCPU gets the registers when its first instruction of the unit traps, keeps them while it stays loaded on its CPU, and
loses them at ``vcpu_put``.  Invariant: a live context is only in the CPU's registers, any other only in ``vcpu.fpu``; the
host itself uses neither unit.
"""
from __future__ import annotations

from collections.abc import Sequence

from vmm.arch.cp0.registers import Config5, Status
from vmm.host.kernel.cpu import Cpu
from vmm.kvm.vcpu import Vcpu

UNITS = Status.CU1.mask | Status.FR.mask
LOW = (1 << 64) - 1


class HostFpu:
    """``status`` and ``config5`` are the guest's; where they are left out they are those in its file in memory."""

    def __init__(self, cpus: Sequence[Cpu]) -> None:
        self._cpus = cpus

    def _core(self, vcpu: Vcpu) -> Cpu:
        """The CPU it is loaded on."""
        return self._cpus[vcpu.last_sched_cpu]

    def own_fpu(self, vcpu: Vcpu, status: int | None = None, config5: int | None = None) -> None:
        """FX-2."""
        core, held = self._core(vcpu), vcpu.fpu
        status = vcpu.cop0[Status] if status is None else status
        if held.msa_in_use and status & UNITS == Status.CU1.mask:
            self.lose(vcpu)
        self._switch_on(core, vcpu, status, config5)
        if not (held.fpu_in_use or held.msa_in_use):
            restore(core, vcpu)
        held.fpu_in_use = True

    def own_msa(self, vcpu: Vcpu, status: int | None = None, config5: int | None = None) -> None:
        """FX-3; the registers of both units are moved together, so there are no upper halves to add.

        An FPU that the guest has is live from then on, too, so that the host's CU1 follows the guest's.
        """
        core, held = self._core(vcpu), vcpu.fpu
        status = vcpu.cop0[Status] if status is None else status
        if held.fpu_in_use and not status & Status.FR.mask:
            self.lose(vcpu)
        self._switch_on(core, vcpu, status, config5)
        core.mtc0(Config5, core.mfc0(Config5) | Config5.MSAEn.mask)
        if not (held.fpu_in_use or held.msa_in_use):
            restore(core, vcpu)
            held.fpu_in_use = vcpu.fpu_enabled
        held.msa_in_use = True

    def _switch_on(self, core: Cpu, vcpu: Vcpu, status: int, config5: int | None) -> None:
        core.mtc0(Status, core.mfc0(Status) & ~UNITS | status & UNITS)
        config5 = vcpu.cop0[Config5] if config5 is None else config5
        core.mtc0(Config5, core.mfc0(Config5) & ~Config5.FRE.mask | config5 & Config5.FRE.mask)

    def lose(self, vcpu: Vcpu) -> None:
        """FX-4."""
        if vcpu.fpu.fpu_in_use or vcpu.fpu.msa_in_use:
            save(self._core(vcpu), vcpu)
            self.drop(vcpu)

    def drop(self, vcpu: Vcpu) -> None:
        """FX-5: without saving."""
        if vcpu.fpu.fpu_in_use or vcpu.fpu.msa_in_use:
            core = self._core(vcpu)
            core.mtc0(Status, core.mfc0(Status) & ~UNITS)
            core.mtc0(Config5, core.mfc0(Config5) & ~(Config5.FRE.mask | Config5.MSAEn.mask))
            vcpu.fpu.fpu_in_use = vcpu.fpu.msa_in_use = False

    def follow_status(self, vcpu: Vcpu) -> None:
        """C0-7, C0-8: what the host lets through follows the guest's bits while a context is live (FX-7)."""
        core, held, config5 = self._core(vcpu), vcpu.fpu, vcpu.cop0[Config5]
        if held.fpu_in_use:
            core.mtc0(Status, core.mfc0(Status) & ~Status.CU1.mask | vcpu.cop0[Status] & Status.CU1.mask)
            self.follow_fre(vcpu, config5)
        if held.msa_in_use:
            core.mtc0(Config5, core.mfc0(Config5) & ~Config5.MSAEn.mask | config5 & Config5.MSAEn.mask)

    def follow_fre(self, vcpu: Vcpu, config5: int) -> None:
        """C0-8, VZ-45."""
        if vcpu.fpu.fpu_in_use:
            core = self._core(vcpu)
            core.mtc0(Config5, core.mfc0(Config5) & ~Config5.FRE.mask | config5 & Config5.FRE.mask)


def save(core: Cpu, vcpu: Vcpu) -> None:
    """FP-1, and the control registers."""
    state, held = core.state, vcpu.fpu
    fpr = state.array("fpr")
    held.vectors[:] = [fpr[2 * n] | fpr[2 * n + 1] << 64 for n in range(32)]
    held.fcr31, held.msacsr = state.fcsr, state.msacsr


def restore(core: Cpu, vcpu: Vcpu) -> None:
    state, held = core.state, vcpu.fpu
    fpr = state.array("fpr")
    for n, vector in enumerate(held.vectors):
        fpr[2 * n], fpr[2 * n + 1] = vector & LOW, vector >> 64
    state.fcsr, state.msacsr = held.fcr31, held.msacsr
