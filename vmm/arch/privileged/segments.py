"""Segments: which addresses are mapped, which are not, and which are errors.  (Volume III, chapter 4; mips.md 4.1, 4.2)

The compatibility segments are those of SegCtl0 to 2 on every core: one without segmentation control holds the legacy
layout there, where software cannot see it.  Cacheability is not modelled, so a segment's C means nothing.
"""
from __future__ import annotations

from vmm.arch.cp0.registers import PageGrain, SegCtl1, SegCtl2, Status
from vmm.arch.privileged.mode import KERNEL
from vmm.arch.rows import AnyMachine

DIRECT, MAPPED, ERROR = 0, 1, 2
"""What an address is."""
XKPHYS_ADDRESS = (1 << 59) - 1
BEYOND_SMALL = (1 << 59) - (1 << 36)
"""No bits of physical addresses while PageGrain.ELPA is clear."""
XKPHYS_REGION, XKSEG_REGION = 2, 3

ACCESS_MODES: tuple[tuple[str, str], ...] = (
    # by AM: for kernel, supervisor, user: u not mapped, T by the TLB, - an address error
    ("UK", "u--"), ("MK", "T--"), ("MSK", "TT-"), ("MUSK", "TTT"), ("MUSUK", "uTT"), ("USK", "uu-"),
    ("reserved", "---"), ("UUSK", "uuu"))
OPEN = sum(1 << 8 * who + n for n, (_, how) in enumerate(ACCESS_MODES) for who in range(3) if how[who] != "-")
BY_TLB = sum(1 << 8 * who + n for n, (_, how) in enumerate(ACCESS_MODES) for who in range(3) if how[who] == "T")
"""Bit 8 * privilege + AM: open, and mapped."""
NEEDS_KX, NEEDS_SX = 0b0000_0011, 0b0010_0100
"""Bit AM: which of KX, SX, else UX, an opened part of xkphys needs."""


def classify(m: AnyMachine, va: AnyMachine, privilege: AnyMachine) -> AnyMachine:
    """DIRECT with ``state.unmapped`` the physical address, MAPPED, or ERROR, for the context that runs."""
    s = m.state
    high = va.sar(31)
    result = m.var(m.const(ERROR))
    for _ in m.when((high == 0) | (high == -1)):
        result.value = m.call(compatible, va, privilege)
    for _ in m.otherwise():
        for _ in m.when(s.core64 != 0):
            result.value = m.call(wide, va, privilege)
    return result.value


def compatible(m: AnyMachine, va: AnyMachine, privilege: AnyMachine) -> AnyMachine:
    """An address of the 32-bit address space: six segments."""
    s = m.state
    zone = va.shr(29) & 7
    pair = zone.shr(1)                                 # CFG5 and CFG4 serve two zones each
    index = m.select(pair == 0, SegCtl2.index, m.const(SegCtl2.index + 1) - pair)
    in_upper = m.select(zone.below(m.const(4)), pair ^ 1, (zone & 1) ^ 1)
    config = m.cp0.at(index).shr(in_upper.shl(4)) & 0xFFFF
    inside = m.select(zone.below(m.const(4)), (1 << 30) - 1, (1 << 29) - 1)
    s.unmapped = (config.shr(9).shl(29) & ~inside) | (va & inside)
    error_level = m.cp0.on(Status.ERL) & (privilege == KERNEL) & ((config & 8) != 0)
    return m.call(by_mode, config.shr(4) & 7, privilege, m.flag(error_level))


def by_mode(m: AnyMachine, mode: AnyMachine, privilege: AnyMachine, never_mapped: AnyMachine) -> AnyMachine:
    bit = privilege.shl(3) + mode
    mapped = (m.const(BY_TLB).shr(bit) & 1) & (never_mapped ^ 1)
    return m.select((m.const(OPEN).shr(bit) & 1) == 0, ERROR, mapped)


def wide(m: AnyMachine, va: AnyMachine, privilege: AnyMachine) -> AnyMachine:
    """An address beyond the compatibility segments, on a 64-bit core."""
    s = m.state
    region = va.shr(62)
    enabled = m.call(wide_enabled, region)
    beyond = (va & s.segment_excess) != 0
    last_2g = (va | s.segment_excess).sar(31) == -1    # what the compatibility segments stand for
    outside = beyond | ((region == XKSEG_REGION) & last_2g)
    owner = m.select(region == 0, m.const(2), m.select(region == 1, m.const(1), m.const(KERNEL)))
    open_ = (enabled != 0) & ~outside & ~owner.below(privilege)
    result = m.var(m.select(open_, MAPPED, ERROR))
    for _ in m.when(region == XKPHYS_REGION):
        result.value = m.call(xkphys, va, privilege)
    return result.value


def wide_enabled(m: AnyMachine, region: AnyMachine) -> AnyMachine:
    """1 if Status lets 64-bit addresses into this region."""
    enables = m.cp0[Status].shr(Status.UX.low) & 7     # UX, SX, KX
    return enables.shr(m.select(region.below(m.const(2)), region, 2)) & 1


def xkphys(m: AnyMachine, va: AnyMachine, privilege: AnyMachine) -> AnyMachine:
    """For the kernel the physical memory; SegCtl2.XR opens a part (by cacheability) in the mode SegCtl1.XAM."""
    s = m.state
    part = va.shr(59) & 7
    opened = (m.cp0.get(SegCtl2.XR).shr(part) & 1) != 0
    mode = m.select(opened, m.cp0.get(SegCtl1.XAM), 0)
    needs = m.select((m.const(NEEDS_KX).shr(mode) & 1) != 0, 2,
                     m.select((m.const(NEEDS_SX).shr(mode) & 1) != 0, m.const(1), m.const(0)))
    enabled = (m.cp0[Status].shr(Status.UX.low).shr(needs) & 1) != 0
    excess = m.select(m.cp0.on(PageGrain.ELPA), s.physical_excess, s.physical_excess | BEYOND_SMALL)
    in_range = (va & excess) == 0
    s.unmapped = va & XKPHYS_ADDRESS
    return m.select(enabled & in_range, m.call(by_mode, mode, privilege, m.const(0)), ERROR)
