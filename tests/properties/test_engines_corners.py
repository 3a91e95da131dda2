"""What chance seldom makes, on both engines: ends of pages, code that changes, breakpoints, several CPUs."""
from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.properties.chance import DOOR
from tests.support.engines import ALIAS, ENGINES, RAM_SIZE, Rig, differences, encode, fresh
from vmm.arch.cp0.registers import EBase, Status, sign_extended
from vmm.arch.models import find_model
from vmm.arch.stops import Stop
from vmm.engine.cpu import Cpu, TlbEntry, Watch
from vmm.engine.engine import make_engine
from vmm.engine.store import Memory

KSEG0, KSEG2 = sign_extended(0x8000_0000), sign_extended(0xC000_0000)
PAGE, FAR = 0x4000, 5000
BRANCHES = ("beq $8, $0, {}", "bne $8, $0, {}", "blez $8, {}", "bgtz $8, {}", "bltz $8, {}", "bgez $8, {}",
            "bltzal $8, {}", "bgezal $8, {}", "beql $8, $0, {}", "bnel $8, $0, {}", "bltzl $8, {}", "bgezall $8, {}",
            "j {}", "jal {}", "jr $9", "jalr $10, $9")
VALID = 7


def ready(engine: str, name: str = "24Kf", big_endian: bool = False) -> Rig:
    rig = fresh(engine, name, big_endian)
    rig.cpu.root[Status], rig.cpu.root[EBase] = 0, KSEG0 + 0x1000
    rig.fill(0x1000, [DOOR] * 256)
    rig.cpu.refresh()
    return rig


def agree(run: Callable[[str], Rig]) -> Rig:
    """Both engines do the same; the native one's rig."""
    reference = run("reference").picture()
    native = run("native")
    assert differences(reference, native.picture()) == []
    return native


# -- ends of pages ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("value", [0, 1, 0xFFFF_FFFF_FFFF_FFFF], ids=["zero", "one", "minus"])
@pytest.mark.parametrize("place", [1021, 1022, 1023])
@pytest.mark.parametrize("goal", [PAGE, PAGE + 0xFF0, PAGE + 0x1004, PAGE + 0x1FFC], ids=hex)
def test_branches_at_the_end_of_a_page(goal: int, place: int, value: int) -> None:
    def run(engine: str) -> Rig:
        rig = ready(engine)
        rig.fill(PAGE, [encode("24Kf", "addiu $2, $2, 1")] * 2048)
        at = PAGE + 4 * place
        rig.put(goal, 4, DOOR)
        rig.put(goal + 4, 4, DOOR)
        rig.put(PAGE + 0x1010, 4, DOOR)
        rig.put(at, 4, branch(at))
        rig.put(at + 4, 4, encode("24Kf", "addiu $3, $3, 1"))
        rig.cpu.engine.forget()
        rig.cpu.gpr[8], rig.cpu.gpr[9] = value, KSEG0 + goal
        rig.cpu.pc = KSEG0 + PAGE + 4 * (place - 3)
        rig.run_to(FAR, events=1)
        return rig

    for line in BRANCHES:
        def branch(at: int, line: str = line) -> int:
            return encode("24Kf", line.format("goal"), KSEG0 + at, goal=KSEG0 + goal)
        agree(run)


@pytest.mark.parametrize("line", BRANCHES)
def test_a_slot_on_a_page_that_is_not_there(line: str) -> None:
    def run(engine: str) -> Rig:
        rig = ready(engine)
        rig.cpu.tlb[0] = TlbEntry(KSEG2, 0, 0x4000 >> 6 | VALID, 0x5000 >> 6 | VALID)
        rig.cpu.gpr[9] = KSEG2 + 0x1000
        at = KSEG2 + 0x1FFC
        rig.put(0x5FFC, 4, encode("24Kf", line.format("goal"), at, goal=KSEG2 + 0x1800))
        rig.cpu.pc = at
        rig.run_to(FAR, events=1)
        return rig
    agree(run)


def test_straight_code_runs_on_into_the_next_page() -> None:
    def run(engine: str) -> Rig:
        rig = ready(engine)
        rig.fill(PAGE, [encode("24Kf", "addiu $2, $2, 1")] * 2048)
        rig.put(PAGE + 0x1100, 4, DOOR)
        rig.cpu.engine.forget()
        for _ in range(2):
            rig.cpu.pc = KSEG0 + PAGE + 0xFE0
            rig.run_to(FAR, events=len(rig.events) + 1)
        return rig
    assert agree(run).cpu.gpr[2] == 2 * (8 + 0x40)


