"""One vCPU as VZ sees it, and what all VZ guests of a host share.  (rows VZ-22..VZ-33, KH-3, KH-5)

The guest's CP0 lives in the hardware while the vCPU is loaded on a CPU, and in the commpage while it is not; a few
registers are always in the commpage because the guest's accesses to them exit.  ``Cp0`` hides which.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vmm.arch.cp0.fields import Register
from vmm.arch.cp0.registers import MAARI, Count, PRId
from vmm.host.kernel.cpu import Cpu
from vmm.host.kernel.kernel import Kernel
from vmm.kvm.timer import SoftTimer
from vmm.kvm.vcpu import Priority, Vcpu

ALWAYS_SAVED: frozenset[type[Register]] = frozenset({Count, PRId, MAARI})
"""Registers whose value is the one in RAM even while the vCPU is loaded (KH-3)."""

MAAR_REGISTERS = 6


class Cp0:
    """The guest's CP0 file wherever it is."""

    def __init__(self, vcpu: Vcpu) -> None:
        self._vcpu = vcpu
        self.core: Cpu | None = None  # the CPU it is loaded on

    def __getitem__(self, register: type[Register]) -> int:
        if self.core is None or register in ALWAYS_SAVED:
            return self._vcpu.cop0[register]
        return self.core.mfgc0(register)

    def __setitem__(self, register: type[Register], value: int) -> None:
        if self.core is None or register in ALWAYS_SAVED:
            self._vcpu.cop0[register] = value
        else:
            self.core.mtgc0(register, value)


class TimerLine:
    """The timer's interrupt is only noted; the hardware is told on the right CPU, at delivery (VZ-60)."""

    def __init__(self, vcpu: Vcpu) -> None:
        self._vcpu = vcpu

    def queue_timer(self) -> None:
        self._vcpu.queue(Priority.INT_TIMER)
        self._vcpu.wake()

    def dequeue_timer(self) -> None:
        self._vcpu.dequeue(Priority.INT_TIMER)


@dataclass(slots=True)
class Guest:
    """What the VZ back end keeps for a vCPU."""

    vcpu: Vcpu
    cp0: Cp0
    timer: SoftTimer
    guest_ids: list[int]
    hard_timer: bool = False
    wired: list[Any] = field(default_factory=list)
    maar: list[int] = field(default_factory=lambda: [0] * MAAR_REGISTERS)


class VzHost:
    """Per-CPU state of VZ on one host, shared by its VMs; ``None`` and 0 stand for nobody (VZ-24)."""

    def __init__(self, kernel: Kernel, guest_id_mask: int) -> None:
        count = len(kernel.cpus)
        self.kernel = kernel
        self.guest_id_mask = guest_id_mask
        self.first_version = guest_id_mask + 1
        self.cache = [self.first_version] * count
        self.last_vcpu: list[Vcpu | None] = [None] * count
        self.last_exec: list[Vcpu | None] = [None] * count
        self.enabled = [False] * count

    @property
    def has_guest_id(self) -> bool:
        return self.guest_id_mask != 0
