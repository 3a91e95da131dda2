"""What Python asks of a CPU between instructions, as functions of the algebra that every engine can run.

The moves are MFC0, MTC0, MFGC0 and MTGC0 of the whole register as the root kernel would execute them: live Count, write
masks, side effects.  A register is named by its index.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vmm.arch.privileged import counters, cp0, entries, fpu, ftlb, timer, tlb, watchpoints
from vmm.arch.privileged.mode import update_mode
from vmm.arch.rows import AnyMachine


def move_from(m: AnyMachine, index: AnyMachine) -> AnyMachine:
    m.call(timer.settle)
    return m.call(cp0.read, index)


def move_from_guest(m: AnyMachine, index: AnyMachine) -> AnyMachine:
    m.call(timer.settle)
    return m.call(cp0.read_of_guest, index)


def move_to(m: AnyMachine, index: AnyMachine, value: AnyMachine) -> None:
    m.call(timer.settle)
    m.call(cp0.write, index, value)
    m.call(update_mode)


def move_to_guest(m: AnyMachine, index: AnyMachine, value: AnyMachine) -> None:
    m.call(timer.settle)
    m.call(cp0.write_of_guest, index, value)
    m.call(timer.update_lines)
    m.call(update_mode)


def update_counters(m: AnyMachine) -> None:
    m.call(counters.synchronise)
    m.call(counters.update)


def root_count(m: AnyMachine) -> AnyMachine:
    return m.call(timer.root_count)


SERVICES: dict[str, tuple[Callable[..., Any], int]] = {
    "move_from": (move_from, 1),
    "move_from_guest": (move_from_guest, 1),
    "move_to": (move_to, 2),
    "move_to_guest": (move_to_guest, 2),
    "root_count": (root_count, 0),
    "update_mode": (update_mode, 0),
    "update_ftlb": (ftlb.update_both, 0),
    "invalidate_for_all": (tlb.invalidate_for_all, 4),
    "find_entry": (entries.find, 4),
    "forget_entry": (entries.forget, 2),
    "operate": (fpu.operate, 4),
    "schedule": (timer.schedule, 0),
    "update_watches": (watchpoints.update, 0),
    "update_counters": (update_counters, 0),
}
"""By name: the function, and how many Words it takes."""
