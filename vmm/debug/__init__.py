"""What the GDB stub shows of a system: the host machine as process 1, the virtual machine as process 2.

``target`` has the class; ``debug_target(system)`` makes one.
"""
from __future__ import annotations

from vmm.debug.target import DebugTarget, debug_target

__all__ = ["DebugTarget", "debug_target"]
