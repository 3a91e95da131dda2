"""Every instruction that a system executes, a line each: tick, thread, address, word, text.

The lines are those of the threads as a debugger lists them, ``hcpu0`` while a CPU executes the host's own code and
``vcpu0`` while it executes the guest.  Invariant: the system does what it would do without a trace.
"""
from __future__ import annotations

from functools import partial
from typing import TextIO

from vmm.arch.stops import Stop
from vmm.debug.listing import line, shown
from vmm.debug.snapshot import PAGE
from vmm.debug.view import View
from vmm.debug.worlds import Worlds
from vmm.engine.cpu import Cpu
from vmm.errors import ConfigError
from vmm.gdbstub.target import MemoryFault, ThreadId
from vmm.guest.hypervised import HypervisedSystem
from vmm.guest.system import System
from vmm.host.kernel.hostcpu import HostCpu


class InstructionTrace:
    def __init__(self, system: System, out: TextIO) -> None:
        self._system, self._out = system, out
        self._worlds = Worlds(system)
        self._hypervised = isinstance(system, HypervisedSystem)
        if isinstance(system, HypervisedSystem):
            for host_cpu in system.kernel.cpus:
                assert isinstance(host_cpu, HostCpu)
                host_cpu.run = partial(self._run_cpu, host_cpu.core)
        self._key: tuple[object, ...] = ()
        self._pages: dict[int, int] = {}                   # of the thread: addresses in the machine's memory

    def run(self, until: int) -> None:
        """All CPUs to the absolute tick ``until``, one instruction after the other: bare, the CPU that is behind first; a
        host's as its kernel gives them turns."""
        if self._hypervised:
            self._system.run(until)
            return
        self._system.board.keys()                          # a step does not ask for them
        cpus = self._system.machine.cpus
        while self._system.ending is None:
            cpu = min(cpus, key=lambda cpu: cpu.ticks)
            if cpu.ticks >= until:
                return
            self._step(cpu)

    def _run_cpu(self, cpu: Cpu, until: int) -> Stop:
        """In the place of ``Cpu.run``, so that switches between tasks and what follows a door are seen, too."""
        while cpu.ticks < until:
            text, before, retired = self._line(cpu), cpu.ticks, cpu.retired
            stop = cpu.step()
            if cpu.retired != retired:
                self._write(text)
            if stop is not Stop.STEP:
                return stop
            if cpu.state.halted:
                return cpu.run(before + 1)                 # it waits: let time pass
        return cpu.run(until)                              # at once: time is up

    def _step(self, cpu: Cpu) -> None:
        text, before, retired = self._line(cpu), cpu.ticks, cpu.retired
        self._system.step(cpu.number)
        if cpu.retired != retired:
            self._write(text)
        if cpu.ticks == before and self._system.ending is None:
            self._system.run(before + 1)                   # it waits: let time pass

    def _write(self, text: str) -> None:
        try:
            self._out.write(text)
        except OSError as error:
            raise ConfigError(f"--trace: cannot be written: {error.strerror}; make room, or limit the run") from None

    def _line(self, cpu: Cpu) -> str:
        thread = self._worlds.thread_on(cpu.number)
        view = self._worlds.view(thread)
        try:
            code = line(view, cpu.pc, view.machine.ram.load(self._place(cpu, thread, view), 4))
        except MemoryFault:
            code = f"{shown(view, cpu.pc)}: not mapped"
        return f"{cpu.ticks:>12} {self._worlds.name(thread)} {code}\n"

    def _place(self, cpu: Cpu, thread: ThreadId, view: View) -> int:
        """The pc's place in the machine's memory.  Pages stay where they are while thread, TLBs and CP0 do."""
        key = (thread, *(cpu.state.array(name).tobytes() for name in ("root_tlb", "guest_tlb", "root_cp0", "guest_cp0")))
        if key != self._key:
            self._key, self._pages = key, {}
        page, offset = cpu.pc // PAGE, cpu.pc % PAGE
        if page not in self._pages:
            self._pages[page] = view.place(page * PAGE)
        return self._pages[page] + offset
