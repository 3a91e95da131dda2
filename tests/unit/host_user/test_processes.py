"""Processes on the host's CPUs, with ASIDs and with MMIDs: what they compute is the same.  Rows HM-30, HM-37, HM-50."""
from __future__ import annotations

import pytest

from tests.unit.host_user.rig import ANSWER, CODE, CODE_RIGHTS, DATA, DATA_RIGHTS, boot, program, system
from vmm.arch.cp0.registers import EPC, Status
from vmm.host.kernel.asids import AsidContexts
from vmm.host.kernel.flush import STALE, Flush, Flusher, Wanted
from vmm.host.kernel.kernel import Kernel
from vmm.host.kernel.mmids import MmidContexts
from vmm.host.kernel.pagetable import pfn_of
from vmm.host.user.abi import SP
from vmm.host.user.areas import Area
from vmm.host.user.memory import STACK_LIMIT, Access
from vmm.host.user.numbers import Prot, Si, Sig
from vmm.host.user.processes import Ended

LIMIT = 400_000
BASE = f"lui $4, {DATA >> 16}"
SPIN = (BASE, "lw $2, 0($4)", "beq $2, $0, spin", "nop", *ANSWER)
SUM = (BASE, "or $2, $0, $0", "addiu $5, $0, 600", "lw $3, 0($4)", "addu $2, $2, $3", "addiu $5, $5, -1",
       "bne $5, $0, again", "nop", "sw $2, 4($4)", *ANSWER)
"""Adds a word to itself so often that others get the CPU in between."""

hosts = pytest.mark.parametrize("model, mmids", [("I6500", False), ("I6500", True), ("24Kf", False), ("P5600", False),
                                                  ("5KEf", False), ("MIPS64R2-generic", False)])


def word(value: int) -> bytes:
    return value.to_bytes(4, "little")


@hosts
@pytest.mark.parametrize("flushed", [True, False], ids=["flushed", "not flushed"])
def test_a_flush_reaches_threads_that_run_elsewhere(model: str, mmids: bool, flushed: bool) -> None:
    """A process looks at a page; another page takes its place.  Without the flush it goes on as before."""
    kernel = boot(model, mmids, 3)
    host, _ = system(kernel)
    spinning = host.start(program(kernel, SPIN, word(0), {"spin": 1}), [b"spin"], affinity=frozenset({1}))
    host.run(20_000)
    assert spinning.ended is None
    memory = spinning.memory
    old = memory.mm.table.get(DATA)
    memory.mm.table.put(DATA, old ^ pfn_of(old) | host.frames.alloc(word(77)))
    if flushed:
        kernel.flush(2, Flush.PAGE, Wanted(memory.mm, DATA, DATA + 0x1000))
    host.run(60_000)
    assert spinning.ended == (Ended(77) if flushed else None)
    assert kernel.mmu_counts["ipi"] == (4 if flushed and not mmids else 0)      # and when the process ends


def run_many(model: str, mmids: bool, numbers: int) -> tuple[list[Ended | None], Kernel]:
    """Six processes on two CPUs: each adds its own word, at the same address, 600 times."""
    kernel = boot(model, mmids, 2)
    if isinstance(kernel.contexts, MmidContexts):
        kernel.contexts.count = numbers
    host, _ = system(kernel)
    processes = [host.start(program(kernel, SUM, word(10 + n), {"again": 3}), [b"sum"]) for n in range(6)]
    kernel.scheduler.run(LIMIT, lambda: all(process.ended for process in processes))
    return [process.ended for process in processes], kernel


@hosts
def test_processes_that_move_between_cpus_have_their_own_pages(model: str, mmids: bool) -> None:
    results, _ = run_many(model, mmids, numbers=64)
    assert results == [Ended(600 * (10 + n)) for n in range(6)]


def test_rollovers_while_code_runs_change_nothing_that_it_computes() -> None:
    """Four numbers for seven spaces: nearly each switch makes the version go up."""
    results, kernel = run_many("I6500", True, numbers=5)
    assert results == [Ended(600 * (10 + n)) for n in range(6)]
    assert isinstance(kernel.contexts, MmidContexts)
    assert kernel.contexts.version.load() > 4 * kernel.contexts.first_version
    assert kernel.mmu_counts["local_flush_all"] > 4


