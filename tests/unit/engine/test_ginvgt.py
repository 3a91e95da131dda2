"""GINVGT: guests' TLBs on all CPUs, by GuestCtl1.RID; each type as a sentence.  (rows KW-5, HM-10; mips.md 4.4)"""
from __future__ import annotations

from random import Random

import pytest

from tests.support.engines import ENGINES, encode, fresh
from vmm.arch.cp0.registers import (
    EPC,
    Cause,
    Config5,
    EBase,
    EntryHi,
    GuestCtl0,
    GuestCtl1,
    MemoryMapID,
    Status,
    Wired,
    sign_extended,
)
from vmm.arch.exceptions import ExcCode
from vmm.arch.insns import ROWS
from vmm.arch.models import MODELS, find_model
from vmm.arch.rows import available
from vmm.arch.stops import Stop
from vmm.engine.cpu import Cpu, TlbEntry
from vmm.host.machine import Machine

KSEG0, KSEG2 = sign_extended(0x8000_0000), sign_extended(0xC000_0000)
CODE, GUEST_CODE, VECTORS, GUEST_VECTORS, DATA = 0x4000, 0x6000, 0x1000, 0x2000, 0x8000
V, G, ALL_RIGHTS = 2, 1, 7
VPN = find_model("I6500").vpn_mask
PAIR, SETS, VTLB = 0x2000, 128, 16
GUESTS, SPACES, PAGES = (1, 2, 3), (5, 6), 6
MINE, WIRED = 2, 2
"""The guest that RID names in these tests; wired entries of each guest context."""


def filled(cpu: Cpu, r: Random) -> None:
    """Entries of many guests in the guest's TLB, some wired, and as many in root's, which are none of GINVGT's.  Nothing is
    looked up, so two may match one address."""
    for index in (*range(VTLB), *(VTLB + way * SETS + page for way in range(4) for page in range(PAGES))):
        page = (index - VTLB) % SETS if index >= VTLB else PAGES + index % 4
        shared = G * (r.random() < 0.3)
        for tlb in (cpu.tlb, cpu.guest_tlb):
            tlb[index] = TlbEntry(KSEG2 + page * PAIR | r.choice(SPACES), 0, V | shared, V | shared, r.choice(GUESTS))


def entries(cpu: Cpu) -> dict[int, TlbEntry]:
    return {n: entry for n, entry in enumerate(cpu.guest_tlb) if not entry.ehinv}


def goes(how: int, va: int, space: int, index: int, entry: TlbEntry) -> bool:
    if entry.guest_id != MINE:
        return False
    shared, own_space = bool(entry.entry_lo0 & entry.entry_lo1 & G), entry.entry_hi & 0xFF == space
    here = (entry.entry_hi ^ va) & VPN == 0
    return (index >= WIRED, here, own_space and not shared, here and (own_space or shared))[how]


def machine_of(engine: str, cpus: int) -> Machine:
    """Each CPU at CODE, in root's kernel, with what GINVGT asks for."""
    machine = Machine(find_model("I6500"), cpus, 1 << 20, engine=engine)
    for cpu in machine.cpus:
        cpu.root[Status], cpu.root[EBase], cpu.root[GuestCtl1] = Status.KX.mask, KSEG0 | VECTORS, MINE << 16
        cpu.guest[Wired] = WIRED
        cpu.pc = KSEG0 | CODE
    return machine


def execute(machine: Machine, number: int, line: str, va: int) -> Stop:
    """One instruction; how it stopped first."""
    cpu = machine.cpus[number]
    machine.ram.store(CODE, 4, encode("I6500", line))
    cpu.gpr[8], cpu.pc = va, KSEG0 | CODE
    cpu.refresh()
    until = cpu.ticks + 1
    first = cpu.run(until)
    if first is Stop.GLOBAL_INVALIDATE:
        machine.invalidate_globally(cpu)
        assert cpu.run(until) is Stop.BUDGET
    return first


@pytest.mark.parametrize("engine", ENGINES)
def test_what_each_type_takes_on_all_cpus(engine: str) -> None:
    r, machine = Random(1), machine_of(engine, 3)
    taken = 0
    for trial in range(24):
        for cpu in machine.cpus:
            cpu.tlb.clear(0)
            cpu.guest_tlb.clear(0)
            filled(cpu, r)
            cpu.guest[EntryHi] = r.choice(SPACES)
        how, va, number = trial % 4, KSEG2 + r.randrange(PAGES + 4) * PAIR + r.randrange(PAIR), r.randrange(3)
        space = machine.cpus[number].guest[EntryHi]
        before, roots = [entries(cpu) for cpu in machine.cpus], [list(cpu.tlb) for cpu in machine.cpus]
        assert execute(machine, number, f"ginvgt $8, {how}", va) is Stop.GLOBAL_INVALIDATE
        for cpu, old, root in zip(machine.cpus, before, roots, strict=True):
            assert entries(cpu) == {n: e for n, e in old.items() if not goes(how, va, space, n, e)}, trial
            assert list(cpu.tlb) == root
            taken += len(old) - len(entries(cpu))
    assert taken > 100


