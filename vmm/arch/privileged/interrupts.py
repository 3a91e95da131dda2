"""Interrupts: compatibility, vectored (VInt) and external controller (EIC) mode.  (Volume III, chapter 6)

With an external controller (Config3.VEIC) Cause.IP7..2 hold the level it requests, RIPL, and ``state.irq_lines`` is that
level in place.  The core's own interrupts, ``OWN``, go to the controller, too: it has said beforehand, in
``state.eic_levels``, which level it requests for each, after reset those of the timer's and the counters' lines.
A guest has no external controller, and no line of root's to be passed on while root has one.
"""
from __future__ import annotations

from vmm.arch.cp0.registers import Cause, Config3, IntCtl, Status
from vmm.arch.privileged.names import File
from vmm.arch.rows import AnyMachine
from vmm.arch.state import OFFSET

LEVEL_AT = 10
LEVELS = 0x3F
OWN = (Cause.TI.mask, Cause.PCI.mask, Cause.IPsw.at(1), Cause.IPsw.at(2))
"""What a core with an external controller tells it: its timer, its performance counters, two software interrupts."""


def is_vectored(m: AnyMachine, base: AnyMachine) -> AnyMachine:
    """A Condition: each interrupt has a vector of its own."""
    file = File(m, base)
    return file.on(Cause.IV) & file.on(IntCtl.VS) & ~file.on(Status.BEV)


def by_controller(m: AnyMachine, base: AnyMachine) -> AnyMachine:
    """A Condition: EIC mode."""
    return is_vectored(m, base) & File(m, base).on(Config3.VEIC)


def own_lines(m: AnyMachine, base: AnyMachine) -> AnyMachine:
    """The lines of the context's own timer and counters, in Cause.IP position."""
    file = File(m, base)
    return (file.get(Cause.TI).shl(file.get(IntCtl.IPTI)) | file.get(Cause.PCI).shl(file.get(IntCtl.IPPCI))).shl(8)


def requested_level(m: AnyMachine) -> AnyMachine:
    """The level that the external controller requests of the root."""
    outside = m.state.irq_lines.shr(LEVEL_AT) & LEVELS
    level = m.var(outside)
    for number, pending in enumerate(OWN):
        own = m.select((m.root[Cause] & pending) == 0, 0, m.slot(OFFSET["eic_levels"] + number))
        level.value = m.select(level.value.below(own), own, level.value)
    return level.value


def waiting(m: AnyMachine, base: AnyMachine) -> AnyMachine:
    """The pending interrupts that the mask, or in EIC mode the level, lets through; 0 for none."""
    file = File(m, base)
    level = file[Cause].shr(LEVEL_AT) & LEVELS
    higher = (file[Status].shr(LEVEL_AT) & LEVELS).below(level)
    return m.select(by_controller(m, base), m.select(higher, level, 0), file[Cause] & file[Status] & Status.IM.mask)


def due(m: AnyMachine, base: AnyMachine) -> AnyMachine:
    status = File(m, base)[Status]
    open_ = (status & (Status.IE.mask | Status.EXL.mask | Status.ERL.mask)) == Status.IE.mask
    return m.select(open_, m.call(waiting, base), 0)
