"""A thread of a user program: a task of the kernel whose body is what the kernel does between exceptions.

Invariant: while the task has a CPU, its process's memory is the one that is loaded there, and the CPU's UserLocal is the
thread's.  Whatever a thread needs to be told, it looks for before it returns to user mode.  (Linux kernel/entry, mips)
"""
from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from vmm.arch.cp0.registers import Cause, UserLocal
from vmm.arch.exceptions import ExcCode
from vmm.host.kernel.cpu import Cpu
from vmm.host.kernel.layout import Door
from vmm.host.kernel.tasks import Body, Resched, Run, Sleep, Task, Want
from vmm.host.user.abi import A3, SP, T9, V0
from vmm.host.user.fpu import UNITS, FpuContext
from vmm.host.user.numbers import CallError, Errno
from vmm.host.user.registers import Registers, frame_of, user_status

if TYPE_CHECKING:
    from vmm.host.user.memory import Memory
    from vmm.host.user.processes import Process
    from vmm.host.user.program import Program
    from vmm.host.user.system import UserSystem

Steps = Generator[Want, Any, Any]
LONGEST_STRING = 64 << 10


@dataclass(frozen=True, slots=True)
class Alternate:
    """Another stack, for handlers that want it."""

    start: int
    size: int

    @property
    def end(self) -> int:
        return self.start + self.size

    def has(self, sp: int) -> bool:
        return self.start < sp <= self.end


class Gone(Exception):
    """The thread ends here."""


