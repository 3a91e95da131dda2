"""What is done about each exit of a trap-and-emulate guest (rows TE-1..TE-10, TB-1, EM-P*, matrix D).

``HANDLERS`` is the matrix's "guest-kernel" column; the "guest-user" column is the same after
``privilege.refused``.
"""
from __future__ import annotations

from collections.abc import Callable

from vmm.arch.cp0.registers import Config5, Status
from vmm.arch.exceptions import ExcCode
from vmm.kvm import branch, mmio, words
from vmm.kvm.causes import BY_CODE
from vmm.kvm.exits import InternalError
from vmm.kvm.te import cache, cop0, hwr, privilege
from vmm.kvm.te.addresses import Segment, segment
from vmm.kvm.te.deliver import (
    ADDRESS_EXCEPTIONS,
    deliver,
    deliver_address_error,
    deliver_refill,
    deliver_tlb,
)
from vmm.kvm.te.faults import Fault, fault, guest_physical, read_instruction
from vmm.kvm.te.guest import CannotEmulate, Guest
from vmm.kvm.vcpu import Emulation

Handler = Callable[[Guest], Emulation]

CODES = frozenset(int(code) for code in ExcCode)


def handle(guest: Guest) -> Emulation:
    """Deal with the exit that the world switch just saved; a FAIL leaves its reason in ``vcpu.exit``."""
    vcpu, code = guest.vcpu, guest.exc_code
    guest.trap_pc = vcpu.pc
    try:
        if not guest.in_kernel_mode and (instead := privilege.refused(guest, code)) is not None:
            _deliver_any(guest, instead)
            return Emulation.PRIV_FAIL
        if code in BY_CODE and BY_CODE[code].counter:
            vcpu.stats[BY_CODE[code].counter] += 1
        return HANDLERS.get(code, _not_handled)(guest)
    except CannotEmulate as reason:
        vcpu.pc = guest.trap_pc
        vcpu.exit = InternalError(str(reason))
        return Emulation.FAIL
    except branch.BranchError as reason:
        vcpu.exit = InternalError(str(reason))
        return Emulation.FAIL


# -- the instruction that trapped ------------------------------------------------------------------


def instruction_address(guest: Guest) -> int:
    return guest.vcpu.pc + 4 if guest.in_slot else guest.vcpu.pc


def instruction(guest: Guest) -> int:
    """EM-2."""
    if guest.host.bad_instr:
        return guest.vcpu.host_badinstr & 0xFFFF_FFFF
    return read_instruction(guest, instruction_address(guest))


def resume_address(guest: Guest) -> int:
    """Where the guest goes on after the instruction (EM-1); links, if a branch with a link comes before it.
    """
    vcpu = guest.vcpu
    if not guest.in_slot:
        return vcpu.pc + 4
    word = vcpu.host_badinstrp if guest.host.bad_instr else read_instruction(guest, vcpu.pc)
    return branch.after_slot(word & 0xFFFF_FFFF, vcpu.pc, vcpu.gpr, release=guest.host.release)


# -- exceptions that are simply the guest's --------------------------------------------------------


def _deliver_any(guest: Guest, code: int) -> Emulation:
    """EX-5: a code that the host reported or the privilege check chose."""
    exception, address = ExcCode(code), guest.vcpu.host_badvaddr
    if exception is ExcCode.CpU:
        number = None if guest.quirks.cpu_without_ce else guest.coprocessor
        return deliver(guest, exception, coprocessor=number)
    if exception in ADDRESS_EXCEPTIONS:
        return deliver_address_error(guest, exception, address)
    return deliver(guest, exception)


def _give_to_guest(guest: Guest) -> Emulation:
    """TE-7."""
    return deliver(guest, ExcCode(guest.exc_code))


def _not_handled(guest: Guest) -> Emulation:
    """EM-P6: integer overflow, bus errors, DSP disabled and the like in guest kernel mode."""
    if guest.quirks.kernel_fault_fatal or guest.exc_code not in CODES:
        raise CannotEmulate(f"exception {guest.exc_code} at {guest.vcpu.pc:#x} in kernel mode: no handler")
    return _deliver_any(guest, guest.exc_code)