def test_so_do_rollovers_of_asids() -> None:
    """Two bits of ASID: three numbers a cycle."""
    kernel = boot("P5600", False, 2, quantum=300)
    contexts = AsidContexts(kernel.mmus, bits=2)
    kernel.contexts = contexts
    kernel.contexts.switch(0, kernel.init_mm)
    kernel.flusher = Flusher(contexts, kernel.mmus, 12)
    host, _ = system(kernel)
    processes = [host.start(program(kernel, SUM, word(10 + n), {"again": 3}), [b"sum"]) for n in range(6)]
    kernel.scheduler.run(LIMIT, lambda: all(process.ended for process in processes))
    assert [process.ended for process in processes] == [Ended(600 * (10 + n)) for n in range(6)]
    assert max(cell.load() for cell in contexts.cache) >= 2 * contexts.first_version


@hosts
def test_what_is_not_mapped_ends_the_process(model: str, mmids: bool) -> None:
    kernel = boot(model, mmids, 1)
    host, _ = system(kernel)
    for lines, signal, text in (
            ((f"lui $4, {DATA >> 16}", "lw $2, 0x7000($4)"), Sig.SEGV, f"read of {DATA + 0x7000:#x} at {CODE + 4:#x}"),
            (("lui $4, 0x8000", "sw $2, 0($4)"), Sig.BUS, f"AdES at {CODE + 4:#x}"),
            (("mfc0 $8, $12", "nop"), Sig.ILL, f"CpU at {CODE:#x}"),
            ((f"lui $4, {CODE >> 16}", "sw $2, 0($4)"), Sig.SEGV, f"write of {CODE:#x} at {CODE + 4:#x}")):
        process = host.start(program(kernel, lines), [b"lost"])
        kernel.scheduler.run(kernel.cpus[0].ticks + LIMIT, lambda process=process: process.ended is not None)  # type: ignore[misc]
        assert process.ended == Ended(signal=signal, detail=text)


def test_a_space_of_a_process_is_loaded_under_its_own_number() -> None:
    kernel = boot("I6500", True, 1)
    host, _ = system(kernel)
    process = host.start(program(kernel, SPIN, word(0), {"spin": 1}), [b"one"])
    host.run(5_000)
    assert kernel.contexts.tag(0, process.mm) == 2 == kernel.mmus[0].mmid()
    assert kernel.mmus[0].loaded() is process.mm


@hosts
def test_what_a_process_had_is_given_back(model: str, mmids: bool) -> None:
    kernel = boot(model, mmids, 2)
    host, _ = system(kernel)
    kernel.new_mm()                                         # as much of a page of small things as is used below
    before = kernel.pages.in_use
    process = host.start(program(kernel, SUM, word(1), {"again": 3}), [b"sum"])
    kernel.scheduler.run(LIMIT)
    assert process.ended == Ended(600)
    assert len(host.frames) == 0 and not host.live and not host.threads
    assert kernel.pages.in_use == before


@pytest.mark.parametrize("who", [0, 1], ids=["another CPU", "a debugger on this one"])
def test_a_refill_that_a_flush_comes_to_begins_again(who: int) -> None:
    """In the middle of the handler the PTE has been read; what is written then must not be that."""
    kernel = boot("I6500", True, 2)
    host, _ = system(kernel)
    spinning = host.start(program(kernel, SPIN, word(0), {"spin": 1}), [b"spin"], affinity=frozenset({1}))
    host.run(20_000)
    core, memory = kernel.machine.cpus[1], spinning.memory
    kernel.tlbs[1].flush_all()
    while core.pc != kernel.text.symbols["host_xtlb_refill_write"]:
        core.step()
    old = memory.mm.table.get(DATA)
    memory.mm.table.put(DATA, old ^ pfn_of(old) | host.frames.alloc(word(77)))
    memory.mm.table.put(CODE, memory.mm.table.get(CODE))
    kernel.flush(who, Flush.MM, Wanted(memory.mm))
    assert core.pc == core.root[EPC] and not core.root[Status] & Status.EXL.mask
    host.run(60_000)
    assert spinning.ended == Ended(77)


def test_a_stack_grows_to_its_limit_and_no_further() -> None:
    kernel = boot("24Kf", False, 1, ram=16 << 20, page_shift=14)
    host, _ = system(kernel)
    deeper = ("addiu $29, $29, -16384", "sw $0, 0($29)", "beq $0, $0, deeper", "nop")
    process = host.start(program(kernel, deeper, labels={"deeper": 0}), [b"deeper"])
    kernel.scheduler.run(LIMIT, lambda: process.ended is not None)
    assert process.ended is not None and process.ended.signal == Sig.SEGV
    stack = next(area for area in process.memory.areas if area.grows)
    assert STACK_LIMIT - (32 << 10) < stack.end - stack.start <= STACK_LIMIT


