"""Which thread a CPU is, from moment to moment: its own, that of the vCPU whose guest it executes, or the user program's.

Process 1 is the machine, with a thread a CPU.  Those from 2 on are the virtual machines of a host that has some
(``Host.guests`` lists them), with a thread a vCPU; without, those from 3 on are the user programs of the host kernel, which
has given them and their threads these numbers.
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
from vmm.host.kernel.tasks import Task
from vmm.host.user.processes import Process
from vmm.host.user.threads import Thread as UserThread

HOST, GUEST = 1, 2
"""The machine, and its first guest."""
PROGRAMS = "/user/"
PRIVILEGES = ("kernel", "supervisor", "user")


def cpu_thread(number: int) -> ThreadId:
    return ThreadId(HOST, number + 1)


def vcpu_thread(number: int, pid: int = GUEST) -> ThreadId:
    return ThreadId(pid, number + 1)


def program_file(path: str) -> str:
    """A program's executable, as debuggers ask for it."""
    return PROGRAMS + path.lstrip("/")


def program_thread(thread: UserThread) -> ThreadId:
    return ThreadId(thread.process.pid, thread.tid)


def missing(thread: ThreadId) -> TargetError:
    return TargetError(f"no thread {thread.pid}.{thread.tid}; info threads lists those that exist")


@runtime_checkable
class HasKernel(Protocol):
    """A system on whose machine our host kernel runs."""

    @property
    def kernel(self) -> Kernel: ...


class Worlds:
    """``system``: of a host's guests any, which stands for all.

    ``vms``: the guests by process; ``guests``: their vCPUs by thread."""

    def __init__(self, system: Debuggee) -> None:
        self.system = system
        members = system.host.guests if isinstance(system, HypervisedSystem) else []
        self.vms = {GUEST + n: each for n, each in enumerate(members) if isinstance(each, HypervisedSystem)}
        self.kernel: Kernel | None = system.kernel if isinstance(system, HasKernel) else None
        self.userland = system if isinstance(system, Userland) else None
        self.hosts = [HostView(system.machine, cpu) for cpu in system.machine.cpus]
        self.guests: dict[ThreadId, GuestView] = {
            vcpu_thread(vcpu.number, pid): guest_view(vm, vcpu) for pid, vm in self.vms.items() for vcpu in vm.vcpus}

    def view(self, thread: ThreadId) -> View:
        if thread.pid != HOST:
            return self.program(thread)
        if not 1 <= thread.tid <= len(self.hosts):
            raise missing(thread)
        return self.hosts[thread.tid - 1]

    def program(self, thread: ThreadId) -> GuestView | ProcessView:
        """What is no CPU's own."""
        return self.guests[thread] if thread in self.guests else self.process_view(thread)

    def process_view(self, thread: ThreadId) -> ProcessView:
        process = self.processes.get(thread.pid)
        if process is None or thread.tid not in process.threads:
            raise missing(thread)
        return ProcessView(self.system.machine, process.threads[thread.tid])

    @property
    def processes(self) -> dict[int, Process]:
        """Of the host kernel, by number; those that have ended and wait for their parents have no threads."""
        return {} if self.userland is None else self.userland.users.live

    # -- who executes ----------------------------------------------------------------------------------------
    def guest_on(self, cpu: int) -> ThreadId | None:
        """The vCPU whose guest this CPU executes now."""
        for pid, vm in self.vms.items():
            if (vcpu := vm.vcpu_on(cpu)) is not None:
                return vcpu_thread(vcpu.number, pid) if vm.in_guest(cpu) else None
        return None

    def program_on(self, cpu: int) -> UserThread | None:
        """The thread whose program this CPU executes now."""
        if self.userland is None:
            return None
        task = self.userland.kernel.scheduler.current[cpu]
        thread = next((each for each in self.userland.users.threads.values() if each.task is task), None)
        return thread if thread is not None and ProcessView(self.system.machine, thread).cpu is not None else None

    def thread_on(self, cpu: int) -> ThreadId:
        if (vcpu := self.guest_on(cpu)) is not None:
            return vcpu
        if (program := self.program_on(cpu)) is not None:
            return program_thread(program)
        return cpu_thread(cpu)

    def cpu_of(self, thread: ThreadId) -> int | None:
        """The CPU that the vCPU's or the program's thread has, in it or on the way."""
        if thread.pid not in self.vms:
            return self.process_view(thread).thread.task.cpu
        task = self._task_of(thread)
        return None if task is None else task.cpu

    def _task_of(self, vcpu: ThreadId) -> Task | None:
        """Of the host kernel, in which the vCPU is run."""
        return self.vms[vcpu.pid].vm.members[vcpu.tid - 1].task

    def has_ended(self, thread: ThreadId) -> bool:
        """A user program's; those of CPUs and vCPUs never do."""
        process = self.processes.get(thread.pid)
        return thread.pid != HOST and thread.pid not in self.vms and (process is None or thread.tid not in process.threads)

    def entry(self, vcpu: ThreadId) -> int:
        """The ERET of the world switch that enters this vCPU's guest: the last instruction before vcpu_run (EN-8)."""
        return self.vms[vcpu.pid].vm.members[vcpu.tid - 1].vcpu_run - 4

    def starved(self, vcpu: ThreadId) -> bool:
        """It could run and no CPU has it."""
        task = self._task_of(vcpu)
        return task is not None and task.cpu is None and not task.sleeping and not task.done

    def evict(self, cpu: int) -> None:
        """Let the CPU's next guest instruction be an interrupt of the host instead, and its task give way."""
        if self.kernel is not None:
            self.kernel.scheduler.evict(cpu)

    # -- as GDB lists them -----------------------------------------------------------------------------------
    def host_threads(self) -> list[Thread]:
        return [Thread(cpu_thread(n), self.name(cpu_thread(n)), n, self._host_state(view.cpu))
                for n, view in enumerate(self.hosts)]

    def guest_threads(self, pid: int) -> list[Thread]:
        return [Thread(each, self.name(each), self.cpu_of(each), view.state)
                for each, view in self.guests.items() if each.pid == pid]

    def name(self, thread: ThreadId) -> str:
        """``hcpu0``, ``vcpu0``, of a host's second guest ``vm1_vcpu0``: of a guest as the host kernel's symbols begin."""
        if thread.pid == HOST:
            return f"hcpu{thread.tid - 1}"
        if thread.pid in self.vms:
            return f"{self.vms[thread.pid].vm.name}vcpu{thread.tid - 1}"
        return self.processes[thread.pid].name

    def program_threads(self, pid: int) -> list[Thread]:
        process, machine = self.processes.get(pid), self.system.machine
        return [] if process is None else [
            Thread(program_thread(each), self.name(program_thread(each)), each.task.cpu, ProcessView(machine, each).state)
            for each in process.threads.values()]

    def _host_state(self, cpu: Cpu) -> str:
        guest = self.guest_on(cpu.number)
        cpu.refresh_mode()
        if guest is not None:
            text = f"{'VZ ' if self.vms[guest.pid].vm.backend.vz else ''}guest {self.name(guest)}"
        else:
            root = "VZ root, " if any(vm.vm.backend.vz for vm in self.vms.values()) else ""
            text = root + PRIVILEGES[cpu.state.priv]
        task = "" if guest else self._task_on(cpu.number)
        return text + task + (", waiting" if cpu.state.halted else "")

    def _task_on(self, cpu: int) -> str:
        """What our kernel has put on a CPU."""
        if self.kernel is None:
            return ""
        task = self.kernel.scheduler.current[cpu]
        return ", idle" if task is None else f", {task.name}"