def _interrupt(guest: Guest) -> Emulation:
    """The host's own; it was served when the host let interrupts in again."""
    return Emulation.DONE


# -- coprocessors and reserved instructions --------------------------------------------------------


def _coprocessor_unusable(guest: Guest) -> Emulation:
    match guest.coprocessor:
        case 0:
            return _emulate_privileged(guest)
        case 1:
            return _fpu(guest)
        case number if guest.quirks.coprocessor_2_fatal:
            raise CannotEmulate(f"instruction of coprocessor {number} at {guest.vcpu.pc:#x}")
        case number:
            return deliver(guest, ExcCode.CpU, coprocessor=number)


def _fpu(guest: Guest) -> Emulation:
    """TE-1."""
    if guest.host.fpu is None or not guest.has_fpu or not guest.status & Status.CU1.mask:
        return deliver(guest, ExcCode.CpU, coprocessor=1)
    guest.host.fpu.own_fpu(guest.vcpu)
    return Emulation.DONE


def _msa_disabled(guest: Guest) -> Emulation:
    """FX-6."""
    needs_fr = guest.status & Status.CU1.mask and not guest.status & Status.FR.mask
    if guest.host.fpu is None or not guest.has_msa or needs_fr:
        return deliver(guest, ExcCode.RI)
    if not guest.vcpu.cop0[Config5] & Config5.MSAEn.mask:
        return deliver(guest, ExcCode.MSADis)
    guest.host.fpu.own_msa(guest.vcpu)
    return Emulation.DONE


def _emulate_privileged(guest: Guest) -> Emulation:
    """TE-2."""
    vcpu, word, address = guest.vcpu, instruction(guest), instruction_address(guest)
    try:
        emulate = _emulator(guest, word)
    except cop0.Reserved:
        return deliver(guest, ExcCode.RI)
    resume = resume_address(guest)
    try:
        vcpu.pc = emulate(resume)
    except cop0.Reserved:
        return deliver(guest, ExcCode.RI)
    if guest.translator:
        guest.translator.offer(guest, address, word)
    if vcpu.waiting:
        return Emulation.WAIT
    return Emulation.HYPERCALL if vcpu.exit else Emulation.DONE


def _emulator(guest: Guest, word: int) -> Callable[[int], int]:
    if cop0.is_cop0(word):
        return lambda resume: cop0.emulate(guest, word, resume)
    read = words.read(word, release=guest.host.release, bits=32)
    if read is not None and read.name == "cache":
        return lambda resume: cache.emulate(guest, read, resume)
    if guest.quirks.reserved_cop0_as_original:
        raise CannotEmulate(f"privileged instruction {word:#010x} at {guest.vcpu.pc:#x}")
    raise cop0.Reserved


def _reserved_instruction(guest: Guest) -> Emulation:
    """RI-1..RI-3."""
    if words.read(word := instruction(guest), release=guest.host.release, bits=32) is None:
        return deliver(guest, ExcCode.RI)
    resume = resume_address(guest)
    if not hwr.emulate(guest, word):
        return deliver(guest, ExcCode.RI)
    guest.vcpu.pc = resume
    return Emulation.DONE


# -- memory ----------------------------------------------------------------------------------------


def _tlb_modified(guest: Guest) -> Emulation:
    """TE-3."""
    address = guest.vcpu.host_badvaddr
    where = segment(address)
    if where is not Segment.KSEG0 and not where.mapped:
        return _device_access(guest, address)
    outcome = fault(guest, address, write=True)
    if outcome in (Fault.TLB, Fault.TLBINV) and guest.quirks.stale_entry_fatal:
        raise CannotEmulate(f"TLB modified at {address:#x}, which the guest's TLB does not map")
    return _after_fault(guest, outcome, ExcCode.TLBS, address)


