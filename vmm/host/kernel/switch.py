"""The context switch: MIPS code that leaves one task's C code and goes on in another's.  (Linux arch/mips r4k_switch.S)

``resume`` keeps what a C function must find again when its call returns, and Status, in the thread info of who leaves,
and takes the same of who comes; the rest of a CPU's state nobody expects to survive a call.  C code is Python here and
stands at a door, so RA is the door's address: a task that comes back opens it again.  A CPU passes through a context of
its own between two tasks, in which it also idles.
Invariant: while a task has no CPU, everything of it is in memory.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vmm.arch.cp0.registers import Context, Status
from vmm.host.kernel.cpu import Cpu, Ram
from vmm.host.kernel.layout import CALL_FRAME, CodePlan, Door, ThreadInfo
from vmm.host.kernel.memory import kernel_address, physical_address
from vmm.host.kernel.refill import POINTER_SHIFT
from vmm.host.kernel.tasks import Task
from vmm.host.kernel.uasm import Assembly

A0, A1, RA = 4, 5, 31
TICKS = 1000
"""More than the code takes."""


def emit_resume(asm: Assembly, plan: CodePlan, kernel_sp: int) -> None:
    """resume(prev, next), both thread infos; ``kernel_sp``: as in ``traps``."""
    layout = ThreadInfo(plan.word)
    asm.label("resume")
    asm.from_cp0_word("$8", Status.number)
    asm.store("$8", layout.status, "$4")
    for number in ThreadInfo.KEPT:
        asm.store(f"${number}", layout.gpr(number), "$4")
    asm.move("$28", "$5")
    asm.load("$9", layout.stack_top, "$28")
    asm.from_cp0("$10", Context.number)
    asm.emit(f"{'dsrl' if plan.word == 8 else 'srl'} $10, $10, {POINTER_SHIFT}")
    asm.load_word("$11", kernel_sp & 0xFFFF_0000)
    asm.add("$11", "$11", "$10")
    asm.store("$9", kernel_sp & 0xFFFF, "$11")
    for number in ThreadInfo.KEPT:
        asm.load(f"${number}", layout.gpr(number), "$28")
    asm.load("$8", layout.status, "$28")
    asm.to_cp0_word("$8", Status.number)
    asm.emit("ehb", "jr $31", "nop")
    asm.label("switched")
    asm.emit(f"sdbbp {int(Door.SWITCHED)}")


class Switch:
    """``resume``, ``switched``: addresses of these labels; ``contexts``: physical ones of the CPUs' own thread infos."""

    def __init__(self, cpus: Sequence[Cpu], ram: Ram, word: int, resume: int, switched: int,
                 contexts: Sequence[int]) -> None:
        self._cpus, self._ram, self._layout = cpus, ram, ThreadInfo(word)
        self._resume, self._switched = resume, switched
        self._contexts = [kernel_address(pa) for pa in contexts]
        self._mask = (1 << 8 * word) - 1
        for context in contexts:
            self._store(context, self._layout.gpr(RA), switched)

    def prepare(self, task: Task, status: int, entry: int) -> None:
        """What a task that has not run yet finds; ``entry`` is a door."""
        at, layout = physical_address(task.thread_info), self._layout
        for offset, value in ((layout.gpr(RA), entry), (layout.gpr(29), task.stack_top - CALL_FRAME),
                              (layout.stack_top, task.stack_top), (layout.status, status)):
            self._store(at, offset, value)

    def leave(self, number: int, task: Task) -> None:
        """The task's C code calls resume, and the CPU is in its own context."""
        core = self._cpus[number]
        core.gpr[RA] = core.pc
        self._store(physical_address(self._contexts[number]), self._layout.status, core.root[Status])
        self._call(core, task.thread_info, self._contexts[number])

    def enter(self, number: int, task: Task) -> None:
        """The other way; the task's code is where it was when it left.  If one has ended, the CPU still is where that was,
        which nobody wants back."""
        core = self._cpus[number]
        core.gpr[RA] = self._switched
        self._call(core, self._contexts[number], task.thread_info)

    def _call(self, core: Cpu, prev: int, to: int) -> None:
        core.gpr[A0], core.gpr[A1], core.pc = prev, to, self._resume
        limit = core.ticks + TICKS
        stop: Any = core.run(limit)
        while stop.name != "DOOR" and core.ticks < limit:   # a debugger's breakpoint; there is no task to stop in here
            stop = core.step()
        door = self._ram.load(physical_address(to) + self._layout.gpr(RA), self._layout.word)
        if stop.name != "DOOR" or (core.pc ^ door) & 0xFFFF_FFFF:
            raise AssertionError(f"the machine stopped for {stop!r} at {core.pc:#x}, inside a context switch")

    def _store(self, base: int, offset: int, value: int) -> None:
        self._ram.store(base + offset, self._layout.word, value & self._mask)
