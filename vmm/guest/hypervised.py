"""An image as a guest of the hypervisor: VM, vCPU threads, and the VMM's part, which is the board.

The host (``vmm.guest.host``) is a machine of its own with plain memory; the guest's board exists only as memory slots and
device exits.
"""
from __future__ import annotations

from typing import Any

from vmm.arch.cp0.registers import Status
from vmm.arch.stops import Stop
from vmm.engine.cpu import Cpu
from vmm.errors import ConfigError
from vmm.guest.board import Kind
from vmm.guest.bus import BusError
from vmm.guest.clock import BoardClock
from vmm.guest.console import Console
from vmm.guest.devices.window import Stateful
from vmm.guest.host import Host, rom_of
from vmm.guest.hostcode import host_code
from vmm.guest.system import BoardState, Ending, Interrupted, Request, memory_pieces, plan_boot
from vmm.kvm.errors import KvmError
from vmm.kvm.exits import Exit, Hypercall, InternalError, Intr, MmioLoad, MmioStore
from vmm.kvm.run import thread
from vmm.kvm.slots import Slot, SlotFlag
from vmm.kvm.te.backend import TrapAndEmulate
from vmm.kvm.vcpu import Mode, Vcpu
from vmm.kvm.vm import Vm
from vmm.kvm.vz.backend import vz_backend

DEBUG_STOPS = (Stop.BREAK, Stop.WATCH, Stop.STEP)
V0 = 2
ENOSYS = -1000
USER = 2


class GuestMemory:
    """A guest's RAM as its bus masters see it."""

    def __init__(self, vm: Vm) -> None:
        self._vm = vm

    def read(self, physical: int, size: int) -> bytes:
        try:
            return self._vm.read(physical, size)
        except KvmError as error:
            raise IndexError(str(error)) from None

    def write(self, physical: int, data: bytes) -> None:
        try:
            self._vm.write(physical, data)
        except KvmError as error:
            raise IndexError(str(error)) from None


class BoardBus:
    """The board's devices on KVM's I/O bus, so that an access costs no return to the VMM.  What is not on the board goes
    there: it is the VMM that ends the guest."""

    def __init__(self, board: BoardState) -> None:
        self._bus = board.built.bus

    def load(self, address: int, size: int) -> int | None:
        try:
            return self._bus.load(address, size)
        except BusError:
            return None

    def store(self, address: int, size: int, value: int) -> bool:
        try:
            self._bus.store(address, size, value)
        except BusError:
            return False
        return True


