"""A CPU's state as a copy, to ask it what an access or a CP0 read would find.

The answers come from the architecture's own functions, run on the copy: so a debugger's look changes neither TLB nor
fault registers nor timers, and knows no rule that the machine does not.
"""
from __future__ import annotations

from vmm.arch.cp0.fields import Register
from vmm.arch.cp0.registers import Cause, Count, Random, Status
from vmm.arch.exceptions import ExcCode
from vmm.arch.privileged import cp0, mode, names, timer, translate
from vmm.arch.state import GUEST_FILE, ROOT_FILE
from vmm.engine.cpu import Cpu
from vmm.engine.numbers import Left, Numbers
from vmm.engine.store import Memory, State
from vmm.gdbstub.target import MemoryFault

PAGE = 0x1000
"""The smallest: within one, a translation is the same for all addresses."""

_REASONS = {
    ExcCode.AdEL: "address error",
    ExcCode.TLBL: "TLB invalid",
    ExcCode.TLBRI: "TLB read inhibit",
}

LIVE: frozenset[type[Register]] = frozenset({Count, Random, Cause})
"""Registers that change by themselves: their cells alone do not say what they hold."""


class Snapshot:
    """``memory``: of the machine, for whoever asks for addresses: a hardware walker reads page tables."""

    def __init__(self, cpu: Cpu, memory: Memory | None = None) -> None:
        self.state = State()
        self.state.block.bytes[:] = cpu.state.block.bytes
        self._numbers = Numbers(self.state, cpu.big_endian, memory or Memory(0))
        self._settled = False

    # -- CP0 -------------------------------------------------------------------------------------------------
    def root(self, register: type[Register]) -> int:
        """As the CPU holds it."""
        return self._read(ROOT_FILE, register)

    def guest(self, register: type[Register]) -> int:
        return self._read(GUEST_FILE, register)

    def _read(self, base: int, register: type[Register]) -> int:
        if register not in LIVE:
            return int(self.state.words[base + register.index])
        m = self._numbers
        if not self._settled:
            timer.look_around(m)    # what the CPU does before its next instruction: Cause is up to date
            self._settled, self.state.trap, self.state.trap_refill = True, 0, 0
        if base == GUEST_FILE:
            return int(cp0.read_of_guest(m, m.const(register.index)))
        self._choose(ROOT_FILE)
        return int(cp0.read(m, m.const(register.index)))

    def put(self, base: int, register: type[Register], value: int) -> None:
        """What if: change the copy."""
        self.state.words[base + register.index] = value

    def empty_guest_tlb(self) -> None:
        slots = self.state.array("guest_tlb")
        for n in range(len(slots)):
            slots[n] = 0

    def _choose(self, base: int) -> None:
        self.state.in_guest, self.state.base = int(base == GUEST_FILE), base

    # -- addresses -------------------------------------------------------------------------------------------
    def physical(self, va: int, base: int) -> int:
        """The first stage of translation in a context (``ROOT_FILE`` or ``GUEST_FILE``), with a kernel's rights and
        all its segments open: a debugger may look everywhere.
        """
        m, state = self._numbers, self.state
        self._choose(base)
        state.words[base + Status.index] |= Status.KX.mask
        state.priv, state.wrap = mode.KERNEL, 0
        try:
            return int(m.call(translate.first_stage, va, names.LOAD))
        except Left:
            raise MemoryFault(self._why(va)) from None

    def _why(self, va: int) -> str:
        m, state = self._numbers, self.state
        code = ExcCode(state.trap - 1)
        reason = "TLB refill" if state.trap_refill and code is ExcCode.TLBL else _REASONS.get(code, code.name)
        state.trap = state.trap_refill = 0
        return f"{reason} at {va:#x}, ASID {int(mode.address_space(m, m.cp0)):#x}"
