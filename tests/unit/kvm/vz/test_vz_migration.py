"""VZ vCPUs that change CPUs all the time keep what is theirs.  Rows VZ-20..VZ-23, VZ-31, VZ-32, VZ-64, TM-19, FX-4."""
from __future__ import annotations

import pytest

from tests.unit.kvm.vz.test_vz_fpu import rounds, with_fpu
from tests.unit.kvm.vz.test_vz_run import LEAVE_BOOT
from tests.unit.kvm.vz.test_vz_share import MODELS_VZ, SHARE
from tests.unit.kvm.vz.vz_rig import END, START, Rig, make_rig
from vmm.host.kernel.tasks import Task
from vmm.kvm.vcpu import Vcpu

CPUS, RHYTHM, QUANTUM, LIMIT = 4, 4_000, 3_000, 3_000_000
APART = 0x2000
DEVICE = "lui $16, 0xb800"
WITH_OLD_LL = MODELS_VZ[:2]
"""The encodings that the rig assembles are those before release 6."""


def moving(model: str) -> Rig:
    return make_rig(model, cpus=CPUS, quantum=QUANTUM, migrate=RHYTHM)


def finish(rig: Rig, *vcpus: Vcpu) -> list[list[int]]:
    """To their ends; the CPUs that each one came to."""
    visited: list[list[int]] = []
    tasks: list[Task] = []
    for vcpu in vcpus:
        task = rig.start(vcpu)
        visited.append([])
        task.on_sched_in.append(visited[-1].append)
        tasks.append(task)
    rig.kernel.scheduler.run(LIMIT, lambda: all(task.done for task in tasks))
    assert all(task.done for task in tasks)
    return visited


def at(number: int) -> int:
    return START + APART * number


@pytest.mark.parametrize("model", MODELS_VZ)
@pytest.mark.parametrize("count", [1, 3, 6])
def test_wired_entries_come_along(model: str, count: int) -> None:
    """VZ-23; other entries may be lost."""
    rig = moving(model)
    guests = [SHARE.format(lo=(0x20 + 4 * n) << 6 | 0x1F, mark=60 + n, end=END) for n in range(count)]
    vcpus = [rig.add_vcpu(source, at=at(n)) for n, source in enumerate(guests)]
    visited = finish(rig, *vcpus)
    assert sorted(rig.values()) == [60 + n for n in range(count)]
    assert all(len(set(cpus)) == CPUS for cpus in visited)


@pytest.mark.parametrize("model", MODELS_VZ)
def test_count_never_goes_back(model: str) -> None:
    """TM-18, VZ-64, VZ-65: hard and soft timer take over from each other at each change."""
    rig = moving(model)
    source = (f"{LEAVE_BOOT}; {DEVICE}; addiu $20, $0, 8000; mfc0 $11, $9; loop:; mfc0 $9, $9; subu $10, $9, $11;"
              f"bltz $10, bad; nop; addu $11, $9, $0; addiu $20, $20, -1; bne $20, $0, loop; nop; sw $0, 0($16); {END};"
              f"bad:; sw $10, 4($16); {END}")
    visited = finish(rig, rig.add_vcpu(source), rig.add_vcpu(source, at=at(1)))
    assert rig.values() == [0, 0]
    assert all(len(cpus) >= 8 for cpus in visited)


@pytest.mark.parametrize("model", MODELS_VZ)
def test_no_timer_interrupt_is_lost_or_early(model: str) -> None:
    """Sets Compare 1000 ticks on, ten times, when Cause.TI says that it was reached; then says how long that took."""
    rig = moving(model)
    source = (f"{LEAVE_BOOT}; {DEVICE}; addiu $20, $0, 10; mfc0 $11, $9; addiu $12, $11, 1000; mtc0 $12, $11; ehb;"
              "loop:; mfc0 $9, $13; sll $9, $9, 1; bgez $9, loop; nop; addiu $12, $12, 1000; mtc0 $12, $11; ehb;"
              f"addiu $20, $20, -1; bne $20, $0, loop; nop; mfc0 $9, $9; subu $9, $9, $11; sw $9, 0($16); {END}")
    vcpus = rig.add_vcpu(source), rig.add_vcpu(source, at=at(1))
    finish(rig, *vcpus)
    assert len(rig.values()) == 2
    assert all(10_000 <= taken < 12_000 for taken in rig.values())


@pytest.mark.parametrize("model", WITH_OLD_LL)
def test_no_update_between_ll_and_sc_is_lost(model: str) -> None:
    rig = moving(model)
    source = (f"{LEAVE_BOOT}; {DEVICE}; lui $17, 0x8002; addiu $20, $0, 2000; loop:; ll $9, 0($17); addiu $9, $9, 1;"
              f"sc $9, 0($17); beq $9, $0, loop; nop; addiu $20, $20, -1; bne $20, $0, loop; nop; {END}")
    finish(rig, *(rig.add_vcpu(source, at=at(n)) for n in range(3)))
    assert rig.vm.read(0x20000, 4) == (6000).to_bytes(4, "little")


@pytest.mark.parametrize("model", WITH_OLD_LL)
def test_a_link_does_not_survive_a_change_of_cpu(model: str) -> None:
    """VZ-20: the guest stays long between LL and SC, and changes CPU there."""
    rig = moving(model)
    source = (f"{LEAVE_BOOT}; {DEVICE}; lui $17, 0x8002; ll $9, 0($17); addiu $20, $0, 4000; wait:; addiu $20, $20, -1;"
              f"bne $20, $0, wait; nop; sc $9, 0($17); sw $9, 0($16); {END}")
    visited = finish(rig, rig.add_vcpu(source))
    assert len(visited[0]) >= 1 and rig.values() == [0]


@pytest.mark.parametrize("model", MODELS_VZ)
def test_floating_point_registers_come_along(model: str) -> None:
    """FX-4: they are on the CPU that it leaves, and nowhere else."""
    rig = moving(model)
    vcpus = [with_fpu(rig, rounds(n), number=n) for n in range(4)]
    visited = finish(rig, *vcpus)
    assert sorted(rig.values()) == [0x3EAA_AAAA, 0x3EAA_AAAA, 0x3EAA_AAAB, 0x3EAA_AAAB]
    assert all(len(set(cpus)) == CPUS for cpus in visited)
    assert not any(vcpu.fpu.fpu_in_use for vcpu in vcpus)


@pytest.mark.parametrize("model", MODELS_VZ)
def test_an_interrupt_that_comes_during_a_change_is_delivered_once(model: str) -> None:
    """CR-2, VZ-60: the wish is noted, and the lines are those of the CPU that it comes to."""
    rig = make_rig(model, cpus=CPUS, quantum=QUANTUM)
    source = (f"{LEAVE_BOOT}; {DEVICE}; loop:; mfc0 $9, $13; andi $9, $9, 0x0400; beq $9, $0, loop; nop; lw $10, 0($16);"
              f"low:; mfc0 $9, $13; andi $9, $9, 0x0400; bne $9, $0, low; nop; addiu $20, $20, 1; slti $9, $20, 5;"
              f"bne $9, $0, loop; nop; sw $20, 0($16); {END}")
    vcpu = rig.add_vcpu(source)
    task, scheduler = rig.start(vcpu), rig.kernel.scheduler
    for number in range(5):
        scheduler.run(scheduler.cpus[0].ticks + 9_000)
        scheduler.move(task, (number + 1) % CPUS)
        rig.vm.interrupt(2)
        scheduler.run(scheduler.cpus[0].ticks + 9_000)
        rig.vm.interrupt(-2)
    scheduler.run(LIMIT, lambda: task.done)
    assert rig.values() == [5]
