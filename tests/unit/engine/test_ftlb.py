"""The FTLB against a plain model of where its entries are, and how Config shows it.  (mips.md 2, 4.4; volume III, 4)"""
from __future__ import annotations

from random import Random

import pytest

from tests.support.engines import ENGINES, Rig, fresh
from vmm.arch.cp0.registers import (
    Cause,
    Config,
    Config4,
    Config5,
    Config6,
    EBase,
    EntryHi,
    EntryLo0,
    EntryLo1,
    Index,
    MemoryMapID,
    PageMask,
    Register,
    Status,
    Wired,
    sign_extended,
)
from vmm.arch.exceptions import ExcCode
from vmm.arch.models import find_model
from vmm.engine.cpu import TlbEntry
from vmm.host.machine import Machine

KSEG0, KSEG2 = sign_extended(0x8000_0000), sign_extended(0xC000_0000)
CODE, EBASE = KSEG0 + 0x4000, KSEG0 + 0x1000
V, NONE = 2, 1 << 31
SETS, WAYS = 128, 4
PAIR, LARGER = 0x2000, 0x6000
"""Bytes of a pair of pages of 4 KiB; PageMask of 16 KiB."""


@pytest.fixture(params=[(engine, name) for engine in ENGINES for name in ("P5600", "I6500")], ids="-".join)
def rig(request: pytest.FixtureRequest) -> Rig:
    engine, name = request.param
    found = fresh(engine, name)
    if name == "P5600":
        found.cpu.move_to(Config6, Config6.FTLBEn.mask)
    return found


def variable(rig: Rig) -> int:
    return rig.cpu.tlb.variable


def do(rig: Rig, *lines: str) -> None:
    rig.code(0x4000, *lines)
    rig.cpu.root[Status], rig.cpu.root[EBase] = 0, EBASE
    rig.cpu.pc = CODE
    rig.cpu.refresh()
    rig.run_to(rig.cpu.ticks + len(lines))
    assert rig.cpu.pc == CODE + 4 * len(lines)


def operands(rig: Rig, hi: int, *, mask: int = 0, index: int = 0) -> None:
    values: dict[type[Register], int] = {EntryHi: hi, EntryLo0: V, EntryLo1: V, PageMask: mask, Index: index}
    for register, value in values.items():
        rig.cpu.root[register] = value


def set_of(va: int, pair: int = PAIR) -> int:
    return va // pair % SETS


