"""What is explained of an address is what an engine then does: random TLBs, addresses, modes, contexts.

Cores: one without anything (24Kf), with segmentation control, FTLB, GuestID and walker (P5600), 64-bit (5KEf), and
release 6 with guests, where ASIDs or MMIDs tell entries apart (I6500).
"""
from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from tests.properties.chance import address, code_address, start_state
from tests.support.engines import RAM_SIZE, ROM, ROM_SIZE, Rig, encode, fresh
from vmm.arch.cp0.cells import LEGACY_SEGMENTS
from vmm.arch.cp0.registers import BadVAddr, Cause, Config5, MemoryMapID, Status
from vmm.arch.exceptions import ExcCode
from vmm.arch.models import find_model
from vmm.arch.privileged.exception import ADDRESS_CODES
from vmm.arch.privileged.names import FETCH, LOAD, STORE
from vmm.arch.stops import Stop
from vmm.debug.explain.compares import compares, entries_of, in_reach, set_of
from vmm.debug.explain.look import Seen, look
from vmm.engine.store import State

SEED, CASES = 5, 150
CODE = {FETCH: "ori $8, $0, 1", LOAD: "ll $8, 0($9)", STORE: "sw $8, 0($9)"}
"""All of the RAM is full of it, so it is executed wherever a fetch succeeds."""
MARK = 0x1234_5678
HOSTS = {"24Kf": ("24Kf", False), "P5600": ("P5600", False), "5KEf": ("5KEf", False), "I6500": ("I6500", False),
         "I6500 MMIDs": ("I6500", True)}


def copy_of(rig: Rig) -> State:
    state = State()
    state.block.bytes[:] = rig.cpu.state.block.bytes
    return state


def seen(rig: Rig, va: int, access: int) -> Seen:
    return look(copy_of(rig), rig.big_endian, rig.memory, va, access, 4)


def prepare(r: Random, rig: Rig, access: int, mmids: bool) -> int:
    """A state by chance in which nothing but the access can raise; the address."""
    rig.wipe()
    start_state(r, rig)
    cpu, wide = rig.cpu, rig.model.bits == 64
    for file in (cpu.root, cpu.guest):
        file[Status] &= ~Status.IE.mask
        file[Cause] &= ~Cause.WP.mask
        file[Config5] &= ~Config5.MI.mask
        if r.random() < 0.7:
            for register, layout in LEGACY_SEGMENTS.items():
                file[register] = layout
    if mmids:
        cpu.root[Config5] |= Config5.MI.mask
        cpu.root[MemoryMapID] = r.choice((0, 0, 1, 5))
    cpu.state.irq_lines = 0
    cpu.refresh()
    word = encode(rig.model.name, CODE[access])
    for base, size in ((0, RAM_SIZE), (ROM, ROM_SIZE)):
        rig.fill(base, [word] * (size // 4))
    va = address(r, wide)
    va &= -4 if access == STORE or r.random() < 0.8 else -1
    cpu.pc = va if access == FETCH else code_address(r, wide) & -4
    cpu.gpr[8], cpu.gpr[9] = MARK, va
    cpu.engine.forget()
    return va


def check(rig: Rig, told: Seen, access: int) -> str:
    """One step of the engine against what was told; what kind of outcome it was."""
    cpu, before = rig.cpu, rig.cpu.pc
    stop = cpu.step()
    if told.raised is not None:
        file = cpu.guest if told.raised.to_guest else cpu.root
        assert (cpu.pc, Cause.ExcCode.of(file[Cause])) == (told.raised.vector, told.raised.code)
        if told.raised.code in ADDRESS_CODES:
            assert file[BadVAddr] == told.raised.address
        return ("guest " if told.raised.to_guest else "root ") + ExcCode(told.raised.code).name
    assert told.physical is not None
    if not told.memory:
        assert stop is (Stop.LOAD if access == LOAD else Stop.STORE)
        assert cpu.state.stop_address == told.physical
        return "device"
    assert cpu.pc == before + 4
    if access == FETCH:
        assert cpu.gpr[8] == 1
    elif access == LOAD:
        assert cpu.state.lladdr == told.physical
    else:
        assert rig.get(told.physical, 4) == MARK
    return f"memory, {len(told.stages)} stages"


def check_compares(told: Seen) -> None:
    """All conditions hold for the entry that won; for no other, unless the TLB has two that match, as chance can make."""
    for stage in told.stages:
        lookup = stage.lookup
        if lookup is None or lookup.walked:
            continue
        chosen = set_of(told.state, lookup.tlb, stage.address)
        matching = [entry.slot for entry in entries_of(told.state, lookup.tlb)
                    if in_reach(entry, told.state, lookup.tlb, chosen)
                    and all(c.holds for c in compares(told.state, entry, stage.address, lookup))]
        assert bool(matching) == bool(lookup.found)
        assert not lookup.found or lookup.found in matching


def compare(name: str, seed: int, cases: int) -> Counter[str]:
    """So many cases on one kind of CPU; how often each kind of outcome came."""
    model, mmids = HOSTS[name]
    r, rig, outcomes = Random(f"{seed} {name}"), fresh("native", model), Counter[str]()
    for case in range(cases):
        access = r.choice((FETCH, LOAD, LOAD, STORE))
        va = prepare(r, rig, access, mmids)
        fetch = seen(rig, rig.cpu.pc, FETCH)
        untouched = bytes(rig.cpu.state.block.bytes) if case % 25 == 0 else b""
        told = fetch if access == FETCH or not fetch.memory or fetch.raised else seen(rig, va, access)
        check_compares(told)
        assert not untouched or rig.cpu.state.block.bytes == untouched
        outcomes[check(rig, told, FETCH if told is fetch else access)] += 1
    return outcomes


@pytest.mark.parametrize("name", HOSTS)
def test_what_is_told_is_what_an_engine_does(name: str) -> None:
    outcomes = compare(name, SEED, CASES)
    print(f"{name}: seed {SEED}, {CASES} cases, {dict(sorted(outcomes.items()))}")
    assert {"device", "memory, 1 stages", "root TLBL", "root AdEL"} <= outcomes.keys()
    if "VZ" in find_model(HOSTS[name][0]).ases:
        assert {"memory, 2 stages", "guest TLBL"} <= outcomes.keys()
