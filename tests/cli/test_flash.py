"""The flash memory of a whole system: filled from a file, programmed by the guest, and shown in the boot ROM too."""
from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import refused, vmm
from vmm.arch.assembler import assemble
from vmm.arch.insns import ROWS
from vmm.arch.rows import available
from vmm.guest.elfwriter import executable
from vmm.guest.image import Segment

BASE = 0x8010_0000
GUEST = """
        .set noreorder
        lui $s0, 0xbe00                 # the flash
        lui $s1, 0xbfc0                 # the boot ROM
        lui $s2, 0xbf00                 # the FPGA
        lw $t0, 0x200($s0)              # from the file
        lw $t1, 0x200($s1)
        bne $t0, $t1, over
        li $s3, 1
        li $t0, 0x00400040
        sw $t0, 0x200($s0)
        sw $s4, 0x200($s0)              # to zero
        li $t0, 0x00ff00ff
        sw $t0, 0x200($s0)
        lw $t0, 0x200($s0)
        lw $t1, 0x200($s1)
        or $s3, $t0, $t1
        addiu $s3, $s3, 9
over:   sw $s3, 0x410($s2)
        li $t0, 0x42
        sw $t0, 0x500($s2)
stay:   beq $zero, $zero, stay
        nop
"""


@pytest.mark.parametrize("mode", ["bare", "vz"])
@pytest.mark.parametrize("big", [False, True])
def test_a_guest_reads_and_programs_it(mode: str, big: bool, workplace: Path) -> None:
    code = assemble(GUEST, rows=available(ROWS, release=2, bits=32, ases=frozenset()), base=BASE, big_endian=big).code
    Path("image").write_bytes(executable([Segment(BASE, code, len(code))], entry=BASE, big_endian=big))
    Path("flash").write_bytes(bytes(0x200) + b"\xaa\x55\x12\x34")
    ran = vmm("run", "image", "--mode", mode, "--pflash", "flash", "--max-insns", "100K")
    assert (ran.status, ran.err) == (9, "")
    assert Path("flash").read_bytes().endswith(b"\xaa\x55\x12\x34")


def test_a_file_that_is_too_large(workplace: Path) -> None:
    Path("flash").write_bytes(bytes((4 << 20) + 1))
    assert "--pflash of 4194305 bytes" in refused(vmm("run", "--pflash", "flash"))
