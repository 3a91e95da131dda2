"""Shadow register sets.  (Volume III, chapter 5, "GPR Shadow Registers")

The current set is always ``state.gpr``; the others wait in ``state.shadow``, so no instruction but RDPGPR and WRPGPR
knows that there are any.  On a core without them (SRSCtl.HSS 0) set 0 is the only one.
"""
from __future__ import annotations

from vmm.arch.cp0.registers import SRSCtl, Status
from vmm.arch.rows import AnyMachine
from vmm.arch.state import OFFSET

REGISTERS = 32


def place(m: AnyMachine, number: AnyMachine, register: AnyMachine) -> AnyMachine:
    """The slot of a register of a set."""
    current = m.root.get(SRSCtl.CSS)
    return m.select(number == current, register, number.shl(5) + register + OFFSET["shadow"])


def read_previous(m: AnyMachine, register: AnyMachine) -> AnyMachine:
    """RDPGPR."""
    return m.slot(m.call(place, m.root.get(SRSCtl.PSS), register))


def write_previous(m: AnyMachine, register: AnyMachine, value: AnyMachine) -> None:
    """WRPGPR; register 0 is zero in every set."""
    for _ in m.when(register != 0):
        m.set_slot(m.call(place, m.root.get(SRSCtl.PSS), register), value)


def select(m: AnyMachine, number: AnyMachine) -> None:
    """Make a set the current one."""
    current, register = m.root.get(SRSCtl.CSS), m.var(m.const(1))
    for _ in m.when(number != current):
        for _ in m.repeat(lambda: register.value.below(m.const(REGISTERS))):
            n = register.value
            mine = m.call(place, number, n)
            value = m.slot(mine)
            m.set_slot(current.shl(5) + n + OFFSET["shadow"], m.slot(n))
            m.set_slot(n, value)
            register.value = n + 1
        m.root.put(SRSCtl.CSS, number)


def has_sets(m: AnyMachine) -> AnyMachine:
    """A Condition: there are sets, and Status lets exceptions switch them."""
    return m.root.on(SRSCtl.HSS) & ~m.root.on(Status.BEV)


def enter(m: AnyMachine, number: AnyMachine) -> None:
    """An exception begins, with EXL not yet set."""
    for _ in m.when(has_sets(m) & ~m.root.on(Status.ERL)):
        m.root.put(SRSCtl.PSS, m.root.get(SRSCtl.CSS))
        m.call(select, number)


def leave(m: AnyMachine) -> None:
    """ERET to where an exception came from."""
    for _ in m.when(has_sets(m)):
        m.call(select, m.root.get(SRSCtl.PSS))
