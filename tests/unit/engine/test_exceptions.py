"""Entering and leaving exceptions: what is saved, where it goes, and when.  (mips.md 5, 4.1, 6)"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.support.engines import ENGINES, MODELS, Rig, encode, fresh
from vmm.arch.cp0.registers import (
    EPC,
    BadInstr,
    BadInstrP,
    BadVAddr,
    Cause,
    Context,
    EBase,
    EntryHi,
    EntryLo0,
    ErrorEPC,
    HWREna,
    LLAddr,
    PageGrain,
    Status,
    UserLocal,
    XContext,
    sign_extended,
)
from vmm.arch.exceptions import ExcCode
from vmm.arch.models import find_model
from vmm.arch.rows import REMOVED_NEVER
from vmm.arch.stops import Stop
from vmm.engine.cpu import TlbEntry

KSEG0, KSEG1, KSEG2 = (sign_extended(base) for base in (0x8000_0000, 0xA000_0000, 0xC000_0000))
CODE, SLOT_CODE = KSEG0 + 0x4000, KSEG0 + 0x4004
EBASE, BEV = KSEG0 + 0x1000, sign_extended(0xBFC0_0200)
UNMAPPED = KSEG2 + 0x12_3450
ENTRY_HI = 0x55
VALID, DIRTY, GLOBAL = 2, 4, 1

Make = Callable[..., Rig]


@pytest.fixture(params=ENGINES)
def make(request: pytest.FixtureRequest) -> Make:
    """A CPU in kernel mode with its vectors at EBASE."""
    def build(name: str = "24Kf", big_endian: bool = False) -> Rig:
        rig = fresh(request.param, name, big_endian)
        rig.cpu.root[Status], rig.cpu.root[EBase] = 0, EBASE
        return rig
    return build


@dataclass(frozen=True)
class Trap:
    """An instruction that raises ``code``, $8 holding ``r8``; with a bad address for those that report one.

    ``until``: the first release on which it does not, because it is gone or unaligned accesses are allowed.
    """
    line: str
    code: ExcCode
    r8: int = 0
    bad: int | None = None
    refill: bool = False
    until: int = REMOVED_NEVER

    def __str__(self) -> str:
        return f"{self.code.name}: {self.line}"


TRAPS = (
    Trap("syscall", ExcCode.Sys), Trap("break", ExcCode.Bp), Trap("teq $0, $0", ExcCode.Tr),
    Trap("addi $9, $8, 1", ExcCode.Ov, 0x7FFF_FFFF, until=6), Trap("cop1.reserved 0", ExcCode.CpU),
    Trap("ext $9, $8, 31, 2", ExcCode.RI),
    Trap("lw $9, 1($8)", ExcCode.AdEL, KSEG0, KSEG0 + 1, until=6),
    Trap("sh $9, 1($8)", ExcCode.AdES, KSEG0, KSEG0 + 1, until=6),
    Trap("lw $9, 0($8)", ExcCode.TLBL, UNMAPPED, UNMAPPED, refill=True),
    Trap("sw $9, 0($8)", ExcCode.TLBS, UNMAPPED, UNMAPPED, refill=True),
    Trap("lb $9, 0($8)", ExcCode.TLBL, KSEG2, KSEG2), Trap("sb $9, 0($8)", ExcCode.TLBS, KSEG2, KSEG2),
    Trap("sb $9, 0($8)", ExcCode.Mod, KSEG2 + 0x1000, KSEG2 + 0x1000),
)
"""KSEG2 is mapped by an entry whose even half is not valid and whose odd half is not dirty."""
TLB_CODES = {ExcCode.Mod, ExcCode.TLBL, ExcCode.TLBS}


@pytest.mark.parametrize("exl", [False, True], ids=["EXL=0", "EXL=1"])
@pytest.mark.parametrize("bev", [False, True], ids=["EBase", "BEV"])
@pytest.mark.parametrize("slot", [False, True], ids=["plain", "slot"])
@pytest.mark.parametrize(("trap", "name"), [
    pytest.param(trap, name, id=f"{trap}-{name}") for trap in TRAPS for name in MODELS
    if find_model(name).release < trap.until])
def test_what_an_exception_saves(make: Make, name: str, trap: Trap, slot: bool, bev: bool, exl: bool) -> None:
    rig = make(name)
    cpu = rig.cpu
    cpu.tlb[3] = TlbEntry(KSEG2 | ENTRY_HI, 0, 0x40, 0x40 | VALID)
    cpu.root[Status] = Status.BEV.at(bev) | Status.EXL.at(exl)
    cpu.root[EPC], cpu.root[Cause] = 0x1234_5678, Cause.BD.at(exl)
    cpu.root[EntryHi] = ENTRY_HI
    cpu.gpr[8] = trap.r8
    branch = encode(name, "b target", CODE, target=CODE + 0x100)
    word = encode(name, trap.line)
    rig.code(0x4000, *([branch, word] if slot else [word]))
    cpu.pc = CODE
    cpu.refresh()
    rig.run_to(1 + slot)
    root = cpu.root
    assert cpu.pc == (BEV if bev else EBASE) + (0 if trap.refill and not exl else 0x180)
    assert Cause.ExcCode.of(root[Cause]) == trap.code
    assert root[Status] & Status.EXL.mask
    assert (root[EPC], Cause.BD.of(root[Cause])) == ((0x1234_5678, 1) if exl else (CODE, slot))
    assert Cause.CE.of(root[Cause]) == (trap.code == ExcCode.CpU)
    assert root[BadVAddr] == (trap.bad or 0)
    in_tlb = trap.code in TLB_CODES and trap.bad is not None
    assert root[EntryHi] == (cpu.state.vpn_mask & (trap.bad or 0) if in_tlb else 0) | ENTRY_HI
    assert Context.BadVPN2.of(root[Context]) == ((trap.bad or 0) >> 13 & 0x7_FFFF if in_tlb else 0)
    if rig.model.bits == 64 and in_tlb:
        vpn_bits = rig.model.segbits - 13
        assert root[XContext] >> 4 & (1 << vpn_bits) - 1 == (trap.bad or 0) >> 13 & (1 << vpn_bits) - 1
        assert root[XContext] >> 4 + vpn_bits & 3 == 3
    if root.has(BadInstr) and not exl:
        assert root[BadInstr] == word
        assert root[BadInstrP] == (branch if slot else 0)
    assert cpu.ticks == 1 + slot


def test_a_fetch_that_fails_reports_the_address_it_wanted(make: Make) -> None:
    for target, code, vector in ((KSEG0 + 2, ExcCode.AdEL, 0x180), (UNMAPPED, ExcCode.TLBL, 0)):
        rig = make("P5600")
        rig.cpu.pc = target
        rig.cpu.root[BadInstr] = 0x1234
        rig.cpu.refresh()
        rig.run_to(1)
        root = rig.cpu.root
        assert (rig.cpu.pc, root[EPC], root[BadVAddr]) == (EBASE + vector, target, target)
        assert Cause.ExcCode.of(root[Cause]) == code


def test_a_fetch_from_no_memory_is_a_bus_error(make: Make) -> None:
    rig = make()
    rig.cpu.pc = KSEG1 + 0x1800_0000
    rig.run_to(1)
    assert Cause.ExcCode.of(rig.cpu.root[Cause]) == ExcCode.IBE


def test_a_refused_device_access_is_a_bus_error_of_the_instruction(make: Make) -> None:
    rig = make()
    rig.code(0x4000, "lw $9, 0($8)")
    rig.cpu.pc, rig.cpu.gpr[8] = CODE, KSEG1 + 0x1800_0000
    rig.cpu.refresh()
    assert rig.cpu.run(10) == Stop.LOAD
    rig.cpu.bus_error()
    rig.cpu.run(1)
    assert (Cause.ExcCode.of(rig.cpu.root[Cause]), rig.cpu.root[EPC]) == (ExcCode.DBE, CODE)


@pytest.mark.parametrize(("line", "error", "link"), [
    ("eret", False, 0), ("eret", True, 0), ("eretnc", False, 1), ("eretnc", True, 1)])
def test_eret_leaves_the_inner_level_first(make: Make, line: str, error: bool, link: int) -> None:
    rig = make("P5600")
    cpu = rig.cpu
    cpu.root[Status] = Status.EXL.mask | Status.ERL.at(error)
    cpu.root[EPC], cpu.root[ErrorEPC] = KSEG0 + 0x5000, KSEG0 + 0x6000
    rig.code(0x4000, line)
    cpu.pc, cpu.state.llbit = CODE, 1
    cpu.refresh()
    rig.run_to(1)
    assert cpu.pc == (KSEG0 + 0x6000 if error else KSEG0 + 0x5000)
    assert cpu.root[Status] == (Status.EXL.mask if error else 0)
    assert cpu.state.llbit == link


# -- segments ---------------------------------------------------------------------------------------------------------

K, S, U = 0, 1, 2
OK, MAPPED, ERROR = "unmapped", "TLB", "AdE"
WIDE = Status.KX.mask | Status.SX.mask | Status.UX.mask

SEGMENTS: tuple[tuple[int, str, str, str], ...] = (
    # address, kernel, supervisor, user
    (0x0000_4000, MAPPED, MAPPED, MAPPED), (0x7FFF_F000, MAPPED, MAPPED, MAPPED),
    (KSEG0 + 0x4000, OK, ERROR, ERROR), (KSEG1 + 0x4000, OK, ERROR, ERROR),
    (KSEG2 + 0x4000, MAPPED, MAPPED, ERROR), (sign_extended(0xE000_4000), MAPPED, ERROR, ERROR),
)
WIDE_SEGMENTS: tuple[tuple[int, int, str, str, str], ...] = (
    # address, the bit of Status that opens it, kernel, supervisor, user
    (0x0000_0001_0000_4000, Status.UX.mask, MAPPED, MAPPED, MAPPED),
    (0x0000_03FF_FFFF_F000, Status.UX.mask, MAPPED, MAPPED, MAPPED),
    (0x1000_0000_0000_4000, Status.UX.mask, ERROR, ERROR, ERROR),
    (0x4000_0000_0000_4000, Status.SX.mask, MAPPED, MAPPED, ERROR),
    (0x8000_0000_0000_4000, Status.KX.mask, OK, ERROR, ERROR),
    (0x9800_0000_0000_4000, Status.KX.mask, OK, ERROR, ERROR),
    (0x9004_0000_0000_4000, Status.KX.mask, ERROR, ERROR, ERROR),
    (0xC000_0000_0000_4000, Status.KX.mask, MAPPED, ERROR, ERROR),
    (0xD000_0000_0000_4000, Status.KX.mask, ERROR, ERROR, ERROR),
)


def reach(rig: Rig, address: int, priv: int, status: int) -> tuple[str, int]:
    """How a load from an address ends, and its vector; the code is mapped for every mode at 0x2000."""
    cpu = rig.cpu
    cpu.tlb[0] = TlbEntry(0x2000, 0, 0x4000 >> 6 | VALID | GLOBAL, 0x4000 >> 6 | VALID | GLOBAL)
    cpu.root[Status] = status | priv << Status.KSU.low
    rig.code(0x4000, "lb $9, 0($8)")
    cpu.pc, cpu.gpr[8], cpu.gpr[9] = 0x2000, address, 0
    rig.put(0x4000 + 4, 4, 0)
    cpu.refresh()
    cpu.run(1)
    code = Cause.ExcCode.of(cpu.root[Cause])
    if not cpu.root[Status] & Status.EXL.mask:
        return OK, 0
    return {ExcCode.TLBL: MAPPED, ExcCode.AdEL: ERROR}[ExcCode(code)], cpu.pc - EBASE


@pytest.mark.parametrize("priv", [K, S, U])
@pytest.mark.parametrize("row", SEGMENTS, ids=lambda row: f"{row[0]:x}")
@pytest.mark.parametrize("name", MODELS)
def test_segments_of_32_bits(make: Make, name: str, row: tuple[int, str, str, str], priv: int) -> None:
    how, vector = reach(make(name), row[0], priv, 0)
    assert how == row[1 + priv]
    assert vector == {OK: 0, MAPPED: 0, ERROR: 0x180}[how]


@pytest.mark.parametrize("priv", [K, S, U])
@pytest.mark.parametrize("row", WIDE_SEGMENTS, ids=lambda row: f"{row[0]:x}")
def test_segments_of_64_bits(make: Make, row: tuple[int, int, str, str, str], priv: int) -> None:
    address, opener, *expected = row
    how, vector = reach(make("5KEf"), address, priv, WIDE)
    assert how == expected[priv]
    assert vector == {OK: 0, MAPPED: 0x80, ERROR: 0x180}[how]
    if priv == U and opener == Status.UX.mask:
        return                                         # a user without UX computes addresses in 32 bits
    assert reach(make("5KEf"), address, priv, WIDE & ~opener)[0] == ERROR


def test_a_user_without_ux_computes_addresses_in_32_bits(make: Make) -> None:
    rig = make("5KEf")
    assert reach(rig, 0x1_0000_2000, U, 0)[0] == OK
    assert rig.cpu.gpr[9] == rig.get(0x4000, 1)


@pytest.mark.parametrize("name", MODELS)
def test_erl_opens_user_space_without_a_tlb(make: Make, name: str) -> None:
    rig = make(name)
    rig.put(0x8000, 4, 0x1234_5678)
    rig.code(0x4000, "lw $9, 0($8)")
    rig.cpu.root[Status] = Status.ERL.mask | U << Status.KSU.low
    rig.cpu.pc, rig.cpu.gpr[8] = 0x4000, 0x8000
    rig.cpu.refresh()
    rig.run_to(1)
    assert rig.cpu.gpr[9] == 0x1234_5678


@pytest.mark.parametrize(("priv", "status", "trapped"), [
    (K, 0, False), (S, 0, False), (S, Status.SX.mask, False), (U, 0, True), (U, Status.UX.mask, False),
    (U, Status.PX.mask, False)])
def test_64_bit_operations_need_the_mode_to_have_them(make: Make, priv: int, status: int, trapped: bool) -> None:
    rig = make("5KEf")
    rig.cpu.tlb[0] = TlbEntry(0, 0, VALID | GLOBAL, VALID | GLOBAL)
    rig.code(0, "daddu $9, $8, $8")
    rig.cpu.pc, rig.cpu.gpr[8] = 0, 3
    rig.cpu.root[Status] = status | priv << Status.KSU.low
    rig.cpu.refresh()
    rig.run_to(1)
    assert (Cause.ExcCode.of(rig.cpu.root[Cause]) == ExcCode.RI, rig.cpu.gpr[9] == 6) == (trapped, not trapped)


# -- links and hardware registers -------------------------------------------------------------------------------------

@pytest.mark.parametrize(("name", "shown"), [("24Kf", 0), ("5KEf", 0), ("P5600", 1), ("MIPS64R5-generic", 1)])
def test_lladdr_shows_and_clears_the_link(make: Make, name: str, shown: int) -> None:
    rig = make(name)
    rig.code(0x4000, "ll $9, 0($8)", "mfc0 $10, $17", "mtc0 $11, $17", "mfc0 $12, $17", "mtc0 $0, $17", "mfc0 $13, $17",
             "sc $9, 0($8)")
    rig.cpu.pc, rig.cpu.gpr[8], rig.cpu.gpr[11] = CODE, KSEG0 + 0x8000, 1
    rig.cpu.refresh()
    rig.run_to(7)
    assert (rig.cpu.gpr[10], rig.cpu.gpr[12], rig.cpu.gpr[13]) == (shown, shown, 0)
    assert rig.cpu.gpr[9] == 1 - shown                 # where LLAddr has no LLB, writing it does nothing
    assert rig.cpu.root[LLAddr] == 0


@pytest.mark.parametrize(("number", "value"), [(0, 0), (1, 32), (2, 50), (3, 2), (29, 0x77)])
def test_rdhwr_from_user_mode_needs_its_bit(make: Make, number: int, value: int) -> None:
    for enabled in (True, False):
        rig = make("P5600")
        rig.cpu.tlb[0] = TlbEntry(0, 0, VALID | GLOBAL, VALID | GLOBAL)
        rig.code(0, f"rdhwr $9, ${number}")
        rig.cpu.root[Status], rig.cpu.root[HWREna] = U << Status.KSU.low, enabled << number
        rig.cpu.root[UserLocal] = 0x77
        rig.cpu.pc, rig.cpu.state.ticks = 0, 100
        rig.cpu.refresh()
        rig.run_to(101)
        assert (rig.cpu.gpr[9] == value if enabled else Cause.ExcCode.of(rig.cpu.root[Cause]) == ExcCode.RI)


def test_ri_and_xi_move_between_bits_31_and_63(make: Make) -> None:
    for grain, kept in ((PageGrain.RIE.mask | PageGrain.XIE.mask, 0xC000_0000_0000_0047), (0, 0x47)):
        rig = make("P5600")
        rig.cpu.root[PageGrain] = grain
        rig.code(0x4000, "mtc0 $8, $2", "mfc0 $9, $2")
        rig.cpu.pc, rig.cpu.gpr[8] = CODE, sign_extended(0xC000_0047)
        rig.cpu.refresh()
        rig.run_to(2)
        assert rig.cpu.root[EntryLo0] == kept
        assert rig.cpu.gpr[9] == (sign_extended(0xC000_0047) if grain else 0x47)


def test_user_mode_may_not_touch_coprocessor_0_unless_cu0(make: Make) -> None:
    for cu0 in (False, True):
        rig = make()
        rig.cpu.tlb[0] = TlbEntry(0, 0, VALID | GLOBAL, VALID | GLOBAL)
        rig.code(0, "mfc0 $9, $12")
        rig.cpu.root[Status] = U << Status.KSU.low | Status.CU0.at(cu0)
        rig.cpu.pc = 0
        rig.cpu.refresh()
        rig.run_to(1)
        assert (Cause.ExcCode.of(rig.cpu.root[Cause]) == ExcCode.CpU) == (not cu0)
        assert Cause.CE.of(rig.cpu.root[Cause]) == 0

