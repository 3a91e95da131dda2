"""One vCPU as trap-and-emulate sees it: the vCPU, its software TLB, its timer, its two address spaces on the
host.

Invariant: while an exit is handled, ``vcpu.pc`` is the address of the trapped instruction (of the branch, if
it sits in a delay slot) until the handler is done; nothing needs to be rolled back.
"""
from __future__ import annotations

from typing import Protocol

from vmm.arch.cp0.registers import Cause, Config1, Config3, EntryHi, Status
from vmm.arch.exceptions import ExcCode
from vmm.host.kernel.contexts import Contexts, Mm
from vmm.kvm.mmio import IoBus
from vmm.kvm.quirks import Quirks
from vmm.kvm.te.addresses import commpage_address
from vmm.kvm.te.tlb import GuestTlb
from vmm.kvm.timer import SoftTimer
from vmm.kvm.vcpu import Emulation, Vcpu

USER_MODE = 0x10
"""The upper bit of Status.KSU: supervisor does not exist, 2 and 3 are user (EM-P1)."""


class CannotEmulate(Exception):
    """The guest did what this hypervisor cannot follow; the VM ends with the text as reason."""


class Fpu(Protocol):
    """The host's FPU and MSA, lent to the guest (section 11.7)."""
    def own_fpu(self, vcpu: Vcpu) -> None: ...
    def own_msa(self, vcpu: Vcpu) -> None: ...
    def drop(self, vcpu: Vcpu) -> None: ...
    def lose(self, vcpu: Vcpu) -> None: ...
    def follow_status(self, vcpu: Vcpu) -> None:
        """Host CU1 follows the guest's while the context is live (C0-7)."""


class Host(Protocol):
    """What the hypervisor's core and the host kernel do for this back end."""

    @property
    def release(self) -> int: ...
    @property
    def page_shift(self) -> int: ...
    @property
    def contexts(self) -> Contexts: ...
    @property
    def bad_instr(self) -> bool:
        """The host CPU reports trapped words (Config3.BI and BP)."""
    @property
    def fpu(self) -> Fpu | None: ...
    @property
    def io_bus(self) -> IoBus | None:
        """Devices that answer without the VMM (L-6)."""
    def map_page(self, gpa: int, *, write: bool) -> tuple[int, int] | None:
        """PTEs of a guest-physical page and of its neighbour in the pair (MM-7, MM-8); None: no memory there
        (MM-9)."""
    def gpa_pte(self, gpa: int) -> int:
        """The PTE that a guest-physical page has already, else 0."""
    def invalidate(self, cpu: int, mm: Mm, va: int) -> None:
        """Drop this CPU's TLB entry for the pair of ``va`` in ``mm`` (TL-2)."""
    def hypercall(self, vcpu: Vcpu) -> Emulation:
        """HC-2, HC-3: answer in v0, or leave the call to the VMM."""


class Translator(Protocol):
    """Dynamic translation (rows DT-*): offered each trapped word after it was emulated."""
    def offer(self, guest: Guest, address: int, word: int) -> None: ...


class Guest:
    def __init__(self, vcpu: Vcpu, host: Host, timer: SoftTimer, kernel: Mm, user: Mm, quirks: Quirks,
                 translator: Translator | None = None) -> None:
        self.vcpu = vcpu
        self.host = host
        self.timer = timer
        self.kernel = kernel
        self.user = user
        self.quirks = quirks
        self.translator = translator
        self.tlb = GuestTlb()
        self.cpu = 0
        """The host CPU it runs on."""
        self.last_user_asid = 0
        self.trap_pc = 0
        """Where the last exit happened: tells whether Cause.BD of the host still fits the PC."""
        self.commpage = commpage_address(host.page_shift)

    @property
    def page_size(self) -> int:
        return 1 << self.host.page_shift

    # -- the guest's state -------------------------------------------------------------------------

    @property
    def status(self) -> int:
        return self.vcpu.cop0[Status]

    @property
    def in_kernel_mode(self) -> bool:
        """EM-P1; the same test as the world switch makes (EN-7)."""
        return bool((self.status & (USER_MODE | Status.ERL.mask | Status.EXL.mask)) ^ USER_MODE)

    @property
    def asid(self) -> int:
        return EntryHi.ASID.of(self.vcpu.cop0[EntryHi])

    @property
    def has_fpu(self) -> bool:
        """FX-1."""
        can_have = self.host.fpu is not None and self.vcpu.fpu_enabled
        return can_have and bool(self.vcpu.cop0[Config1] & Config1.FP.mask)

    @property
    def has_msa(self) -> bool:
        can_have = self.host.fpu is not None and self.vcpu.msa_enabled
        return can_have and bool(self.vcpu.cop0[Config3] & Config3.MSAP.mask)

    @property
    def mm(self) -> Mm:
        """The address space of the guest's mode (MM-10)."""
        return self.kernel if self.in_kernel_mode else self.user

    # -- the exit being handled --------------------------------------------------------------------

    @property
    def exc_code(self) -> int:
        return Cause.ExcCode.of(self.vcpu.host_cause)

    @property
    def coprocessor(self) -> int:
        return Cause.CE.of(self.vcpu.host_cause)

    @property
    def in_slot(self) -> bool:
        """The trapped instruction sits in a delay slot; false once the PC has moved on."""
        return bool(self.vcpu.host_cause & Cause.BD.mask) and self.vcpu.pc == self.trap_pc

    @property
    def is_store(self) -> bool:
        return self.exc_code in (ExcCode.Mod, ExcCode.TLBS, ExcCode.AdES)
