"""Processes on the host's CPUs, with ASIDs and with MMIDs: what they compute is the same.  Rows HM-30, HM-37, HM-50."""
from __future__ import annotations

from typing import Any

import pytest

from vmm.arch.exceptions import ExcCode
from vmm.arch.insns import ROWS
from vmm.arch.models import MODELS
from vmm.arch.rows import available
from vmm.arch.text import Mnemonics, assemble_line
from vmm.host.kernel.contexts import Mm
from vmm.host.kernel.flush import Flush, Wanted
from vmm.host.kernel.kernel import Kernel
from vmm.host.kernel.mmids import MmidContexts
from vmm.host.kernel.pagetable import Pte, mkdirty
from vmm.host.kernel.process import Exited, Faulted, process
from vmm.host.kernel.uasm import Assembly
from vmm.host.machine import Machine

CODE, DATA = 0x10_0000, 0x20_0000
LIMIT = 400_000
SPIN = ("lw $2, 0($4)", "beq $2, $0, spin", "nop", "syscall 0")
SUM = ("lw $3, 0($4)", "addu $2, $2, $3", "addiu $5, $5, -1", "bne $5, $0, spin", "nop", "sw $2, 4($4)", "syscall 0")
"""Adds a word to itself so often that others get the CPU in between."""

hosts = pytest.mark.parametrize("model, mmids", [("I6500", False), ("I6500", True), ("24Kf", False), ("P5600", False)])


def boot(model: str, mmids: bool, cpus: int, quantum: int = 1000) -> Kernel:
    return Kernel(Machine(MODELS[model], cpus, 4 << 20), page_shift=12, quantum=quantum, mmids=mmids)


def assembled(kernel: Kernel, before: tuple[str, ...], loop: tuple[str, ...]) -> list[int]:
    model = kernel.model
    rows = Mnemonics(available(ROWS, release=model.release, bits=model.bits, ases=model.ases))
    assembly = Assembly(CODE, kernel.word)
    assembly.emit(*before)
    assembly.label("spin")
    assembly.emit(*loop)
    code = assembly.finish(lambda line, pc, symbols: assemble_line(line, pc, rows=rows, symbols=symbols))
    return list(code.words)


def map_page(kernel: Kernel, mm: Mm, va: int, words: list[int]) -> int:
    """A fresh page with some words in it."""
    page = kernel.pages.alloc()
    for n, word in enumerate(words):
        kernel.ram.store(page + 4 * n, 4, word)
    mm.table.put(va, mkdirty(page | int(Pte.PRESENT | Pte.READABLE | Pte.CACHED | Pte.WRITE)))
    return page


def new_space(kernel: Kernel, loop: tuple[str, ...], data: int, before: tuple[str, ...] = ()) -> Mm:
    mm = kernel.new_mm()
    map_page(kernel, mm, CODE, assembled(kernel, before, loop))
    map_page(kernel, mm, DATA, [data])
    return mm


@hosts
@pytest.mark.parametrize("flushed", [True, False], ids=["flushed", "not flushed"])
def test_a_flush_reaches_threads_that_run_elsewhere(model: str, mmids: bool, flushed: bool) -> None:
    """Two threads look at a page on two CPUs; another page takes its place.  Without the flush they go on as before."""
    kernel = boot(model, mmids, 3)
    mm = new_space(kernel, SPIN, 0)
    mm.users = 2
    tasks = [kernel.spawn(f"thread{n}", process(kernel, mm, CODE, DATA), frozenset({n})) for n in (0, 1)]
    kernel.scheduler.run(20_000)
    assert not any(task.done for task in tasks)
    map_page(kernel, mm, DATA, [77])
    if flushed:
        kernel.flusher.flush(2, Flush.PAGE, Wanted(mm, DATA, DATA + 0x1000))
    kernel.scheduler.run(60_000)
    assert [task.result for task in tasks] == ([Exited(77)] * 2 if flushed else [None, None])
    assert kernel.mmu_counts["ipi"] == (2 if flushed and not mmids else 0)


def run_many(model: str, mmids: bool, numbers: int) -> tuple[list[Any], Kernel]:
    """Six processes on two CPUs: each adds its own word a thousand times, at the same address."""
    kernel = boot(model, mmids, 2)
    if isinstance(kernel.contexts, MmidContexts):
        kernel.contexts.count = numbers
    before = ("or $2, $0, $0", "addiu $5, $0, 600")
    spaces = [new_space(kernel, SUM, 10 + n, before) for n in range(6)]
    tasks = [kernel.spawn(f"process{n}", process(kernel, mm, CODE, DATA)) for n, mm in enumerate(spaces)]
    kernel.scheduler.run(LIMIT, lambda: all(task.done for task in tasks))
    return [task.result for task in tasks], kernel


@hosts
def test_processes_that_move_between_cpus_have_their_own_pages(model: str, mmids: bool) -> None:
    results, _ = run_many(model, mmids, numbers=64)
    assert results == [Exited(600 * (10 + n)) for n in range(6)]


def test_rollovers_while_code_runs_change_nothing_that_it_computes() -> None:
    """Four numbers for seven spaces: nearly each switch makes the version go up."""
    results, kernel = run_many("I6500", True, numbers=5)
    assert results == [Exited(600 * (10 + n)) for n in range(6)]
    assert isinstance(kernel.contexts, MmidContexts)
    assert kernel.contexts.version.load() > 4 * kernel.contexts.first_version
    assert kernel.mmu_counts["local_flush_all"] > 4


@hosts
def test_what_is_not_mapped_ends_the_process(model: str, mmids: bool) -> None:
    kernel = boot(model, mmids, 1)
    task = kernel.spawn("lost", process(kernel, new_space(kernel, SPIN, 0), CODE, DATA + 0x8000))
    assert kernel.scheduler.complete(task, LIMIT) == Faulted(ExcCode.TLBL, CODE, DATA + 0x8000)
    privileged = kernel.spawn("rude", process(kernel, new_space(kernel, ("mfc0 $8, $12", "nop"), 0), CODE))
    result = kernel.scheduler.complete(privileged, 2 * LIMIT)
    assert (result.code, result.pc) == (ExcCode.CpU, CODE)


def test_a_space_of_a_process_is_loaded_under_its_own_number() -> None:
    kernel = boot("I6500", True, 1)
    mm = new_space(kernel, SPIN, 5)
    task = kernel.spawn("one", process(kernel, mm, CODE, DATA))
    assert kernel.scheduler.complete(task, LIMIT) == Exited(5)
    assert kernel.contexts.tag(0, mm) == 2 == kernel.mmus[0].mmid()
    assert kernel.mmus[0].loaded() is mm
