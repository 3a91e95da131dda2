"""One line a case, on both engines: ``instruction ; slot | start | end``.

Start: ``$8=value``, ``hi=``, ``lo=``, ``m=`` (the doubleword at DATA, in memory order), ``link`` (LL was at DATA).
End: registers, ``m=``, or the exception (``Ov``); ``ra`` is the link address; ``taken``, ``not`` or ``skip`` what a
branch to +0x40 did with its slot.  In memory cases ``$1`` holds DATA.  A register that is not named keeps its value.
Values are written as 64-bit numbers or as small negative ones.
"""
from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.cases.integer import CASES32, CASES64
from tests.cases.memory import ANY_ORDER, BIG, LITTLE, WIDE
from tests.cases.release6 import NARROW6, PAIRS6, WIDE6
from tests.support.engines import ENGINES, MASK, Rig, encode, fresh, rows_of
from vmm.arch.cp0.registers import EPC, Cause, Status
from vmm.arch.exceptions import ExcCode
from vmm.arch.models import find_model
from vmm.arch.rows import decode, decode_tree

CODE, DATA = 0xFFFF_FFFF_8000_4000, 0xFFFF_FFFF_8000_8000
TARGET = CODE + 0x40
FAR = 0x2000
FAMILIES = ("arith", "logic", "shift", "muldiv", "move", "bitfield", "branch", "memory", "trap",
            "release6", "pcrel", "compact")
BRANCHES = {"taken": TARGET, "skip": CODE + 8, "not": CODE + 8}


@dataclass(frozen=True)
class Case:
    model: str
    big_endian: bool
    line: str

    @property
    def parts(self) -> list[str]:
        return [part.strip() for part in self.line.split("|")]

    def __str__(self) -> str:
        return f"{self.model}-{'be' if self.big_endian else 'le'}: {' '.join(self.line.split())}"


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def all_cases() -> list[Case]:
    cases = [Case(model, False, line) for model in ("24Kf", "MIPS64R5-generic") for line in lines(CASES32)]
    cases += [Case("MIPS64R5-generic", False, line) for line in lines(CASES64)]
    for big_endian, own in ((False, LITTLE), (True, BIG)):
        cases += [Case(model, big_endian, line) for model in ("24Kf", "5KEf") for line in lines(ANY_ORDER)]
        cases += [Case("5KEf", big_endian, line) for line in lines(own) + lines(WIDE)]
    for big_endian in (False, True):
        cases += [Case(model, big_endian, line) for model in ("mips32r6-generic", "I6500") for line in lines(NARROW6)]
        cases += [Case("I6500", big_endian, line) for line in lines(WIDE6) + lines(PAIRS6)]
    return cases


CASES = all_cases()


def number(text: str) -> int:
    names = {"data": DATA, "code": CODE, "target": TARGET, "ra": CODE + 8, "next": CODE + 4}
    return (names[text] if text in names else int(text, 0)) & MASK


def start(rig: Rig, case: Case) -> tuple[int, ...]:
    """Make the start state; the words of the case."""
    source, given, _ = case.parts
    rig.cpu.root[Status] = 0
    for n in range(1, 32):
        rig.cpu.gpr[n] = n * 0x0101_0101
    rig.cpu.gpr[1] = DATA
    rig.put(0x8008, 8, 0x8899_AABB_CCDD_EEFF)
    for item in given.split():
        name, _, value = item.partition("=")
        if name.startswith("$"):
            rig.cpu.gpr[int(name[1:])] = number(value)
        elif name == "m":
            for n, byte in enumerate(bytes.fromhex(value)):
                rig.put(0x8000 + n, 1, byte)
        elif name == "link":
            rig.cpu.state.llbit, rig.cpu.state.lladdr = 1, 0x8000
        else:
            setattr(rig.cpu, name, number(value))
    return tuple(encode(case.model, text.strip(), CODE + 4 * n, target=TARGET, data=DATA)
                 for n, text in enumerate(source.split(";")))


def outcome(engine: str, case: Case) -> tuple[dict[str, object], dict[str, object]]:
    """What the case did and what it says, in one form."""
    rig = fresh(engine, case.model, case.big_endian)
    words = start(rig, case)
    rig.code(0x4000, *words)
    rig.cpu.pc = CODE
    rig.cpu.refresh()
    expected: dict[str, object] = {f"${n}": v for n, v in enumerate(rig.cpu.gpr)} | {
        "hi": rig.cpu.hi, "lo": rig.cpu.lo, "m": bytes(rig.memory.block.bytes[0x8000:0x8010]), "exception": "",
        "pc": CODE + 4 * len(words)}
    rig.run_to(len(words) - case.parts[2].split().count("skip"))
    state = rig.cpu.state
    trapped = bool(rig.cpu.root[Status] & Status.EXL.mask)
    got: dict[str, object] = {f"${n}": v for n, v in enumerate(rig.cpu.gpr)} | {
        "hi": rig.cpu.hi, "lo": rig.cpu.lo, "m": bytes(rig.memory.block.bytes[0x8000:0x8010]),
        "exception": ExcCode(Cause.ExcCode.of(rig.cpu.root[Cause])).name if trapped else "",
        "pc": rig.cpu.root[EPC] if trapped else state.target if state.in_slot else rig.cpu.pc}
    for item in case.parts[2].split():
        name, _, value = item.partition("=")
        if name in BRANCHES:
            expected["pc"] = BRANCHES[name]
        elif name == "pc":
            expected["pc"] = number(value)
        elif name == "m":
            expected["m"] = bytes.fromhex(value).ljust(16, b"\0")[:len(bytes.fromhex(value))] \
                + got["m"][len(bytes.fromhex(value)):]                                         # type: ignore[index]
        elif value:
            expected[name] = number(value)
        elif name in ExcCode.__members__:
            expected |= {"exception": name, "pc": CODE}
    return got, expected


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(engine: str, case: Case) -> None:
    got, expected = outcome(engine, case)
    assert {k: v for k, v in got.items() if v != expected[k]} == {k: v for k, v in expected.items() if v != got[k]}


@pytest.mark.parametrize("model", ["MIPS64R5-generic", "I6500"])
def test_every_integer_row_has_a_case(model: str) -> None:
    tree = decode_tree(rows_of(model))
    release = find_model(model).release
    tried = set()
    for case in CASES:
        if (find_model(case.model).release < 6) != (release < 6):
            continue
        for n, text in enumerate(case.parts[0].split(";")):
            row = decode(tree, encode(case.model, text.strip(), CODE + 4 * n, target=TARGET, data=DATA))
            assert row is not None
            tried.add(row.name)
    assert not {row.name for row in rows_of(model) if row.family in FAMILIES
                and (row.since >= 6 or release < 6)} - tried - {"sdbbp"}
