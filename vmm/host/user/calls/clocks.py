"""Time, which is the machine's virtual time: clock_gettime(2), nanosleep(2), gettimeofday(2)."""
from __future__ import annotations

from collections.abc import Callable

from vmm.host.user.calls.table import call, signed
from vmm.host.user.numbers import CallError, Errno
from vmm.host.user.threads import Steps, Thread

NS = 1_000_000_000
REALTIME, TIMER_ABSTIME = 0, 1
CLOCKS = 12

Span = Callable[[Thread, int], int]
"""Nanoseconds of the time that is described at an address."""
Tell = Callable[[Thread, int, int], None]
"""Describes a time in nanoseconds at an address."""


def in_longs(thread: Thread, at: int) -> int:
    seconds, ns = thread.read_longs(at, 2)
    return _span(signed(seconds, thread.process.abi.bits), ns)


def in_wide(thread: Thread, at: int) -> int:
    """time64_t: what o32 needs after 2038."""
    raw = thread.read(at, 16)
    return _span(int.from_bytes(raw[:8], thread.order, signed=True), int.from_bytes(raw[8:], thread.order))


def _span(seconds: int, ns: int) -> int:
    if seconds < 0 or ns >= NS:
        raise CallError(Errno.EINVAL)
    return seconds * NS + ns


def tell_longs(thread: Thread, at: int, ns: int) -> None:
    thread.write_longs(at, *divmod(ns, NS))


def tell_wide(thread: Thread, at: int, ns: int) -> None:
    thread.write(at, b"".join(part.to_bytes(8, thread.order) for part in divmod(ns, NS)))


def _now(thread: Thread, clock: int) -> int:
    if not 0 <= signed(clock) < CLOCKS:
        raise CallError(Errno.EINVAL)
    return thread.kernel.now_ns() + (thread.system.epoch_ns if clock == REALTIME else 0)


@call(o32=263, n64=222)
def clock_gettime(thread: Thread, clock: int, at: int) -> int:
    tell_longs(thread, at, _now(thread, clock))
    return 0


@call(o32=403)
def clock_gettime64(thread: Thread, clock: int, at: int) -> int:
    tell_wide(thread, at, _now(thread, clock))
    return 0


@call(o32=264, n64=223)
def clock_getres(thread: Thread, clock: int, at: int) -> int:
    if at:
        thread.write_longs(at, 0, thread.kernel.ns_per_tick)
    return 0


@call(o32=78, n64=94)
def gettimeofday(thread: Thread, at: int, zone: int) -> int:
    seconds, ns = divmod(_now(thread, REALTIME), NS)
    if at:
        thread.write_longs(at, seconds, ns // 1000)
    return 0


@call(o32=13)
def time(thread: Thread, at: int) -> int:
    seconds = _now(thread, REALTIME) // NS
    if at:
        thread.write_longs(at, seconds)
    return seconds


def _sleep(thread: Thread, until_ns: int, rest: int, tell: Tell = tell_longs) -> Steps:
    """``rest``: where a program that a signal wakes finds how long it was to sleep still, or 0."""
    while (now := thread.kernel.now_ns()) < until_ns:
        if thread.system.signals.wanted(thread):
            if rest:
                tell(thread, rest, until_ns - now)
            raise CallError(Errno.EINTR)
        yield from thread.sleep(until_ns)
    return 0


@call(o32=166, n64=34)
def nanosleep(thread: Thread, span: int, rest: int) -> Steps:
    return (yield from _sleep(thread, thread.kernel.now_ns() + in_longs(thread, span), rest))


def _until(thread: Thread, clock: int, flags: int, span_ns: int) -> int:
    return span_ns + (0 if flags & TIMER_ABSTIME else _now(thread, clock)) - (
        thread.system.epoch_ns if clock == REALTIME else 0)


@call(o32=265, n64=224)
def clock_nanosleep(thread: Thread, clock: int, flags: int, span: int, rest: int) -> Steps:
    return (yield from _sleep(thread, _until(thread, clock, flags, in_longs(thread, span)), _rest(flags, rest)))


def _rest(flags: int, rest: int) -> int:
    """Who says until when need not be told how long that is."""
    return 0 if flags & TIMER_ABSTIME else rest


@call(o32=407)
def clock_nanosleep_time64(thread: Thread, clock: int, flags: int, span: int, rest: int) -> Steps:
    until = _until(thread, clock, flags, in_wide(thread, span))
    return (yield from _sleep(thread, until, _rest(flags, rest), tell_wide))


@call(o32=29, n64=33)
def pause(thread: Thread) -> Steps:
    while not thread.system.signals.wanted(thread):
        yield from thread.sleep()
    raise CallError(Errno.EINTR)
