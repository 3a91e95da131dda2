"""DSP release 1 and 2 through Unicorn's 74Kf, and the engines against each other: registers, accumulators, DSPControl."""
from __future__ import annotations

from random import Random

import pytest
import unicorn as u
from unicorn import mips_const as regs

from tests.support.engines import ENGINES, Rig, encode, fresh, rows_of
from vmm.arch.cp0.registers import Cause, EBase, Status, sign_extended
from vmm.arch.exceptions import ExcCode
from vmm.arch.insns import ROWS
from vmm.arch.rows import Insn, decode_tree
from vmm.arch.text import disassemble

NAME, CODE, DATA, KSEG0 = "74Kf", 0x4000, 0x8000, sign_extended(0x8000_0000)
DSP_ROWS = [row for row in rows_of(NAME) if row.dsp]
EDGES = (0, 1, 0xFFFF_FFFF, 0x7FFF_FFFF, 0x8000_0000, 0x8000_8000, 0x7FFF_7FFF, 0x8080_8080, 0x0001_8000, 0x00FF_00FF)
LOADS = ("lwx", "lhx", "lbux")
PLACES = [(half, ac) for ac in range(4) for half in ("hi", "lo")]


def read_back() -> list[str]:
    """Everything but general registers, into $16 and up."""
    return [*(f"mf{half} ${16 + n}, $ac{ac}" if ac else f"mf{half} ${16 + n}" for n, (half, ac) in enumerate(PLACES)),
            "rddsp $24, 0x3f"]


def setting_up(r: Random) -> list[str]:
    lines = []
    for half, ac in PLACES:
        lines += [f"mt{half} ${r.randrange(1, 16)}" + (f", $ac{ac}" if ac else "")]
    return [*lines, f"wrdsp ${r.randrange(1, 16)}, 0x3f"]


def fields_of(row: Insn, r: Random) -> dict[str, int]:
    while True:
        fields = {f.name: r.getrandbits(f.width) for f in row.encoding.fields}
        for name in ("rs", "rt", "rd"):
            if name in fields:
                fields[name] = r.randrange(1, 16)      # QEMU leaves out the flags too when the result goes to $0
        if row.name in LOADS:
            fields |= {"base": 25, "index": 26}
        if "off" in fields:
            fields["off"] = 1
        if row.name in ("balign",) and fields["bp"] in (0, 2):
            continue                                   # UNPREDICTABLE
        if row.encoding.fits(row.encoding.join(**fields)):
            return fields


def word_of(row: Insn, r: Random) -> int:
    return row.encoding.join(**fields_of(row, r))


def program(r: Random, words: list[int]) -> list[int]:
    return [encode(NAME, line) for line in setting_up(r)] + words + [encode(NAME, line) for line in read_back()]


def start_registers(r: Random) -> list[int]:
    gpr = [0] + [sign_extended(r.choice((r.choice(EDGES), r.getrandbits(32)))) for _ in range(31)]
    gpr[25], gpr[26] = KSEG0 + DATA, 0x40
    return gpr


def ours(engine: str, words: list[int], gpr: list[int], data: bytes) -> list[int]:
    rig = fresh(engine, NAME)
    rig.fill(CODE, words)
    rig.memory.block.bytes[DATA:DATA + len(data)] = data
    rig.cpu.root[Status], rig.cpu.pc = Status.MX.mask, KSEG0 + CODE
    for n, value in enumerate(gpr):
        rig.cpu.gpr[n] = value
    rig.cpu.refresh()
    rig.cpu.engine.forget()
    rig.run_to(len(words))
    assert rig.cpu.pc == KSEG0 + CODE + 4 * len(words), "it trapped"
    return [value & 0xFFFF_FFFF for value in rig.cpu.gpr]


