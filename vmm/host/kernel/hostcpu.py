"""A CPU of the machine as the kernel's C code uses it: plain state, and CP0 moves with all that they do.

The moves are the architecture's own (``vmm.arch.privileged.service``).  Invariant: a timer match that the engine has not
looked at yet is in Cause.TI before a write can move it away.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from vmm.arch.cp0.fields import Register, sign_extended
from vmm.arch.cp0.registers import Cause, Count, EntryLo0, EntryLo1
from vmm.arch.privileged.cp0 import IN_ENTRY_LO
from vmm.arch.privileged.walk import XI_BIT
from vmm.arch.state import GUEST_FILE, OFFSET, ROOT_FILE

PC, TICKS, COMPARE_AT, ROOT_CAUSE = OFFSET["pc"], OFFSET["ticks"], OFFSET["compare_at"], ROOT_FILE + Cause.index
ENTRY_LO = (EntryLo0, EntryLo1)


class HostCpu:
    """``core`` is the machine's CPU."""

    def __init__(self, core: Any) -> None:
        self.core = core
        self._wide = core.model.bits == 64
        self.gpr, self.root, self.guest = core.gpr, core.root, core.guest
        self.tlb, self.guest_tlb = core.tlb, core.guest_tlb
        self.state = core.state
        self.words: memoryview = core.state.words
        self.run: Callable[[int], Any] = core.run
        self.set_interrupt: Callable[[int, bool], None] = core.set_interrupt

    # Plain state

    @property
    def pc(self) -> int:
        return self.words[PC]

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
        return self.words[TICKS]

    @property
    def timer_matched(self) -> bool:
        return bool(self.words[ROOT_CAUSE] & Cause.TI.mask) or self.words[COMPARE_AT] <= self.words[TICKS]

    @property
    def in_guest(self) -> bool:
        return bool(self.core.in_guest)

    def step(self) -> Any:
        return self.core.step()

    def reset(self) -> None:
        self.core.reset()
        self.core.forget()
        self.core.move_to(Count, self.state.ticks >> self.state.count_shift)    # as all CPUs have it (synchronise_count)

    def invalidate_for_all(self, va: int, how: int, mmid: int) -> None:
        self.core.engine.service(self.state, "invalidate_for_all", va, how, mmid, 0)

    def skip_to(self, ticks: int) -> None:
        """Idle until then; a Compare match on the way is seen at the next look."""
        self.state.idle_ticks += ticks - self.state.ticks
        self.state.ticks = ticks

    def pass_time(self, until: int) -> None:
        self.core.pass_time(until)

    # CP0 moves in root kernel mode

    def mfc0(self, register: type[Register]) -> int:
        return self._seen(register, self.core.move_from(register))

    def mfgc0(self, register: type[Register]) -> int:
        return self._seen(register, self.core.move_from(register, guest=True))

    def mfgc0_each(self, registers: Sequence[type[Register]]) -> list[int]:
        """What MFGC0 of each gives; of registers that only moves change, which excludes Count, Cause and LLAddr."""
        words = self.state.words
        return [self._seen(register, words[GUEST_FILE + register.index]) for register in registers]

    def mtc0(self, register: type[Register], value: int) -> None:
        self.core.move_to(register, self._offered(register, value))

    def mtgc0(self, register: type[Register], value: int) -> None:
        self.core.move_to(register, self._offered(register, value), guest=True)

    def mtgc0_each(self, values: Iterable[tuple[type[Register], int]]) -> None:
        """MTGC0 of each whose register holds something else; of the same registers, in this order."""
        words, mask = self.words, (1 << self.core.model.bits) - 1
        for register, value in values:
            if (self._seen(register, words[GUEST_FILE + register.index]) ^ value) & mask:
                self.mtgc0(register, value)

    def _seen(self, register: type[Register], held: int) -> int:
        """32-bit registers unsigned; on a 32-bit core what MFC0 gives, with EntryLo's RI and XI brought down."""
        if not register.bits64:
            return held & 0xFFFFFFFF
        if self._wide:
            return held
        lowered = held & IN_ENTRY_LO | held >> XI_BIT << 30 if register in ENTRY_LO else held
        return sign_extended(lowered)

    def _offered(self, register: type[Register], value: int) -> int:
        if self._wide:
            return value
        return value & IN_ENTRY_LO | (value >> 30 & 3) << XI_BIT if register in ENTRY_LO else sign_extended(value)
