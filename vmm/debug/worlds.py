"""Which thread a CPU is, from moment to moment: its own, or that of the vCPU whose guest it executes.

Process 1 is the machine, with a thread a CPU; process 2 the virtual machine, with a thread a vCPU.
"""
from __future__ import annotations

from typing import Protocol, runtime_checkable

from vmm.debug.guest import GuestView, guest_view
from vmm.debug.host import HostView
from vmm.debug.view import View
from vmm.engine.cpu import Cpu
from vmm.gdbstub.target import TargetError, Thread, ThreadId
from vmm.guest.hypervised import HypervisedSystem
from vmm.guest.system import System
from vmm.host.kernel.kernel import Kernel
from vmm.host.kernel.scheduler import TIMER_LINE
from vmm.kvm.vcpu import Vcpu

HOST, GUEST = 1, 2
PRIVILEGES = ("kernel", "supervisor", "user")


def cpu_thread(number: int) -> ThreadId:
    return ThreadId(HOST, number + 1)


def vcpu_thread(number: int) -> ThreadId:
    return ThreadId(GUEST, number + 1)


@runtime_checkable
class HasKernel(Protocol):
    """A system on whose machine our host kernel runs."""

    @property
    def kernel(self) -> Kernel: ...


class Worlds:
    def __init__(self, system: System) -> None:
        self.system = system
        self.hypervised = system if isinstance(system, HypervisedSystem) else None
        self.kernel: Kernel | None = system.kernel if isinstance(system, HasKernel) else None
        self.hosts = [HostView(system.machine, cpu) for cpu in system.machine.cpus]
        self.guests: list[GuestView] = []
        if self.hypervised is not None:
            self.guests = [guest_view(self.hypervised, vcpu) for vcpu in self.hypervised.vcpus]

    def view(self, thread: ThreadId) -> View:
        views: list[HostView] | list[GuestView] = self.hosts if thread.pid == HOST else self.guests
        if not 1 <= thread.tid <= len(views):
            raise TargetError(f"no thread {thread.pid}.{thread.tid}; info threads lists those that exist")
        return views[thread.tid - 1]

    # -- who executes ----------------------------------------------------------------------------------------
    def guest_on(self, cpu: int) -> Vcpu | None:
        """The vCPU whose guest this CPU executes now."""
        return self.system.vcpu_on(cpu) if self.hypervised and self.system.in_guest(cpu) else None

    def thread_on(self, cpu: int) -> ThreadId:
        vcpu = self.guest_on(cpu)
        return cpu_thread(cpu) if vcpu is None else vcpu_thread(vcpu.number)

    def cpu_of(self, vcpu: int) -> int | None:
        """The CPU that the vCPU's thread has, in the guest or on the way."""
        if self.hypervised is None:
            return None
        task = self.hypervised.vm.members[vcpu].task
        return None if task is None else task.cpu

    def entry(self, vcpu: int) -> int | None:
        """The ERET of the world switch that enters this vCPU's guest: the last instruction before vcpu_run (EN-8)."""
        return None if self.hypervised is None else self.hypervised.vm.members[vcpu].vcpu_run - 4

    def starved(self, vcpu: int) -> bool:
        """It could run and no CPU has it."""
        if self.hypervised is None:
            return False
        task = self.hypervised.vm.members[vcpu].task
        return task is not None and task.cpu is None and not task.sleeping

    def evict(self, cpu: int) -> None:
        """Let the CPU's next guest instruction be an interrupt of the host instead, and its task give way."""
        if self.hypervised is not None:
            kernel = self.hypervised.kernel
            kernel.scheduler.need_resched[cpu] = True
            kernel.cpus[cpu].set_interrupt(TIMER_LINE, True)

    # -- as GDB lists them -----------------------------------------------------------------------------------
    def host_threads(self) -> list[Thread]:
        return [Thread(cpu_thread(n), f"hcpu{n}", n, self._host_state(view.cpu)) for n, view in enumerate(self.hosts)]

    def guest_threads(self) -> list[Thread]:
        return [Thread(vcpu_thread(n), f"vcpu{n}", self.cpu_of(n), view.state) for n, view in enumerate(self.guests)]

    def _host_state(self, cpu: Cpu) -> str:
        vz = self.hypervised is not None and self.hypervised.vm.backend.vz
        guest = self.guest_on(cpu.number)
        cpu.refresh_mode()
        root = "VZ root, " if vz else ""
        text = f"{'VZ ' if vz else ''}guest vcpu{guest.number}" if guest else root + PRIVILEGES[cpu.state.priv]
        return text + (", waiting" if cpu.state.halted else "")
