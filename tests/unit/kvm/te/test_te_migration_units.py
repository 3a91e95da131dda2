"""A trap-and-emulate vCPU that changes CPUs: time, interrupts, links and the FPU.

Rows TM-5, TM-19, C0-15, CR-2, GK-4, FX-2, FX-4, FX-5, FX-7, MC-11.
"""
from __future__ import annotations

import pytest

from tests.unit.kvm.moving import CPUS, Moving, go
from vmm.arch.cp0.registers import Status

MODELS = ("24Kf", "P5600", "MIPS64R5-generic", "I6500")
RHYTHM = 4_000
LEAVE_BOOT = """
        lui $t0, 0x4000
        mtc0 $t0, $15, 1
        mtc0 $zero, $12
        ehb
"""


@pytest.mark.parametrize("model", MODELS)
def test_count_never_goes_back(model: str) -> None:
    """TM-5: software keeps it, by a clock that is the same on all CPUs."""
    moving = Moving("te", model, migrate=RHYTHM)
    source = LEAVE_BOOT + """
        li $s2, 600
        mfc0 $t1, $9
again:  mfc0 $t0, $9
        subu $t2, $t0, $t1
        bltz $t2, back
        move $t1, $t0
        addiu $s2, $s2, -1
        bne $s2, $zero, again
        nop
back:   sw $s2, 0($s0)
"""
    moving.add(source)
    assert moving.finish()[0].values == [0]
    assert len(moving.said[0].visited) > 8


PERIOD, TIMES = 3_000, 12


@pytest.mark.parametrize("sleeps", [True, False], ids=["asleep", "awake"])
@pytest.mark.parametrize("model", MODELS)
def test_timer_interrupts_come_in_time_wherever_it_is(model: str, sleeps: bool) -> None:
    """TM-19: one for each passing of Compare, though the CPU on which it was set is left; the handler adds up how late."""
    handler = f"""
        mfc0 $k0, $9
        mfc0 $k1, $11
        subu $k0, $k0, $k1
        addu $s4, $s4, $k0
        addiu $k1, $k1, {PERIOD}
        mtc0 $k1, $11
        addiu $s3, $s3, 1
        eret
"""
    moving = Moving("te", model, migrate=RHYTHM)
    moving.add(LEAVE_BOOT + f"""
        li $s3, 0
        li $s4, 0
        mfc0 $s5, $9
        addiu $t0, $s5, {PERIOD}
        mtc0 $t0, $11
        li $t0, 0x8001
        mtc0 $t0, $12
        ehb
again:  {"wait" if sleeps else "nop"}
        slti $t0, $s3, {TIMES}
        bne $t0, $zero, again
        nop
        mfc0 $t0, $9
        mtc0 $zero, $12
        ehb
        subu $t0, $t0, $s5
        sw $s3, 0($s0)
        sw $s4, 4($s0)
        sw $t0, 8($s0)
""", vector=handler)
    count, late, taken = moving.finish()[0].values
    assert count == TIMES and late < TIMES * 200
    assert TIMES * PERIOD <= taken < TIMES * PERIOD + 500
    assert set(moving.said[0].visited) == set(range(CPUS))


@pytest.mark.parametrize("model", MODELS)
def test_it_wakes_on_the_cpu_that_it_was_moved_to(model: str) -> None:
    """A destination that is free, while it sleeps in WAIT; a line ends that (MC-11)."""
    moving = Moving("te", model)
    vcpu = moving.add(LEAVE_BOOT + """
        li $t0, 0x400                   # masked by IE only
        mtc0 $t0, $12
        ehb
        wait
        sw $zero, 0($s0)
""")
    task = moving.tasks[0]
    moving.run(lambda: task.sleeping)
    moving.kernel.scheduler.move(task, 2)
    moving.vm.interrupt(2)
    moving.finish()
    assert [cpu for *_, cpu in moving.said[0].stores] == [2]
    assert vcpu.stats["halt_wakeup"] == 1


