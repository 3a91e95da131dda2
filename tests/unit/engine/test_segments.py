"""Segmentation control, 64-bit regions and the size of physical addresses, against a plain reading of the manual.

(Volume III, chapter 4; mips.md 4.1, 4.2)
"""
from __future__ import annotations

from random import Random

import pytest

from tests.support.engines import ENGINES, Rig, fresh
from vmm.arch.cp0.fields import Register, sign_extended
from vmm.arch.cp0.registers import Cause, EBase, PageGrain, SegCtl0, SegCtl1, SegCtl2, Status
from vmm.arch.exceptions import ExcCode
from vmm.arch.privileged.segments import DIRECT, ERROR, MAPPED, classify
from vmm.engine.numbers import Numbers
from vmm.engine.store import Memory

CORES = ("P5600", "MIPS64R5-generic", "I6500")
KERNEL, SUPERVISOR, USER = 0, 1, 2
OPEN_TO = {  # by AM: unmapped for, mapped for
    0: ("K", ""), 1: ("", "K"), 2: ("", "KS"), 3: ("", "KSU"), 4: ("K", "SU"), 5: ("KS", ""), 6: ("", ""), 7: ("KSU", "")}
XKPHYS_NEEDS = (Status.KX, Status.KX, Status.SX, Status.UX, Status.UX, Status.SX, Status.UX, Status.UX)
"""By AM."""
CODE, KSEG0 = 0x4000, 0xFFFF_FFFF_8000_0000
LARGE = PageGrain.ELPA.mask


def by_mode(mode: int, privilege: int, physical: int) -> tuple[int, int]:
    who, (unmapped, mapped) = "KSU"[privilege], OPEN_TO[mode]
    return (DIRECT, physical) if who in unmapped else (MAPPED, 0) if who in mapped else (ERROR, 0)


def plain(root: dict[type[Register], int], bits: int, va: int, privilege: int) -> tuple[int, int]:
    """What an address is, and the physical one of DIRECT."""
    low = va & 0xFFFF_FFFF
    if va >> 31 in (0, (1 << 33) - 1):
        return compatible(root, low, privilege)
    if bits == 32:
        return ERROR, 0
    region, status = va >> 62, root[Status]
    if region == 2:
        mode = root[SegCtl1] >> 59 & 7 if root[SegCtl2] >> 56 >> (va >> 59 & 7) & 1 else 0
        size = 48 if root[PageGrain] & LARGE else 36
        offset = va & (1 << 59) - 1
        if not status & XKPHYS_NEEDS[mode].mask or offset >> size:
            return ERROR, 0
        return by_mode(mode, privilege, offset)
    enable, least = {0: (Status.UX, USER), 1: (Status.SX, SUPERVISOR), 3: (Status.KX, KERNEL)}[region]
    inside = (va & (1 << 62) - 1) < (1 << 48) - (1 << 31 if region == 3 else 0)
    return (MAPPED if status & enable.mask and inside and privilege <= least else ERROR), 0


def compatible(root: dict[type[Register], int], low: int, privilege: int) -> tuple[int, int]:
    config, size = next((root[register] >> shift & 0xFFFF, size) for start, register, shift, size in (
        (0xE000_0000, SegCtl0, 0, 29), (0xC000_0000, SegCtl0, 16, 29), (0xA000_0000, SegCtl1, 0, 29),
        (0x8000_0000, SegCtl1, 16, 29), (0x4000_0000, SegCtl2, 0, 30), (0, SegCtl2, 16, 30)) if low >= start)
    physical = config >> 9 << 29 >> size << size | low & (1 << size) - 1
    found = by_mode(config >> 4 & 7, privilege, physical)
    if found[0] == MAPPED and privilege == KERNEL and config & 8 and root[Status] & Status.ERL.mask:
        return DIRECT, physical
    return found


def chosen(r: Random, rig: Rig, *, code_runs: bool) -> None:
    """Random segments, mode bits and size of addresses; with ``code_runs`` kseg0 is as ever, and most begin at 0."""
    root, masks = rig.cpu.root, rig.model.write_mask
    for register in (SegCtl0, SegCtl1, SegCtl2):
        root[register] = r.getrandbits(64) & masks(register) & ~(0xFE00_FE00 if code_runs and r.random() < 0.8 else 0)
    if code_runs:
        root[SegCtl1] = root[SegCtl1] & ~0xFFFF_0000 | 0x0003_0000
    enables = r.choice((0, Status.KX.mask, Status.KX.mask | Status.SX.mask, 7 << Status.UX.low))
    root[Status] = (enables if rig.model.bits == 64 else 0) | (r.random() < 0.3) * Status.ERL.mask
    root[PageGrain] = r.choice((0, LARGE)) & masks(PageGrain)


