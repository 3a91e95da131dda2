"""A thread of a user program: its registers in the CPU while that executes it, else in the frame of its last exception;
memory by its page table, and by its areas where no page has been used yet.

A breakpoint in it counts in its process only, whatever other processes have at the same address.
"""
from __future__ import annotations

from collections.abc import Callable

from vmm.arch.cp0.fields import Register, sign_extended
from vmm.arch.cp0.registers import EPC, BadVAddr, Cause, Status
from vmm.arch.privileged.mode import USER
from vmm.debug.host import CpuFpu, core_register, set_core_register
from vmm.debug.layout import Kind, Row, layout
from vmm.debug.view import LOW, FpuView, Locate, View
from vmm.engine.cpu import Cpu
from vmm.gdbstub.target import MemoryFault, TargetError
from vmm.host.kernel.memory import NoMemory
from vmm.host.machine import Machine
from vmm.host.user.fpu import FpuContext
from vmm.host.user.numbers import CallError
from vmm.host.user.threads import Thread

K0, K1 = 26, 27
MOVED_BY_ENTRY = frozenset({1, K0, K1, 28, 29})
"""What the kernel's entry puts its own into before the frame is complete: at, k0, k1, gp, sp."""


class ProcessView(View):
    def __init__(self, machine: Machine, thread: Thread) -> None:
        super().__init__(machine, layout((), msa="MSA" in machine.model.ases))
        self.thread = thread

    # -- where it is -------------------------------------------------------------------------------------------
    @property
    def core_number(self) -> int:
        """The CPU that it has, or had last."""
        task = self.thread.task
        return next((number for number in (task.cpu, task.last_cpu) if number is not None), 0)

    @property
    def cpu(self) -> Cpu | None:
        """The CPU that executes its code now."""
        if self.thread.task.cpu is None:
            return None
        cpu = self.machine.cpus[self.thread.task.cpu]
        cpu.refresh_mode()
        return cpu if cpu.state.priv == USER and not cpu.state.in_guest else None

    @property
    def _entering(self) -> Cpu | None:
        """The CPU that has taken an exception from it and has not saved all of its registers."""
        task, symbols = self.thread.task, self.thread.kernel.text.symbols
        if task.cpu is None or self.cpu is not None:
            return None
        cpu = self.machine.cpus[task.cpu]
        vectors = symbols["host_tlb_refill"] <= cpu.pc < symbols["returned"]
        return cpu if vectors or symbols["user_exception"] <= cpu.pc < symbols["call_handle_exception"] else None

    @property
    def waiting(self) -> bool:
        """It sleeps in the kernel, or has ended."""
        return self.thread.task.sleeping or self.thread.task.done

    @property
    def state(self) -> str:
        task = self.thread.task
        if task.done:
            return "ended"
        if task.sleeping:
            return "sleeping"
        if task.cpu is None:
            return "runnable"
        return "running" if self.cpu is not None else "in the kernel"

    # -- registers ---------------------------------------------------------------------------------------------
    @property
    def pc(self) -> int:
        if (cpu := self.cpu) is not None:
            return cpu.pc
        cpu = self._entering
        return self._long(self.thread.registers.pc) if cpu is None else cpu.root[EPC]

    def _long(self, value: int) -> int:
        return sign_extended(value) if self.thread.process.abi.bits == 32 else value

    def core(self, row: Row) -> int | None:
        registers = self.thread.registers
        if (cpu := self.cpu) is not None:
            return core_register(cpu, row)
        if row.kind is Kind.PC:
            return self.pc
        if (cpu := self._entering) is not None:
            return None if row.index in MOVED_BY_ENTRY else core_register(cpu, row)
        if row.kind is Kind.GPR:
            return self._long(registers[row.index])
        return self._long(registers.load(registers.layout.hi if row.kind is Kind.HI else registers.layout.lo))

    def set_core(self, row: Row, value: int) -> None:
        registers = self.thread.registers
        if (cpu := self.cpu) is not None:
            set_core_register(cpu, row, value)
        elif self._entering is not None:
            raise TargetError(f"{row.name}: the kernel is just saving the program's registers; step past it first")
        elif row.kind is Kind.GPR:
            registers[row.index] = value
        elif row.kind is Kind.PC:
            registers.pc = value
        else:
            registers.store(registers.layout.hi if row.kind is Kind.HI else registers.layout.lo, value)

    def fpu(self) -> FpuView:
        """The registers are in the CPU from the thread's first use of the unit until it loses the CPU."""
        fpu, paired = self.thread.fpu, not self._status & Status.FR.mask
        if fpu.live:
            return CpuFpu(self.machine.cpus[self.core_number], paired)
        return KeptFpu(fpu, self.machine.cpus[0], not fpu.wide)

    @property
    def _status(self) -> int:
        cpu = self.cpu or self._entering
        return self.thread.registers.status if cpu is None else cpu.root[Status]

    def cp0_reader(self) -> Callable[[type[Register]], int]:
        cpu, registers = self.cpu or self._entering, self.thread.registers

        def read(register: type[Register]) -> int:
            if register is Status:
                return self._status
            if cpu is not None:
                return cpu.root[register]
            return {Cause: registers.cause, BadVAddr: self._long(registers.bad_address)}.get(register, 0)

        return read

    def set_cp0(self, register: type[Register], value: int) -> None:
        raise TargetError(f"{register.name}: belongs to the kernel, not to a user program; select a thread of process 1")

    # -- memory ------------------------------------------------------------------------------------------------
    def locator(self) -> Locate:
        memory = self.thread.process.memory

        def locate(va: int) -> int:
            physical = memory.physical(va)
            if physical is None:
                raise MemoryFault(f"{va:#x}: the page table of process {self.thread.process.pid} has no page there")
            return physical

        return locate

    def read(self, address: int, size: int) -> bytes:
        """Also what nobody has used yet: it is what the executable has there, or zeros."""
        memory, found = self.thread.process.memory, b""
        while len(found) < size:
            at = address + len(found)
            page = at & -memory.page_size
            length = min(size - len(found), page + memory.page_size - at)
            if memory.physical(at) is not None:
                found += super().read(at, length)
            elif (area := memory.areas.find(at)) is not None:
                contents = area.contents.page(page, memory.page_size) if area.contents else bytes(memory.page_size)
                found += contents[at - page:at - page + length]
            else:
                raise MemoryFault(f"{at:#x} is in no area of process {self.thread.process.pid}")
        return found

    def write(self, address: int, data: bytes) -> None:
        """As the kernel writes for a system call: pages come into being, and are copied if others have them."""
        try:
            self.thread.process.memory.write(self.core_number, address, data)
        except CallError:
            raise MemoryFault(f"{address:#x}: process {self.thread.process.pid} may not write there") from None
        except NoMemory as error:                      # for a page that it has not used, or a copy of one that it shares
            raise MemoryFault(f"{address:#x}: {error}") from None


class KeptFpu(FpuView):
    """Of a thread that has not got the unit now."""

    def __init__(self, held: FpuContext, core: Cpu, paired: bool) -> None:
        super().__init__(core.state, paired)
        self._held = held

    def vector(self, n: int) -> int:
        return self._held.registers[2 * n] | self._held.registers[2 * n + 1] << 64

    def set_vector(self, n: int, value: int) -> None:
        self._held.registers[2 * n], self._held.registers[2 * n + 1] = value & LOW, value >> 64

    @property
    def msacsr(self) -> int:
        return self._held.msacsr

    @msacsr.setter
    def msacsr(self, value: int) -> None:
        self._held.msacsr = value

    @property
    def fcsr(self) -> int:
        return self._held.fcsr

    @fcsr.setter
    def fcsr(self, value: int) -> None:
        self._held.fcsr = value
