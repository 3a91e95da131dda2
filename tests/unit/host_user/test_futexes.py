"""Queues of waiting threads: who is woken, who waits elsewhere, in the order of arrival.  (futex(2))"""
from __future__ import annotations

from tests.unit.host_user.rig import DATA, DATA_RIGHTS, boot, program, system
from vmm.host.user.areas import Area, Shared
from vmm.host.user.futexes import Waiter
from vmm.host.user.memory import Access
from vmm.host.user.numbers import Clone

WINDOW = 0x3000_0000


def test_some_are_woken_some_moved_and_the_rest_wait_on() -> None:
    kernel = boot("P5600", False, 1)
    host, _ = system(kernel)
    (thread,) = host.start(program(kernel, ("nop",)), [b"x"]).threads.values()
    futexes, (first, second) = host.futexes, (host.futexes.key(thread, at) for at in (DATA, DATA + 4))
    waiters = [Waiter(thread, first, 1 << n) for n in range(6)]
    futexes._queues[first] = list(waiters)
    assert futexes.requeue(thread, DATA, 1, 2, DATA + 4) == 3
    assert [waiter.woken for waiter in waiters] == [True] + [False] * 5
    assert [waiter.key for waiter in waiters[1:]] == [second] * 2 + [first] * 3
    assert futexes.wake(thread, DATA, 5, 1 << 4) == 1 and waiters[4].woken
    assert futexes.wake(thread, DATA, 1) == 1 and waiters[3].woken and not waiters[5].woken
    assert futexes.wake(thread, DATA + 4, 9) == 2
    assert futexes.wake(thread, DATA, 9) == 1 and all(waiter.woken for waiter in waiters)
    assert not futexes._queues


def test_a_word_of_shared_memory_is_the_same_in_parent_and_child_and_others_are_not() -> None:
    kernel = boot("P5600", False, 1)
    host, _ = system(kernel)
    process = host.start(program(kernel, ("beq $0, $0, again", "nop"), labels={"again": 0}), [b"x"])
    host.run(5_000)
    (thread,) = process.threads.values()
    process.memory.map(0, Area(WINDOW, WINDOW + 0x2000, DATA_RIGHTS, shared=Shared()))
    child = host.clone(thread, Clone(0))
    process.memory.fault(0, WINDOW + 0x1000, Access.WRITE)
    assert child.memory.physical(WINDOW + 0x1000) is None   # it has not used that page, and may wake who waits there
    same = [host.futexes.key(thread, at) == host.futexes.key(child, at) for at in (WINDOW, WINDOW + 0x1000, DATA)]
    assert same == [True, True, False]
    assert host.futexes.key(thread, WINDOW) != host.futexes.key(child, WINDOW + 4)
