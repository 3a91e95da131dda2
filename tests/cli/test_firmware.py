"""What a guest finds of firmware's: the flash memory, which the boot ROM shows too, and a device tree."""
from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import refused, vmm
from vmm.arch.assembler import assemble
from vmm.arch.insns import ROWS
from vmm.arch.rows import available
from vmm.guest import fdt
from vmm.guest.elfwriter import executable
from vmm.guest.image import Segment

BASE = 0x8010_0000
FLASH = """
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
TREE = """
        .set noreorder
        lui $s2, 0xbf00
        addiu $s3, $a0, 11              # -2 and 11
        lbu $t0, 0($a1)
        li $t1, 0xd0
        bne $t0, $t1, over
        nop
        lbu $t0, 1($a1)
        sb $t0, -4($sp)                 # there is a stack
        lbu $t0, -4($sp)
        li $t1, 0x0d
        beq $t0, $t1, end
        nop
over:   li $s3, 1
end:    sw $s3, 0x410($s2)
        li $t0, 0x42
        sw $t0, 0x500($s2)
stay:   beq $zero, $zero, stay
        nop
"""


def make(source: str, big: bool) -> None:
    code = assemble(source, rows=available(ROWS, release=2, bits=32, ases=frozenset()), base=BASE, big_endian=big).code
    Path("image").write_bytes(executable([Segment(BASE, code, len(code))], entry=BASE, big_endian=big))


@pytest.mark.parametrize("mode", ["bare", "vz"])
@pytest.mark.parametrize("big", [False, True])
def test_a_guest_reads_and_programs_the_flash(mode: str, big: bool, workplace: Path) -> None:
    make(FLASH, big)
    Path("flash").write_bytes(bytes(0x200) + b"\xaa\x55\x12\x34")
    ran = vmm("run", "image", "--mode", mode, "--pflash", "flash", "--max-insns", "100K")
    assert (ran.status, ran.err) == (9, "")
    assert Path("flash").read_bytes().endswith(b"\xaa\x55\x12\x34")


@pytest.mark.parametrize("mode", ["bare", "vz"])
@pytest.mark.parametrize("big", [False, True])
def test_a_guest_finds_its_device_tree(mode: str, big: bool, workplace: Path) -> None:
    make(TREE, big)
    Path("tree").write_bytes(fdt.build(fdt.Tree(fdt.Node(""))))
    ran = vmm("run", "image", "--mode", mode, "--dtb", "tree", "--max-insns", "100K")
    assert (ran.status, ran.err) == (9, "")


def test_a_file_that_is_too_large(workplace: Path) -> None:
    Path("flash").write_bytes(bytes((4 << 20) + 1))
    assert "--pflash of 4194305 bytes" in refused(vmm("run", "--pflash", "flash"))
