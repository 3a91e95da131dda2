"""Vector loads and stores: lanes and byte order, any alignment, pages that end, faults that leave all as it was."""
from __future__ import annotations

import pytest

from tests.support.engines import ENGINES, Rig, fresh
from vmm.arch.cp0.registers import EPC, BadVAddr, Cause, Config5, Status
from vmm.arch.exceptions import ExcCode
from vmm.arch.state import OFFSET, TLB_SLOTS, TlbSlot
from vmm.arch.stops import Stop
from vmm.engine.cpu import Watch

KSEG0, CODE, DATA = 0xFFFF_FFFF_8000_0000, 0x1000, 0x2000
HANDLER = 0x180
SIZES = {"b": 1, "h": 2, "w": 4, "d": 8}
engines = pytest.mark.parametrize("engine", ENGINES)
orders = pytest.mark.parametrize("big_endian", [False, True], ids=["le", "be"])
formats = pytest.mark.parametrize("df", list(SIZES))
PATTERN = bytes(range(0xA0, 0xB0))


def ready(engine: str, big_endian: bool = False) -> Rig:
    rig = fresh(engine, "P5600", big_endian)
    rig.cpu.root[Config5] |= Config5.MSAEn.mask
    rig.cpu.root[Status] = 0
    rig.cpu.refresh()
    return rig


def execute(rig: Rig, *lines: str, base: int = KSEG0 + DATA) -> None:
    rig.code(CODE, *lines)
    rig.cpu.gpr[4], rig.cpu.pc = base, KSEG0 + CODE
    rig.cpu.run(rig.cpu.ticks + len(lines))


def vector(rig: Rig, number: int) -> int:
    low, high = rig.cpu.state.words[OFFSET["fpr"] + 2 * number:OFFSET["fpr"] + 2 * number + 2]
    return low | high << 64


def set_vector(rig: Rig, number: int, value: int) -> None:
    at = OFFSET["fpr"] + 2 * number
    rig.cpu.state.words[at], rig.cpu.state.words[at + 1] = value & (1 << 64) - 1, value >> 64


def lanes_in_memory(data: bytes, df: str, big_endian: bool) -> int:
    """What a register holds after a load: lane 0 first in memory, each lane in the machine's order."""
    size = SIZES[df]
    order = "big" if big_endian else "little"
    lanes = [int.from_bytes(data[at:at + size], order) for at in range(0, 16, size)]  # type: ignore[arg-type]
    return sum(lane << 8 * size * n for n, lane in enumerate(lanes))


def poke(rig: Rig, at: int, data: bytes) -> None:
    rig.memory.block.bytes[at:at + len(data)] = data


def peek(rig: Rig, at: int, count: int = 16) -> bytes:
    return bytes(rig.memory.block.bytes[at:at + count])


@engines
@orders
@formats
@pytest.mark.parametrize("at", [0, 8, 1, 7, 0xFF0, 0xFF1, 0xFFF], ids=hex)
def test_loads_and_stores_at_any_address(engine: str, big_endian: bool, df: str, at: int) -> None:
    rig = ready(engine, big_endian)
    poke(rig, DATA + at, PATTERN)
    scale = SIZES[df]
    execute(rig, f"ld.{df} $w1,{-3 * scale}($4)", f"st.{df} $w1,{64 * scale}($4)", f"ld.{df} $w2,{64 * scale}($4)",
            base=KSEG0 + DATA + at + 3 * scale)
    assert vector(rig, 1) == vector(rig, 2) == lanes_in_memory(PATTERN, df, big_endian)
    assert peek(rig, DATA + at + 67 * scale) == PATTERN
    assert peek(rig, DATA + at + 67 * scale + 16, 1) == peek(rig, DATA + at + 67 * scale - 1, 1) == b"\0"


def map_page(rig: Rig, n: int, virtual: int, physical: int, *, dirty: bool = True) -> None:
    """An entry for one page of 4 KiB; its partner is invalid."""
    e = rig.cpu.state.array("root_tlb")[n * TLB_SLOTS:(n + 1) * TLB_SLOTS]
    e[TlbSlot.VPN], e[TlbSlot.MASK] = virtual & ~0x1FFF, 0x1FFF
    half = TlbSlot.LO1 if virtual & 0x1000 else TlbSlot.LO0
    e[half] = physical >> 6 | (7 if dirty else 3)
    e[TlbSlot.GLOBAL], e[TlbSlot.VALID] = 1, 1
    rig.cpu.forget()


@engines
def test_a_vector_over_two_pages_that_lie_apart(engine: str) -> None:
    rig = ready(engine)
    map_page(rig, 0, 0x1000, 0x8000)
    map_page(rig, 1, 0x2000, 0x4000)
    poke(rig, 0x8FFB, PATTERN[:5])
    poke(rig, 0x4000, PATTERN[5:])
    execute(rig, "ld.b $w1,0($4)", "st.b $w1,-32($4)", base=0x1FFB)
    assert vector(rig, 1) == int.from_bytes(PATTERN, "little")
    assert peek(rig, 0x8FFB - 32) == PATTERN
    set_vector(rig, 3, 0x5A << 120 | 0x77)
    execute(rig, "st.w $w3,0($4)", base=0x1FFB)
    assert peek(rig, 0x8FFB, 5) + peek(rig, 0x4000, 11) == (0x5A << 120 | 0x77).to_bytes(16, "little")


