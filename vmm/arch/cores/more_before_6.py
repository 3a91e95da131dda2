"""Cores of releases 1 and 2 without VZ.  (The cores' software user's manuals: MD00016 4K, MD00343 24K, MD00534 34K,
MD00519 74K, MD00012 5K; numbers as emulators of the cores show them, QEMU 7.2 and Unicorn 2.1.)

Invariant: as in ``vmm.arch.models``.
"""
from __future__ import annotations

from vmm.arch.core import CpuModel
from vmm.arch.cores.unmodelled import NEVER, NEVER_WITH_UNITS
from vmm.arch.cp0.cells import EVERY_CORE, Cell, entry_lo, tlb_registers, without
from vmm.arch.cp0.fields import ALL_ONES, Bits, Register, sign_extended
from vmm.arch.cp0.registers import (
    Cause,
    Config,
    Config1,
    Config3,
    EBase,
    EntryHi,
    HWREna,
    IntCtl,
    PageGrain,
    PRId,
    SRSCtl,
    SRSMap,
    Status,
    XContext,
)
from vmm.arch.cp0.units import counters, watch_pairs

RELEASE1: dict[type[Register], Cell] = {
    **{register: cell for register, cell in EVERY_CORE.items() if register not in (IntCtl, SRSCtl)},
    Cause:     Cell(0, 0x00C0_0300),
    Config3:   Cell(0),
}
RELEASE2: dict[type[Register], Cell] = {
    **EVERY_CORE,
    PageGrain: Cell(0),
    HWREna:    Cell(0, 0xF),
    EBase:     Cell(sign_extended(0x8000_0000), 0x3FFF_F000),
    Config3:   Cell(0),
}
VECTORED: dict[type[Register], Cell] = {IntCtl: Cell(0xE000_0000, IntCtl.VS.mask)}
NARROW: dict[type[Register], Cell] = {**entry_lo(0x03FF_FFFF), EntryHi: Cell(0, sign_extended(0xFFFF_E0FF))}
WIDE: dict[type[Register], Cell] = {
    **entry_lo(0x3FFF_FFFF),
    EntryHi:   Cell(0, 0xC000_03FF_FFFF_E0FF),
    XContext:  Cell(0, ALL_ONES & -1 << 42 - 7),
}
NO_FPU: tuple[Bits, ...] = (Status.CU1, Status.FR, Status.RE)
MIPS16 = "MIPS16 (Config1.CA)"
MT = "multi-threading (Config3.MT)"
SETS: dict[type[Register], Cell] = {
    SRSCtl: Cell(SRSCtl.HSS.at(15), SRSCtl.ESS.mask | SRSCtl.PSS.mask),
    SRSMap: Cell(0, 0xFFFF_FFFF),
}
"""Sixteen register sets."""

# fmt: off
_4KC = CpuModel(
    name="4Kc",
    description="MIPS32 release 1 core with 16 TLB entries, after the MIPS 4Kc",
    not_modelled=NEVER,
    release=1, bits=32, ases=frozenset(), tlb_entries=16, guest_tlb_entries=0, segbits=32, pabits=32,
    root={**RELEASE1, **tlb_registers(16), **NARROW,
        PRId:      Cell(0x0001_8000),
        Status:    Cell(0x0040_0004, 0x1278_FF17 & ~Status.RE.mask),
        Config:    Cell(0x8000_0082, Config.K0.mask),
        Config1:   Cell(without(0x9E19_0C8A, Config1.WR)),
    },
    guest={},
)

_24KC = CpuModel(
    name="24Kc",
    description="MIPS32 release 2 core with 16 TLB entries, after the MIPS 24Kc",
    not_modelled=(*NEVER, MIPS16),
    release=2, bits=32, ases=frozenset(), tlb_entries=16, guest_tlb_entries=0, segbits=32, pabits=32,
    root={**RELEASE2, **tlb_registers(16), **NARROW,
        PRId:      Cell(0x0001_9300),
        Status:    Cell(0x0040_0004, without(0x1278_FF1F, *NO_FPU)),
        Config:    Cell(0x8000_0482, Config.K0.mask),
        Config1:   Cell(without(0x9E19_0C8E, Config1.WR, Config1.CA)),
    },
    guest={},
)

