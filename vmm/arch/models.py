"""CPU models as data: what each core has, its CP0 registers after reset, and which bits software can write.

The numbers are those that emulators of the core show (masks: what MFC0 reads after MTC0 of all ones), less
what the machine does not have: such a field is named in the row, reads as 0 and cannot be written, and
``not_modelled`` says so in words.
Invariant: a register without a row does not exist; it reads as 0 and writes are dropped.
(MIPS architecture, volume III, chapter 9; VZ module, chapter 4; the cores' software user's manuals.)
"""
from __future__ import annotations

from vmm.arch.core import CpuModel as CpuModel
from vmm.arch.cores import more_before_6, release6
from vmm.arch.cores.unmodelled import EVERYWHERE as _EVERYWHERE
from vmm.arch.cores.unmodelled import FAST_DEBUG_CHANNEL as _FAST_DEBUG_CHANNEL
from vmm.arch.cores.unmodelled import NEVER as _NEVER
from vmm.arch.cores.unmodelled import NEVER_WITH_UNITS as _NEVER_WITH_UNITS
from vmm.arch.cores.unmodelled import NO_COHERENCE_MANAGER as _NO_CM
from vmm.arch.cores.unmodelled import VZ_NEVER as _VZ_NEVER
from vmm.arch.cp0.cells import (
    EVERY_CORE,
    FTLB,
    FTLB_SHAPE,
    RELEASE5,
    SEGMENT_REGISTERS,
    WALKER_REGISTERS,
    WIDE_SEGMENT_REGISTERS,
    WIDE_WALKER_REGISTERS,
    Cell,
    bits_of,
    entry_lo,
    guest_of,
    tlb_registers,
    vz_registers,
    without,
)
from vmm.arch.cp0.fields import ALL_ONES, Register, sign_extended
from vmm.arch.cp0.registers import (
    Config,
    Config1,
    Config3,
    Config4,
    Config5,
    Config6,
    EBase,
    EntryHi,
    GuestCtl0,
    GuestCtl1,
    HWREna,
    KScratch4,
    KScratch5,
    KScratch6,
    PageGrain,
    PRId,
    Status,
    XContext,
)
from vmm.arch.cp0.units import counters, device_map, maars, watch_pairs
from vmm.arch.fp import Fcsr
from vmm.errors import ConfigError

# fmt: off
_24KF = CpuModel(
    name="24Kf",
    description="MIPS32 release 2 core with 16 TLB entries, after the MIPS 24Kf as emulators of it show it",
    not_modelled=(*_NEVER_WITH_UNITS, "MIPS16 (Config1.CA)"),
    release=2, bits=32, ases=frozenset(), tlb_entries=16, guest_tlb_entries=0, segbits=32, pabits=32,
    root={**EVERY_CORE, **tlb_registers(16), **entry_lo(0x03FF_FFFF), **watch_pairs(4, 32),
        **counters(2, vectors=False),
        PRId:      Cell(0x0001_9300),
        PageGrain: Cell(0),
        HWREna:    Cell(0, 0xF),
        EntryHi:   Cell(0, sign_extended(0xFFFF_E0FF)),
        Status:    Cell(0x0040_0004, without(0x3678_FF1F, Status.RE)),
        EBase:     Cell(sign_extended(0x8000_0000), 0x3FFF_F000),
        Config:    Cell(0x8000_0482, Config.K0.mask),
        Config1:   Cell(without(0x9E19_0C8F, Config1.CA) | Config1.PC.mask),
        Config3:   Cell(0),
    },
    guest={}, fir=0x0073_9300,
)

# QEMU shows no CDMM; the chip has it (Linux took its device tree binding, mti,mips-cdmm, for Baikal-T1, two P5600 cores).
_P5600_ROOT: dict[type[Register], Cell] = {**EVERY_CORE, **RELEASE5, **SEGMENT_REGISTERS, **WALKER_REGISTERS,
    **watch_pairs(4, 32), **counters(4, vz=True), **maars(40), **vz_registers(GuestCtl0.RAD),
    **tlb_registers(64, FTLB), **entry_lo(0xC000_0003_FFFF_FFFF), **device_map(3, 36),
    PRId:      Cell(0x0001_A800),
    PageGrain: Cell(0, 0xE800_0000),
    HWREna:    Cell(0, 0x2000_000F),
    EntryHi:   Cell(0, sign_extended(0xFFFF_E4FF)),
    Status:    Cell(0x0040_0004, 0x3C68_FF1F),
    EBase:     Cell(sign_extended(0x8000_0000), sign_extended(0xFFFF_F800)),
    Config:    Cell(0x8004_0482, Config.K0.mask),
    Config1:   Cell(0xFEA3_519B),
    Config3:   Cell(without(0xBF00_30A0, Config3.CMGCR)
                    | Config3.VZ.mask | Config3.CDMM.mask),
    Config4:   Cell(0xC01C_0000 | Config4.MMUExtDef.mask | FTLB_SHAPE, 7 << Config4.FTLBPageSize.low),
    Config6:   Cell(0, bits_of(Config6.FTLBEn, Config6.FTLBP)),
    Config5:   Cell(0x1000_0038, bits_of(Config5.K, Config5.CV, Config5.MSAEn, Config5.UFE, Config5.FRE, Config5.UFR)),
}