class Thread:
    """``tid``: the first thread of a process has the process's number."""

    def __init__(self, system: UserSystem, process: Process, tid: int, affinity: frozenset[int] | None = None) -> None:
        self.system, self.kernel, self.process, self.tid = system, system.kernel, process, tid
        self.mask = 0
        """Signals that are blocked, as a set of bits; signal n is bit n - 1."""
        self.usual_mask: int | None = None
        """While ``mask`` is another for a call of rt_sigsuspend."""
        self.pending: list[Any] = []
        self.killed = False
        self.order: Literal["big", "little"] = "big" if self.kernel.big_endian else "little"
        self.begin(process.program)
        self.task: Task = self.kernel.spawn(f"{process.name}/{tid}", self._body, affinity)
        self.registers: Registers = frame_of(self.kernel, self.task, process.abi.bits)
        self.task.on_sched_in.append(self.load)
        self.task.on_sched_out.append(self.put)

    @property
    def memory(self) -> Memory:
        return self.process.memory

    @property
    def cpu(self) -> int:
        """The number of the CPU that it has."""
        return self.kernel.cpu_of(self.task)[0]

    @property
    def core(self) -> Cpu:
        return self.kernel.cpu_of(self.task)[1]

    # Its memory, for system calls

    def read(self, va: int, size: int) -> bytes:
        return self.memory.read(self.cpu, va, size)

    def write(self, va: int, data: bytes) -> None:
        self.memory.write(self.cpu, va, data)
        self.system.on_store(self, va, len(data))

    def read_word(self, va: int) -> int:
        return int.from_bytes(self.read(va, 4), self.order)

    def write_word(self, va: int, value: int) -> None:
        self.write(va, (value & 0xFFFF_FFFF).to_bytes(4, self.order))

    def read_longs(self, va: int, count: int) -> list[int]:
        abi = self.process.abi
        return abi.unpack(self.kernel.big_endian, self.read(va, count * abi.word))

    def write_longs(self, va: int, *values: int) -> None:
        self.write(va, self.process.abi.pack(self.kernel.big_endian, *values))

    def read_string(self, va: int) -> bytes:
        found = b""
        while b"\0" not in found:
            if len(found) > LONGEST_STRING:
                raise CallError(Errno.E2BIG)
            found += self.read(va + len(found), (va + len(found) | 63) + 1 - va - len(found))
        return found[:found.index(b"\0")]

    def read_strings(self, va: int) -> list[bytes]:
        """An array of pointers to strings, with a null pointer at its end."""
        found: list[bytes] = []
        while va and (at := self.read_longs(va + len(found) * self.process.abi.word, 1)[0]):
            found.append(self.read_string(at))
        return found

    # Its CPU

    def load(self, cpu: int) -> None:
        self.kernel.contexts.switch(cpu, self.memory.mm)
        self.set_tls(self.tls)

    def put(self, cpu: int) -> None:
        self.fpu.lose(self.kernel.cpus[cpu], self.registers)

    def set_tls(self, value: int) -> None:
        self.tls = value
        if self.kernel.features.user_local:
            sign = 1 << self.process.abi.bits - 1
            self.core.mtc0(UserLocal, (value ^ sign) - sign & (1 << 8 * self.kernel.word) - 1)

    def begin(self, program: Program) -> None:
        """What a program finds of its thread, beside registers."""
        self.tls = self.clear_tid = 0
        self.alternate: Alternate | None = None
        self.fpu = FpuContext(self.kernel.model.fcsr, wide=program.bits == 64 or program.wide_fpu)

    def start_at(self, pc: int, sp: int) -> None:
        """The registers of a program that starts."""
        self.registers.clear()
        self.registers.bits = self.process.abi.bits
        self.registers.pc, self.registers[SP], self.registers[T9] = pc, sp, pc
        self.registers.status = user_status(self.kernel)

    def continue_as(self, parent: Thread, stack: int, tls: int) -> None:
        """After clone: where the parent is, with 0 for an answer."""
        parent.fpu.keep(parent.core)
        self.fpu, self.mask, self.tls = parent.fpu.copy(), parent.mask, tls
        self.alternate = parent.alternate if self.process is not parent.process else None   # else two would use one stack
        self.registers.copy_from(parent.registers)
        self.registers.status = self.registers.status & ~UNITS
        self.registers[V0] = self.registers[A3] = 0
        self.registers.pc += 4
        if stack:
            self.registers[SP] = stack

    # Its life

    def _body(self, task: Task) -> Body:
        self.load(self.cpu)
        try:
            yield from self._leave_kernel()
            core, frame = self.core, task.stack_top - self.registers.layout.size
            core.pc, core.gpr[SP] = self.kernel.text.symbols["ret_from_exception"], frame
            while True:
                stop = yield Run()
                self._check_door(stop)
                yield from self._exception()
                yield from self._leave_kernel()
                self.core.pc += 4
        except Gone:
            yield from self.system.end_thread(self)

    def _check_door(self, stop: Any) -> None:
        core = self.core
        if stop.name != "DOOR" or core.state.stop_code != Door.USER_EXCEPTION:
            raise AssertionError(f"the machine stopped for {stop!r} at {core.pc:#x} while {self.task.name} runs")

    def _exception(self) -> Steps:
        """What stands in C behind the entry."""
        code = Cause.ExcCode.of(self.registers.cause)
        if code == ExcCode.Int:
            self.kernel.serve_interrupts(self.cpu)
            yield Resched()
        elif code == ExcCode.Sys:
            yield from self.system.calls.perform(self)
        else:
            self.system.faults.handle(self, code)

    def _leave_kernel(self) -> Steps:
        """Signals, and death, before user mode; and CPUs that its flushes concern must have answered."""
        yield from self.kernel.await_answers(self.task)
        while self.system.signals.wanted(self):
            self.system.signals.deliver(self)
            yield from self.kernel.await_answers(self.task)
        if self.usual_mask is not None:                # no handler was called, which would return to it
            self.mask, self.usual_mask = self.usual_mask, None

    def sleep(self, until_ns: int | None = None) -> Steps:
        """Until something happens to it; who calls looks what that was."""
        yield from self.kernel.await_answers(self.task)
        yield Sleep(until_ns)

    def notify(self) -> None:
        """Something is to be looked at: end a sleep, or bring it into the kernel."""
        if self.task.cpu is not None:
            self.kernel.scheduler.kick(self.task.cpu)
        self.kernel.scheduler.wake(self.task)
