"""What the kernel's C costs that maintains TLBs, in instructions.  (rows HM-10..HM-12, HM-47..HM-49)

C is Python here and takes no time (ARCHITECTURE.md, Worlds), which would make flushes free; a host whose flushes are to be
measured is charged for them.  A charge is the length of the sequence that stands for it, on a release 6 core: what a
compiler makes of the rows named, without calls and stack frames, so it is the least that a kernel needs.  The machine
has no latencies, an instruction is a tick: neither an interrupt's way through the GIC nor SYNC's wait is charged.
"""
from __future__ import annotations

from dataclasses import dataclass

PROBE = """
    or $8, $4, $5
    dmtc0 $8, $10
    ehb
    tlbp
    ehb
    mfc0 $9, $0
    bltz $9, next
    nop
next:
    daddu $4, $4, $6
    bne $4, $7, PROBE
    nop
"""
"""One page pair that is not there: $4 is its address, $5 the ASID, $6 the size, $7 the end (HM-48)."""

OVERWRITE = """
    dmtc0 $0, $2
    dmtc0 $0, $3
    dsll $9, $9, 13
    daddu $9, $9, $10
    dmtc0 $9, $10
    ehb
    tlbwi
"""
"""Beside it, if the pair is there: an entry that matches nothing, from its index in $9 and the base in $10."""

INVALIDATE_SET = """
    mtc0 $8, $0
    ehb
    tlbinvf
    daddiu $8, $8, 1
    bne $8, $9, INVALIDATE_SET
    nop
"""
"""The VTLB, or one set of the FTLB (HM-47)."""

SWITCH_MMID = """
    mfc0 $8, $4, 5
    mtc0 $9, $4, 5
    ehb
    sync 0x14
    mtc0 $8, $4, 5
    ehb
"""
"""Around what GINVT is to find under another MMID, and the wait for all CPUs (HM-11, HM-12)."""

GINVT = """
    ginvt $4, 3
    daddu $4, $4, $6
    bne $4, $7, GINVT
    nop
"""
"""One page pair, on all CPUs (HM-10, HM-43)."""

RAISE_IPI = """
    lw $8, 0($9)
    sw $8, 0x280($10)
    daddiu $9, $9, 4
    bne $9, $7, RAISE_IPI
    nop
"""
"""One target: its interrupt's number into the GIC's GIC_SH_WEDGE."""

SEQUENCES = {"PROBE": PROBE, "OVERWRITE": OVERWRITE, "INVALIDATE_SET": INVALIDATE_SET, "SWITCH_MMID": SWITCH_MMID,
             "GINVT": GINVT, "RAISE_IPI": RAISE_IPI}


def length(sequence: str) -> int:
    """Instructions: lines that are no labels."""
    return sum(not line.endswith(":") for line in sequence.split("\n") if line)


@dataclass(frozen=True, slots=True)
class Costs:
    probe: int = 0
    overwrite: int = 0
    invalidate_set: int = 0
    switch_mmid: int = 0
    ginvt: int = 0
    raise_ipi: int = 0


FREE = Costs()
CHARGED = Costs(length(PROBE), length(OVERWRITE), length(INVALIDATE_SET), length(SWITCH_MMID), length(GINVT),
                length(RAISE_IPI))
