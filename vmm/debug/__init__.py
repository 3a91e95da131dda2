"""What the GDB stub shows of a system: the host machine as process 1, its guests and programs as further ones.

``target`` has the class; ``debug_target(system)`` makes one.  Of several guests of a host, any stands for all.
"""
from __future__ import annotations

from vmm.debug.target import DebugTarget, debug_target

__all__ = ["DebugTarget", "debug_target"]
