"""Start states by chance: registers, CP0, TLBs and code that do something, from one seed.

Chance is aimed: addresses come from few pages, so that accesses hit RAM, TLB entries and devices often enough.
"""
from __future__ import annotations

from random import Random

from tests.support.engines import ALIAS, MASK, RAM_SIZE, ROM, Rig
from vmm.arch.cp0.registers import (
    EPC,
    Compare,
    Config,
    Config4,
    Config5,
    Count,
    EBase,
    EntryHi,
    EntryLo0,
    EntryLo1,
    ErrorEPC,
    GuestCtl0,
    GuestCtl1,
    PageGrain,
    PageMask,
    Status,
)
from vmm.arch.rows import RELEASE_6, Insn
from vmm.arch.state import TLB_SLOTS, TlbSlot

CODE_PAGES = (0x4000, 0x5000)
"""Physical pages of the code under test; two, next to each other."""
KSEG0, KSEG1, KSEG2 = 0xFFFF_FFFF_8000_0000, 0xFFFF_FFFF_A000_0000, 0xFFFF_FFFF_C000_0000
XKPHYS = 0x9800_0000_0000_0000
PAGES32 = (0, 0x2000, 0x4000, 0x1_0000, 0x40_0000, KSEG2, KSEG2 + 0x2000, 0xFFFF_FFFF_E000_0000)
PAGES64 = (0x1_0000_0000, 0x3FF_0000_0000, 0x4000_0000_0000_0000, 0xC000_0000_0000_2000)
DOOR = 0x7000_003F | 1 << 25
DOOR_6 = 0x0000_000E | 1 << 25
"""SDBBP that stops root's kernel: at the end of each handler, so that most runs soon have something to tell."""
TLB_WORK = (0x4080_0000, 0x4090_5000, 0x4080_5000, 0x4091_1000, 0x4091_1800, 0x4092_1000, 0x4080_2800, 0x4093_0000,
            0x4200_0002, 0x4200_0002, 0x4200_0006, 0x4200_0004, 0x4200_0008, 0x4200_0001, 0x4200_000A, 0x4200_000C,
            0x4200_000E, 0x4081_5004, 0x4094_6006)
"""MTC0 of Index, EntryHi, EntryLo, PageMask, GuestCtl0 and 1; TLB instructions, of the guest's TLB too."""


def door(rig: Rig) -> int:
    return DOOR_6 if rig.model.release >= RELEASE_6 else DOOR


SMALL = (0, 1, 2, 3, 4, 8, 31, 63, 0xFF, 0x8000)
EDGES = (0x7FFF_FFFF, 0xFFFF_FFFF_8000_0000, MASK, MASK - 1, 0xFFFF_FFFF_7FFF_FFFF, 1 << 63, (1 << 63) - 1, 1 << 31)
MASKS = (0, 0, 0, 0, 0x6000, 0x1_E000, 0x1F_E000, 0x1FFF_E000)
FRAMES = (0, 0x1000, 0x2000, 0x4000, 0x5000, 0x8000, 0x1_0000, 0x2_0000, 0x3_F000, ALIAS + 0x4000, ROM, 0x1800_0000,
          0x7_0000)


BASES, TARGETS = (16, 17, 18, 19, 20, 21, 22), (23, 24, 25)
"""Registers that hold addresses of data, and of code."""


def signed_word(value: int) -> int:
    return (value & 0xFFFF_FFFF ^ 0x8000_0000) - 0x8000_0000 & MASK


def address(r: Random, wide: bool) -> int:
    kind = r.randrange(12)
    if kind < 4:
        base = r.choice((KSEG0, KSEG0, KSEG1)) + r.choice((*CODE_PAGES, 0, r.randrange(0, RAM_SIZE, 0x1000), 0x1_8000))
    elif kind < 8:
        base = r.choice(PAGES32) + r.choice((0, 0x1000))
    elif kind == 8:
        base = r.choice((KSEG1 + ROM, KSEG0 + ALIAS, KSEG1 + 0x1800_0000, KSEG1 + 0x1F00_0000, 0x7FFF_F000))
    elif wide and kind < 11:
        base = r.choice((*PAGES64, XKPHYS, XKPHYS + 0x5000, XKPHYS | 1 << 50, 0xD000_0000_0000_0000))
    else:
        base = r.getrandbits(64) if wide else signed_word(r.getrandbits(32))
    offset = r.choice((0, 8, 0x10, 0xFF8, 0xFFC, 0x7F0, r.randrange(0x1000), r.randrange(0, 0x1000, 4)))
    return base + offset & MASK


