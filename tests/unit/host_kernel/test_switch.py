"""Context switches: what of a CPU's registers a task finds again, wherever it goes on."""
from __future__ import annotations

import pytest

from vmm.arch.cp0.registers import Status
from vmm.arch.models import MODELS
from vmm.host.kernel.kernel import Kernel
from vmm.host.kernel.layout import ThreadInfo
from vmm.host.kernel.tasks import Body, Resched, Sleep, Task
from vmm.host.kernel.text import KERNEL_SP
from vmm.host.machine import Machine

KEPT = (*range(16, 24), 30)


@pytest.mark.parametrize("big_endian", [False, True], ids=["little", "big"])
@pytest.mark.parametrize("model", ["24Kf", "P5600", "5KEf", "I6500"])
def test_tasks_find_what_a_call_must_keep(model: str, big_endian: bool) -> None:
    """Four on two CPUs, each with values of its own in callee-saved registers, SP, GP and Status.IM."""
    kernel = Kernel(Machine(MODELS[model], 2, 1 << 20, big_endian), page_shift=12, quantum=200)
    sign = 0xFFFF_FFFF_0000_0000 if kernel.word == 8 else 0
    cpus: set[tuple[str, int]] = set()

    def body(task: Task) -> Body:
        mine = 0x0101_0000 * (1 + int(task.name)) | sign
        core = kernel.cpu_of(task)[1]
        for number in KEPT:
            core.gpr[number] = mine + number
        status = core.root[Status] ^ 1 << 9 + int(task.name)
        core.mtc0(Status, status)
        for turn in range(20):
            yield Sleep(kernel.now_ns() + 1000 + 700 * int(task.name)) if turn % 2 else Resched()
            number, core = kernel.cpu_of(task)
            kernel.scheduler.give_way(number)
            cpus.add((task.name, number))
            assert [core.gpr[n] for n in KEPT] == [mine + n for n in KEPT]
            assert core.gpr[28] & 0xFFFF_FFFF == task.thread_info & 0xFFFF_FFFF
            assert task.thread_info < core.gpr[29] | sign < task.stack_top
            assert core.root[Status] == status
            top = kernel.ram.load(KERNEL_SP + number * kernel.word, kernel.word)
            assert top & 0xFFFF_FFFF == task.stack_top & 0xFFFF_FFFF
            for n in range(1, 16):
                core.gpr[n] = 0xDEAD                        # nobody keeps these
        return turn

    tasks = [kernel.spawn(str(n), body) for n in range(4)]
    kernel.scheduler.run(1_000_000)
    assert [task.result for task in tasks] == [19] * 4
    assert len(cpus) > 4


def test_what_is_kept_fits_below_the_stack() -> None:
    assert ThreadInfo(8).size < 256


def test_a_breakpoint_in_the_switch_does_not_stop_it() -> None:
    """There is no task to stop in."""
    kernel = Kernel(Machine(MODELS["P5600"], 1, 1 << 20), page_shift=12)
    kernel.machine.cpus[0].set_breaks([kernel.text.symbols["resume"] + 8])

    def body(task: Task) -> Body:
        yield Sleep(5000)
        return kernel.now_ns()

    assert kernel.scheduler.complete(kernel.spawn("sleeper", body), 10_000) >= 5000
