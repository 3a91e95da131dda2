"""What guest user code may not do (rows EM-P1..EM-P7): checked before an exit is dispatched.

The whole guest runs in the host's user mode, so the host cannot tell the guest's kernel from its users; this
does.
"""
from __future__ import annotations

from vmm.arch.exceptions import ExcCode
from vmm.kvm.te.addresses import KSEG0
from vmm.kvm.te.faults import is_commpage
from vmm.kvm.te.guest import Guest

ALLOWED = frozenset({
    ExcCode.Int, ExcCode.Sys, ExcCode.Bp, ExcCode.RI, ExcCode.Tr, ExcCode.MSAFPE, ExcCode.FPE, ExcCode.MSADis,
    ExcCode.Mod,
})
"""The handler looks after itself (EM-P2)."""

AS_ADDRESS_ERROR = {ExcCode.TLBL: ExcCode.AdEL, ExcCode.TLBS: ExcCode.AdES}
AS_TLB_MISS = {error: miss for miss, error in AS_ADDRESS_ERROR.items()}


def refused(guest: Guest, code: int) -> int | None:
    """The exception that guest user code gets instead of a handler; None: go on to the handler."""
    if code in ALLOWED:
        return None
    if code == ExcCode.CpU:
        return _coprocessor(guest)
    address = guest.vcpu.host_badvaddr
    if code in AS_ADDRESS_ERROR:
        below = address < KSEG0
        return None if below else AS_ADDRESS_ERROR[ExcCode(code)]
    if code in AS_TLB_MISS and _rewrites(guest, address):
        return AS_TLB_MISS[ExcCode(code)]
    return code


def _coprocessor(guest: Guest) -> int | None:
    """Coprocessor 1 has a handler; 2 and 3 the guest does not have, so the exception is its user's (EM-P3).
    """
    handled = (1, 2, 3) if guest.quirks.coprocessor_2_fatal else (1,)
    return None if guest.coprocessor in handled else ExcCode.CpU


def _rewrites(guest: Guest, address: int) -> bool:
    """The commpage is not mapped for users, so only the original, which once had it elsewhere, rewrites
    (EM-P5)."""
    return guest.quirks.commpage_address_error_rewritten and is_commpage(guest, address)
