"""CPUs that come and go, in the model of ``spaces``.  (Rows HM-41, HM-52)

A CPU that is off keeps what its TLB has, and no GINVT reaches it.  One that goes first leaves its task's space for the
kernel's own, ``idle``.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tests.models.explore import Choice
from tests.models.spaces import NOTHING, AbstractMmu, MakeContexts, Shape, System
from vmm.host.kernel.flush import Flusher
from vmm.host.kernel.steps import Act, Program


class PluggedSystem(System):
    def __init__(self, shape: Shape, make: MakeContexts | None = None, flusher: type[Flusher] = Flusher) -> None:
        super().__init__(replace(shape, spaces=shape.spaces + 1), make, flusher)
        self.idle = self.spaces[-1]
        self.idle.users = shape.cpus + 2                       # like no task's
        self.off = [self.vault.slot(f"off[{cpu}]", 0) for cpu in range(shape.cpus)]

    def reached(self) -> list[AbstractMmu]:
        return [mmu for mmu, off in zip(self.mmus, self.off, strict=True) if not off.load()]

    def _choices(self, cpu: int) -> Iterator[Choice]:
        off = self.off[cpu].load()
        for choice in super()._choices(cpu):
            if choice.name[1] != self.idle.number:
                yield choice._replace(possible=choice.possible and not off)
        yield Choice(("plug", self.idle.number), bool(off), lambda: None, lambda: self._plugging(cpu))
        yield Choice(("unplug", self.idle.number), len(self.reached()) > 1 and not off,
                     lambda: self.tasks[cpu].store(NOTHING), lambda: self._unplugging(cpu))

    def _plugging(self, cpu: int) -> Program[None]:
        yield Act(self.off[cpu].store, (0,), shared=True)
        yield from self.flusher.starting(cpu)

    def _unplugging(self, cpu: int) -> Program[None]:
        yield from self.flusher.stopping(cpu, self.idle)
        yield Act(self._power_off, (cpu,), shared=True)

    def _power_off(self, cpu: int) -> None:
        self.off[cpu].store(1)
        self.mmus[cpu].space.store(NOTHING)
        self.mmus[cpu].register.store(0)


def make_system(shape: Shape, make: MakeContexts | None = None, flusher: type[Flusher] = Flusher) -> System:
    return (PluggedSystem if shape.plugged else System)(shape, make, flusher)
