"""Programs that try MSA instructions on vectors by chance: the same words for an engine of ours and for Unicorn.

A case is 64 bytes of data: w1, w2, w3, a general register, MSACSR.  Its code loads them, executes one instruction and
stores in their place what it left.  Registers: w1 to w3, $5 (source), $6 (destination), $7 (MSACSR), $4 (the data).
"""
from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Literal

from tests.support.engines import fresh
from vmm.arch.cp0.registers import Config5, Status
from vmm.arch.insns import ROWS
from vmm.arch.rows import Insn, available, decode_tree
from vmm.arch.stops import Stop
from vmm.arch.text import Mnemonics, assemble_line, disassemble

CODE, DATA, KSEG0 = 0x1_0000, 0x2_8000, 0xFFFF_FFFF_8000_0000
CASE = 64
AT_ONCE = 1100
"""Cases of one program: the code of so many fits between CODE and DATA, and their data behind it."""
MNEMONICS = {bits: Mnemonics(available([r for r in ROWS if r.since < 6], release=5, bits=bits, ases=frozenset({"MSA"})))
             for bits in (32, 64)}
TREE = decode_tree([r for r in ROWS if r.vector])
OURS = {32: "P5600", 64: "I6400"}
EDGES = {8: (0, 1, 0x7F, 0x80, 0xFF), 16: (0, 1, 0x7FFF, 0x8000, 0xFFFF, 0xFF), 32: (0, 1, 0x7FFF_FFFF, 0x8000_0000,
         0xFFFF_FFFF), 64: (0, 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)}


def vector_rows(bits: int, kind: str = "integer") -> list[Insn]:
    """The rows that compute: no memory, no branches, no control registers."""
    found = [row for row in ROWS if row.vector and row.bits <= bits and not row.control
             and row.family != "msa.memory"]
    return [row for row in found if (row.family == "msa.float") == (kind == "float")]


