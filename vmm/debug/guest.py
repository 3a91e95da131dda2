"""A vCPU: its registers in the CPU while that executes the guest, else where the world switch saved them; memory
through the guest's own segments and TLB, then through the memory slots.

The root TLB takes no part: it is a cache of the slots, and a page that is not in it yet is memory all the same.
(rows KH-3, KH-5, C0-23, 17.1)
"""
from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

from vmm.arch.cp0.fields import Register, sign_extended
from vmm.arch.cp0.registers import EPC, Cause, Count, GTOffset, GuestCtl0, GuestCtl1, Status
from vmm.arch.exceptions import ExcCode, GExcCode
from vmm.arch.state import GUEST_FILE, ROOT_FILE
from vmm.debug.host import CpuFpu, core_register, set_core_register
from vmm.debug.layout import Kind, Row, layout
from vmm.debug.snapshot import Snapshot
from vmm.debug.view import FpuView, Locate, View
from vmm.engine.cpu import Cpu
from vmm.gdbstub.target import MemoryFault, TargetError
from vmm.guest.hypervised import HypervisedSystem
from vmm.kvm.te.addresses import PHYSICAL_MASK, Segment, segment
from vmm.kvm.te.backend import TrapAndEmulate
from vmm.kvm.te.registers import MASKS
from vmm.kvm.timer import SoftTimer
from vmm.kvm.vcpu import Vcpu
from vmm.kvm.vz.backend import VzBackend
from vmm.kvm.vz.guest import ALWAYS_SAVED

WORD = 0xFFFF_FFFF
HANDLERS_OWN = frozenset({26, 27})
"""k0 and k1: between the vector and the end of saving they hold the handler's values."""
SAVING_BYTES = 30 * 4
"""The stores of all other general registers, with which common_exit begins (EN-11)."""


class GuestView(View):
    def __init__(self, system: HypervisedSystem, vcpu: Vcpu, rows: tuple[Row, ...]) -> None:
        super().__init__(system.machine, rows)
        self.system, self.vcpu = system, vcpu

    @property
    def cpu(self) -> Cpu | None:
        """The CPU that executes this vCPU's guest now."""
        for cpu in self.machine.cpus:
            if self.system.vcpu_on(cpu.number) is self.vcpu and self.system.in_guest(cpu.number):
                return cpu
        return None

    @property
    def pc(self) -> int:
        if (cpu := self.cpu) is not None:
            return cpu.pc
        cpu = self._leaving()
        return self.vcpu.pc if cpu is None else cpu.root[EPC]

    def core(self, row: Row) -> int | None:
        vcpu, cpu = self.vcpu, self.cpu
        if cpu is not None:
            return core_register(cpu, row)
        if row.kind is Kind.PC:
            return self.pc
        if (cpu := self._leaving()) is not None and cpu.pc < self._label("common_exit") + SAVING_BYTES:
            return None if row.index in HANDLERS_OWN else core_register(cpu, row)
        if row.kind is Kind.GPR:
            return vcpu.gpr[row.index]
        return vcpu.hi if row.kind is Kind.HI else vcpu.lo

    def _leaving(self) -> Cpu | None:
        """The CPU whose host code has been entered from this guest and has not saved all of its registers (EN-9..11).
        """
        for cpu in self.machine.cpus:
            if self.system.vcpu_on(cpu.number) is self.vcpu and not self.system.in_guest(cpu.number):
                return cpu if self.vcpu.guest_ebase <= cpu.pc < self._label("call_handle_exit") else None
        return None

    def _label(self, name: str) -> int:
        return self.system.kernel.text.symbols[f"{self.system.vm.name}vcpu{self.vcpu.number}_{name}"]

    def set_core(self, row: Row, value: int) -> None:
        vcpu, cpu = self.vcpu, self.cpu
        if cpu is not None:
            set_core_register(cpu, row, value)
            return
        if self._leaving() is not None:
            raise TargetError(f"{row.name}: the world switch is just saving the guest's registers; step past it first")
        match row.kind:
            case Kind.GPR:
                vcpu.gpr[row.index] = value
            case Kind.HI:
                vcpu.hi = value
            case Kind.LO:
                vcpu.lo = value
            case _:
                vcpu.pc = value

    def fpu(self) -> FpuView:
        """The registers are in the CPU while the host lends it, else with the vCPU."""
        vcpu, paired = self.vcpu, not self.cp0_reader()(Status) & Status.FR.mask
        if vcpu.fpu.fpu_in_use or vcpu.fpu.msa_in_use:
            return CpuFpu(self.machine.cpus[vcpu.last_sched_cpu], paired)
        return SavedFpu(vcpu, self.machine.cpus[0], paired)

    def count(self) -> int:
        """Count as software keeps it, without the side effects of a guest's read."""
        timer = self.timer
        return timer.read_count() if timer.disabled else timer.count_at(timer.clock.now_ns())

    @property
    @abstractmethod
    def timer(self) -> SoftTimer: ...

    def slot_of(self, gpa: int, gva: int) -> int:
        """Where the machine's memory holds a guest-physical byte."""
        slot = self.system.vm.slots.find(gpa)
        if slot is None:
            raise MemoryFault(f"{gva:#x} is guest-physical {gpa:#x}: in no memory slot, and devices are not read")
        return slot.host_of(gpa)

    @property
    def waiting(self) -> bool:
        """It is in WAIT."""
        return self.vcpu.waiting

    @property
    def state(self) -> str:
        """What the vCPU does, in a word."""
        vcpu = self.vcpu
        if vcpu.waiting:
            return "waiting"
        if self.cpu is not None:
            return "running"
        return f"exit={exit_name(vcpu)}" if vcpu.last_exec_cpu >= 0 else "not started"


