"""A machine to debug that is no machine: two processes, whose every instruction is a "nop".

Process 1 ("host", two threads) is there from the start, process 2 ("guest", one thread) is hidden until
attached.  Registers are laid out as a 64-bit MIPS description for GDB wants them, little-endian.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vmm.gdbstub.target import (
    SIGINT,
    Action,
    BreakHit,
    BreakKind,
    Continue,
    HistoryEnd,
    MemoryFault,
    Process,
    RangeStep,
    Register,
    StopEvent,
    Stopped,
    TargetError,
    Thread,
    ThreadId,
    WatchHit,
)

EXECUTABLES = {1: "/host.elf", 2: "/guest.elf"}
PC = 37
BASE, SIZE = 0xFFFF_FFFF_8010_0000, 0x10000
SLICE = 16
NUMBERS = (*range(38), *range(38, 70), 70, 71)
WIDTH = {70: 4, 71: 4}
EXPEDITED = (29, 31, PC)
WATCHED_OFFSET = 0x20       # the instruction here stores to STORED
STORED = BASE + 0x8000

FEATURES = {
    "cpu": [*((f"r{n}", n) for n in range(32)), ("lo", 33), ("hi", 34), ("pc", PC)],
    "cp0": [("status", 32), ("badvaddr", 35), ("cause", 36)],
    "fpu": [*((f"f{n}", 38 + n) for n in range(32)), ("fcsr", 70), ("fir", 71)],
}


def description() -> str:
    features = []
    for name, registers in FEATURES.items():
        lines = "".join(f'<reg name="{register}" bitsize="{8 * WIDTH.get(number, 8)}" regnum="{number}"/>'
                        for register, number in registers)
        features.append(f'<feature name="org.gnu.gdb.mips.{name}">{lines}</feature>')
    return ('<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target version="1.0">'
            f'<architecture>mips:isa64r2</architecture><osabi>none</osabi>{"".join(features)}</target>')


@dataclass
class FakeThread:
    id: ThreadId
    name: str
    registers: dict[int, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.registers = {number: number.to_bytes(WIDTH.get(number, 8), "little") for number in NUMBERS}
        self.pc = BASE

    @property
    def pc(self) -> int:
        return int.from_bytes(self.registers[PC], "little")

    @pc.setter
    def pc(self, value: int) -> None:
        self.registers[PC] = value.to_bytes(8, "little")


class Minimal:
    """A target with no ability beyond the least."""

    def __init__(self) -> None:
        self.memory = {1: bytearray(SIZE), 2: bytearray(SIZE)}
        self.fake_threads = [FakeThread(ThreadId(1, 1), "hcpu0"), FakeThread(ThreadId(1, 2), "hcpu1"),
                             FakeThread(ThreadId(2, 1), "vcpu<0>")]
        self.fake_threads[2].pc = BASE + 0x1000
        self.actions: dict[ThreadId, Action] = {}
        self.interrupted = False
        self.told: set[ThreadId] = set()
        self.log: list[tuple[object, ...]] = []
        self.events: list[StopEvent] = []       # scripted: these come before anything else
        self.breaks: list[tuple[BreakKind, int, int, int]] = []

    def processes(self) -> Sequence[Process]:
        return [Process(pid, EXECUTABLES[pid], hidden=pid == 2) for pid in self.memory]

    def threads(self, pid: int) -> Sequence[Thread]:
        return [Thread(each.id, each.name, each.id.tid - 1, f"extra & \x1b {each.id.pid}")
                for each in self.fake_threads if each.id.pid == pid]

    def thread(self, thread: ThreadId) -> FakeThread:
        return next(each for each in self.fake_threads if each.id == thread)

    def registers(self, pid: int) -> Sequence[Register]:
        return [Register(number, WIDTH.get(number, 8), number in EXPEDITED) for number in NUMBERS]

    def read_register(self, thread: ThreadId, number: int) -> bytes | None:
        return None if number == 71 else self.thread(thread).registers[number]

    def write_register(self, thread: ThreadId, number: int, value: bytes) -> None:
        self.thread(thread).registers[number] = value

    def read_registers(self, thread: ThreadId) -> Mapping[int, bytes | None]:
        return {number: self.read_register(thread, number) for number in NUMBERS}

    def write_registers(self, thread: ThreadId, values: Mapping[int, bytes]) -> None:
        for number, value in values.items():
            self.write_register(thread, number, value)

    def read_memory(self, thread: ThreadId, address: int, size: int) -> bytes:
        offset = self._offset(address, size)
        return bytes(self.memory[thread.pid][offset:offset + size])

    def write_memory(self, thread: ThreadId, address: int, data: bytes) -> None:
        offset = self._offset(address, len(data))
        self.memory[thread.pid][offset:offset + len(data)] = data

    def _offset(self, address: int, size: int) -> int:
        if not BASE <= address <= BASE + SIZE - size:
            raise MemoryFault(f"nothing mapped at {address:#x}")
        return address - BASE

    def resume(self, actions: Mapping[ThreadId, Action]) -> None:
        self.actions = dict(actions)
        self.interrupted = False
        self.log.append(("resume", dict(actions)))

    def interrupt(self) -> None:
        self.interrupted = True

    def run_slice(self) -> StopEvent | None:
        if self.events:
            return self.events.pop(0)
        if self.interrupted:
            self.interrupted = False
            return Stopped(next(iter(self.actions), self.fake_threads[0].id), SIGINT)
        for _ in range(SLICE):
            for thread, action in self.actions.items():
                if stop := self._one(self.thread(thread), action):
                    return stop
        return None

    def _one(self, thread: FakeThread, action: Action) -> StopEvent | None:
        watch = self._hit(thread, STORED, (BreakKind.WRITE, BreakKind.ACCESS))
        if watch is not None and thread.pc - BASE == WATCHED_OFFSET and thread.id not in self.told:
            self.told.add(thread.id)        # before the access, and once: the next step makes it
            return Stopped(thread.id, reason=WatchHit(watch, STORED))
        self.told.discard(thread.id)
        if thread.pc - BASE == WATCHED_OFFSET:
            self.memory[thread.id.pid][STORED - BASE] ^= 1
        thread.pc = BASE + (thread.pc + 4 - BASE) % SIZE
        kind = self._hit(thread, thread.pc, (BreakKind.SOFTWARE, BreakKind.HARDWARE))
        if kind is not None:
            return Stopped(thread.id, reason=BreakHit(kind))
        match action:
            case Continue():
                return None
            case RangeStep(start, end) if start <= thread.pc < end:
                return None
        return Stopped(thread.id)

    def _hit(self, thread: FakeThread, address: int, kinds: Sequence[BreakKind]) -> BreakKind | None:
        return next((kind for kind, where, _, pid in self.breaks
                     if kind in kinds and where == address and pid == thread.id.pid), None)


class Machine(Minimal):
    """A target with every ability."""

    def __init__(self) -> None:
        super().__init__()
        self.tree = {"/host.elf": b"\x7fELF}#$*" * 4, "/guest.elf": b""}
        self.said = ""

    def add_breakpoint(self, kind: BreakKind, address: int, size: int, pid: int) -> None:
        self.breaks.append((kind, address, size, pid))

    def remove_breakpoint(self, kind: BreakKind, address: int, size: int, pid: int) -> None:
        self.breaks.remove((kind, address, size, pid))

    def attach(self, pid: int) -> None:
        self.log.append(("attach", pid))

    def detach(self, pid: int) -> None:
        self.log.append(("detach", pid))

    def kill(self, pid: int) -> None:
        self.log.append(("kill", pid))
        del self.memory[pid]
        self.fake_threads = [each for each in self.fake_threads if each.id.pid != pid]

    def reverse(self, thread: ThreadId, step: bool) -> None:
        self.log.append(("reverse", thread, step))
        self.events.append(Stopped(thread, reason=HistoryEnd(oldest=True)))

    def monitor(self, command: str) -> str:
        if command != "time":
            raise TargetError(f"no command {command!r}; there is: time")
        return "42 instructions\n"

    def description(self, pid: int) -> str:
        return description()

    def file(self, path: str) -> bytes | None:
        return self.tree.get(path)

    def console_output(self) -> str:
        said, self.said = self.said, ""
        return said


