"""One run of the workload on one host, and what its flushes cost there.

What is executed as MIPS code: the workload, exceptions' way into the kernel and out, TLB refills.  What is charged in
instructions: the maintenance of TLBs (``vmm.host.kernel.costs``).  Everything else that a kernel does in C takes no time,
an interrupt arrives in the tick in which it is sent, and SYNC waits for nobody; so what is lost to interrupts here is the
least that a kernel loses.  Invariant: equal arguments give equal figures.
"""
from __future__ import annotations

from dataclasses import dataclass

from vmm.arch.models import CpuModel
from vmm.host.kernel.costs import CHARGED
from vmm.host.kernel.flush import Flush
from vmm.host.kernel.kernel import Kernel
from vmm.host.machine import Machine
from vmm.host.user.system import UserSystem
from vmm.lab.workload import Workload

PAGE_SHIFT = 12
RAM_BYTES = 256 << 20
SLICE_TICKS = 50_000
"""For which a task keeps its CPU while others wait for it."""
STEP_TICKS = 1 << 20
ASIDS, MMIDS = "ASIDs, IPIs", "MMIDs, GINVT"


@dataclass(frozen=True, slots=True)
class Measured:
    """``interrupted``: tasks that an IPI took their CPU from.  ``lost``: instructions and waits, of those who flush and of
    those whom they interrupt, from the interrupt to the return; ``misses``: TLB refills; ``ticks``: until all had ended."""

    cpus: int
    ids: str
    flushes: int
    ipis: int
    interrupted: int
    ginvts: int
    misses: int
    lost: int
    ticks: int

    @property
    def share(self) -> float:
        """What is lost of all that the CPUs could have executed."""
        return self.lost / (self.cpus * self.ticks)

    @property
    def lost_each(self) -> float:
        """A flush."""
        return self.lost / max(1, self.flushes)


def measure(workload: Workload, model: CpuModel, cpus: int, *, mmids: bool, quantum: int) -> Measured:
    system = boot(workload, model, cpus, mmids=mmids, quantum=quantum)
    run(system)
    return figures(system)


def boot(workload: Workload, model: CpuModel, cpus: int, *, mmids: bool, quantum: int) -> UserSystem:
    """A host whose flushes are charged for, with the workload's first process."""
    kernel = Kernel(Machine(model, cpus, RAM_BYTES), page_shift=PAGE_SHIFT, quantum=quantum, seed=workload.seed,
                    mmids=mmids, slice_ticks=SLICE_TICKS, costs=CHARGED)
    system = UserSystem(kernel, (), lambda data, error: None)
    system.start(workload.program(model, kernel.pages.page_size), [b"shootdown"])
    return system


def run(system: UserSystem) -> None:
    """To the end, which must be a good one."""
    kernel, first = system.kernel, system.first
    while not system.finished:
        system.run(min(cpu.ticks for cpu in kernel.cpus) + STEP_TICKS)
    if first is None or first.ended is None or first.ended.shell_status:
        raise AssertionError(f"the workload on {len(kernel.cpus)} CPUs with {_ids(kernel)}: {first and first.ended}")


def figures(system: UserSystem) -> Measured:
    kernel = system.kernel
    calls, counts = kernel.scheduler.calls.counts, kernel.mmu_counts
    returns = calls["interrupted"] * _return_length(kernel)
    return Measured(
        cpus=len(kernel.cpus), ids=_ids(kernel),
        flushes=sum(counts[f"flush {what.value}"] for what in Flush),
        ipis=calls["ipi"], interrupted=calls["interrupted"], ginvts=counts["ginvt"],
        misses=sum(int(cpu.state.random_writes) for cpu in kernel.cpus),
        lost=counts["flush_ticks"] + calls["interrupted_ticks"] + returns,
        ticks=max(cpu.ticks for cpu in kernel.cpus))


def _ids(kernel: Kernel) -> str:
    return MMIDS if kernel.mmid_bits else ASIDS


def _return_length(kernel: Kernel) -> int:
    """Instructions from the door in the kernel's entry to the task that was interrupted."""
    name = "ret_from_exception"
    code = next(code for code in kernel.text.code if name in code.symbols)
    start = (code.symbols[name] - code.address) // 4
    return code.lines.index("eret", start) + 1 - start