# -- code that changes ------------------------------------------------------------------------------------------------

NEW = "addiu $2, $2, 100"
OLD = "addiu $2, $2, 1"


@pytest.mark.parametrize("big_endian", [False, True], ids=["le", "be"])
@pytest.mark.parametrize("alias", [KSEG0, KSEG0 + 0x2000_0000, KSEG0 + ALIAS, KSEG2],
                         ids=["kseg0", "kseg1", "second window", "TLB"])
@pytest.mark.parametrize("size", ["sw", "sh", "sb", "swl", "sc"])
def test_a_loop_that_rewrites_itself(size: str, alias: int, big_endian: bool) -> None:
    """Each round executes, then stores over the next instruction, and over a delay slot behind it."""
    def run(engine: str) -> Rig:
        rig = ready(engine, "24Kf", big_endian)
        rig.cpu.tlb[0] = TlbEntry(KSEG2 + 0x4000, 0, 0x4000 >> 6 | VALID, 0x5000 >> 6 | VALID)
        end = {True: 3, False: 0}[big_endian]          # the byte of the immediate that counts
        offset = {"sb": end, "sh": 2 if big_endian else 0, "swl": 0 if big_endian else 3}.get(size, 0)
        store = [f"ll $5, {0x20}($7)", "move $5, $4", f"{size} $5, {0x20}($7)"] if size == "sc" else \
            [f"{size} $4, {0x20 + offset}($7)", "nop", f"{size} $4, {0x30 + offset}($7)"]
        rig.code(PAGE, *store, *["nop"] * 5, OLD, "addiu $6, $6, -1",
                 encode("24Kf", "bgtz $6, goal", KSEG0 + PAGE + 0x28, goal=KSEG0 + PAGE), "nop", OLD, DOOR)
        rig.code(PAGE + 0x2C, OLD)
        rig.cpu.gpr[4], rig.cpu.gpr[6], rig.cpu.gpr[7] = encode("24Kf", NEW), 5, alias + PAGE
        rig.cpu.pc = KSEG0 + PAGE
        rig.run_to(FAR, events=1)
        return rig
    agree(run)


def test_a_store_over_the_slot_of_the_branch_that_follows() -> None:
    def run(engine: str) -> Rig:
        rig = ready(engine)
        rig.cpu.gpr[4], rig.cpu.gpr[6], rig.cpu.gpr[7] = encode("24Kf", NEW), 3, KSEG0 + PAGE
        back = encode("24Kf", "bgtz $6, goal", KSEG0 + PAGE + 8, goal=KSEG0 + PAGE)
        rig.code(PAGE, "addiu $6, $6, -1", "sw $4, 12($7)", back, OLD, DOOR)
        rig.cpu.pc = KSEG0 + PAGE
        rig.run_to(FAR, events=1)
        return rig
    assert agree(run).cpu.gpr[2] == 300


def test_code_that_a_device_wrote_is_decoded_anew() -> None:
    def run(engine: str) -> Rig:
        rig = ready(engine)
        for line in (OLD, NEW, OLD):
            rig.code(PAGE, line, DOOR)
            rig.cpu.pc = KSEG0 + PAGE
            rig.run_to(FAR, events=len(rig.events) + 1)
        return rig
    assert agree(run).cpu.gpr[2] == 102


def test_more_pages_of_code_than_are_kept_at_a_time() -> None:
    rig = ready("native")
    for n in range(0x10, 0x30):
        rig.code(0x1000 * n, encode("24Kf", "jr $9"), encode("24Kf", "addiu $9, $9, 0x1000"))
    rig.code(0x3_0000, DOOR)
    rig.cpu.engine._shared.words[2] = 4                # type: ignore[attr-defined]  # pool_blocks
    rig.cpu.pc, rig.cpu.gpr[9] = KSEG0 + 0x1_0000, KSEG0 + 0x1_1000
    rig.run_to(FAR, events=1)
    rig.cpu.engine._shared.words[2] = 1536             # type: ignore[attr-defined]
    assert rig.cpu.pc == KSEG0 + 0x3_0004
    assert rig.cpu.ticks == 65


# -- breakpoints and watchpoints --------------------------------------------------------------------------------------