def _tlb_miss(guest: Guest) -> Emulation:
    """TE-4."""
    address, code = guest.vcpu.host_badvaddr, ExcCode(guest.exc_code)
    outcome = fault(guest, address, write=code is ExcCode.TLBS)
    if outcome is Fault.GPA and guest.quirks.mapped_mmio_fatal and segment(address).mapped:
        raise CannotEmulate(f"no memory behind the mapped address {address:#x}")
    return _after_fault(guest, outcome, code, address)


def _after_fault(guest: Guest, outcome: Fault, code: ExcCode, address: int) -> Emulation:
    match outcome:
        case Fault.MAPPED:
            return Emulation.DONE
        case Fault.TLB:
            return deliver_refill(guest, code, address)
        case Fault.TLBINV:
            return deliver_tlb(guest, code, address)
        case Fault.TLBMOD:
            return deliver_tlb(guest, ExcCode.Mod, address)
        case Fault.GPA:
            return _device_access(guest, address)
        case Fault.GVA if segment(address) is Segment.DEVICES:
            return _device_access(guest, address)
        case Fault.GVA:
            return _bad_address(guest, privilege.AS_ADDRESS_ERROR[code], address)


def _address_error(guest: Guest) -> Emulation:
    """TE-5, TE-6: the guest kernel's devices are where the host's kernel is; anything else is the guest's
    mistake."""
    address, code = guest.vcpu.host_badvaddr, ExcCode(guest.exc_code)
    if segment(address) is not Segment.DEVICES or _is_fetch(guest, address) or _misaligned(guest, address):
        return _bad_address(guest, code, address)
    return _device_access(guest, address)


def _bad_address(guest: Guest, code: ExcCode, address: int) -> Emulation:
    if guest.quirks.kernel_fault_fatal:
        raise CannotEmulate(f"{code.name} exception at {guest.vcpu.pc:#x}: address {address:#x}, kernel mode")
    return deliver_address_error(guest, code, address)


def _is_fetch(guest: Guest, address: int) -> bool:
    return mmio.is_fetch_fault(guest.vcpu.pc, address, in_slot=guest.in_slot)


def _misaligned(guest: Guest, address: int) -> bool:
    moved = mmio.decode(instruction(guest), is_store=guest.is_store, release=guest.host.release, wide=False)
    return moved is not None and address % moved[0].size != 0


def _device_access(guest: Guest, address: int) -> Emulation:
    """MI-1..MI-6, TE-10, V-5."""
    physical = guest_physical(guest, address)
    if _is_fetch(guest, address) or physical is None:
        if guest.quirks.kernel_fault_fatal:
            raise CannotEmulate(f"instruction fetch from {address:#x}, where the guest has no memory")
        return deliver(guest, ExcCode.IBE)
    word, release = instruction(guest), guest.host.release
    resume = resume_address(guest)
    emulate = mmio.emulate_store if guest.is_store else mmio.emulate_load
    result = emulate(guest.vcpu, word, physical, resume, release=release, bus=guest.host.io_bus)
    if result is Emulation.FAIL:
        raise CannotEmulate(f"instruction {word:#010x} at {guest.vcpu.pc:#x} accesses the device at "
                            f"{physical:#x}; only plain integer loads and stores can")
    return result


HANDLERS: dict[int, Handler] = {
    ExcCode.Int: _interrupt,
    ExcCode.Mod: _tlb_modified, ExcCode.TLBL: _tlb_miss, ExcCode.TLBS: _tlb_miss,
    ExcCode.AdEL: _address_error, ExcCode.AdES: _address_error,
    ExcCode.Sys: _give_to_guest, ExcCode.Bp: _give_to_guest, ExcCode.Tr: _give_to_guest,
    ExcCode.MSAFPE: _give_to_guest, ExcCode.FPE: _give_to_guest,
    ExcCode.RI: _reserved_instruction, ExcCode.CpU: _coprocessor_unusable, ExcCode.MSADis: _msa_disabled,
}  # fmt: skip
