"""Futexes: threads that wait until a word of memory is said to have changed.  (Linux kernel/futex; futex(2))

Invariant: a thread that waits is in the queue of its key exactly once, in the order of arrival.
"""
from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from vmm.host.user.numbers import CallError, Errno
from vmm.host.user.threads import Steps, Thread

ANY = 0xFFFF_FFFF


@dataclass(slots=True, eq=False)
class Waiter:
    thread: Thread
    key: Hashable
    bits: int
    woken: bool = False


class Futexes:
    def __init__(self) -> None:
        self._queues: dict[Hashable, list[Waiter]] = {}

    def key(self, thread: Thread, va: int) -> Hashable:
        """The word's place.  Memory that processes share has the same address in each, be the page there already or not."""
        area = thread.memory.areas.find(va)
        return thread.memory if area is None or area.shared is None else area.shared, va

    def wait(self, thread: Thread, va: int, value: int, until_ns: int | None, bits: int = ANY) -> Steps:
        if thread.read_word(va) != value & 0xFFFF_FFFF:
            raise CallError(Errno.EAGAIN)
        waiter = Waiter(thread, self.key(thread, va), bits)
        self._queues.setdefault(waiter.key, []).append(waiter)
        while not waiter.woken:
            late = until_ns is not None and thread.kernel.now_ns() >= until_ns
            if late or thread.system.signals.wanted(thread):
                self._remove(waiter)
                raise CallError(Errno.ETIMEDOUT if late else Errno.EINTR)
            yield from thread.sleep(until_ns)
        return 0

    def wake(self, thread: Thread, va: int, count: int, bits: int = ANY) -> int:
        """So many of those that wait there; how many there were."""
        return self._wake(self.key(thread, va), count, bits)

    def _wake(self, key: Hashable, count: int, bits: int) -> int:
        chosen = [waiter for waiter in self._queues.get(key, ()) if waiter.bits & bits][:count]
        for waiter in chosen:
            self._remove(waiter)
            waiter.woken = True
            waiter.thread.kernel.scheduler.wake(waiter.thread.task)
        return len(chosen)

    def requeue(self, thread: Thread, va: int, wake: int, move: int, to: int) -> int:
        """Wake some, and let others wait elsewhere."""
        source, target = self.key(thread, va), self.key(thread, to)
        done = self._wake(source, wake, ANY)
        moved = list(self._queues.get(source, ()))[:move]
        for waiter in moved:
            self._remove(waiter)
            waiter.key = target
            self._queues.setdefault(target, []).append(waiter)
        return done + len(moved)

    def _remove(self, waiter: Waiter) -> None:
        queue = self._queues[waiter.key]
        queue.remove(waiter)
        if not queue:
            del self._queues[waiter.key]
