"""What is done about each exit of a VZ guest.  (rows VZ-40..VZ-51, HC-1, matrix D)

``HANDLERS`` is the matrix's VZ column by ExcCode, ``GUEST_EXITS`` the guest exits by GExcCode; a code without a row is an
internal error, because hardware should have kept it in the guest.
"""
from __future__ import annotations

from collections.abc import Callable

from vmm.arch.cp0.registers import Cause, Config5, GuestCtl0, Status
from vmm.arch.exceptions import ExcCode, GExcCode
from vmm.host.kernel.cpu import Cpu
from vmm.kvm import branch, mmio, words
from vmm.kvm.causes import BY_CODE, COUNTERS, WAIT, counter_of_guest_exit
from vmm.kvm.exits import InternalError
from vmm.kvm.hypercall import OWN_CODE
from vmm.kvm.vcpu import Emulation, sign_extend
from vmm.kvm.vm import Vm
from vmm.kvm.vz import cop0, ids
from vmm.kvm.vz.guest import Guest, VzHost
from vmm.kvm.vz.translate import guest_physical
from vmm.kvm.words import Word


class Trap:
    """One exit under treatment; what every exit asks of the vCPU's block is read once."""

    __slots__ = ("cause", "core", "cpu", "guest", "guest_exit", "host", "vcpu", "vm")

    def __init__(self, host: VzHost, vm: Vm, guest: Guest, cpu: int) -> None:
        self.host, self.vm, self.guest, self.cpu = host, vm, guest, cpu
        self.core: Cpu = host.kernel.cpus[cpu]
        self.vcpu = vcpu = guest.vcpu
        self.cause = vcpu.host_cause
        self.guest_exit = GuestCtl0.GExcCode.of(vcpu.host_guestctl0)

    @property
    def word(self) -> int:
        """EM-2: VZ cores report the instruction."""
        return self.vcpu.host_badinstr & 0xFFFFFFFF

    @property
    def in_slot(self) -> bool:
        return bool(self.cause & Cause.BD.mask)

    @property
    def bad_address(self) -> int:
        """BadVAddr: a guest-physical address is unsigned, a guest virtual one sign-extended."""
        bad = self.vcpu.host_badvaddr
        physical = self.guest_exit != GExcCode.GVA
        return bad & 0xFFFFFFFF if physical and self.vcpu.word == 4 else bad

    def resume(self) -> int:
        """Where the guest goes on after the trapped instruction (EM-1)."""
        vcpu = self.vcpu
        if not self.cause & Cause.BD.mask:
            return vcpu.pc + 4
        return branch.after_slot(vcpu.host_badinstrp & 0xFFFFFFFF, vcpu.pc, vcpu.gpr, release=self.vm.release)


class CannotEmulate(Exception):
    """The text becomes the reason of the internal error."""


Handler = Callable[[Trap], Emulation]


def handle(trap: Trap) -> Emulation:
    """Deal with the exit that the world switch just saved; a FAIL leaves its reason in ``vcpu.exit``."""
    vcpu = trap.vcpu
    code = Cause.ExcCode.of(trap.cause)
    if code in COUNTERS:
        vcpu.stats[COUNTERS[code]] += 1
    handler = HANDLERS.get(code, _unexpected)
    pc = vcpu.pc
    try:
        return handler(trap)
    except (CannotEmulate, cop0.NotEmulated, branch.BranchError) as reason:
        vcpu.pc = pc
        vcpu.exit = InternalError(f"{reason} (guest at {pc:#x}, instruction {trap.word:#010x})")
        return Emulation.FAIL


def _interrupt(trap: Trap) -> Emulation:
    """The host's own, served already."""
    return Emulation.DONE


def _unexpected(trap: Trap) -> Emulation:
    code = Cause.ExcCode.of(trap.cause)
    raise CannotEmulate(f"exception {code} reached root from a guest; guest hardware should have taken it")


# Second-stage faults


def _tlb_load(trap: Trap) -> Emulation:
    return _second_stage(trap, write=False)


