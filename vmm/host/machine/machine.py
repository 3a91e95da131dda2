"""The simulated hardware: CPUs of one model on one memory, and what they do to each other.

CPUs run in turn, in one thread; nothing here knows a device, a kernel or a guest.
"""
from __future__ import annotations

from dataclasses import dataclass

from vmm.arch.cp0.registers import VPControl
from vmm.arch.models import CpuModel
from vmm.arch.state import ROOT_FILE
from vmm.engine.cpu import Cpu
from vmm.engine.engine import MAX_CPUS, make_engine
from vmm.engine.store import Memory
from vmm.engine.tlb import share_ftlb
from vmm.errors import ConfigError
from vmm.host.machine.ram import Ram
from vmm.host.machine.topology import Topology

VP_CONTROL = ROOT_FILE + VPControl.index
NS_PER_TICK = 5
"""Virtual nanoseconds that one tick takes: an instruction a cycle at 200 MHz; Count runs at half of that (CCRes 2)."""


@dataclass(frozen=True, slots=True)
class Piece:
    """``size`` bytes of the machine's memory from ``offset``, seen at ``physical``."""
    physical: int
    size: int
    offset: int
    read_only: bool = False


class Machine:
    """``ram_bytes`` of memory from physical address 0, unless ``pieces`` say where it appears; ``cpus`` in one cluster of
    cores as full as they may be, unless a ``Topology`` says where they are."""

    def __init__(self, model: CpuModel, cpus: int | Topology, ram_bytes: int, big_endian: bool = False,
                 engine: str = "native", pieces: tuple[Piece, ...] = ()) -> None:
        self.topology = cpus if isinstance(cpus, Topology) else Topology(cpus, model.vps)
        count = self.topology.cpus
        if count > MAX_CPUS:
            raise ConfigError(f"{count} CPUs: a machine has 1 to {MAX_CPUS}")
        self.model, self.big_endian = model, big_endian
        self.memory = Memory(ram_bytes)
        for piece in pieces or (Piece(0, ram_bytes, 0),):
            self.memory.map(piece.physical, piece.size, piece.offset, read_only=piece.read_only)
        self.engine = make_engine(engine, model, big_endian, self.memory)
        self.ram = Ram(self.memory, self.engine, big_endian)
        self.cpus = tuple(Cpu(model, number, big_endian, self.memory, self.engine,
                              self.topology.place(number).global_number) for number in range(count))
        self._siblings = [[self.cpus[other].state.words for other in self.topology.siblings(number) if other != number]
                          for number in range(count)]
        if model.vps > 1 and model.ftlb_entries:
            for core in self.topology.cores_of_cpus():
                share_ftlb([self.cpus[number] for number in core], lends=model.lends_ftlb_entries)

    def is_stopped(self, number: int) -> bool:
        """A sibling has executed DVP, and no EVP yet: nothing is fetched here, and interrupts wait.  (MD00087, DVP)"""
        for words in self._siblings[number]:
            if words[VP_CONTROL] & VPControl.DIS.mask:
                return True
        return False

    def invalidate_globally(self, cpu: Cpu) -> None:
        """Let the other CPUs do what a GINVT or GINVGT of this one asks; its next run goes on with the instruction."""
        state = cpu.state
        for other in self.cpus:
            if other is not cpu:
                self.engine.service(other.state, "invalidate_for_all", state.stop_address, state.stop_code,
                                    state.stop_value, state.stop_size)
        cpu.complete_store()

    @property
    def retired(self) -> int:
        """Instructions that all CPUs have executed."""
        return sum(cpu.retired for cpu in self.cpus)

    @property
    def ns_per_tick(self) -> int:
        return NS_PER_TICK
