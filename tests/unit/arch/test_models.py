"""CPU models against the numbers that the cores show, less the features that the machine does not have."""
from __future__ import annotations

import pytest

from vmm.arch.cp0.cells import bits_of
from vmm.arch.cp0.fields import ALL_ONES, Contexts, Register, sign_extended
from vmm.arch.cp0.registers import (
    EPC,
    MAAR,
    REGISTERS,
    BadVAddr,
    Cause,
    CDMMBase,
    Config,
    Config1,
    Config2,
    Config3,
    Config4,
    Config5,
    Config6,
    Config7,
    Count,
    Debug,
    EBase,
    EntryHi,
    EntryLo0,
    GuestCtl0,
    GuestCtl1,
    HWREna,
    Index,
    IntCtl,
    KScratch1,
    PageGrain,
    PerfCtl0,
    PRId,
    PWCtl,
    Random,
    SegCtl0,
    SRSCtl,
    Status,
    UserLocal,
    WatchLo,
    Wired,
    XContext,
)
from vmm.arch.fp import Fcsr, Fir
from vmm.arch.models import MODELS, CpuModel, find_model
from vmm.errors import ConfigError

EVERY = pytest.mark.parametrize("model", list(MODELS.values()), ids=list(MODELS))
WITH_VZ = pytest.mark.parametrize("model", [m for m in MODELS.values() if m.guest], ids=lambda m: m.name)

RE = Status.RE.mask
WR, PC, CA = Config1.WR.mask, Config1.PC.mask, Config1.CA.mask

MEASURED = {    # 24Kf, P5600, 5KEf
    PRId:    (0x19300, 0x1A800, 0x18900),
    Status:  (0x0040_0004, 0x0040_0004, 0x0040_0004),
    Config:  (0x8000_0482, 0x8004_0482, 0x8000_4482),
    Config1: ((0x9E19_0C8F | PC) & ~CA, 0xFEA3_519B, 0xBE61_309B & ~(WR | PC)),
    Config2: (0x8000_0000, 0x8000_0000, 0x8000_0000),
    Config4: (0, 0xC01C_C127, 0),                         # with an FTLB, which the emulator lacks
    PageGrain: (0, 0, 0),
    IntCtl:  (0xFC00_0000, 0xFC00_0000, 0xE000_0000),
    Debug:   (0x0200_8000, 0x0200_8000, 0x0200_8000),
    SRSCtl:  (0, 0, 0),
    Config7: (0, Config7.WII.mask, 0),
}
MEASURED_ALL_ONES = {    # what reads back after all ones were written; the low 32 bits on 32-bit cores
    EntryHi: (0xFFFF_E0FF, 0xFFFF_E4FF, 0xC000_03FF_FFFF_E0FF),
    EBase:   (0xBFFF_F000, 0xFFFF_F800, 0xFFFF_FFFF_BFFF_F000),
    HWREna:  (0xF, 0x2000_000F, 0xF),
    PageGrain: (0, 0xE800_0000, 0),
}
MEASURED_WRITABLE = {
    Status: (0x3678_FF1F & ~RE, 0x3C68_FF1F, 0x36F8_FFFF & ~RE),
    Cause:  (0x08C0_0300, 0x08C0_0300, 0x08C0_0300),
}
CORES = ("24Kf", "P5600", "5KEf")


def after_all_ones(model: CpuModel, register: type[Register]) -> int:
    value: int = register.merge(model.reset(register), ALL_ONES, model.write_mask(register))
    return value & (ALL_ONES if model.bits == 64 else 0xFFFF_FFFF)


@pytest.mark.parametrize("register", list(MEASURED), ids=lambda r: r.name)
def test_values_after_reset(register: type[Register]) -> None:
    assert tuple(find_model(name).reset(register) for name in CORES) == MEASURED[register]


