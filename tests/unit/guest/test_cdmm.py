"""The common device memory map: where it is, who reaches it, and the fast debug channel in it."""
from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.elf import Load, elf
from tests.support.engines import ALIAS, ENGINES, RAM_SIZE, ROM, Rig, fresh, mnemonics_of
from vmm.arch.assembler import assemble
from vmm.arch.cp0.registers import CDMMBase, Config3, Status, sign_extended
from vmm.arch.models import find_model
from vmm.arch.stops import Stop
from vmm.engine.cpu import Cpu
from vmm.guest.bare import BareSystem
from vmm.guest.cdmm import DeviceMap
from vmm.guest.devices.fdc import TX_DEPTH
from vmm.guest.image import Image, parse_image
from vmm.host.machine import Machine
from vmm.testing import Guest

CODE, ENTRY = 0x4000, 0x8010_0000
KSEG1 = sign_extended(0xA000_0000)
NOWHERE = 0x1000_0000
ACSR, FDCFG, FDSTAT, FDRX, FDTX = 0, 8, 0x10, 0x18, 0x20
EMPTY, ONLY_RX_EMPTY, FULL = 0x0A, 0x08, 0x09
BEYOND = 3 * 64
SPAN = 32 << 10
BUS = 0xEE
USER, SUPERVISOR, KERNEL = Status.KSU.at(2), Status.KSU.at(1), 0


def at(physical: int, *, enabled: bool = True) -> int:
    """CDMMBase for a place."""
    return physical >> 4 | CDMMBase.EN.at(enabled)


def execute(rig: Rig, own: DeviceMap, *lines: str) -> None:
    """These instructions, from kseg0; the bus answers what is neither memory nor the map."""
    cpu = rig.cpu
    rig.code(CODE, *lines)
    cpu.engine.forget()
    cpu.pc = sign_extended(0x8000_0000 + CODE)
    end = cpu.ticks + len(lines)
    while (stop := cpu.run(end)) is not Stop.BUDGET:
        address, size = cpu.state.stop_address, cpu.state.stop_size
        if stop is Stop.LOAD:
            cpu.complete_load(own.load(address, size) if own.covers(address) else BUS)
        else:
            assert stop is Stop.STORE
            if own.covers(address):
                own.store(address, size, cpu.state.stop_value)
            cpu.complete_store()


def ready(engine: str, big_endian: bool = False) -> tuple[Rig, DeviceMap]:
    rig = fresh(engine, "P5600", big_endian)
    rig.cpu.root[Status] = 0
    rig.cpu.refresh()
    return rig, DeviceMap(rig.cpu)


def one_cpu(base: int = NOWHERE) -> tuple[Cpu, DeviceMap]:
    cpu = fresh("reference", "P5600").cpu
    cpu.root[Status] = 0
    cpu.refresh()
    cpu.move_to(CDMMBase, at(base))
    return cpu, DeviceMap(cpu)


# -- the register ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("engine", ENGINES)
def test_base_and_enable_can_be_written_and_three_blocks_are_in_use(engine: str) -> None:
    rig, own = ready(engine)
    assert rig.cpu.move_from(CDMMBase) == 2 and Config3(rig.cpu.root[Config3]).CDMM
    rig.cpu.gpr[8] = sign_extended(0xFFFF_FFFF)
    execute(rig, own, "mtc0 $8, $15, 2", "mfc0 $9, $15, 2", "mtc0 $0, $15, 2", "mfc0 $10, $15, 2")
    assert (rig.cpu.gpr[9], rig.cpu.gpr[10]) == (sign_extended(0xFFFF_FC02), 2)


def test_the_register_holds_bits_35_to_15_of_the_address() -> None:
    _, own = one_cpu(0xF_FFFF_8000)
    assert own.covers(0xF_FFFF_8000) and own.covers(0xF_FFFF_FFFF)
    assert not own.covers(0xF_FFFF_7FFF) and not own.covers(0xF_FFFF_8000 & 0xFFFF_FFFF)


# -- where it is ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("big_endian", [False, True], ids=["little", "big"])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_kernel_finds_the_channel_and_sends(engine: str, big_endian: bool) -> None:
    rig, own = ready(engine, big_endian)
    rig.cpu.gpr[8], rig.cpu.gpr[9], rig.cpu.gpr[10] = at(NOWHERE), KSEG1 + NOWHERE, 0x1234_5678
    execute(rig, own, "mtc0 $8, $15, 2", "ehb", "lw $11, 0($9)", "lw $12, 8($9)", "lw $13, 16($9)",
            "sw $10, 0x38($9)", "lw $14, 16($9)", f"lw $15, {BEYOND}($9)", "lw $16, 0x7ffc($9)")
    assert list(rig.cpu.gpr)[11:17] == [sign_extended(0xFD02_0000), TX_DEPTH << 8 | 16, EMPTY, ONLY_RX_EMPTY, 0, 0]
    assert own.fdc.sent == [(3, 0x1234_5678)]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("place", [0x1_0000, ALIAS + 0x1_0000, ROM])