def vector(r: Random) -> bytes:
    width = r.choice((8, 8, 16, 32, 64))
    pool = EDGES[width]
    lanes = [r.choice(pool) if r.random() < 0.4 else r.getrandbits(width) for _ in range(128 // width)]
    return sum(lane << n * width for n, lane in enumerate(lanes)).to_bytes(16, "little")


def number(r: Random, width: int, kind: int) -> int:
    """A floating-point number of 16, 32 or 64 bits; ``kind``: 0 to 2 special ones and the ends of the format, 3 to 5 of
    middling size, then integers and almost, then any."""
    fraction = {16: 10, 32: 23, 64: 52}[width]
    powers = (1 << width - 1 - fraction) - 1
    bias = powers >> 1
    if kind == 0:
        power, low = powers, r.choice((0, 0, 1, 1 << fraction - 1, r.getrandbits(fraction)))
    elif kind == 1:
        power, low = 0, r.choice((0, 0, 1, r.getrandbits(fraction), (1 << fraction) - 1))
    elif kind == 2:
        power, low = r.choice((1, 2, powers - 1, powers - 2, bias // 2, bias + bias // 2)), r.getrandbits(fraction)
    elif kind < 6:
        power = min(powers, max(0, bias + r.randrange(-3, width // 2 + 2)))
        low = r.choice((0, 1 << fraction - 1, r.getrandbits(fraction) >> r.randrange(fraction) << r.randrange(fraction)))
    elif kind < 8:
        power, low = min(powers, max(0, bias + r.randrange(-fraction - 3, fraction + 3))), r.getrandbits(fraction)
    else:
        power, low = r.randrange(powers + 1), r.choice((0, (1 << fraction) - 1, r.getrandbits(fraction)))
    return r.getrandbits(1) << width - 1 | power << fraction | low & (1 << fraction) - 1


def numbers(r: Random) -> bytes:
    """Numbers of one format in all lanes, or small integers; half of the vectors have no special numbers."""
    kinds = range(3, 6) if r.random() < 0.5 else range(10)
    width = r.choice((16, 32, 32, 64, 64))
    lanes = [number(r, width, r.choice(kinds)) if r.random() < 0.97 else r.randrange(-40, 40) & (1 << width) - 1
             for _ in range(128 // width)]
    return sum(lane << n * width for n, lane in enumerate(lanes)).to_bytes(16, "little")


def control(r: Random) -> int:
    """MSACSR: any rounding mode, FS, sticky flags; Enables only where NX keeps them from trapping."""
    csr = r.choice((0, 0, 1, 2, 3)) | r.getrandbits(1) << 24 | r.choice((0, r.getrandbits(5) << 2))
    return csr | r.choice((0, 1 << 18 | r.getrandbits(5) << 7))


def float_case(r: Random, row: Insn) -> Case:
    return case_of(r, row, numbers, control(r))


@dataclass
class Case:
    row: Insn
    word: int
    data: bytes                                        # as it lies in little-endian memory

    def __str__(self) -> str:
        d, s, t = (self.data[n:n + 16][::-1].hex() for n in (0, 16, 32))
        return (f"{disassemble(self.word, tree=TREE)}: w1 {d} w2 {s} w3 {t} $5 {self.data[48:56][::-1].hex()} "
                f"MSACSR {self.data[56:60][::-1].hex()}")


def case_of(r: Random, row: Insn, make_vector: Callable[[Random], bytes] = vector, csr: int = 0) -> Case:
    registers = {"wd": (1, 1, 1, 2, 3), "ws": (2, 2, 2, 1, 3), "wt": (3, 3, 3, 1, 2), "rs": (5,), "rt": (5,), "rd": (6,)}
    fields = {f.name: r.choice(registers.get(f.name) or (r.getrandbits(f.width),)) for f in row.encoding.fields}
    data = b"".join(make_vector(r) for _ in range(3)) + struct.pack("<q", r.getrandbits(64) - (1 << 63))
    return Case(row, row.encoding.join(**fields), data + struct.pack("<q", csr))


def code_of(case: Case, bits: int) -> list[int]:
    load, store, add = ("lw", "sw", "addiu") if bits == 32 else ("ld", "sd", "daddiu")
    lines = ["ld.d $w1,0($4)", "ld.d $w2,16($4)", "ld.d $w3,32($4)", f"{load} $5,48($4)", "lw $7,56($4)", "ctcmsa $1,$7",
             "or $6,$0,$0", case.word, "cfcmsa $7,$1", "st.d $w1,0($4)", "st.d $w2,16($4)", "st.d $w3,32($4)",
             f"{store} $6,48($4)", "sw $7,56($4)", f"{add} $4,$4,{CASE}",
             "beq $0,$0,.+8", "sll $0,$0,0"]           # Unicorn's translator dies of too long straight code
    return [x if isinstance(x, int) else assemble_line(x, rows=MNEMONICS[bits]) for x in lines]


def program(cases: list[Case], bits: int, order: Literal["big", "little"]) -> tuple[bytes, bytes]:
    """Code and data; a vector's halves and the words are in the machine's byte order."""
    words = [word for case in cases for word in code_of(case, bits)]
    code = b"".join(word.to_bytes(4, order) for word in words)
    return code, b"".join(in_order(case.data, bits, order) for case in cases)


def in_order(data: bytes, bits: int, order: str) -> bytes:
    """56 bytes by halves, the general register and MSACSR as the loads of ``code_of`` read them."""
    if order == "little":
        return data
    halves = [data[n:n + 8][::-1] for n in range(0, 48, 8)]
    step = 4 if bits == 32 else 8
    register = b"".join(data[n:n + step][::-1] for n in range(48, 56, step))
    return b"".join(halves) + register + b"".join(data[n:n + 4][::-1] for n in (56, 60))


def run_ours(engine: str, cases: list[Case], bits: int, *, big_endian: bool = False) -> list[bytes]:
    rig = fresh(engine, OURS[bits], big_endian)
    order: Literal["big", "little"] = "big" if big_endian else "little"
    code, data = program(cases, bits, order)
    ram = rig.memory.block.bytes
    ram[CODE:CODE + len(code)], ram[DATA:DATA + len(data)] = code, data
    rig.cpu.engine.forget()
    rig.cpu.root[Status] = (rig.cpu.root[Status] | Status.KX.mask * (bits == 64)) & ~Status.ERL.mask
    rig.cpu.root[Config5] |= Config5.MSAEn.mask
    rig.cpu.refresh()
    rig.cpu.gpr[4], rig.cpu.pc = KSEG0 + DATA, KSEG0 + CODE
    end = rig.cpu.ticks + len(code) // 4
    assert rig.cpu.run(end) == Stop.BUDGET and rig.cpu.pc == KSEG0 + CODE + len(code), f"pc {rig.cpu.pc:#x}"
    return [in_order(bytes(ram[at:at + CASE]), bits, order) for at in range(DATA, DATA + len(data), CASE)]


def run_unicorn(cases: list[Case], bits: int) -> list[bytes]:
    """Little-endian only; P5600, or I6400 for 64 bits: MSA is the same in releases 5 and 6."""
    import unicorn
    from unicorn import mips_const as names
    mode = unicorn.UC_MODE_MIPS32 if bits == 32 else unicorn.UC_MODE_MIPS64
    machine = unicorn.Uc(unicorn.UC_ARCH_MIPS, mode | unicorn.UC_MODE_LITTLE_ENDIAN)
    machine.ctl_set_cpu_model(names.UC_CPU_MIPS32_P5600 if bits == 32 else names.UC_CPU_MIPS64_I6400)
    machine.mem_map(0, 0x8_0000)
    start = ["mfc0 $9,$16,5", "lui $10,0x0800", "or $9,$9,$10", "mtc0 $9,$16,5", "mfc0 $12,$12", "lui $13,0x2400",
             "or $12,$12,$13", "addiu $13,$0,-5", "and $12,$12,$13", "mtc0 $12,$12"]
    code, data = program(cases, bits, "little")
    code = b"".join(assemble_line(x, rows=MNEMONICS[bits]).to_bytes(4, "little") for x in start) + code
    machine.mem_write(CODE, code)
    machine.mem_write(DATA, data)
    machine.reg_write(names.UC_MIPS_REG_4, KSEG0 + DATA & (1 << bits) - 1)
    base = KSEG0 + CODE & (1 << bits) - 1
    machine.emu_start(base, base + len(code))
    result = bytes(machine.mem_read(DATA, len(data)))
    return [result[at:at + CASE] for at in range(0, len(result), CASE)]
