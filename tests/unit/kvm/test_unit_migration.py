"""Guests whose vCPUs change CPUs keep every register of the FPU and of MSA, in both modes.  Rows FX-2..FX-5, FP-1, GK-7.

Each guest holds values of its own, which change all the time, so neither another guest's registers nor its own of some time
ago pass for them: it takes a table into the registers, dwells, and compares; then each word of the table changes.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Literal

import pytest

from tests.unit.kvm.moving import CPUS, MIB, Moving
from vmm.arch.cp0.registers import Config5, Status
from vmm.guest.placement import Mode
from vmm.kvm.vcpu import Vcpu
from vmm.kvm.vm import Vm

MOVES, RHYTHM = 100, 3_700
TABLE, SEEN, STOP = 0x2000, 0x3000, 0x4000                  # a guest's, from its base
VECTORS = 32
GROWTH = 0x1357_9BDF
GUESTS = 2
MODES: tuple[Mode, ...] = ("vz", "te")


@dataclass(frozen=True, slots=True)
class Unit:
    """Which registers hold the table, and how: instructions for number and offset."""
    status: int
    msa: bool
    count: int
    size: int
    load: str
    store: str
    step: int = 1

    @property
    def bytes(self) -> int:
        return self.count * self.size

    def all(self, what: str, base: str) -> str:
        return "\n".join(what.format(n=n * self.step, at=f"{n * self.size}({base})") for n in range(self.count))


UNITS = {
    "vectors": Unit(0x2400_0000, True, 32, 16, "ld.w $w{n}, {at}", "st.w $w{n}, {at}"),
    "doubles, FR=1": Unit(0x2400_0000, False, 32, 8, "ldc1 $f{n}, {at}", "sdc1 $f{n}, {at}"),
    "doubles, FR=0": Unit(0x2000_0000, False, 16, 8, "ldc1 $f{n}, {at}", "sdc1 $f{n}, {at}", 2),
    "singles, FR=1": Unit(0x2400_0000, False, 32, 4, "lwc1 $f{n}, {at}", "swc1 $f{n}, {at}"),
}
WITHOUT_FR_0 = "I6500"                                      # release 6 has FR=1 only


def program(unit: Unit, number: int) -> str:
    """The control registers differ from guest to guest, too: rounding mode and flags."""
    control = f"li $s4, {number + 1 | 0x7C:#x}\n ctc1 $s4, $31\n"
    check = "cfc1 $t3, $31\n li $t4, 0x7f\n and $t3, $t3, $t4\n bne $t3, $s4, wrong\n nop\n"
    if unit.msa:
        control += "lui $t0, 0x0800\n mtc0 $t0, $16, 5\n ehb\n ctcmsa $1, $s4\n"
        check += "cfcmsa $t3, $1\n and $t3, $t3, $t4\n bne $t3, $s4, wrong\n nop\n"
    return f"""
        lui $t0, {unit.status >> 16:#x}
        mtc0 $t0, $12
        ehb
        {control}
        li $s2, 0
        addiu $s5, $s1, {TABLE}
        addiu $s6, $s1, {SEEN}
        li $s7, {GROWTH:#x}
again:  {unit.all(unit.load, "$s5")}
        li $t0, 400
dwell:  addiu $t0, $t0, -1
        bne $t0, $zero, dwell
        nop
        {unit.all(unit.store, "$s6")}
        {check}
        lw $t5, {STOP}($s1)
        move $t0, $s5
        move $t1, $s6
        addiu $t2, $s5, {unit.bytes}
each:   lw $t3, 0($t0)
        lw $t4, 0($t1)
        bne $t3, $t4, wrong
        nop
        sw $zero, 0($t1)
        bne $t5, $zero, last            # it is to end: the table stays as the registers are
        nop
        addu $t3, $t3, $s7
        sw $t3, 0($t0)
last:   addiu $t0, $t0, 4
        addiu $t1, $t1, 4
        bne $t0, $t2, each
        nop
        addiu $s2, $s2, 1
        beq $t5, $zero, again
        nop
        sw $s2, 0($s0)
        b done
        nop
wrong:  sw $t3, 4($s0)
        sw $t4, 8($s0)
done:
"""


def prepared(unit: Unit) -> Callable[[Vm, Vcpu], None]:
    def prepare(vm: Vm, vcpu: Vcpu) -> None:
        vm.enable_fpu(vcpu)
        if unit.msa:
            vm.enable_msa(vcpu)
    return prepare


def held(moving: Moving, number: int) -> list[int]:
    """The table as vectors."""
    order: Literal["big", "little"] = "big" if moving.big_endian else "little"
    table = moving.vm.read(number * MIB + TABLE, VECTORS * 16)
    words = [int.from_bytes(table[at:at + 4], order) for at in range(0, len(table), 4)]
    return [sum(words[4 * n + lane] << 32 * lane for lane in range(4)) for n in range(VECTORS)]


@pytest.mark.parametrize("model, mode, unit, big_endian", [
    *((model, mode, unit, False) for model in ("P5600", "I6500") for mode in MODES for unit in UNITS
      if not (unit == "doubles, FR=0" and model == WITHOUT_FR_0)),
    ("P5600", "vz", "vectors", True), ("P5600", "te", "vectors", True),
])
def test_all_registers_hold_what_they_held(model: str, mode: Mode, unit: str, big_endian: bool) -> None:
    moving = Moving(mode, model, migrate=RHYTHM, big_endian=big_endian, guests=GUESTS)
    vcpus = [moving.add(program(UNITS[unit], number), prepared(UNITS[unit])) for number in range(GUESTS)]
    for number in range(GUESTS):
        moving.vm.write(number * MIB + TABLE, Random(number).randbytes(VECTORS * 16))
    moving.run(lambda: all(len(said.visited) >= MOVES for said in moving.said))
    for number in range(GUESTS):
        moving.vm.write(number * MIB + STOP, b"\1\1\1\1")
    for number, (said, vcpu) in enumerate(zip(moving.finish(), vcpus, strict=True)):
        assert [offset for offset, _, _ in said.stores] == [0], said.stores
        assert said.values[0] > MOVES / 2 and len(said.visited) >= MOVES and set(said.visited) == set(range(CPUS))
        assert not (vcpu.fpu.fpu_in_use or vcpu.fpu.msa_in_use)
        if UNITS[unit].msa:
            assert vcpu.fpu.vectors == held(moving, number)
    for cpu in moving.kernel.cpus:
        assert not cpu.root[Status] & Status.CU1.mask and not cpu.root[Config5] & Config5.MSAEn.mask
