"""A CPU of the machine as the kernel's C code uses it: plain state, and CP0 moves with all that they do.

The moves are the architecture's own (``vmm.arch.privileged.cp0``), run on numbers over the state that the engine works
on.  Invariant: a timer match that the engine has not looked at yet is in Cause.TI before a write can move it away.
"""
from __future__ import annotations

from typing import Any

from vmm.arch.cp0.fields import Register
from vmm.arch.cp0.registers import Cause
from vmm.arch.privileged import cp0, timer
from vmm.arch.state import GUEST_FILE, ROOT_FILE
from vmm.engine.reference import Numbers
from vmm.engine.store import Memory

CONTEXTS = (ROOT_FILE, GUEST_FILE)


class HostCpu:
    """``core`` is the machine's CPU."""

    def __init__(self, core: Any) -> None:
        self.core = core
        self._wide = core.model.bits == 64
        self._numbers = Numbers(core.state, core.big_endian, Memory(0))  # CP0 moves touch no memory
        self.gpr, self.root, self.guest = core.gpr, core.root, core.guest
        self.tlb, self.guest_tlb = core.tlb, core.guest_tlb
        self.state = core.state

    # Plain state

    @property
    def pc(self) -> int:
        return int(self.core.pc)

    @pc.setter
    def pc(self, value: int) -> None:
        self.core.pc = value

    @property
    def hi(self) -> int:
        return int(self.core.hi)

    @hi.setter
    def hi(self, value: int) -> None:
        self.core.hi = value

    @property
    def lo(self) -> int:
        return int(self.core.lo)

    @lo.setter
    def lo(self, value: int) -> None:
        self.core.lo = value

    @property
    def ticks(self) -> int:
        return int(self.core.ticks)

    @property
    def in_guest(self) -> bool:
        return bool(self.core.in_guest)

    def run(self, until: int) -> Any:
        return self.core.run(until)

    def set_interrupt(self, line: int, up: bool) -> None:
        self.core.set_interrupt(line, up)

    def skip_to(self, ticks: int) -> None:
        """Idle until then; a Compare match on the way is seen at the next look."""
        self.state.idle_ticks += ticks - self.state.ticks
        self.state.ticks = ticks

    # CP0 moves in root kernel mode

    def mfc0(self, register: type[Register]) -> int:
        self._settle()
        return self._seen(register, cp0.read(self._numbers, self._index(register)))

    def mfgc0(self, register: type[Register]) -> int:
        self._settle()
        return self._seen(register, cp0.read_of_guest(self._numbers, self._index(register)))

    def mtc0(self, register: type[Register], value: int) -> None:
        self._settle()
        cp0.write(self._numbers, self._index(register), self._offered(register, value))
        self.core.refresh_mode()

    def mtgc0(self, register: type[Register], value: int) -> None:
        self._settle()
        cp0.write_of_guest(self._numbers, self._index(register), self._offered(register, value))
        timer.update_lines(self._numbers)
        self.core.refresh_mode()

    def _index(self, register: type[Register]) -> Any:
        return self._numbers.const(register.index)

    def _seen(self, register: type[Register], held: Any) -> int:
        """32-bit registers unsigned; on a 32-bit core what MFC0 gives, with EntryLo's RI and XI brought down."""
        if not register.bits64:
            return int(held) & 0xFFFFFFFF
        return int(held if self._wide else cp0.low_half(self._numbers, self._index(register), held))

    def _offered(self, register: type[Register], value: int) -> Any:
        offered = self._numbers.const(value)
        return offered if self._wide else cp0.from_low_half(self._numbers, self._index(register), offered)

    def _settle(self) -> None:
        """What the engine does before its next instruction, for the timers and the lines only."""
        matches = self.state.array("compare_at")
        for which, file in enumerate(CONTEXTS):
            if self.state.ticks >= matches[which]:
                self.state.words[file + Cause.index] |= Cause.TI.mask
                matches[which] += 1 << 32 + self.state.count_shift
        timer.update_lines(self._numbers)
