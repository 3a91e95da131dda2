"""One instruction on thousands of operands in one run of the native engine: a loop of guest code over columns in RAM.

A column has a register's worth of bytes for each case.  Control registers are set before each instruction and read after
it, so every case shows what it raised.
"""
from __future__ import annotations

from array import array
from dataclasses import dataclass
from functools import cache

from tests.support.engines import Rig, encode, fresh, rows_of
from tests.support.exact import Modes
from tests.support.exact_integers import signed
from tests.support.subjects import Subject, bits_of, fpu_subject, msa_subject
from vmm.arch.cp0.registers import Config5, Status
from vmm.arch.fp import Fcsr, Guard
from vmm.arch.rows import Insn
from vmm.arch.stops import Stop

MODELS = ("MIPS64R5-generic", "I6500")
"""The first that has an instruction executes it."""
GENERAL, CODE, DATA, KSEG0 = 0x180, 0x1000, 0x8000, 0xFFFF_FFFF_8000_0000
AT_ONCE = 2048
TYPECODE = {8: "B", 16: "H", 32: "I", 64: "Q"}
CONTROLS, RESULTS, END = 13, 14, 15
"""General registers of the loop: the columns of operands are in 10 to 12; the last one is where column 13 ends."""
NX = 1 << 18
CONDITIONS = (23, 25)
"""Where FCSR has the first two condition codes."""
REGISTER_BYTES = {"fpu": 8, "paired": 8, "msa": 16}


def has_legacy_nans(subject: Subject) -> bool:
    """Release 6 and MSA have only the NaNs of 2008."""
    return subject.unit != "msa" and rows_by_name()[subject.name][0] == MODELS[0]


def immediate_of(subject: Subject, field: int) -> int:
    """What stands for a lane of wt."""
    is_signed = "imm:s" in rows_by_name()[subject.name][1].syntax
    value = signed(field, subject.immediate) if is_signed else field
    return value & (1 << bits_of(subject.operands[0])) - 1


@dataclass(frozen=True)
class Control:
    """What the control register is set to: modes and Enables; ``nx``: MSA's, nothing traps in spite of these."""
    modes: Modes
    enables: int = 0
    nx: bool = False

    def word(self, unit: str) -> int:
        shared = self.modes.mode | Fcsr.FS * self.modes.flush | self.enables << Fcsr.ENABLES_AT
        if unit == "msa":
            return shared | NX * self.nx
        return shared | (Fcsr.NAN2008 | Fcsr.ABS2008) * self.modes.nan2008


@cache
def rows_by_name() -> dict[str, tuple[str, Insn]]:
    """Of every instruction that a judge knows, with the model that executes it."""
    found: dict[str, tuple[str, Insn]] = {}
    for model in MODELS:
        for row in rows_of(model):
            if row.family in ("fp_arith", "fp_paired", "msa.arith", "msa.bits", "msa.float"):
                found.setdefault(row.name, (model, row))
    return found


MOVES = ("mov.", "movf.", "movt.", "movz.", "movn.", "sel", "cvt.ps.s", "cvt.s.p", "pll.", "plu.", "pul.", "puu.", "alnv.")
"""Coprocessor 1's instructions that move bits and compute nothing."""


@cache
def subjects() -> dict[str, Subject]:
    """All instructions that compute."""
    found = {}
    for name, (_, row) in rows_by_name().items():
        if row.vector:
            fields = {f.name: f.width for f in row.encoding.fields}
            found[name] = msa_subject(name, fields.get("imm") or fields.get("n") or 0)
        elif not name.startswith(MOVES):
            found[name] = fpu_subject(name)
    return found


def accumulates(subject: Subject) -> bool:
    """The destination is the third operand."""
    if subject.unit == "msa":
        return len(subject.operands) == 3
    return len(subject.operands) == 3 and "fr" not in {f.name for f in rows_by_name()[subject.name][1].encoding.fields}


def instruction(subject: Subject, immediate: int) -> int:
    row = rows_by_name()[subject.name][1]
    fields = {"wd": 1, "ws": 2, "wt": 3, "fs": 2, "ft": 4, "fr": 6, "fd": 6 if accumulates(subject) else 8, "cc": 0,
              "imm": immediate, "n": immediate}
    return row.encoding.join(**{name: fields[name] for name in (f.name for f in row.encoding.fields)})


