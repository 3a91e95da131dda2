"""Physical memory: which host memory is behind a physical address.  (``vmm.arch.state.RegionSlot``)

Where the common device memory map overlaps memory, the map is what a CPU sees: the core itself answers, before anything
leaves it.  (volume III, Common Device Memory Map)
"""
from __future__ import annotations

from vmm.arch.cp0.registers import CDMMBase
from vmm.arch.cp0.units import CDMM_BYTES
from vmm.arch.privileged.names import STORE
from vmm.arch.rows import AnyMachine
from vmm.arch.state import OFFSET, REGION_SLOTS, RegionSlot

STORE_RIGHT = 2


def in_device_map(m: AnyMachine, pa: AnyMachine) -> AnyMachine:
    """Whether the address is in the common device memory map of this CPU; root's is the only one."""
    return m.root.on(CDMMBase.EN) & (pa.shr(CDMM_BYTES.bit_length() - 1) == m.root.get(CDMMBase.CDMM_UPPER_ADDR))


def backing(m: AnyMachine, pa: AnyMachine, access: AnyMachine) -> AnyMachine:
    """The host address of a physical one, or 0; read-only memory has none for stores, devices have none."""
    s = m.state
    at, host = m.var(m.const(OFFSET["regions"])), m.var(m.const(0))
    end = m.const(OFFSET["regions"]) + s.region_count * REGION_SLOTS
    for _ in m.repeat(lambda: at.value.below(end) & (host.value == 0)):
        base, read_only = m.slot(at.value + RegionSlot.BASE), m.slot(at.value + RegionSlot.READ_ONLY)
        inside = ~pa.below(base) & pa.below(m.slot(at.value + RegionSlot.END))
        for _ in m.when(inside & ((read_only == 0) | (access != STORE))):
            host.value = m.slot(at.value + RegionSlot.HOST) + pa - base
            s.rights = s.rights & ~m.select(read_only != 0, STORE_RIGHT, 0)
        at.value = at.value + REGION_SLOTS
    for _ in m.when(in_device_map(m, pa)):
        host.value = m.const(0)
    return host.value
