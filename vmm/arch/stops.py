"""Why a CPU stops executing and needs somebody."""
from __future__ import annotations

from enum import IntEnum


class Stop(IntEnum):
    """What ``Cpu.run`` returns.  At every stop but BUDGET and STEP the pc is at the instruction that stopped."""
    NONE = 0
    BUDGET = 1             # ticks reached the end given to run()
    LOAD = 2               # a load from physical memory that is not RAM: stop_address, stop_size
    STORE = 3              # a store there, with stop_value
    DOOR = 4               # the root kernel executed a door, stop_code
    BREAK = 5              # a breakpoint, before its instruction
    WATCH = 6              # a watchpoint, before the access: stop_address, stop_size, stop_code WATCHED_...
    STEP = 7               # one instruction was executed, or an exception or interrupt entered
    GLOBAL_INVALIDATE = 8  # GINVT, GINVGT: stop_address, stop_code the type, stop_value the MMID, stop_size the
                           # GuestID; the other CPUs must do the same


WATCHED_LOAD, WATCHED_STORE = 1, 2
"""What is watched, and what stopped (WATCH); their sum is both."""