def loop(model: str, subject: Subject, immediate: int) -> list[int]:
    size, count = REGISTER_BYTES[subject.unit], len(subject.operands)
    bases = [*range(10, 10 + count)]
    if subject.unit == "msa":
        lines: list[str | int] = ["ldi.b $w1,0"]
        lines += [f"ld.d $w{w},0(${b})" for w, b in zip((2, 3, 1), bases, strict=False)]
        lines += ["ctcmsa $1,$8", instruction(subject, immediate), "cfcmsa $7,$1", f"st.d $w1,0(${RESULTS})"]
    else:
        lines = [f"ldc1 $f{f},0(${b})" for f, b in zip((2, 4, 6), bases, strict=False)]
        word = instruction(subject, immediate)
        store = "swc1" if subject.unit == "fpu" and bits_of(subject.result) == 32 else "sdc1"
        untouched = ["dmtc1 $0,$f8", "ctc1 $0,$25"][:1 + subject.condition]
        lines += [*untouched, "ctc1 $0,$26", word, "cfc1 $7,$31", f"{store} $f{word >> 6 & 31},0(${RESULTS})"]
    lines += [f"sw $7,0(${CONTROLS})", *(f"daddiu ${b},${b},{size}" for b in (*bases, RESULTS)),
              f"daddiu ${CONTROLS},${CONTROLS},4"]
    lines += [f"bne ${CONTROLS},${END},.-{4 * len(lines)}", "sll $0,$0,0"]
    return assembled(model, lines)


SKIP = ["dmfc0 $1,$14", "daddiu $1,$1,4", "dmtc0 $1,$14", "ehb", "eret"]
"""The handler of an exception: go on behind the instruction."""


def assembled(model: str, lines: list[str | int]) -> list[int]:
    return [line if isinstance(line, int) else encode(model, line) for line in lines]


class Bulk:
    """The loop of one instruction, ready to run on columns; ``slow`` shuts the paths of the host's own arithmetic."""

    def __init__(self, subject: Subject, *, slow: bool = False, immediate: int = 0) -> None:
        model, _ = rows_by_name()[subject.name]
        self.subject, self.rig, self.slow = subject, fresh("native", model), slow
        self.size = REGISTER_BYTES[subject.unit]
        self.code = loop(model, subject, immediate)
        self.rig.fill(CODE, [*self.code, *assembled(model, ["beq $0,$0,.", "sll $0,$0,0"])])
        self.rig.fill(GENERAL, assembled(model, list(SKIP)))
        rig, cpu = self.rig, self.rig.cpu
        rig.cpu.engine.forget()
        cpu.root[Status] = Status.KX.mask | Status.CU1.mask | Status.FR.mask
        cpu.root[Config5] |= Config5.MSAEn.mask

    @property
    def operand_type(self) -> str:
        """Of a lane, as it lies in a column: a scalar has all of its register."""
        return "Q" if self.subject.unit == "fpu" else TYPECODE[bits_of(self.subject.operands[0])]

    @property
    def result_type(self) -> str:
        return "Q" if self.subject.unit == "fpu" else TYPECODE[bits_of(self.subject.result)]

    def run(self, columns: list[list[int]], control: Control) -> tuple[list[int], list[int]]:
        """Lanes of the results, and a control register for each case."""
        rig, ram = self.rig, self.rig.memory.block.bytes
        cases = len(columns[0]) * array(self.operand_type).itemsize // self.size
        room = AT_ONCE * self.size
        for n, column in enumerate(columns):
            data = array(self.operand_type, column).tobytes()
            ram[DATA + n * room:DATA + n * room + len(data)] = data
            rig.cpu.gpr[10 + n] = KSEG0 + DATA + n * room
        results, controls = DATA + 3 * room, DATA + 4 * room
        ram[results:results + cases * self.size] = bytes(cases * self.size)
        rig.cpu.gpr[RESULTS], rig.cpu.gpr[CONTROLS] = KSEG0 + results, KSEG0 + controls
        rig.cpu.gpr[END] = KSEG0 + controls + 4 * cases
        self._go(rig, control, cases * (len(self.code) + (len(SKIP) if control.enables else 0)))
        found = array(self.result_type, bytes(ram[results:results + cases * self.size])).tolist()
        words = array("I", bytes(ram[controls:controls + 4 * cases])).tolist()
        return found, words

    def _go(self, rig: Rig, control: Control, ticks: int) -> None:
        cpu, word = rig.cpu, control.word(self.subject.unit)
        cpu.gpr[8] = word
        if self.subject.unit != "msa":
            cpu.state.fcsr = word
        before = cpu.state.fp_slow
        cpu.state.fp_slow = Guard.CAREFUL if self.slow else before
        cpu.refresh()
        cpu.pc = KSEG0 + CODE
        stop = cpu.run(cpu.ticks + ticks)
        cpu.state.fp_slow = before
        cpu.refresh()
        end = KSEG0 + CODE + 4 * len(self.code)
        assert stop == Stop.BUDGET and cpu.pc in (end, end + 4), f"{self.subject.name}: pc {cpu.pc:#x}"
