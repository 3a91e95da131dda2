"""Whose turn it is, and that LL and SC keep their promise between CPUs whatever the turns are."""
from __future__ import annotations

from functools import cache

import pytest

from tests.support.engines import ENGINES, mnemonics_of
from vmm.arch.assembler import assemble
from vmm.arch.cp0.registers import Status, sign_extended
from vmm.arch.models import find_model
from vmm.arch.stops import Stop
from vmm.errors import ConfigError
from vmm.host.machine import Machine
from vmm.host.machine.turns import LEAST_QUANTUM_TICKS, Turns

CODE, COUNTER, ROUNDS = 0x1000, 0x8000, 100
SEEDS = (0, 1, 7)

LINKED = """
again:
    ll $8, 0($4)
    addiu $8, $8, 1
    sc $8, 0($4)
    beq $8, $0, again
    nop
    addiu $5, $5, -1
    bne $5, $0, again
    nop
end: b end
    nop
"""
PLAIN = LINKED.replace("ll ", "lw ").replace("sc $8, 0($4)", "sw $8, 0($4)\nnop\nori $8, $0, 1")


def ends(turns: Turns, count: int) -> list[int]:
    found = [0]
    while len(found) <= count:
        found.append(turns.end(found[-1]))
    return found


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("quantum", [100, 101, 50_000])
def test_an_end_does_not_depend_on_when_in_the_turn_one_asks(seed: int, quantum: int) -> None:
    turns = Turns(quantum, seed)
    found = ends(turns, 50)
    for start, end in zip(found, found[1:], strict=False):
        assert quantum / 2 <= end - start <= quantum * 1.5 + 1 or start == 0
        assert {turns.end(now) for now in (start, (start + end) // 2, end - 1)} == {end}


def test_without_a_seed_turns_are_equal_and_in_order() -> None:
    turns = Turns(1000)
    assert ends(turns, 3) == [0, 1000, 2000, 3000]
    assert turns.order(2000, 5) == (0, 1, 2, 3, 4)


def test_a_seed_moves_ends_and_changes_orders_always_in_the_same_way() -> None:
    one, same, other = Turns(1000, 3), Turns(1000, 3), Turns(1000, 4)
    assert ends(one, 40) == ends(same, 40) != ends(other, 40)
    orders = [one.order(end, 64) for end in ends(one, 40)[1:]]
    assert all(sorted(order) == list(range(64)) for order in orders) and len(set(orders)) == 40
    assert orders == [same.order(end, 64) for end in ends(same, 40)[1:]]


def test_a_quantum_too_short_is_refused() -> None:
    with pytest.raises(ConfigError, match="--quantum 99: a loop of LL and SC must fit"):
        Turns(LEAST_QUANTUM_TICKS - 1)


@cache
def machine(engine: str, model: str, cpus: int) -> Machine:
    return Machine(find_model(model), cpus, 1 << 16, engine=engine)


def count_up(engine: str, model: str, cpus: int, text: str, turns: Turns) -> tuple[int, int]:
    """The counter that all CPUs count up, and its number of turns."""
    hardware = machine(engine, model, cpus)
    code = assemble(text, rows=mnemonics_of(model), base=sign_extended(0x8000_0000 + CODE)).code
    hardware.ram.write(CODE, code)
    hardware.ram.store(COUNTER, 4, 0)
    for cpu in hardware.cpus:
        cpu.reset()
        cpu.state.ticks = 0
        cpu.root[Status] = 0
        cpu.pc = sign_extended(0x8000_0000 + CODE)
        cpu.gpr[4], cpu.gpr[5] = sign_extended(0x8000_0000 + COUNTER), ROUNDS
        cpu.refresh()
    now = count = 0
    while any(cpu.gpr[5] for cpu in hardware.cpus):
        now, count = turns.end(now), count + 1
        for number in turns.order(now, cpus):
            assert hardware.cpus[number].run(now) is Stop.BUDGET
    return hardware.ram.load(COUNTER, 4), count


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("model", ["P5600", "I6500"])
@pytest.mark.parametrize("seed", SEEDS)
def test_no_update_is_lost_between_ll_and_sc(engine: str, model: str, seed: int) -> None:
    value, turns = count_up(engine, model, 5, LINKED, Turns(103, seed))
    assert value == 5 * ROUNDS and turns > 2


@pytest.mark.parametrize("engine", ENGINES)
def test_plain_loads_and_stores_lose_some(engine: str) -> None:
    """So the turns do cut the loop open, and each seed does it elsewhere."""
    found = [count_up(engine, "I6500", 5, PLAIN, Turns(103, seed)) for seed in SEEDS]
    assert len(set(found)) == len(SEEDS) and min(value for value, _ in found) < 5 * ROUNDS
    assert found == [count_up(engine, "I6500", 5, PLAIN, Turns(103, seed)) for seed in SEEDS]


def test_the_engines_have_the_same_interleaving() -> None:
    assert count_up("native", "I6500", 5, PLAIN, Turns(103, 7)) == count_up("reference", "I6500", 5, PLAIN, Turns(103, 7))


def test_64_cpus_count_together() -> None:
    assert count_up("native", "I6500", 64, LINKED, Turns(101, 5))[0] == 64 * ROUNDS


def test_a_link_ends_when_another_cpu_runs_but_not_by_a_device_access() -> None:
    one, other = machine("native", "I6500", 5).cpus[:2]
    one.run(one.ticks + 1)
    one.state.llbit = 1
    one.run(one.ticks + 1)
    assert one.state.llbit == 1
    other.run(other.ticks + 1)
    assert one.state.llbit == 0
