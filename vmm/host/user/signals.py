"""Signals: who gets which, what happens then, and the frame on the user stack that a handler returns through.

(Linux kernel/signal.c, arch/mips/kernel/signal.c, signal_n64.c; signal(7))
"""
from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING

from vmm.host.kernel.memory import NoMemory
from vmm.host.user.abi import A0, RA, SP, T9, Abi
from vmm.host.user.numbers import SIGNALS, CallError, Errno, Sa, Si, Sig
from vmm.host.user.processes import Ended, Process
from vmm.host.user.start import trampoline_address
from vmm.host.user.threads import Gone, Thread

if TYPE_CHECKING:
    from vmm.host.user.system import UserSystem

DEFAULT, IGNORE = 0, 1
IGNORED = frozenset({Sig.CHLD, Sig.WINCH, Sig.URG, Sig.CONT, Sig.STOP, Sig.TSTP})
"""What a process that says nothing lets pass; there is no job control, so stops are among it."""
INFO_BYTES, MASK_BYTES = 128, SIGNALS // 8
ARGUMENTS_BYTES = 24
"""Room for a handler's arguments at the frame's lower end, and padding."""
UNBLOCKABLE = 1 << Sig.KILL - 1 | 1 << Sig.STOP - 1


@dataclass(frozen=True, slots=True)
class Action:
    handler: int = DEFAULT
    flags: int = 0
    mask: int = 0


@dataclass(frozen=True, slots=True)
class Info:
    """``forced``: by what the thread itself did, so it cannot be put off.  ``value``: an address, or the sender."""

    number: int
    code: int
    value: int = 0
    forced: bool = False
    detail: str = ""


def bit(number: int) -> int:
    return 1 << number - 1


class Signals:
    def __init__(self, system: UserSystem) -> None:
        self.system = system

    # Sending

    def force(self, thread: Thread, number: int, code: int, address: int, detail: str) -> None:
        """What an instruction of the thread has earned."""
        thread.pending.append(Info(number, code, address, forced=True, detail=detail))

    def send(self, process: Process, number: int, sender: int, thread: Thread | None = None) -> None:
        """To ``thread``, else to whichever of the process's takes it."""
        info = Info(number, Si.TKILL if thread else Si.USER, sender)
        if process.ended or self._is_ignored(process, number):
            return
        queue = process.pending if thread is None else thread.pending
        if not any(other.number == number for other in queue):
            queue.append(info)
        takers = [thread] if thread else [other for other in process.threads.values()
                                          if number == Sig.KILL or not other.mask & bit(number)][:1]
        for taker in takers:
            taker.notify()

    def _is_ignored(self, process: Process, number: int) -> bool:
        handler = process.actions.get(number, Action()).handler
        return number != Sig.KILL and (handler == IGNORE or handler == DEFAULT and number in IGNORED)

    def wants_zombies(self, process: Process) -> bool:
        """Does it wait for children that have ended?  (sigaction(2), SA_NOCLDWAIT)"""
        action = process.actions.get(Sig.CHLD, Action())
        return action.handler != IGNORE and not action.flags & Sa.NOCLDWAIT

    # Receiving

    def wanted(self, thread: Thread) -> bool:
        """Is there something to do before the thread goes on?"""
        return thread.killed or thread.process.ending is not None or self._next(thread) is not None

    def is_fatal(self, thread: Thread) -> bool:
        """Will the thread never go on in user mode?  Then it waits for nothing any more."""
        return thread.killed or thread.process.ending is not None or any(
            info.number == Sig.KILL for info in (*thread.pending, *thread.process.pending))

    def _next(self, thread: Thread) -> Info | None:
        for queue in (thread.pending, thread.process.pending):
            for info in queue:
                if info.forced or info.number == Sig.KILL or not thread.mask & bit(info.number):
                    return info
        return None

    def restarts(self, thread: Thread) -> bool:
        """The next signal's handler lets the call that it breaks be made again."""
        info = self._next(thread)
        return info is not None and bool(thread.process.actions.get(info.number, Action()).flags & Sa.RESTART)

    def deliver(self, thread: Thread) -> None:
        """One signal: a handler will run, or the process ends."""
        info = self._next(thread)
        if thread.killed or thread.process.ending is not None or info is None:
            raise Gone
        (thread.pending if info in thread.pending else thread.process.pending).remove(info)
        action = thread.process.actions.get(info.number, Action())
        blocked = info.forced and thread.mask & bit(info.number)
        self.system.counts["signals"] += 1
        if action.handler == IGNORE and not info.forced or action.handler == DEFAULT and info.number in IGNORED:
            return
        if action.handler in (DEFAULT, IGNORE) or blocked:
            self.system.end_process(thread.process, Ended(signal=info.number, detail=info.detail))
            raise Gone
        try:
            self._call(thread, info, action)
        except (CallError, NoMemory):                      # there is no stack for the handler
            why = f"no stack for the handler of signal {info.number}"
            self.system.end_process(thread.process, Ended(signal=Sig.SEGV, detail=why))
            raise Gone from None

    # Handlers

    def _call(self, thread: Thread, info: Info, action: Action) -> None:
        abi, registers = thread.process.abi, thread.registers
        frame = Frame(abi, thread.kernel.big_endian)
        top, alternate = registers[SP], thread.alternate
        if action.flags & Sa.ONSTACK and alternate is not None and not alternate.has(top):
            top = alternate.end
        at = top - frame.size & -16
        thread.write(at, frame.build(thread, info))
        registers[A0], registers[A0 + 1], registers[A0 + 2] = info.number, at + ARGUMENTS_BYTES, at + frame.context
        registers[SP], registers[RA] = at, trampoline_address(thread.memory)
        registers.pc = registers[T9] = action.handler
        thread.usual_mask = None
        thread.mask |= action.mask & ~UNBLOCKABLE
        if not action.flags & Sa.NODEFER:
            thread.mask |= bit(info.number)
        if action.flags & Sa.RESETHAND:
            thread.process.actions[info.number] = Action()

    def return_from(self, thread: Thread) -> None:
        """rt_sigreturn: SP is at the frame."""
        frame = Frame(thread.process.abi, thread.kernel.big_endian)
        raw = thread.memory.read(thread.cpu, thread.registers[SP], frame.size)
        frame.restore(thread, raw)
        thread.mask &= ~UNBLOCKABLE


