"""A process of the host's own: MIPS code in user mode, in an address space of its own.  (rows HM-30, HM-37, HM-50)

The host's exception vectors are doors, so a TLB miss comes here; what the page table has is put into the TLB.
Invariant: while the task has a CPU, its space is the one that is loaded there.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vmm.arch.cp0.registers import EPC, BadVAddr, Cause, Status
from vmm.arch.exceptions import ExcCode
from vmm.host.kernel.contexts import Mm
from vmm.host.kernel.cpu import Cpu
from vmm.host.kernel.kernel import Kernel
from vmm.host.kernel.layout import Door
from vmm.host.kernel.tasks import Body, Resched, Run, Task

USER = 2
"""Status.KSU."""
V0, A0 = 2, 4


@dataclass(frozen=True, slots=True)
class Exited:
    """By a system call, whatever it asks for; ``value`` was in v0."""

    value: int


@dataclass(frozen=True, slots=True)
class Faulted:
    """An address that is not mapped, or not for this; or another exception."""

    code: int
    pc: int
    address: int


def process(kernel: Kernel, mm: Mm, entry: int, argument: int = 0) -> Callable[[Task], Body]:
    """For ``Kernel.spawn``; the task's result is ``Exited`` or ``Faulted``."""

    def load(cpu: int) -> None:
        kernel.contexts.switch(cpu, mm)

    def body(task: Task) -> Body:
        cpu, core = kernel.cpu_of(task)
        load(cpu)
        task.on_sched_in.append(load)
        core.gpr[A0] = argument
        status, pc = core.mfc0(Status), entry
        while True:
            _to_user(core, status, pc)
            yield Run()
            cpu, core = kernel.cpu_of(task)
            pc, why, address = core.mfc0(EPC), Cause.ExcCode.of(core.mfc0(Cause)), core.mfc0(BadVAddr)
            _check_door(core)
            core.mtc0(Status, status)
            core.pc = kernel.symbols["returned"]
            if why == ExcCode.Int:
                kernel.serve_interrupts(cpu)
                yield Resched()
                cpu, core = kernel.cpu_of(task)
            elif why == ExcCode.Sys:
                return Exited(core.gpr[V0])
            elif why not in (ExcCode.TLBL, ExcCode.TLBS) or not kernel.update_mmu_cache(cpu, mm, address):
                return Faulted(why, pc, address)

    return body


def _to_user(core: Cpu, status: int, pc: int) -> None:
    """What the end of an exception handler does, with ERET."""
    core.mtc0(Status, status & ~(Status.CU0.mask | Status.KSU.mask) | Status.KSU.at(USER) | Status.IE.mask)
    core.pc = pc


def _check_door(core: Cpu) -> None:
    if core.state.stop_code != Door.HOST_EXCEPTION:
        raise AssertionError(f"the machine stopped at {core.pc:#x} inside a process, and not for an exception")
