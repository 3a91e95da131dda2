"""CPUs that go and come while tasks run.  Rows HM-52, VZ-24, VZ-30; cpu_down, cpu_up, synchronise_count of Linux."""
from __future__ import annotations

from random import Random

import pytest

from tests.unit.guest.test_host import LIMIT, Watched, alone
from tests.unit.host_kernel.test_fairness import Busy, cpu_of
from tests.unit.host_kernel.test_host_timers import scheduler, spawn
from tests.unit.kvm.vz.vz_rig import make_rig
from vmm.arch.cp0.registers import Config5, Count, EntryHi, MemoryMapID, Status
from vmm.arch.models import MODELS
from vmm.host.kernel.kernel import Kernel
from vmm.host.kernel.tasks import Body, Sleep
from vmm.host.machine import Machine
from vmm.kvm.vz import ids

QUANTUM = 100


def test_tasks_leave_a_cpu_that_goes_and_return_when_it_is_back() -> None:
    sched, gone = scheduler(3, QUANTUM), list[tuple[int, int]]()
    sched.gone = lambda cpu: gone.append((cpu, sched.cpus[cpu].ticks))
    busy = [Busy(sched) for _ in range(3)]
    pinned = Busy(sched, frozenset({1}))
    sched.run(2_000)
    sched.take_down(1)
    sched.run(4_000)
    assert sched.online.cpus == [0, 2] and [cpu for cpu, _ in gone] == [1]
    assert 2_000 <= gone[0][1] <= 2_000 + 2 * QUANTUM
    assert all(cpu_or_none != 1 for cpu_or_none in (b.task.cpu for b in (*busy, pinned)))
    assert pinned.task.affinity is None and pinned.seen[-1][1] > 3_500
    sched.bring_up(1)
    assert sched.cpus[1].ticks >= 4_000 and sched.online.cpus == [0, 1, 2]
    sched.run(8_000)
    assert any(cpu == 1 and tick > 4_000 for b in (*busy, pinned) for cpu, tick in b.seen)
    for b in (*busy, pinned):
        times = [tick for _, tick in b.seen]
        assert times == sorted(times)
    shares = [b.task.vruntime for b in (*busy, pinned)]
    assert max(shares) - min(shares) <= 6 * QUANTUM


def test_who_sleeps_wakes_elsewhere() -> None:
    sched, seen = scheduler(2, QUANTUM), list[int]()

    def body() -> Body:
        while True:
            seen.append(cpu_of(task))
            yield Sleep(until_ns=sched.now_ns() + 5_000)

    task = spawn(sched, body())
    sched.run(1_600)
    sched.take_down(0)
    sched.run(4_000)
    assert seen[0] == 0 and set(seen[5:]) == {1}


def test_the_last_cpu_stays_and_none_goes_or_comes_twice() -> None:
    sched = scheduler(2)
    sched.take_down(0)
    with pytest.raises(ValueError, match="it is the last that could run anything"):
        sched.take_down(1)
    with pytest.raises(ValueError, match="CPU 0 is asked to leave; there are"):
        sched.take_down(0)
    with pytest.raises(ValueError, match="CPU 1 is asked to come; it is there"):
        sched.bring_up(1)


@pytest.mark.parametrize("mmids", [False, True])
def test_a_cpu_comes_back_as_from_boot(mmids: bool) -> None:
    """HM-52: with an empty TLB and the kernel's own registers, whatever was left in them."""
    kernel = Kernel(Machine(MODELS["I6500"], 2, 16 << 20), mmids=mmids)
    boot = {r: kernel.cpus[1].root[r] for r in kernel.cpus[1].core.model.root}  # type: ignore[attr-defined]
    kernel.cpu_down(1)
    kernel.scheduler.run(1)
    assert kernel.scheduler.online.cpus == [0]
    assert kernel.flusher.online.load() == 0b01
    core, tlb = kernel.cpus[1], kernel.tlbs[1]
    tlb.write(3, 0x4000, 2, 2)
    for register in (Status, EntryHi, MemoryMapID, Config5):
        core.root[register] = 0                             # type: ignore[index]
    kernel.cpus[0].skip_to(10_000)
    kernel.cpu_up(1)
    assert kernel.flusher.online.load() == 0b11 and core.ticks == 10_000
    assert tlb.probe(0x4000, 0) is None
    assert core.mfc0(Count) == kernel.cpus[0].mfc0(Count)
    changed = {r.__name__ for r, value in boot.items() if core.root[r] != value}
    assert changed <= {"Count", "EntryHi", "MemoryMapID", "Cause", "Compare"}, changed
    assert bool(core.root[Config5] & Config5.MI.mask) == mmids


def test_guest_ids_go_on_where_they_were() -> None:
    """A vCPU that ran here before remembers its number: another one must not be given the same."""
    rig = make_rig("MIPS64R5-generic", cpus=2)
    guests = [rig.vm.backend.guest(rig.vm.create_vcpu()) for _ in range(2)]  # type: ignore[attr-defined]
    ids.load_tlb(rig.host, rig.vm, guests[0], 1)
    rig.kernel.cpu_down(1)
    rig.kernel.scheduler.run(1)
    assert rig.host.enabled == [True, False]
    assert rig.host.last_vcpu[1] is rig.host.last_exec[1] is None
    rig.kernel.cpu_up(1)
    assert rig.host.enabled == [True, True]
    ids.load_tlb(rig.host, rig.vm, guests[1], 1)
    assert guests[0].guest_ids[1] != guests[1].guest_ids[1]


@pytest.mark.parametrize(("seed", "cpu"), [(1, "P5600"), (2, "MIPS64R5-generic"), (3, "P5600")])
def test_guests_go_on_while_cpus_go_and_come(seed: int, cpu: str) -> None:
    watched, chance = Watched(("vz", "te"), cpu, quantum=5_000, seed=seed), Random(seed)
    kernel, changes = watched.host.kernel, 0
    online = kernel.scheduler.online
    while not watched.host.over and min(core.ticks for core in kernel.cpus) < LIMIT:
        number = chance.randrange(4)
        if number not in online.cpus:
            kernel.cpu_up(number)
            changes += 1
        elif number not in online.leaving and len(online.staying) > 1:
            kernel.cpu_down(number)
            changes += 1
        watched.host.run(max(core.ticks for core in kernel.cpus) + chance.randrange(20_000))
    assert watched.said() == [alone("vz", cpu), alone("te", cpu)]
    assert changes > 15


def test_a_task_that_is_confined_does_not_wait_for_where_it_was_to_go() -> None:
    """Nothing could run a task that is to go on at CPU 2 and may run on CPU 1 alone."""
    sched = scheduler(3, QUANTUM)
    busy = [Busy(sched) for _ in range(3)]
    sched.run(1_000)
    task = busy[0].task
    sched.move(task, 2)
    task.confine(frozenset({1}))
    sched.run(4_000)
    assert task.cpu == 1 and task.vruntime > 3_000
    sched.move(task, 2)
    assert task.destination is None
    task.confine(None)
    sched.move(task, 2)
    task.confine(frozenset({1, 2}))
    assert task.destination == 2


def test_a_cpu_that_is_there_keeps_its_clock_when_it_is_asked_to_come() -> None:
    sched = scheduler(2, QUANTUM)
    sched.cpus[0].skip_to(500)
    sched._executing = 0
    with pytest.raises(ValueError, match="it is there"):
        sched.bring_up(1)
    assert sched.cpus[1].ticks == 0
