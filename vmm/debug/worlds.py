"""Which thread a CPU is, from moment to moment: its own, that of the vCPU whose guest it executes, or the user program's.

Process 1 is the machine, with a thread a CPU; process 2 the virtual machine, with a thread a vCPU; those of the host kernel
have their own numbers, from 3 on, and so have their threads.
"""
from __future__ import annotations

from typing import Protocol, runtime_checkable

from vmm.debug.debuggee import Debuggee
from vmm.debug.guest import GuestView, guest_view
from vmm.debug.host import HostView
from vmm.debug.process import ProcessView
from vmm.debug.userland import Userland
from vmm.debug.view import View
from vmm.engine.cpu import Cpu
from vmm.gdbstub.target import TargetError, Thread, ThreadId
from vmm.guest.hypervised import HypervisedSystem
from vmm.host.kernel.kernel import Kernel
from vmm.host.user.processes import Process
from vmm.host.user.threads import Thread as UserThread
from vmm.kvm.vcpu import Vcpu

HOST, GUEST = 1, 2
PROGRAMS = "/user/"
PRIVILEGES = ("kernel", "supervisor", "user")


def cpu_thread(number: int) -> ThreadId:
    return ThreadId(HOST, number + 1)


def vcpu_thread(number: int) -> ThreadId:
    return ThreadId(GUEST, number + 1)


def program_file(path: str) -> str:
    """A program's executable, as debuggers ask for it."""
    return PROGRAMS + path.lstrip("/")


def program_thread(thread: UserThread) -> ThreadId:
    return ThreadId(thread.process.pid, thread.tid)


@runtime_checkable
class HasKernel(Protocol):
    """A system on whose machine our host kernel runs."""

    @property
    def kernel(self) -> Kernel: ...


class Worlds:
    def __init__(self, system: Debuggee) -> None:
        self.system = system
        self.hypervised = system if isinstance(system, HypervisedSystem) else None
        self.kernel: Kernel | None = system.kernel if isinstance(system, HasKernel) else None
        self.userland = system if isinstance(system, Userland) else None
        self.hosts = [HostView(system.machine, cpu) for cpu in system.machine.cpus]
        self.guests: list[GuestView] = []
        if self.hypervised is not None:
            self.guests = [guest_view(self.hypervised, vcpu) for vcpu in self.hypervised.vcpus]

    def view(self, thread: ThreadId) -> View:
        if thread.pid not in (HOST, GUEST):
            return self.process_view(thread)
        views: list[HostView] | list[GuestView] = self.hosts if thread.pid == HOST else self.guests
        if not 1 <= thread.tid <= len(views):
            raise TargetError(f"no thread {thread.pid}.{thread.tid}; info threads lists those that exist")
        return views[thread.tid - 1]

    def process_view(self, thread: ThreadId) -> ProcessView:
        process = self.processes.get(thread.pid)
        if process is None or thread.tid not in process.threads:
            raise TargetError(f"no thread {thread.pid}.{thread.tid}; info threads lists those that exist")
        return ProcessView(self.system.machine, process.threads[thread.tid])

    @property
    def processes(self) -> dict[int, Process]:
        """Of the host kernel, by number; those that have ended and wait for their parents have no threads."""
        return {} if self.userland is None else self.userland.users.live

    # -- who executes ----------------------------------------------------------------------------------------
    def guest_on(self, cpu: int) -> Vcpu | None:
        """The vCPU whose guest this CPU executes now."""
        return self.system.vcpu_on(cpu) if self.hypervised and self.system.in_guest(cpu) else None

    def program_on(self, cpu: int) -> UserThread | None:
        """The thread whose program this CPU executes now."""
        if self.userland is None:
            return None
        task = self.userland.kernel.scheduler.current[cpu]
        thread = next((each for each in self.userland.users.threads.values() if each.task is task), None)
        return thread if thread is not None and ProcessView(self.system.machine, thread).cpu is not None else None

    def thread_on(self, cpu: int) -> ThreadId:
        if (vcpu := self.guest_on(cpu)) is not None:
            return vcpu_thread(vcpu.number)
        if (program := self.program_on(cpu)) is not None:
            return program_thread(program)
        return cpu_thread(cpu)

    def cpu_of(self, thread: ThreadId) -> int | None:
        """The CPU that the vCPU's or the program's thread has, in it or on the way."""
        if thread.pid != GUEST:
            return self.process_view(thread).thread.task.cpu
        if self.hypervised is None:
            return None
        task = self.hypervised.vm.members[thread.tid - 1].task
        return None if task is None else task.cpu

    def has_ended(self, thread: ThreadId) -> bool:
        """A user program's; those of CPUs and vCPUs never do."""
        process = self.processes.get(thread.pid)
        return thread.pid not in (HOST, GUEST) and (process is None or thread.tid not in process.threads)

    def program(self, thread: ThreadId) -> GuestView | ProcessView:
        """What is no CPU's own."""
        return self.guests[thread.tid - 1] if thread.pid == GUEST else self.process_view(thread)

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
            self.hypervised.kernel.scheduler.evict(cpu)

    # -- as GDB lists them -----------------------------------------------------------------------------------
    def host_threads(self) -> list[Thread]:
        return [Thread(cpu_thread(n), f"hcpu{n}", n, self._host_state(view.cpu)) for n, view in enumerate(self.hosts)]

    def guest_threads(self) -> list[Thread]:
        ids = [vcpu_thread(n) for n in range(len(self.guests))]
        return [Thread(each, f"vcpu{n}", self.cpu_of(each), self.guests[n].state) for n, each in enumerate(ids)]

    def program_threads(self, pid: int) -> list[Thread]:
        process, machine = self.processes.get(pid), self.system.machine
        return [] if process is None else [
            Thread(program_thread(each), process.name, each.task.cpu, ProcessView(machine, each).state)
            for each in process.threads.values()]

    def _host_state(self, cpu: Cpu) -> str:
        vz = self.hypervised is not None and self.hypervised.vm.backend.vz
        guest = self.guest_on(cpu.number)
        cpu.refresh_mode()
        root = "VZ root, " if vz else ""
        text = f"{'VZ ' if vz else ''}guest vcpu{guest.number}" if guest else root + PRIVILEGES[cpu.state.priv]
        task = "" if guest else self._task_on(cpu.number)
        return text + task + (", waiting" if cpu.state.halted else "")

    def _task_on(self, cpu: int) -> str:
        """What our kernel has put on a CPU."""
        if self.kernel is None:
            return ""
        task = self.kernel.scheduler.current[cpu]
        return ", idle" if task is None else f", {task.name}"
