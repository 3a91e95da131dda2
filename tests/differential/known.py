"""Where our machine and QEMU differ on purpose, and why; everything else that differs is a finding."""
from __future__ import annotations

from collections.abc import Sequence

from vmm.arch.cp0.registers import Cause, Config, Config1, Config3, Config4, Config5, IntCtl, SRSCtl, Status
from vmm.arch.exceptions import ExcCode

DEVICE_LINES = 0xFC00
"""Cause.IP7..2: QEMU's board raises lines that ours does not have."""
IGNORED_IN_CAUSE = DEVICE_LINES | Cause.TI.mask | ~0xFFFF_FFFF
COPROCESSOR_2 = 2 << 28 | ExcCode.CpU << 2

NO_MEMORY = (range(0x1000_0000, 0x2000_0000), range(0x8000_0000, 0x9000_0000))
"""Physical addresses where a load that is not aligned goes on on QEMU's board, which has devices in the first part and its
RAM in the second; ours has memory at none of them."""
XKPHYS_ADDRESS = (1 << 59) - 1
REGISTER_BITS: dict[str, int] = {
    # Features that our models do not have (``CpuModel.not_modelled``), or have and QEMU's do not.
    "Config":    Config.MT.mask,
    "Config1":   Config1.FP.mask | Config1.WR.mask | Config1.PC.mask | Config1.CA.mask,
    "Config3":   sum(f.mask for f in (Config3.MSAP, Config3.CMGCR, Config3.LPA, Config3.VZ, Config3.SC, Config3.PW,
                                      Config3.CDMM, Config3.VInt)),
    "Config4":   Config4.MMUExtDef.mask | 0x1FFF,
    "Config5":   sum(f.mask for f in (Config5.EVA, Config5.MVH, Config5.MRP, Config5.UFR, Config5.FRE, Config5.UFE,
                                      Config5.MSAEn, Config5.SBRI, Config5.CV, Config5.K)),
    "Status":    Status.CU1.mask | Status.FR.mask | Status.RE.mask | Status.Impl.mask,
    # VS exists with Config3.VInt or VEIC, shadow sets where SRSCtl.HSS says so; DESAVE is 64 bits wide on MIPS64.
    "IntCtl":    IntCtl.VS.mask | IntCtl.IPPCI.mask, "SRSCtl": SRSCtl.ESS.mask | SRSCtl.PSS.mask, "SRSMap": ~0,
    "DESAVE": ~0xFFFF_FFFF,
    "CDMMBase": ~0,                                    # QEMU has no device map
    # QEMU's P5600 has 32 bits of physical address while PageGrain.ELPA is clear, ours 36 (volume III, EntryLo0: PFN).
    "EntryLo0":  0x3C00_0000, "EntryLo1": 0x3C00_0000,
    # Watch: software cannot set Cause.WP where there are watch registers; how many, and which bits, is the core's own.
    "Cause":     Cause.WP.mask | IGNORED_IN_CAUSE, **dict.fromkeys(
        [f"Watch{part}{n}" for part in ("Lo", "Hi") for n in ("", 1, 2, 3)]
        + [f"Perf{part}{n}" for part in ("Ctl", "Cnt") for n in range(4)], ~0),
    # The cache's windows hold what is written; which bits a tag has is the core's own (volume III, TagLo).
    "TagLo":     ~0, "DTagLo": ~0, "ErrCtl": ~0, "DataLo": ~0, "DDataLo": ~0, "TagHi": ~0, "DTagHi": ~0,
    "DataHi":    ~0, "DDataHi": ~0,
}


WITH_ADDRESS = frozenset({ExcCode.Mod, ExcCode.TLBL, ExcCode.TLBS, ExcCode.AdEL, ExcCode.AdES, ExcCode.TLBRI,
                          ExcCode.TLBXI})
WITH_PAGE = WITH_ADDRESS - {ExcCode.AdEL, ExcCode.AdES}
FROM_OUTSIDE = frozenset({ExcCode.Int, ExcCode.IBE, ExcCode.DBE, ExcCode.MCheck, ExcCode.Watch})
"""Exceptions that do not write BadInstr (volume III, BadInstr Register)."""


