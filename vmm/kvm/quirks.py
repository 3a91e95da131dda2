"""Defects of the original hypervisor, each a switch; off is the better behaviour, on is the original's.

Rows marked [q] in the comments' row ids.  A test covers both positions of every switch.
"""
from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Quirks:
    edge_interrupts: bool = False
    """IN-7: an interrupt is delivered once a queueing, though its line stays asserted; software interrupts
    never."""
    nested_exception_fatal: bool = False
    """EX-1, EX-5: an exception other than a TLB's while Status.EXL is set ends the VM."""
    cpu_without_ce: bool = False
    """EX-5: a coprocessor 0 exception from user mode leaves Cause.CE alone."""
    context_not_updated: bool = False
    """EX-2: TLB exceptions do not write Context and XContext."""
    kernel_fault_fatal: bool = False
    """TE-5, TE-6, EM-P6: an unaligned access or another exception without a handler in guest kernel mode ends
    the VM."""
    coprocessor_2_fatal: bool = False
    """EM-P3: a coprocessor 2 or 3 instruction ends the VM, even from guest user mode."""
    commpage_address_error_rewritten: bool = False
    """EM-P5: an address error of guest user code in the commpage's page becomes a TLB exception."""
    read_only_registers_writable: bool = False
    """C0-11: MTC0 stores every bit of any register that has no rule of its own."""
    reserved_cop0_as_original: bool = False
    """C0-2, C0-3, C0-13, C0-15: DMFC0 works, other reserved COP0 instructions end the VM or do nothing; no
    RI."""
    status_change_unmasked: bool = False
    """C0-7: bits that are forced to zero still count as changed."""
    tlbwr_ignores_wired: bool = False
    """C0-19: TLBWR may replace a wired entry."""
    tlbp_miss_all_ones: bool = False
    """C0-21: a TLBP that finds nothing writes -1, not only Index.P."""
    page_mask_ignored: bool = False
    """C0-20, C0-23, MM-13: a guest's large page is shadowed and dropped as though it were one host page."""
    stale_entry_fatal: bool = False
    """TE-3: a TLB Modified exception that the guest's TLB does not explain ends the VM."""
    mapped_mmio_fatal: bool = False
    """TB-1: a device behind a mapped guest page ends the VM on a TLB miss."""
    cache_op_fatal: bool = False
    """CA-2, CA-4: a CACHE operation out of the few known ones ends the VM."""

    @classmethod
    def original(cls) -> Quirks:
        """Every defect as it was."""
        return cls(**{field.name: True for field in fields(cls)})
