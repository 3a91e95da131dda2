"""The trap-and-emulate back end of one VM (rows TE-30..TE-36): the core's callbacks, over the modules of this package.

Invariant: the host CPU translates with a shadow address space only between ``prepare_run`` and ``finish_run``; whatever
runs outside sees the process's own.
"""
from __future__ import annotations

from vmm.arch.cp0.registers import Config, Config1, Register
from vmm.host.kernel.memory import kernel_address
from vmm.kvm.te import handlers, interrupts, registers, reset, spaces
from vmm.kvm.te.guest import Guest
from vmm.kvm.timer import TE_HZ, SoftTimer
from vmm.kvm.vcpu import Emulation, Request, Vcpu
from vmm.kvm.vm import Vm


class TrapAndEmulate:
    """A ``vmm.kvm.backend.Backend``; ``Vm(kernel, TrapAndEmulate)`` makes a VM of this kind."""

    vz = False

    def __init__(self, vm: Vm) -> None:
        self._vm = vm
        self._kernel = vm.kernel
        self._guests: dict[int, Guest] = {}

    def guest(self, vcpu: Vcpu) -> Guest:
        return self._guests[vcpu.number]

    def vcpu_init(self, vcpu: Vcpu) -> None:
        timer = SoftTimer(self._vm, vcpu.cop0, interrupts.TimerLine(vcpu), TE_HZ)
        guest = Guest(vcpu, self._vm, timer, self._kernel.new_mm(), self._kernel.new_mm(), self._vm.quirks)
        self._guests[vcpu.number] = guest
        vcpu.kernel_mm = kernel_address(guest.kernel.address)
        vcpu.user_mm = kernel_address(guest.user.address)
        host = self._kernel.cpus[0].root
        reset.reset(guest, host[Config], host[Config1])

    # Running

    def vcpu_load(self, vcpu: Vcpu, cpu: int) -> None:
        """TE-31: back in the middle of the guest, the CPU needs the shadow address space again."""
        guest = self.guest(vcpu)
        guest.cpu = cpu
        if vcpu.in_guest_context:
            self._vm.contexts.switch(cpu, guest.mm)

    def vcpu_put(self, vcpu: Vcpu, cpu: int) -> None:
        if fpu := self.guest(vcpu).host.fpu:
            fpu.lose(vcpu)
        if vcpu.in_guest_context:
            self._vm.contexts.switch(cpu, self._kernel.init_mm)

    def prepare_run(self, vcpu: Vcpu, cpu: int) -> None:
        """TE-35."""
        self.guest(vcpu).cpu = cpu
        self.deliver_interrupts(vcpu, cpu)
        self.reenter(vcpu, cpu)

    def finish_run(self, vcpu: Vcpu, cpu: int) -> None:
        self._vm.contexts.switch(cpu, self._kernel.init_mm)

    def handle_exit(self, vcpu: Vcpu, cpu: int) -> Emulation:
        guest = self.guest(vcpu)
        guest.cpu = cpu
        return handlers.handle(guest)

    def before_block(self, vcpu: Vcpu, cpu: int) -> None:
        """The timer is a software one always."""

    def before_resume(self, vcpu: Vcpu, cpu: int) -> None:
        """No hardware timer to take."""

    def reenter(self, vcpu: Vcpu, cpu: int) -> None:
        """TE-34."""
        guest = self.guest(vcpu)
        guest.cpu = cpu
        if Request.TLB_FLUSH in vcpu.requests:
            vcpu.requests.discard(Request.TLB_FLUSH)
            spaces.flush(guest)
        spaces.before_entry(guest)

    # Interrupts and time

    def deliver_interrupts(self, vcpu: Vcpu, cpu: int) -> None:
        interrupts.deliver_pending(self.guest(vcpu))

    def wakeable(self, vcpu: Vcpu) -> bool:
        return interrupts.wakeable(self.guest(vcpu))

    def queue_io(self, vcpu: Vcpu, irq: int) -> None:
        interrupts.set_io(vcpu, irq)

    def timer(self, vcpu: Vcpu) -> SoftTimer:
        return self.guest(vcpu).timer

    # Memory and registers

    def flush_shadow_all(self) -> None:
        """TE-36: everything, of every vCPU; a finer flush was never worth it (L-10)."""
        self._vm.flush_remote()

    def get_register(self, vcpu: Vcpu, register: type[Register]) -> int:
        """GET_ONE_REG of a row of ``registers.ONE_REG_ORDER``."""
        return registers.read(self.guest(vcpu), *register.number)

    def set_register(self, vcpu: Vcpu, register: type[Register], value: int) -> None:
        registers.set_from_outside(self.guest(vcpu), register, value)