def _tlb_store(trap: Trap) -> Emulation:
    return _second_stage(trap, write=True)


def _second_stage(trap: Trap, *, write: bool) -> Emulation:
    """VZ-49, VZ-50: memory is mapped, anything else is a device access.

    The original converts a guest virtual address only for stores; loads are no different here.
    """
    vcpu = trap.vcpu
    gpa: int | None = trap.bad_address
    if trap.guest_exit == GExcCode.GVA:
        gpa = guest_physical(trap.core, trap.bad_address, ids.root_id(trap.host, trap.guest, trap.cpu))
        if gpa is None:
            return Emulation.DONE  # the guest's TLB changed meanwhile: let it try again
    assert gpa is not None
    if trap.vm.map_page(gpa, write=write) is not None:
        asid, guest_id = ids.root_tag(trap.host, trap.vm, trap.guest, trap.cpu)
        trap.host.kernel.tlbs[trap.cpu].flush_page(gpa, asid, guest_id)
        return Emulation.DONE
    if not write and _is_fetch(trap, gpa):
        raise CannotEmulate(f"instruction fetch from guest-physical {gpa:#x}, where the guest has no memory")
    emulate = mmio.emulate_store if write else mmio.emulate_load
    result = emulate(vcpu, trap.word, gpa, trap.resume(), release=trap.vm.release, wide=vcpu.word == 8,
                     bus=trap.vm.io_bus)
    if result is Emulation.FAIL:
        raise CannotEmulate(f"device access at guest-physical {gpa:#x}; only plain integer loads and stores can")
    return result


def _is_fetch(trap: Trap, gpa: int) -> bool:
    """MI-6 in guest-physical addresses: the fault is where the instruction itself is."""
    pc = trap.vcpu.pc + 4 if trap.in_slot else trap.vcpu.pc
    if (pc ^ gpa) & 0xFFF:                                  # no page is smaller
        return False
    return guest_physical(trap.core, pc, ids.root_id(trap.host, trap.guest, trap.cpu)) == gpa


# Guest exits


def _guest_exit(trap: Trap) -> Emulation:
    """VZ-40..VZ-48 by GExcCode."""
    code = trap.guest_exit
    trap.vcpu.stats[counter_of_guest_exit(code)] += 1
    handler = GUEST_EXITS.get(code)
    if handler is None:
        raise CannotEmulate(f"guest exit {code} has no handler")
    return handler(trap)


def _decode(trap: Trap) -> Word:
    read = words.read(trap.word, release=trap.vm.release, bits=8 * trap.vcpu.word)
    if read is None:
        raise CannotEmulate("the instruction that exited is not one of the guest's core")
    return read


def _privileged(trap: Trap) -> Emulation:
    """GPSI (VZ-40)."""
    read = _decode(trap)
    handler = PRIVILEGED.get(read.name)
    if handler is None:
        raise CannotEmulate(f"privileged instruction {read.name} cannot be emulated")
    resume = trap.resume()
    outcome = handler(trap, read)
    trap.vcpu.pc = resume
    return outcome


def _access(trap: Trap, read: Word) -> cop0.Access:
    return cop0.Access(trap.guest, trap.core, read.name.startswith("d"), trap.vm.fpu)


def _move_from(trap: Trap, read: Word) -> Emulation:
    number = read["rd"], read["sel"]
    if number not in cop0.READS:
        raise CannotEmulate(f"read of {cop0.name_of(number)}")
    access = _access(trap, read)
    value = cop0.READS[number](access)
    trap.vcpu.gpr[read["rt"]] = value if access.wide else sign_extend(value, 32)
    return Emulation.DONE


def _move_to(trap: Trap, read: Word) -> Emulation:
    return _write(trap, read, cop0.WRITES)


def _write(trap: Trap, read: Word, table: dict[cop0.Number, cop0.Write]) -> Emulation:
    number = read["rd"], read["sel"]
    if number not in table:
        raise CannotEmulate(f"write of {cop0.name_of(number)}")
    access = _access(trap, read)
    value = trap.vcpu.gpr[read["rt"]]
    table[number](access, value if access.wide else value & 0xFFFFFFFF)
    return Emulation.DONE