def register(r: Random, wide: bool) -> int:
    kind = r.randrange(8)
    if kind < 4:
        return address(r, wide)
    if kind == 4:
        return r.choice(SMALL)
    if kind == 5:
        return signed_word(r.choice(EDGES)) if not wide else r.choice(EDGES)
    return r.getrandbits(64) if wide and kind == 6 else signed_word(r.getrandbits(32))


def fill_file(r: Random, slots: memoryview, masks: memoryview) -> None:
    """CP0 registers: any writable bits."""
    for n in range(256):
        if masks[n]:
            slots[n] = slots[n] & ~masks[n] & MASK | r.getrandbits(64) & masks[n]


def status(r: Random, wide: bool) -> int:
    value: int = r.choice((0, 0, 0, Status.EXL.mask, Status.ERL.mask)) | r.choice((0, 0, 1, 2)) << Status.KSU.low
    value |= r.getrandbits(1) | r.choice((0, 0xFF00, r.getrandbits(16) & 0xFF00)) | r.choice((0, 0, 0, Status.BEV.mask))
    value |= r.choice((0, Status.CU0.mask))
    return value | (r.choice((0, 0xE0, r.getrandbits(8) & 0xE0)) if wide else 0)


def tlb_entries(r: Random, rig: Rig, name: str, count: int) -> None:
    state, wide = rig.cpu.state, rig.model.bits == 64
    slots = state.array(name)
    ids = state.guest_ids
    for n in range(count):
        e = slots[n * TLB_SLOTS:(n + 1) * TLB_SLOTS]
        mask = r.choice(MASKS) | 0x1FFF
        lows = [r.choice(FRAMES) >> 6 | r.choice((7, 6, 6, 3, 2, 0, 1, 7, 6)) | r.choice((0, 0, 0, 0, 1, 2, 3)) << 62
                for _ in range(2)]
        page = r.choice(PAGES32 + (PAGES64 if wide else ()) + FRAMES[:8])
        e[TlbSlot.VPN] = page & state.vpn_mask & ~mask
        e[TlbSlot.MASK], e[TlbSlot.LO0], e[TlbSlot.LO1] = mask, *lows
        e[TlbSlot.ASID] = r.choice((0, 0, 1, 5)) & state.asid_mask
        e[TlbSlot.GLOBAL] = lows[0] & lows[1] & 1
        e[TlbSlot.GUEST] = r.choice((0, 1, 1)) & ids
        e[TlbSlot.VALID] = int(r.random() < 0.9)
    map_code(r, slots, ids if name == "guest_tlb" else 0)


def shape_ftlb(r: Random, rig: Rig, context: str) -> None:
    """Where a core has an FTLB: a small one, so that chance fills its sets; on or off where software may choose."""
    if rig.model.ftlb_entries:
        cp0 = getattr(rig.cpu, context)
        cp0[Config4] &= ~(Config4.FTLBPageSize.mask | Config4.FTLBWays.mask | Config4.FTLBSets.mask)
        cp0[Config4] |= Config4.FTLBPageSize.at(r.choice((1, 1, 2))) | Config4.FTLBSets.at(2)
        rig.cpu.engine.service(rig.cpu.state, "update_ftlb")


def map_code(r: Random, slots: memoryview, ids: int) -> None:
    """Entries 0 and 1, mostly: the code's pages at the addresses where it begins, for whoever runs."""
    for n, page in enumerate((0x4000, KSEG2 + 0x4000)):
        if r.random() < 0.8:
            e = slots[n * TLB_SLOTS:(n + 1) * TLB_SLOTS]
            e[TlbSlot.VPN], e[TlbSlot.MASK] = page, 0x1FFF
            e[TlbSlot.LO0], e[TlbSlot.LO1] = 0x4000 >> 6 | 7, 0x5000 >> 6 | 7
            e[TlbSlot.ASID], e[TlbSlot.GLOBAL], e[TlbSlot.VALID] = 0, 1, 1
            e[TlbSlot.GUEST] = r.choice((0, 1)) & ids


