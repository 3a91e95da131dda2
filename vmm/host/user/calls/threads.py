"""Threads: clone(2), futex(2), their CPUs, set_thread_area(2)."""
from __future__ import annotations

from vmm.host.kernel.tasks import Resched
from vmm.host.user.calls.clocks import Span, in_longs, in_wide
from vmm.host.user.calls.table import call, signed
from vmm.host.user.futexes import ANY
from vmm.host.user.numbers import CallError, Clone, Errno, FutexOp
from vmm.host.user.threads import Gone, Steps, Thread

FUTEX_COMMAND = 0x7F
FUTEX_CLOCK_REALTIME = 0x100
SIGNAL_OF_CHILD = 0xFF


@call(o32=120, n64=55)
def clone(thread: Thread, flags: int, stack: int, parent_tid: int, tls: int, child_tid: int) -> Steps:
    asked = Clone(flags & ~SIGNAL_OF_CHILD)
    child = thread.system.clone(thread, asked, stack, tls)
    if asked & Clone.PARENT_SETTID:
        thread.write_word(parent_tid, child.tid)
    if asked & Clone.CHILD_SETTID:
        child.memory.write(thread.cpu, child_tid, child.tid.to_bytes(4, thread.order))
        thread.system.on_store(child, child_tid, 4)
    if asked & Clone.CHILD_CLEARTID:
        child.clear_tid = child_tid
    while child.process.borrows and not thread.system.signals.is_fatal(thread):
        thread.process.waiting.append(thread)
        yield from thread.sleep()
    return child.tid


@call(o32=1, n64=58)
def exit(thread: Thread, status: int) -> None:
    thread.system.note_status(thread, signed(status))
    raise Gone


@call(o32=222, n64=178)
def gettid(thread: Thread) -> int:
    return thread.tid


@call(o32=252, n64=212)
def set_tid_address(thread: Thread, at: int) -> int:
    thread.clear_tid = at
    return thread.tid


@call(o32=309, n64=268)
def set_robust_list(thread: Thread, head: int, size: int) -> int:
    """For threads that die with a lock held; nobody here asks for it."""
    return 0


@call(o32=283, n64=242)
def set_thread_area(thread: Thread, value: int) -> int:
    thread.set_tls(value)
    return 0


@call(o32=162, n64=23)
def sched_yield(thread: Thread) -> Steps:
    thread.kernel.scheduler.give_way(thread.cpu)
    yield Resched()
    return 0


@call(o32=312, n64=271)
def getcpu(thread: Thread, cpu: int, node: int, unused: int) -> int:
    for at, value in ((cpu, thread.cpu), (node, 0)):
        if at:
            thread.write_word(at, value)
    return 0


@call(o32=239, n64=195)
def sched_setaffinity(thread: Thread, tid: int, size: int, mask: int) -> Steps:
    target, abi = _thread(thread, signed(tid)), thread.process.abi
    longs = thread.read_longs(mask, min(size // abi.word, _mask_longs(thread)))
    wanted = sum(long << n * abi.bits for n, long in enumerate(longs))
    cpus = frozenset(cpu for cpu in range(len(thread.kernel.cpus)) if wanted >> cpu & 1)
    if not cpus.intersection(thread.kernel.scheduler.online.staying):
        raise CallError(Errno.EINVAL)
    target.task.confine(cpus)
    if target is not thread:
        target.notify()
    yield from thread.kernel.await_answers(thread.task)
    yield Resched()                                    # which leaves a CPU that the thread may not have any more
    return 0


@call(o32=240, n64=196)
def sched_getaffinity(thread: Thread, tid: int, size: int, mask: int) -> int:
    affinity, abi = _thread(thread, signed(tid)).task.affinity, thread.process.abi
    bits = sum(1 << cpu for cpu in thread.kernel.scheduler.online.staying if affinity is None or cpu in affinity)
    longs = _mask_longs(thread)
    if size < longs * abi.word:
        raise CallError(Errno.EINVAL)
    thread.write_longs(mask, *(bits >> n * abi.bits for n in range(longs)))
    return longs * abi.word


def _mask_longs(thread: Thread) -> int:
    """A set of CPUs has a bit for each that the machine has."""
    return -(-len(thread.kernel.cpus) // thread.process.abi.bits)


def _thread(thread: Thread, tid: int) -> Thread:
    return thread.system.thread(tid) if tid else thread


def _futex(thread: Thread, at: int, operation: int, value: int, limit: int, second: int, third: int, span: Span) -> Steps:
    futexes, command = thread.system.futexes, operation & FUTEX_COMMAND
    bits = third & ANY if command in (FutexOp.WAIT_BITSET, FutexOp.WAKE_BITSET) else ANY
    if at & 3 or not bits:
        raise CallError(Errno.EINVAL)
    if command in (FutexOp.WAIT, FutexOp.WAIT_BITSET):
        until = None
        if limit:
            until = span(thread, limit)
            if command == FutexOp.WAIT:
                until += thread.kernel.now_ns()
            elif operation & FUTEX_CLOCK_REALTIME:
                until -= thread.system.epoch_ns
        return (yield from futexes.wait(thread, at, value, until, bits))
    match command:
        case FutexOp.WAKE | FutexOp.WAKE_BITSET:
            return futexes.wake(thread, at, max(1, signed(value)), bits)
        case FutexOp.REQUEUE | FutexOp.CMP_REQUEUE:
            if command == FutexOp.CMP_REQUEUE and thread.read_word(at) != third & ANY:
                raise CallError(Errno.EAGAIN)
            if signed(value) < 0 or signed(limit) < 0:
                raise CallError(Errno.EINVAL)
            return futexes.requeue(thread, at, signed(value), signed(limit), second)
    raise CallError(Errno.ENOSYS)


@call(o32=238, n64=194, restarts=True)
def futex(thread: Thread, at: int, operation: int, value: int, limit: int, second: int, third: int) -> Steps:
    return (yield from _futex(thread, at, operation, value, limit, second, third, in_longs))


@call(o32=422, restarts=True)
def futex_time64(thread: Thread, at: int, operation: int, value: int, limit: int, second: int, third: int) -> Steps:
    return (yield from _futex(thread, at, operation, value, limit, second, third, in_wide))