_P5600 = CpuModel(
    name="P5600",
    description="MIPS32 release 5 core with VZ, after the MIPS P5600: 64 TLB entries and an FTLB of 512 for root "
                "and apart from these as many for the guest; guests are told apart by root's ASID (no GuestID)",
    not_modelled=(*_EVERYWHERE, *_FAST_DEBUG_CHANNEL, _NO_CM, *_VZ_NEVER),
    release=5, bits=32, ases=frozenset({"VZ", "TLBINV", "LLB", "MSA", "EVA", "MVH"}), tlb_entries=64, guest_tlb_entries=64,
    segbits=32, pabits=40, ftlb_largest_page=2, root=_P5600_ROOT, guest=guest_of(_P5600_ROOT),
    fir=0x30F3_0300, fcsr=Fcsr.NAN2008 | Fcsr.ABS2008,
)

_5KEF = CpuModel(
    name="5KEf",
    description="MIPS64 release 2 core with 32 TLB entries, after the MIPS 5KEf as emulators of it show it",
    not_modelled=_NEVER,
    release=2, bits=64, ases=frozenset(), tlb_entries=32, guest_tlb_entries=0, segbits=42, pabits=36,
    root={**EVERY_CORE, **tlb_registers(32), **entry_lo(0x3FFF_FFFF),
        PRId:      Cell(0x0001_8900),
        PageGrain: Cell(0),
        HWREna:    Cell(0, 0xF),
        EntryHi:   Cell(0, 0xC000_03FF_FFFF_E0FF),
        Status:    Cell(0x0040_0004, without(0x36F8_FFFF, Status.RE)),
        EBase:     Cell(sign_extended(0x8000_0000), 0x3FFF_F000),
        Config:    Cell(0x8000_4482, Config.K0.mask),
        Config1:   Cell(without(0xBE61_309B, Config1.WR, Config1.PC)),
        Config3:   Cell(0),
        XContext:  Cell(0, ALL_ONES & -1 << 42 - 7),
    },
    guest={}, fir=0x0073_8900,
)

_MIPS64R5_ROOT: dict[type[Register], Cell] = {**EVERY_CORE, **RELEASE5, **vz_registers(GuestCtl0.G1),
    **tlb_registers(64), **entry_lo(0xC000_03FF_FFFF_FFFF), **WIDE_SEGMENT_REGISTERS, **WIDE_WALKER_REGISTERS,
    PRId:      Cell(0x0001_0000),
    PageGrain: Cell(0, 0xE800_0000),
    HWREna:    Cell(0, 0x2000_000F),
    EntryHi:   Cell(0, 0xC000_FFFF_FFFF_E4FF),
    GuestCtl1: Cell(0, bits_of(GuestCtl1.RID, GuestCtl1.ID)),
    Status:    Cell(0x0040_0004, without(0x36FB_FFFF, Status.RE, Status.Impl)),
    EBase:     Cell(sign_extended(0x8000_0000), ALL_ONES & ~0x7FF),
    Config:    Cell(0x8000_4482, Config.K0.mask),
    Config1:   Cell(without(0xFEA3_519B, Config1.WR, Config1.PC)),
    Config3:   Cell(bits_of(Config3.M, Config3.MSAP, Config3.BP, Config3.BI, Config3.VZ, Config3.ULRI, Config3.RXI,
                            Config3.LPA, Config3.VInt, Config3.PW, Config3.SC)),
    Config4:   Cell(0xC0FC_0000),
    Config5:   Cell(Config5.LLB.mask, bits_of(Config5.K, Config5.CV, Config5.MSAEn, Config5.UFE, Config5.FRE, Config5.UFR)),
    XContext:  Cell(0, ALL_ONES & -1 << 48 - 7),
    KScratch4: Cell(0, ALL_ONES),
    KScratch5: Cell(0, ALL_ONES),
    KScratch6: Cell(0, ALL_ONES),
}

_MIPS64R5 = CpuModel(
    name="MIPS64R5-generic",
    description="MIPS64 release 5 core with VZ, after no chip: caches of a generic MIPS64 release 2 core, "
                "the 48-bit addresses of an I6400, 8-bit GuestIDs, 64 TLB entries each for root and guest; its FPU has "
                "paired single and both NaN and ABS encodings, chosen in FCSR, legacy after reset",
    not_modelled=(*_NEVER, _NO_CM, *_VZ_NEVER, "EVA (Config5.EVA)", "MAAR (Config5.MRP)"),
    release=5, bits=64, ases=frozenset({"VZ", "TLBINV", "LLB", "MSA", "PS"}), tlb_entries=64, guest_tlb_entries=64,
    segbits=48, pabits=48, root=_MIPS64R5_ROOT, guest=guest_of(_MIPS64R5_ROOT),
    fir=0x30F7_0000, fcsr_writable=Fcsr.LEGACY_WRITABLE | Fcsr.NAN2008 | Fcsr.ABS2008,
)
# fmt: on

MODELS: dict[str, CpuModel] = {model.name: model for model in (
    _24KF, _P5600, _5KEF, _MIPS64R5, *more_before_6.MODELS, *release6.MODELS)}


def find_model(name: str) -> CpuModel:
    if name not in MODELS:
        raise ConfigError(f"CPU model {name!r} is not known; choose one of {', '.join(MODELS)}")
    return MODELS[name]