def theirs(words: list[int], gpr: list[int], data: bytes) -> list[int]:
    vm = u.Uc(u.UC_ARCH_MIPS, u.UC_MODE_MIPS32)
    vm.ctl_set_cpu_model(regs.UC_CPU_MIPS32_74KF)
    vm.mem_map(0, 0x1_0000)
    switch_on = [0x3C08_0140, 0x4088_6000]             # lui $8, 0x140; mtc0 $8, $12: BEV and MX
    code = b"".join(word.to_bytes(4, "little") for word in switch_on)
    vm.mem_write(CODE - len(code), code)
    vm.emu_start(KSEG0 + CODE - len(code) & 0xFFFF_FFFF, KSEG0 + CODE & 0xFFFF_FFFF)
    vm.mem_write(CODE, b"".join(word.to_bytes(4, "little") for word in words))
    vm.mem_write(DATA, data)
    for n, value in enumerate(gpr):
        vm.reg_write(regs.UC_MIPS_REG_0 + n, value & 0xFFFF_FFFF)
    vm.emu_start(KSEG0 + CODE & 0xFFFF_FFFF, KSEG0 + CODE + 4 * len(words) & 0xFFFF_FFFF)
    return [vm.reg_read(regs.UC_MIPS_REG_0 + n) & 0xFFFF_FFFF for n in range(32)]


@pytest.mark.parametrize("row", [row for row in DSP_ROWS if not row.control], ids=lambda row: row.name)
def test_each_row_gives_what_unicorn_gives(row: Insn) -> None:
    """The branch on DSPControl leaves straight code: see below."""
    r = Random(row.encoding.match)
    for _ in range(24):
        word = word_of(row, r)
        words, gpr, data = program(r, [word]), start_registers(r), r.randbytes(0x80)
        expected, native = theirs(words, gpr, data), ours("native", words, gpr, data)
        shown = disassemble(word, tree=decode_tree(DSP_ROWS))
        wrong = [f"${n}: {a:08x} {b:08x}" for n, (a, b) in enumerate(zip(native, expected, strict=True)) if a != b]
        assert not wrong, (shown, [f"{value & 0xFFFF_FFFF:08x}" for value in gpr])


def test_the_engines_agree_on_long_programs() -> None:
    r = Random(7)
    for _ in range(20):
        chosen = r.choices([row for row in DSP_ROWS if not row.control], k=60)
        words, gpr, data = program(r, [word_of(row, r) for row in chosen]), start_registers(r), r.randbytes(0x80)
        assert ours("native", words, gpr, data) == ours("reference", words, gpr, data)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("pos", "taken"), [(31, False), (32, True), (37, True)])
def test_bposge32(engine: str, pos: int, taken: bool) -> None:
    rig = started(engine, "bposge32 .+16", "addiu $2, $2, 1", "addiu $3, $3, 1")
    rig.cpu.state.dspctl = pos
    rig.run_to(2)
    assert rig.cpu.pc == KSEG0 + CODE + (16 if taken else 8) and rig.cpu.gpr[2] == 1


def started(engine: str, *lines: str, name: str = NAME) -> Rig:
    rig = fresh(engine, name)
    rig.cpu.root[Status], rig.cpu.root[EBase], rig.cpu.pc = Status.MX.mask, KSEG0 + 0x1000, KSEG0 + CODE
    rig.fill(CODE, [encode(NAME, line, KSEG0 + CODE + 4 * n) for n, line in enumerate(lines)])
    rig.cpu.refresh()
    rig.cpu.engine.forget()
    return rig


@pytest.mark.parametrize("engine", ENGINES)
def test_without_mx_dsp_is_disabled(engine: str) -> None:
    for line in ("addu.qb $8, $9, $10", "mult $ac1, $8, $9", "lwx $8, $9($10)", "bposge32 .+8"):
        rig = started(engine, line)
        rig.cpu.root[Status] = 0
        rig.cpu.refresh()
        rig.run_to(1)
        assert Cause.ExcCode.of(rig.cpu.root[Cause]) == ExcCode.DSPDis
    rig = started(engine, "mult $8, $9")
    rig.cpu.root[Status] = 0
    rig.cpu.refresh()
    rig.run_to(1)
    assert not rig.cpu.root[Status] & Status.EXL.mask, "MULT's own accumulator needs no DSP"


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("name", "line"), [("24Kf", "addu.qb $8, $9, $10"), ("24Kf", "mult $ac1, $8, $9"),
                                            ("34Kf", "mul.ph $8, $9, $10")])
def test_a_core_without_it_has_no_such_instruction(engine: str, name: str, line: str) -> None:
    rig = started(engine, line, name=name)
    rig.run_to(1)
    assert Cause.ExcCode.of(rig.cpu.root[Cause]) == ExcCode.RI


def test_every_row_of_both_releases_is_tried() -> None:
    assert {row.name for row in ROWS if row.dsp} == {row.name for row in DSP_ROWS}
