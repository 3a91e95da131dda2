"""Exception codes and vectors against the architecture's tables."""
from __future__ import annotations

from vmm.arch import exceptions
from vmm.arch.cp0.registers import Cause, GuestCtl0
from vmm.arch.exceptions import ExcCode, GExcCode


def test_codes_fit_their_fields() -> None:
    assert all(Cause.ExcCode.of(Cause.ExcCode.at(code)) == code for code in ExcCode)
    assert all(GuestCtl0.GExcCode.of(GuestCtl0.GExcCode.at(code)) == code for code in GExcCode)


def test_codes_of_the_manual() -> None:
    assert (ExcCode.Sys, ExcCode.RI, ExcCode.CpU, ExcCode.TLBXI, ExcCode.GE) == (8, 10, 11, 20, 27)
    assert (GExcCode.HC, GExcCode.GVA, GExcCode.GPA) == (2, 8, 10)


def test_vectors_at_boot() -> None:
    low = {name: getattr(exceptions, name) + exceptions.BEV_BASE & 0xFFFF_FFFF
           for name in ("REFILL_OFFSET", "XTLB_REFILL_OFFSET", "CACHE_ERROR_OFFSET", "GENERAL_OFFSET",
                        "INTERRUPT_OFFSET")}
    assert list(low.values()) == [0xBFC0_0200, 0xBFC0_0280, 0xBFC0_0300, 0xBFC0_0380, 0xBFC0_0400]
    assert exceptions.BEV_INTERRUPT_VECTOR & 0xFFFF_FFFF == low["INTERRUPT_OFFSET"]
