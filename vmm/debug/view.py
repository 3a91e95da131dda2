"""One thread as a debugger sees it: registers by row, memory by address.

Invariant: looking changes nothing, neither a TLB nor a device; a write either happens as a whole or not at all; and
writing the value that is there already is no write, so a debugger that sends back all registers disturbs nothing.
"""
from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from vmm.arch.cp0.fields import Register, sign_extended
from vmm.arch.privileged.msa import MSACSR_WRITABLE
from vmm.debug.addresses import forms
from vmm.debug.layout import FCSR, FIR, FIRST_FPR, FIRST_VECTOR, MSACSR, MSAIR, Kind, Row
from vmm.debug.snapshot import PAGE
from vmm.engine.store import State
from vmm.gdbstub.target import MemoryFault, TargetError
from vmm.host.machine import Machine

Locate = Callable[[int], int]
ADDRESS_MASK = (1 << 64) - 1


LOW = (1 << 64) - 1


class FpuView(ABC):
    """The registers of FPU and MSA by number; with Status.FR clear, an odd one of the FPU is the upper half of the even
    one before it.  The FPU's are the low halves of MSA's.

    ``core``: the state of the CPU that has the unit, or of one like it; ``paired``: Status.FR is clear.
    """

    def __init__(self, core: State, paired: bool) -> None:
        self.core, self.paired = core, paired

    @abstractmethod
    def vector(self, n: int) -> int:
        """The 128 bits of register ``n``."""

    @abstractmethod
    def set_vector(self, n: int, value: int) -> None: ...

    @property
    def fir(self) -> int:
        return self.core.fir

    @property
    def msair(self) -> int:
        return self.core.msair

    fcsr: int
    msacsr: int

    def word(self, n: int) -> int:
        """The low 64 bits of register ``n``."""
        return self.vector(n) & LOW

    def set_word(self, n: int, value: int) -> None:
        self.set_vector(n, self.vector(n) & ~LOW | value & LOW)

    def read(self, number: int) -> int:
        if (name := CONTROL.get(number)) is not None:
            return int(getattr(self, name))
        if number >= FIRST_VECTOR:
            return self.vector(number - FIRST_VECTOR)
        n = number - FIRST_FPR
        return self.word(n - 1) >> 32 if self.paired and n % 2 else self.word(n)

    def write(self, number: int, value: int) -> None:
        if number in (FIR, MSAIR):
            raise TargetError(f"{CONTROL[number]}: the unit's identification cannot be written")
        n = number - FIRST_FPR
        if number == FCSR:
            fixed = self.fcsr & ~self.core.fcsr_writable
            self.fcsr = value & self.core.fcsr_writable | fixed
        elif number == MSACSR:
            self.msacsr = value & MSACSR_WRITABLE
        elif number >= FIRST_VECTOR:
            self.set_vector(number - FIRST_VECTOR, value)
        elif self.paired and n % 2:
            self.set_word(n - 1, self.word(n - 1) & 0xFFFF_FFFF | (value & 0xFFFF_FFFF) << 32)
        else:
            self.set_word(n, value)


CONTROL = {FCSR: "fcsr", FIR: "fir", MSACSR: "msacsr", MSAIR: "msair"}
"""Registers that are attributes of a view."""


class View(ABC):
    """What host CPUs and vCPUs have in common; what differs is where the values are."""

    def __init__(self, machine: Machine, rows: tuple[Row, ...]) -> None:
        self.machine, self.rows = machine, rows
        self.bits = machine.model.bits
        self._row = {row.number: row for row in rows}

    # -- registers -------------------------------------------------------------------------------------------
    def registers(self) -> dict[int, int | None]:
        """All values by number."""
        read = self.cp0_reader()
        return {row.number: self._value(row, read) for row in self.rows}

    def register(self, number: int) -> int | None:
        return self._now(self.row(number))

    def _now(self, row: Row) -> int | None:
        return self._value(row, self.core_only if row.register is None else self.cp0_reader())

    @staticmethod
    def core_only(register: type[Register]) -> int:
        raise AssertionError(f"{register.name} is read without a reader")

    def row(self, number: int) -> Row:
        if number not in self._row:
            raise TargetError(f"no register {number}; target.xml lists those that exist")
        return self._row[number]

    def set_register(self, number: int, value: int) -> None:
        row = self.row(number)
        if value == self._now(row):
            return
        if row.kind in (Kind.FPU, Kind.MSA):
            if not self.machine.model.fpu:
                raise TargetError(f"{row.name}: this machine has no FPU")
            self.fpu().write(row.number, value)
            return
        if row.size == 8 and self.bits == 32 and row.kind is not Kind.CP0:
            value = sign_extended(value)
        if row.register is not None:
            self.set_cp0(row.register, value)
        else:
            self.set_core(row, value)

    def _value(self, row: Row, read: Callable[[type[Register]], int]) -> int | None:
        if row.kind in (Kind.FPU, Kind.MSA):
            return self.fpu().read(row.number) if self.machine.model.fpu else None
        value = self.core(row) if row.register is None else read(row.register)
        return None if value is None else value & (1 << 8 * row.size) - 1

    @abstractmethod
    def core(self, row: Row) -> int | None:
        """A general register, hi, lo or pc; None while it is nowhere."""

    @abstractmethod
    def set_core(self, row: Row, value: int) -> None: ...

    @abstractmethod
    def fpu(self) -> FpuView:
        """Where the FPU's registers are now."""

    @abstractmethod
    def cp0_reader(self) -> Callable[[type[Register]], int]:
        """Reads CP0 registers as they are now."""

    @abstractmethod
    def set_cp0(self, register: type[Register], value: int) -> None: ...

    # -- memory ----------------------------------------------------------------------------------------------
    @abstractmethod
    def locator(self) -> Locate:
        """From a virtual address to one of the machine's memory, valid to the end of its page; raises MemoryFault."""

    def place(self, address: int) -> int:
        """Where in the machine's memory an address is, valid to the end of its page; raises MemoryFault."""
        return self._find(self.locator(), address)

    def read(self, address: int, size: int) -> bytes:
        """All of it, or MemoryFault."""
        return b"".join(self.machine.ram.read(at, length) for at, length in self._pieces(address, size))

    def write(self, address: int, data: bytes) -> None:
        done = 0
        for at, length in self._pieces(address, len(data)):
            self.machine.ram.write(at, data[done:done + length])
            done += length

    def _pieces(self, address: int, size: int) -> list[tuple[int, int]]:
        """Where in the machine's memory the bytes are, page by page."""
        locate = self.locator()
        pieces: list[tuple[int, int]] = []
        done = 0
        while done < size:
            at = self._find(locate, address + done & ADDRESS_MASK)
            length = min(size - done, PAGE - at % PAGE)
            pieces.append((at, length))
            done += length
        return pieces

    def _find(self, locate: Locate, address: int) -> int:
        """In one form of the address or the other; the complaint is about the form that was given."""
        found: MemoryFault | None = None
        for form in forms(address, self.bits):
            try:
                return locate(form)
            except MemoryFault as fault:
                found = found or fault
        raise found or MemoryFault(f"{address:#x} is no address")

