"""MSA floating-point exceptions: what traps leaves all as it was, NX keeps it from trapping, flags stick.  (mips.md 9)"""
from __future__ import annotations

import struct

import pytest

from tests.support.engines import ENGINES, Rig, fresh
from vmm.arch.cp0.registers import EPC, Cause, Config5, Status
from vmm.arch.exceptions import ExcCode
from vmm.arch.state import OFFSET

KSEG0, CODE = 0xFFFF_FFFF_8000_0000, 0x1000
I, U, O, Z, V = 1, 2, 4, 8, 16
NX = 1 << 18
INFINITY, QUIET, LARGEST, SMALLEST = 0x7F80_0000, 0x7FC0_0000, 0x7F7F_FFFF, 1
engines = pytest.mark.parametrize("engine", ENGINES)


def single(value: float) -> int:
    return int.from_bytes(struct.pack("<f", value), "little")


ONE, TWO, THREE = single(1), single(2), single(3)


def run(engine: str, line: str, s: list[int], t: list[int], csr: int = 0, *, before: int = 0x55) -> tuple[Rig, list[int]]:
    """Execute one instruction on w1 := f(w2, w3), lanes of 32 bits; the lanes of w1."""
    rig = fresh(engine, "P5600")
    rig.cpu.root[Config5] |= Config5.MSAEn.mask
    rig.cpu.root[Status] = 0
    rig.cpu.refresh()
    words = rig.cpu.state.words
    for number, lanes in ((1, [before] * 4), (2, s), (3, t)):
        for half in (0, 1):
            words[OFFSET["fpr"] + 2 * number + half] = lanes[2 * half] | lanes[2 * half + 1] << 32
    rig.cpu.state.msacsr = csr
    rig.code(CODE, line)
    rig.cpu.pc = KSEG0 + CODE
    rig.cpu.run(rig.cpu.ticks + 1)
    got = words[OFFSET["fpr"] + 2:OFFSET["fpr"] + 4]
    return rig, [got[0] & 0xFFFF_FFFF, got[0] >> 32, got[1] & 0xFFFF_FFFF, got[1] >> 32]


def fields(rig: Rig) -> tuple[int, int]:
    """Cause and Flags."""
    csr = rig.cpu.state.msacsr
    return csr >> 12 & 63, csr >> 2 & 31


RAISING = [
    ("fdiv.w $w1,$w2,$w3", [ONE] * 4, [ONE, ONE, 0, ONE], Z), ("fdiv.w $w1,$w2,$w3", [ONE] * 4, [THREE] * 4, I),
    ("fmul.w $w1,$w2,$w3", [LARGEST] * 4, [TWO] * 4, O | I), ("fsub.w $w1,$w2,$w3", [INFINITY] * 4, [INFINITY] * 4, V),
    ("fmul.w $w1,$w2,$w3", [SMALLEST] * 4, [SMALLEST] * 4, U | I), ("fadd.w $w1,$w2,$w3", [ONE] * 4, [TWO] * 4, 0),
    ("fslt.w $w1,$w2,$w3", [QUIET, 0, 0, 0], [0] * 4, V), ("fclt.w $w1,$w2,$w3", [QUIET, 0, 0, 0], [0] * 4, 0),
    ("fexdo.h $w1,$w2,$w3", [LARGEST] * 4, [ONE] * 4, O | I), ("ftq.h $w1,$w2,$w3", [ONE] * 4, [0] * 4, O | I),
    ("ftint_s.w $w1,$w2", [INFINITY] * 4, [0] * 4, V), ("flog2.w $w1,$w2", [0] * 4, [0] * 4, Z),
]


@engines
@pytest.mark.parametrize(("line", "s", "t", "raised"), RAISING)
def test_cause_is_of_the_last_instruction_and_flags_stick(engine: str, line: str, s: list[int], t: list[int],
                                                           raised: int) -> None:
    rig, _ = run(engine, line, s, t, csr=0x3F << 12 & ~(1 << 17) | 2 << 2)
    assert fields(rig) == (raised, raised | 2)
    assert not rig.cpu.root[Status] & Status.EXL.mask


@engines
@pytest.mark.parametrize(("line", "s", "t", "raised"), [row for row in RAISING if row[3]])
def test_an_enabled_exception_traps_and_changes_nothing_else(engine: str, line: str, s: list[int], t: list[int],
                                                             raised: int) -> None:
    rig, lanes = run(engine, line, s, t, csr=raised << 7)
    assert rig.cpu.root[Cause] >> 2 & 31 == ExcCode.MSAFPE and rig.cpu.root[EPC] == KSEG0 + CODE
    assert lanes == [0x55] * 4
    assert fields(rig) == (raised, 0)


@engines
def test_with_nx_the_lane_that_would_trap_says_why(engine: str) -> None:
    rig, lanes = run(engine, "fdiv.w $w1,$w2,$w3", [ONE, ONE, THREE, ONE], [ONE, 0, TWO, THREE], csr=NX | Z << 7)
    assert lanes == [ONE, 0x7F80_0000 | Z, single(1.5), single(1 / 3)]
    assert fields(rig) == (I, I)
    assert not rig.cpu.root[Status] & Status.EXL.mask


@engines
def test_an_exact_denormal_is_underflow_only_if_that_traps(engine: str) -> None:
    tiny, half = 0x0080_0000, single(0.5)
    rig, lanes = run(engine, "fmul.w $w1,$w2,$w3", [tiny] * 4, [half] * 4)
    assert (lanes[0], fields(rig)) == (0x0040_0000, (0, 0))
    rig, lanes = run(engine, "fmul.w $w1,$w2,$w3", [tiny] * 4, [half] * 4, csr=U << 7)
    assert (lanes[0], fields(rig)) == (0x55, (U, 0))


@engines
@pytest.mark.parametrize(("mode", "third"), [(0, 0x3EAA_AAAB), (1, 0x3EAA_AAAA), (2, 0x3EAA_AAAB), (3, 0x3EAA_AAAA)])
def test_rounding_modes(engine: str, mode: int, third: int) -> None:
    _, lanes = run(engine, "fdiv.w $w1,$w2,$w3", [ONE] * 4, [THREE] * 4, csr=mode)
    assert lanes == [third] * 4


@engines
@pytest.mark.parametrize(("negative", "exponent"), [(False, 5), (True, 5)])
def test_the_logarithm_ignores_the_sign(engine: str, negative: bool, exponent: int) -> None:
    _, lanes = run(engine, "flog2.w $w1,$w2", [single(-40.0 if negative else 40.0)] * 4, [0] * 4)
    assert lanes == [single(float(exponent))] * 4