def loop(rig: Rig) -> None:
    """Five rounds of: add, store, load, branch with an addition in its slot; then a door."""
    rig.code(PAGE, "addiu $6, $6, -1", "sw $6, 0($7)", "lw $5, 0($7)",
             encode("24Kf", "bgtz $6, goal", KSEG0 + PAGE + 12, goal=KSEG0 + PAGE), "addiu $2, $2, 1", DOOR)
    rig.cpu.gpr[6], rig.cpu.gpr[7] = 5, KSEG0 + 0x8000
    rig.cpu.pc = KSEG0 + PAGE
    rig.cpu.refresh()


def stops_of(rig: Rig) -> list[tuple[int, ...]]:
    """Every stop until the door, each passed once."""
    found: list[tuple[int, ...]] = []
    while True:
        stop = rig.cpu.run(FAR)
        found.append((int(stop), rig.cpu.pc, rig.cpu.ticks, rig.cpu.state.in_slot))
        if stop == Stop.DOOR:
            return found
        rig.cpu.state.skip_break = 1


@pytest.mark.parametrize("word", range(5))
def test_a_breakpoint_stops_before_its_instruction_every_time(word: int) -> None:
    seen = []
    for engine in ENGINES:
        rig = ready(engine)
        loop(rig)
        rig.cpu.run(2)                                 # decoded before the breakpoint is set
        loop(rig)
        rig.cpu.set_breaks([KSEG0 + PAGE + 4 * word])
        rig.cpu.state.ticks = 0
        seen.append(stops_of(rig))
        assert rig.cpu.gpr[2] == 5
    assert seen[0] == seen[1]
    assert len(seen[0]) == 6
    assert {at for _, at, _, _ in seen[0][:-1]} == {KSEG0 + PAGE + 4 * word}


def test_a_breakpoint_in_another_space_with_the_same_page_offset_is_passed() -> None:
    for engine in ENGINES:
        rig = ready(engine)
        loop(rig)
        rig.cpu.set_breaks([KSEG0 + 0x2_0000 + 4 * n for n in range(8)])
        assert [stop for stop, *_ in stops_of(rig)] == [Stop.DOOR]


@pytest.mark.parametrize(("load", "store", "expected"), [(True, False, 5), (False, True, 5), (True, True, 10)])
def test_a_watchpoint_stops_before_the_access(load: bool, store: bool, expected: int) -> None:
    seen = []
    for engine in ENGINES:
        rig = ready(engine)
        loop(rig)
        rig.cpu.set_watches([Watch(KSEG0 + 0x8003, KSEG0 + 0x8003, load, store)])
        seen.append(stops_of(rig))
        rig.cpu.set_watches([])
    assert seen[0] == seen[1]
    assert len(seen[0]) == expected + 1


# -- several CPUs -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("engine", ENGINES)
def test_a_link_does_not_outlive_another_cpus_turn(engine: str) -> None:
    model = find_model("24Kf")
    memory = Memory(RAM_SIZE)
    memory.map(0, RAM_SIZE, 0)
    shared = make_engine(engine, model, False, memory)
    cpus = [Cpu(model, n, False, memory, shared) for n in range(2)]
    words = [encode("24Kf", line) for line in ("ll $9, 0($8)", "addiu $9, $9, 1", "sc $9, 0($8)")]
    memory.block.bytes[PAGE:PAGE + 12] = b"".join(word.to_bytes(4, "little") for word in words)
    for cpu in cpus:
        cpu.root[Status], cpu.pc, cpu.gpr[8] = 0, KSEG0 + PAGE, KSEG0 + 0x8000
        cpu.refresh()
    cpus[0].run(1)
    cpus[1].run(3)
    cpus[0].run(3)
    assert (cpus[0].gpr[9], cpus[1].gpr[9]) == (0, 1)
    assert memory.block.bytes[0x8000] == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_a_link_outlives_the_end_of_a_run_of_its_own_cpu(engine: str) -> None:
    rig = ready(engine)
    rig.code(PAGE, "ll $9, 0($8)", "addiu $9, $9, 1", "sc $9, 0($8)")
    rig.cpu.pc, rig.cpu.gpr[8] = KSEG0 + PAGE, KSEG0 + 0x8000
    for tick in (1, 2, 3):
        rig.cpu.run(tick)
    assert rig.cpu.gpr[9] == 1
