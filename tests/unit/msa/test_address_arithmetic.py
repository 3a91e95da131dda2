"""LSA and DLSA, which came with MSA before release 6 had them: a left shift by 1 to 4, and an addition.  (MD00866, LSA)"""
from __future__ import annotations

from itertools import product

import pytest

from tests.support.engines import ENGINES, MASK, encode, fresh
from vmm.arch.cp0.registers import Config5, Status, sign_extended

CODE = sign_extended(0x8000_4000)
VALUES = (0, 1, 0x1234_5678, 0x7FFF_FFFF, sign_extended(0x8000_0000), MASK)
WIDE = (*VALUES, 0x1234_5678_9ABC_DEF0, 1 << 63)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("model", "name", "values"), [
    ("P5600", "lsa", VALUES), ("MIPS64R5-generic", "lsa", VALUES), ("MIPS64R5-generic", "dlsa", WIDE)])
@pytest.mark.parametrize("shift", [1, 2, 3, 4])
def test_it_shifts_and_adds(model: str, name: str, values: tuple[int, ...], shift: int, engine: str) -> None:
    rig = fresh(engine, model)
    rig.cpu.root[Config5] |= Config5.MSAEn.mask
    rig.cpu.root[Status] = 0
    rig.code(0x4000, encode(model, f"{name} $9, $8, $7, {shift}"))
    for shifted, added in product(values, values):
        before = list(rig.cpu.gpr)
        rig.cpu.gpr[8], rig.cpu.gpr[7], rig.cpu.pc = shifted, added, CODE
        rig.cpu.refresh()
        rig.run_to(rig.cpu.ticks + 1)
        total = (shifted << shift) + added & MASK
        wanted = total if name == "dlsa" else sign_extended(total & 0xFFFF_FFFF)
        assert rig.cpu.gpr[9] == wanted
        assert [n for n in range(32) if rig.cpu.gpr[n] != before[n] and n not in (7, 8, 9)] == []
        assert (rig.cpu.gpr[8], rig.cpu.gpr[7], rig.cpu.pc) == (shifted, added, CODE + 4)