def test_it_lies_over_memory_only_while_it_is_enabled(engine: str, place: int) -> None:
    rig, own = ready(engine)
    rig.put(place, 4, 0x5555)
    rig.cpu.gpr[8], rig.cpu.gpr[9] = at(place), KSEG1 + place
    execute(rig, own, "lw $10, 0($9)", "mtc0 $8, $15, 2", "ehb", "lw $11, 0($9)", "sw $0, 0($9)", "lw $12, 0($9)",
            "mtc0 $0, $15, 2", "ehb", "lw $13, 0($9)")
    acsr = sign_extended(0xFD02_0000)
    assert list(rig.cpu.gpr)[10:14] == [0x5555, acsr, acsr, 0x5555]


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_is_fetched_from_it(engine: str) -> None:
    rig, _ = ready(engine)
    rig.code(0x8000, "nop", "nop")
    rig.cpu.pc = KSEG1 + 0x8000
    assert rig.cpu.run(rig.cpu.ticks + 1) is Stop.BUDGET and rig.cpu.pc == KSEG1 + 0x8004
    rig.cpu.move_to(CDMMBase, at(0x8000))
    rig.cpu.run(rig.cpu.ticks + 1)
    assert rig.cpu.pc == sign_extended(0x8000_0180)         # a bus error


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("seed", range(3))
def test_every_access_goes_where_the_map_is_now(engine: str, seed: int) -> None:
    """Random moves between random loads and stores, against a few lines that say what must be."""
    r, (rig, own) = Random(seed), ready(engine)
    pages = [*range(0x8000, RAM_SIZE, SPAN), *range(ALIAS, ALIAS + RAM_SIZE, SPAN), NOWHERE]
    pages.remove(ALIAS)                                     # where the code is
    memory: dict[int, int] = {}
    base, enabled = 0, False
    for n in range(150):
        if r.random() < 0.3:
            base, enabled = r.choice(pages), r.random() < 0.7
            rig.cpu.gpr[8] = at(base, enabled=enabled)
            execute(rig, own, "mtc0 $8, $15, 2", "ehb")
        page, offset = r.choice(pages), r.choice((BEYOND, BEYOND + 4, 0x1000, 0x7FFC))
        rig.cpu.gpr[9], rig.cpu.gpr[10] = KSEG1 + page + offset, n
        inside, cell = enabled and page == base, (page + offset) & ~ALIAS
        if r.random() < 0.5:
            execute(rig, own, "sw $10, 0($9)")
            if not inside:
                memory[cell] = n
        else:
            execute(rig, own, "lw $11, 0($9)")
            outside = BUS if page == NOWHERE else memory.get(cell, 0)
            assert rig.cpu.gpr[11] == (0 if inside else outside), f"access {n} at {page + offset:#x}, map {base:#x}"


def test_each_cpu_has_its_own() -> None:
    machine = Machine(find_model("P5600"), 2, 1 << 20, engine="reference")
    first, second = (DeviceMap(cpu) for cpu in machine.cpus)
    machine.cpus[0].move_to(CDMMBase, at(NOWHERE))
    assert first.covers(NOWHERE) and not second.covers(NOWHERE)
    machine.cpus[1].move_to(CDMMBase, at(NOWHERE))
    first.store(NOWHERE + FDTX, 4, 1)
    assert (first.load(NOWHERE + FDSTAT, 4), second.load(NOWHERE + FDSTAT, 4)) == (ONLY_RX_EMPTY, EMPTY)


def test_a_core_without_it_has_no_such_place() -> None:
    cpu = fresh("reference", "24Kf").cpu
    cpu.move_to(CDMMBase, at(NOWHERE))
    assert cpu.move_from(CDMMBase) == 0 and not DeviceMap(cpu).covers(NOWHERE)


# -- on a board --------------------------------------------------------------------------------------------------------
def program(*lines: str) -> Image:
    """The lines, and then the end of the run with the low byte of register 2 as its status."""
    code = ["li $9, 0xBF000000", *lines, "sw $2, 0x410($9)", "li $3, 0x42", "sw $3, 0x500($9)", "loop: b loop", "nop"]
    return parse_image("map", elf(Load(ENTRY, assemble("\n".join(code), rows=mnemonics_of("P5600"), base=ENTRY).code)))


