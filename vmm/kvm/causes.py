"""What made the guest leave, by cause: counters and trace names.  (rows 11.1, section 16, matrix D)

One row a cause; ``STATS`` keeps the order in which the original shows its counters.
"""
from __future__ import annotations

from dataclasses import dataclass

WAIT, CACHE, SIGNAL = 32, 33, 34
"""Trace reasons that are no ExcCode (section 16)."""

GUEST_EXIT_BASE = 64
"""Trace reason of a guest exit is this plus its GExcCode."""


@dataclass(frozen=True, slots=True)
class Cause:
    """``code`` is the trace reason: ExcCode, one of the three above, or 64 + GExcCode."""

    code: int
    counter: str
    name: str


# fmt: off
CAUSES: tuple[Cause, ...] = (
    Cause( 0, "interrupt",    "Interrupt"),
    Cause( 1, "tlbmod",       "TLB Mod"),
    Cause( 2, "tlbmiss_ld",   "TLB Miss (LD)"),
    Cause( 3, "tlbmiss_st",   "TLB Miss (ST)"),
    Cause( 4, "addrerr_ld",   "Address Error (LD)"),
    Cause( 5, "addrerr_st",   "Address Err (ST)"),
    Cause( 8, "syscall",      "System Call"),
    Cause( 9, "break_inst",   "Break Inst"),
    Cause(10, "resvd_inst",   "Reserved Inst"),
    Cause(11, "cop_unusable", "COP0/1 Unusable"),
    Cause(13, "trap_inst",    "Trap Inst"),
    Cause(14, "msa_fpe",      "MSA FPE"),
    Cause(15, "fpe",          "FPE"),
    Cause(21, "msa_disabled", "MSA Disabled"),
    Cause(27, "",             "Guest Exit"),
    Cause(WAIT,   "wait",     "WAIT"),
    Cause(CACHE,  "cache",    "CACHE"),
    Cause(SIGNAL, "signal",   "Signal"),
    Cause(GUEST_EXIT_BASE +  0, "vz_gpsi", "GPSI"),
    Cause(GUEST_EXIT_BASE +  1, "vz_gsfc", "GSFC"),
    Cause(GUEST_EXIT_BASE +  2, "vz_hc",   "HC"),
    Cause(GUEST_EXIT_BASE +  3, "vz_grr",  "GRR"),
    Cause(GUEST_EXIT_BASE +  8, "vz_gva",  "GVA"),
    Cause(GUEST_EXIT_BASE +  9, "vz_ghfc", "GHFC"),
    Cause(GUEST_EXIT_BASE + 10, "vz_gpa",  "GPA"),
)
# fmt: on

BY_CODE: dict[int, Cause] = {cause.code: cause for cause in CAUSES}
COUNTERS: dict[int, str] = {cause.code: cause.counter for cause in CAUSES if cause.counter}

RESERVED_GUEST_EXIT = "vz_resvd"

STATS: tuple[str, ...] = (
    "wait", "cache", "signal", "interrupt", "cop_unusable", "tlbmod", "tlbmiss_ld", "tlbmiss_st",
    "addrerr_st", "addrerr_ld", "syscall", "resvd_inst", "break_inst", "trap_inst", "msa_fpe", "fpe",
    "msa_disabled", "flush_dcache",
    "vz_gpsi", "vz_gsfc", "vz_hc", "vz_grr", "vz_gva", "vz_ghfc", "vz_gpa", "vz_resvd",
    "halt_successful_poll", "halt_attempted_poll", "halt_poll_invalid", "halt_wakeup",
)  # fmt: skip


def counter_of_guest_exit(gexc_code: int) -> str:
    """The counter of a GExcCode; codes without one share ``vz_resvd`` (VZ-47)."""
    cause = BY_CODE.get(GUEST_EXIT_BASE + gexc_code)
    return cause.counter if cause else RESERVED_GUEST_EXIT