def file_of(r: Random, rig: Rig, file: object, writable: str, slots: str) -> None:
    state, wide = rig.cpu.state, rig.model.bits == 64
    fill_file(r, state.array(slots), state.array(writable))
    cp0 = getattr(rig.cpu, str(file))
    cp0[Status] = status(r, wide)
    if "MSA" in rig.model.ases and r.random() < 0.7:
        cp0[Config5] |= Config5.MSAEn.mask
    cp0[EBase] = KSEG0 | r.choice((0, 0, 0x1000))
    cp0[EntryHi] = address(r, wide) & state.vpn_mask | r.choice((0, 0, 1, 5))
    cp0[EPC], cp0[ErrorEPC] = code_address(r, wide), code_address(r, wide)
    for lo in (EntryLo0, EntryLo1):
        cp0[lo] = r.choice(FRAMES) >> 6 | r.randrange(8)
    cp0[PageMask] = r.choice(MASKS)
    cp0[Config] &= ~7
    if not cp0.has(PageGrain):
        cp0[PageGrain] = 0


def code_address(r: Random, wide: bool) -> int:
    offset = r.choice((0, 0, 0x100, 0xFF0, 0xFF4, 0xFF8, 0xFFC, r.randrange(0, 0x1000, 4)))
    base: int = r.choice((KSEG0, KSEG0, KSEG1, 0, 0, KSEG2, *((XKPHYS,) if wide else ())))
    return base + r.choice((0x4000, 0x4000, 0x5000)) + offset & MASK


def vectors(r: Random, rig: Rig) -> None:
    """Vector registers; MSACSR without a Cause, and mostly without what traps."""
    fpr = rig.cpu.state.array("fpr")
    for n in range(len(fpr)):
        fpr[n] = r.choice((r.getrandbits(64), r.choice(EDGES), r.getrandbits(20) << 44, 0x3F80_0000_4040_0000))
    modes = r.choice((0, 1, 2, 3, 1 << 24, 1 << 18 | 0xF80))
    rig.cpu.state.msacsr = modes | r.choice((0, 0, r.getrandbits(5) << 7))


def start_state(r: Random, rig: Rig) -> None:
    """Everything but code."""
    cpu, wide = rig.cpu, rig.model.bits == 64
    state = cpu.state
    for n in range(1, 32):
        cpu.gpr[n] = register(r, wide)
    for n in BASES:
        cpu.gpr[n] = address(r, wide) & ~7 if r.random() < 0.9 else address(r, wide)
    for n in TARGETS:
        cpu.gpr[n] = code_address(r, wide)
    cpu.hi, cpu.lo = register(r, wide), register(r, wide)
    if "MSA" in rig.model.ases:
        vectors(r, rig)
    size = r.choice((4, 8, rig.model.tlb_entries))
    state.array("tlb_size")[0] = state.array("vtlb_size")[0] = size
    file_of(r, rig, "root", "root_writable", "root_cp0")
    shape_ftlb(r, rig, "root")
    tlb_entries(r, rig, "root_tlb", state.array("tlb_size")[0])
    if state.has_vz:
        state.array("tlb_size")[1] = state.array("vtlb_size")[1] = r.choice((4, 8))
        file_of(r, rig, "guest", "guest_writable", "guest_cp0")
        shape_ftlb(r, rig, "guest")
        tlb_entries(r, rig, "guest_tlb", max(8, state.array("tlb_size")[1]))
        cpu.root[GuestCtl0] |= r.choice((0, GuestCtl0.GM.mask)) | r.choice((0, GuestCtl0.CP0.mask | GuestCtl0.AT.mask))
        if r.random() < 0.6:
            cpu.root[GuestCtl1] = 0x0001_0001 & state.guest_ids * 0x1_0001
        if r.random() < 0.85:
            identity(r, rig)
    state.irq_lines = r.choice((0, 0, 0, 0, 0, r.getrandbits(16) & 0xFC00))
    state.llbit = r.getrandbits(1)
    state.lladdr = r.choice(FRAMES)
    state.ticks = r.choice((0, 1000, 0xFFFF_FFF0, 0x1_FFFF_FFF8))
    state.count_base = r.getrandbits(32)
    cpu.root[Compare] = cpu.count + r.choice((1, 5, 20, 1 << 20)) & 0xFFFF_FFFF
    cpu.guest[Compare] = r.getrandbits(32)
    assert Count.index == 72
    cpu.refresh()
    cpu.pc = r.choice((0x4000, 0x5000)) + r.randrange(0, 0x1000, 4) if state.priv else code_address(r, wide)


