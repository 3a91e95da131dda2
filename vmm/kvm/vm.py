"""A virtual machine: memory slots, vCPUs, and what both back ends share.  (rows MC-1..MC-7, MC-11, MC-20, KH-6)

Invariant: a vCPU's block, commpage and switch code stay where they are for as long as the VM lives, because the
generated code has their addresses in it.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from vmm.arch.cp0.registers import Config1, Config3, Config5
from vmm.host.kernel.contexts import Contexts, Mm
from vmm.host.kernel.entry import BLOCK_BYTES, SwitchCode
from vmm.host.kernel.kernel import Kernel
from vmm.host.kernel.memory import kernel_address
from vmm.host.kernel.tasks import Task
from vmm.host.kernel.vcpu_block import VcpuLayout
from vmm.kvm.backend import Backend
from vmm.kvm.errors import KvmError
from vmm.kvm.fpu import HostFpu
from vmm.kvm.gpa import GpaSpace
from vmm.kvm.hypercall import hypercall
from vmm.kvm.mmio import IoBus
from vmm.kvm.quirks import Quirks
from vmm.kvm.slots import Slot, SlotFlag, SlotTable
from vmm.kvm.vcpu import Emulation, Mode, Request, Vcpu

MAX_VCPUS = 8
IO_LINES = frozenset({2, 3, 4})
"""The interrupt lines that KVM_INTERRUPT takes (MC-11)."""

MakeBackend = Callable[["Vm"], Backend]


@dataclass(slots=True)
class Member:
    """A vCPU and where its generated code starts; ``task`` while one is inside KVM_RUN for it."""

    vcpu: Vcpu
    vcpu_run: int
    task: Task | None = None


class Vm:
    """``own_hypercalls``: hypercalls go to the VMM as exits rather than be refused by KVM (HC-3).  ``name``: what those of
    its code begin with."""

    def __init__(self, kernel: Kernel, make_backend: MakeBackend, *, quirks: Quirks | None = None,
                 own_hypercalls: bool = False, name: str = "") -> None:
        if any(cpu.root[Config5] & Config5.MI.mask for cpu in kernel.cpus):
            raise KvmError("EOPNOTSUPP", "the host uses MMIDs, and KVM, which gives guests their ids and sets the MMU up "
                                         "by itself, knows ASIDs only; boot the host with ASIDs")
        self.kernel, self.name = kernel, name
        self.quirks = quirks or Quirks()
        self.own_hypercalls = own_hypercalls
        self.io_bus: IoBus | None = None
        self.slots = SlotTable(kernel.pages.page_size)
        self.gpa_mm: Mm = kernel.new_mm()
        self.gpa = GpaSpace(self.gpa_mm, self.slots, kernel.pages.page_size)
        self.asid_flush_mask = 0
        self.members: list[Member] = []
        self.stats: Counter[str] = Counter()
        self._fpu = HostFpu(kernel.cpus) if kernel.model.fpu else None
        self.backend = make_backend(self)

    @property
    def vcpus(self) -> list[Vcpu]:
        return [member.vcpu for member in self.members]

    # What a back end asks of the host.

    @property
    def release(self) -> int:
        return self.kernel.model.release

    @property
    def page_shift(self) -> int:
        return self.kernel.geometry.page_shift

    @property
    def contexts(self) -> Contexts:
        return self.kernel.contexts

    @property
    def bad_instr(self) -> bool:
        """The host reports trapped instruction words (EM-2)."""
        return self.kernel.features.bad_instr and self.kernel.features.bad_instr_p

    @property
    def fpu(self) -> HostFpu | None:
        """The FPU and MSA of the host's CPUs, if they have an FPU."""
        return self._fpu

    def enable_fpu(self, vcpu: Vcpu) -> None:
        """KVM_CAP_MIPS_FPU, and Config1.FP, which the VMM then sets (C0-24)."""
        if self._fpu is None:
            raise KvmError("EINVAL", f"host CPU {self.kernel.model.name} has no FPU to lend; choose one with")
        vcpu.fpu_enabled = True
        vcpu.fpu.fcr31 = self.kernel.model.fcsr
        vcpu.cop0[Config1] |= Config1.FP.mask

    @property
    def can_lend_msa(self) -> bool:
        """What KVM_CAP_MIPS_MSA answers."""
        return self._fpu is not None and "MSA" in self.kernel.model.ases

    def enable_msa(self, vcpu: Vcpu) -> None:
        """KVM_CAP_MIPS_MSA, and Config3.MSAP, which the VMM then sets (C0-24, MC-15)."""
        if not self.can_lend_msa:
            raise KvmError("EINVAL", f"host CPU {self.kernel.model.name} has no MSA to lend; choose one with")
        vcpu.msa_enabled = True
        vcpu.cop0[Config3] |= Config3.MSAP.mask

    def map_page(self, gpa: int, *, write: bool) -> tuple[int, int] | None:
        return self.gpa.map_page(gpa, write=write)

    def gpa_pte(self, gpa: int) -> int:
        return self.gpa.pte(gpa)

    def invalidate(self, cpu: int, mm: Mm, va: int) -> None:
        self.kernel.invalidate(cpu, mm, va)

    def hypercall(self, vcpu: Vcpu) -> Emulation:
        return hypercall(vcpu, to_vmm=self.own_hypercalls)

    def now_ns(self) -> int:
        """The clock of guests: virtual nanoseconds."""
        return self.kernel.now_ns()

    # Memory

    def set_slot(self, slot: Slot) -> None:
        """KVM_SET_USER_MEMORY_REGION; deleting or moving flushes what was mapped from the slot (GK-5, MC-7)."""
        old = self.slots.set(slot)
        if old is None:
            return
        if not slot.size or slot.guest != old.guest:
            self.flush_slot(old)
        elif slot.flags & ~old.flags & SlotFlag.LOG_DIRTY and self.gpa.make_clean(old.guest, old.end):
            self.backend.flush_shadow_all()

    def add_memory(self, number: int, guest: int, size: int, flags: SlotFlag = SlotFlag.NONE) -> Slot:
        """A slot over fresh host memory."""
        slot = Slot(number, guest, size, self.kernel.pages.alloc_block(size), flags)
        self.set_slot(slot)
        return slot

    def flush_slot(self, slot: Slot) -> None:
        """MC-6."""
        if self.gpa.flush(slot.guest, slot.end):
            self.backend.flush_shadow_all()

    def read(self, gpa: int, size: int) -> bytes:
        """Guest memory, as the VMM sees it."""
        return b"".join(self.kernel.ram.read(host, length) for host, length in self._pieces(gpa, size))

    def write(self, gpa: int, data: bytes) -> None:
        done = 0
        for host, length in self._pieces(gpa, len(data)):
            self.kernel.ram.write(host, data[done:done + length])
            done += length

    def _pieces(self, gpa: int, size: int) -> list[tuple[int, int]]:
        pieces: list[tuple[int, int]] = []
        while size:
            slot = self.slots.find(gpa)
            if slot is None:
                raise KvmError("EFAULT", f"guest-physical {gpa:#x} is in no memory slot; add one that covers it")
            length = min(size, slot.end - gpa)
            pieces.append((slot.host_of(gpa), length))
            gpa, size = gpa + length, size - length
        return pieces

    # vCPUs

    def create_vcpu(self) -> Vcpu:
        """MC-3."""
        number, kernel = len(self.members), self.kernel
        if number >= MAX_VCPUS:
            raise KvmError("EINVAL", f"vCPU {number} asked; a VM has at most {MAX_VCPUS}")
        layout = VcpuLayout(kernel.word)
        block, commpage = kernel.alloc_small(layout.size), kernel.pages.alloc()
        vcpu = Vcpu(number, kernel.ram, block, commpage, word=kernel.word, big_endian=kernel.big_endian)
        ebase = kernel_address(kernel.pages.alloc(-(-BLOCK_BYTES // kernel.pages.page_size)))
        plan = replace(kernel.text.plan, vz=self.backend.vz)
        code = kernel.text.place(SwitchCode(plan, layout, ebase).emit(), f"{self.name}vcpu{number}_")
        vcpu.guest_ebase = ebase
        vcpu.gpa_mm = kernel_address(self.gpa_mm.address)
        vcpu.cop0_address = kernel_address(commpage)
        self.members.append(Member(vcpu, code.symbols["vcpu_run"]))
        self.backend.vcpu_init(vcpu)
        return vcpu

    def interrupt(self, irq: int, vcpu: int = 0) -> None:
        """KVM_INTERRUPT: assert (irq > 0) or take back (irq < 0) a line of a vCPU (MC-11)."""
        if abs(irq) not in IO_LINES:
            raise KvmError("EINVAL", f"interrupt {irq} asked; use one of ±2, ±3, ±4")
        if not 0 <= vcpu < len(self.members):
            raise KvmError("EINVAL", f"interrupt for vCPU {vcpu} asked; this VM has {len(self.members)}")
        member = self.members[vcpu]
        self.backend.queue_io(member.vcpu, irq)
        member.vcpu.wake()
        self.notice(member)

    def notice(self, member: Member) -> None:
        """Something changed for a vCPU: end its sleep, or get it out of the guest to look.

        The original does not interrupt a running vCPU (CR-2), so delivery waits for the next exit there.
        """
        task = member.task
        if task is None:
            return
        if task.sleeping:
            self.kernel.scheduler.wake(task)
        elif member.vcpu.mode is Mode.IN_GUEST and task.cpu is not None:
            self.kernel.scheduler.kick(task.cpu)

    def kick_out(self, vcpu: Vcpu) -> None:
        """A signal for the thread: KVM_RUN returns Intr as soon as it can (MC-19)."""
        vcpu.intr = True
        self.notice(self.members[vcpu.number])

    def flush_remote(self) -> None:
        """Ask every vCPU to flush before it enters the guest again, and interrupt those inside (GK-2)."""
        self.stats["remote_tlb_flush"] += 1
        for member in self.members:
            member.vcpu.requests.add(Request.TLB_FLUSH)
            if member.vcpu.mode is Mode.IN_GUEST:
                self.notice(member)
