"""What no core of this machine has yet, in the words of ``CpuModel.not_modelled``."""
from __future__ import annotations

NEVER = ("watchpoints (Config1.WR)", "performance counters (Config1.PC)",
         "user mode of reverse byte order (Status.RE)", "EJTAG single step (Debug.SSt)")