def identity(r: Random, rig: Rig) -> None:
    """A second stage that lets a guest reach RAM: guest physical 0 and up, one to one."""
    state = rig.cpu.state
    e = state.array("root_tlb")[:TLB_SLOTS]
    e[TlbSlot.VPN], e[TlbSlot.MASK] = 0, 0x7_FFFF
    e[TlbSlot.LO0], e[TlbSlot.LO1] = 7, 0x4_0000 >> 6 | 7
    e[TlbSlot.GLOBAL], e[TlbSlot.ASID], e[TlbSlot.VALID] = 1, 0, 1
    e[TlbSlot.GUEST] = rig.cpu.root[GuestCtl1] & state.guest_ids


def field_value(r: Random, row: Insn, name: str, width: int) -> int:
    """A field's value that lets the instruction do something: bases and jump targets from the registers that hold them."""
    if name == "off":
        return r.choice((-8, -4, -2, -1, 0, 1, 2, 3, 5, 8, 1022, -1023, r.getrandbits(10))) & (1 << width) - 1
    if name == "offset":
        return r.choice((0, 0, 4, 8, -4, 0x10, 0x18, r.getrandbits(4), r.getrandbits(16))) & (1 << width) - 1
    if name == "base":
        return r.choice((*BASES, r.getrandbits(5)))
    if name == "target":
        return (r.choice((0x4000, 0x5000, 0x4FF0)) >> 2) + r.randrange(16)
    if name == "rs" and row.name.startswith(("jr", "jalr")) or name == "rt" and row.name.startswith("ji"):
        return r.choice((*TARGETS, r.getrandbits(5)))
    if name == "sel":
        return r.choice((0, 0, 0, 1, 4, r.getrandbits(3)))
    if name == "rd" and row.name == "rdhwr":
        return r.choice((0, 1, 2, 3, 5, 29, r.getrandbits(5)))
    if name in ("rt", "rd", "rs") and width == 5 and row.family != "system":
        number: int = r.choice((*range(16), *range(16), r.getrandbits(5)))
        return number
    return r.getrandbits(width)


def word_of(row: Insn, entropy: int) -> int:
    """A word of this row: fields from entropy, aimed."""
    r = Random(entropy)
    fields = {f.name: field_value(r, row, f.name, f.width) for f in row.encoding.fields}
    if row.name == "sdbbp" and r.random() < 0.8:
        fields["code"] |= 1 << 19
    word = row.encoding.join(**fields)
    return word if row.encoding.fits(word) else word_of(row, r.getrandbits(32))


def weight(row: Insn) -> int:
    """How often a row is chosen: what always traps, seldom."""
    return {"coprocessor": 1, "trap": 2, "branch": 8, "memory": 8, "compact": 8}.get(row.family, 5)


def handler(r: Random, rig: Rig, *, debug: bool = False) -> list[int]:
    """Go on behind the instruction that trapped; now and then tell it first."""
    wide = rig.model.bits == 64
    register = 24 if debug else 14
    move = 0x4000_0000 | wide << 21 | 26 << 16 | register << 11
    add = (0x19 if wide else 0x09) << 26 | 26 << 21 | 26 << 16 | 4
    back = 0x4200_001F if debug else 0x4200_0018
    first = [door(rig)] if debug or r.random() < 0.2 else []
    if r.random() < 0.4:
        first += [r.choice(TLB_WORK) for _ in range(r.randrange(1, 6))]
    return [*first, move, add, move | 1 << 23, *([0x4080_5800] if r.random() < 0.3 else []), back]


def place_code(rig: Rig, words: list[int], r: Random) -> None:
    """The words around every place where a CPU of ``start_state`` may begin, and handlers at the vectors."""
    rig.fill(0, [r.getrandbits(32) for _ in range(0x400)] * (RAM_SIZE // 0x1000))
    words = [word for n, word in enumerate(words) for word in ((word, door(rig)) if n % 12 == 7 else (word,))]
    count = len(words)
    for page in CODE_PAGES:
        rig.fill(page, [words[(n + page // 0x1000) % count] for n in range(1024)])
    for base, vectors in ((0, (0, 0x80, 0x180, 0x200, 0x1000, 0x1080, 0x1180, 0x1200)),
                          (ROM, (0, 0x200, 0x280, 0x380, 0x400, 0x480))):
        for vector in vectors:
            rig.fill(base + vector, handler(r, rig, debug=vector == 0x480))
    rig.cpu.engine.forget()
