"""Calls to other CPUs by interrupt: who waits for whom, and until when.  Rows HM-41..HM-46."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from vmm.arch.assembler import assemble
from vmm.arch.cp0.registers import EPC, Status
from vmm.arch.insns import ROWS
from vmm.arch.models import MODELS
from vmm.arch.rows import available
from vmm.arch.text import Mnemonics
from vmm.host.kernel.calls import Calls, CrossCall
from vmm.host.kernel.contexts import Mm
from vmm.host.kernel.costs import CHARGED, SEQUENCES, Costs, length
from vmm.host.kernel.cpu import Cpu
from vmm.host.kernel.flush import Flush, Wanted
from vmm.host.kernel.kernel import Kernel
from vmm.host.kernel.memory import kernel_address
from vmm.host.kernel.pagetable import Pte, mkdirty
from vmm.host.kernel.tasks import Body, Resched, Run, Task, Wait
from vmm.host.kernel.uasm import Assembly
from vmm.host.machine import Machine

CODE, QUANTUM = 0x10_0000, 1000
hosts = pytest.mark.parametrize("mmids", [False, True], ids=["asids", "mmids"])


def boot(cpus: int, *, mmids: bool = False, **options: Any) -> Kernel:
    return Kernel(Machine(MODELS["I6500"], cpus, 4 << 20), page_shift=12, mmids=mmids,
                  **{"quantum": QUANTUM, **options})


def spin_on(kernel: Kernel, *cpus: int) -> None:
    """Tasks that execute a loop of the kernel's own, with interrupts on, for ever."""
    code = Assembly(kernel_address(kernel.pages.alloc()), kernel.word)
    code.label("again")
    code.emit("addiu $8, $8, 1", "b again", "nop")
    start = kernel.text.place(code, "spin_").address

    def body(task: Task) -> Body:
        pc = start
        while True:
            core = kernel.cpu_of(task)[1]
            status = core.mfc0(Status)
            core.mtc0(Status, status | Status.IE.mask)
            core.pc = pc
            yield Run()
            pc = core.mfc0(EPC)
            core.mtc0(Status, status)
            kernel.serve_interrupts(kernel.cpu_of(task)[0])
            yield Resched()

    for cpu in cpus:
        kernel.spawn(f"spin{cpu}", body, frozenset({cpu}))


def flusher(kernel: Kernel, mm: Mm, times: int = 1, after: int = 0) -> Callable[[Task], Body]:
    """Waits a while, then flushes so often; its result: the ticks before and after each."""

    def body(task: Task) -> Body:
        ticks = []
        for _ in range(times):
            core = kernel.cpu_of(task)[1]
            core.skip_to(core.ticks + after)
            before = core.ticks
            kernel.flush(kernel.cpu_of(task)[0], Flush.PAGE, Wanted(mm, CODE, CODE + 0x1000))
            yield from kernel.await_answers(task)
            ticks.append((before, core.ticks))
        return ticks

    return body


