"""MSA's control registers: which number names which."""
from __future__ import annotations

import pytest

from tests.support.engines import ENGINES, fresh
from vmm.arch.cp0.registers import Config5, Status

CODE, KSEG0 = 0x1000, 0xFFFF_FFFF_8000_0000


@pytest.mark.parametrize("model", ["I6400", "I6500"])
@pytest.mark.parametrize("engine", ENGINES)
def test_cfcmsa_reads_msair_and_msacsr_by_their_numbers(engine: str, model: str) -> None:
    """MSAIR is 0 and MSACSR 1; the others come with vector register partitioning, which no core here has (MD00866, 3.4)."""
    rig = fresh(engine, model)
    rig.cpu.root[Status], rig.cpu.root[Config5] = Status.FR.mask | Status.CU1.mask, Config5.MSAEn.mask
    rig.cpu.state.msacsr = 0x0100_0003
    rig.code(CODE, *(line for number in range(8) for line in (f"cfcmsa $8, ${number}", f"sw $8, {4 * number}($9)")))
    rig.cpu.gpr[9] = KSEG0 + 0x2000
    rig.cpu.pc = KSEG0 + CODE
    rig.cpu.refresh()
    rig.run_to(rig.cpu.ticks + 16)
    assert rig.model.msair != 0
    assert [rig.get(0x2000 + 4 * number, 4) for number in range(8)] == [rig.model.msair, 0x0100_0003, *[0] * 6]
