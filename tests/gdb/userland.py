"""Small user programs on a host kernel, each an ELF image with symbols, under the debugger."""
from __future__ import annotations

from vmm.arch.assembler import assemble
from vmm.arch.insns import ROWS
from vmm.arch.models import find_model
from vmm.arch.rows import available
from vmm.arch.text import Mnemonics
from vmm.debug import DebugTarget, debug_target
from vmm.debug.userland import Userland
from vmm.guest.elfwriter import executable
from vmm.guest.image import Image, Segment, parse_image
from vmm.host.kernel.kernel import Kernel
from vmm.host.kernel.mmids import MmidContexts
from vmm.host.machine import Machine
from vmm.host.user.numbers import Prot
from vmm.host.user.program import Part, Program
from vmm.host.user.system import UserSystem

CODE, DATA = 0x10_0000, 0x20_0000
SOURCE = """
_start:
    lui     $4, 0x20
    or      $2, $0, $0
    addiu   $5, $0, {rounds}
again:
    lw      $3, 0($4)
    addu    $2, $2, $3
    addiu   $5, $5, -1
    bne     $5, $0, again
    nop
store:
    sw      $2, 4($4)
stored:
    or      $4, $2, $0
    addiu   $2, $0, 4001
leave:
    syscall 0
"""
"""Adds a word to itself so often, and exits with the sum."""
FORK = """
_start:
    addiu   $2, $0, 4002
    syscall 0
    beq     $2, $0, child
    nop
    addiu   $2, $0, 4114
    addiu   $4, $0, -1
    or      $5, $0, $0
    or      $6, $0, $0
    or      $7, $0, $0
    syscall 0
waited:
    addiu   $4, $0, 9
    addiu   $2, $0, 4001
    syscall 0
child:
    addiu   $4, $0, 5
    addiu   $2, $0, 4001
    syscall 0
"""
"""Forks; the child exits with 5, the parent waits for that and exits with 9."""
CALLS = """
_start:
    lui     $4, 0x20
    addiu   $5, $0, 4
    or      $6, $0, $0
    addiu   $2, $0, 4353
    syscall 0
filled:
    lui     $8, 0x10
    addiu   $8, $8, {rounds}
    sw      $8, 12($4)
    or      $6, $0, $0
    addiu   $7, $0, 16
    addiu   $5, $4, 8
    addiu   $4, $0, 16
    addiu   $2, $0, 4194
    syscall 0
    addiu   $4, $0, 3
    addiu   $5, $0, 16
    addiu   $2, $0, 4037
    syscall 0
handler:
    addiu   $4, $0, 7
    addiu   $2, $0, 4001
    syscall 0
"""
"""Lets the kernel fill its word by chance, then call its handler by SIGUSR1; ``rounds``: where that is, from the start."""
HOSTS = {"ASIDs": ("P5600", False), "MMIDs": ("I6500", True)}


def image(model: str, name: str, rounds: int, word: int, source: str = SOURCE) -> Image:
    core = find_model(model)
    rows = Mnemonics(available(ROWS, release=core.release, bits=32, ases=frozenset()))
    program = assemble(source.format(rounds=rounds), rows=rows, base=CODE, big_endian=False)
    segments = [Segment(CODE, program.code, len(program.code)), Segment(DATA, word.to_bytes(4, "little"), 8)]
    return parse_image(name, executable(segments, entry=CODE, symbols=program.labels, bits=32,
                                        release=6 if core.release == 6 else 2))


def program(image: Image) -> Program:
    rights = {CODE: Prot.READ | Prot.EXEC, DATA: Prot.READ | Prot.WRITE}
    parts = tuple(Part(each.address, each.data, each.memory_size, rights[each.address]) for each in image.segments)
    return Program(image.path, 32, False, CODE, parts)


def target(host: str, *rounds: int, cpus: int = 2, numbers: int = 0, source: str = SOURCE) -> DebugTarget:
    """A process for each of ``rounds``, from number 3 on; the nth adds n + 1 each time."""
    model, mmids = HOSTS[host]
    machine = Machine(find_model(model), cpus, 8 << 20)
    kernel = Kernel(machine, page_shift=12, quantum=1000, mmids=mmids)
    if numbers and isinstance(kernel.contexts, MmidContexts):
        kernel.contexts.count = numbers
    images = [image(model, f"sum{n}", each, n + 1, source) for n, each in enumerate(rounds)]
    programs = [program(each) for each in images]
    users = UserSystem(kernel, programs, lambda data, error: None)
    for each in programs:
        users.start(each, [each.path.encode()])
    return debug_target(Userland(users, images))
