"""Signals: rt_sigaction(2), rt_sigprocmask(2), kill(2), tgkill(2)."""
from __future__ import annotations

from vmm.host.user.abi import SP
from vmm.host.user.calls.table import call, signed
from vmm.host.user.numbers import CallError, Errno, Si, Sig
from vmm.host.user.signals import (
    MASK_BYTES,
    UNBLOCKABLE,
    Action,
    action_bytes,
    action_of,
    bit,
    check_number,
    mask_bytes,
    mask_of,
)
from vmm.host.user.threads import Alternate, Steps, Thread

BLOCK, UNBLOCK, SETMASK = 1, 2, 3
SS_ONSTACK, SS_DISABLE = 1, 2


@call(o32=194, n64=13)
def rt_sigaction(thread: Thread, number: int, new: int, old: int, size: int) -> int:
    number = check_number(signed(number))
    abi, big_endian = thread.process.abi, thread.kernel.big_endian
    before = thread.process.actions.get(number, Action())
    if new:
        if number in (Sig.KILL, Sig.STOP):
            raise CallError(Errno.EINVAL)
        thread.process.actions[number] = action_of(thread.read(new, 2 * abi.word + MASK_BYTES), abi, big_endian)
    if old:
        thread.write(old, action_bytes(before, abi, big_endian))
    return 0


@call(o32=195, n64=14)
def rt_sigprocmask(thread: Thread, how: int, new: int, old: int, size: int) -> int:
    abi, big_endian, before = thread.process.abi, thread.kernel.big_endian, thread.mask
    if new:
        given = mask_of(thread.read(new, MASK_BYTES), abi, big_endian)
        changed = {BLOCK: before | given, UNBLOCK: before & ~given, SETMASK: given}
        if how not in changed:
            raise CallError(Errno.EINVAL)
        thread.mask = changed[how] & ~UNBLOCKABLE
    if old:
        thread.write(old, mask_bytes(before, abi, big_endian))
    return 0


@call(o32=196, n64=125)
def rt_sigpending(thread: Thread, at: int, size: int) -> int:
    waiting = {info.number for info in (*thread.pending, *thread.process.pending)}
    thread.write(at, mask_bytes(sum(bit(number) for number in waiting), thread.process.abi, thread.kernel.big_endian))
    return 0


@call(o32=199, n64=128)
def rt_sigsuspend(thread: Thread, mask: int, size: int) -> Steps:
    """Other signals than usual are let through, until one comes; its handler returns to the usual ones."""
    given = mask_of(thread.read(mask, MASK_BYTES), thread.process.abi, thread.kernel.big_endian)
    thread.usual_mask, thread.mask = thread.mask, given & ~UNBLOCKABLE
    while not thread.system.signals.wanted(thread):
        yield from thread.sleep()
    raise CallError(Errno.EINTR)


@call(o32=206, n64=129)
def sigaltstack(thread: Thread, new: int, old: int) -> int:
    """stack_t: address, size, flags, a long each or with padding."""
    now = thread.alternate
    used = now is not None and now.has(thread.registers[SP])
    if new:
        start, size, flags = thread.read_longs(new, 3)
        if used:
            raise CallError(Errno.EPERM)
        thread.alternate = None if _flags(thread, flags) & SS_DISABLE else Alternate(start, size)
    if old:
        at, size, flags = (now.start, now.size, SS_ONSTACK if used else 0) if now else (0, 0, SS_DISABLE)
        thread.write_longs(old, at, size)
        thread.write_word(old + 2 * thread.process.abi.word, flags)
    return 0


def _flags(thread: Thread, long: int) -> int:
    """An int in the place of a long."""
    return long >> thread.process.abi.bits - 32 if thread.kernel.big_endian else long & 0xFFFF_FFFF


@call(o32=193, n64=211)
def rt_sigreturn(thread: Thread) -> None:
    try:
        thread.system.signals.return_from(thread)
    except CallError:
        sp = thread.registers[SP]
        thread.system.signals.force(thread, Sig.SEGV, Si.MAPERR, sp, f"no frame to return from at {sp:#x}")


@call(o32=37, n64=60)
def kill(thread: Thread, pid: int, number: int) -> int:
    process = thread.system.live.get(signed(pid) or thread.process.pid)
    if process is None:
        raise CallError(Errno.ESRCH)
    if number:
        thread.system.signals.send(process, check_number(signed(number)), thread.process.pid)
    return 0


@call(o32=266, n64=225)
def tgkill(thread: Thread, pid: int, tid: int, number: int) -> int:
    target = thread.system.thread(signed(tid))
    if target.process.pid != signed(pid):
        raise CallError(Errno.ESRCH)
    if number:
        thread.system.signals.send(target.process, check_number(signed(number)), thread.process.pid, target)
    return 0


@call(o32=236, n64=192)
def tkill(thread: Thread, tid: int, number: int) -> int:
    return tgkill(thread, thread.system.thread(signed(tid)).process.pid, tid, number)
