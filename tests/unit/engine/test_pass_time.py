"""Time that passes without an instruction stops at the CPU's own timer."""
from __future__ import annotations

import pytest

from tests.support.engines import ENGINES, fresh
from vmm.arch.cp0.registers import Compare


@pytest.mark.parametrize("engine", ENGINES)
def test_it_stops_at_a_match_of_compare(engine: str) -> None:
    cpu = fresh(engine, "24Kf").cpu
    cpu.move_to(Compare, cpu.count + 500)
    before = cpu.retired
    cpu.pass_time(1_000_000)
    assert cpu.ticks == 1000 and cpu.retired == before
    cpu.pass_time(10)
    assert cpu.ticks == 1000                                # never back
