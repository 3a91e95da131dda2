"""Where the world-switch code keeps a vCPU's registers: the block in simulated RAM that it and KVM share.  (KH-5)

The block starts with the 32 GPRs, one long each, and goes on with the longs named below.
"""
from __future__ import annotations

from dataclasses import dataclass

LONGS = (
    "hi", "lo", "pc", "host_stack", "host_gp", "host_pgd", "host_entryhi", "host_badvaddr", "host_epc", "host_cause",
    "host_guestctl0", "host_badinstr", "host_badinstrp", "guest_ebase", "gpa_mm", "kernel_mm", "user_mm",
    "cop0_address", "guest_id",
)  # fmt: skip
"""What follows the 32 GPRs in the vCPU block, in order."""


@dataclass(frozen=True, slots=True)
class VcpuLayout:
    """Byte offsets inside the vCPU block, for a host whose long is ``word`` bytes."""

    word: int

    def gpr(self, number: int) -> int:
        return number * self.word

    def at(self, name: str) -> int:
        return (32 + LONGS.index(name)) * self.word

    @property
    def size(self) -> int:
        return (32 + len(LONGS)) * self.word

    def cop0(self, rd: int, sel: int) -> int:
        """Offset inside the commpage (CP-2)."""
        return (rd * 8 + sel) * self.word