@pytest.mark.parametrize("engine", ENGINES)
def test_on_malta_it_can_lie_over_the_boot_rom_where_linux_puts_it(engine: str) -> None:
    image = program("li $8, 0x01FC1400", "mtc0 $8, $15, 2", "ehb", "li $10, 0xBFC10000",
                    *["sw $8, 0x98($10)"] * (TX_DEPTH + 1), "lw $2, 0x10($10)")
    guest = Guest(image, mode="bare", cpu="P5600", engine=engine)
    assert guest.finish(within=10_000).status == FULL
    assert isinstance(guest.system, BareSystem)
    assert guest.system.device_maps[0].fdc.sent == [(15, 0x01FC_1400)] * TX_DEPTH


def test_a_guest_of_the_hypervisor_is_not_shown_one() -> None:
    image = program("mfc0 $2, $16, 3", "andi $2, $2, 8", "mfc0 $3, $15, 2", "or $2, $2, $3", "addiu $2, $2, 1")
    assert Guest(image, mode="vz", cpu="P5600").finish(within=10_000_000).status == 1


# -- who reaches it ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("mode", "right", "reads", "writes"), [
    (KERNEL, 0, True, True), (SUPERVISOR, 0, False, False), (USER, 0, False, False),
    (SUPERVISOR, 1, True, False), (SUPERVISOR, 2, False, True), (SUPERVISOR, 0xC, False, False),
    (USER, 4, True, False), (USER, 8, False, True), (USER, 3, False, False)])
def test_the_acsr_says_who_reads_and_writes(mode: int, right: int, reads: bool, writes: bool) -> None:
    cpu, own = one_cpu()
    own.store(NOWHERE + ACSR, 4, 0xFFFF_FFF0 | right)
    cpu.root[Status] = mode
    cpu.refresh()
    assert own.load(NOWHERE + ACSR, 4) == (0xFD02_0000 | right if reads else 0)
    own.store(NOWHERE + FDTX, 4, 1)
    assert bool(own.fdc.sent) == writes


# -- the fast debug channel --------------------------------------------------------------------------------------------
def test_without_a_probe_the_fifo_fills_and_what_comes_after_is_lost() -> None:
    _, own = one_cpu()
    for n in range(TX_DEPTH + 3):
        assert (own.load(NOWHERE + FDSTAT, 4) == FULL) == (n >= TX_DEPTH)
        own.store(NOWHERE + FDTX + 8 * (n % 16), 4, n)
    assert own.fdc.sent == [(n % 16, n) for n in range(TX_DEPTH)]
    assert own.load(NOWHERE + FDRX, 4) == 0 and own.load(NOWHERE + FDTX, 4) == 0


def test_of_the_configuration_only_thresholds_can_be_written() -> None:
    _, own = one_cpu()
    before = own.load(NOWHERE + FDCFG, 4)
    own.store(NOWHERE + FDCFG, 4, 0xFFFF_FFFF)
    assert own.load(NOWHERE + FDCFG, 4) == before | 0xF_0000


accesses = st.lists(st.tuples(st.booleans(), st.sampled_from((1, 2, 4, 8)), st.integers(0, 2 * BEYOND // 8 - 1),
                              st.integers(0, 7), st.integers(0, (1 << 64) - 1)), max_size=60)


def perform(own: DeviceMap, steps: list[tuple[bool, int, int, int, int]]) -> list[int]:
    seen = []
    for is_store, size, block, lane, value in steps:
        physical = NOWHERE + 8 * block + (lane & -size)
        if is_store:
            own.store(physical, size, value & (1 << 8 * size) - 1)
        else:
            seen.append(own.load(physical, size))
            assert 0 <= seen[-1] < 1 << 8 * size
    return seen


@settings(max_examples=60, deadline=None, derandomize=True)
@given(accesses, accesses)
def test_random_accesses_and_a_snapshot_goes_on(before: list[tuple[bool, int, int, int, int]],
                                                after: list[tuple[bool, int, int, int, int]]) -> None:
    cpu, one = one_cpu()
    other = DeviceMap(cpu)
    perform(one, before)
    other.fdc.restore(one.fdc.save())
    assert perform(one, after) == perform(other, after)
    assert one.fdc.sent == other.fdc.sent and len(one.fdc.sent) <= TX_DEPTH
