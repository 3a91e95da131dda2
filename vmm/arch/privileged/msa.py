"""MSA as a coprocessor: may it be used, and its control registers.  (MD00866, "MSA control registers"; mips.md 9)

Invariant: ``state.vectors`` is up to date whenever an instruction runs; ``update_mode`` asks ``usable`` again.
"""
from __future__ import annotations

from vmm.arch.cp0.registers import Config3, Config5, Status
from vmm.arch.exceptions import ExcCode
from vmm.arch.rows import AnyMachine

TO_ROOT = 1 << 8
"""In ``state.vectors``: the exception is the root's, though a guest runs."""
MSACSR_WRITABLE = 0x0107_FFFF
UNIMPLEMENTED = 1 << 5
"""Cause.E, which has no enable bit of its own: it always traps."""


def usable(m: AnyMachine) -> AnyMachine:
    """0 if the running context may use MSA, else 1 + ExcCode, with ``TO_ROOT``; for ``state.vectors``."""
    inner = refusal(m, m.cp0)
    outer = m.select(m.state.in_guest != 0, refusal(m, m.root), 0)
    return m.select(inner != 0, inner, m.select(outer != 0, outer | TO_ROOT, 0))


def refusal(m: AnyMachine, file: AnyMachine) -> AnyMachine:
    """What one context has against it: no MSA, the FPU in its mode of 32-bit registers, or MSA switched off."""
    absent = ~file.on(Config3.MSAP) | (file.on(Status.CU1) & ~file.on(Status.FR))
    off = m.select(file.on(Config5.MSAEn), 0, ExcCode.MSADis + 1)
    return m.select(absent, ExcCode.RI + 1, off)


def refuse(m: AnyMachine) -> None:
    """Raise what ``state.vectors`` says."""
    s = m.state
    s.trap_root = s.vectors.shr(8)
    m.trap_code((s.vectors & 0xFF) - 1)


def write_control(m: AnyMachine, number: AnyMachine, value: AnyMachine) -> None:
    """CTCMSA: MSACSR is written, and then raises MSAFPE if a Cause bit is enabled; other registers do not change."""
    s = m.state
    for _ in m.when(number == 1):
        s.msacsr = value & MSACSR_WRITABLE
        for _ in m.when(trapping(s.msacsr) != 0):
            m.trap("MSAFPE")


def trapping(csr: AnyMachine) -> AnyMachine:
    """The Cause bits of MSACSR that are enabled."""
    return csr.shr(12) & (csr.shr(7) & 0x1F | UNIMPLEMENTED)