def _wait(trap: Trap, read: Word) -> Emulation:
    """VZ-43: the core blocks the vCPU."""
    trap.vcpu.stats[BY_CODE[WAIT].counter] += 1
    return Emulation.WAIT


def _cache(trap: Trap, read: Word) -> Emulation:
    """VZ-44.  Caches are not modelled and decoded code follows stores by itself, so there is nothing to write back."""
    return Emulation.DONE


def _read_hardware(trap: Trap, read: Word) -> Emulation:
    """RDHWR of Count while the timer is kept in software."""
    if read["rd"] != CC:
        raise CannotEmulate(f"RDHWR ${read['rd']}")
    trap.vcpu.gpr[read["rt"]] = sign_extend(trap.guest.timer.read_count(), 32)
    return Emulation.DONE


CC = 2
"""RDHWR's number of Count."""

PRIVILEGED: dict[str, Callable[[Trap, Word], Emulation]] = {
    "mfc0": _move_from, "dmfc0": _move_from, "mtc0": _move_to, "dmtc0": _move_to,
    "wait": _wait, "cache": _cache, "rdhwr": _read_hardware,
}  # fmt: skip


def _field_change(trap: Trap) -> Emulation:
    """GSFC: finish the MTC0 whose change root wanted to see (VZ-45)."""
    read = _decode(trap)
    if read.name not in ("mtc0", "dmtc0"):
        raise CannotEmulate(f"field change exit for {read.name}")
    resume = trap.resume()
    outcome = _write(trap, read, cop0.CHANGES)
    trap.vcpu.pc = resume
    return outcome


def _hypercall(trap: Trap) -> Emulation:
    """HC-1, VZ-46."""
    read = _decode(trap)
    if read["code"] & 0x3FF != OWN_CODE:
        raise CannotEmulate(f"hypercall code {read['code']:#x}; only {OWN_CODE} is KVM's")
    resume = trap.resume()
    outcome = trap.vm.hypercall(trap.vcpu)
    trap.vcpu.pc = resume
    return outcome


def _mode_change(trap: Trap) -> Emulation:
    """VZ-48: only of interest to a trace."""
    return Emulation.DONE


GUEST_EXITS: dict[int, Handler] = {
    GExcCode.GPSI: _privileged,
    GExcCode.GSFC: _field_change,
    GExcCode.HC: _hypercall,
    GExcCode.GHFC: _mode_change,
}



def _coprocessor(trap: Trap) -> Emulation:
    """VZ-51, FX-6: the guest may use its FPU, as far as it is concerned; lend it the host's."""
    fpu, status = trap.vm.fpu, trap.core.mfgc0(Status)
    number = Cause.CE.of(trap.cause)
    if number != 1 or fpu is None or not trap.vcpu.fpu_enabled or not status & Status.CU1.mask:
        raise CannotEmulate(f"coprocessor {number} was found unusable by root; guest hardware should have taken that")
    fpu.own_fpu(trap.vcpu, status, trap.core.mfgc0(Config5))
    return Emulation.DONE


def _msa_disabled(trap: Trap) -> Emulation:
    """VZ-51, FX-6."""
    fpu = trap.vm.fpu
    if fpu is None or not trap.vcpu.msa_enabled:
        raise CannotEmulate("MSA was found disabled by root; the guest has none")
    fpu.own_msa(trap.vcpu, trap.core.mfgc0(Status), trap.core.mfgc0(Config5))
    return Emulation.DONE


HANDLERS: dict[int, Handler] = {
    ExcCode.Int: _interrupt,
    ExcCode.TLBL: _tlb_load,
    ExcCode.TLBS: _tlb_store,
    ExcCode.Mod: _tlb_store,
    ExcCode.GE: _guest_exit,
    ExcCode.CpU: _coprocessor,
    ExcCode.MSADis: _msa_disabled,
}
