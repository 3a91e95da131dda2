"""The table of system calls, which the modules beside this one fill, and what every call has in common.

A call is a function of the thread and its arguments; it returns a number, or is a generator if it may sleep, or raises
``CallError``.  The result is in v0, and a3 says whether that is an error.  Invariant: until a call has its result, the
thread's registers are as it made it, so a call that a signal breaks can be made again.
(Linux arch/mips/kernel/syscalls/syscall_o32.tbl, syscall_n64.tbl; scall32-o32.S)
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeVar

from vmm.host.kernel.memory import NoMemory
from vmm.host.user.abi import A0, A3, N64, O32, SP, V0
from vmm.host.user.numbers import CallError, Errno
from vmm.host.user.threads import Steps, Thread

Handler = TypeVar("Handler", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    handler: Callable[..., Any]                             # of a thread and the arguments; see above
    arguments: int
    restarts: bool                                          # after a handler that wants it


TABLE: dict[str, dict[int, Call]] = {O32.name: {}, N64.name: {}}
"""By ABI and by number, which here begins with 0."""


def call(o32: int | None = None, n64: int | None = None, *, restarts: bool = False) -> Callable[[Handler], Handler]:
    """The function below is the call with these numbers; it has the call's name."""
    def enter(handler: Handler) -> Handler:
        row = Call(handler.__name__, handler, handler.__code__.co_argcount - 1, restarts)
        for abi, number in ((O32, o32), (N64, n64)):
            if number is not None:
                if number in TABLE[abi.name]:
                    raise ValueError(f"{abi.name} call {number} is {TABLE[abi.name][number].name} and {row.name}")
                TABLE[abi.name][number] = row
        return handler
    return enter


class Calls:
    """``counts``: by name; ``unknown``: calls that do not exist here, which fail with ENOSYS."""

    def __init__(self) -> None:
        from vmm.host.user.calls import clocks, files, memory, processes, signals, threads  # they fill the table
        assert all((clocks, files, memory, processes, signals, threads))
        self.counts: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()

    def perform(self, thread: Thread) -> Steps:
        registers, abi = thread.registers, thread.process.abi
        number = registers[V0] - abi.base
        found = TABLE[abi.name].get(number)
        if found is None:
            self.unknown[f"{abi.name} call {registers[V0]}"] += 1
            self._answer(thread, -Errno.ENOSYS)
            return
        self.counts[found.name] += 1
        try:
            result = found.handler(thread, *self._arguments(thread, found.arguments))
            if isinstance(result, Generator):
                result = yield from result
        except CallError as error:
            if error.errno is Errno.EINTR and found.restarts and thread.system.signals.restarts(thread):
                return
            result = -error.errno
        except NoMemory:
            result = -Errno.ENOMEM
        if result is not None:
            self._answer(thread, result)

    def _arguments(self, thread: Thread, count: int) -> list[int]:
        abi, registers = thread.process.abi, thread.registers
        found = [registers[A0 + n] for n in range(min(count, abi.register_arguments))]
        if count > len(found):
            found += thread.read_longs(registers[SP] + abi.register_arguments * abi.word, count - len(found))
        return found

    def _answer(self, thread: Thread, result: int) -> None:
        registers = thread.registers
        registers[V0], registers[A3] = abs(result) if result < 0 else result, int(result < 0)
        registers.pc += 4


def signed(value: int, bits: int = 32) -> int:
    """An int argument."""
    sign = 1 << bits - 1
    return (value & 2 * sign - 1 ^ sign) - sign
