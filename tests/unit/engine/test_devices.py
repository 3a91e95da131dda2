"""Device accesses: they stop, are answered, and happen once, whatever the answer sets off."""
from __future__ import annotations

import pytest

from tests.support.engines import ENGINES, Rig, encode, fresh
from vmm.arch.cp0.registers import EPC, Cause, EBase, Status, sign_extended
from vmm.arch.stops import Stop

KSEG0, KSEG1 = sign_extended(0x8000_0000), sign_extended(0xA000_0000)
CODE, DEVICE, VECTORS = KSEG0 + 0x4000, KSEG1 + 0x1800_0000, KSEG0 + 0x1000
OPEN = Status.IE.mask | Status.IM.at(0xFC)


def ready(engine: str, *lines: str | int) -> Rig:
    rig = fresh(engine, "24Kf")
    rig.cpu.root[Status], rig.cpu.root[EBase] = OPEN, VECTORS
    rig.code(0x4000, *lines)
    rig.code(0x1180, "lw $10, 8($8)", "eret")
    rig.cpu.pc, rig.cpu.gpr[8] = CODE, DEVICE
    rig.cpu.refresh()
    return rig


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("line", "stop"), [("sw $9, 4($8)", Stop.STORE), ("lw $9, 4($8)", Stop.LOAD)])
@pytest.mark.parametrize("slot", [False, True], ids=["plain", "slot"])
@pytest.mark.parametrize("way", ["run", "step"])
def test_an_access_that_raises_an_interrupt_is_finished_first(engine: str, line: str, stop: Stop, slot: bool,
                                                              way: str) -> None:
    branch = encode("24Kf", "b target", CODE, target=CODE + 0x20)
    rig = ready(engine, *([branch, line] if slot else [line]))
    cpu = rig.cpu
    assert cpu.run(9000) == stop
    assert (cpu.state.stop_address, cpu.pc) == (0x1800_0004, CODE + 4 * slot)
    cpu.set_interrupt(4, True)
    cpu.complete_load(77)
    if way == "step":
        assert cpu.step() == Stop.STEP
        assert cpu.pc == (CODE + 0x20 if slot else CODE + 4)
    assert cpu.run(9000) == Stop.LOAD                  # the handler's own access, not yet answered
    assert cpu.state.stop_address == 0x1800_0008
    assert cpu.root[EPC] == (CODE + 0x20 if slot else CODE + 4)
    assert Cause.BD.of(cpu.root[Cause]) == 0
    if stop == Stop.LOAD:
        assert cpu.gpr[9] == 77
    assert cpu.ticks == 1 + slot


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("line", "size", "value"), [
    ("sb $9, 3($8)", 1, 0x88), ("sh $9, 2($8)", 2, 0x7788), ("sw $9, 4($8)", 4, 0x5566_7788)])
def test_a_store_gives_what_its_size_holds(engine: str, line: str, size: int, value: int) -> None:
    rig = ready(engine, line)
    rig.cpu.gpr[9] = 0x5566_7788
    assert rig.cpu.run(10) == Stop.STORE
    assert (rig.cpu.state.stop_size, rig.cpu.state.stop_value & (1 << 8 * size) - 1) == (size, value)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("line", "given", "taken"), [
    ("lb $9, 0($8)", 0x80, -128), ("lbu $9, 0($8)", 0x80, 0x80), ("lh $9, 0($8)", 0x8000, -0x8000),
    ("lw $9, 0($8)", 0x8000_0000, -0x8000_0000), ("ll $9, 0($8)", 5, 5)])
def test_a_load_takes_the_answer_as_memory_would_give_it(engine: str, line: str, given: int, taken: int) -> None:
    rig = ready(engine, line)
    assert rig.cpu.run(1) == Stop.LOAD
    rig.cpu.complete_load(given)
    assert rig.cpu.run(1) == Stop.BUDGET
    assert rig.cpu.gpr[9] == taken & (1 << 64) - 1


@pytest.mark.parametrize("engine", ENGINES)
def test_a_store_to_read_only_memory_is_a_devices(engine: str) -> None:
    rig = ready(engine, "lw $10, 0($8)", "sw $9, 0($8)")
    rig.cpu.gpr[8] = KSEG1 + 0x1FC0_0000
    assert rig.cpu.run(9000) == Stop.STORE
    assert rig.cpu.state.stop_address == 0x1FC0_0000
