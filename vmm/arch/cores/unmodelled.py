"""What no core of this machine has yet, in the words of ``CpuModel.not_modelled``."""
from __future__ import annotations

NEVER_WITH_UNITS = ("user mode of reverse byte order (Status.RE)", "EJTAG single step (Debug.SSt)")
"""Of a core that has watch registers and performance counters."""
NEVER = (*NEVER_WITH_UNITS, "watchpoints (Config1.WR)", "performance counters (Config1.PC)")
