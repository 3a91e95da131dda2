"""Branches before a trapped delay slot (rows EM-1..EM-7)."""
from __future__ import annotations

import pytest

from vmm.arch.insns import ROWS
from vmm.arch.rows import Insn
from vmm.kvm.branch import BranchError, after_slot, is_compact

PC = 0x4010_0000
ZERO, POSITIVE, NEGATIVE = 0, 5, (1 << 64) - 5
TAKEN, FALLTHROUGH = PC + 4 + 4 * 0x10, PC + 8
BY_NAME: dict[str, Insn] = {row.name: row for row in ROWS if row.on(5)}


def word(name: str, **fields: int) -> int:
    encoding = BY_NAME[name].encoding
    return encoding.join(**{f.name: fields.get(f.name, 0) for f in encoding.fields})


def resolve(code: int, registers: list[int] | None = None, *, release: int = 2, pc: int = PC,
            dsp_position: int | None = None) -> int:
    return after_slot(code, pc, registers or [0] * 32, release=release, dsp_position=dsp_position)


def one(value: int) -> list[int]:
    return [0, value, 0, *[0] * 29]


@pytest.mark.parametrize(("name", "taken", "not_taken"), [
    ("beq",   [ZERO],               [POSITIVE, NEGATIVE]),
    ("bne",   [POSITIVE, NEGATIVE], [ZERO]),
    ("blez",  [ZERO, NEGATIVE],     [POSITIVE]),
    ("bgtz",  [POSITIVE],           [ZERO, NEGATIVE]),
    ("bltz",  [NEGATIVE],           [ZERO, POSITIVE]),
    ("bgez",  [ZERO, POSITIVE],     [NEGATIVE]),
])
@pytest.mark.parametrize("likely", ["", "l"])
def test_conditional_branches_em3_em4(name: str, taken: list[int], not_taken: list[int], likely: str) -> None:
    code = word(name + likely, rs=1, rt=0, off=0x10)
    assert {resolve(code, one(value)) for value in taken} == {TAKEN}
    assert {resolve(code, one(value)) for value in not_taken} == {FALLTHROUGH}


@pytest.mark.parametrize(("name", "value"), [("bltzal", POSITIVE), ("bltzal", NEGATIVE), ("bgezal", NEGATIVE),
                                         ("bgezall", ZERO), ("bltzall", ZERO)])
def test_linking_branches_link_whether_taken_or_not_em3(name: str, value: int) -> None:
    registers = one(value)
    resolve(word(name, rs=1, off=0x10), registers)
    assert registers[31] == PC + 8


def test_backward_branch_em4() -> None:
    assert resolve(word("beq", off=0xFFFF)) == PC


def test_jumps_stay_in_the_region_of_the_slot_em3() -> None:
    registers = [0] * 32
    assert resolve(word("jal", target=0x100), registers, pc=0x4FFF_FFFC) == 0x5000_0400
    assert registers[31] == 0x5000_0004
    assert resolve(word("j", target=0x100)) == 0x4000_0400


def test_register_jumps_em3() -> None:
    registers = one(0x4000_1234)
    assert resolve(word("jr", rs=1), registers) == 0x4000_1234
    assert resolve(word("jalr", rs=1, rd=7), registers) == 0x4000_1234
    assert registers[7] == PC + 8
    assert resolve(word("jalr.hb", rs=1, rd=1), registers) == 0x4000_1234
    assert registers[1] == PC + 8


@pytest.mark.parametrize(("position", "target"), [(31, FALLTHROUGH), (32, TAKEN)])
def test_bposge32_on_a_host_with_dsp_em3(position: int, target: int) -> None:
    assert resolve(0x041C_0010, dsp_position=position) == target


@pytest.mark.parametrize("code", [
    0x1801_0010,    # POP06  blezalc
    0x1C21_0010,    # POP07  bltzalc
    0x5801_0010,    # POP26  blezc
    0x5C01_0010,    # POP27  bgtzc
    0x2041_0010,    # POP10  bovc or beqc
    0x6041_0010,    # POP30  bnvc or bnec
    0xD820_0010,    # POP66  beqzc
    0xF820_0010,    # POP76  bnezc
])
def test_compact_branches_were_not_taken_em5(code: int) -> None:
    assert is_compact(code)
    assert resolve(code, release=6) == FALLTHROUGH


@pytest.mark.parametrize("code", [0x5800_0010, 0x5C00_0010, 0x2000_0010, 0x6000_0010, 0xD800_0010, 0xF800_0010])
def test_reserved_compact_forms_fail_em5(code: int) -> None:
    with pytest.raises(BranchError):
        resolve(code, release=6)


@pytest.mark.parametrize(("code", "why"), [
    (0x4500_0010, "bc1f: EM-6"), (0x0000_0000, "nop"), (0x2408_0001, "addiu"), (0x041C_0010, "bposge32, no DSP"),
    (0xFFFF_FFFF, "reserved"),
])
def test_other_words_fail_em6(code: int, why: str) -> None:
    with pytest.raises(BranchError, match="EM-3"):
        resolve(code)


def test_unaligned_pc_fails_em1() -> None:
    with pytest.raises(BranchError, match="EM-1"):
        resolve(word("beq"), pc=PC + 2)


def test_every_branch_row_can_be_emulated() -> None:
    for row in ROWS:
        if row.family == "branch":
            resolve(word(row.name, rs=1, rd=2))
