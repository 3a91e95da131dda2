"""Exception codes and vector offsets.  (MIPS architecture, volume III, chapter 6; VZ module)"""
from __future__ import annotations

from enum import IntEnum


class ExcCode(IntEnum):
    """Cause.ExcCode: why an exception was taken.  16 and 17 are the core's own."""
    Int      = 0        # an interrupt
    Mod      = 1        # store to a page that is not dirty
    TLBL     = 2        # no valid TLB entry, load or fetch
    TLBS     = 3        # no valid TLB entry, store
    AdEL     = 4        # address error, load or fetch
    AdES     = 5        # address error, store
    IBE      = 6        # bus error, fetch
    DBE      = 7        # bus error, load or store
    Sys      = 8        # SYSCALL
    Bp       = 9        # BREAK; as Debug.DExcCode, SDBBP
    RI       = 10       # reserved instruction
    CpU      = 11       # coprocessor unusable, which one is in Cause.CE
    Ov       = 12       # signed overflow
    Tr       = 13       # trap
    MSAFPE   = 14       # MSA floating-point exception
    FPE      = 15       # floating-point exception
    C2E      = 18       # coprocessor 2
    TLBRI    = 19       # load from a page that may not be read
    TLBXI    = 20       # fetch from a page that may not be executed
    MSADis   = 21       # MSA is switched off
    MDMX     = 22       # MDMX is switched off
    Watch    = 23       # watchpoint
    MCheck   = 24       # machine check
    Thread   = 25       # MT
    DSPDis   = 26       # DSP is switched off
    GE       = 27       # exit from a guest; GuestCtl0.GExcCode says why
    CacheErr = 30


class GExcCode(IntEnum):
    """GuestCtl0.GExcCode: why a guest exited."""
    GPSI = 0            # privileged sensitive instruction
    GSFC = 1            # software changed a field that root wants to know of
    HC   = 2            # hypercall
    GRR  = 3            # reserved instruction, redirected to root
    GVA  = 8            # root TLB exception, BadVAddr is a guest virtual address
    GHFC = 9            # hardware changed such a field
    GPA  = 10           # root TLB exception, BadVAddr is a guest physical address


RESET_VECTOR = 0xFFFF_FFFF_BFC0_0000
"""Also of soft reset and NMI."""
BEV_BASE = 0xFFFF_FFFF_BFC0_0200
"""What the offsets below are added to while Status.BEV is set; otherwise EBase[63:12]."""
BEV_INTERRUPT_VECTOR = 0xFFFF_FFFF_BFC0_0400
"""All interrupts with Cause.IV while Status.BEV is set."""
DEBUG_VECTOR = 0xFFFF_FFFF_BFC0_0480
PROBE_DEBUG_VECTOR = 0xFFFF_FFFF_FF20_0200

REFILL_OFFSET = 0x000
"""TLB refill with EXL clear, in a 32-bit region."""
XTLB_REFILL_OFFSET = 0x080
"""TLB refill with EXL clear, in a region whose 64-bit addressing is on."""
CACHE_ERROR_OFFSET = 0x100
GENERAL_OFFSET = 0x180
"""Everything else; also a refill with EXL set."""
INTERRUPT_OFFSET = 0x200
"""Interrupts with Cause.IV; vector n is at INTERRUPT_OFFSET + n * IntCtl.VS * VECTOR_SPACING_UNIT."""
VECTOR_SPACING_UNIT = 32