@pytest.mark.parametrize("register", list(MEASURED_ALL_ONES), ids=lambda r: r.name)
def test_values_after_all_ones(register: type[Register]) -> None:
    assert tuple(after_all_ones(find_model(name), register) for name in CORES) == MEASURED_ALL_ONES[register]


# PRId, Config to Config5, writable bits of Status, EntryHi after all ones; "less": fields that the machine lacks.
OTHERS = {
    "4Kc": (0x18000, 0x8000_0082, 0x9E19_0C8A, 0x8000_0000, 0, 0, 0, 0x1278_FF17, 0xFFFF_E0FF),
    "24Kc": (0x19300, 0x8000_0482, 0x9E19_0C8E, 0x8000_0000, 0, 0, 0, 0x1278_FF1F, 0xFFFF_E0FF),
    "34Kf": (0x19500, 0x8000_0482, 0xFE19_0C8F, 0x8000_0000, 0x424, 0, 0, 0x3778_FF1F, 0xFFFF_E0FF),
    "74Kf": (0x19700, 0x8000_0482, 0x9E19_0C8F, 0x8000_0000, 0xC20, 0, 0, 0x3778_FF1F, 0xFFFF_E0FF),
    "5Kc": (0x18100, 0x8000_4082, 0xBE61_309A, 0x8000_0000, 0, 0, 0, 0x12F8_FFFF, 0xC000_03FF_FFFF_E0FF),
    "MIPS64R2-generic": (0x10000, 0x8000_4482, 0xFEA3_519B, 0x8000_0000, 0x80, 0, 0, 0x36FB_FFFF,
                         0xC000_03FF_FFFF_E0FF),
    "mips32r6-generic": (0x10000, 0x8000_0882, 0xBEA3_518B, 0x8000_0000, 0x8C00_B000, 0xE0FC_0000, 0x2010,
                         0x3440_FF1F, 0xFFFF_E4FF),
    "I6400": (0x1A900, 0x8000_4882, 0x9EAB_558B, 0x8000_0000, 0xBC00_30A0, 0xF0FC_0000, 0x2098, 0x34C0_FFFF,
              0xC000_FFFF_FFFF_E7FF),
}
LESS = {
    Config1: Config1.FP.mask | Config1.WR.mask | Config1.PC.mask | Config1.CA.mask,
    Config3: sum(f.mask for f in (Config3.MT, Config3.LPA, Config3.ISA, Config3.CMGCR,
                                  Config3.MSAP)),
    Config5: Config5.MRP.mask,
    Status: sum(f.mask for f in (Status.CU1, Status.FR, Status.RE, Status.Impl)),
}


MORE = {Config: Config.MT.mask, Config1: Config1.PC.mask, Config3: bits_of(Config3.VZ, Config3.PW, Config3.SC),
        Config4: 0x1FFF}
"""What the chips have and emulators do not: FTLB, counters, VZ, walkers and segments of 64 bits."""


@pytest.mark.parametrize("name", OTHERS)
def test_other_cores_show_what_emulators_of_them_show(name: str) -> None:
    model, shown = find_model(name), OTHERS[name]
    registers = (PRId, Config, Config1, Config2, Config3, Config4, Config5)
    for register, value in zip(registers, shown, strict=False):
        lacks = value & ~model.reset(register)
        more = MORE.get(register, 0)
        assert not model.reset(register) & ~value & ~more, register.name
        assert not lacks & ~LESS.get(register, 0) & ~more, f"{register.name} {lacks:#x}"
    assert not shown[7] & ~model.write_mask(Status) & ~LESS[Status]
    assert after_all_ones(model, EntryHi) == shown[8]


@pytest.mark.parametrize("register", list(MEASURED_WRITABLE), ids=lambda r: r.name)
def test_writable_bits(register: type[Register]) -> None:
    assert tuple(find_model(name).write_mask(register) for name in CORES) == MEASURED_WRITABLE[register]


