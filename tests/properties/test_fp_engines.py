"""Floating-point code by chance on both engines, and on the native one with its fast paths shut: all must agree to the bit.

Instructions of all families of coprocessor 1 follow each other in straight code, with any FCSR, NaN and register mode;
what traps goes to a handler that returns behind it, so that the flags of every instruction are seen.
"""
from __future__ import annotations

from random import Random

import pytest

from tests.support.engines import Rig, differences, fresh, rows_of
from tests.support.floats import operand
from vmm.arch.cp0.registers import Config5, Status, sign_extended
from vmm.arch.fp import Fcsr, Guard
from vmm.arch.rows import Insn

KSEG0 = sign_extended(0x8000_0000)
MODELS = ("24Kf", "P5600", "5KEf", "MIPS64R5-generic", "mips32r6-generic", "I6400")
CODE, DATA, BASE = 0x4000, 0x8000, 16
FAMILIES = ("fp_move", "fp_arith", "fp_paired")
LENGTH, ROUNDS = 60, 25
HANDLER = ("mfc0 $26, $14", "cfc1 $27, $31", "ctc1 $0, $31", "addiu $26, $26, 4", "mtc0 $26, $14", "addu $25, $25, $27",
           "ehb", "eret")
"""Go on behind what trapped, with no Cause and no Enables; FCSR is added up in $25."""


def word_of(r: Random, row: Insn, odd: bool) -> int:
    fields = {f.name: r.getrandbits(f.width) for f in row.encoding.fields}
    for name in ("fs", "ft", "fd", "fr"):
        if name in fields and not odd and r.random() < 0.95:
            fields[name] &= ~1
    for name in ("rt", "rs"):
        if name in fields:
            fields[name] = r.randrange(16)
    if "base" in fields:
        fields["base"], fields["index"] = BASE, 17
        fields["offset"] = r.randrange(0, 256, 8) + r.choice((0, 0, 4))
    if "off" in fields:
        fields["off"] = r.randrange(0, 3)
    if "rd" in fields:
        fields["rd"] = r.choice((0, 25, 26, 28, 31, 31, 31, 1, 4, 5, 6, r.getrandbits(5)))
    return row.encoding.join(**{f.name: fields[f.name] for f in row.encoding.fields})


def program(r: Random, name: str, odd: bool) -> list[int]:
    rows = [row for row in rows_of(name) if row.family in FAMILIES]
    reading = next(row for row in rows if row.name == "cfc1")
    words: list[int] = []
    in_slot = False
    while len(words) < LENGTH or in_slot:
        row = r.choice((*rows, reading, reading, reading))
        if in_slot and row.control:
            continue
        words.append(word_of(r, row, odd))
        in_slot = row.control
    return [*words, 0, 0, 0]


def prepare(r: Random, rig: Rig) -> None:
    cpu, state = rig.cpu, rig.cpu.state
    wide = r.random() < 0.5
    cpu.root[Status] = Status.CU1.mask * (r.random() < 0.97) | Status.FR.mask * wide
    if cpu.root.has(Config5):
        cpu.root[Config5] |= r.choice((0, 0, Config5.UFR.mask | Config5.UFE.mask)) | Config5.FRE.mask * (r.random() < 0.1)
    fpr = state.array("fpr")
    for n in range(64):
        fpr[n] = operand(r, "d") if r.random() < 0.5 else operand(r, "s") | operand(r, "s") << 32
    for n in range(1, 16):
        cpu.gpr[n] = r.choice((0, sign_extended(r.getrandbits(32)), sign_extended(r.getrandbits(25)), r.getrandbits(3)))
    state.fcsr = state.fcsr | r.getrandbits(32) & state.fcsr_writable & ~(Fcsr.CAUSE | Fcsr.ENABLES | Fcsr.RM | Fcsr.FS)
    if r.random() < 0.6:
        state.fcsr |= r.choice((0, 1, 2, 3, Fcsr.FS, r.getrandbits(12) & Fcsr.ENABLES))
    cpu.gpr[BASE], cpu.gpr[17] = KSEG0 + DATA, r.randrange(0, 256, 8)
    rig.fill(DATA, [operand(r, "s") for _ in range(160)])
    rig.fill(CODE, program(r, rig.model.name, wide))
    rig.code(0x180, *HANDLER)
    cpu.engine.forget()
    cpu.refresh()
    cpu.pc = KSEG0 + CODE


def run_one(seed: int, engine: str, name: str, big_endian: bool, slow: bool) -> dict[str, object]:
    rig = fresh(engine, name, big_endian)
    before = rig.cpu.state.fp_slow
    rig.cpu.state.fp_slow = Guard.CAREFUL if slow else before
    prepare(Random(seed), rig)
    rig.run_to(LENGTH + 40)
    rig.cpu.state.fp_slow = before
    return rig.picture()


@pytest.mark.parametrize("big_endian", [False, True], ids=["le", "be"])
@pytest.mark.parametrize("name", MODELS)
def test_engines_agree_on_floating_point(name: str, big_endian: bool) -> None:
    compare(name, big_endian, range(ROUNDS))


@pytest.mark.soak
@pytest.mark.parametrize("name", MODELS)
def test_engines_agree_on_floating_point_for_long(name: str) -> None:
    seeds = range(1000, 6000)
    print(f"{name}: {len(seeds)} programs of {LENGTH} instructions, seeds {seeds}")
    compare(name, False, seeds)


def compare(name: str, big_endian: bool, seeds: range) -> None:
    for seed in seeds:
        expected = run_one(seed, "reference", name, big_endian, slow=False)
        for slow in (False, True):
            found = differences(expected, run_one(seed, "native", name, big_endian, slow))
            assert not found, f"seed {seed}, {'slow' if slow else 'fast'}: {found}"
