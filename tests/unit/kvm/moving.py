"""vCPUs that change CPUs, in either mode: by a rhythm, or because the guest, in assembler, says where it wants to be.

The host has four CPUs, two and two of a core where cores have several.  A store to ``GO`` asks for the CPU of that number;
what the guest does next it does there.  ``END`` ends it; all other stores to devices are noted, with the CPU on which they
were made.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from vmm.arch.assembler import assemble
from vmm.arch.insns import ROWS
from vmm.arch.models import MODELS
from vmm.arch.rows import available
from vmm.guest.placement import Mode
from vmm.host.kernel.kernel import Kernel
from vmm.host.kernel.tasks import Task
from vmm.host.machine.machine import Machine
from vmm.host.machine.topology import Topology
from vmm.kvm.exits import Exit, MmioLoad, MmioStore
from vmm.kvm.run import thread
from vmm.kvm.te.backend import TrapAndEmulate
from vmm.kvm.vcpu import Vcpu
from vmm.kvm.vm import Vm
from vmm.kvm.vz.backend import vz_backend
from vmm.kvm.vz.hardware import vz_host

CPUS, QUANTUM, LIMIT = 4, 3_000, 4_000_000
BASES: dict[Mode, int] = {"vz": 0x8000_0000, "te": 0x4000_0000}
DEVICES, GO, END = 0x1800_0000, 0xFF8, 0xFF0
MIB = 1 << 20

UNEXPECTED = "b .\n nop"                                    # the guest never ends
PROGRAM = """
        .set noreorder
        .org 0
        b .
        nop
        .org 0x180
        {vector}
        .org 0x1000
        lui $s0, 0xb800
        li $s1, {base:#x}
        {source}
        sw $zero, {end:#x}($s0)
        nop
"""


def go(cpu: int) -> str:
    return f"""
        li $t9, {cpu}
        sw $t9, {GO:#x}($s0)
"""


@dataclass
class Said:
    """What one guest did: its stores, as (offset, value, CPU), and the CPUs that its thread came to."""
    stores: list[tuple[int, int, int]] = field(default_factory=list)
    visited: list[int] = field(default_factory=list)

    @property
    def values(self) -> list[int]:
        return [value for _, value, _ in self.stores]


class Moving:
    """One host and one VM; each guest has a megabyte of it from ``base`` of its own."""

    def __init__(self, mode: Mode, model: str = "P5600", *, migrate: int = 0, big_endian: bool = False, guests: int = 1,
                 quantum: int = QUANTUM) -> None:
        self.mode, self.model, self.big_endian = mode, model, big_endian
        machine = Machine(MODELS[model], Topology(CPUS, min(2, MODELS[model].vps)), (guests + 15) * MIB, big_endian)
        self.kernel = Kernel(machine, page_shift=14, quantum=quantum, migrate=migrate)
        self.vm = Vm(self.kernel, vz_backend(vz_host(self.kernel)) if mode == "vz" else TrapAndEmulate)
        self.vm.add_memory(0, 0, guests * MIB)
        self.on_load: Callable[[], int] = lambda: 0
        self.on_store: Callable[[int], None] = lambda value: None
        self.said: list[Said] = []
        self.tasks: list[Task] = []

    def base(self, number: int) -> int:
        """Where the guest has its memory, unmapped."""
        return BASES[self.mode] + number * MIB

    def add(self, source: str, prepare: Callable[[Vm, Vcpu], None] = lambda vm, vcpu: None,
            vector: str = UNEXPECTED) -> Vcpu:
        """A vCPU that executes this, with its base in $s1 and the devices in $s0; ``vector``: at 0x180 from its base."""
        number, model = len(self.said), MODELS[self.model]
        rows = available(ROWS, release=model.release, bits=32, ases=model.ases)
        text = PROGRAM.format(vector=vector, base=self.base(number), source=source, end=END)
        program = assemble(text, rows=rows, base=self.base(number), big_endian=self.big_endian)
        self.vm.write(number * MIB, program.code)
        vcpu = self.vm.create_vcpu()
        prepare(self.vm, vcpu)
        vcpu.pc = program.base + 0x1000 | -(program.base & 1 << 31)
        said = Said()
        self.said.append(said)
        task = self.kernel.spawn(f"vcpu {number}", thread(self.vm, vcpu, self._answer(number, said)))
        task.on_sched_in.append(said.visited.append)
        self.tasks.append(task)
        return vcpu

    def _answer(self, number: int, said: Said) -> Callable[[Vcpu, Exit], bool]:
        def answer(vcpu: Vcpu, reason: Exit) -> bool:
            match reason:
                case MmioLoad():
                    vcpu.mmio.data = self.on_load()
                case MmioStore(address, _, value) if address == DEVICES + GO:
                    self.kernel.scheduler.move(self.tasks[number], value)
                case MmioStore(address, _, value) if address != DEVICES + END:
                    cpu = self.tasks[number].cpu
                    said.stores.append((address - DEVICES, value, -1 if cpu is None else cpu))
                    self.on_store(value)
                case _:
                    return False
            return True

        return answer

    def run(self, until: Callable[[], bool] = lambda: False) -> None:
        """To the guests' ends, or until something holds."""
        self.kernel.scheduler.run(LIMIT, lambda: self.over or until())

    @property
    def over(self) -> bool:
        return all(task.done for task in self.tasks)

    def finish(self) -> list[Said]:
        self.run()
        for task, vcpu in zip(self.tasks, self.vm.vcpus, strict=True):
            assert task.done and isinstance(task.result, MmioStore), (task.result, f"{vcpu.pc:#x}")
        return self.said
