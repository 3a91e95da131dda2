"""What no core of this machine has yet, in the words of ``CpuModel.not_modelled``."""
from __future__ import annotations

EVERYWHERE = ("user mode of reverse byte order (Status.RE)", "EJTAG single step (Debug.SSt)")
NEVER_WITH_UNITS = (*EVERYWHERE, "common device memory map with its fast debug channel (Config3.CDMM)")
"""Of a core that has watch registers and performance counters."""
NEVER = (*NEVER_WITH_UNITS, "watchpoints (Config1.WR)", "performance counters (Config1.PC)")
FAST_DEBUG_CHANNEL = (
    "a probe at the fast debug channel, and its interrupts (IntCtl.IPFDC is 0)",
    "the rights of user mode in the device memory map for the kernel's EVA accesses, which have the kernel's")
"""Of a core that has the map."""
NO_COHERENCE_MANAGER = "coherence manager (Config3.CMGCR)"
VZ_NEVER = ("exits on a change of mode (GuestCtl0.MC)", "direct root access to the guest (GuestCtl0.DRG)",
            "interrupts dropped by hardware (GuestCtl2.HC)", "exit groups (GuestCtl0Ext.OG, BG, MG)",
            "guest features that root can switch off (of guest Config1 to 5, root can change only M)")
"""Of a core with VZ."""
