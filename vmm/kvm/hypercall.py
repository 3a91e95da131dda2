"""Hypercalls: number in v0, arguments in a0..a3, result in v0.  (rows HC-1..HC-5)

KVM itself knows none and answers -ENOSYS; a VMM that has its own says so, and gets them as exits.
"""
from __future__ import annotations

from vmm.kvm.exits import Hypercall
from vmm.kvm.vcpu import Emulation, Vcpu

KVM_ENOSYS = 1000
V0, A0 = 2, 4
OWN_CODE = 0
"""The code field of the HYPCALL instructions that are KVM's."""


def hypercall(vcpu: Vcpu, *, to_vmm: bool) -> Emulation:
    """The guest executed HYPCALL 0; its PC is past it already, or will be put there by the caller."""
    if not to_vmm:
        vcpu.gpr[V0] = -KVM_ENOSYS
        return Emulation.DONE
    call, *args = (vcpu.gpr[n] for n in (V0, A0, A0 + 1, A0 + 2, A0 + 3))
    vcpu.exit = Hypercall(call, (args[0], args[1], args[2], args[3]))
    return Emulation.HYPERCALL