def exit_name(vcpu: Vcpu) -> str:
    """Why it left the guest last."""
    code = Cause.ExcCode.of(vcpu.host_cause)
    if code == ExcCode.GE:
        return _name(GExcCode, GuestCtl0.GExcCode.of(vcpu.host_guestctl0))
    return _name(ExcCode, code)


def _name(codes: type[ExcCode] | type[GExcCode], code: int) -> str:
    return next((member.name for member in codes if member == code), str(code))


class SavedFpu(FpuView):
    """With a vCPU that does not have the unit now."""

    def __init__(self, vcpu: Vcpu, core: Cpu, paired: bool) -> None:
        super().__init__(core.state, paired)
        self._held = vcpu.fpu

    def vector(self, n: int) -> int:
        return self._held.vectors[n]

    def set_vector(self, n: int, value: int) -> None:
        self._held.vectors[n] = value

    @property
    def msacsr(self) -> int:
        return self._held.msacsr

    @msacsr.setter
    def msacsr(self, value: int) -> None:
        self._held.msacsr = value

    @property
    def fcsr(self) -> int:
        return self._held.fcr31

    @fcsr.setter
    def fcsr(self, value: int) -> None:
        self._held.fcr31 = value


class VzView(GuestView):
    """Guest CP0 is in the hardware while the vCPU is loaded on a CPU, and in the commpage while not (VZ-20)."""

    def __init__(self, system: HypervisedSystem, backend: VzBackend, vcpu: Vcpu) -> None:
        super().__init__(system, vcpu, layout(system.machine.model.guest, msa=vcpu.msa_enabled))
        self.backend = backend

    @property
    def timer(self) -> SoftTimer:
        return self.backend.guest(self.vcpu).timer

    @property
    def _loaded(self) -> Cpu | None:
        """The CPU whose guest context is this vCPU's."""
        loaded = self.backend.guest(self.vcpu).cp0.core is not None
        return self.machine.cpus[self.vcpu.last_sched_cpu] if loaded else None

    def cp0_reader(self) -> Callable[[type[Register]], int]:
        guest, cpu = self.backend.guest(self.vcpu), self._loaded
        snapshot = None if cpu is None else Snapshot(cpu)

        def read(register: type[Register]) -> int:
            if register is Count and not guest.hard_timer:
                return self.count()
            if snapshot is None or register in ALWAYS_SAVED and register is not Count:
                return self._held(register)
            return snapshot.guest(register)

        return read

    def _held(self, register: type[Register]) -> int:
        """From the commpage, as a CPU would hold it."""
        value = self.vcpu.cop0[register]
        return sign_extended(value) if register.bits64 and self.bits == 32 else value

    def set_cp0(self, register: type[Register], value: int) -> None:
        guest, cpu = self.backend.guest(self.vcpu), self._loaded
        if register is Count:
            core = guest.cp0.core
            if core is None or not guest.hard_timer:
                guest.timer.write_count(value)
            else:
                core.mtc0(GTOffset, value - core.mfgc0(Count) + core.mfc0(GTOffset) & WORD)
        else:
            guest.cp0[register] = value
        if cpu is not None:
            cpu.forget()

    def locator(self) -> Locate:
        snapshot, _ = self.translation()
        return lambda gva: self.slot_of(snapshot.physical(gva, GUEST_FILE), gva)

    def translation(self) -> tuple[Snapshot, Cpu]:
        """A copy of the CPU on which the vCPU is, or was last, and that CPU; its entries stay in that CPU's guest TLB."""
        guest, loaded, host = self.backend.guest(self.vcpu), self._loaded, self.backend.host
        number = max(self.vcpu.last_exec_cpu, 0) if loaded is None else loaded.number
        snapshot = Snapshot(self.machine.cpus[number], self.machine.memory)
        if loaded is None:
            for row in self.rows:
                if row.register is not None:
                    snapshot.put(GUEST_FILE, row.register, self._held(row.register))
        if host.has_guest_id:
            snapshot.put(ROOT_FILE, GuestCtl1, guest.guest_ids[number] & host.guest_id_mask)
        if host.last_exec[number] is not self.vcpu and not guest.guest_ids[number]:
            snapshot.empty_guest_tlb()
        return snapshot, self.machine.cpus[number]