@pytest.mark.parametrize("model", MODELS)
def test_an_interrupt_that_comes_while_it_moves_is_taken_once(model: str) -> None:
    """The line goes up when the CPU was just asked for another; the handler's load takes it down."""
    handler = """
        lw $k0, 0x20($s0)
        addiu $s3, $s3, 1
        eret
"""
    moving, rounds = Moving("te", model), 16

    def lower() -> int:
        moving.vm.interrupt(-2)
        return 0

    moving.on_load = lower
    moving.add(LEAVE_BOOT + f"""
        li $s3, 0
        li $t0, 0x401
        mtc0 $t0, $12
        ehb
again:  slti $t0, $s3, {rounds}
        bne $t0, $zero, again
        nop
        mtc0 $zero, $12
        ehb
        sw $s3, 0($s0)
""", vector=handler)
    scheduler = moving.kernel.scheduler
    for number in range(rounds):
        scheduler.run(scheduler.cpus[0].ticks + 5_000)
        scheduler.move(moving.tasks[0], (number + 1) % CPUS)
        moving.vm.interrupt(2)
    assert moving.finish()[0].values == [rounds]
    assert len(moving.said[0].visited) >= rounds - 1


@pytest.mark.parametrize("model", MODELS)
def test_a_link_does_not_survive_a_change_of_cpu(model: str) -> None:
    moving = Moving("te", model)
    moving.add(LEAVE_BOOT + f"addiu $s3, $s1, 0x2000\n ll $t0, 0($s3)\n {go(1)} sc $t0, 0($s3)\n sw $t0, 0($s0)\n"
               "ll $t0, 0($s3)\n addiu $t0, $t0, 5\n sc $t0, 0($s3)\n sw $t0, 0($s0)\n lw $t0, 0($s3)\n sw $t0, 0($s0)\n")
    assert [(value, cpu) for _, value, cpu in moving.finish()[0].stores] == [(0, 1), (1, 1), (5, 1)]


# -- the FPU -----------------------------------------------------------------------------------------------------------

FPU_ON = """
        lui $t0, 0x2400
        mtc0 $t0, $12
        ehb
"""


def with_fpu(model: str, source: str) -> tuple[Moving, list[list[bool]]]:
    """To its end, and at each store to a device which CPUs let user mode use their FPU."""
    moving, lent = Moving("te", model), list[list[bool]]()
    moving.add(LEAVE_BOOT + FPU_ON + source, lambda vm, vcpu: vm.enable_fpu(vcpu))
    moving.on_store = lambda value: lent.append([bool(cpu.root[Status] & Status.CU1.mask) for cpu in moving.kernel.cpus])
    moving.finish()
    return moving, lent


@pytest.mark.parametrize("model", MODELS)
def test_the_fpu_is_taken_along_only_where_it_is_used(model: str) -> None:
    """FX-2, FX-4: one trap for each change of CPU with a use behind it, none else; no CPU that it left lends its own."""
    use = "mfc1 $t1, $f2\n mfc1 $t1, $f2\n sw $t1, 0($s0)\n"
    moving, lent = with_fpu(model, f"li $t1, 0x1234\n mtc1 $t1, $f2\n {go(1)} {go(3)} {go(2)} {use} {go(0)} {use}")
    assert [(value, cpu) for _, value, cpu in moving.said[0].stores] == [(0x1234, 2), (0x1234, 0)]
    vcpu = moving.vm.vcpus[0]
    unused, _ = with_fpu(model, f"{go(1)} {go(3)} {go(2)} sw $t1, 0($s0)\n {go(0)} sw $t1, 0($s0)\n")
    assert vcpu.stats["cop_unusable"] - unused.vm.vcpus[0].stats["cop_unusable"] == 3
    assert lent == [[False] * CPUS] * 2, "a device access ends KVM_RUN, and vcpu_put takes it back"
    assert not vcpu.fpu.fpu_in_use


@pytest.mark.parametrize("model", MODELS)
def test_only_the_cpu_that_it_is_on_lends_its_fpu(model: str) -> None:
    """While it runs, by a rhythm: looked at when others of the host's CPUs have their turns."""
    moving = Moving("te", model, migrate=RHYTHM)
    loop = "li $s2, 20000\nagain: mfc1 $t1, $f2\n addiu $s2, $s2, -1\n bne $s2, $zero, again\n nop\n"
    moving.add(LEAVE_BOOT + FPU_ON + loop, lambda vm, vcpu: vm.enable_fpu(vcpu))
    scheduler, seen = moving.kernel.scheduler, set()
    while not moving.over:
        scheduler.run(scheduler.cpus[0].ticks + 1_300)
        lending = {n for n, cpu in enumerate(moving.kernel.cpus) if cpu.root[Status] & Status.CU1.mask}
        assert lending <= {moving.tasks[0].cpu}
        assert bool(lending) == moving.vm.vcpus[0].fpu.fpu_in_use
        seen |= lending
    assert seen == set(range(CPUS))