def test_entry_lo_has_its_inhibit_bits_at_the_top() -> None:
    def as_mfc0_gives_it(mask: int) -> int:
        return mask >> 62 << 30 | mask & 0x3FFF_FFFF
    assert as_mfc0_gives_it(find_model("24Kf").write_mask(EntryLo0)) == 0x03FF_FFFF
    assert as_mfc0_gives_it(find_model("P5600").write_mask(EntryLo0)) == 0xFFFF_FFFF
    assert find_model("MIPS64R5-generic").write_mask(EntryLo0) == 0xC000_03FF_FFFF_FFFF


def test_config3_says_only_what_the_machine_has() -> None:
    assert find_model("24Kf").reset(Config3) == find_model("5KEf").reset(Config3) == 0
    assert find_model("P5600").reset(Config3) == 0x9F80_30A8
    assert find_model("MIPS64R5-generic").reset(Config3) == 0x9F80_30A0


@EVERY
def test_config_agrees_with_the_model(model: CpuModel) -> None:
    config, config1 = Config(model.reset(Config)), Config1(model.reset(Config1))
    config3, config4 = Config3(model.reset(Config3)), Config4(model.reset(Config4))
    assert config.AR == (0 if model.release < 2 else 1 if model.release < 6 else 2)
    assert config.MT == (4 if model.ftlb_entries and Config6 not in model.root else 1)
    assert config4.MMUExtDef == (3 if model.ftlb_entries and model.release < 6 else 0)
    assert (model.ftlb_entries, model.ftlb_largest_page > 0) in ((0, False), (512, True))
    assert config.AT == (2 if model.bits == 64 else 0)
    assert config1.MMUSize + 1 == model.tlb_entries
    assert config1.FP == model.fpu
    assert not any((config1.C2, config1.MD, config1.CA))
    assert (config1.PC, config1.WR) == (PerfCtl0 in model.root, WatchLo in model.root)
    assert not any((config3.MT, config3.CTXTC))
    assert config3.DSPP == ("DSP" in model.ases) and config3.DSP2P == ("DSPR2" in model.ases)
    assert config3.MSAP == ("MSA" in model.ases)
    assert config3.VZ == ("VZ" in model.ases) == bool(model.guest)
    assert (config4.IE >= 2) == ("TLBINV" in model.ases)
    config5 = Config5(model.reset(Config5))
    assert config5.LLB == ("LLB" in model.ases)
    assert config5.VP == ("VP" in model.ases)
    assert config5.CRCP == ("CRC" in model.ases)
    assert (config5.GI == 3) == ("GINV" in model.ases) == bool(model.write_mask(Config5) & Config5.MI.mask)
    assert model.release < 6 or config5.XNP == ("PAIRS" not in model.ases)
    assert config5.EVA == ("EVA" in model.ases) and config5.MVH == ("MVH" in model.ases)
    assert config5.MRP == (MAAR in model.root)
    assert bool(model.write_mask(Config5) & Config5.MSAEn.mask) == ("MSA" in model.ases)
    modes = Config5.UFE.mask | Config5.FRE.mask if model.fir & Fir.FREP else 0
    modes |= Config5.UFR.mask if model.fir & Fir.UFRP else 0
    assert model.write_mask(Config5) & (Config5.UFE.mask | Config5.FRE.mask | Config5.UFR.mask) == modes
    assert bool(config3.PW) == (PWCtl in model.root)
    assert bool(config3.SC) == (SegCtl0 in model.root) == bool(model.write_mask(Config5) & Config5.K.mask)
    assert config3.ULRI == (UserLocal in model.root)
    scratch = sum(1 << r.number[1] for r in model.root if issubclass(r, KScratch1))
    assert config4.KScrExist == scratch


@EVERY
def test_the_config_chain_reaches_every_config_register(model: CpuModel) -> None:
    chain = [Config, Config1, Config2, Config3, Config4, Config5]
    for register, following in zip(chain, chain[1:], strict=False):
        assert (following in model.root) == bool(model.reset(register) & 1 << 31), register.name


