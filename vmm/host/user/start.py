"""How a program starts: its parts in memory, and the stack that its first instruction finds.

(System V ABI, MIPS supplement, chapter 3; Linux fs/binfmt_elf.c.)
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from vmm.host.user.areas import Area
from vmm.host.user.memory import STACK_LIMIT, Memory
from vmm.host.user.numbers import Aux, CallError, Errno, Prot
from vmm.host.user.program import Program

STACK_BYTES = 128 << 10
"""Of the stack at first; it grows."""
ARGUMENTS_LIMIT = 96 << 10
PLATFORM = b"mips"
TICKS_PER_SECOND = 100


@dataclass(frozen=True, slots=True)
class Trampoline:
    """The page that signal handlers return to: ``li v0, rt_sigreturn; syscall``."""

    code: bytes

    def page(self, va: int, size: int) -> bytes:
        return self.code.ljust(size, b"\0")


def trampoline_address(memory: Memory) -> int:
    return memory.top - memory.page_size


def mapping_top(memory: Memory) -> int:
    """Where mmap looks for room, downwards."""
    return memory.top - STACK_LIMIT - STACK_BYTES - (1 << 20) & -memory.page_size


def load(memory: Memory, program: Program, trampoline: Trampoline) -> None:
    """Into an empty address space; nothing is read before it is used."""
    size = memory.page_size
    end = 0
    for part in program.parts:
        if part.end > memory.top or part.address < size:
            raise CallError(Errno.ENOEXEC)
        start, prot = max(part.address & -size, end), part.prot
        if part.address < end:                         # two parts in a page: who may do something to one may do it to both
            memory.add(end - size, end, part.prot | _prot_at(memory, end - size), program)
        end = -(-part.end // size) * size
        if start < end:
            memory.add(start, end, prot, program)
    memory.heap = memory.brk = end
    at = trampoline_address(memory)
    memory.add(at, at + size, Prot.READ | Prot.EXEC, trampoline, "[trampoline]")


def _prot_at(memory: Memory, va: int) -> Prot:
    area = memory.areas.find(va)
    return area.prot if area else Prot.NONE


def build_stack(memory: Memory, cpu: int, program: Program, arguments: Sequence[bytes], environment: Sequence[bytes],
                seed: int, hwcap: int) -> int:
    """What lies on the stack, from its top: strings, then the vectors of pointers to them; the stack pointer."""
    abi, top = program.abi, trampoline_address(memory) - memory.page_size
    if sum(map(len, (*arguments, *environment))) > ARGUMENTS_LIMIT:
        raise CallError(Errno.E2BIG)
    memory.areas.put(Area(top - STACK_BYTES, top, Prot.READ | Prot.WRITE, grows=True, name="[stack]"))
    strings = _Strings(memory, cpu, top)
    name, platform = strings.push(program.path.encode() + b"\0"), strings.push(PLATFORM + b"\0")
    chance = strings.push(sha256(b"%d" % seed).digest()[:16])
    environment_at = [strings.push(text + b"\0") for text in reversed(environment)][::-1]
    arguments_at = [strings.push(text + b"\0") for text in reversed(arguments)][::-1]
    auxiliary = _auxiliary(program, memory.page_size, hwcap, name, platform, chance)
    longs = [len(arguments), *arguments_at, 0, *environment_at, 0, *auxiliary]
    pointer = strings.at - abi.word * len(longs) & -16
    memory.write(cpu, pointer, abi.pack(program.big_endian, *longs))
    return pointer


def _auxiliary(program: Program, page_size: int, hwcap: int, name: int, platform: int, chance: int) -> list[int]:
    phdr, phent, phnum = program.headers
    pairs = {Aux.PHDR: phdr, Aux.PHENT: phent, Aux.PHNUM: phnum, Aux.PAGESZ: page_size, Aux.BASE: 0, Aux.FLAGS: 0,
             Aux.ENTRY: program.entry, Aux.UID: 0, Aux.EUID: 0, Aux.GID: 0, Aux.EGID: 0, Aux.HWCAP: hwcap,
             Aux.CLKTCK: TICKS_PER_SECOND, Aux.SECURE: 0, Aux.RANDOM: chance, Aux.EXECFN: name,
             Aux.PLATFORM: platform, Aux.NULL: 0}
    return [number for pair in pairs.items() for number in pair]


class _Strings:
    """Bytes on the way down."""

    def __init__(self, memory: Memory, cpu: int, at: int) -> None:
        self._memory, self._cpu, self.at = memory, cpu, at

    def push(self, data: bytes) -> int:
        self.at -= len(data)
        self._memory.write(self._cpu, self.at, data)
        return self.at