def explained(name: str, ours: Sequence[int], theirs: Sequence[int], left: list[str]) -> bool:
    """May every word that differs?  ``left``: the names of the registers in the log of an exception."""
    kind, *rest = name.split()
    names = ["vector", *left, "r8"]
    if len(ours) != len(theirs):
        # QEMU's walker keeps what a table's entry has beyond the core's physical addresses, and finds nothing there; such
        # bits of EntryLo do not exist (volume III, EntryLo0: PFNX).
        return (kind == "walk" and len(theirs) == len(names)
                and theirs[names.index("Cause")] >> 2 & 31 == ExcCode.DBE)
    if len(ours) == len(names):
        return _exception_explained(kind, " ".join(rest), dict(zip(names, ours, strict=True)),
                                    dict(zip(names, theirs, strict=True)))
    free = REGISTER_BITS.get(rest[0] if kind == "mask" else kind.capitalize(), 0)
    return not any((mine ^ other) & ~free & 0xFFFF_FFFF_FFFF_FFFF for mine, other in zip(ours, theirs, strict=True))


def _unmapped(address: int) -> int:
    """The physical address of one in kseg0, kseg1 or xkphys, else -1."""
    if address >> 62 == 2:
        return address & XKPHYS_ADDRESS
    return address & 0x1FFF_FFFF if address >> 30 == 0x3_FFFF_FFFE else -1


def _exception_explained(kind: str, name: str, ours: dict[str, int], theirs: dict[str, int]) -> bool:
    """Registers that this exception leaves alone, or leaves UNPREDICTABLE, do not count."""
    code, in_slot = ours["Cause"] >> 2 & 31, ours["Cause"] >> 31 & 1
    high = ~0xFFFF_FFFF                              # DMFC0 of a register of 32 bits
    free = {"Cause": IGNORED_IN_CAUSE, "Status": REGISTER_BITS["Status"], "BadInstr": high, "BadInstrP": high}
    if code not in WITH_ADDRESS:
        free["BadVAddr"] = ~0
    if code not in WITH_PAGE:
        free |= {"Context": ~0, "XContext": ~0, "EntryHi": ~0}
    if code in FROM_OUTSIDE or ours["EPC"] == ours["BadVAddr"]:
        free["BadInstr"] = ~0
    if not in_slot:
        free["BadInstrP"] = ~0
    if kind == "interrupt" and (ours["vector"], code) == (0x200, ExcCode.Int):
        free["vector"] = ~0                          # vectors apart from each other need Config3.VInt (IntCtl.VS)
    if ours["Cause"] & 0x3000_007C == COPROCESSOR_2 and theirs["Cause"] >> 2 & 31 == ExcCode.RI:
        return True                                  # QEMU has no coprocessor 2, and no CpU for it (vol. III, CpU)
    if code == ExcCode.DBE and theirs["Cause"] >> 2 & 31 == ExcCode.Sys:
        return True                                  # the boards have memory and devices at different addresses
    if name.startswith("cache") and code in WITH_ADDRESS and theirs["Cause"] >> 2 & 31 == ExcCode.Sys:
        return True                                  # hit operations translate their address (volume II, CACHE)
    went_on = theirs["Cause"] >> 2 & 31 == ExcCode.Sys and ours["EPC"] != theirs["EPC"]
    not_aligned = code in (ExcCode.AdEL, ExcCode.AdES) and ours["BadVAddr"] & 3
    if not_aligned and went_on and any(_unmapped(ours["BadVAddr"]) in part for part in NO_MEMORY):
        return True                                  # release 6: only memory takes what is not aligned
    if name.startswith("wait") and in_slot and {code, theirs["Cause"] >> 2 & 31} == {ExcCode.RI, ExcCode.CpU}:
        return True                                  # release 6: not in a slot, and not by a user; either may come first
    if name.startswith(("lwl", "lwr", "ldl", "ldr")) and ours["BadVAddr"] & -8 == theirs["BadVAddr"] & -8:
        free["BadVAddr"] = 7                         # QEMU translates the aligned unit of a load (volume II, LWL: vAddr)
    if name.startswith("synci") and theirs["Cause"] >> 2 & 31 == ExcCode.Sys:
        return True                                  # SYNCI may fault as a load may (volume II, SYNCI)
    if name.startswith("jr") and code == ExcCode.RI and ours["EPC"] != theirs["EPC"]:
        return True                                  # QEMU executes words with bits set that must be zero (volume II, 2)
    if name.startswith("rdhwr $8, $29") and code == ExcCode.RI and theirs["Cause"] >> 2 & 31 == ExcCode.Sys:
        return True                                  # no UserLocal (Config3.ULRI): RI in kernel mode too (RDHWR)
    return not any((ours[what] ^ theirs[what]) & ~free.get(what, 0) & 0xFFFF_FFFF_FFFF_FFFF for what in ours)
