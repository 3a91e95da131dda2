"""Device accesses of a guest: what the trapped load or store moves, and its completion (rows MI-2..MI-6).

Invariant: the architectural PC of a load stays at the load until the data have arrived, so a vCPU that is
saved in between repeats it; a store is over when it is reported.
"""
from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from vmm.kvm import words
from vmm.kvm.exits import MmioLoad, MmioStore
from vmm.kvm.vcpu import Emulation, Mmio, Vcpu, sign_extend


@dataclass(frozen=True, slots=True)
class Access:
    size: int
    signed: bool = False
    wide: bool = False
    """Only a guest with 64-bit registers has it."""


LOADS: dict[str, Access] = {
    "lb": Access(1, signed=True), "lbu": Access(1), "lh": Access(2, signed=True), "lhu": Access(2),
    "lw": Access(4, signed=True), "lwu": Access(4, wide=True), "ld": Access(8, signed=True, wide=True),
}  # fmt: skip
STORES: dict[str, Access] = {"sb": Access(1), "sh": Access(2), "sw": Access(4), "sd": Access(8, wide=True)}


class IoBus(Protocol):
    """Devices inside KVM: an access that one of them takes is over without KVM_RUN returning (L-6)."""

    def load(self, address: int, size: int) -> int | None:
        """What the device answers; None: no device here, so the VMM is asked."""

    def store(self, address: int, size: int, value: int) -> bool:
        """Whether a device took it."""


@lru_cache(maxsize=4096)
def decode(word: int, *, is_store: bool, release: int, wide: bool) -> tuple[Access, int] | None:
    """What the word moves and its rt; None: not a load or store that a device can be accessed with (MI-5)."""
    read = words.read(word, release=release, bits=64 if wide else 32)
    access = (STORES if is_store else LOADS).get(read.name) if read else None
    if read is None or access is None or (access.wide and not wide):
        return None
    return access, read["rt"]


def emulate_store(vcpu: Vcpu, word: int, address: int, resume_pc: int, *, release: int,
                  wide: bool = False, bus: IoBus | None = None) -> Emulation:
    """``address`` is guest-physical; ``resume_pc`` is where the guest goes on (MI-2).  DONE: a device on the bus took it
    (V-5)."""
    found = decode(word, is_store=True, release=release, wide=wide)
    if found is None:
        return Emulation.FAIL
    access, rt = found
    value = vcpu.gpr[rt] & (1 << 8 * access.size) - 1
    vcpu.pc = resume_pc
    if bus is not None and bus.store(address, access.size, value):
        return Emulation.DONE
    mmio = vcpu.mmio
    mmio.needed, mmio.is_write, mmio.length, mmio.data = Mmio.ZERO_EXTEND, True, access.size, value
    vcpu.exit = MmioStore(address, access.size, value)
    return Emulation.DO_MMIO


def emulate_load(vcpu: Vcpu, word: int, address: int, resume_pc: int, *, release: int,
                 wide: bool = False, bus: IoBus | None = None) -> Emulation:
    """The resume address is settled now, because the branch before a delay slot may link over its own source
    (MI-3).  DONE: a device on the bus answered."""
    found = decode(word, is_store=False, release=release, wide=wide)
    if found is None:
        return Emulation.FAIL
    access, rt = found
    data = None if bus is None else bus.load(address, access.size)
    mmio = vcpu.mmio
    mmio.needed = Mmio.SIGN_EXTEND if access.signed else Mmio.ZERO_EXTEND
    mmio.is_write, mmio.length, mmio.io_gpr, mmio.io_pc = False, access.size, rt, resume_pc
    if data is not None:
        return complete_load(vcpu, data)
    vcpu.exit = MmioLoad(address, access.size)
    return Emulation.DO_MMIO


def complete_load(vcpu: Vcpu, data: int) -> Emulation:
    """The device answered ``data`` (MI-4)."""
    mmio = vcpu.mmio
    if mmio.length > vcpu.word:
        return Emulation.FAIL
    bits = 8 * mmio.length
    extended = sign_extend(data, bits) if mmio.needed is Mmio.SIGN_EXTEND else data & (1 << bits) - 1
    vcpu.pc = mmio.io_pc
    vcpu.gpr[mmio.io_gpr] = extended
    mmio.needed = Mmio.NONE
    return Emulation.DONE


def is_fetch_fault(pc: int, bad_address: int, *, in_slot: bool) -> bool:
    """The fault is that of the instruction's own fetch, hence never a device access (MI-6)."""
    return pc == bad_address or (in_slot and 0 <= bad_address - pc <= 4)
