"""Interrupts: compatibility, vectored (VInt) and external controller (EIC) mode.  (Volume III, chapter 6)

With an external controller (Config3.VEIC) Cause.IP7..2 hold the level it requests, RIPL, and ``state.irq_lines`` is that
level in place; the core's timer and counters go to the controller, which asks for the level of their line.
A guest has no external controller.
"""
from __future__ import annotations

from vmm.arch.cp0.registers import Cause, Config3, IntCtl, Status
from vmm.arch.privileged.names import File
from vmm.arch.rows import AnyMachine
from vmm.arch.state import ROOT_FILE

LEVEL_AT = 10
LEVELS = 0x3F


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
    lines = m.call(own_lines, m.const(ROOT_FILE)).shr(8) & 0xFC
    inside = m.select(lines == 0, 0, m.const(63) - m.leading_zeros(lines | 1))
    return m.select(outside.below(inside), inside, outside)


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
