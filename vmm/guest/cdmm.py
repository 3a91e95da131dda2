"""The common device memory map of one CPU: the devices that the core has itself, where CDMMBase puts them.

Only that CPU reaches them.  Invariant: nothing answers while CDMMBase.EN is clear, which it always is on a core without
the map.  A register block with no device reads as 0, and so does, without any effect, what the mode may not access.
(MD00090, Common Device Memory Map)
"""
from __future__ import annotations

from vmm.arch.cp0.registers import CDMMBase
from vmm.arch.cp0.units import CDMM_BYTES
from vmm.arch.state import ROOT_FILE
from vmm.engine.cpu import Cpu
from vmm.guest.bus import Bus
from vmm.guest.devices.fdc import FastDebugChannel

BASE, ENABLED = ROOT_FILE + CDMMBase.index, CDMMBase.EN.mask
FDC_AT = 0
"""The device with the lowest blocks; as CDMMBase.CI is 0, no block is kept for the core's own use."""


class DeviceMap:
    def __init__(self, cpu: Cpu) -> None:
        self.cpu, self.fdc = cpu, FastDebugChannel()
        self._bus = Bus(cpu.big_endian, [(0, CDMM_BYTES)])  # by offset, so moving the map changes nothing here
        self._bus.attach(FDC_AT, self.fdc)

    def covers(self, physical: int) -> bool:
        base = self.cpu.state.words[BASE]                  # asked at each access to a device
        return base & ENABLED != 0 and physical // CDMM_BYTES == CDMMBase.CDMM_UPPER_ADDR.of(base)

    def load(self, physical: int, size: int) -> int:
        offset = physical % CDMM_BYTES
        return self._bus.load(offset, size) if self._allowed(offset, False) else 0

    def store(self, physical: int, size: int, value: int) -> None:
        offset = physical % CDMM_BYTES
        if self._allowed(offset, True):
            self._bus.store(offset, size, value)

    def _allowed(self, offset: int, is_store: bool) -> bool:
        of_fdc = 0 <= offset - FDC_AT < self.fdc.regs.span
        return not of_fdc or self.fdc.allows(self.cpu.state.priv, is_store)
