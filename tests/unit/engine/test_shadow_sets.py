"""Shadow register sets, vectored interrupts that choose them, and an external interrupt controller."""
from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.engines import ENGINES, encode
from vmm.arch.cp0.cells import Cell
from vmm.arch.cp0.registers import EPC, Cause, Config3, EBase, IntCtl, SRSCtl, SRSMap, Status
from vmm.arch.models import CpuModel, find_model
from vmm.engine.cpu import Cpu
from vmm.engine.engine import make_engine
from vmm.engine.store import Memory

KSEG0 = 0xFFFF_FFFF_8000_0000
CODE, VECTORS = 0x4000, 0x1_0000
SETS = 4


def with_sets(external: bool) -> CpuModel:
    """A 5KEf with vectored interrupts and four register sets, and perhaps the pin of an external controller."""
    base = find_model("5KEf")
    config3 = Config3.VInt.mask | Config3.VEIC.mask * external
    root = {**base.root, Config3: Cell(config3), IntCtl: Cell(0xE000_0000, IntCtl.VS.mask), SRSMap: Cell(0, 0xFFFF_FFFF),
            SRSCtl: Cell(SRSCtl.HSS.at(SETS - 1), SRSCtl.ESS.mask | SRSCtl.PSS.mask)}
    return replace(base, name="with sets", root=root)


def make(engine: str, external: bool = False) -> Cpu:
    model, memory = with_sets(external), Memory(0x4_0000)
    memory.map(0, 0x4_0000, 0)
    cpu = Cpu(model, 0, False, memory, make_engine(engine, model, False, memory))
    cpu.root[EBase], cpu.root[Status] = KSEG0 + VECTORS, 0
    cpu.pc = KSEG0 + CODE
    return cpu


def code(cpu: Cpu, physical: int, *lines: str) -> None:
    memory = cpu.engine._memory if hasattr(cpu.engine, "_memory") else cpu.engine.memory  # type: ignore[attr-defined]
    for n, line in enumerate(lines):
        word = encode("5KEf", line, KSEG0 + physical + 4 * n)
        memory.block.bytes[physical + 4 * n:physical + 4 * n + 4] = word.to_bytes(4, "little")
    cpu.engine.forget()


def run(cpu: Cpu, ticks: int) -> None:
    cpu.refresh()
    cpu.run(cpu.ticks + ticks)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_exception_takes_its_own_set_and_eret_gives_back_the_old(engine: str) -> None:
    cpu = make(engine)
    code(cpu, CODE, "addiu $9, $0, 7", "syscall", "addiu $10, $9, 1")
    code(cpu, VECTORS + 0x180, "addiu $9, $0, 1", "rdpgpr $11, $9", "wrpgpr $12, $11", "mfc0 $9, $14",
         "addiu $9, $9, 4", "mtc0 $9, $14", "eret")
    cpu.root[SRSCtl] |= SRSCtl.ESS.at(2)
    run(cpu, 2)
    assert (SRSCtl.CSS.of(cpu.root[SRSCtl]), SRSCtl.PSS.of(cpu.root[SRSCtl])) == (2, 0)
    assert cpu.gpr[9] == 0
    run(cpu, 8)
    assert (cpu.gpr[9], cpu.gpr[10], cpu.gpr[11], cpu.gpr[12]) == (7, 8, 0, 7)
    assert SRSCtl.CSS.of(cpu.root[SRSCtl]) == 0 and cpu.state.array("shadow")[2 * 32 + 11] == 7


@pytest.mark.parametrize("engine", ENGINES)
def test_a_nested_exception_and_boot_vectors_leave_the_sets_alone(engine: str) -> None:
    cpu = make(engine)
    code(cpu, CODE, "syscall")
    cpu.root[SRSCtl] |= SRSCtl.ESS.at(3)
    cpu.root[Status] = Status.EXL.mask
    run(cpu, 1)
    assert SRSCtl.CSS.of(cpu.root[SRSCtl]) == 0
    cpu.pc, cpu.root[Status] = KSEG0 + CODE, Status.BEV.mask
    run(cpu, 1)
    assert SRSCtl.CSS.of(cpu.root[SRSCtl]) == 0 and cpu.root[EPC] == KSEG0 + CODE


