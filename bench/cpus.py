"""Simulated instructions a second against the number of CPUs: the sum over all, each in a loop of its own.

    python bench/cpus.py [--most 32] [--instructions 200M] [--rounds 3]

CPU 0 starts the others as firmware would; then each computes on memory of its own.  Figures are of processor time, so that
other work on the computer disturbs little; rounds go through all numbers in turn, and the median counts.
"""
from __future__ import annotations

import argparse
import statistics
import time

from vmm.arch.assembler import assemble
from vmm.arch.insns import ROWS
from vmm.arch.models import find_model
from vmm.arch.rows import available
from vmm.arch.text import Mnemonics
from vmm.cli.options import positive
from vmm.guest.bare import BareSystem
from vmm.guest.board import MIB, find_board
from vmm.guest.console import MemoryConsole
from vmm.guest.elfwriter import executable
from vmm.guest.image import Segment, parse_image
from vmm.guest.system import Request

MODEL = "I6500"
BASE = 0xFFFF_FFFF_8010_0000
WARM_TICKS = 2_000_000
SLICE_TICKS = 50_000_000

LOOP = """
loop:                                   # CPU $4: a page of its own from 0x80200000 on
    sll $5, $4, 12
    lui $6, 0x8020
    addu $5, $5, $6
    ori $7, $0, 1
again:
    addiu $8, $0, 0
inner:
    sll $9, $7, 13
    xor $7, $7, $9
    srl $9, $7, 17
    xor $7, $7, $9
    sll $9, $7, 5
    xor $7, $7, $9
    andi $10, $7, 0xff8
    addu $10, $10, $5
    lw $11, 0($10)
    addu $11, $11, $7
    sw $11, 0($10)
    addiu $8, $8, 1
    slti $12, $8, 1000
    bne $12, $0, inner
    nop
    b again
    nop
"""
FIRST = """
    lui $16, 0xbfbf
    ori $16, $16, 0x8000
    lui $8, 0x1bde
    ori $8, $8, 1
    sd $8, 0x88($16)
    lui $17, 0xbbde
    lw $18, 0($16)
    andi $18, $18, 0xff                 # the last core
    lui $19, 0x8010
    ori $19, $19, 0x1000
core:
    ori $20, $0, 3
vp:
    sll $8, $18, 8
    or $8, $8, $20
    sd $8, 0x2018($16)
    sd $19, 0x4020($16)
    addiu $20, $20, -1
    bgezc $20, vp
    nop
    ori $8, $0, 15
    sd $8, 0x4028($17)                  # VP_RUN
    ori $8, $0, 3
    sd $8, 0x4000($17)                  # power
    addiu $18, $18, -1
    bgezc $18, core
    or $4, $0, $0
"""
OTHER = """
    .org 0x1000
    mfc0 $4, $15, 1
    andi $4, $4, 0x3ff
    b loop
    nop
"""


def program() -> bytes:
    model = find_model(MODEL)
    rows = Mnemonics(available(ROWS, release=model.release, bits=model.bits, ases=model.ases))
    code = assemble(FIRST + LOOP + OTHER, rows=rows, base=BASE).code
    return executable([Segment(BASE, code, len(code))], entry=BASE, bits=64, release=6)


def rate(image: bytes, cpus: int, instructions: int) -> float:
    """Instructions a second of all CPUs."""
    system = BareSystem(Request(parse_image("loop", image), "bare", find_model(MODEL), find_board("malta"), 32 * MIB,
                                host_cpus=cpus), MemoryConsole())
    system.run(WARM_TICKS)
    machine = system.machine
    before, end, started = machine.retired, WARM_TICKS + instructions // cpus, time.process_time()
    for now in range(WARM_TICKS, end, SLICE_TICKS):
        system.run(min(end, now + SLICE_TICKS))
    seconds = time.process_time() - started
    assert all(cpu.retired > instructions // cpus for cpu in machine.cpus), "some CPU was not started"
    return (machine.retired - before) / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--most", type=positive, default=32, metavar="N", help="the largest number of CPUs")
    parser.add_argument("--instructions", type=positive, default=200_000_000, metavar="N", help="of all CPUs together")
    parser.add_argument("--rounds", type=positive, default=3, metavar="N")
    options = parser.parse_args()
    numbers = [1 << n for n in range(options.most.bit_length()) if 1 << n <= options.most]
    image, found = program(), {cpus: list[float]() for cpus in numbers}
    for _ in range(options.rounds):
        for cpus in numbers:
            found[cpus].append(rate(image, cpus, options.instructions))
    middle = {cpus: statistics.median(rates) for cpus, rates in found.items()}
    print("CPUs  million instructions/s  ratio to 1 CPU")
    for cpus in numbers:
        print(f"{cpus:4}  {middle[cpus] / 1e6:22.0f}  {middle[cpus] / middle[1]:14.2f}")


if __name__ == "__main__":
    main()
