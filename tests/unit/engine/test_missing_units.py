"""Units that no core here has: coprocessor 2 cannot be made usable, JALX is reserved.  (MD00090, Status.CU; MD00087)"""
from __future__ import annotations

import pytest

from tests.support.engines import ENGINES, MODELS, encode, fresh, rows_of
from vmm.arch.cp0.registers import EPC, Cause, EBase, Status, sign_extended
from vmm.arch.exceptions import ExcCode
from vmm.arch.rows import Insn

CODE = sign_extended(0x8000_4000)


def raised(engine: str, name: str, row: Insn) -> tuple[int, int]:
    """ExcCode and CE of an instruction after software has set all of Status.CU."""
    rig = fresh(engine, name)
    cpu = rig.cpu
    cpu.root[Status], cpu.root[EBase] = 0, sign_extended(0x8000_1000)
    cpu.gpr[8] = sign_extended(0xE000_0000)
    fields = {f.name: 2 for f in row.encoding.fields}
    rig.code(0x4000, encode(name, "mtc0 $8, $12"), row.encoding.join(**fields))
    cpu.pc = CODE
    cpu.refresh()
    rig.run_to(2)
    assert cpu.root[EPC] == CODE + 4, f"{row.name} raised nothing"
    return Cause.ExcCode.of(cpu.root[Cause]), Cause.CE.of(cpu.root[Cause])


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("engine", ENGINES)
def test_coprocessor_2_is_unusable(engine: str, name: str) -> None:
    rows = [row for row in rows_of(name) if row.family == "coprocessor" and not row.name.startswith(("cop1", "jalx"))]
    assert len(rows) >= 14
    for row in rows:
        assert raised(engine, name, row) == (ExcCode.CpU, 2), row.name


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("engine", ENGINES)
def test_jalx_is_reserved(engine: str, name: str) -> None:
    jalx = [row for row in rows_of(name) if row.name == "jalx"]
    assert bool(jalx) == (name not in ("mips32r6-generic", "I6500"))
    for row in jalx:
        assert raised(engine, name, row) == (ExcCode.RI, 0)
