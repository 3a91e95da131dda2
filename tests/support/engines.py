"""CPUs to compare engines with: the same start state, the same answers to devices, and what must be equal.

Memory, by physical address: RAM at 0, seen again at ALIAS; read-only memory at ROM; everything else is a device.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Literal

from vmm.arch.insns import ROWS
from vmm.arch.models import CpuModel, find_model
from vmm.arch.rows import Insn, available
from vmm.arch.state import COUNT, OFFSET, SLOTS
from vmm.arch.stops import Stop
from vmm.arch.text import Mnemonics, assemble_line
from vmm.engine.cpu import Cpu
from vmm.engine.engine import make_engine
from vmm.engine.store import Memory

MODELS = ("24Kf", "P5600", "5KEf", "MIPS64R5-generic", "mips32r6-generic", "I6500")
VZ_MODELS = ("P5600", "MIPS64R5-generic", "I6500")
ENGINES = ("reference", "native")
RAM_SIZE, ROM_SIZE = 0x4_0000, 0x4000
ROM, ALIAS = 0x1FC0_0000, 0x0800_0000
MASK = (1 << 64) - 1

DEAD = frozenset({
    "until", "step", "stop", "skip_break",             # how run() was called and what it said, compared apart
    "fp_flags",                                        # of the operation in hand
    "instr", "prior", "next_pc",                       # of the instruction in hand: dead between two
    "trap_badvaddr", "trap_gexc",                      # written before a translation that then succeeds, too
    "stop_code", "stop_address", "stop_size", "stop_value", "io_ready",
})
"""Slots that mean nothing between two instructions."""


def compared_slots() -> list[str]:
    return [s.name for s in SLOTS if not s.note.startswith(("derived", "native"))
            and s.name not in DEAD | {"target", "regions"}]


COMPARED = compared_slots()
LONG = 1000
"""An array of more slots is compared as bytes: the TLBs."""


@cache
def rows_of(name: str) -> tuple[Insn, ...]:
    model = find_model(name)
    return tuple(available(ROWS, release=model.release, bits=model.bits, ases=model.ases))


@cache
def mnemonics_of(name: str) -> Mnemonics:
    return Mnemonics(rows_of(name))


def encode(name: str, line: str, pc: int = 0, **symbols: int) -> int:
    """One line of assembly to a word, by the rows of a model."""
    return assemble_line(line, pc, rows=mnemonics_of(name), symbols=symbols)


@dataclass
class Rig:
    """A CPU on an engine, which is made once for a model and byte order and wiped for each test."""
    cpu: Cpu
    memory: Memory
    pristine: bytes
    events: list[tuple[int, ...]] = field(default_factory=list)

    @property
    def big_endian(self) -> bool:
        return self.cpu.big_endian

    @property
    def model(self) -> CpuModel:
        return self.cpu.model

    def wipe(self) -> None:
        self.memory.block.bytes[:] = bytes(len(self.memory.block.bytes))
        self.cpu.state.block.bytes[:] = self.pristine
        self.cpu.reset()
        self.cpu.engine.forget()
        self.events.clear()

    # -- memory -------------------------------------------------------------------------------------------------------
    def put(self, physical: int, size: int, value: int) -> None:
        offset = self.memory.offset_of(physical, size)
        assert offset is not None
        self.memory.block.bytes[offset:offset + size] = value.to_bytes(size, "big" if self.big_endian else "little")
        self.cpu.engine.code_changed(offset, size)

    def fill(self, physical: int, words: list[int]) -> None:
        """Many words at once; decoded code is forgotten by who calls."""
        offset = self.memory.offset_of(physical, 4 * len(words))
        assert offset is not None
        order: Literal["big", "little"] = "big" if self.big_endian else "little"
        self.memory.block.bytes[offset:offset + 4 * len(words)] = b"".join(w.to_bytes(4, order) for w in words)

    def get(self, physical: int, size: int) -> int:
        offset = self.memory.offset_of(physical, size)
        assert offset is not None
        return int.from_bytes(self.memory.block.bytes[offset:offset + size], "big" if self.big_endian else "little")

    def code(self, physical: int, *lines: str | int) -> None:
        """Instructions, as text or as words, from a physical address on."""
        for n, line in enumerate(lines):
            at = physical + 4 * n
            self.put(at, 4, line if isinstance(line, int) else encode(self.model.name, line, at))

    # -- running ------------------------------------------------------------------------------------------------------
    def answer(self, stop: Stop) -> None:
        """Serve a device access as a pure function of its address; pass by doors and what others must be told.

        An access to the second 64 bytes of a page raises an interrupt line, one to the first lowers it.
        """
        state = self.cpu.state
        if stop in (Stop.LOAD, Stop.STORE) and state.stop_address & 0xFFF < 0x80:
            self.cpu.set_interrupt(2 + (state.stop_address >> 3) % 6, bool(state.stop_address & 0x40))
        if stop == Stop.LOAD:
            self.events.append((state.ticks, stop, state.stop_address, state.stop_size))
            self.cpu.complete_load(state.stop_address * 0x9E37_79B9_7F4A_7C15 & (1 << 8 * state.stop_size) - 1)
        elif stop == Stop.STORE:
            self.events.append((state.ticks, stop, state.stop_address, state.stop_size, state.stop_value))
            self.cpu.complete_store()
        elif stop == Stop.GLOBAL_INVALIDATE:
            self.events.append((state.ticks, stop, state.stop_code, state.stop_address))
            self.cpu.complete_store()
        elif stop == Stop.DOOR:
            self.events.append((state.ticks, stop, state.stop_code, state.pc))
            self.cpu.pc = state.target if state.in_slot else state.pc + 4
            state.ticks = state.ticks + 1

    def run_to(self, until: int, events: int = 1 << 30) -> None:
        """Run to a tick, or until this many events were seen."""
        while self.cpu.ticks < until and len(self.events) < events:
            self.answer(self.cpu.run(until))

    def step_to(self, until: int, events: int = 1 << 30) -> None:
        """The same by single steps; time that WAIT skips is skipped by ``run``."""
        state = self.cpu.state
        while self.cpu.ticks < until and len(self.events) < events:
            if state.halted:
                self.answer(self.cpu.run(min(until, *state.array("compare_at"))))
            else:
                self.answer(self.cpu.step())
        if len(self.events) < events:
            self.cpu.run(until)                        # run() looks for interrupts at its end, step() does not

    def _count_up(self) -> None:
        """Performance counters are brought up to date when somebody looks, and how often an engine does is its own."""
        if self.cpu.state.perf_counters:
            self.cpu.engine.service(self.cpu.state, "update_counters")

    def picture(self) -> dict[str, object]:
        """All of the architectural state, memory, and what devices saw."""
        self._count_up()
        state = self.cpu.state
        shown: dict[str, object] = {}
        for name in COMPARED:
            if COUNT[name] > LONG:
                shown[name] = state.array(name).tobytes()
            else:
                values = list(state.array(name))
                shown.update({f"{name}[{n}]" if COUNT[name] > 1 else name: v for n, v in enumerate(values)})
        shown["target"] = state.target if state.in_slot else 0
        shown["memory"] = bytes(self.memory.block.bytes)
        shown["events"] = list(self.events)
        return shown


@cache
def rig(engine: str, name: str, big_endian: bool) -> Rig:
    model = find_model(name)
    memory = Memory(RAM_SIZE + ROM_SIZE)
    memory.map(0, RAM_SIZE, 0)
    memory.map(ALIAS, RAM_SIZE, 0)
    memory.map(ROM, ROM_SIZE, RAM_SIZE, read_only=True)
    cpu = Cpu(model, 0, big_endian, memory, make_engine(engine, model, big_endian, memory))
    return Rig(cpu, memory, bytes(cpu.state.block.bytes))


def fresh(engine: str, name: str, big_endian: bool = False) -> Rig:
    """A rig whose CPU has just been reset and whose memory is zero."""
    found = rig(engine, name, big_endian)
    found.wipe()
    return found


def differences(one: dict[str, object], other: dict[str, object]) -> list[str]:
    """What differs, in words."""
    found = []
    for name, value in one.items():
        theirs = other[name]
        if value == theirs:
            continue
        if isinstance(value, bytes) and isinstance(theirs, bytes):
            at = next(n for n in range(len(value)) if value[n] != theirs[n])
            found.append(f"{name} at {at:#x}: {value[at & ~7:(at | 7) + 1].hex()} {theirs[at & ~7:(at | 7) + 1].hex()}")
        elif isinstance(value, int) and isinstance(theirs, int):
            found.append(f"{slot_name(name)}: {value:#x} {theirs:#x}")
        else:
            found.append(f"{name}: {value} {theirs}")
    return found


def slot_name(name: str) -> str:
    """``root_cp0[96]`` with the register it is."""
    from vmm.arch.cp0 import REGISTERS
    kind, _, index = name.rstrip("]").partition("[")
    if kind in ("root_cp0", "guest_cp0") and int(index) in REGISTERS:
        return f"{kind}.{REGISTERS[int(index)].name}"
    return name


assert OFFSET["size"] >= sum(COUNT.values())
