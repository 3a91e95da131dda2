"""The CACHE instruction of a guest kernel (rows CA-1..CA-5).

The machine's caches are coherent and its decoded code follows stores, so nothing is left to do to a line;
what remains is what the guest can see: the translation that a hit operation makes, and the exceptions that it
may take.
"""
from __future__ import annotations

from vmm.arch.cp0.registers import DTagLo, TagLo
from vmm.arch.exceptions import ExcCode
from vmm.kvm.causes import BY_CODE, CACHE
from vmm.kvm.te.deliver import deliver_address_error, deliver_refill, deliver_tlb
from vmm.kvm.te.faults import Fault, fault
from vmm.kvm.te.guest import CannotEmulate, Guest
from vmm.kvm.vcpu import sign_extend
from vmm.kvm.words import Word

INDEX_INVALIDATE, INDEX_LOAD_TAG, INDEX_STORE_TAG = 0, 1, 2
FIRST_HIT = 4
FIRST_LEVEL = (0, 1)
"""Instruction and data cache; 2 and 3 are the outer ones."""
ORIGINAL_HITS = frozenset({0x10, 0x11, 0x15})
"""The only hit operations that the original knows (CA-3)."""


def emulate(guest: Guest, word: Word, resume: int) -> int:
    guest.vcpu.stats[BY_CODE[CACHE].counter] += 1
    operation, level = word["op"] >> 2, word["op"] & 3
    if guest.quirks.cache_op_fatal and not _known_to_the_original(operation, level):
        raise CannotEmulate(f"CACHE operation {word['op']:#x} at {guest.vcpu.pc:#x}")
    if operation == INDEX_LOAD_TAG:
        # a line that is not there
        guest.vcpu.cop0[TagLo if level == 0 else DTagLo] = 0
    if operation < FIRST_HIT:
        return resume
    address = sign_extend(guest.vcpu.gpr[word["base"]] + word.signed("offset"), 32)
    return resume if _reach(guest, address) else guest.vcpu.pc


def _known_to_the_original(operation: int, level: int) -> bool:
    return (operation == INDEX_INVALIDATE and level in FIRST_LEVEL) or (operation << 2 | level) in ORIGINAL_HITS


def _reach(guest: Guest, address: int) -> bool:
    """Translate as a load does (CA-5); false: an exception was delivered instead."""
    match fault(guest, address, write=False):
        case Fault.MAPPED:
            return True
        case Fault.TLB:
            deliver_refill(guest, ExcCode.TLBL, address)
        case Fault.TLBINV:
            deliver_tlb(guest, ExcCode.TLBL, address)
        case Fault.GPA if not guest.quirks.cache_op_fatal:
            return True
        case Fault.GVA if not guest.quirks.cache_op_fatal:
            deliver_address_error(guest, ExcCode.AdEL, address)
        case outcome:
            raise CannotEmulate(f"CACHE operation on {address:#x} at {guest.vcpu.pc:#x}: {outcome.name}")
    return False
