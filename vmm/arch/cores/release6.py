"""Cores of release 6.  (MD00083 revision 6; MIPS I6400 and I6500 programmer's guides; numbers as QEMU 7.2 shows them)

Invariant: as in ``vmm.arch.models``.  I6400 and I6500 are given what the chips have and their emulation lacks: FTLB and
VZ with GuestIDs; the I6500 also paired LL/SC, CRC32, memory map IDs and their global invalidation.  (Config4, Config5
and GuestCtl0 as the Linux kernel's support for these cores expects; VZ module, MD00846 and MD00847.)
"""
from __future__ import annotations

from vmm.arch.core import CpuModel
from vmm.arch.cores.unmodelled import NEVER, VZ_NEVER
from vmm.arch.cp0.cells import (
    EVERY_CORE,
    FTLB,
    FTLB_SHAPE,
    RELEASE5,
    WIDE_SEGMENT_REGISTERS,
    WIDE_WALKER_REGISTERS,
    Cell,
    bits_of,
    entry_lo,
    guest_of,
    release6_tlb_registers,
    vz_registers,
    without,
)
from vmm.arch.cp0.fields import ALL_ONES, Register, sign_extended
from vmm.arch.cp0.registers import (
    Cause,
    CMGCRBase,
    Config,
    Config1,
    Config3,
    Config4,
    Config5,
    EBase,
    EntryHi,
    GlobalNumber,
    GuestCtl0,
    GuestCtl1,
    HWREna,
    KScratch4,
    KScratch5,
    KScratch6,
    MemoryMapID,
    PageGrain,
    PRId,
    Status,
    VPControl,
    XContext,
)
from vmm.arch.cp0.units import maars
from vmm.arch.fp import Fcsr

RELEASE6: dict[type[Register], Cell] = {
    **EVERY_CORE, **RELEASE5,
    HWREna:    Cell(0, 0x2000_002F),
    Cause:     Cell(0, 0x0880_0300),
    KScratch4: Cell(0, ALL_ONES),
    KScratch5: Cell(0, ALL_ONES),
    KScratch6: Cell(0, ALL_ONES),
}
FRE = (Config5.UFE, Config5.FRE)
FCSR = Fcsr.NAN2008 | Fcsr.ABS2008
FCSR_WRITABLE = Fcsr.FS | Fcsr.CAUSE | Fcsr.ENABLES | Fcsr.FLAGS | Fcsr.RM
"""Without condition codes."""
VTLB_AND_FTLB = 4
"""Config.MT; the FTLB of these cores cannot be switched off."""
CM_AT = 0x1FBF_8000
"""Where the registers of the coherence manager are."""
NOT_YET = ("microMIPS (Config3.ISA)",)
WIDE_NOT_YET = ("EVA (Config5.EVA)", "a guest's FTLB that the VPs of a core share")

# fmt: off
_MIPS32R6 = CpuModel(
    name="mips32r6-generic",
    description="MIPS32 release 6 core with 32 TLB entries, after no chip: as emulators of it show it",
    not_modelled=(*NEVER, *NOT_YET),
    release=6, bits=32, ases=frozenset({"TLBINV", "LLB"}), tlb_entries=32, guest_tlb_entries=0,
    segbits=32, pabits=32, fir=0x20F3_0000, fcsr=FCSR, fcsr_writable=FCSR_WRITABLE,
    root={**RELEASE6, **release6_tlb_registers(32), **entry_lo(0xC000_0000_03FF_FFFF),
        PRId:      Cell(0x0001_0000),
        PageGrain: Cell(0xC800_0000),
        EntryHi:   Cell(0, sign_extended(0xFFFF_E4FF)),
        Status:    Cell(0x0440_0004, without(0x3440_FF1F, Status.FR)),
        EBase:     Cell(sign_extended(0x8000_0000), 0x3FFF_F000),
        Config:    Cell(0x8000_0882, Config.K0.mask),
        Config1:   Cell(without(0xBEA3_518B, Config1.WR)),
        Config3:   Cell(without(0x8C00_B000, Config3.ISA)),
        Config4:   Cell(0xE0FC_0000),
        Config5:   Cell(0x0000_2010, bits_of(Config5.SBRI, *FRE)),
    },
    guest={},
)

