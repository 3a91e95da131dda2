"""VPs of one core on one FTLB: the two engines do the same, and a plain model says which entry translates.

Every operation is an instruction that one VP of several executes.  (Linux, arch/mips/include/asm/cpu-features.h:
cpu_has_shared_ftlb_ram, cpu_has_shared_ftlb_entries)
"""
from __future__ import annotations

from dataclasses import dataclass
from random import Random

import pytest

from tests.support.engines import COMPARED, ENGINES, encode
from vmm.arch.cp0.fields import Register
from vmm.arch.cp0.registers import (
    Config5,
    EBase,
    EntryHi,
    EntryLo0,
    EntryLo1,
    Index,
    MemoryMapID,
    PageMask,
    Status,
)
from vmm.arch.models import find_model
from vmm.arch.state import LENT, OFFSET, TLB_SLOTS, TlbSlot
from vmm.arch.stops import Stop
from vmm.debug.explain.compares import entry_at, written_for
from vmm.engine.cpu import Cpu, TlbEntry
from vmm.host.machine import Machine
from vmm.host.machine.topology import Topology

KSEG0 = 0xFFFF_FFFF_8000_0000
CODE, VECTORS, DATA = 0x3000, 0x1000, 0x10_0000
PAIRS = (0x40_0000, 0x50_0000, 0x40_2000)                  # the first two are of one set
V, D, G = 2, 4, 1
VTLB, SETS, WAYS = 16, 128, 4
INSNS = ("tlbwi", "tlbwr", "tlbp", "tlbr", "tlbinv", "tlbinvf", "ginvt $4, 0", "ginvt $4, 1", "ginvt $4, 2", "ginvt $4, 3",
         "lw $2, 0($4)", "sw $5, 0($4)")
WEIGHTS = (4, 6, 3, 2, 1, 1, 1, 1, 2, 2, 16, 4)


@dataclass(frozen=True)
class Step:
    """What one VP executes, with what in its registers."""
    cpu: int
    insn: str
    va: int
    space: int
    page: int
    index: int
    shared: int
    value: int


def steps(seed: int, cpus: int, count: int, insns: tuple[str, ...], weights: tuple[int, ...]) -> list[Step]:
    r = Random(seed)
    made = []
    for _ in range(count):
        va = r.choice(PAIRS)
        at = VTLB + r.randrange(WAYS) * SETS + va // 0x2000 % SETS
        made.append(Step(r.randrange(cpus), r.choices(insns, weights)[0], va, r.randrange(1, 4), r.randrange(8),
                         r.choice((at, at, at, r.randrange(VTLB))), int(r.random() < 0.1), r.getrandbits(31)))
    return made


class Core:
    """The VPs of a core, each with MMIDs or with ASIDs."""

    def __init__(self, engine: str, model: str, mmids: tuple[bool, ...], topology: Topology | None = None) -> None:
        self.machine = Machine(find_model(model), topology or len(mmids), 2 << 20, engine=engine)
        self.name = model
        for cpu, on in zip(self.machine.cpus, mmids, strict=True):
            cpu.move_to(Config5, cpu.move_from(Config5) | (Config5.MI.mask if on else 0))
            assert bool(cpu.root[Config5] & Config5.MI.mask) == on
            cpu.root[EBase] = KSEG0 | VECTORS
        for page in range(8):
            self.machine.ram.store(DATA + 0x1000 * page, 4, 0x1000 + page)

    def do(self, step: Step) -> Cpu:
        cpu, lo = self.machine.cpus[step.cpu], DATA + 0x1000 * step.page >> 6 | V | D | step.shared
        values: dict[type[Register], int] = {
            EntryHi: step.va | step.space, EntryLo0: lo, EntryLo1: V | step.shared, PageMask: 0, Index: step.index,
            Status: Status.KX.mask}
        for register, value in values.items():
            cpu.root[register] = value
        if cpu.root[Config5] & Config5.MI.mask:
            cpu.root[EntryHi], cpu.root[MemoryMapID] = step.va, step.space
        self.machine.ram.store(CODE, 4, encode(self.name, step.insn))
        cpu.gpr[4], cpu.gpr[5], cpu.pc = step.va, step.value, KSEG0 | CODE
        cpu.refresh()
        until = cpu.ticks + 1
        while cpu.ticks < until:
            if cpu.run(until) is Stop.GLOBAL_INVALIDATE:
                self.machine.invalidate_globally(cpu)
        return cpu


