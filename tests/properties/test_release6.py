"""Release 6 where it is delicate: forbidden slots, accesses that are not aligned, on both engines, however they run."""
from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.properties.chance import DOOR_6
from tests.support.engines import ENGINES, Rig, differences, encode, fresh
from vmm.arch.cp0.registers import EPC, BadVAddr, Cause, Config5, EBase, Status, sign_extended
from vmm.arch.exceptions import ExcCode
from vmm.arch.stops import Stop
from vmm.engine.cpu import TlbEntry

KSEG0, KSEG2 = sign_extended(0x8000_0000), sign_extended(0xC000_0000)
CODE, FAR, VALID = 0x4000, 5000, 7
CORES = pytest.mark.parametrize("name", ["mips32r6-generic", "I6500"])
ON_BOTH = pytest.mark.parametrize("engine", ENGINES)
RESERVED_THERE = ("beq $0, $0, .", "bc .", "jic $9, 0", "jalr $9", "beqzc $8, .", "eret", "deret", "wait", "pause", "nal",
                  "bovc $8, $9, .")


def ready(engine: str, name: str, big_endian: bool = False) -> Rig:
    rig = fresh(engine, name, big_endian)
    rig.cpu.root[Status], rig.cpu.root[EBase] = 0, KSEG0 + 0x1000
    rig.fill(0x1000, [DOOR_6] * 256)
    rig.cpu.refresh()
    return rig


def placed(rig: Rig, at: int, *lines: str) -> None:
    rig.fill(at, [encode(rig.model.name, line, KSEG0 + at + 4 * n) for n, line in enumerate(lines)])
    rig.cpu.engine.forget()


def at_once(rig: Rig) -> None:
    rig.run_to(FAR, events=1)


def by_steps(rig: Rig) -> None:
    rig.step_to(FAR, events=1)


def bit_by_bit(rig: Rig) -> None:
    while not rig.events:
        rig.run_to(rig.cpu.ticks + 1, events=1)


WAYS = pytest.mark.parametrize("way", [at_once, by_steps, bit_by_bit])
PLACES = pytest.mark.parametrize("at", [CODE + 0x100, CODE + 0xFF8, CODE + 0xFFC], ids=hex)


@CORES
@ON_BOTH
@WAYS
@PLACES
@pytest.mark.parametrize("second", RESERVED_THERE)
def test_a_branch_in_a_forbidden_slot_is_reserved(name: str, engine: str, way: Callable[[Rig], None], at: int,
                                                  second: str) -> None:
    rig = ready(engine, name)
    placed(rig, at - 4, "addiu $2, $2, 1", "bnezc $8, .+16", second, "nop", "nop")
    rig.cpu.gpr[8], rig.cpu.gpr[9], rig.cpu.pc = 0, KSEG0 + CODE, KSEG0 + at - 4
    way(rig)
    assert Cause.ExcCode.of(rig.cpu.root[Cause]) == ExcCode.RI
    assert (rig.cpu.root[EPC], Cause.BD.of(rig.cpu.root[Cause])) == (KSEG0 + at + 4, 0)
    assert rig.cpu.gpr[2] == 1


@CORES
@ON_BOTH
@WAYS
@PLACES
def test_a_branch_after_a_compact_one_can_be_jumped_to(name: str, engine: str, way: Callable[[Rig], None],
                                                       at: int) -> None:
    rig = ready(engine, name)
    placed(rig, at, "bnezc $8, .+16", "bc .+8", f"sdbbp {1 << 19}", f"sdbbp {1 << 19 | 1}", f"sdbbp {1 << 19 | 2}")
    rig.cpu.pc = KSEG0 + at + 4
    way(rig)
    assert rig.events[0][2] == 1 << 19 | 1, "the branch was executed"