class Frame:
    """rt_sigframe: arguments, siginfo, ucontext."""

    def __init__(self, abi: Abi, big_endian: bool) -> None:
        self.abi, self.big_endian, self.layout = abi, big_endian, abi.sigcontext
        self.context = ARGUMENTS_BYTES + INFO_BYTES
        self.sigcontext = self.context + (24 if abi.word == 4 else 40)
        self.mask = self.sigcontext + self.layout.size
        self.size = self.mask + MASK_BYTES
        order = ">" if big_endian else "<"
        self._word, self._wide = Struct(order + "I"), Struct(order + "Q")

    def build(self, thread: Thread, info: Info) -> bytes:
        raw, registers, layout = bytearray(self.size), thread.registers, self.layout
        for n, value in enumerate((info.number, info.code & 0xFFFF_FFFF, 0)):
            self._word.pack_into(raw, ARGUMENTS_BYTES + 4 * n, value)
        at = ARGUMENTS_BYTES + (12 if self.abi.word == 4 else 16)
        raw[at:at + self.abi.word] = self.abi.pack(self.big_endian, info.value)
        for n in range(32):
            self._put(raw, layout.regs + 8 * n, registers[n])
        self._put(raw, layout.pc, registers.pc)
        self._put(raw, layout.hi, registers.load(registers.layout.hi))
        self._put(raw, layout.lo, registers.load(registers.layout.lo))
        thread.fpu.keep(thread.core)
        if thread.fpu.used:
            for n in range(32):
                self._put(raw, layout.fpregs + 8 * n, thread.fpu.registers[2 * n])
            self._word.pack_into(raw, self.sigcontext + layout.fcsr, thread.fpu.fcsr)
            self._word.pack_into(raw, self.sigcontext + layout.used_math, 1)
        raw[self.mask:] = mask_bytes(thread.mask if thread.usual_mask is None else thread.usual_mask, self.abi,
                                     self.big_endian)
        return bytes(raw)

    def restore(self, thread: Thread, raw: bytes) -> None:
        registers, layout = thread.registers, self.layout
        for n in range(32):
            registers[n] = self._get(raw, layout.regs + 8 * n)
        registers.pc = self._get(raw, layout.pc)
        registers.store(registers.layout.hi, self._get(raw, layout.hi))
        registers.store(registers.layout.lo, self._get(raw, layout.lo))
        if self._word.unpack_from(raw, self.sigcontext + layout.used_math)[0]:
            thread.fpu.lose(thread.core, registers)
            for n in range(32):
                thread.fpu.registers[2 * n] = self._get(raw, layout.fpregs + 8 * n)
            thread.fpu.fcsr = self._word.unpack_from(raw, self.sigcontext + layout.fcsr)[0]
        thread.mask = mask_of(raw[self.mask:], self.abi, self.big_endian)

    def _put(self, raw: bytearray, offset: int, value: int) -> None:
        """o32's structure has 64 bits for each register, and its values sign-extended."""
        sign = 1 << self.abi.bits - 1
        self._wide.pack_into(raw, self.sigcontext + offset, (value ^ sign) - sign & (1 << 64) - 1)

    def _get(self, raw: bytes, offset: int) -> int:
        value: int = self._wide.unpack_from(raw, self.sigcontext + offset)[0]
        return value


def mask_of(raw: bytes, abi: Abi, big_endian: bool) -> int:
    """A set of signals is an array of longs, the lowest signals first."""
    return sum(long << n * abi.bits for n, long in enumerate(abi.unpack(big_endian, raw)))


def mask_bytes(mask: int, abi: Abi, big_endian: bool) -> bytes:
    return abi.pack(big_endian, *(mask >> shift for shift in range(0, 8 * MASK_BYTES, abi.bits)))


def action_of(raw: bytes, abi: Abi, big_endian: bool) -> Action:
    """struct sigaction: flags, handler, mask; ``ACTION_BYTES`` of them."""
    flags = int.from_bytes(raw[:4], "big" if big_endian else "little")
    handler = abi.unpack(big_endian, raw[abi.word:2 * abi.word])[0]
    return Action(handler, flags, mask_of(raw[2 * abi.word:], abi, big_endian))


def action_bytes(action: Action, abi: Abi, big_endian: bool) -> bytes:
    flags = (action.flags & 0xFFFF_FFFF).to_bytes(4, "big" if big_endian else "little").ljust(abi.word, b"\0")
    return flags + abi.pack(big_endian, action.handler) + mask_bytes(action.mask, abi, big_endian)


def check_number(number: int) -> int:
    if not 1 <= number < SIGNALS:
        raise CallError(Errno.EINVAL)
    return number