_CONFIG5 = bits_of(Config5.SBRI, Config5.K, Config5.CV, Config5.MSAEn, *FRE)
_I6400_ROOT: dict[type[Register], Cell] = {**RELEASE6, **release6_tlb_registers(16, FTLB),
    **entry_lo(0xC000_03FF_FFFF_FFFF), **WIDE_SEGMENT_REGISTERS, **WIDE_WALKER_REGISTERS, **maars(48),
    **vz_registers(GuestCtl0.G1),
    GuestCtl1: Cell(0, bits_of(GuestCtl1.RID, GuestCtl1.ID)),
    PRId:      Cell(0x0001_A900),
    VPControl: Cell(0),
    GlobalNumber: Cell(0),
    PageGrain: Cell(0xC800_0000, PageGrain.ELPA.mask),
    EntryHi:   Cell(0, 0xC000_FFFF_FFFF_E7FF),
    Status:    Cell(0x0440_0004, without(0x34C0_FFFF, Status.FR)),
    EBase:     Cell(sign_extended(0x8000_0000), ALL_ONES & ~0x7FF),
    Config:    Cell(without(0x8000_4882, Config.MT) | Config.MT.at(VTLB_AND_FTLB), Config.K0.mask),
    Config1:   Cell(without(0x9EAB_558B, Config1.WR)),
    Config3:   Cell(0xBC00_30A0 | bits_of(Config3.VZ, Config3.PW, Config3.SC)),
    CMGCRBase: Cell(CM_AT >> 4),
    Config4:   Cell(0xF0FC_0000 | FTLB_SHAPE, Config4.FTLBPageSize.mask),
    Config5:   Cell(0x0000_2098, _CONFIG5),
    XContext:  Cell(0, ALL_ONES & -1 << 48 - 7),
}

_I6500_ROOT: dict[type[Register], Cell] = {**_I6400_ROOT,
    PRId:        Cell(0x0001_B000),
    MemoryMapID: Cell(0, 0xFFFF),
    Config5:     Cell(0x0001_8098 | Config5.CRCP.mask, _CONFIG5 | Config5.MI.mask),
}
_WIDE_ASES = frozenset({"VZ", "TLBINV", "LLB", "VP", "MSA"})

_I6400 = CpuModel(
    name="I6400",
    description="MIPS64 release 6 core with VZ, after the MIPS I6400: 16 TLB entries and an FTLB of 512 for root and "
                "apart from these as many for the guest; 8-bit GuestIDs",
    not_modelled=(*NEVER, *VZ_NEVER, *WIDE_NOT_YET),
    release=6, bits=64, ases=_WIDE_ASES, tlb_entries=16, guest_tlb_entries=16, segbits=48, pabits=48,
    ftlb_largest_page=3, fir=0x20F3_0300, fcsr=FCSR, fcsr_writable=FCSR_WRITABLE, msair=0x0300, cm=0x0800, vps=4,
    root=_I6400_ROOT, guest=guest_of(_I6400_ROOT),
)

_I6500 = CpuModel(
    name="I6500",
    description="MIPS64 release 6 core with VZ, after the MIPS I6500: as an I6400, with paired LL/SC, CRC32, memory "
                "map IDs and their global invalidation",
    not_modelled=(*NEVER, *VZ_NEVER, *WIDE_NOT_YET),
    release=6, bits=64, ases=_WIDE_ASES | {"GINV", "PAIRS", "CRC"}, tlb_entries=16, guest_tlb_entries=16,
    segbits=48, pabits=48, ftlb_largest_page=3, fir=0x20F3_0300, fcsr=FCSR, fcsr_writable=FCSR_WRITABLE, msair=0x0300,
    synci_step=64, cm=0x0900, vps=4, lends_ftlb_entries=True, root=_I6500_ROOT, guest=guest_of(_I6500_ROOT),
)
# fmt: on

MODELS = (_MIPS32R6, _I6400, _I6500)
