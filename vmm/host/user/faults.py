"""Exceptions of user programs that are no interrupt and no system call: they are mended, or become signals.

(Linux arch/mips/kernel/traps.c, mm/fault.c)
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from vmm.arch.cp0.registers import Cause
from vmm.arch.exceptions import ExcCode
from vmm.host.kernel.memory import NoMemory
from vmm.host.user.memory import Access
from vmm.host.user.numbers import CallError, Si, Sig
from vmm.host.user.processes import Ended

if TYPE_CHECKING:
    from vmm.host.user.system import UserSystem
    from vmm.host.user.threads import Thread

ACCESS = {ExcCode.TLBL: Access.READ, ExcCode.TLBRI: Access.READ, ExcCode.TLBS: Access.WRITE, ExcCode.Mod: Access.WRITE,
          ExcCode.TLBXI: Access.FETCH}
# fmt: off
SIGNAL = {                                                  # and si_code
    ExcCode.AdEL: (Sig.BUS, 1),  ExcCode.AdES: (Sig.BUS, 1),  ExcCode.IBE:    (Sig.BUS, 2), ExcCode.DBE: (Sig.BUS, 2),
    ExcCode.Bp:   (Sig.TRAP, 1), ExcCode.Tr:   (Sig.TRAP, 1), ExcCode.RI:     (Sig.ILL, 1), ExcCode.CpU: (Sig.ILL, 1),
    ExcCode.Ov:   (Sig.FPE, 2),  ExcCode.FPE:  (Sig.FPE, 3),  ExcCode.MSAFPE: (Sig.FPE, 3),
}
# fmt: on
FPE_INTOVF, FPE_INTDIV = 2, 1
BRK_OVERFLOW, BRK_DIVZERO = 6, 7
RDHWR_USER_LOCAL = 0x7C00_E83B                              # rdhwr rt, $29, but for rt
RT = 0x1F << 16


class Faults:
    def __init__(self, system: UserSystem) -> None:
        self.system = system

    def handle(self, thread: Thread, code: int) -> None:
        registers = thread.registers
        if code in ACCESS:
            self._memory(thread, ExcCode(code))
        elif code == ExcCode.CpU and Cause.CE.of(registers.cause) == 1 and self.system.kernel.model.fpu:
            thread.fpu.own(thread.core, registers)
        elif code == ExcCode.MSADis:
            thread.fpu.own(thread.core, registers, msa=True)
        elif code == ExcCode.RI and self._emulated(thread):
            registers.pc += 4
        else:
            signal, reason = SIGNAL.get(ExcCode(code), (Sig.ILL, 1))
            if code in (ExcCode.Bp, ExcCode.Tr):
                signal, reason = self._trap_code(thread, code) or (signal, reason)
            at = registers.bad_address if code in (ExcCode.AdEL, ExcCode.AdES) else registers.pc
            self.system.signals.force(thread, signal, reason, at, f"{ExcCode(code).name} at {registers.pc:#x}")

    def _memory(self, thread: Thread, code: ExcCode) -> None:
        registers = thread.registers
        at, access = registers.bad_address, ACCESS[code]
        if access is Access.READ and at & ~3 in (registers.pc, registers.pc + 4 if registers.in_slot else registers.pc):
            access = Access.FETCH
        self.system.counts[f"{access.name.lower()} faults"] += 1
        try:
            failure = Si.MAPERR if at >= thread.memory.top else thread.memory.fault(thread.cpu, at, access)
        except NoMemory:
            self.system.end_process(thread.process, Ended(signal=Sig.KILL, detail="the machine has no memory left; give it "
                                                          "more with -m"))
            return
        if failure is not None:
            self.system.signals.force(thread, Sig.SEGV, failure, at,
                                      f"{access.name.lower()} of {at:#x} at {registers.pc:#x}")

    def _emulated(self, thread: Thread) -> bool:
        """RDHWR of UserLocal on a core without it."""
        if thread.registers.in_slot:
            return False
        word = self._word(thread, thread.registers.pc)
        if word is None or word & ~RT != RDHWR_USER_LOCAL:
            return False
        thread.registers[word >> 16 & 0x1F] = thread.tls
        return True

    def _trap_code(self, thread: Thread, code: int) -> tuple[Sig, int] | None:
        """Compilers check divisors with TEQ and BREAK."""
        word = self._word(thread, thread.registers.pc + (4 if thread.registers.in_slot else 0))
        if word is None:
            return None
        number = word >> 6 & 0x3FF if code == ExcCode.Tr else word >> 16 & 0x3FF or word >> 6 & 0x3FF
        return {BRK_OVERFLOW: (Sig.FPE, FPE_INTOVF), BRK_DIVZERO: (Sig.FPE, FPE_INTDIV)}.get(number)

    def _word(self, thread: Thread, va: int) -> int | None:
        try:
            raw = thread.memory.read(thread.cpu, va, 4)
        except (CallError, NoMemory):
            return None
        return int.from_bytes(raw, "big" if self.system.kernel.big_endian else "little")
