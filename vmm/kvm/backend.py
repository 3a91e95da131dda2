"""What the core asks of a back end: the callbacks of the original, by their meaning.  (rows CB-1, CB-2)

``vmm.kvm.te`` and ``vmm.kvm.vz`` each offer one and never import each other.  A back end serves one VM; ``cpu`` is
always the number of the host CPU that the vCPU's task runs on.
"""
from __future__ import annotations

from typing import Protocol

from vmm.kvm.timer import SoftTimer
from vmm.kvm.vcpu import Emulation, Vcpu


class Backend(Protocol):
    @property
    def vz(self) -> bool:
        """Which code the world switch of this VM's vCPUs is made of."""

    def vcpu_init(self, vcpu: Vcpu) -> None:
        """Make what the back end keeps for a vCPU, and put the vCPU into its reset state."""

    def vcpu_load(self, vcpu: Vcpu, cpu: int) -> None:
        """The task got this CPU: for KVM_RUN, a register access, or back after a preemption (GK-7)."""

    def vcpu_put(self, vcpu: Vcpu, cpu: int) -> None:
        """The task is about to lose the CPU."""

    def prepare_run(self, vcpu: Vcpu, cpu: int) -> None:
        """The first half of vcpu_run, up to the generated code (TE-35, VZ-35)."""

    def finish_run(self, vcpu: Vcpu, cpu: int) -> None:
        """The second half, after the generated code returned."""

    def handle_exit(self, vcpu: Vcpu, cpu: int) -> Emulation:
        """Do what the exit asks for.  For the VMM: ``vcpu.exit`` is set.  WAIT: the core blocks the vCPU."""

    def before_block(self, vcpu: Vcpu, cpu: int) -> None:
        """A WAIT is about to put the vCPU to sleep: its timer must be one that the host can wait for."""

    def before_resume(self, vcpu: Vcpu, cpu: int) -> None:
        """The guest goes on (HX-4), interrupts are not delivered yet."""

    def deliver_interrupts(self, vcpu: Vcpu, cpu: int) -> None:
        """Make pending interrupts visible to the guest (IN-4)."""

    def reenter(self, vcpu: Vcpu, cpu: int) -> None:
        """Last things before the guest: requests, address spaces, TLB identity (HX-5)."""

    def wakeable(self, vcpu: Vcpu) -> bool:
        """Something is pending that ends WAIT (MC-5)."""

    def queue_io(self, vcpu: Vcpu, irq: int) -> None:
        """KVM_INTERRUPT: ``irq`` > 0 asserts line IP(irq), < 0 takes it back (IN-3, VZ-60)."""

    def timer(self, vcpu: Vcpu) -> SoftTimer:
        """The guest's Count and Compare, as far as software keeps them now."""

    def flush_shadow_all(self) -> None:
        """Guest-physical mappings changed: no translation made from the old ones may be used again (TE-36, VZ-34)."""