@EVERY
def test_addresses(model: CpuModel) -> None:
    assert model.asid_mask == (0x3FF if Config4(model.reset(Config4)).AE else 0xFF)
    assert model.pfn_mask == (1 << model.pabits) - 0x1000
    pfn = EntryLo0.PFN.of(model.write_mask(EntryLo0))
    assert pfn << 12 == model.pfn_mask
    high = sign_extended(0xFFFF_E000) if model.bits == 32 else 3 << 62 | (1 << model.segbits) - 0x2000
    assert model.vpn_mask == high
    assert (XContext in model.root) == (model.bits == 64)
    if model.bits == 64:
        assert model.write_mask(XContext) == ALL_ONES & -1 << model.xcontext_region_bit + 2


@EVERY
def test_tables_are_by_index_and_zero_where_nothing_is(model: CpuModel) -> None:
    tables = (model.root_reset(), model.root_write_mask(), model.guest_reset(), model.guest_write_mask(),
              model.guest_root_write_mask(), model.guest_trap_mask(), model.guest_mode_trap_mask())
    assert [len(table) for table in tables] == [256] * 7
    fixed = {EBase.index, IntCtl.index} if model.release < 2 else set()
    for table in tables[:2]:
        assert {index for index in range(256) if table[index]} - fixed <= model.implemented <= REGISTERS.keys()
    for table in tables[2:]:
        assert {index for index in range(256) if table[index]} <= model.guest_implemented <= REGISTERS.keys()
    assert model.root_reset()[Status.index] == (0x0440_0004 if model.release >= 6 else 0x0040_0004)
    assert model.root_write_mask()[Count.index] == 0xFFFF_FFFF
    assert model.root_write_mask()[Config1.index] == 0
    assert model.root_reset()[EBase.index] == sign_extended(0x8000_0000), "there or not, vectors are there"


@EVERY
def test_masks_stay_within_the_declared_fields_and_widths(model: CpuModel) -> None:
    for register, cell in model.root.items():
        known = sum(f.mask for f in register.fields)
        software = register.write_mask | register.clear_mask | register.zero_mask
        drawn = 0xFFFF_FFFF if model.bits == 32 else ALL_ONES         # above: the sign of a 32-bit core
        assert not cell.writable & ~software & drawn, register.name
        assert not cell.reset & ~known, register.name
        if model.bits == 32 and register.bits64 and not issubclass(register, (EntryLo0, MAAR, CDMMBase)):
            for word in (cell.reset, cell.reset | cell.writable):
                assert word == sign_extended(word), register.name


@EVERY
def test_byte_order_and_cpu_number_are_given_at_reset(model: CpuModel) -> None:
    table = model.root_reset(big_endian=True, cpu=3)
    assert Config(table[Config.index]).BE == 1
    assert table[EBase.index] == sign_extended(0x8000_0003)
    if model.guest:
        assert Config(model.guest_reset(big_endian=True)[Config.index]).BE == 1


@EVERY
def test_tlb_indices(model: CpuModel) -> None:
    entries = model.tlb_entries + model.ftlb_entries
    assert model.write_mask(Index) == (1 << (entries - 1).bit_length()) - 1
    if model.release < 6:
        assert model.write_mask(Wired) == model.reset(Random) == model.tlb_entries - 1
        assert model.write_mask(Random) == 0
    else:
        assert model.write_mask(Wired) == Wired.Wired.mask and Random not in model.root
    assert (model.guest_tlb_entries > 0) == bool(model.guest)
    assert model.guest_ftlb_entries == (model.ftlb_entries if model.guest else 0)


@EVERY
def test_a_model_says_what_it_is_and_what_it_is_not(model: CpuModel) -> None:
    assert MODELS[model.name] is model
    assert model.description
    assert ("watchpoints (Config1.WR)" in model.not_modelled) == (WatchLo not in model.root)
    without_map = any("(Config3.CDMM)" in words for words in model.not_modelled)
    assert Config3(model.reset(Config3)).CDMM == (CDMMBase in model.root) == (not without_map)
    assert model.ccres == 2 and model.synci_step == (64 if model.name == "I6500" else 32)


