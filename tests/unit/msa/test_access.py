"""When MSA may be used, its control registers, its branches.  (mips.md 9)"""
from __future__ import annotations

import pytest

from tests.support.engines import ENGINES, Rig, fresh
from vmm.arch.cp0.registers import EPC, Cause, Config3, Config5, GuestCtl0, Status
from vmm.arch.exceptions import ExcCode
from vmm.arch.state import OFFSET

KSEG0, CODE = 0xFFFF_FFFF_8000_0000, 0x1000
engines = pytest.mark.parametrize("engine", ENGINES)
INSTRUCTIONS = ("addv.b $w1,$w2,$w3", "ld.w $w1,0($4)", "st.w $w1,0($4)", "bz.v $w1,.+16", "cfcmsa $5,$0",
                "ctcmsa $1,$5", "insert.w $w1[0],$5", "copy_s.w $5,$w1[0]", "div_s.d $w1,$w2,$w3")
BRANCHES = ("bz.v $w1,.+16",)
"""Reserved in a slot whatever they are."""


def ready(engine: str, *lines: str | int, model: str = "P5600", config5: int = Config5.MSAEn.mask, status: int = 0) -> Rig:
    rig = fresh(engine, model)
    rig.cpu.root[Config5] |= config5
    rig.cpu.root[Status] = status
    rig.cpu.refresh()
    rig.code(CODE, *lines)
    rig.cpu.gpr[4], rig.cpu.pc = KSEG0 + 0x2000, KSEG0 + CODE
    return rig


def run(rig: Rig, count: int) -> None:
    rig.cpu.run(rig.cpu.ticks + count)


def raised(rig: Rig) -> ExcCode | None:
    return ExcCode(rig.cpu.root[Cause] >> 2 & 31) if rig.cpu.root[Status] & Status.EXL.mask else None


@engines
@pytest.mark.parametrize(("line", "in_slot"), [*((line, False) for line in INSTRUCTIONS),
                                               *((line, True) for line in INSTRUCTIONS if line not in BRANCHES)])
def test_msa_that_is_switched_off_raises_msadis(engine: str, line: str, in_slot: bool) -> None:
    rig = ready(engine, *(["beq $0,$0,.+8"] if in_slot else []), line, config5=0)
    run(rig, 2 if in_slot else 1)
    assert raised(rig) == ExcCode.MSADis
    assert rig.cpu.root[EPC] == KSEG0 + CODE
    assert bool(rig.cpu.root[Cause] >> 31) == in_slot


@engines
@pytest.mark.parametrize("line", INSTRUCTIONS)
def test_32_bit_fpu_registers_and_msa_exclude_each_other(engine: str, line: str) -> None:
    rig = ready(engine, line)
    rig.cpu.root[Status] = Status.CU1.mask
    rig.cpu.refresh()
    run(rig, 1)
    assert raised(rig) == ExcCode.RI


@engines
@pytest.mark.parametrize("status", [0, Status.FR.mask, Status.CU1.mask | Status.FR.mask], ids=["none", "FR", "CU1,FR"])
def test_coprocessor_1_need_not_be_usable(engine: str, status: int) -> None:
    rig = ready(engine, "ldi.b $w1,-1", "copy_s.w $5,$w1[2]")
    rig.cpu.root[Status] = status
    rig.cpu.refresh()
    run(rig, 2)
    assert raised(rig) is None and rig.cpu.gpr[5] == (1 << 64) - 1


@engines
@pytest.mark.parametrize("word", [0x7803_104E, 0x7804_1060, 0x012A_4045], ids=["addv.b", "ld.b", "lsa"])
def test_a_core_without_msa(engine: str, word: int) -> None:
    rig = ready(engine, word, model="24Kf", config5=0)
    run(rig, 1)
    assert raised(rig) == ExcCode.RI


@engines
def test_a_branch_on_lanes_is_coprocessor_1_on_a_core_without_msa(engine: str) -> None:
    rig = ready(engine, 0x4561_0003, model="24Kf", config5=0)
    run(rig, 1)
    assert raised(rig) == ExcCode.CpU and rig.cpu.root[Cause] >> 28 & 3 == 1


