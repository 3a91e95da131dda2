"""Small programs in assembly on a host kernel, without a file."""
from __future__ import annotations

from vmm.arch.insns import ROWS
from vmm.arch.models import MODELS
from vmm.arch.rows import available
from vmm.arch.text import Mnemonics, assemble_line
from vmm.host.kernel.kernel import Kernel
from vmm.host.kernel.uasm import Assembly
from vmm.host.machine import Machine
from vmm.host.user.numbers import Prot
from vmm.host.user.program import Part, Program
from vmm.host.user.system import UserSystem

CODE, DATA = 0x10_0000, 0x20_0000
CODE_RIGHTS, DATA_RIGHTS = Prot.READ | Prot.EXEC, Prot.READ | Prot.WRITE
ANSWER = ("or $4, $2, $0", "addiu $2, $0, 4001", "syscall 0")
"""exit(v0)."""


def boot(model: str, mmids: bool, cpus: int, quantum: int = 1000, ram: int = 8 << 20, page_shift: int = 12,
         seed: int = 0) -> Kernel:
    return Kernel(Machine(MODELS[model], cpus, ram), page_shift=page_shift, quantum=quantum, mmids=mmids, seed=seed)


def program(kernel: Kernel, lines: tuple[str, ...], data: bytes = b"", labels: dict[str, int] | None = None,
            path: str = "program") -> Program:
    """``lines`` at CODE, ``data`` at DATA; ``labels``: name -> number of the line.  Of 32 bits: o32's calls."""
    model = kernel.model
    rows = Mnemonics(available(ROWS, release=model.release, bits=model.bits, ases=model.ases))
    assembly = Assembly(CODE, 4)
    for number, line in enumerate(lines):
        for name in (name for name, at in (labels or {}).items() if at == number):
            assembly.label(name)
        assembly.emit(line)
    code = assembly.finish(lambda line, pc, symbols: assemble_line(line, pc, rows=rows, symbols=symbols))
    order = "big" if kernel.big_endian else "little"
    raw = b"".join(word.to_bytes(4, order) for word in code.words)  # type: ignore[arg-type]
    parts = Part(CODE, raw, len(raw), CODE_RIGHTS), Part(DATA, data, max(len(data), 4), DATA_RIGHTS)
    return Program(path, 32, kernel.big_endian, CODE, parts)


def system(kernel: Kernel, *programs: Program) -> tuple[UserSystem, bytearray]:
    """And what its programs say."""
    said = bytearray()
    return UserSystem(kernel, programs, lambda data, error: said.extend(data)), said