class TeView(GuestView):
    """Guest CP0 is in the commpage, the TLB is software."""

    def __init__(self, system: HypervisedSystem, backend: TrapAndEmulate, vcpu: Vcpu) -> None:
        super().__init__(system, vcpu, layout(MASKS, msa=vcpu.msa_enabled))
        self.backend = backend

    @property
    def timer(self) -> SoftTimer:
        return self.backend.guest(self.vcpu).timer

    def cp0_reader(self) -> Callable[[type[Register]], int]:
        cop0 = self.vcpu.cop0

        def read(register: type[Register]) -> int:
            value = self.count() if register is Count else cop0[register]
            return sign_extended(value) if register.bits64 else value

        return read

    def set_cp0(self, register: type[Register], value: int) -> None:
        self.backend.set_register(self.vcpu, register, value)

    def locator(self) -> Locate:
        return lambda gva: self.slot_of(self._physical(gva), gva)

    def _physical(self, gva: int) -> int:
        guest, low, where = self.backend.guest(self.vcpu), gva & WORD, segment(gva)
        if where is Segment.KSEG0:
            return low & PHYSICAL_MASK
        if not where.mapped:
            raise MemoryFault(f"address error at {gva:#x}: a trap-and-emulate guest's memory is below 0x80000000")
        entry = guest.tlb.lookup(low, guest.asid)
        if entry is None:
            raise MemoryFault(f"TLB refill at {gva:#x}, ASID {guest.asid:#x}")
        half = entry.half(low)
        if not half.valid:
            raise MemoryFault(f"TLB invalid at {gva:#x}, ASID {guest.asid:#x}")
        return half.physical


def guest_view(system: HypervisedSystem, vcpu: Vcpu) -> GuestView:
    backend = system.vm.backend
    if isinstance(backend, VzBackend):
        return VzView(system, backend, vcpu)
    if isinstance(backend, TrapAndEmulate):
        return TeView(system, backend, vcpu)
    raise AssertionError(f"no view of a guest of {type(backend).__name__}")