@CORES
@ON_BOTH
@WAYS
def test_other_slots_forbid_nothing(name: str, engine: str, way: Callable[[Rig], None]) -> None:
    rig = ready(engine, name)
    placed(rig, CODE, "bnezc $9, .+12", "sigrie 1", "sigrie 2", "bc .+4", "bc .+4", "beqzc $9, .+8", "addiu $2, $2, 1",
           f"sdbbp {1 << 19}")
    rig.cpu.gpr[9], rig.cpu.pc = 1, KSEG0 + CODE
    way(rig)
    assert rig.events[0][2:] == (1 << 19, KSEG0 + CODE + 0x1C) and rig.cpu.gpr[2] == 1


@ON_BOTH
def test_a_slot_that_becomes_a_branch_is_seen(engine: str) -> None:
    rig = ready(engine, "I6500")
    placed(rig, CODE, "sw $10, 12($9)", "nop", "bnezc $8, .+8", "addiu $2, $2, 1", "beqzc $8, .-16", "nop")
    rig.cpu.gpr[9], rig.cpu.gpr[10] = KSEG0 + CODE, encode("I6500", "addiu $3, $3, 1")
    rig.cpu.pc = KSEG0 + CODE
    rig.run_to(50)
    assert (rig.cpu.gpr[2], rig.cpu.gpr[3]) == (0, 10)
    rig.cpu.gpr[10] = encode("I6500", "bc .")
    rig.run_to(60, events=1)
    assert Cause.ExcCode.of(rig.cpu.root[Cause]) == ExcCode.RI


@ON_BOTH
def test_an_interrupt_before_the_slot_lifts_the_ban(engine: str) -> None:
    """ERET goes to the branch as to any other instruction: it is reserved only right after its compact branch."""
    rig = ready(engine, "I6500")
    placed(rig, CODE, "bnezc $8, .+16", f"sdbbp {1 << 19}")
    rig.cpu.pc = KSEG0 + CODE
    rig.run_to(1)
    assert rig.cpu.state.forbidden == 1
    placed(rig, CODE + 4, "bc .+8", "nop", f"sdbbp {1 << 19 | 5}")
    rig.fill(0x1180, [encode("I6500", "eret")])
    rig.cpu.root[Status] = Status.IE.mask | 0x400
    rig.cpu.set_interrupt(2, True)
    rig.cpu.run(2)
    rig.cpu.set_interrupt(2, False)
    rig.run_to(FAR, events=1)
    assert rig.events[0][2] == 1 << 19 | 5


@ON_BOTH
def test_a_breakpoint_in_a_forbidden_slot_stops_before_it(engine: str) -> None:
    rig = ready(engine, "I6500")
    placed(rig, CODE, "nop", "bnezc $8, .+16", "bc .+8", "nop")
    rig.cpu.set_breaks([KSEG0 + CODE + 8])
    rig.cpu.pc = KSEG0 + CODE
    assert (rig.cpu.run(FAR), rig.cpu.pc) == (Stop.BREAK, KSEG0 + CODE + 8)
    rig.cpu.step()
    assert Cause.ExcCode.of(rig.cpu.root[Cause]) == ExcCode.RI
    rig.cpu.set_breaks([])


@CORES
@ON_BOTH
@pytest.mark.parametrize(("hint", "code"), [(23, ExcCode.Int), (24, ExcCode.RI), (31, ExcCode.RI)])
def test_high_hints_are_reserved(name: str, engine: str, hint: int, code: ExcCode) -> None:
    rig = ready(engine, name)
    placed(rig, CODE, f"pref {hint}, 0($8)")
    rig.cpu.pc = KSEG0 + CODE
    rig.run_to(1)
    assert Cause.ExcCode.of(rig.cpu.root[Cause]) == code


ACCESSES = [("lh", 2, True), ("lhu", 2, False), ("lw", 4, True), ("lwu", 4, False), ("ld", 8, True)]


