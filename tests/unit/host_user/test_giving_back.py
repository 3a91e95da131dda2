"""What processes take they give back, and what fails for want of memory has taken nothing."""
from __future__ import annotations

import pytest

from tests.unit.host_user.rig import ANSWER, DATA, DATA_RIGHTS, boot, program, system
from vmm.host.kernel.kernel import Kernel
from vmm.host.kernel.memory import NoMemory
from vmm.host.kernel.pagetable import Pte
from vmm.host.user.areas import Area, Shared
from vmm.host.user.memory import Access
from vmm.host.user.numbers import CallError, Clone, Errno
from vmm.host.user.processes import Ended, Process
from vmm.host.user.system import UserSystem

PAUSE = ("addiu $2, $0, 4029", "syscall 0", "beq $0, $0, again", "nop")
WINDOW, PAGE = 0x3000_0000, 0x1000
LIMIT = 100_000
hosts = pytest.mark.parametrize("model, mmids", [("I6500", True), ("I6500", False), ("P5600", False)])


def started(model: str, mmids: bool) -> tuple[UserSystem, Process]:
    """A process that sleeps on CPU 0 of two, and has it."""
    kernel = boot(model, mmids, 2, ram=2 << 20)
    host, _ = system(kernel)
    process = host.start(program(kernel, ("beq $0, $0, again", "nop"), labels={"again": 0}), [b"spin"],
                         affinity=frozenset({0}))
    host.run(5_000)
    return host, process


def without_memory(kernel: Kernel, pages: int) -> list[int]:
    """All but so many pages are somebody's."""
    taken = []
    while True:
        try:
            taken.append(kernel.pages.alloc())
        except NoMemory:
            break
    for page in taken[:pages]:
        kernel.pages.free(page)
    return taken[pages:]


@hosts
def test_shared_memory_goes_with_the_last_space_that_has_it(model: str, mmids: bool) -> None:
    host, process = started(model, mmids)
    memory, before = process.memory, len(host.frames)
    memory.map(0, Area(WINDOW, WINDOW + 4 * PAGE, DATA_RIGHTS, shared=Shared()))
    for page in range(3):
        assert memory.fault(0, WINDOW + page * PAGE, Access.WRITE) is None
    child = memory.fork(0)
    memory.unmap(0, WINDOW, WINDOW + 2 * PAGE)
    assert len(host.frames) == before + 3                   # the parent still has a part, the child all of it
    memory.unmap(0, WINDOW, WINDOW + 4 * PAGE)
    assert len(host.frames) == before + 3
    assert child.fault(0, WINDOW, Access.READ) is None
    child.free(0)
    assert len(host.frames) == before


@hosts
def test_address_spaces_that_come_and_go_need_no_more_memory(model: str, mmids: bool) -> None:
    host, process = started(model, mmids)
    for turn in range(200):
        child = process.memory.fork(0)
        host.kernel.contexts.switch(1, child.mm)
        child.free(0)
        if turn == 2:
            before = host.kernel.pages.in_use
    assert host.kernel.pages.in_use == before


def test_the_place_of_a_space_is_given_again_when_no_cpu_has_it_loaded() -> None:
    kernel = boot("P5600", False, 2)
    old = kernel.new_mm()
    kernel.contexts.switch(1, old)
    kernel.free_mm(old)
    other = kernel.new_mm()
    assert other.address != old.address
    kernel.contexts.switch(1, kernel.init_mm)
    again = kernel.new_mm()
    assert again.address == old.address
    assert [again.context(cpu) for cpu in range(2)] == [0, 0]


@hosts
@pytest.mark.parametrize("flags", [Clone(0), Clone.VM | Clone.THREAD, Clone.VM | Clone.VFORK],
                         ids=["fork", "thread", "vfork"])