def note(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """When each CPU answers."""
    answers, answer = list[tuple[int, int]](), CrossCall.answer

    def noted(self: CrossCall, cpu: int, clock: Cpu) -> None:
        answer(self, cpu, clock)
        answers.append((cpu, clock.ticks))

    monkeypatch.setattr(CrossCall, "answer", noted)
    return answers


@pytest.mark.parametrize("who", range(3))
def test_a_flush_waits_for_the_interrupts_of_those_who_execute(who: int, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = boot(3)
    mm = kernel.new_mm()
    others = [cpu for cpu in range(3) if cpu != who]
    spin_on(kernel, *others)
    kernel.scheduler.run(5 * QUANTUM)
    answers = note(monkeypatch)
    task = kernel.spawn("flusher", flusher(kernel, mm, after=300), frozenset({who}))
    (before, after), = kernel.scheduler.complete(task, 20 * QUANTUM)
    assert sorted(cpu for cpu, _ in answers) == others
    assert all(before <= tick <= after for _, tick in answers)
    assert after == max(tick for _, tick in answers)
    assert after - before <= QUANTUM
    assert kernel.scheduler.calls.counts["ipi"] == kernel.scheduler.calls.counts["interrupted"] == 2


def test_a_cpu_that_is_behind_answers_when_its_clock_has_come_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """CPU 1 has its turn after CPU 0, whose flush is then in its future; CPU 0 waits no longer than for that."""
    kernel = boot(2)
    mm = kernel.new_mm()
    spin_on(kernel, 1)
    kernel.scheduler.run(5 * QUANTUM)
    answers = note(monkeypatch)
    task = kernel.spawn("flusher", flusher(kernel, mm, after=300), frozenset({0}))
    (before, after), = kernel.scheduler.complete(task, 20 * QUANTUM)
    assert 5 * QUANTUM + 300 <= before < 5 * QUANTUM + 400  # the task's code was switched to
    assert after == answers[0][1]
    assert answers[0][0] == 1
    assert after - before < 10


def test_an_idle_cpu_answers_without_being_interrupted() -> None:
    kernel = boot(3)
    task = kernel.spawn("flusher", flusher(kernel, kernel.new_mm()), frozenset({1}))
    kernel.scheduler.complete(task, 20 * QUANTUM)
    assert kernel.scheduler.calls.counts == {"ipi": 2}


@hosts
def test_mmids_ask_nobody(mmids: bool) -> None:
    """HM-55."""
    kernel = boot(4, mmids=mmids)
    mm = kernel.new_mm()
    spin_on(kernel, 0, 1, 2)
    kernel.scheduler.run(5 * QUANTUM)
    task = kernel.spawn("flusher", flusher(kernel, mm, times=5, after=100), frozenset({3}))
    kernel.scheduler.complete(task, 40 * QUANTUM)
    assert kernel.scheduler.calls.counts["ipi"] == (0 if mmids else 15)
    assert kernel.scheduler.calls.counts["interrupted"] == (0 if mmids else 15)


class Clock:
    def __init__(self, ticks: int) -> None:
        self.ticks = ticks

    def skip_to(self, ticks: int) -> None:
        assert ticks >= self.ticks
        self.ticks = ticks


def test_who_asked_waits_for_the_latest_clock_whoever_answers_last() -> None:
    """A CPU whose turn comes later may have an earlier clock."""
    clocks = [Clock(20), Clock(100), Clock(30)]
    calls = Calls(clocks)                                   # type: ignore[arg-type]
    call = calls.ask(0, {1: 5, 2: 1})
    calls.serve(1)
    assert not calls.is_over(0, call, 1_000)
    assert calls.may_answer(call, 31) and not calls.may_answer(call, 30)
    calls.serve(2)
    assert (call.answered_at, clocks[2].ticks) == (105, 31)
    assert not calls.is_over(0, call, 104) and clocks[0].ticks == 20
    assert calls.is_over(0, call, 105) and clocks[0].ticks == 105


def everybody_flushes(seed: int, step: int) -> tuple[list[Any], list[int]]:
    kernel = boot(4, quantum=200, seed=seed, costs=CHARGED)
    mm = kernel.new_mm()
    spin_on(kernel, 3)
    tasks = [kernel.spawn(f"flusher{n}", flusher(kernel, mm, times=20, after=70 + 13 * n), frozenset({n}))
             for n in range(3)]
    for until in range(step, 60_000, step):
        kernel.scheduler.run(until)
    assert all(task.done for task in tasks)
    return [task.result for task in tasks], [cpu.ticks for cpu in kernel.cpus]


@pytest.mark.parametrize("seed", range(5))
def test_cpus_that_wait_for_each_other_answer_meanwhile(seed: int) -> None:
    """And however the run is cut, it is the same run."""
    results, _ = everybody_flushes(seed, 59_999)
    assert all(before < after for result in results for before, after in result)
    for step in (777, 40):
        assert everybody_flushes(seed, step)[0] == results


def test_a_debugger_that_steps_one_cpu_finds_the_others_answers() -> None:
    kernel = boot(2)
    mm = kernel.new_mm()
    spin_on(kernel, 1)
    kernel.scheduler.run(5 * QUANTUM)
    task = kernel.spawn("flusher", flusher(kernel, mm), frozenset({0}))
    kernel.scheduler.step(0, lambda: isinstance(task.want, Wait))
    assert not task.done
    assert kernel.scheduler.calls.due(1) is not None
    kernel.scheduler.step(0, lambda: task.done)
    assert task.done
    assert kernel.scheduler.calls.due(1) is None


def test_short_runs_come_to_an_end_for_a_cpu_that_waits() -> None:
    """Each goes on from where the CPU is that is behind, as a debugger's do: the one that waits for an answer."""
    kernel = boot(2, quantum=50 * QUANTUM)
    mm = kernel.new_mm()
    spin_on(kernel, 1)
    task = kernel.spawn("flusher", flusher(kernel, mm, times=5), frozenset({0}))
    for _ in range(6 * 50):
        kernel.scheduler.run(min(cpu.ticks for cpu in kernel.cpus) + QUANTUM)
    assert task.done


def test_a_slice_keeps_a_cpu_for_a_task_while_turns_end() -> None:
    kernel = boot(1, slice_ticks=5 * QUANTUM)
    spin_on(kernel, 0, 0)
    seen = []
    for turn in range(1, 16):
        kernel.scheduler.run(turn * QUANTUM)
        current = kernel.scheduler.current[0]
        assert current is not None
        assert isinstance(current.want, Run)
        seen.append(id(current))
    assert seen[:4] == seen[:1] * 4
    assert seen[6:9] == seen[6:7] * 3
    assert len(set(seen)) == 2


def test_costs_are_lengths_of_sequences_that_the_cpu_has() -> None:
    model = MODELS["I6500"]
    rows = Mnemonics(available(ROWS, release=model.release, bits=model.bits, ases=model.ases))
    for name, sequence in SEQUENCES.items():
        program = assemble(f"{name}:{sequence}", rows=rows)
        assert len(program.code) == 4 * length(sequence)
    assert CHARGED == Costs(probe=11, overwrite=7, invalidate_set=6, switch_mmid=6, ginvt=4, raise_ipi=5)


def test_time_passes_where_a_tlb_is_maintained() -> None:
    kernel = boot(2, costs=CHARGED)
    mm, (mmu, other) = kernel.new_mm(), kernel.mmus
    before, retired = (kernel.cpus[0].ticks, kernel.cpus[1].ticks), kernel.machine.retired
    mmu.flush_page(CODE, 1)
    assert kernel.cpus[0].ticks - before[0] == CHARGED.probe
    kernel.contexts.switch(0, mm)
    mm.table.put(CODE, mkdirty(kernel.pages.alloc() | int(Pte.PRESENT | Pte.READABLE)))
    assert kernel.update_mmu_cache(0, mm, CODE)
    now = kernel.cpus[0].ticks
    assert mmu.flush_range(CODE, CODE + 0x4000, kernel.contexts.tag(0, mm))
    assert kernel.cpus[0].ticks - now == 2 * CHARGED.probe + CHARGED.overwrite
    now = kernel.cpus[0].ticks
    mmu.flush_all()
    assert kernel.cpus[0].ticks - now == 129 * CHARGED.invalidate_set
    assert kernel.cpus[1].ticks == before[1]
    other.note_calls(3)
    assert kernel.cpus[1].ticks - before[1] == 3 * CHARGED.raise_ipi
    assert kernel.machine.retired == retired                # no instruction was executed
