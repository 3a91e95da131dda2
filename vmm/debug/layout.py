"""Which registers a debugger sees of a CPU, and under which numbers.

Invariant: numbers 0..71 are those that GDB's own MIPS features demand; behind them, GDB 13 shows 74..89 as plain
32-bit numbers, so no register of 64 bits and none with fields is there.  General registers are 64 bits wide on every core,
because one debugger session can look at the host and at its guest only if both have one layout.
(GDB manual, appendix G.5.7 "MIPS Features")
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import chain, count

from vmm.arch.cp0.fields import Register
from vmm.arch.cp0.registers import REGISTERS, BadVAddr, Cause, Status


class Kind(Enum):
    """Where a register's value is found."""
    GPR = "general register"
    HI = "hi"
    LO = "lo"
    PC = "pc"
    CP0 = "CP0 register"
    FPU = "register of the FPU, with no value where there is none"
    MSA = "vector register, or one that controls MSA"


@dataclass(frozen=True, slots=True)
class Row:
    """One register of the description.  ``index``: of the general register; ``register``: of a CP0 one."""
    number: int
    name: str
    size: int
    kind: Kind
    index: int = 0
    register: type[Register] | None = None
    expedited: bool = False


SP, RA = 29, 31
STATUS, LO, HI, BADVADDR, CAUSE, PC = 32, 33, 34, 35, 36, 37
FIRST_FPR, FCSR, FIR = 38, 70, 71
PLAIN_NUMBERS = {64: range(72, 74), 32: range(74, 90)}
FREE_NUMBERS = 90
FIRST_VECTOR, MSACSR, MSAIR = 512, 544, 545


def layout(present: Iterable[type[Register]], *, msa: bool = False) -> tuple[Row, ...]:
    """The rows for a CPU with these CP0 registers, by number."""
    rows = chain(_cpu(), _cp0(), _fpu(), _others(present), _msa() if msa else ())
    return tuple(sorted(rows, key=lambda row: row.number))


def _cpu() -> Iterator[Row]:
    for n in range(32):
        yield Row(n, f"r{n}", 8, Kind.GPR, index=n, expedited=n in (SP, RA))
    yield Row(LO, "lo", 8, Kind.LO)
    yield Row(HI, "hi", 8, Kind.HI)
    yield Row(PC, "pc", 8, Kind.PC, expedited=True)


def _cp0() -> Iterator[Row]:
    for number, register in ((STATUS, Status), (BADVADDR, BadVAddr), (CAUSE, Cause)):
        yield _cp0_row(number, register)


def _fpu() -> Iterator[Row]:
    """GDB drops a description without them."""
    for n in range(32):
        yield Row(FIRST_FPR + n, f"f{n}", 8, Kind.FPU)
    yield Row(FCSR, "fcsr", 4, Kind.FPU)
    yield Row(FIR, "fir", 4, Kind.FPU)


def _msa() -> Iterator[Row]:
    """Whole registers as one number, lane 0 on its right: GDB has no feature for MSA, and would number the lanes of a
    vector type by their place in memory, which in big-endian order is the wrong way round."""
    for n in range(32):
        yield Row(FIRST_VECTOR + n, f"w{n}", 16, Kind.MSA)
    yield Row(MSACSR, "msacsr", 4, Kind.MSA)
    yield Row(MSAIR, "msair", 4, Kind.MSA)


def _others(present: Iterable[type[Register]]) -> Iterator[Row]:
    wanted = {register.index for register in present} - {Status.index, BadVAddr.index, Cause.index}
    registers = [REGISTERS[index] for index in sorted(wanted)]
    free = count(FREE_NUMBERS)
    plain = {width: iter(numbers) for width, numbers in PLAIN_NUMBERS.items()}
    for register in registers:
        number = None if has_fields(register) else next(plain[64 if register.bits64 else 32], None)
        yield _cp0_row(next(free) if number is None else number, register)


def has_fields(register: type[Register]) -> bool:
    """False for a register that is one number throughout."""
    fields = register.fields
    return bool(fields) and not (len(fields) == 1 and fields[0].width >= 31)



def _cp0_row(number: int, register: type[Register]) -> Row:
    return Row(number, register.name.lower(), 8 if register.bits64 else 4, Kind.CP0, register=register)
