"""Coprocessor 0: every privileged register as a declared table: all are in ``vmm.arch.cp0.registers``."""
from __future__ import annotations

from vmm.arch.cp0.fields import Bits, Register
from vmm.arch.cp0.registers import REGISTERS

__all__ = ["REGISTERS", "Bits", "Register"]