def differing(one: Core, other: Core) -> list[tuple[int, str]]:
    """The slots, by CPU, in which the states of two cores differ."""
    pairs = zip(one.machine.cpus, other.machine.cpus, strict=True)
    return [(a.number, name) for a, b in pairs for name in COMPARED if a.state.array(name) != b.state.array(name)]


@pytest.mark.parametrize("model, mmids", [
    ("I6500", (True, True)), ("I6500", (True, True, True, True)), ("I6500", (True, False, True)), ("I6400", (False, False)),
])
def test_the_engines_agree(model: str, mmids: tuple[bool, ...]) -> None:
    insns, weights = (INSNS, WEIGHTS) if model == "I6500" else (INSNS[:6] + INSNS[10:], WEIGHTS[:6] + WEIGHTS[10:])
    cores = [Core(engine, model, mmids) for engine in ENGINES]
    for n, step in enumerate(steps(len(mmids), len(mmids), 300, insns, weights)):
        one, other = (core.do(step) for core in cores)
        assert (one.pc, one.gpr[2], one.root[Index]) == (other.pc, other.gpr[2], other.root[Index]), step
        if n % 20 == 0:
            assert differing(*cores) == [], step


class Plain:
    """The FTLB set of one address: four ways, who wrote each, and what siblings may use."""

    def __init__(self, lends: bool) -> None:
        self.lends = lends
        self.ways: dict[int, tuple[int, int, int, bool]] = {}       # way: VP, space, page, for everyone

    def page(self, cpu: int, space: int) -> int | None:
        own = [page for vp, tag, page, _ in self.ways.values() if vp == cpu and tag == space]
        lent = [page for _, tag, page, suits_all in self.ways.values() if suits_all and tag == space]
        return own[0] if own else lent[0] if lent and self.lends else None


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("model, mmid", [("I6500", True), ("I6500", False), ("I6400", False)])
def test_own_entries_come_first_then_what_siblings_lend(engine: str, model: str, mmid: bool) -> None:
    core, plain, r, va = Core(engine, model, (mmid,) * 3), Plain(model == "I6500"), Random(7), PAIRS[0]
    borrowed = 0
    for _ in range(600):
        cpu, space, page, way = r.randrange(3), r.randrange(1, 4), r.randrange(8), r.randrange(WAYS)
        index = VTLB + way * SETS + va // 0x2000 % SETS
        write = Step(cpu, "tlbwi", va, space, page, index, 0, 0)
        if r.random() < 0.4 and not any(vp == cpu and tag == space for vp, tag, _, _ in plain.ways.values()):
            if any(tag == space and old != page for _, tag, old, _ in plain.ways.values()):
                continue                               # siblings that disagree may hit either
            core.do(write)
            plain.ways[way] = cpu, space, page, mmid
        elif r.random() < 0.2:
            core.do(Step(cpu, "tlbinvf", va, 0, 0, index, 0, 0))     # one's own of the set
            plain.ways = {n: entry for n, entry in plain.ways.items() if entry[0] != cpu}
        else:
            wanted = plain.page(cpu, space)
            found = core.do(Step(cpu, "lw $2, 0($4)", va, space, 0, 0, 0, 0))
            if wanted is None:
                assert found.pc == KSEG0 | VECTORS
            else:
                assert (found.pc, found.gpr[2]) == (KSEG0 | CODE + 4, 0x1000 + wanted)
                borrowed += not any(vp == cpu and tag == space for vp, tag, _, _ in plain.ways.values())
    assert bool(borrowed) == mmid