@pytest.mark.parametrize("prot, left", [(CODE_RIGHTS, 0), (DATA_RIGHTS, STALE)], ids=["code", "data"])
@pytest.mark.parametrize("how", ["unmap", "protect"])
def test_code_that_goes_is_forgotten_where_the_process_was(how: str, prot: Prot, left: int) -> None:
    """HM-43: elsewhere its word is zeroed, if the pages could be executed, so that caches know that nothing of it is left;
    data only makes the word old."""
    kernel = boot("P5600", False, 2)
    host, _ = system(kernel)
    process = host.start(program(kernel, SPIN, word(0), {"spin": 1}), [b"spin"], affinity=frozenset({0}))
    memory, window = process.memory, 0x30_0000
    memory.map(0, Area(window, window + 0x1000, prot))
    host.run(5_000)
    kernel.contexts.switch(1, memory.mm)
    assert memory.fault(0, window, Access.FETCH if prot & Prot.EXEC else Access.READ) is None
    kernel.contexts.switch(1, kernel.init_mm)
    assert memory.mm.context(1) > STALE
    if how == "unmap":
        memory.unmap(0, window, window + 0x1000)
    else:
        memory.protect(0, window, window + 0x1000, prot)
    assert memory.mm.context(1) == left


@hosts
def test_a_page_that_is_copied_is_flushed_where_other_threads_read_the_old_one(model: str, mmids: bool) -> None:
    """Else they would go on with the page that is the child's now."""
    kernel = boot(model, mmids, 2)
    host, _ = system(kernel)
    memory = host.start(program(kernel, SPIN, word(0), {"spin": 1}), [b"spin"], affinity=frozenset({0})).memory
    host.run(5_000)
    memory.mm.users = 2
    kernel.contexts.switch(1, memory.mm)
    assert memory.fault(1, DATA, Access.WRITE) is None
    memory.fork(0)
    assert memory.fault(1, DATA, Access.READ) is None
    old = kernel.tlbs[1].probe(DATA, kernel.contexts.tag(1, memory.mm))
    assert old is not None
    assert memory.fault(0, DATA, Access.WRITE) is None
    assert host.counts["copies on write"] == 1
    assert kernel.tlbs[1].probe(DATA, kernel.contexts.tag(1, memory.mm)) is None


@hosts
def test_pages_are_used_as_they_may_be(model: str, mmids: bool) -> None:
    """Without RI and XI what can be read can be executed, and what can be used at all can be read."""
    kernel = boot(model, mmids, 1)
    host, _ = system(kernel)
    memory = host.start(program(kernel, SPIN, word(0), {"spin": 1}), [b"spin"]).memory
    rixi = kernel.features.rixi
    window, all_of_it = 0x30_0000, set(Access)
    for prot, allowed in ((Prot.NONE, set()), (Prot.READ, {Access.READ} if rixi else {Access.READ, Access.FETCH}),
                          (DATA_RIGHTS, {Access.READ, Access.WRITE} if rixi else all_of_it),
                          (CODE_RIGHTS, {Access.READ, Access.FETCH}),
                          (Prot.EXEC, {Access.FETCH} if rixi else {Access.READ, Access.FETCH})):
        memory.map(0, Area(window, window + 0x1000, prot))
        found = {access for access in Access if memory.fault(0, window, access) is None}
        assert found == allowed, prot
        assert {memory.fault(0, window, access) for access in all_of_it - allowed} <= {Si.ACCERR}
    assert memory.fault(0, window + 0x1000, Access.READ) is Si.MAPERR


@pytest.mark.parametrize("model", ["P5600", "MIPS64R2-generic"])
def test_a_program_starts_with_an_aligned_stack_that_says_what_it_was_given(model: str) -> None:
    """16 bytes, however many arguments there are and however long they are."""
    kernel = boot(model, False, 1)
    host, _ = system(kernel)
    for count in range(1, 6):
        given = [b"x" * (3 * n + count) for n in range(count)]
        process = host.start(program(kernel, SPIN, word(0), {"spin": 1}), given, [b"A=b"] * (count // 2))
        (thread,) = process.threads.values()
        sp, abi = thread.registers[SP], process.abi
        assert sp % 16 == 0
        argc, *pointers = abi.unpack(False, process.memory.read(0, sp, abi.word * (count + count // 2 + 3)))
        assert argc == count and pointers[count] == pointers[-1] == 0
        assert [process.memory.read(0, at, len(text) + 1) for at, text in zip(pointers, given, strict=False)] == [
            text + b"\0" for text in given]
        assert all(process.memory.read(0, at, 4) == b"A=b\0" for at in pointers[count + 1:-1])