def test_pages_of_its_size_go_to_their_set_and_others_to_the_vtlb(rig: Rig) -> None:
    r = Random(1)
    rig.cpu.root[Wired] = 3
    seen = set()
    for n in range(200):
        va, mask = KSEG2 + r.randrange(1 << 10) * 0x8000 + r.randrange(4) * PAIR, r.choice((0, 0, LARGER))
        if mask:
            va &= -0x8000
        rig.cpu.tlb.clear(3)
        operands(rig, va | 5, mask=mask)
        do(rig, "tlbwr", "tlbp")
        index = rig.cpu.root[Index]
        if mask:
            assert 3 <= index < variable(rig), n
        else:
            assert variable(rig) <= index < variable(rig) + SETS * WAYS
            assert (index - variable(rig)) % SETS == set_of(va)
            seen.add((index - variable(rig)) // SETS)
    assert seen == set(range(WAYS))


def test_an_entry_is_found_whatever_its_way_and_read_back(rig: Rig) -> None:
    for way in range(WAYS):
        va = KSEG2 + (77 + 256 * way) * PAIR
        operands(rig, va | 5, index=variable(rig) + way * SETS + set_of(va))
        do(rig, "tlbwi")
    for way in range(WAYS):
        va = KSEG2 + (77 + 256 * way) * PAIR
        operands(rig, va | 5)
        do(rig, "tlbp", "tlbr")
        assert rig.cpu.root[Index] == variable(rig) + way * SETS + set_of(va)
        assert rig.cpu.root[EntryHi] == va & rig.cpu.state.vpn_mask | 5
        assert rig.cpu.tlb.find(va, 5) == rig.cpu.root[Index]
        assert rig.cpu.tlb.find(va, 6) is None


@pytest.mark.parametrize("what", ["set", "size", "double"])
def test_what_cannot_be_there_is_a_machine_check(rig: Rig, what: str) -> None:
    va, place = KSEG2 + 9 * PAIR, variable(rig) + set_of(KSEG2 + 9 * PAIR)
    operands(rig, va | 5, index=place)
    do(rig, "tlbwi")
    before = list(rig.cpu.tlb)
    if what == "double":
        operands(rig, va & -0x8000 | 5, mask=LARGER, index=1)
    else:
        operands(rig, va + 2048 * PAIR | 5, index=place + (what == "set"), mask=LARGER if what == "size" else 0)
    rig.code(0x4000, "tlbwi")
    rig.cpu.pc = CODE
    rig.run_to(rig.cpu.ticks + 1)
    assert (Cause.ExcCode.of(rig.cpu.root[Cause]), rig.cpu.pc) == (ExcCode.MCheck, EBASE + 0x180)
    assert list(rig.cpu.tlb) == before


def test_tlbinvf_takes_the_vtlb_or_one_set(rig: Rig) -> None:
    places = [0, variable(rig) - 1, *(variable(rig) + way * SETS + 5 for way in range(WAYS)), variable(rig) + 6]

    def valid_after(*instructions: str, index: int) -> list[int]:
        rig.cpu.tlb.clear()
        for n in places:
            number = n - variable(rig)
            va = (number % SETS + 2 * SETS * (number // SETS)) * PAIR if number >= 0 else 0x40_0000 + n * PAIR
            rig.cpu.tlb[n] = TlbEntry(KSEG2 + va | 5, 0, V, V)
        operands(rig, 5, index=index)
        do(rig, *instructions)
        return [n for n in places if not rig.cpu.tlb[n].ehinv]

    for instruction in ("tlbinv", "tlbinvf"):
        assert valid_after(instruction, index=0) == places[2:]
        assert valid_after(instruction, index=variable(rig) + 5) == places[:2] + places[-1:]
        assert valid_after(instruction, index=variable(rig) + 2 * SETS + 5) == places[:2] + places[-1:]
    rig.cpu.root[EntryHi] = 6
    rig.cpu.root[Index] = variable(rig) + 5
    assert valid_after("nop", index=variable(rig) + 5) == places


def test_another_page_size_is_taken_if_the_core_has_it_and_empties_it(rig: Rig) -> None:
    largest = rig.model.ftlb_largest_page
    operands(rig, KSEG2 | 5, index=variable(rig))
    do(rig, "tlbwi")
    for asked, taken in ((2, 2), (largest + 1, 2), (0, 2), (largest, largest), (1, 1)):
        rig.cpu.move_to(Config4, Config4.FTLBPageSize.at(asked))
        assert Config4.FTLBPageSize.of(rig.cpu.root[Config4]) == taken
    assert all(entry.ehinv for entry in rig.cpu.tlb)
    rig.cpu.move_to(Config4, Config4.FTLBPageSize.at(2))
    va = KSEG2 + 0x8000 * 77
    operands(rig, va | 5, mask=LARGER)
    do(rig, "tlbwr", "tlbp")
    assert (rig.cpu.root[Index] - variable(rig)) % SETS == set_of(va, 0x8000)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_p5600_starts_without_it_and_software_switches_it_on(engine: str) -> None:
    rig = fresh(engine, "P5600")
    assert Config.MT.of(rig.cpu.root[Config]) == 1
    operands(rig, KSEG2 | 5)
    rig.cpu.gpr[8] = Config6.FTLBEn.mask
    do(rig, "tlbwr", "tlbp", "mtc0 $8, $16, 6")
    assert rig.cpu.root[Index] < 64 and Config.MT.of(rig.cpu.root[Config]) == 4
    operands(rig, KSEG2 + PAIR | 5)
    do(rig, "tlbwr", "tlbp", "mtc0 $0, $16, 6")
    assert rig.cpu.root[Index] >= 64 and Config.MT.of(rig.cpu.root[Config]) == 1
    do(rig, "tlbp")
    assert rig.cpu.root[Index] == NONE


@pytest.mark.parametrize("engine", ENGINES)
def test_a_guest_has_one_of_its_own(engine: str) -> None:
    cpu = fresh(engine, "P5600").cpu
    cpu.move_to(Config6, Config6.FTLBEn.mask, guest=True)
    assert (Config.MT.of(cpu.guest[Config]), Config.MT.of(cpu.root[Config])) == (4, 1)
    cpu.guest_tlb[64 + set_of(0x4000)] = TlbEntry(0x4000, 0, V, V)
    assert cpu.guest_tlb.find(0x4000, 0) == 64 + set_of(0x4000)
    assert cpu.tlb.find(0x4000, 0) is None


@pytest.mark.parametrize("engine", ENGINES)
def test_ginvt_reaches_the_ftlb_and_asks_for_the_other_cpus(engine: str) -> None:
    rig = fresh(engine, "I6500")
    cpu, size = rig.cpu, rig.cpu.tlb.variable
    cpu.move_to(Config5, cpu.root[Config5] | Config5.MI.mask)
    cpu.root[MemoryMapID] = 7
    cpu.root[Wired] = 1
    for va, index in ((KSEG2, 0), (KSEG2 + PAIR, size + set_of(KSEG2 + PAIR)), (KSEG2 + 2 * PAIR, 3)):
        operands(rig, va, index=index)
        do(rig, "tlbwi")
    cpu.gpr[8] = KSEG2 + PAIR

    def left(kind: str) -> list[int]:
        do(rig, kind)
        return [n for n, entry in enumerate(cpu.tlb) if not entry.ehinv]

    assert left("ginvt $8, 1") == [0, 3]
    cpu.root[MemoryMapID] = 8
    assert left("ginvt $8, 2") == [0, 3]
    assert left("ginvt $8, 0") == [0]
    cpu.root[MemoryMapID] = 7
    assert left("ginvt $8, 2") == []
    assert [event[2] for event in rig.events] == [1, 2, 0, 2]


def test_ginvt_empties_the_other_cpus_too() -> None:
    machine = Machine(find_model("I6500"), 2, 1 << 20, engine="reference")
    for cpu in machine.cpus:
        cpu.tlb[3] = TlbEntry(KSEG2, 0, V, V)
    state = machine.cpus[0].state
    state.stop_address, state.stop_code, state.stop_value, state.stop_size = 0, 0, 0, 0
    machine.invalidate_globally(machine.cpus[0])
    assert [cpu.tlb[3].ehinv for cpu in machine.cpus] == [False, True]
    assert state.io_ready == 1