@engines
@pytest.mark.parametrize("hidden", [False, True], ids=["root says no", "the guest has none"])
def test_a_guest_needs_its_own_leave_and_the_roots(engine: str, hidden: bool) -> None:
    rig = ready(engine, "addv.b $w1,$w2,$w3", config5=0)
    rig.cpu.guest[Config5] |= Config5.MSAEn.mask
    rig.cpu.guest[Status] = 0
    if hidden:
        rig.cpu.guest[Config3] &= ~Config3.MSAP.mask
    rig.cpu.root[GuestCtl0] |= GuestCtl0.GM.mask | GuestCtl0.AT.mask | GuestCtl0.CP0.mask
    state = rig.cpu.state
    from vmm.arch.state import TlbSlot
    entry = state.array("root_tlb")
    entry[TlbSlot.VPN], entry[TlbSlot.MASK], entry[TlbSlot.VALID], entry[TlbSlot.GLOBAL] = 0, 0x1FFF, 1, 1
    entry[TlbSlot.LO0], entry[TlbSlot.LO1] = 7, 0x1000 >> 6 | 7
    rig.cpu.refresh()
    run(rig, 1)
    if hidden:
        assert rig.cpu.guest[Cause] >> 2 & 31 == ExcCode.RI and rig.cpu.guest[Status] & Status.EXL.mask
    else:
        assert raised(rig) == ExcCode.MSADis and not rig.cpu.guest[Status] & Status.EXL.mask


@engines
def test_msaen_cannot_be_set_where_msa_is_hidden(engine: str) -> None:
    rig = fresh(engine, "P5600")
    rig.cpu.move_to(Config5, Config5.MSAEn.mask, guest=True)
    assert rig.cpu.move_from(Config5, guest=True) & Config5.MSAEn.mask
    rig.cpu.move_to(Config5, 0, guest=True)
    rig.cpu.move_to(Config3, 0, guest=True)
    rig.cpu.move_to(Config5, Config5.MSAEn.mask, guest=True)
    assert not rig.cpu.move_from(Config5, guest=True) & Config5.MSAEn.mask


# -- control registers ----------------------------------------------------------------------------------------------------
@engines
def test_msacsr_keeps_the_bits_it_has(engine: str) -> None:
    rig = ready(engine, "ctcmsa $1,$5", "cfcmsa $6,$1", "ctcmsa $0,$5", "cfcmsa $7,$0", "ctcmsa $2,$5", "cfcmsa $8,$2")
    rig.cpu.gpr[5] = 0xFFFF_FFFF_FFFC_0FFF & ~0xF80
    run(rig, 6)
    assert rig.cpu.gpr[6] == 0x0104_007F
    assert (rig.cpu.gpr[7], rig.cpu.gpr[8]) == (0, 0)


@engines
@pytest.mark.parametrize(("csr", "traps"), [
    (0x0_1000, False), (0x0_1080, True), (0x1_0000, False), (0x1_0800, True), (0x1_0400, False), (0x2_0000, True)])
def test_writing_a_cause_that_is_enabled_traps(engine: str, csr: int, traps: bool) -> None:
    rig = ready(engine, "ctcmsa $1,$5")
    rig.cpu.gpr[5] = csr
    run(rig, 1)
    assert raised(rig) == (ExcCode.MSAFPE if traps else None)
    assert rig.cpu.state.msacsr == csr


# -- branches -------------------------------------------------------------------------------------------------------------
LANES = {"all zero": 0, "one byte": 1 << 40, "all ones": (1 << 128) - 1, "one byte zero": (1 << 128) - 1 ^ 0xFF << 64,
         "half": (1 << 64) - 1}
TAKEN = {    # the branches that go
    "all zero": "bz.v bz.b bz.h bz.w bz.d", "one byte": "bnz.v bz.b bz.h bz.w bz.d",
    "all ones": "bnz.v bnz.b bnz.h bnz.w bnz.d", "one byte zero": "bnz.v bz.b bnz.h bnz.w bnz.d",
    "half": "bnz.v bz.b bz.h bz.w bz.d",
}


@engines
@pytest.mark.parametrize("lanes", list(LANES))
@pytest.mark.parametrize("name", [f"b{z}.{df}" for z in ("z", "nz") for df in "vbhwd"])
def test_branches_and_their_slot(engine: str, lanes: str, name: str) -> None:
    rig = ready(engine, f"{name} $w7,.+16", "addiu $5,$0,1", "addiu $6,$0,1", "addiu $6,$6,1", "addiu $8,$0,1")
    at = OFFSET["fpr"] + 14
    rig.cpu.state.words[at], rig.cpu.state.words[at + 1] = LANES[lanes] & (1 << 64) - 1, LANES[lanes] >> 64
    run(rig, 3)
    taken = name in TAKEN[lanes].split()
    assert (rig.cpu.gpr[5], rig.cpu.gpr[6], rig.cpu.gpr[8]) == (1, int(not taken), int(taken))


@engines
def test_a_branch_on_lanes_in_a_slot_is_reserved(engine: str) -> None:
    rig = ready(engine, "beq $0,$0,.+16", "bz.v $w1,.+8")
    run(rig, 2)
    assert raised(rig) == ExcCode.RI