@ON_BOTH
@pytest.mark.parametrize("big_endian", [False, True], ids=["le", "be"])
@pytest.mark.parametrize("across", [False, True], ids=["page", "pages"])
@pytest.mark.parametrize("line, size, extends", ACCESSES, ids=lambda v: str(v))
def test_what_is_not_aligned_is_put_together(engine: str, big_endian: bool, across: bool, line: str, size: int,
                                             extends: bool) -> None:
    rig = ready(engine, "I6500", big_endian)
    rig.cpu.tlb[0] = TlbEntry(KSEG2, 0, 0xA000 >> 6 | VALID, 0x8000 >> 6 | VALID)
    start = 0x1000 - 1 if across else 0x101
    data = bytes(range(0x80, 0x80 + size))
    for n, byte in enumerate(data):
        at = start + n
        rig.put((0xA000 if at < 0x1000 else 0x7000) + at, 1, byte)
    placed(rig, CODE, f"{line} $9, 0($8)", f"s{line[1]} $9, 0x40($8)")
    rig.cpu.gpr[8], rig.cpu.pc = KSEG2 + start, KSEG0 + CODE
    rig.run_to(2)
    value = int.from_bytes(data, "big" if big_endian else "little", signed=extends)
    assert rig.cpu.gpr[9] == value & (1 << 64) - 1
    stored = [rig.get((0xA000 if start + 0x40 + n < 0x1000 else 0x7000) + start + 0x40 + n, 1) for n in range(size)]
    assert bytes(stored) == data


@ON_BOTH
@pytest.mark.parametrize("line, code", [("lw $9, 0($8)", ExcCode.TLBL), ("sw $9, 0($8)", ExcCode.TLBS)])
def test_a_fault_in_the_second_page_comes_before_any_effect(engine: str, line: str, code: ExcCode) -> None:
    rig = ready(engine, "I6500")
    rig.cpu.tlb[0] = TlbEntry(KSEG2, 0, 0xA000 >> 6 | VALID, 0)
    placed(rig, CODE, line)
    rig.cpu.gpr[8], rig.cpu.gpr[9], rig.cpu.pc = KSEG2 + 0xFFD, 0x1234_5678, KSEG0 + CODE
    rig.run_to(1)
    assert Cause.ExcCode.of(rig.cpu.root[Cause]) == code
    assert KSEG2 + 0x1000 == rig.cpu.root[BadVAddr]
    assert (rig.get(0xAFFC, 4), rig.cpu.gpr[9]) == (0, 0x1234_5678)


@ON_BOTH
def test_a_device_takes_no_access_that_is_not_aligned(engine: str) -> None:
    rig = ready(engine, "I6500")
    placed(rig, CODE, "lw $9, 1($8)")
    rig.cpu.gpr[8], rig.cpu.pc = sign_extended(0xA000_0000) + 0x1800_0000, KSEG0 + CODE
    rig.run_to(1)
    assert not rig.events and Cause.ExcCode.of(rig.cpu.root[Cause]) == ExcCode.AdEL


@ON_BOTH
def test_sdbbp_is_reserved_to_the_kernel_with_sbri(engine: str) -> None:
    rig = ready(engine, "I6500")
    rig.cpu.tlb[0] = TlbEntry(0, 0, CODE >> 6 | VALID, CODE >> 6 | VALID)
    placed(rig, CODE, "sdbbp 1")
    rig.cpu.root[Config5] |= Config5.SBRI.mask
    rig.cpu.root[Status] = 2 << Status.KSU.low
    rig.cpu.pc = 0
    rig.cpu.refresh()
    rig.run_to(1)
    assert Cause.ExcCode.of(rig.cpu.root[Cause]) == ExcCode.RI


def test_engines_agree_on_a_break_between_branch_and_slot() -> None:
    def run(engine: str) -> dict[str, object]:
        rig = ready(engine, "I6500")
        placed(rig, CODE, "bnezc $8, .+16", "addiu $2, $2, 1", "bnezc $8, .+16", "lw $3, 0($9)", "nop")
        rig.cpu.gpr[9], rig.cpu.pc = sign_extended(0xB800_0000), KSEG0 + CODE
        rig.cpu.run(FAR)
        return rig.picture()
    assert differences(run("reference"), run("native")) == []