@pytest.mark.parametrize("engine", ENGINES)
def test_roots_mmids_are_not_asked_for(engine: str) -> None:
    """Tags in a guest's TLB are the guest's; GINVT of root wants MMIDs, and takes root's own."""
    machine = machine_of(engine, 1)
    cpu = machine.cpus[0]
    for mmids in (0, Config5.MI.mask):
        cpu.move_to(Config5, cpu.root[Config5] & ~Config5.MI.mask | mmids)
        cpu.root[MemoryMapID], cpu.guest[EntryHi] = 6, 5
        cpu.guest_tlb[4] = TlbEntry(KSEG2 | 5, 0, V, V, MINE)
        cpu.guest_tlb[5] = TlbEntry(KSEG2 + PAIR | 6, 0, V, V, MINE)
        execute(machine, 0, "ginvgt $8, 2", 0)
        assert list(entries(cpu)) == [5]


def ended(cpu: Cpu) -> ExcCode:
    return ExcCode(Cause.ExcCode.of(cpu.root[Cause]))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("model", "status", "code"), [
    ("I6400", 0, ExcCode.RI), ("P5600", 0, ExcCode.RI), ("I6500", Status.KSU.at(2), ExcCode.CpU)])
def test_who_may_not(engine: str, model: str, status: int, code: ExcCode) -> None:
    rig = fresh(engine, model)
    cpu = rig.cpu
    rig.code(CODE, encode("I6500", "ginvgt $8, 0"))
    cpu.tlb[0] = TlbEntry(0x4000, 0, CODE >> 6 | ALL_RIGHTS, CODE + 0x1000 >> 6 | ALL_RIGHTS)
    cpu.root[Status], cpu.root[EBase], cpu.pc = status, KSEG0 | VECTORS, CODE if status else KSEG0 | CODE
    cpu.refresh()
    rig.run_to(1)
    assert ended(cpu) == code and not rig.events


def in_guest(cpu: Cpu) -> None:
    """At GUEST_CODE in the kernel of guest MINE, whose physical memory is one to one."""
    cpu.root[GuestCtl0] |= GuestCtl0.GM.mask | GuestCtl0.CP0.mask | GuestCtl0.AT.mask
    cpu.root[GuestCtl1] = MINE << 16 | MINE
    cpu.tlb[0] = TlbEntry(0, 0x7_E000, ALL_RIGHTS, 0x4_0000 >> 6 | ALL_RIGHTS, MINE)
    cpu.root[Status], cpu.root[EPC] = Status.EXL.mask | Status.KX.mask, KSEG0 | GUEST_CODE
    cpu.guest[Status], cpu.guest[EBase] = 0, KSEG0 | GUEST_VECTORS
    cpu.pc = KSEG0 | CODE
    cpu.refresh()


@pytest.mark.parametrize("engine", ENGINES)
def test_in_a_guest_it_is_reserved(engine: str) -> None:
    rig = fresh(engine, "I6500")
    rig.code(CODE, "eret")
    rig.code(GUEST_CODE, "ginvgt $8, 0")
    in_guest(rig.cpu)
    rig.run_to(2)
    assert rig.cpu.in_guest and rig.cpu.pc == (KSEG0 | GUEST_VECTORS) + 0x180
    assert Cause.ExcCode.of(rig.cpu.guest[Cause]) == ExcCode.RI


@pytest.mark.parametrize("engine", ENGINES)
def test_a_guest_that_runs_on_another_cpu_no_longer_uses_what_went(engine: str) -> None:
    """Also not what the engine remembers of it."""
    machine = machine_of(engine, 2)
    runs = machine.cpus[1]
    machine.ram.store(DATA, 4, 77)
    for at, line in ((CODE, "eret"), (GUEST_CODE, "lw $9, 0($8)"), (GUEST_CODE + 4, "bc .-4")):
        machine.ram.store(at, 4, encode("I6500", line, KSEG0 | at))
    runs.guest_tlb[9] = TlbEntry(KSEG2, 0, DATA >> 6 | ALL_RIGHTS, ALL_RIGHTS, MINE)
    in_guest(runs)
    runs.gpr[8] = KSEG2
    runs.run(20)
    assert (runs.gpr[9], runs.in_guest, runs.guest[Cause]) == (77, True, 0)
    for other, refills in ((MINE + 1, 0), (MINE, 1)):
        machine.cpus[0].root[GuestCtl1] = other << 16
        execute(machine, 0, "ginvgt $8, 1", KSEG2)
        machine.ram.store(CODE, 4, encode("I6500", "eret"))
        runs.run(runs.ticks + 10)
        assert Cause.ExcCode.of(runs.guest[Cause]) == (ExcCode.TLBL if refills else ExcCode.Int)


def test_cores_have_it_that_have_vz_and_ginv() -> None:
    has = {name for name, model in MODELS.items()
           if "ginvgt" in {row.name for row in available(ROWS, release=model.release, bits=model.bits, ases=model.ases)}}
    assert has == {name for name, model in MODELS.items() if {"VZ", "GINV"} <= model.ases} == {"I6500"}
    for fewer in ({"VZ"}, {"GINV"}):
        assert "ginvgt" not in {row.name for row in available(ROWS, release=6, bits=64, ases=frozenset(fewer))}
