"""A VZ host, one VM with 1 MiB, and small guests written in assembler; devices are a log."""
from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from vmm.arch.insns import ROWS
from vmm.arch.models import MODELS
from vmm.arch.text import Mnemonics, assemble_line
from vmm.host.kernel.kernel import Kernel
from vmm.host.kernel.tasks import Task
from vmm.host.machine import Machine
from vmm.kvm.exits import Exit, InternalError, Intr, MmioLoad, MmioStore
from vmm.kvm.run import thread
from vmm.kvm.vcpu import Vcpu
from vmm.kvm.vm import Vm
from vmm.kvm.vz.backend import VzBackend
from vmm.kvm.vz.guest import VzHost
from vmm.kvm.vz.hardware import vz_host

START = 0xFFFFFFFF_80001000
MIB = 1 << 20
STOP = 0x18000FF0
"""A store here ends a guest."""
END = "lui $24, 0xb800; sw $0, 0xff0($24)"
LIMIT = 400_000


@cache
def mnemonics() -> Mnemonics:
    return Mnemonics(ROWS)


def assemble(source: str, big_endian: bool, at: int = START) -> bytes:
    """Instructions separated by ``;``, labels end in ``:``."""
    lines = [part.strip() for part in source.replace("\n", ";").split(";") if part.strip()]
    symbols: dict[str, int] = {}
    code: list[str] = []
    for line in lines:
        if line.endswith(":"):
            symbols[line[:-1]] = at + 4 * len(code)
        else:
            code.append(line)
    words = [assemble_line(line, at + 4 * n, rows=mnemonics(), symbols=symbols) for n, line in enumerate(code)]
    return b"".join(word.to_bytes(4, "big" if big_endian else "little") for word in words)


@dataclass
class Rig:
    kernel: Kernel
    host: VzHost
    vms: list[Vm] = field(default_factory=list)
    stores: list[tuple[int, int]] = field(default_factory=list)
    loads: dict[int, int] = field(default_factory=dict)

    @property
    def vm(self) -> Vm:
        return self.vms[0]

    def add_vm(self, *, own_hypercalls: bool = False) -> Vm:
        vm = Vm(self.kernel, lambda new: VzBackend(self.host, new), own_hypercalls=own_hypercalls)
        vm.add_memory(0, 0, MIB)
        self.vms.append(vm)
        return vm

    def add_vcpu(self, source: str, vm: Vm | None = None, at: int = START) -> Vcpu:
        vm = vm or self.vm
        vcpu = vm.create_vcpu()
        vm.write(at & 0x1FFFFFFF, assemble(source, self.kernel.big_endian, at))
        vcpu.pc = at
        return vcpu

    def answer(self, vcpu: Vcpu, reason: Exit) -> bool:
        match reason:
            case MmioLoad(address):
                vcpu.mmio.data = self.loads.get(address, 0)
                return True
            case MmioStore(address, _, value):
                self.stores.append((address & 0xFFF, value))
                return address != STOP
            case Intr() | InternalError():
                return False
            case _:
                return False

    def start(self, vcpu: Vcpu, vm: Vm | None = None) -> Task:
        return self.kernel.spawn(f"vcpu {vcpu.number}", thread(vm or self.vm, vcpu, self.answer))

    def run(self, source: str) -> Exit:
        """One vCPU from START until it ends; the exit it ended with."""
        task = self.start(self.add_vcpu(source))
        reason: Exit = self.kernel.scheduler.complete(task, LIMIT)
        return reason

    def values(self) -> list[int]:
        """What the guest stored, without the end mark."""
        return [value for address, value in self.stores if address != STOP & 0xFFF]


def make_rig(model: str = "P5600", *, big_endian: bool = False, page_shift: int = 14, cpus: int = 1,
             engine: str = "native", quantum: int = 50_000, migrate: int = 0) -> Rig:
    machine = Machine(MODELS[model], cpus, 8 * MIB, big_endian, engine)
    kernel = Kernel(machine, page_shift=page_shift, quantum=quantum, migrate=migrate)
    rig = Rig(kernel, vz_host(kernel))
    rig.add_vm()
    return rig