def entry_of(core: Core, cpu: int, index: int) -> int:
    return core.machine.cpus[cpu].state.array("root_tlb")[index * TLB_SLOTS + TlbSlot.VALID]


def test_global_entries_are_lent_whatever_the_mode_and_a_guest_s_never() -> None:
    core, index = Core("reference", "I6500", (False, True)), VTLB + PAIRS[0] // 0x2000 % SETS
    core.do(Step(0, "tlbwi", PAIRS[0], 1, 0, index, G, 0))
    assert entry_of(core, 1, index) == 1 | LENT and core.machine.cpus[1].tlb.find(PAIRS[0], 2) == index
    core.do(Step(0, "tlbwi", PAIRS[0], 1, 0, index, 0, 0))
    assert entry_of(core, 1, index) == 1 and core.machine.cpus[1].tlb.find(PAIRS[0], 1) is None
    core.machine.cpus[1].tlb[index] = TlbEntry(PAIRS[0], 0, V, V, guest_id=3, mmid=1)
    assert entry_of(core, 0, index) == 2 and core.machine.cpus[0].tlb.find(PAIRS[0], 1, 3) is None


def test_a_vp_that_is_reset_leaves_what_its_siblings_have() -> None:
    core, index = Core("native", "I6500", (True, True)), VTLB + PAIRS[0] // 0x2000 % SETS
    core.do(Step(0, "tlbwi", PAIRS[0], 1, 3, index, 0, 0))
    core.do(Step(1, "tlbwi", PAIRS[1], 1, 4, index + SETS, 0, 0))
    assert core.do(Step(1, "lw $2, 0($4)", PAIRS[0], 1, 0, 0, 0, 0)).gpr[2] == 0x1003
    core.machine.cpus[0].reset()
    assert core.do(Step(1, "lw $2, 0($4)", PAIRS[0], 1, 0, 0, 0, 0)).pc == KSEG0 | VECTORS
    assert core.do(Step(1, "lw $2, 0($4)", PAIRS[1], 1, 0, 0, 0, 0)).gpr[2] == 0x1004


def test_cores_do_not_share() -> None:
    machine = Machine(find_model("I6500"), 5, 1 << 20)
    index = VTLB + PAIRS[0] // 0x2000 % SETS
    machine.cpus[0].tlb[index] = TlbEntry(PAIRS[0], 0, V | G, V | G)
    assert [cpu.tlb.find(PAIRS[0], 9) for cpu in machine.cpus] == [index] * 4 + [None]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_global_invalidation_reaches_vps_of_all_cores_and_clusters(engine: str) -> None:
    core, index = Core(engine, "I6500", (True,) * 6, Topology(6, 2, 1)), VTLB + PAIRS[0] // 0x2000 % SETS
    for cpu in range(6):
        core.do(Step(cpu, "tlbwi", PAIRS[0], 1, cpu, index + cpu % 2 * SETS, 0, 0))
        assert core.do(Step(cpu, "lw $2, 0($4)", PAIRS[0], 1, 0, 0, 0, 0)).gpr[2] == 0x1000 + cpu
    core.do(Step(3, "ginvt $4, 3", PAIRS[0], 1, 0, 0, 0, 0))
    assert all(core.do(Step(cpu, "lw $2, 0($4)", PAIRS[0], 1, 0, 0, 0, 0)).pc == KSEG0 | VECTORS for cpu in range(6))


def test_a_lent_entry_is_explained_as_that() -> None:
    core, index = Core("reference", "I6500", (True, True)), VTLB + PAIRS[0] // 0x2000 % SETS
    core.do(Step(0, "tlbwi", PAIRS[0], 1, 3, index, 0, 0))
    slot = OFFSET["root_tlb"] + index * TLB_SLOTS
    said = [written_for(cpu.state, entry_at(cpu.state, 0, slot), tag)
            for cpu in core.machine.cpus for tag in ("MMID", "ASID")]
    assert [(found.holds, found.text) for found in said] == [
        (True, "holds an entry")] * 2 + [(True, "lent by a sibling"), (False, "a sibling's own")]