_34KF = CpuModel(
    name="34Kf",
    description="MIPS32 release 2 core with 64 TLB entries, after one thread of a MIPS 34Kf",
    not_modelled=(*NEVER_WITH_UNITS, MIPS16, MT),
    release=2, bits=32, ases=frozenset({"DSP"}), tlb_entries=64, guest_tlb_entries=0, segbits=32, pabits=32,
    fir=0x0073_9500,
    root={**RELEASE2, **VECTORED, **tlb_registers(64), **NARROW, **SETS, **watch_pairs(4, 32), **counters(2),
        PRId:      Cell(0x0001_9500),
        Status:    Cell(0x0040_0004, without(0x3778_FF1F, Status.RE)),
        Config:    Cell(0x8000_0482, Config.K0.mask),
        Config1:   Cell(without(0xFE19_0C8F, Config1.CA) | Config1.PC.mask),
        Config3:   Cell(without(0x0000_0424, Config3.MT)),
    },
    guest={},
)

_74KF = CpuModel(
    name="74Kf",
    description="MIPS32 release 2 core with 16 TLB entries, after the MIPS 74Kf",
    not_modelled=(*NEVER_WITH_UNITS, MIPS16),
    release=2, bits=32, ases=frozenset({"DSP", "DSPR2"}), tlb_entries=16, guest_tlb_entries=0, segbits=32, pabits=32,
    fir=0x0073_9300,
    root={**RELEASE2, **VECTORED, **tlb_registers(16), **NARROW, **watch_pairs(4, 32), **counters(4),
        PRId:      Cell(0x0001_9700),
        Status:    Cell(0x0040_0004, without(0x3778_FF1F, Status.RE)),
        Config:    Cell(0x8000_0482, Config.K0.mask),
        Config1:   Cell(without(0x9E19_0C8F, Config1.CA) | Config1.PC.mask),
        Config3:   Cell(0x0000_0C20),
    },
    guest={},
)

_5KC = CpuModel(
    name="5Kc",
    description="MIPS64 release 1 core with 32 TLB entries, after the MIPS 5Kc",
    not_modelled=NEVER,
    release=1, bits=64, ases=frozenset(), tlb_entries=32, guest_tlb_entries=0, segbits=42, pabits=36,
    root={**RELEASE1, **tlb_registers(32), **WIDE,
        PRId:      Cell(0x0001_8100),
        Status:    Cell(0x0040_0004, 0x12F8_FFFF & ~Status.RE.mask),
        Config:    Cell(0x8000_4082, Config.K0.mask),
        Config1:   Cell(without(0xBE61_309A, Config1.WR, Config1.PC)),
    },
    guest={},
)

_MIPS64R2 = CpuModel(
    name="MIPS64R2-generic",
    description="MIPS64 release 2 core with 64 TLB entries, after no chip: as emulators of it show it",
    not_modelled=(*NEVER, "MIPS-3D (FIR.3D)", "large physical addresses (Config3.LPA)"),
    release=2, bits=64, ases=frozenset({"PS"}), tlb_entries=64, guest_tlb_entries=0, segbits=42, pabits=36,
    fir=0x0077_0000,
    root={**RELEASE2, **tlb_registers(64), **WIDE,
        PRId:      Cell(0x0001_0000),
        Status:    Cell(0x0040_0004, without(0x36FB_FFFF, Status.RE, Status.Impl)),
        EBase:     Cell(sign_extended(0x8000_0000), ALL_ONES & ~0x7FF),
        Config:    Cell(0x8000_4482, Config.K0.mask),
        Config1:   Cell(without(0xFEA3_519B, Config1.WR, Config1.PC)),
        Config3:   Cell(without(0x0000_0080, Config3.LPA)),
    },
    guest={},
)
# fmt: on

MODELS = (_4KC, _24KC, _34KF, _74KF, _5KC, _MIPS64R2)
