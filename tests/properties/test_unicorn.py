"""Integer code through Unicorn, an engine that nobody here wrote: registers, HI, LO and memory must be equal.

What the manual leaves UNPREDICTABLE is not compared: ``NOT_COMPARED``, ``FIELDS_MAY_BE_BAD``, ``WORD_ROWS`` and
``preparation`` say what, and why.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
import unicorn as u
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unicorn import mips_const as regs

from tests.properties.chance import DOOR, DOOR_6
from tests.support.engines import MASK, fresh, rows_of
from vmm.arch.cp0.registers import Status, sign_extended
from vmm.arch.rows import Insn

KSEG0 = sign_extended(0x8000_0000)
CODE, DATA, DATA_SIZE = 0x4000, 0x8000, 0x100
BASE, LENGTH, MAX_OFF = 16, 24, 3
SLL_1_1_0, MTHI_1, MTLO_1, ANDI_0FFF, ORI_1, ANDI_7FFF = (
    0x0001_0800, 0x0020_0011, 0x0020_0013, 0x3000_0FFF, 0x3400_0001, 0x3000_7FFF)
FAMILIES = ("arith", "logic", "shift", "muldiv", "move", "bitfield", "memory", "branch", "release6", "compact")
"""Of release 6 not "pcrel": Unicorn 2.1 refuses opcode 3B; the cases try these."""


@dataclass(frozen=True)
class Core:
    name: str
    big_endian: bool
    number: int
    bits: int

    def __str__(self) -> str:
        return f"{self.name}-{'be' if self.big_endian else 'le'}"


CORES = tuple(Core(name, big_endian, number, bits) for name, number, bits in (
    ("24Kf", regs.UC_CPU_MIPS32_24KF, 32), ("P5600", regs.UC_CPU_MIPS32_P5600, 32), ("5KEf", regs.UC_CPU_MIPS64_5KEF, 64),
    ("mips32r6-generic", regs.UC_CPU_MIPS32_MIPS32R6_GENERIC, 32), ("I6400", regs.UC_CPU_MIPS64_I6400, 64))
    for big_endian in (False, True))

NOT_COMPARED: dict[str, str] = {
    "ll": "whether a link holds depends on the implementation", "sc": "as ll", "lld": "as ll", "scd": "as ll",
    "pref": "it does nothing that could be compared", "sync": "as pref",
    "j": "leaves straight code, as jal, jr and jalr do", "jal": "as j", "jr": "as j", "jalr": "as j",
    "jr.hb": "as j", "jalr.hb": "as j", "jic": "as j", "jialc": "as j",
    "cache": "as pref", "pause": "as pref", "dvp": "needs virtual processors", "evp": "as dvp",
    "sdbbp": "a trap", "sigrie": "a trap",
}
DIVISIONS = frozenset({"div", "divu", "ddiv", "ddivu", "mod", "modu", "dmod", "dmodu"})
TRAPPING = frozenset({"add", "addi", "sub", "dadd", "daddi", "dsub"})
"""These may raise Ov, which ends a run: they are tested on small operands."""
FIELDS_MAY_BE_BAD: dict[str, Callable[[dict[str, int]], bool]] = {
    "ext": lambda f: f["lsb"] + f["msbd"] < 32, "ins": lambda f: f["msb"] >= f["lsb"],
    "dext": lambda f: True, "dextm": lambda f: f["lsb"] + f["msbd"] < 32, "dextu": lambda f: f["lsb"] + f["msbd"] < 32,
    "bovc": lambda f: f["rs"], "bnvc": lambda f: f["rs"],      # of $0, $0 QEMU links as BEQZALC does
    "dins": lambda f: f["msb"] >= f["lsb"], "dinsm": lambda f: True, "dinsu": lambda f: f["msb"] >= f["lsb"],
}
"""A bit field that is not inside its register is UNPREDICTABLE."""
WORD_ROWS = frozenset({
    "add", "addi", "addiu", "addu", "sub", "subu", "mul", "mult", "multu", "div", "divu", "madd", "maddu", "msub", "msubu",
    "sll", "srl", "sra", "rotr", "sllv", "srlv", "srav", "rotrv", "ext", "ins", "clz", "clo", "seb", "seh", "wsbh",
    "lwl", "lwr", "muh", "mulu", "muhu", "mod", "modu", "lsa", "align", "aui", "bitswap"})
"""On a 64-bit core, UNPREDICTABLE if an operand is not a sign-extended word: operands are made so first (SLL by 0)."""


def fields_of(row: Insn, r: Random) -> dict[str, int]:
    """Fields that the manual allows."""
    while True:
        fields = {f.name: r.getrandbits(f.width) for f in row.encoding.fields}
        for name in ("rs", "rt", "rd"):
            if name in fields:
                fields[name] = r.randrange(16)
        if "base" in fields:
            size = {"b": 1, "h": 2, "w": 4, "d": 8}.get(row.name.rstrip("u")[-1], 1)
            size = 1 if row.name in ("lwl", "lwr", "swl", "swr", "ldl", "ldr", "sdl", "sdr") else size
            fields["base"], fields["offset"] = BASE, r.randrange(0, DATA_SIZE, size)
        if "off" in fields:
            fields["off"] = r.randrange(1, MAX_OFF + 1)
        if row.name in ("clz", "clo", "dclz", "dclo") and "rt" in fields:
            fields["rt"] = fields["rd"]                # the encoding holds the destination twice
        if row.name in DIVISIONS and not fields["rt"]:
            continue
        if not row.encoding.fits(row.encoding.join(**fields)):
            continue
        if row.name not in FIELDS_MAY_BE_BAD or FIELDS_MAY_BE_BAD[row.name](fields):
            return fields


def word_operands(fields: dict[str, int], row: Insn) -> list[int]:
    """SLL by 0 of each operand register."""
    read = [fields[name] for name in ("rs", "rt") if name in fields]
    if row.name in ("lwl", "lwr"):
        read = [fields["rt"]]
    return [reg << 16 | reg << 11 for reg in read if reg]


def preparation(core: Core, row: Insn, fields: dict[str, int]) -> list[int]:
    """Instructions that make the operands such that the manual says what happens."""
    operands = [fields[name] for name in ("rs", "rt") if fields.get(name)]
    before = word_operands(fields, row) if core.bits == 64 and row.name in WORD_ROWS else []
    if core.bits == 64 and row.name in ("madd", "maddu", "msub", "msubu"):
        before += [SLL_1_1_0, MTHI_1, MTLO_1]          # HI and LO hold sign-extended words
        before += word_operands(fields, row)
    if row.name in TRAPPING:
        before += [ANDI_0FFF | n << 21 | n << 16 for n in operands]
    if row.name in DIVISIONS:   # a zero divisor and an overflowing quotient are UNPREDICTABLE
        before += [ORI_1 | fields["rt"] << 21 | fields["rt"] << 16, ANDI_7FFF | fields["rt"] << 21 | fields["rt"] << 16]
    return before


def program(core: Core, r: Random) -> list[int]:
    """Straight code with short branches forward."""
    rows = [row for row in rows_of(core.name) if row.family in FAMILIES and row.name not in NOT_COMPARED]
    words: list[int] = []
    in_slot, reach = False, 0                          # reach: a branch before may go on no further than to this word
    while len(words) < LENGTH or in_slot:
        row = r.choice(rows)
        fields = fields_of(row, r)
        before = preparation(core, row, fields)
        if in_slot and row.alone or before and len(words) < reach:
            continue
        if row.off:
            reach = len(words) + 1 + MAX_OFF
        words += [*before, row.encoding.join(**fields)]
        in_slot = row.control or row.forbids
    return [*words, *[0] * 8]                        # where the last branch may go


class Machine:
    """Unicorn on the same memory; 64-bit operations need kernel mode, which it starts in."""

    def __init__(self, core: Core) -> None:
        mode = u.UC_MODE_MIPS64 if core.bits == 64 else u.UC_MODE_MIPS32
        unicorn: Any = u                               # it has no types
        self.core = core
        self.vm = unicorn.Uc(u.UC_ARCH_MIPS, mode | (u.UC_MODE_BIG_ENDIAN if core.big_endian else 0))
        self.vm.ctl_set_cpu_model(core.number)
        self.vm.mem_map(0, 0x1_0000)

    def run(self, code: bytes, data: bytes, gpr: list[int], hi: int, lo: int) -> tuple[list[int], int, int, bytes]:
        vm, mask = self.vm, MASK if self.core.bits == 64 else 0xFFFF_FFFF
        vm.mem_write(CODE, code)
        vm.mem_write(DATA, data)
        for n, value in enumerate(gpr):
            vm.reg_write(regs.UC_MIPS_REG_0 + n, value & mask)
        vm.reg_write(regs.UC_MIPS_REG_HI, hi & mask)
        vm.reg_write(regs.UC_MIPS_REG_LO, lo & mask)
        vm.ctl_remove_cache(CODE, CODE + 0x1000)
        vm.emu_start(0xFFFF_FFFF_8000_0000 + CODE & mask, 0xFFFF_FFFF_8000_0000 + CODE + len(code) & mask)
        got = [vm.reg_read(regs.UC_MIPS_REG_0 + n) & mask for n in range(32)]
        return (got, vm.reg_read(regs.UC_MIPS_REG_HI) & mask, vm.reg_read(regs.UC_MIPS_REG_LO) & mask,
                bytes(vm.mem_read(DATA, len(data))))


def ours(core: Core, code: bytes, data: bytes, gpr: list[int], hi: int, lo: int) -> tuple[list[int], int, int, bytes]:
    rig = fresh("native", core.name, core.big_endian)
    memory = rig.memory.block.bytes
    memory[CODE:CODE + len(code)], memory[DATA:DATA + len(data)] = code, data
    door = (DOOR_6 if rig.model.release >= 6 else DOOR).to_bytes(4, "big" if core.big_endian else "little")
    memory[CODE + len(code):CODE + len(code) + 4] = door
    rig.cpu.root[Status], rig.cpu.pc = 0, KSEG0 + CODE
    for n, value in enumerate(gpr):
        rig.cpu.gpr[n] = value
    rig.cpu.hi, rig.cpu.lo = hi, lo
    rig.cpu.refresh()
    rig.run_to(5000, events=1)
    assert rig.cpu.pc == KSEG0 + CODE + len(code) + 4, "it trapped"
    mask = MASK if core.bits == 64 else 0xFFFF_FFFF
    after = bytes(memory[DATA:DATA + len(data)])
    return [value & mask for value in rig.cpu.gpr], rig.cpu.hi & mask, rig.cpu.lo & mask, after


EDGES = (0, 1, MASK, 0x7FFF_FFFF, sign_extended(0x8000_0000), 0x80, 0xFF, 0x8000, 1 << 63, (1 << 63) - 1)


@pytest.mark.parametrize("core", CORES, ids=str)
@settings(max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, (1 << 32) - 1))
def test_unicorn_agrees(core: Core, seed: int) -> None:
    r = Random(seed)
    words = program(core, r)
    order = "big" if core.big_endian else "little"
    code = b"".join(word.to_bytes(4, order) for word in words)  # type: ignore[arg-type]
    gpr = [0] + [r.choice((r.choice(EDGES), r.getrandbits(64))) for _ in range(31)]
    gpr[BASE] = KSEG0 + DATA
    if core.bits == 32:
        gpr = [sign_extended(value) for value in gpr]
    start = code, r.randbytes(DATA_SIZE + 8), gpr, sign_extended(r.getrandbits(32)), sign_extended(r.getrandbits(32))
    got, expected = ours(core, *start), Machine(core).run(*start)
    wrong = [f"${n}: {a:#x} {b:#x}" for n, (a, b) in enumerate(zip(got[0], expected[0], strict=True)) if a != b]
    assert (wrong, got[1:]) == ([], expected[1:]), [f"{word:08x}" for word in words]