def any_address(r: Random, bits: int) -> int:
    low = r.getrandbits(32)
    if bits == 32 or r.random() < 0.4:
        return (low ^ 0x8000_0000) - 0x8000_0000 & (1 << 64) - 1
    return r.getrandbits(2) << 62 | r.getrandbits(3) << 59 | r.getrandbits(r.choice((30, 35, 37, 47, 49, 59))) \
        | r.choice((0, 0, (1 << 48) - (1 << 32)))


@pytest.mark.parametrize("core", CORES)
def test_every_address_is_what_the_manual_makes_it(core: str) -> None:
    r, rig, kinds = Random(3), fresh("reference", core), [0, 0, 0]
    m = Numbers(rig.cpu.state, False, Memory(0))
    for n in range(6000):
        if n % 20 == 0:
            chosen(r, rig, code_runs=False)
        va, privilege = any_address(r, rig.model.bits), r.randrange(3)
        kind = int(classify(m, m.const(va), m.const(privilege)))
        found = kind, int(rig.cpu.state.unmapped) if kind == DIRECT else 0
        root = {register: rig.cpu.root[register] for register in (SegCtl0, SegCtl1, SegCtl2, Status, PageGrain)}
        assert found == plain(root, rig.model.bits, va, privilege), (hex(va), privilege)
        kinds[kind] += 1
    assert min(kinds) > 500


MOVED = (SegCtl0, SegCtl1, SegCtl2, PageGrain)
AFTER = 0x6000
"""Physical address of the first instruction after the moves."""


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_load_finds_its_segment_after_any_change(engine: str, core: str) -> None:
    """What was found before a write to these registers by MTC0 does not count any more."""
    r, rig, kinds = Random(4), fresh(engine, core), [0, 0, 0]
    root, bits = rig.cpu.root, rig.model.bits
    move = "dmtc0" if bits == 64 else "mtc0"
    rig.code(CODE, "lbu $14, 0($8)")
    rig.code(AFTER, *(f"{move if n < 3 else 'mtc0'} ${9 + n}, ${register.number[0]}, {register.number[1]}"
                      for n, register in enumerate(MOVED)), "lbu $15, 0($8)")
    for address in range(0, 0x4_0000, 0x1000):
        rig.put(address + 0xF00, 1, address >> 12)
    for _ in range(500):
        chosen(r, rig, code_runs=True)
        new = {register: root[register] for register in MOVED}
        chosen(r, rig, code_runs=True)
        old = {register: root[register] for register in MOVED}
        status, va = root[Status], near_address(r, bits)
        if rig.model.release >= 6 and not status & Status.KX.mask:
            va = sign_extended(va)                         # the kernel's addresses wrap at 32 bits
        kind, physical = plain(new | {Status: status}, bits, va, KERNEL)
        before, first = plain(old | {Status: status}, bits, va, KERNEL)
        if max(physical, first) >= 0x4_0000:
            continue                                       # no memory there
        kinds[kind] += 1
        rig.cpu.gpr[8] = va
        if before == DIRECT:
            rig.cpu.forget()
            run(rig, CODE, 1)
            assert rig.cpu.gpr[14] == first >> 12, hex(va)
        for n, register in enumerate(MOVED):
            rig.cpu.gpr[9 + n] = new[register]
        run(rig, AFTER, 5)
        if kind == DIRECT:
            assert rig.cpu.pc == KSEG0 + AFTER + 20 and rig.cpu.gpr[15] == physical >> 12, hex(va)
        else:
            code = ExcCode(Cause.ExcCode.of(root[Cause]))
            assert code is (ExcCode.TLBL if kind == MAPPED else ExcCode.AdEL), hex(va)
    assert min(kinds) > 20


def near_address(r: Random, bits: int) -> int:
    """In the first pages of something."""
    page = r.randrange(0x3F) << 12 | 0xF00
    if bits == 32 or r.random() < 0.5:
        return (r.randrange(8) << 29 ^ 0x8000_0000) - 0x8000_0000 & (1 << 64) - 1 | page
    return r.choice((0, 1, 2, 2, 2, 3)) << 62 | r.getrandbits(3) << 59 | (r.random() < 0.3) << 37 | page


def run(rig: Rig, at: int, count: int) -> None:
    rig.cpu.root[EBase] = KSEG0 + 0x2_0000
    rig.cpu.pc = KSEG0 + at
    rig.cpu.refresh()
    rig.run_to(rig.cpu.ticks + count)