def test_a_clone_that_fails_has_taken_nothing(model: str, mmids: bool, flags: Clone) -> None:
    """However far it came."""
    host, process = started(model, mmids)
    kernel, (thread,) = host.kernel, process.threads.values()
    assert process.memory.fault(0, thread.registers[29] & -PAGE, Access.WRITE) is None
    kernel.free_mm(kernel.new_mm())
    state = len(host.frames), process.mm.users, list(host.live), list(host.threads), kernel.pages.in_use
    for left in range(20):
        held = without_memory(kernel, left)
        try:
            child = host.clone(thread, flags)
        except NoMemory:
            child = None
        for page in held:
            kernel.pages.free(page)
        if child is not None:
            break
        assert (len(host.frames), process.mm.users, list(host.live), list(host.threads), kernel.pages.in_use) == state
        assert not process.children
    assert left >= (1 if flags & Clone.VM else 4) and child is not None
    assert child.tid in host.threads


@hosts
def test_what_a_failed_fork_protected_is_flushed(model: str, mmids: bool) -> None:
    """Else the parent goes on to write through entries that the page table does not have any more."""
    host, process = started(model, mmids)
    kernel, memory = host.kernel, process.memory
    memory.map(0, Area(WINDOW, WINDOW + PAGE, DATA_RIGHTS))
    assert memory.fault(0, WINDOW, Access.WRITE) is None
    tag = kernel.contexts.tag(0, memory.mm)
    assert kernel.tlbs[0].probe(WINDOW, tag) is not None
    for left in range(20):
        held = without_memory(kernel, left)
        with pytest.raises(NoMemory):
            memory.fork(0)
        for page in held:
            kernel.pages.free(page)
        if not memory.mm.table.get(WINDOW) & Pte.WRITE:
            break
    assert not memory.mm.table.get(WINDOW) & Pte.WRITE
    assert kernel.tlbs[0].probe(WINDOW, kernel.contexts.tag(0, memory.mm)) is None
    assert memory.fault(0, WINDOW, Access.WRITE) is None
    assert host.counts["copies on write"] == 0              # nobody else has the page


@hosts
def test_a_page_that_finds_no_table_is_not_taken(model: str, mmids: bool) -> None:
    host, process = started(model, mmids)
    process.memory.map(0, Area(WINDOW, WINDOW + PAGE, DATA_RIGHTS))
    before = len(host.frames)
    held = without_memory(host.kernel, 1)                   # enough for the page, not for its tables as well
    with pytest.raises(NoMemory):
        process.memory.fault(0, WINDOW, Access.WRITE)
    assert len(host.frames) == before
    for page in held:
        host.kernel.pages.free(page)
    assert process.memory.fault(0, WINDOW, Access.WRITE) is None


@hosts
def test_an_execve_that_fails_has_taken_nothing_and_ended_nobody(model: str, mmids: bool) -> None:
    host, process = started(model, mmids)
    (thread,) = process.threads.values()
    other = host.clone(thread, Clone.VM | Clone.THREAD)
    found = program(host.kernel, PAUSE, labels={"again": 0}, path="/found")
    host.programs = {found.path: found}
    state = len(host.frames), host.kernel.pages.in_use
    with pytest.raises(CallError, match=Errno.E2BIG.name):
        next(host.execute(thread, "/found", [b"x" * 100_000], []))
    held = without_memory(host.kernel, 2)
    with pytest.raises(NoMemory):
        next(host.execute(thread, "/found", [b"x"], []))
    for page in held:
        host.kernel.pages.free(page)
    assert (len(host.frames), host.kernel.pages.in_use) == state
    assert not other.killed and len(process.threads) == 2


def test_of_two_threads_that_execute_at_once_one_does() -> None:
    """Each would wait for the other's end; the second to ask is the one that ends.  Whoever comes a moment later is in the
    kernel's entry already, where no interrupt reaches it."""
    both = ("lui $4, 1", "ori $4, $4, 0x100", "or $5, $0, $0", "addiu $2, $0, 4120", "syscall 0",
            f"lui $4, {DATA >> 16}", "or $5, $0, $0", "or $6, $0, $0", "addiu $2, $0, 4011", "syscall 0")
    for seed in range(6):
        kernel = boot("P5600", False, 2, quantum=100, seed=seed)
        found = program(kernel, ("addiu $2, $0, 77", *ANSWER), path="/found")
        host, _ = system(kernel, found)
        process = host.start(program(kernel, both, b"/found\0"), [b"both"])
        host.run(LIMIT)
        assert process.ended == Ended(77), f"seed {seed}"
        assert not host.threads, f"seed {seed}"
