"""The VZ back end: the hardware runs the guest kernel, KVM lends it CPUs, memory and a timer.  (rows VZ-1..VZ-66)"""
from __future__ import annotations

from collections.abc import Callable

from vmm.arch.cp0.registers import Wired
from vmm.kvm.backend import Backend
from vmm.kvm.timer import SoftTimer
from vmm.kvm.vcpu import Emulation, Vcpu
from vmm.kvm.vm import Vm
from vmm.kvm.vz import handlers, ids, interrupts, state, timer
from vmm.kvm.vz.guest import Cp0, Guest, TimerLine, VzHost

MAX_SOFT_HZ = 1_000_000_000
DEFAULT_HZ = 100_000_000


class VzBackend:
    """One VM's; see ``vmm.kvm.backend.Backend`` for the meaning of the methods."""

    vz = True

    def __init__(self, host: VzHost, vm: Vm) -> None:
        self.host, self.vm, self.kernel = host, vm, host.kernel
        self.rows = state.rows_of(self.kernel.model)
        self.guests: list[Guest] = []

    def guest(self, vcpu: Vcpu) -> Guest:
        return self.guests[vcpu.number]

    def vcpu_init(self, vcpu: Vcpu) -> None:
        """VZ-10..VZ-12, TM-11: Count runs as fast as the host's, so that it can be lent."""
        state.reset(vcpu, self.kernel.model, big_endian=vcpu.big_endian)
        cp0 = Cp0(vcpu)
        hz = self.kernel.count_hz if self.kernel.count_hz <= MAX_SOFT_HZ else DEFAULT_HZ
        soft = SoftTimer(self.vm, cp0, TimerLine(vcpu), hz, timer.Parking(cp0))
        self.guests.append(Guest(vcpu, cp0, soft, [0] * len(self.kernel.cpus)))

    def vcpu_load(self, vcpu: Vcpu, cpu: int) -> None:
        """VZ-20."""
        guest, core = self.guest(vcpu), self.kernel.cpus[cpu]
        everything = vcpu.last_sched_cpu != cpu or self.host.last_vcpu[cpu] is not vcpu
        self.host.last_vcpu[cpu] = vcpu
        core.mtgc0(Wired, vcpu.cop0[Wired])
        if vcpu.in_guest_context:
            ids.load_tlb(self.host, self.vm, guest, cpu)
            ids.load_wired(self.host, guest, cpu)
        timer.restore(guest, core)
        if everything:
            state.load(core, vcpu, self.rows)
        guest.cp0.core = core

    def vcpu_put(self, vcpu: Vcpu, cpu: int) -> None:
        """VZ-21."""
        guest, core = self.guest(vcpu), self.kernel.cpus[cpu]
        if vcpu.in_guest_context:
            ids.save_wired(self.host, guest, cpu)
        if self.vm.fpu:
            self.vm.fpu.lose(vcpu)
        state.save(core, vcpu, self.rows)
        vcpu.cop0[Wired] = core.mfgc0(Wired)
        core.mtgc0(Wired, 0)
        timer.save(guest, core)
        guest.cp0.core = None

    def prepare_run(self, vcpu: Vcpu, cpu: int) -> None:
        """VZ-35."""
        guest, core = self.guest(vcpu), self.kernel.cpus[cpu]
        timer.acquire(self.host, guest, core)
        interrupts.deliver(vcpu, core)
        ids.check_requests(self.host, guest)
        ids.load_tlb(self.host, self.vm, guest, cpu)
        ids.load_wired(self.host, guest, cpu)

    def finish_run(self, vcpu: Vcpu, cpu: int) -> None:
        ids.save_wired(self.host, self.guest(vcpu), cpu)

    def handle_exit(self, vcpu: Vcpu, cpu: int) -> Emulation:
        return handlers.handle(handlers.Trap(self.host, self.vm, self.guest(vcpu), cpu))

    def before_block(self, vcpu: Vcpu, cpu: int) -> None:
        """VZ-66."""
        timer.lose(self.guest(vcpu), self.kernel.cpus[cpu])

    def before_resume(self, vcpu: Vcpu, cpu: int) -> None:
        timer.acquire(self.host, self.guest(vcpu), self.kernel.cpus[cpu])

    def deliver_interrupts(self, vcpu: Vcpu, cpu: int) -> None:
        interrupts.deliver(vcpu, self.kernel.cpus[cpu])

    def reenter(self, vcpu: Vcpu, cpu: int) -> None:
        """VZ-33."""
        guest = self.guest(vcpu)
        ids.save_wired(self.host, guest, cpu)
        lost = ids.check_requests(self.host, guest)
        before = ids.root_id(self.host, guest, cpu)
        ids.load_tlb(self.host, self.vm, guest, cpu)
        if lost or ids.root_id(self.host, guest, cpu) != before:
            ids.load_wired(self.host, guest, cpu)

    def wakeable(self, vcpu: Vcpu) -> bool:
        return interrupts.wakeable(self.guest(vcpu))

    def queue_io(self, vcpu: Vcpu, irq: int) -> None:
        interrupts.queue_io(vcpu, irq)

    def timer(self, vcpu: Vcpu) -> SoftTimer:
        return self.guest(vcpu).timer

    def flush_shadow_all(self) -> None:
        ids.flush_all(self.host, self.vm)


def vz_backend(host: VzHost) -> Callable[[Vm], Backend]:
    """What ``Vm`` is to be made with on this host."""
    return lambda vm: VzBackend(host, vm)
