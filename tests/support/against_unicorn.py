"""Programs of ``tests.support.frames`` on an engine of ours and on Unicorn, an engine that nobody here wrote."""
from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import unicorn
from unicorn import mips_const as names

from tests.properties.chance import door
from tests.support.bodies import KINDS, OVER_SLOT, SCRATCH, Core, address_into, tree_of
from tests.support.engines import fresh, rows_of
from tests.support.frames import CODE, DATA, KSEG0, MEMORY, TABLE, Program, first_difference
from vmm.arch.rows import decode

NUMBERS = {
    "24Kf": names.UC_CPU_MIPS32_24KF, "74Kf": names.UC_CPU_MIPS32_74KF, "P5600": names.UC_CPU_MIPS32_P5600,
    "5KEf": names.UC_CPU_MIPS64_5KEF, "MIPS64R2-generic": names.UC_CPU_MIPS64_MIPS64R2_GENERIC,
    "mips32r6-generic": names.UC_CPU_MIPS32_MIPS32R6_GENERIC, "I6400": names.UC_CPU_MIPS64_I6400,
}
"""Unicorn's numbers of the cores."""
INSTEAD = {("5KEf", "float"): names.UC_CPU_MIPS64_MIPS64R2_GENERIC}
"""Its 5KEf takes no CTC1 to FCSR; the other has the same instructions of coprocessor 1, and more."""
CORES = tuple(Core(name, big_endian) for name in NUMBERS for big_endian in (False, True))
TO_NEXT = 0xC800_0000
"""BC to the next word."""
NOTHINGS = 0, OVER_SLOT, TO_NEXT
ADDRESSING = frozenset(word >> 16 for word in address_into(SCRATCH, 0))
"""The upper half of what makes a jump's address: without it the jump goes anywhere."""
LIMIT = 1 << 24
"""Instructions of a run: no program gets so far."""


def kinds_of(core: Core) -> list[str]:
    families = {row.family for row in rows_of(core.name)}
    return [kind for kind, its in KINDS.items() if families & set(its)]


@cache
def machine(core: Core, kind: str) -> Any:
    mode = unicorn.UC_MODE_MIPS64 if core.bits == 64 else unicorn.UC_MODE_MIPS32
    vm = unicorn.Uc(unicorn.UC_ARCH_MIPS, mode | (unicorn.UC_MODE_BIG_ENDIAN if core.big_endian else 0))
    vm.ctl_set_cpu_model(INSTEAD.get((core.name, kind), NUMBERS[core.name]))
    vm.mem_map(0, MEMORY)
    return vm


class Stopped(Exception):
    """A program did not get to its end."""


def on_unicorn(program: Program) -> bytes:
    """Table and data as it left them."""
    vm, code = machine(program.core, program.kind), program.code()
    mask = (1 << program.core.bits) - 1
    vm.mem_write(CODE, code)
    vm.mem_write(DATA, program.data)
    vm.mem_write(TABLE, program.table)
    vm.ctl_flush_tb()
    try:
        vm.emu_start(KSEG0 + CODE & mask, KSEG0 + CODE + len(code) & mask)
    except unicorn.UcError as error:
        machine.cache_clear()                          # what is left of it cannot be trusted
        raise Stopped(f"Unicorn stopped: {error}") from None
    return bytes(vm.mem_read(TABLE, len(program.table))) + bytes(vm.mem_read(DATA, len(program.data)))


def on_ours(program: Program, engine: str = "native") -> tuple[bytes, int]:
    """The same, and how many instructions were executed."""
    rig = fresh(engine, program.core.name, program.core.big_endian)
    memory, code = rig.memory.block.bytes, program.code()
    for at, what in ((CODE, code + door(rig).to_bytes(4, program.order)), (DATA, program.data), (TABLE, program.table)):
        memory[at:at + len(what)] = what
    rig.cpu.pc = KSEG0 + CODE
    start = rig.cpu.ticks
    rig.run_to(LIMIT, events=1)
    if rig.cpu.pc != KSEG0 + CODE + len(code) + 4:
        raise Stopped(f"ours stopped: pc {rig.cpu.pc:#x} after {rig.cpu.ticks - start} instructions")
    count = rig.cpu.ticks - start - 1                  # the door is one
    return (bytes(memory[TABLE:TABLE + len(program.table)]) + bytes(memory[DATA:DATA + len(program.data)]), count)


@dataclass(frozen=True)
class Outcome:
    """``mismatch``: what differs, in words, or nothing; ``executed``: instructions, of which ``chance`` the bodies'."""
    mismatch: str
    executed: int
    chance: int


def compare(program: Program, engine: str = "native") -> Outcome:
    try:
        theirs = on_unicorn(program)
        ours, executed = on_ours(program, engine)
    except Stopped as stop:
        return Outcome(str(stop), 0, 0)
    mismatch = first_difference(program, ours, theirs) if ours != theirs else ""
    return Outcome(mismatch, executed, executed - program.frame)


def nothing(core: Core, word: int) -> int:
    """What does nothing in its place: for a branch or jump another one that goes on behind it."""
    row = decode(tree_of(core.name), word)
    return 0 if row is None else OVER_SLOT if row.control else TO_NEXT if row.compact else 0


def reduced(program: Program) -> Program:
    """The program with nothing for every word that the mismatch does not need; it stays of one sort."""
    def sort(words: list[int]) -> str:
        said = compare(replace(program, body=tuple(words))).mismatch
        return said.partition(" stopped")[0] if " stopped" in said else "differs" if said else ""
    body = list(program.body)
    wanted = sort(body)
    jumps = [n for n, word in enumerate(body) if nothing(program.core, word)]
    for n in [*jumps, *range(len(body)), *range(len(body))]:   # once more: what prepared something that is gone
        kept = body[n]
        if kept not in NOTHINGS and kept >> 16 not in ADDRESSING:
            body[n] = nothing(program.core, kept)
            if sort(body) != wanted:
                body[n] = kept
    return replace(program, body=tuple(body))


def report(program: Program) -> str:
    """A mismatch: program, seed and first difference, reduced."""
    small = reduced(program)
    lines = [line for line, word in zip(small.listing(), small.body, strict=True) if word not in NOTHINGS]
    head = f"{program.core} {program.kind} seed {program.seed}, FR={int(program.wide)}, {program.count} times"
    return "\n".join([head, *lines, compare(small).mismatch])
