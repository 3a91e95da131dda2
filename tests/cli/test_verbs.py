"""The small verbs, and the table they come from."""
from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import refused, vmm
from tests.support.uimage import uimage
from vmm.arch.cp0 import REGISTERS
from vmm.arch.insns import ROWS
from vmm.arch.models import MODELS
from vmm.cli.options import VERBS

SOURCE = """
_start: li    $t0, 0x42
        li    $t1, 0xbf000500
        sw    $t0, 0($t1)
1:      b     1b
        nop
"""


@pytest.fixture
def source(workplace: Path) -> str:
    (workplace / "end.S").write_text(SOURCE)
    return "end.S"


def test_what_is_assembled_runs(source: str) -> None:
    assert vmm("asm", source, "-o", "end.elf").status == 0
    assert vmm("run", "end.elf", "--mode", "bare").status == 0


@pytest.mark.parametrize("order", [(), ("--big-endian",)])
def test_what_is_assembled_is_disassembled(source: str, order: tuple[str, ...]) -> None:
    vmm("asm", source, "-o", "end.elf", *order)
    lines = vmm("disasm", "end.elf", "--aliases").out.splitlines()
    assert lines[:2] == ["_start:", "0x80100000: 24080042  li $8,66"]
    assert lines[-1] == "0x80100014: 00000000  nop"
    assert " b 0x801000" in "".join(lines)                  # as short as the lines' own addresses


def test_a_uimage_is_disassembled(workplace: Path) -> None:
    Path("uImage").write_bytes(uimage(bytes.fromhex("24080042 00000000")))
    assert vmm("disasm", "uImage", "--big-endian").out.splitlines()[0] == "0x80100000: 24080042  addiu $8,$0,66"
    assert "add --big-endian" in refused(vmm("disasm", "uImage"))


def test_a_listing_shows_address_word_and_source(source: str) -> None:
    lines = vmm("asm", source, "--base", "0x80000000").out.splitlines()
    assert lines[0] == "0x80000000: 24080042  _start: li    $t0, 0x42"
    assert len(lines) == 6


def test_words_are_disassembled() -> None:
    ran = vmm("disasm", "24420001", "0x1043ffff", "--base", "0x1000")
    assert ran.out == "0x1000: 24420001  addiu $2,$2,1\n0x1004: 1043ffff  beq $2,$3,0x1004\n"


def test_info_lists_every_row_of_its_table() -> None:
    assert all(f"{name}: " in vmm("info", "cpus").out for name in MODELS)
    assert len(vmm("info", "insns").out.splitlines()) == len(ROWS)
    registers = [line for line in vmm("info", "cp0").out.splitlines() if "," in line[:4]]
    assert len(registers) == len(REGISTERS)
    assert "malta: " in vmm("info", "machines").out


def test_the_doctor_finds_this_computer_healthy() -> None:
    ran = vmm("doctor")
    assert ran.status == 0 and "MISSING" not in ran.out and "llvmlite" in ran.out


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_is_in_the_help(verb: str) -> None:
    shown = vmm(verb, "--help")
    assert shown.status == 0
    assert all(flag in shown.out for option in VERBS[verb].options for flag in option.flags.split())


def test_help_names_every_verb() -> None:
    assert all(f"  {verb} " in vmm("--help").out for verb in VERBS)


def test_the_version_is_told() -> None:
    ran = vmm("--version")
    assert ran.status == 0 and ran.out.startswith("vmm ")


def test_an_address_is_explained_where_a_run_stands() -> None:
    started, later = vmm("explain", "0x80100000"), vmm("explain", "0x80100000", "--until", "^ok ebase")
    assert (started.status, later.status) == (0, 0)
    assert "vCPU 0 (not started)" in started.out and "pages has nothing for 0x100000" in started.out
    assert "ok ebase\nvCPU 0 (exit=TLBS)" in later.out and "pages has physical" in later.out
    assert "exception Mod" not in vmm("explain", "0x1000", "--host", "--access", "store", "--mode", "bare").out


@pytest.mark.parametrize(("arguments", "complaint"), [
    (("--cpu-number", "1"), "--cpu-number 1: there are 1; give 0 to 0\n"),
    (("--until", "never said"), "explain: the run ended before its limit: the guest reset the board; give a limit that "
                                "comes earlier\n"),
])
def test_what_cannot_be_explained(arguments: tuple[str, ...], complaint: str) -> None:
    ran = vmm("explain", "0x80100000", *arguments)
    assert (ran.status, ran.err) == (125, "vmm: " + complaint)


def test_a_32_bit_core_has_no_longer_addresses() -> None:
    """But 0x80100000 is 0xffffffff80100000 there, and either may be asked for."""
    short, long = (vmm("explain", address, "--cpu", "P5600") for address in ("0x80100000", "0xffffffff80100000"))
    assert short.out.splitlines()[2:] == long.out.splitlines()[2:]
    for address in ("0x180100000", "0x1ffff0000000000", "0xffffffff00000000"):
        ran = vmm("explain", address, "--cpu", "P5600")
        assert (ran.status, ran.out) == (125, "")
        assert ran.err.startswith(f"vmm: {address}: the core P5600 has addresses of 32 bits;") and ran.err.count("\n") == 1
    assert vmm("explain", "0x180100000", "--cpu", "MIPS64R5-generic").status == 0