class HypervisedSystem:
    """``host``: where others are already, or are to come; None for one of its own."""

    def __init__(self, request: Request, console: Console, host: Host | None = None) -> None:
        self.request = request
        self.ending: Ending | None = None
        self.host = host or Host([request])
        self.machine, self.kernel = self.host.machine, self.host.kernel
        self._name = self.host.join(self)
        self.vm = self._create_vm()
        scheduler = self.kernel.scheduler
        clock = BoardClock(scheduler.timers, scheduler.now_ns, scheduler.run_ahead)
        self.board = BoardState(request, console, clock, GuestMemory(self.vm), self._interrupt, self._finish,
                                lambda: self.machine.retired)
        self.vm.io_bus = BoardBus(self.board)
        self._add_memory(rom_of(request))
        self.threads = [self._start(n) for n in range(request.cpus)]

    def _create_vm(self) -> Vm:
        try:
            make_backend = vz_backend(self.host.vz) if self.request.mode == "vz" else TrapAndEmulate
            return Vm(self.kernel, make_backend, name=self._name)
        except KvmError as refusal:
            raise ConfigError(f"--mode {self.request.mode}: no VM can be made, {refusal}") from None

    def _add_memory(self, rom: bytes) -> None:
        """One block of host memory behind all the places where the board shows RAM, and one for the ROM."""
        ram = self.kernel.pages.alloc_block(self.request.ram_size)
        flash = self.kernel.pages.alloc_block(len(rom))
        self.machine.ram.write(flash, rom)
        for number, (kind, base, size, offset) in enumerate(memory_pieces(self.request)):
            host, flags = (ram, SlotFlag.NONE) if kind is Kind.RAM else (flash, SlotFlag.READONLY)
            self.vm.set_slot(Slot(number, base, size, host + offset, flags))

    def _start(self, number: int) -> Any:
        """A vCPU and its thread; the first one starts at the image's entry."""
        vcpu = self.vm.create_vcpu()
        if self.vm.fpu:
            self.vm.enable_fpu(vcpu)
        # Under trap-and-emulate a guest is told that it runs on a 24Kc, which has no MSA.
        if self.vm.can_lend_msa and self.request.mode == "vz":
            self.vm.enable_msa(vcpu)
        if number == 0:
            plan = plan_boot(self.request)
            for physical, data in plan.writes:
                self.vm.write(physical, data)
            for register, value in plan.registers.items():
                vcpu.gpr[register] = value
            vcpu.pc = plan.pc
            vcpu.cop0[Status] &= ~Status.ERL.mask
        return self.kernel.spawn(f"{self._name}vcpu{number}", thread(self.vm, vcpu, self._answer))

    # -- the VMM's part ------------------------------------------------------------------------------------------------
    def _answer(self, vcpu: Vcpu, reason: Exit) -> bool:
        """What an exit asks for; false ends the vCPU's thread."""
        try:
            match reason:
                case MmioLoad(address, size):
                    vcpu.mmio.data = self.board.load(address, size)
                case MmioStore(address, size, value):
                    self.board.store(address, size, value)
                case Hypercall():
                    vcpu.gpr[V0] = ENOSYS
                case Intr():
                    pass
                case InternalError(text):
                    self._finish(Ending(1, f"vCPU {vcpu.number} cannot go on: {text}", fault=True))
        except BusError as error:
            self._finish(Ending(1, f"vCPU {vcpu.number} at {vcpu.pc:#x}: {error}", fault=True))
        return self.ending is None

    def _interrupt(self, pin: int, level: bool) -> None:
        self.vm.interrupt(pin if level else -pin)

    def _finish(self, ending: Ending) -> None:
        """The vCPUs' threads come out and end; on a host of its own the guest just stops where it is."""
        self.ending = self.ending or ending
        if len(self.host.guests) > 1:
            for vcpu in self.vcpus:
                self.vm.kick_out(vcpu)

    # -- running -------------------------------------------------------------------------------------------------------
    @property
    def over(self) -> bool:
        return self.host.over

    def run(self, until: int) -> Interrupted | None:
        return self.host.run(until)

    def quiet_until(self) -> int:
        return self.kernel.scheduler.quiet_until()

    def step(self, cpu: int) -> Interrupted | None:
        return self.host.step(cpu)

    # -- looking -------------------------------------------------------------------------------------------------------
    @property
    def exits(self) -> dict[str, int]:
        totals: dict[str, int] = {}
        for vcpu in self.vcpus:
            for name, count in vcpu.stats.items():
                totals[name] = totals.get(name, 0) + count
        return totals

    @property
    def vcpus(self) -> list[Vcpu]:
        return self.vm.vcpus

    def in_guest(self, cpu: int) -> bool:
        core = self.machine.cpus[cpu]
        return self.vcpu_on(cpu) is not None and (core.in_guest or _in_user_mode(core))

    def vcpu_on(self, cpu: int) -> Vcpu | None:
        for member in self.vm.members:
            if member.task is not None and member.task.cpu == cpu and member.vcpu.mode is Mode.IN_GUEST:
                return member.vcpu
        return None

    @property
    def stateful(self) -> dict[str, Stateful]:
        return self.board.stateful

    def host_code(self) -> bytes:
        return host_code(self.kernel)

    def destroy_guest(self) -> None:
        self._finish(Ending(0, "the guest was destroyed"))


def _in_user_mode(cpu: Cpu) -> bool:
    """Host user mode, where a trap-and-emulate guest lives (RD-2)."""
    cpu.refresh_mode()
    return cpu.state.priv == USER and not cpu.state.in_guest
