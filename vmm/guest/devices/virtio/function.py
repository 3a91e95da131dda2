"""A virtio device as a PCI function: its capabilities say where in two memory windows its parts are.  (VIRTIO 1.2, 4.1)

Window 0 has the common configuration, the interrupt status and the notifications, window 1 the device's own
configuration.  Interrupts are INTx; there is no MSI-X.
"""
from __future__ import annotations

from vmm.guest.devices.pci import SPACE, BaseRegister, Identity, PciFunction, Windowed
from vmm.guest.devices.virtio.queue import Memory
from vmm.guest.devices.virtio.transport import COMMON, COMMON_SIZE, ISR, NOTIFY, Transport, VirtioDevice

VENDOR, MODERN, REVISION = 0x1AF4, 0x1040, 1
VENDOR_SPECIFIC = 9                                         # kind of capability
COMMON_CFG, NOTIFY_CFG, ISR_CFG, DEVICE_CFG, PCI_CFG = range(1, 6)
WINDOW = 0x1000
CFG_BAR, CFG_OFFSET, CFG_LENGTH, CFG_DATA = 4, 8, 12, 16    # in the capability PCI_CFG


class VirtioFunction(PciFunction):
    _access = SPACE                                         # where the capability PCI_CFG is, once it is there

    def __init__(self, device: VirtioDevice, memory: Memory) -> None:
        self.transport = Transport(device, memory, self.interrupt)
        self._windows: list[Windowed] = [self.transport, device]
        super().__init__(Identity(VENDOR, MODERN + device.kind, device.class_code, REVISION, pin=1,
                                  subsystem=(VENDOR, MODERN + device.kind)),
                         [BaseRegister(number, WINDOW, part, io=False) for number, part in enumerate(self._windows)])
        self._structure(COMMON_CFG, 0, COMMON, COMMON_SIZE)
        self._structure(ISR_CFG, 0, ISR, 4)
        self._structure(NOTIFY_CFG, 0, NOTIFY, 4, bytes(4))  # a multiplier of 0: all queues notify at one place
        self._structure(DEVICE_CFG, 1, 0, device.regs.span)
        self._access = self._structure(PCI_CFG, 0, 0, 0, bytes(4))
        self.row(self._access + CFG_BAR, 1, 0, ones=0xFF)
        self.row(self._access + CFG_OFFSET, 8, 0, ones=(1 << 64) - 1)

    def _structure(self, kind: int, window: int, offset: int, size: int, more: bytes = b"") -> int:
        length = 16 + len(more)
        return self.capability(VENDOR_SPECIFIC, bytes([length, kind, window, 0, 0, 0]) + offset.to_bytes(4, "little") +
                               size.to_bytes(4, "little") + more)

    # -- the windows through the configuration space (4.1.4.9) ----------------------------------------------------
    def load(self, at: int, size: int) -> int:
        if at == self._access + CFG_DATA and size == 4:
            return self._through()
        return super().load(at, size)

    def store(self, at: int, size: int, value: int) -> None:
        super().store(at, size, value)
        if at == self._access + CFG_DATA and size == 4:
            self._through(value)

    def _through(self, value: int | None = None) -> int:
        """An access to a window as the capability describes it: a store of a value, or a load."""
        window, offset, size = (super(VirtioFunction, self).load(self._access + at, length)
                                for at, length in ((CFG_BAR, 1), (CFG_OFFSET, 4), (CFG_LENGTH, 4)))
        if window >= len(self._windows) or size not in (1, 2, 4) or offset + size > self._windows[window].regs.span:
            return 0
        part, found = self._windows[window], 0
        regs = part.regs
        if regs.is_wide(offset):
            if value is not None:
                regs.store_wide(part, offset, size, value)
            return 0
        for lane in range(size):
            if value is None:
                found |= (regs.load(part, offset + lane) or 0) << 8 * lane
            else:
                regs.store(part, offset + lane, value >> 8 * lane & 0xFF)
        return found