@engines
@pytest.mark.parametrize(("line", "code"), [("ld.w $w1,0($4)", ExcCode.TLBL), ("st.w $w1,0($4)", ExcCode.TLBS)])
def test_a_fault_on_the_second_page_changes_nothing(engine: str, line: str, code: ExcCode) -> None:
    rig = ready(engine)
    map_page(rig, 0, 0x1000, 0x8000)
    set_vector(rig, 1, 123)
    poke(rig, 0x8FFB, PATTERN[:5])
    execute(rig, line, base=0x1FFB)
    assert rig.cpu.root[Cause] >> 2 & 31 == code and rig.cpu.root[EPC] == KSEG0 + CODE
    assert 0x2000 <= rig.cpu.root[BadVAddr] <= 0x200A
    assert vector(rig, 1) == 123 and peek(rig, 0x8FFB, 5) == PATTERN[:5]


@engines
def test_a_store_to_a_page_that_is_not_dirty(engine: str) -> None:
    rig = ready(engine)
    map_page(rig, 0, 0x1000, 0x8000)
    map_page(rig, 1, 0x2000, 0x4000, dirty=False)
    set_vector(rig, 1, 123)
    execute(rig, "st.b $w1,0($4)", base=0x1FFB)
    assert rig.cpu.root[Cause] >> 2 & 31 == ExcCode.Mod and peek(rig, 0x8FFB) == bytes(16)


@engines
def test_a_user_may_not_reach_the_kernels_segments(engine: str) -> None:
    rig = ready(engine)
    map_page(rig, 0, 0, CODE & ~0xFFF)
    map_page(rig, 1, 0x1000, CODE & ~0xFFF)
    rig.cpu.root[Status] = 0x10
    rig.cpu.refresh()
    rig.code(CODE, "ld.b $w1,0($4)")
    rig.cpu.gpr[4], rig.cpu.pc = 0x7FFF_FFF8, CODE
    rig.cpu.run(rig.cpu.ticks + 1)
    assert rig.cpu.root[Cause] >> 2 & 31 in (ExcCode.AdEL, ExcCode.TLBL)
    assert vector(rig, 1) == 0


@engines
def test_a_device_takes_no_vectors(engine: str) -> None:
    rig = ready(engine)
    execute(rig, "ld.w $w1,0($4)", base=0xFFFF_FFFF_B800_0000)
    assert rig.cpu.root[Cause] >> 2 & 31 == ExcCode.DBE


@engines
def test_a_vector_store_rewrites_code(engine: str) -> None:
    """The second of three instructions is replaced before it is reached a second time."""
    rig = ready(engine)
    rig.code(0x1000, "addiu $5,$5,1", "beq $0,$0,.+8", "sll $0,$0,0")
    rig.cpu.pc = KSEG0 + 0x1000
    rig.cpu.run(rig.cpu.ticks + 3)
    fresh_words = [int.from_bytes(peek(rig, 0x1000 + 4 * n, 4), "little") for n in range(4)]
    fresh_words[0] = fresh_words[0] & ~0xFFFF | 100
    set_vector(rig, 1, sum(w << 32 * n for n, w in enumerate(fresh_words)))
    rig.code(0x3000, "st.w $w1,0($4)")
    rig.cpu.gpr[4], rig.cpu.pc = KSEG0 + 0x1000, KSEG0 + 0x3000
    rig.cpu.run(rig.cpu.ticks + 1)
    rig.cpu.pc = KSEG0 + 0x1000
    rig.cpu.run(rig.cpu.ticks + 3)
    assert rig.cpu.gpr[5] == 101


@engines
@pytest.mark.parametrize("covered", [DATA - 1, DATA + 16], ids=["before", "behind"])
def test_a_watchpoint_beside_a_vector_is_not_hit(engine: str, covered: int) -> None:
    rig = ready(engine)
    rig.cpu.set_watches([Watch(KSEG0 + covered, KSEG0 + covered, True, True)])
    rig.code(CODE, "ld.w $w1,0($4)")
    rig.cpu.gpr[4], rig.cpu.pc = KSEG0 + DATA, KSEG0 + CODE
    assert rig.cpu.run(rig.cpu.ticks + 1) == Stop.BUDGET
    rig.cpu.set_watches([])


@engines
@pytest.mark.parametrize("byte", [0, 7, 15])
def test_a_watchpoint_on_any_byte_of_a_vector(engine: str, byte: int) -> None:
    rig = ready(engine)
    rig.cpu.set_watches([Watch(KSEG0 + DATA + byte, KSEG0 + DATA + byte, False, True)])
    rig.code(CODE, "ld.w $w1,0($4)", "st.w $w1,0($4)")
    rig.cpu.gpr[4], rig.cpu.pc = KSEG0 + DATA, KSEG0 + CODE
    assert rig.cpu.run(rig.cpu.ticks + 2) == Stop.WATCH
    assert rig.cpu.pc == KSEG0 + CODE + 4
    rig.cpu.set_watches([])
