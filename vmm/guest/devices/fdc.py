"""The EJTAG fast debug channel: sixteen streams of words between software and a probe, of which there is none here.

A device of the common device memory map, so its first register is the access control and status register.  Registers are
32 bits wide, 8 bytes apart, in the byte order of the CPU.  Invariant: what is sent stays in the FIFO, as nobody takes it;
once that is full, more is lost.  (MIPS EJTAG specification, MD00047, Fast Debug Channel; MD00090, Common Device Memory Map)
"""
from __future__ import annotations

from dataclasses import dataclass, field

from vmm.guest.devices.window import Window, at_most, bits, copied

BLOCK_BYTES, BLOCKS = 64, 3
"""Of a device's registers in the map; how many blocks these take."""
FDC = 0xFD
TYPE, EXTRA_BLOCKS = 24, 16                                 # in the ACSR, where also these are:
USER_WRITE, USER_READ, SUPERVISOR_WRITE, SUPERVISOR_READ = 8, 4, 2, 1
RIGHTS = {(1, False): SUPERVISOR_READ, (1, True): SUPERVISOR_WRITE, (2, False): USER_READ, (2, True): USER_WRITE}
"""The right that an access needs, by privilege (1 supervisor, 2 user) and whether it stores."""
TX_DEPTH, RX_DEPTH = 16, 16
"""Words that the FIFOs hold: the designer of a chip chooses."""
CHANNELS = 16
TX_SIZE, THRESHOLDS = 8, 16                                 # in FDCFG; the receive FIFO's size is lowest
RX_EMPTY, TX_EMPTY, TX_FULL = 8, 2, 1                       # in FDSTAT; its counts are optional and stay 0
ENTRY_BYTES = 5


class FastDebugChannel:
    regs = Window(span=BLOCKS * BLOCK_BYTES)

    @dataclass(slots=True)
    class State:
        rights: int = bits(4)
        thresholds: int = bits(4)                           # of interrupts, which are not connected
        sent: bytearray = field(default_factory=bytearray, metadata=at_most(TX_DEPTH * ENTRY_BYTES))

    def __init__(self) -> None:
        self.state = self.State()

    def allows(self, privilege: int, is_store: bool) -> bool:
        """``privilege``: 0 kernel, 1 supervisor, 2 user."""
        return privilege == 0 or bool(self.state.rights & RIGHTS[privilege, is_store])

    @property
    def sent(self) -> list[tuple[int, int]]:
        """(channel, word) of what waits for the probe, the oldest first."""
        raw = self.state.sent
        return [(raw[at], int.from_bytes(raw[at + 1:at + ENTRY_BYTES], "little"))
                for at in range(0, len(raw), ENTRY_BYTES)]

    @property
    def _full(self) -> bool:
        return len(self.state.sent) == TX_DEPTH * ENTRY_BYTES

    @regs.read(0x00)
    def acsr(self) -> int:
        return FDC << TYPE | BLOCKS - 1 << EXTRA_BLOCKS | self.state.rights

    @regs.write(0x00)
    def set_acsr(self, value: int) -> None:
        self.state.rights = value & 0xF

    @regs.read(0x08)
    def fdcfg(self) -> int:
        return self.state.thresholds << THRESHOLDS | TX_DEPTH << TX_SIZE | RX_DEPTH

    @regs.write(0x08)
    def set_fdcfg(self, value: int) -> None:
        self.state.thresholds = value >> THRESHOLDS & 0xF

    @regs.read(0x10)
    def fdstat(self) -> int:
        return RX_EMPTY | (TX_FULL if self._full else 0) | (0 if self.state.sent else TX_EMPTY)

    @regs.read(0x18)
    def fdrx(self) -> int:
        return 0

    @regs.write(0x20, count=CHANNELS, step=8)
    def fdtx(self, channel: int, value: int) -> None:
        if not self._full:
            self.state.sent += bytes([channel]) + value.to_bytes(4, "little")

    def save(self) -> State:
        return copied(self.state)

    def restore(self, state: State) -> None:
        self.state = copied(state)
