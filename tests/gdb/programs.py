"""Small programs for the bare machine, each an ELF image with symbols."""
from __future__ import annotations

from vmm.arch.assembler import assemble
from vmm.arch.insns import ROWS
from vmm.arch.rows import available
from vmm.arch.text import Mnemonics
from vmm.guest.elfwriter import executable
from vmm.guest.image import Image, Segment, parse_image, sign_extended

BASE = 0x8010_0000

SOURCE = """
_start:
    mtc0    $0, $12             # the vectors are in RAM, interrupts off
    lui     $8, 0x8000
    lui     $9, 0x8010
    ori     $9, $9, 0x0200
    addiu   $10, $0, 4
install:
    lw      $11, 0($9)
    sw      $11, 0x180($8)
    addiu   $9, $9, 4
    addiu   $10, $10, -1
    bne     $10, $0, install
    addiu   $8, $8, 4
    lui     $16, 0x8010
    addiu   $17, $0, 0
again:
    ll      $8, 0x304($16)
    addiu   $8, $8, 1
linked:
    sc      $8, 0x304($16)
    beq     $8, $0, again
    nop
call:
    syscall 0
after_call:
    addiu   $17, $17, 1
store:
    sw      $17, 0x300($16)
after_store:
    lw      $18, 0x300($16)
write_tlb:
    tlbwi
    addiu   $19, $0, 100
rounds:
    addiu   $19, $19, -1
    bne     $19, $0, rounds
    nop
sleep:
    wait
    b       sleep
    nop
"""
HANDLER = """
handler:
    mfc0    $26, $14
    addiu   $26, $26, 4
    mtc0    $26, $14
leave:
    eret
"""
FOREVER = """
_start:
    b       _start
    addiu   $8, $8, 1
"""


def image(source: str = SOURCE, *, bits: int = 32, big_endian: bool = False) -> Image:
    """The program at BASE, its exception handler 0x200 behind, its data 0x300 behind."""
    rows = Mnemonics(available(ROWS, release=2, bits=bits, ases=frozenset()))
    base = sign_extended(BASE) if bits == 64 else BASE
    program = assemble(source, rows=rows, base=base, big_endian=big_endian)
    handler = assemble(HANDLER, rows=rows, base=base + 0x200, big_endian=big_endian)
    code = program.code.ljust(0x200, b"\0") + handler.code
    symbols = {**program.labels, **handler.labels, "counter": base + 0x300, "link": base + 0x304}
    raw = executable([Segment(base, code.ljust(0x400, b"\0"), 0x400)], entry=program.labels["_start"], symbols=symbols,
                     bits=bits, big_endian=big_endian)
    return parse_image("loop.elf", raw)
