"""User programs on a host kernel, from the first program's start to its end.

``live`` has every process that has not been waited for, by number; ``programs`` is what execve finds.  Invariant: whether
and when anything happens depends on the programs, the machine and the scheduler's seed alone.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Literal

from vmm.arch.rows import RELEASE_6
from vmm.errors import ConfigError
from vmm.host.kernel.kernel import Kernel
from vmm.host.kernel.memory import NoMemory
from vmm.host.kernel.tasks import Interrupted
from vmm.host.user.abi import Abi
from vmm.host.user.calls.table import TABLE, Calls
from vmm.host.user.faults import Faults
from vmm.host.user.frames import Frames
from vmm.host.user.futexes import Futexes
from vmm.host.user.memory import Memory
from vmm.host.user.numbers import CallError, Clone, Errno, Sig
from vmm.host.user.processes import Ended, Process
from vmm.host.user.program import Program
from vmm.host.user.signals import IGNORE, Signals
from vmm.host.user.start import ARGUMENTS_LIMIT, Trampoline, build_stack, load
from vmm.host.user.threads import Gone, Steps, Thread

FIRST_PID = 3                                               # 1 is the kernel's own; a debugger's 2 is a virtual machine
EPOCH_NS = 1_700_000_000_000_000_000
"""CLOCK_REALTIME when the machine is switched on."""
LEAST_SLICE_TICKS = 1_000
"""For kernels that run programs: a turn may be too short for the way into the kernel, to another task and out again."""
HWCAP_R6, HWCAP_MSA = 1, 2

Say = Callable[[bytes, bool], None]


class UserSystem:
    """``say``: where output goes; the flag is set for standard error.  ``given``: what standard input has."""

    def __init__(self, kernel: Kernel, programs: Iterable[Program], say: Say, given: bytes = b"", seed: int = 0) -> None:
        self.kernel, self._say, self._given = kernel, say, given
        self.programs: Mapping[str, Program] = {program.path: program for program in programs}
        self.epoch_ns, self._seed, self._drawn = EPOCH_NS, seed, 0
        self.frames = Frames(kernel.pages)
        self.counts: Counter[str] = Counter()
        self.live: dict[int, Process] = {}
        self.threads: dict[int, Thread] = {}
        self.first: Process | None = None
        self.calls, self.faults, self.signals, self.futexes = Calls(), Faults(self), Signals(self), Futexes()
        self._next_id = FIRST_PID
        self.on_fork: Callable[[Thread, Thread], None] = lambda parent, child: None
        self.on_exec: Callable[[Thread], None] = lambda thread: None
        self.on_store: Callable[[Thread, int, int], None] = lambda thread, va, size: None
        """For a debugger: a process is born, and has its first registers; a process has another program, with its own; the
        kernel has stored something into a thread's memory, where no watchpoint of the CPU sees it."""

    # Running

    def start(self, program: Program, arguments: Sequence[bytes], environment: Sequence[bytes] = (),
              affinity: frozenset[int] | None = None) -> Process:
        """A process of this program, with nobody's child."""
        self.check(program)
        try:
            memory = self._loaded(program, 0)
        except CallError:
            raise ConfigError(f"{program.path}: it is linked at addresses that user programs do not have; "
                              "link it as a Linux program") from None
        process = Process(self._new_id(), program, memory)
        self.live[process.pid] = process
        self.first = self.first or process
        thread = self._new_thread(process, affinity, process.pid)
        try:
            stack = build_stack(memory, 0, program, arguments, environment, self._seed, self._hwcap)
        except CallError:
            raise ConfigError(f"{program.path}: its arguments and environment are longer than the {ARGUMENTS_LIMIT >> 10}K "
                              "that a program may be given; give less") from None
        thread.start_at(program.entry, stack)
        return process

    def run(self, until: int) -> Interrupted | None:
        """Until that tick, the end of the first process, or a debugger's stop."""
        return self.kernel.scheduler.run(until, lambda: self.finished)

    @property
    def finished(self) -> bool:
        """The first process has ended, or nobody will ever run again."""
        return self.first is None or self.first.ended is not None or self.kernel.scheduler.idle

    def say(self, data: bytes, error: bool) -> None:
        self._say(data, error)

    def take_input(self, most: int) -> bytes:
        data, self._given = self._given[:most], self._given[most:]
        return data

    def chance(self, size: int) -> bytes:
        """For getrandom: the same bytes for the same seed."""
        data = b""
        while len(data) < size:
            self._drawn += 1
            data += sha256(b"%d/%d" % (self._seed, self._drawn)).digest()
        return data[:size]

    # Programs

    def check(self, program: Program) -> None:
        """Can it be executed here?"""
        if program.bits > 8 * self.kernel.word:
            raise ConfigError(f"{program.path}: a 64-bit program on the {8 * self.kernel.word}-bit core "
                              f"{self.kernel.model.name}; choose a 64-bit one, see vmm info cpus")
        if program.big_endian != self.kernel.big_endian:
            raise ConfigError(f"{program.path}: its byte order is not the machine's; build it for the other one")

    def _loaded(self, program: Program, cpu: int) -> Memory:
        memory = Memory(self.kernel, self.frames, self.counts, min(program.abi.top, self._top))
        try:
            load(memory, program, self._trampoline(program.abi))
        except CallError:
            memory.free(cpu)
            raise
        return memory

    @property
    def _top(self) -> int:
        return 1 << self.kernel.geometry.coverage

    def _trampoline(self, abi: Abi) -> Trampoline:
        number = next(n for n, row in TABLE[abi.name].items() if row.name == "rt_sigreturn")
        words = 0x2402_0000 | abi.base + number, 0x0000_000C    # li v0, number; syscall
        order: Literal["big", "little"] = "big" if self.kernel.big_endian else "little"
        return Trampoline(b"".join(word.to_bytes(4, order) for word in words))

    @property
    def _hwcap(self) -> int:
        model = self.kernel.model
        return (HWCAP_R6 if model.release >= RELEASE_6 else 0) | (HWCAP_MSA if "MSA" in model.ases else 0)

    def execute(self, thread: Thread, path: str, arguments: Sequence[bytes], environment: Sequence[bytes]) -> Steps:
        """execve: the thread goes on alone, in another program."""
        program = self.programs.get(path)
        if program is None:
            raise CallError(Errno.ENOENT)
        if program.bits > 8 * self.kernel.word or program.big_endian != self.kernel.big_endian:
            raise CallError(Errno.ENOEXEC)
        process = thread.process
        memory, old = self._loaded(program, thread.cpu), process.memory
        try:
            stack = build_stack(memory, thread.cpu, program, arguments, environment, self._seed, self._hwcap)
            yield from self._without_others(thread)
        except (CallError, NoMemory, Gone):
            memory.free(thread.cpu)
            raise
        thread.fpu.lose(thread.core, thread.registers)
        process.program, process.memory = program, memory
        process.actions = {number: action for number, action in process.actions.items() if action.handler == IGNORE}
        thread.begin(program)
        thread.load(thread.cpu)
        self._leave(thread.cpu, old)
        self._release_vfork(process)
        thread.start_at(program.entry, stack)
        self.on_exec(thread)

    def _without_others(self, thread: Thread) -> Steps:
        """The others end.  Of two that want this at once, one was first."""
        process = thread.process
        if self.signals.is_fatal(thread):
            raise Gone
        for other in list(process.threads.values()):
            if other is not thread:
                other.killed = True
                other.notify()
        while len(process.threads) > 1:
            process.waiting.append(thread)
            yield from thread.sleep()
        if thread.tid != process.pid:
            del self.threads[thread.tid], process.threads[thread.tid]
            thread.tid = process.pid
            self.threads[thread.tid] = process.threads[thread.tid] = thread

    # Threads and processes

    def thread(self, tid: int) -> Thread:
        if tid not in self.threads:
            raise CallError(Errno.ESRCH)
        return self.threads[tid]

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def _new_thread(self, process: Process, affinity: frozenset[int] | None, tid: int) -> Thread:
        thread = Thread(self, process, tid, affinity)
        self.threads[tid] = process.threads[tid] = thread
        return thread

    def clone(self, parent: Thread, flags: Clone, stack: int = 0, tls: int = 0) -> Thread:
        """A thread that goes on where ``parent`` is, in its process or in one of its own."""
        if flags & Clone.THREAD and not flags & Clone.VM:
            raise CallError(Errno.EINVAL)
        tid = self._new_id()
        memory = parent.memory if flags & Clone.VM else parent.memory.fork(parent.cpu)
        process = parent.process
        if not flags & Clone.THREAD:
            process = Process(tid, process.program, memory, process, actions=dict(process.actions),
                              borrows=bool(flags & Clone.VFORK))
        try:
            child = self._new_thread(process, parent.task.affinity, tid)
        except NoMemory:
            if not flags & Clone.VM:
                memory.free(parent.cpu)
            raise
        if flags & Clone.VM:
            memory.mm.users += 1
        child.continue_as(parent, stack, tls if flags & Clone.SETTLS else parent.tls)
        self.counts["threads" if flags & Clone.THREAD else "forks"] += 1
        if not flags & Clone.THREAD:
            parent.process.children.append(process)
            self.live[tid] = process
            self.on_fork(parent, child)
        return child

    def note_status(self, thread: Thread, status: int) -> None:
        """exit: of the process, if nothing else ends that."""
        if thread.tid == thread.process.pid:
            thread.process.last = Ended(status)

    def end_process(self, process: Process, how: Ended) -> None:
        """All its threads are told; it has ended when the last is gone."""
        if process.ending is None:
            process.ending = how
            for thread in process.threads.values():
                thread.notify()

    def end_thread(self, thread: Thread) -> Steps:
        """The last thing that a thread does."""
        process, cpu = thread.process, thread.cpu
        if thread.clear_tid and process.mm.users > 1:
            self._tell_joiners(thread)
        thread.fpu.lose(thread.core, thread.registers)
        del self.threads[thread.tid], process.threads[thread.tid]
        self.kernel.contexts.switch(cpu, self.kernel.init_mm)
        self._leave(cpu, process.memory)
        self._wake(process)
        if not process.threads:
            self._end(process)
        yield from self.kernel.await_answers(thread.task)
        self.kernel.bury(thread.task)

    def _tell_joiners(self, thread: Thread) -> None:
        try:
            thread.write_word(thread.clear_tid, 0)
        except (CallError, NoMemory):
            return
        self.futexes.wake(thread, thread.clear_tid, 1)

    def _leave(self, cpu: int, memory: Memory) -> None:
        memory.mm.users -= 1
        if not memory.mm.users:
            memory.free(cpu)

    def _end(self, process: Process) -> None:
        process.ended = process.ending or process.last
        self.counts["processes ended"] += 1
        self._release_vfork(process)
        for child in process.children:
            child.parent = None
            if child.ended is not None:
                self.live.pop(child.pid, None)
        parent = process.parent
        if parent is None or parent.ended is not None:
            self.live.pop(process.pid, None)
            return
        if not self.signals.wants_zombies(parent):
            parent.children.remove(process)
            del self.live[process.pid]
        self.signals.send(parent, Sig.CHLD, process.pid)
        self._wake(parent)

    def _release_vfork(self, process: Process) -> None:
        process.borrows = False
        if process.parent is not None:
            self._wake(process.parent)

    def _wake(self, process: Process) -> None:
        """Who waits for what becomes of threads and children."""
        for thread in process.waiting:
            self.kernel.scheduler.wake(thread.task)
        process.waiting.clear()