@WITH_VZ
def test_the_guest_context_has_no_root_registers_and_no_virtualization(model: CpuModel) -> None:
    assert all(r.context in (Contexts.GUEST, Contexts.GUEST_IF) for r in model.guest)
    assert not Config3(model.guest[Config3].reset).VZ and not Config3(model.guest[Config3].reset).CDMM
    assert Config1(model.guest[Config1].reset).MMUSize + 1 == model.guest_tlb_entries
    assert GuestCtl0 not in model.guest and PRId not in model.guest and SRSCtl not in model.guest
    assert {Status, Cause, EPC, EntryHi, Config5, UserLocal, KScratch1} <= model.guest.keys()


@WITH_VZ
def test_root_reaches_all_of_a_guest_that_hardware_sets(model: CpuModel) -> None:
    guest, root = model.guest_write_mask(), model.guest_root_write_mask()
    assert all(mine & ~its == 0 for mine, its in zip(guest, root, strict=True))
    assert (guest[BadVAddr.index], root[BadVAddr.index]) == (0, ALL_ONES)
    assert (guest[Cause.index], root[Cause.index]) == (model.write_mask(Cause), 0xFCE0_FF7C)
    assert root[EBase.index] & EBase.CPUNum.mask and not guest[EBase.index] & EBase.CPUNum.mask
    assert root[Index.index] & Index.P.mask
    assert guest[Count.index] == root[Count.index] == 0


@WITH_VZ
def test_changes_by_the_guest_that_exit(model: CpuModel) -> None:
    table = model.guest_trap_mask()
    traps = table[Status.index]
    assert traps & Status.BEV.mask
    assert traps & Status.CU1.mask and bool(traps & Status.FR.mask) == (model.release < 6)    # then FR is fixed
    assert table[Cause.index] == Cause.DC.mask | Cause.IV.mask
    assert table[IntCtl.index] == IntCtl.VS.mask
    assert model.guest_mode_trap_mask()[Status.index] == Status.KSU.mask | Status.ERL.mask | Status.EXL.mask


def test_guests_are_told_apart_by_asid_or_by_guest_id() -> None:
    p5600, generic = find_model("P5600"), find_model("MIPS64R5-generic")
    assert (GuestCtl0(p5600.reset(GuestCtl0)).RAD, GuestCtl0(p5600.reset(GuestCtl0)).G1) == (1, 0)
    assert (GuestCtl0(generic.reset(GuestCtl0)).RAD, GuestCtl0(generic.reset(GuestCtl0)).G1) == (0, 1)
    assert (p5600.guest_id_mask, generic.guest_id_mask) == (0, 0xFF)
    assert GuestCtl1 not in p5600.root and GuestCtl1 in generic.root


def test_floating_point_is_what_the_cores_show() -> None:
    shown = {"24Kf": (0x0073_9300, 0, 0xFF83_FFFF), "P5600": (0x30F3_0300, 0xC_0000, 0xFF8F_FFFF)}
    for name, (fir, reset, all_ones) in shown.items():
        model = find_model(name)
        assert (model.fir, model.fcsr, model.fcsr | model.fcsr_writable) == (fir, reset, all_ones)
    generic = find_model("MIPS64R5-generic")
    assert generic.fir & (Fir.PS | Fir.HAS2008 | Fir.UFRP | Fir.FREP | Fir.F64) and "PS" in generic.ases
    assert generic.fcsr_writable & Fcsr.NAN2008 and generic.fcsr_writable & Fcsr.ABS2008


def test_an_unknown_model_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="'68000' is not known; choose one of 24Kf, P5600, 5KEf, "):
        find_model("68000")
