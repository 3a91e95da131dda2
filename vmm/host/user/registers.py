"""A thread's user registers, in the frame on its kernel stack that the exception entry fills.  (``vmm.host.kernel.traps``)

Invariant: in the frame every register is a long of the host's; those of a program of 32 bits are sign-extended there.
"""
from __future__ import annotations

from struct import Struct

from vmm.arch.cp0.registers import Cause, Status
from vmm.host.kernel.cpu import Ram
from vmm.host.kernel.kernel import Kernel
from vmm.host.kernel.layout import PtRegs
from vmm.host.kernel.memory import physical_address
from vmm.host.kernel.scheduler import IPI_LINE, TIMER_LINE
from vmm.host.kernel.tasks import Task

USER_MODE = 2


def user_status(kernel: Kernel) -> int:
    """Status in the frame of a program that has not run yet: user mode, interrupts on, no coprocessor."""
    wide = Status.KX.mask | Status.SX.mask | Status.UX.mask if kernel.word == 8 else 0
    lines = 1 << IPI_LINE | 1 << TIMER_LINE
    return Status.KSU.at(USER_MODE) | Status.EXL.mask | Status.IE.mask | lines << Status.IM.low | wide


def frame_of(kernel: Kernel, task: Task, bits: int = 32) -> Registers:
    """Of a task's, at the top of its kernel stack."""
    at = task.stack_top - PtRegs(kernel.word).size
    return Registers(kernel.ram, physical_address(at), kernel.word, kernel.big_endian, bits)


class Registers:
    """``bits``: of the program's registers."""

    def __init__(self, ram: Ram, address: int, word: int, big_endian: bool, bits: int) -> None:
        self.layout = PtRegs(word)
        self._window = ram.window(address, self.layout.size)
        self._long = Struct((">" if big_endian else "<") + ("Q" if word == 8 else "I"))
        self._host_mask = (1 << 8 * word) - 1
        self.bits = bits

    def load(self, offset: int) -> int:
        value: int = self._long.unpack_from(self._window, offset)[0]
        return value & (1 << self.bits) - 1

    def store(self, offset: int, value: int) -> None:
        sign = 1 << self.bits - 1
        extended = (value & 2 * sign - 1 ^ sign) - sign
        self._long.pack_into(self._window, offset, extended & self._host_mask)

    def __getitem__(self, number: int) -> int:
        return self.load(self.layout.gpr(number)) if number else 0

    def __setitem__(self, number: int, value: int) -> None:
        if number:
            self.store(self.layout.gpr(number), value)

    def copy_from(self, other: Registers) -> None:
        self.bits = other.bits
        self._window[:] = other._window

    def clear(self) -> None:
        self._window[:] = bytes(len(self._window))

    @property
    def pc(self) -> int:
        return self.load(self.layout.epc)

    @pc.setter
    def pc(self, value: int) -> None:
        self.store(self.layout.epc, value)

    @property
    def status(self) -> int:
        return self.load(self.layout.status) & 0xFFFF_FFFF

    @status.setter
    def status(self, value: int) -> None:
        self.store(self.layout.status, value)

    @property
    def cause(self) -> int:
        return self.load(self.layout.cause)

    @property
    def in_slot(self) -> bool:
        return bool(self.cause & Cause.BD.mask)

    @property
    def bad_address(self) -> int:
        return self.load(self.layout.bad_address)