@pytest.mark.parametrize("engine", ENGINES)
def test_a_vectored_interrupt_takes_the_set_of_its_line(engine: str) -> None:
    cpu = make(engine)
    cpu.root[SRSMap] = 3 << 4 * 5 | 1 << 4 * 2
    cpu.root[IntCtl] |= IntCtl.VS.at(2)
    cpu.root[Cause], cpu.root[Status] = Cause.IV.mask, Status.IM.mask | Status.IE.mask
    cpu.set_interrupt(2, True)
    cpu.set_interrupt(5, True)
    run(cpu, 0)
    assert cpu.pc == KSEG0 + VECTORS + 0x200 + 5 * 64
    assert SRSCtl.CSS.of(cpu.root[SRSCtl]) == 3


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("level", "mask", "vector", "taken"), [
    (9, 8, 0, 9), (9, 9, 0, None), (63, 0, 0, 63), (3, 0, 21, 21), (0, 0, 5, None)])
def test_an_external_controller_gives_level_vector_and_set(engine: str, level: int, mask: int, vector: int,
                                                           taken: int | None) -> None:
    cpu = make(engine, external=True)
    cpu.root[IntCtl] |= IntCtl.VS.at(1)
    cpu.root[Cause], cpu.root[Status] = Cause.IV.mask, mask << 10 | Status.IE.mask
    cpu.set_external_interrupt(level, vector, 1)
    run(cpu, 0)
    assert Cause.IPhw.of(cpu.root[Cause]) == level
    expected = KSEG0 + CODE if taken is None else KSEG0 + VECTORS + 0x200 + taken * 32
    assert (cpu.pc, SRSCtl.CSS.of(cpu.root[SRSCtl])) == (expected, 0 if taken is None else 1)
    assert SRSCtl.EICSS.of(cpu.root[SRSCtl]) == (0 if taken is None else 1)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_timer_goes_through_the_external_controller(engine: str) -> None:
    cpu = make(engine, external=True)
    cpu.root[IntCtl] |= IntCtl.VS.at(1)
    cpu.root[Cause], cpu.root[Status] = Cause.IV.mask | Cause.TI.mask, 5 << 10 | Status.IE.mask
    cpu.set_external_interrupt(6, 40)
    run(cpu, 0)
    assert cpu.pc == KSEG0 + VECTORS + 0x200 + 7 * 32, "IPTI is line 7, so the timer asks for level 7"


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("pending", "outside", "mask", "taken"), [
    (Cause.TI.mask, 0, 0, 30), (Cause.PCI.mask, 0, 0, 20), (Cause.IPsw.at(1), 0, 0, 10), (Cause.IPsw.at(2), 0, 0, 63),
    (Cause.TI.mask | Cause.PCI.mask, 0, 0, 30), (Cause.IPsw.at(1), 12, 0, 12), (Cause.PCI.mask, 12, 0, 20),
    (Cause.TI.mask, 0, 30, None), (Cause.TI.mask, 31, 30, 31), (0, 0, 0, None)])
def test_the_controller_has_said_what_the_cores_own_interrupts_ask_for(engine: str, pending: int, outside: int, mask: int,
                                                                       taken: int | None) -> None:
    cpu = make(engine, external=True)
    cpu.root[IntCtl] |= IntCtl.VS.at(1)
    cpu.root[Cause], cpu.root[Status] = Cause.IV.mask | pending, mask << 10 | Status.IE.mask
    cpu.set_eic_levels(30, 20, 10, 63)
    cpu.set_external_interrupt(outside)
    run(cpu, 0)
    assert cpu.pc == KSEG0 + (CODE if taken is None else VECTORS + 0x200 + taken * 32)


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_not_routed_asks_for_nothing_until_it_is(engine: str) -> None:
    cpu = make(engine, external=True)
    cpu.root[IntCtl] |= IntCtl.VS.at(1)
    cpu.root[Cause], cpu.root[Status] = Cause.IV.mask | Cause.TI.mask, Status.IE.mask
    cpu.set_eic_levels(0, 0, 0, 0)
    run(cpu, 0)
    assert cpu.pc == KSEG0 + CODE and Cause.IPhw.of(cpu.root[Cause]) == 0
    cpu.set_eic_levels(1, 0, 0, 0)
    run(cpu, 0)
    assert cpu.pc == KSEG0 + VECTORS + 0x200 + 32
