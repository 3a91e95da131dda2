"""RDHWR for a guest (rows RI-1..RI-3): the host's HWREna is 0 while the guest runs, so each one arrives here.
"""
from __future__ import annotations

from collections.abc import Callable

from vmm.arch.cp0.registers import Config1, HWREna, UserLocal, sign_extended
from vmm.kvm import words
from vmm.kvm.te.guest import Guest

CCRES = 2
"""Cycles a tick of Count."""


def _line_size(guest: Guest) -> int:
    """The smaller of the two first-level lines; 0 is no cache."""
    config1 = guest.vcpu.cop0[Config1]
    lines = [2 << code for code in (Config1.IL.of(config1), Config1.DL.of(config1)) if code]
    return min(lines, default=0)


# fmt: off
READERS: dict[int, Callable[[Guest], int]] = {
    HWREna.CPUNum.low: lambda guest: guest.vcpu.number,
    HWREna.SYNCI.low:  _line_size,
    HWREna.CC.low:     lambda guest: sign_extended(guest.timer.read_count()),
    HWREna.CCRes.low:  lambda guest: CCRES,
    HWREna.ULR.low:    lambda guest: sign_extended(guest.vcpu.cop0[UserLocal]),
}
# fmt: on


def emulate(guest: Guest, word: int) -> bool:
    """Do the RDHWR that ``word`` is; false: it is reserved for this guest in this mode."""
    read = words.read(word, release=guest.host.release, bits=32)
    if read is None or read.name != "rdhwr":
        return False
    reader = READERS.get(read["rd"])
    allowed = guest.in_kernel_mode or guest.vcpu.cop0[HWREna] >> read["rd"] & 1
    if reader is None or not allowed:
        return False
    guest.vcpu.gpr[read["rt"]] = reader(guest)
    return True
