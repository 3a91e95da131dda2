"""A debugger's watchpoints: every kind of access stops before it happens, and says where it would have been."""
from __future__ import annotations

import pytest

from tests.support.engines import ENGINES, Rig, fresh
from vmm.arch.cp0.fields import sign_extended
from vmm.arch.cp0.registers import Cause, Config5, Status, WatchHi, WatchLo
from vmm.arch.exceptions import ExcCode
from vmm.arch.state import SKIP_ALL
from vmm.arch.stops import WATCHED_LOAD, WATCHED_STORE, Stop
from vmm.engine.cpu import Watch

CODE, DATA = 0x4000, sign_extended(0x8000_8000)
LOAD, STORE = WATCHED_LOAD, WATCHED_STORE
ACCESSES: tuple[tuple[str, str, int, int, int], ...] = (
    # core, instruction with DATA in $8 and 8 in $9, where from DATA, bytes, kind
    ("P5600", "lw $10, 4($8)", 4, 4, LOAD), ("P5600", "sb $10, 7($8)", 7, 1, STORE),
    ("P5600", "swl $10, 2($8)", 0, 4, STORE), ("P5600", "ll $10, 4($8)", 4, 4, LOAD),
    ("P5600", "sdc1 $f2, 8($8)", 8, 8, STORE), ("P5600", "sdxc1 $f2, $9($8)", 8, 8, STORE),
    ("P5600", "lwxc1 $f2, $9($8)", 8, 4, LOAD), ("P5600", "st.d $w1, 16($8)", 16, 16, STORE),
    ("P5600", "ld.b $w1, 3($8)", 3, 16, LOAD),
    ("I6500", "ll $10, 4($8)", 4, 4, LOAD), ("I6500", "sd $10, 8($8)", 8, 8, STORE),
    ("I6500", "lw $10, 5($8)", 5, 4, LOAD), ("I6500", "st.w $w1, 16($8)", 16, 16, STORE),
)


def ready(engine: str, core: str, line: str) -> Rig:
    rig = fresh(engine, core)
    cpu = rig.cpu
    cpu.root[Status] = Status.CU1.mask | Status.FR.mask
    cpu.root[Config5] |= Config5.MSAEn.mask
    cpu.gpr[8], cpu.gpr[9], cpu.gpr[10] = DATA, 8, 0x55
    rig.code(CODE, line)
    cpu.pc = sign_extended(0x8000_0000 + CODE)
    cpu.refresh()
    return rig


@pytest.mark.parametrize(("core", "line", "offset", "size", "kind"), ACCESSES, ids=lambda value: str(value))
@pytest.mark.parametrize("engine", ENGINES)
def test_an_access_stops_and_says_what_it_is(engine: str, core: str, line: str, offset: int, size: int, kind: int) -> None:
    rig = ready(engine, core, line)
    cpu, at = rig.cpu, rig.cpu.pc
    last = DATA + offset + size - 1
    cpu.set_watches([Watch(last, last, kind == LOAD, kind == STORE)])
    before = bytes(rig.memory.block.bytes)
    for stop in (cpu.run(cpu.ticks + 10), cpu.step()):
        assert stop is Stop.WATCH
        state = cpu.state
        assert (state.stop_address, state.stop_size, state.stop_code) == (DATA + offset, size, kind)
        assert cpu.pc == at and bytes(rig.memory.block.bytes) == before
    cpu.state.skip_break = SKIP_ALL
    assert cpu.step() is Stop.STEP and cpu.pc == at + 4


@pytest.mark.parametrize("engine", ENGINES)
def test_the_other_kind_of_access_goes_on(engine: str) -> None:
    rig = ready(engine, "P5600", "sw $10, 4($8)")
    rig.cpu.set_watches([Watch(DATA, DATA + 7, True, False)])
    assert rig.cpu.step() is Stop.STEP and rig.get(0x8004, 4) == 0x55


@pytest.mark.parametrize("engine", ENGINES)
def test_a_breakpoint_that_is_passed_does_not_hide_a_watchpoint(engine: str) -> None:
    rig = ready(engine, "P5600", "sw $10, 4($8)")
    cpu = rig.cpu
    cpu.set_watches([Watch(DATA, DATA + 7, False, True)])
    cpu.set_breaks([cpu.pc])
    assert cpu.run(cpu.ticks + 10) is Stop.BREAK
    assert cpu.step() is Stop.WATCH


@pytest.mark.parametrize("engine", ENGINES)
def test_a_vector_makes_nobody_overlook_a_watch_register(engine: str) -> None:
    """It is in the same page, which the engine then knows."""
    rig = ready(engine, "P5600", "ld.b $w1, 64($8)")
    rig.code(CODE + 4, "lw $10, 8($8)")
    rig.cpu.root[WatchLo], rig.cpu.root[WatchHi] = DATA + 8 | 2, WatchHi.G.mask
    rig.cpu.refresh()
    rig.run_to(rig.cpu.ticks + 2)
    assert Cause.ExcCode.of(rig.cpu.root[Cause]) == ExcCode.Watch
