"""Guest mode: entry, every way out, two-stage translation, time and interrupts of a guest.  (mips.md 7)"""
from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.engines import ENGINES, VZ_MODELS, Rig, encode, fresh
from vmm.arch.cp0.registers import (
    EPC,
    BadInstr,
    BadVAddr,
    Cause,
    Compare,
    EBase,
    EntryHi,
    EntryLo0,
    GTOffset,
    GuestCtl0,
    GuestCtl0Ext,
    GuestCtl1,
    GuestCtl2,
    Index,
    Status,
    sign_extended,
)
from vmm.arch.exceptions import ExcCode, GExcCode
from vmm.arch.stops import Stop
from vmm.engine.cpu import TlbEntry

KSEG0, KSEG2 = sign_extended(0x8000_0000), sign_extended(0xC000_0000)
CODE, ROOT_CODE = KSEG0 + 0x4000, KSEG0 + 0x6000
GUEST_VECTORS, ROOT_VECTORS = KSEG0 + 0x1000, KSEG0 + 0x2000
VALID, RIGHTS = 7, 6
CP0, AT3, GT, CG, CF = (GuestCtl0.CP0.mask, GuestCtl0.AT.mask, GuestCtl0.GT.mask, GuestCtl0.CG.mask,
                        GuestCtl0.CF.mask)
AT1 = GuestCtl0.AT.at(1)
FREE = CP0 | AT3 | GT | CG | CF
"""GuestCtl0 of a guest that may do all that root can allow."""
USER = Status.KSU.at(2)
Make = Callable[..., Rig]


@pytest.fixture(params=[(engine, name) for engine in ENGINES for name in VZ_MODELS], ids="-".join)
def make(request: pytest.FixtureRequest) -> Make:
    """A guest, in guest mode: its kernel at CODE, its physical memory one to one, what it may do in GuestCtl0."""
    def build(*lines: str | int, ctl: int = FREE, ext: int = 0, status: int = 0) -> Rig:
        rig = fresh(*request.param)
        cpu = rig.cpu
        identifier = cpu.state.guest_ids & 1
        cpu.root[GuestCtl0] = cpu.root[GuestCtl0] & ~FREE | GuestCtl0.GM.mask | ctl
        cpu.root[GuestCtl0Ext] = ext
        if identifier:
            cpu.root[GuestCtl1] = 0x1_0001
        cpu.tlb[0] = TlbEntry(0, 0x7_E000, VALID, 0x4_0000 >> 6 | VALID, identifier)
        cpu.guest_tlb[0] = TlbEntry(0x4000, 0, 0x4000 >> 6 | VALID, 0x5000 >> 6 | VALID, identifier)
        cpu.root[Status], cpu.root[EBase], cpu.root[EPC] = Status.EXL.mask, ROOT_VECTORS, CODE
        cpu.guest[Status], cpu.guest[EBase] = status, GUEST_VECTORS
        if status & USER:
            cpu.root[EPC] = 0x4000
        rig.code(0x6000, "eret")
        rig.code(0x4000, *lines)
        cpu.pc = ROOT_CODE
        cpu.refresh()
        rig.run_to(1)
        assert cpu.in_guest
        return rig
    return build


def ended(rig: Rig) -> str:
    """Where the CPU is after the guest's instruction: in the guest, in its vectors, or at root, and why."""
    cpu = rig.cpu
    if cpu.in_guest:
        if not cpu.guest[Status] & Status.EXL.mask:
            return "runs"
        return "guest " + ExcCode(Cause.ExcCode.of(cpu.guest[Cause])).name
    code = ExcCode(Cause.ExcCode.of(cpu.root[Cause]))
    return GExcCode(GuestCtl0.GExcCode.of(cpu.root[GuestCtl0])).name if code == ExcCode.GE else "root " + code.name


def test_eret_enters_the_guest_that_gm_names(make: Make) -> None:
    rig = make("addiu $9, $0, 7")
    assert rig.cpu.pc == CODE
    rig.run_to(2)
    assert (rig.cpu.gpr[9], ended(rig)) == (7, "runs")


def test_without_gm_eret_stays_at_root(make: Make) -> None:
    rig = make()
    rig.cpu.root[GuestCtl0] &= ~GuestCtl0.GM.mask
    assert not rig.cpu.in_guest


PRIVILEGED: tuple[tuple[str, int, int, str], ...] = (
    # instruction, GuestCtl0, GuestCtl0Ext, end
    ("mfc0 $9, $12", FREE & ~CP0, 0, "GPSI"), ("mfc0 $9, $12", CP0, 0, "runs"),
    ("eret", FREE & ~CP0, 0, "GPSI"), ("di", FREE & ~CP0, 0, "GPSI"), ("di", CP0, 0, "runs"),
    ("wait", FREE, 0, "GPSI"),
    ("tlbp", CP0 | AT1, 0, "GPSI"), ("tlbp", FREE, 0, "runs"), ("tlbwi", CP0 | AT1, 0, "GPSI"),
    ("tlbwr", CP0 | AT1, 0, "GPSI"), ("tlbr", CP0 | AT1, 0, "GPSI"), ("tlbinvf", CP0 | AT1, 0, "GPSI"),
    ("tlbwr", FREE, 0, "runs"), ("tlbinv", FREE, 0, "runs"),
    ("mfc0 $9, $10", CP0 | AT1, 0, "GPSI"), ("mfc0 $9, $10", FREE, 0, "runs"), ("mtc0 $0, $2", CP0 | AT1, 0, "GPSI"),
    ("mtc0 $0, $3", CP0 | AT1, 0, "GPSI"), ("mfc0 $9, $0", CP0 | AT1, 0, "GPSI"), ("mfc0 $9, $1", CP0 | AT1, 0, "GPSI"),
    ("mfc0 $9, $4", CP0 | AT1, 0, "GPSI"), ("mfc0 $9, $5", CP0 | AT1, 0, "GPSI"), ("mfc0 $9, $5, 1", CP0 | AT1, 0, "GPSI"),
    ("mfc0 $9, $6", CP0 | AT1, 0, "GPSI"), ("mfc0 $9, $4, 2", CP0 | AT1, 0, "runs"),
    ("mfc0 $9, $9", FREE & ~GT, 0, "GPSI"), ("mfc0 $9, $9", FREE, 0, "runs"), ("mtc0 $0, $9", FREE, 0, "GPSI"),
    ("mtc0 $0, $11", FREE & ~GT, 0, "GPSI"), ("mtc0 $0, $11", FREE, 0, "runs"), ("rdhwr $9, $2", FREE & ~GT, 0, "GPSI"),
    ("rdhwr $9, $2", FREE, 0, "runs"), ("rdhwr $9, $0", FREE & ~GT, 0, "runs"),
    ("mtc0 $0, $16", FREE & ~CF, 0, "GPSI"), ("mtc0 $0, $16", FREE, 0, "runs"), ("mfc0 $9, $16", FREE & ~CF, 0, "runs"),
    ("cache 0x15, 0($8)", FREE & ~CG, 0, "GPSI"), ("cache 0x15, 0($8)", FREE, 0, "runs"),
    ("cache 0x01, 0($8)", FREE, 0, "GPSI"), ("cache 0x01, 0($8)", FREE, GuestCtl0Ext.CGI.mask, "runs"),
    ("cache 0x01, 0($8)", FREE & ~CG, GuestCtl0Ext.CGI.mask, "GPSI"),
    ("mfc0 $9, $15", FREE, 0, "GPSI"), ("mfc0 $9, $15, 1", FREE, 0, "runs"), ("mfc0 $9, $12, 2", FREE, 0, "GPSI"),
    ("mfc0 $9, $12, 3", FREE, 0, "GPSI"), ("mfc0 $9, $23", FREE, 0, "GPSI"), ("mfc0 $9, $26", FREE, 0, "GPSI"),
    ("mfc0 $9, $12, 6", FREE, 0, "GPSI"), ("mfc0 $9, $31, 2", FREE, 0, "runs"), ("mfc0 $9, $17", FREE, 0, "runs"),
    ("hypcall 5", FREE, 0, "HC"), ("hypcall", FREE & ~CP0, 0, "GPSI"),
    ("tlbgp", FREE, 0, "guest RI"), ("mfgc0 $9, $12", FREE, 0, "guest RI"), ("mtgc0 $9, $12", FREE, 0, "guest RI"),
    ("tlbgwi", FREE, 0, "guest RI"), ("ext $9, $8, 31, 2", FREE | GuestCtl0.RI.mask, 0, "GRR"),
    ("ext $9, $8, 31, 2", FREE, 0, "guest RI"), ("syscall", FREE | GuestCtl0.RI.mask, 0, "guest Sys"),
    ("cop1.reserved 0", FREE, 0, "guest CpU"),
)


@pytest.mark.parametrize("row", PRIVILEGED, ids=lambda row: f"{row[0]}-{row[1]:x}-{row[2]:x}")
def test_what_leaves_a_guest_kernel(make: Make, row: tuple[str, int, int, str]) -> None:
    line, ctl, ext, expected = row
    rig = make(line, ctl=ctl, ext=ext)
    rig.cpu.gpr[8] = KSEG0 + 0x8000
    rig.cpu.guest[EPC] = CODE + 0x100
    word = rig.get(0x4000, 4)
    rig.run_to(2)
    assert ended(rig) == expected
    if expected in ("GPSI", "HC", "GRR"):
        root = rig.cpu.root
        assert (rig.cpu.pc, root[EPC], root[BadInstr]) == (ROOT_VECTORS + 0x180, CODE, word)
        assert root[GuestCtl0] & GuestCtl0.GM.mask
        assert root[Status] & Status.EXL.mask
        assert rig.cpu.guest[EPC] == CODE + 0x100
    if expected.startswith("guest"):
        assert (rig.cpu.pc, rig.cpu.guest[EPC]) == (GUEST_VECTORS + 0x180, CODE)


@pytest.mark.parametrize(("line", "expected"), [
    ("hypcall", "guest CpU"), ("wait", "guest CpU"), ("mfc0 $9, $12", "guest CpU"), ("syscall", "guest Sys"),
    ("lb $9, 0($8)", "guest AdEL")])
def test_a_guests_user_mode_traps_to_its_kernel(make: Make, line: str, expected: str) -> None:
    rig = make(line, status=USER)
    rig.cpu.gpr[8] = KSEG0
    rig.run_to(2)
    assert ended(rig) == expected


@pytest.mark.parametrize("engine", ENGINES)
def test_hypcall_is_reserved_at_root(engine: str) -> None:
    rig = fresh(engine, "P5600")
    rig.cpu.root[Status], rig.cpu.root[EBase] = 0, ROOT_VECTORS
    rig.code(0x4000, "hypcall")
    rig.cpu.pc = CODE
    rig.cpu.refresh()
    rig.run_to(1)
    assert ended(rig) == "root RI"


@pytest.mark.parametrize(("register", "held", "written", "ext", "expected"), [
    ("$12", 0, Status.BEV.mask, 0, "GSFC"), ("$12", Status.BEV.mask, Status.BEV.mask, 0, "runs"),
    ("$12", 0, Status.BEV.mask, GuestCtl0Ext.FCD.mask, "runs"), ("$12", 0, Status.IE.mask | 0xFF00, 0, "runs"),
    ("$12", 0, USER, 0, "runs"), ("$12", 0, Status.CU0.mask, 0, "runs"),
    ("$13", 0, Cause.DC.mask, 0, "GSFC"), ("$13", 0, Cause.IV.mask, 0, "GSFC"), ("$13", 0, 0x300, 0, "runs"),
    ("$12, 1", 0, 0x20, 0, "GSFC"), ("$12, 1", 0, 0, 0, "runs")])
def test_changing_a_field_that_root_wants_to_know_of(make: Make, register: str, held: int, written: int, ext: int,
                                                     expected: str) -> None:
    rig = make(f"mtc0 $9, {register}", ext=ext, status=held)
    rig.cpu.gpr[9] = written
    before = list(rig.cpu.state.array("guest_cp0"))
    rig.run_to(2)
    assert ended(rig) == expected
    if expected == "GSFC":
        assert list(rig.cpu.state.array("guest_cp0")) == before
        assert rig.cpu.root[EPC] == CODE


# -- translation ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("line", "lo", "code", "vector"), [
    ("lw $9, 0($8)", None, ExcCode.TLBL, 0), ("sw $9, 0($8)", None, ExcCode.TLBS, 0),
    ("lw $9, 0($8)", 0, ExcCode.TLBL, 0x180), ("sw $9, 0($8)", 0, ExcCode.TLBS, 0x180),
    ("sw $9, 0($8)", 2, ExcCode.Mod, 0x180)])
def test_a_fault_of_the_second_stage_is_roots(make: Make, line: str, lo: int | None, code: ExcCode, vector: int) -> None:
    rig = make(line)
    cpu = rig.cpu
    gpa = 0x10_2340
    if lo is not None:
        cpu.tlb[1] = TlbEntry(0x10_2000, 0, lo, lo, cpu.state.guest_ids & 1)
    cpu.gpr[8] = KSEG0 + gpa
    rig.run_to(2)
    assert ended(rig) == f"root {code.name}"
    root = cpu.root
    assert GuestCtl0.GExcCode.of(root[GuestCtl0]) == GExcCode.GPA
    assert (root[BadVAddr], cpu.pc, root[EPC]) == (gpa, ROOT_VECTORS + vector, CODE)
    assert root[EntryHi] & cpu.state.vpn_mask == 0x10_2000
    assert cpu.guest[BadVAddr] == 0


def test_two_stages_one_after_the_other(make: Make) -> None:
    """Guest virtual KSEG2 is guest physical 0x100000, which is at 0x9000."""
    rig = make("lw $9, 4($8)", "sw $9, 8($8)")
    cpu = rig.cpu
    cpu.guest_tlb[1] = TlbEntry(KSEG2, 0, 0x10_0000 >> 6 | RIGHTS, 0, cpu.state.guest_ids & 1)
    cpu.tlb[1] = TlbEntry(0x10_0000, 0, 0x9000 >> 6 | RIGHTS, 0, cpu.state.guest_ids & 1)
    rig.put(0x9004, 4, 0x1234)
    cpu.gpr[8] = KSEG2
    rig.run_to(3)
    assert (cpu.gpr[9], rig.get(0x9008, 4), ended(rig)) == (0x1234, 0x1234, "runs")


@pytest.mark.parametrize(("lo", "line", "expected", "vector"), [
    (None, "lw $9, 0($8)", "guest TLBL", 0), (0, "lw $9, 0($8)", "guest TLBL", 0x180),
    (2, "sw $9, 0($8)", "guest Mod", 0x180)])
def test_a_fault_of_the_first_stage_is_the_guests(make: Make, lo: int | None, line: str, expected: str,
                                                  vector: int) -> None:
    rig = make(line)
    if lo is not None:
        rig.cpu.guest_tlb[1] = TlbEntry(KSEG2, 0, lo, lo, rig.cpu.state.guest_ids & 1)
    rig.cpu.gpr[8] = KSEG2 + 0x10
    rig.run_to(2)
    assert ended(rig) == expected
    assert (rig.cpu.pc, rig.cpu.guest[BadVAddr]) == (GUEST_VECTORS + vector, KSEG2 + 0x10)


def test_a_guest_that_manages_its_tlb_sees_what_it_wrote(make: Make) -> None:
    rig = make("tlbwi", "lw $9, 0($8)", "mtc0 $2, $10", "lw $10, 0($8)")
    cpu = rig.cpu
    rig.put(0x9000, 4, 77)
    cpu.guest[Index], cpu.guest[EntryHi], cpu.guest[EntryLo0] = 3, KSEG2 | 5, 0x9000 >> 6 | RIGHTS
    cpu.gpr[8], cpu.gpr[2] = KSEG2, 6
    rig.run_to(4)
    assert cpu.gpr[9] == 77
    rig.run_to(5)
    assert ended(rig) == "guest TLBL"


def again(rig: Rig) -> None:
    """The guest executes its instruction again, after root changed something."""
    rig.cpu.pc = CODE
    rig.cpu.refresh()
    rig.run_to(rig.cpu.ticks + 1)


@pytest.mark.parametrize("engine", ENGINES)
def test_guests_are_told_apart_by_guest_id(engine: str) -> None:
    rig = fresh(engine, "MIPS64R5-generic")
    cpu = rig.cpu
    cpu.root[GuestCtl0] |= GuestCtl0.GM.mask | FREE
    cpu.root[Status], cpu.root[EBase], cpu.guest[Status] = 0, ROOT_VECTORS, 0
    for identifier in (1, 2):
        cpu.tlb[identifier] = TlbEntry(0x8000, 0, 0x8000 + 0x1000 * identifier >> 6 | VALID, VALID, identifier)
        cpu.tlb[identifier + 2] = TlbEntry(0x4000, 0, 0x4000 >> 6 | VALID, VALID, identifier)
        rig.put(0x8000 + 0x1000 * identifier, 4, identifier)
    rig.code(0x4000, "lw $9, 0($8)")
    cpu.gpr[8] = KSEG0 + 0x8000
    for identifier in (1, 2, 1):
        cpu.root[GuestCtl1] = identifier
        again(rig)
        assert cpu.gpr[9] == identifier
    cpu.root[GuestCtl1] = 3
    again(rig)
    assert ended(rig) == "root TLBL"


@pytest.mark.parametrize("engine", ENGINES)
def test_guests_are_told_apart_by_roots_asid_without_guest_id(engine: str) -> None:
    rig = fresh(engine, "P5600")
    cpu = rig.cpu
    cpu.root[GuestCtl0] |= GuestCtl0.GM.mask | FREE
    cpu.root[Status], cpu.root[EBase], cpu.guest[Status] = 0, ROOT_VECTORS, 0
    for asid in (1, 2):
        cpu.tlb[asid] = TlbEntry(0x8000 | asid, 0, 0x8000 + 0x1000 * asid >> 6 | RIGHTS, RIGHTS)
        cpu.tlb[asid + 2] = TlbEntry(0x4000 | asid, 0, 0x4000 >> 6 | RIGHTS, RIGHTS)
        rig.put(0x8000 + 0x1000 * asid, 4, asid)
    rig.code(0x4000, "lw $9, 0($8)")
    cpu.gpr[8] = KSEG0 + 0x8000
    for asid in (1, 2, 1):
        cpu.root[EntryHi] = asid
        again(rig)
        assert cpu.gpr[9] == asid


def test_a_second_stage_entry_that_root_removes_is_gone_at_once(make: Make) -> None:
    rig = make("lw $9, 0($8)", encode("24Kf", "b back", CODE + 4, back=CODE), "nop")
    cpu = rig.cpu
    cpu.gpr[8] = KSEG0 + 0x10_0000
    cpu.tlb[1] = TlbEntry(0x10_0000, 0, 0x9000 >> 6 | VALID, VALID, cpu.state.guest_ids & 1)
    rig.run_to(1200)
    assert cpu.in_guest
    rig.code(0x6000, "mtc0 $2, $0", "mtc0 $3, $10", "tlbwi", "eret")
    cpu.gpr[2], cpu.gpr[3] = 1, EntryHi.EHINV.mask
    cpu.root[Status] |= Status.EXL.mask
    cpu.root[EPC], cpu.pc = CODE, ROOT_CODE
    cpu.refresh_mode()
    cpu.run(cpu.ticks + 5)
    assert ended(rig) == "root TLBL"
    assert cpu.root[BadVAddr] == 0x10_0000


def test_an_entry_of_either_stage_that_is_written_from_outside_counts_at_once(make: Make) -> None:
    """Guest virtual KSEG2 in turn at guest physical 0x100000 and 0x101000, and these at two places each."""
    rig = make("lw $9, 0($8)", encode("24Kf", "b back", CODE + 4, back=CODE), "nop")
    cpu, identifier = rig.cpu, rig.cpu.state.guest_ids & 1
    cpu.gpr[8] = KSEG2
    for n, place in enumerate((0x9000, 0xA000, 0xB000, 0xC000)):
        rig.put(place, 4, n)

    def see() -> int:
        rig.run_to(cpu.ticks + 300)
        assert cpu.in_guest
        return cpu.gpr[9]

    def second_stage(even: int, odd: int) -> None:
        cpu.tlb[1] = TlbEntry(0x10_0000, 0, even >> 6 | RIGHTS, odd >> 6 | RIGHTS, identifier)

    def first_stage(gpa: int) -> None:
        cpu.guest_tlb[1] = TlbEntry(KSEG2, 0, gpa >> 6 | RIGHTS, 0, identifier)

    second_stage(0x9000, 0xA000)
    first_stage(0x10_0000)
    assert see() == 0
    second_stage(0xB000, 0xC000)
    assert see() == 2
    first_stage(0x10_1000)
    assert see() == 3
    second_stage(0x9000, 0xA000)
    assert see() == 1


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("mask", [0, 0x1_E000, 0x1E_0000 | 0x1_E000, 0x7E_0000 | 0x1_E000])
def test_a_page_of_any_size_that_root_replaces_is_gone_for_root(engine: str, mask: int) -> None:
    """On a core whose root entries may belong to root and to guests alike."""
    rig = fresh(engine, "P5600")
    cpu, at = rig.cpu, 0x0100_0000
    last = at + mask // 2 + 0xFFC & ~3                     # the last page of the even half
    cpu.root[Status], cpu.root[EBase] = 0, ROOT_VECTORS
    cpu.tlb[1] = TlbEntry(at, mask, RIGHTS, RIGHTS)
    rig.code(0x4000, "lw $9, 0($8)", "lw $9, 0($10)", "mtc0 $2, $0", "mtc0 $3, $10", "tlbwi", "lw $9, 0($10)")
    cpu.gpr[2], cpu.gpr[3], cpu.gpr[8], cpu.gpr[10] = 1, EntryHi.EHINV.mask, at, last & (at | 0xFFFF)
    cpu.pc = CODE
    cpu.refresh()
    rig.run_to(5)
    assert not cpu.root[Status] & Status.EXL.mask
    rig.run_to(6)
    assert (cpu.pc, cpu.root[BadVAddr]) == (ROOT_VECTORS, cpu.gpr[10])


def test_a_device_of_the_guest_is_a_stop_with_roots_address(make: Make) -> None:
    rig = make("lw $9, 4($8)")
    cpu = rig.cpu
    cpu.tlb[1] = TlbEntry(0x10_0000, 0, 0x1800_0000 >> 6 | VALID, VALID, cpu.state.guest_ids & 1)
    cpu.gpr[8] = KSEG0 + 0x10_0000
    assert cpu.run(2) == Stop.LOAD
    assert (cpu.state.stop_address, cpu.state.stop_size) == (0x1800_0004, 4)


# -- time and interrupts ----------------------------------------------------------------------------------------------

def test_the_guests_count_is_roots_plus_gtoffset(make: Make) -> None:
    rig = make("mfc0 $9, $9")
    rig.cpu.root[GTOffset] = 0xFFFF_FF00
    rig.cpu.refresh()
    rig.cpu.state.ticks = 0x400
    rig.run_to(0x401)
    assert rig.cpu.gpr[9] == 0x100


def test_the_guests_compare_interrupts_the_guest(make: Make) -> None:
    rig = make(*["nop"] * 40, status=Status.IE.mask | Status.IM.at(0x80))
    rig.cpu.root[GTOffset], rig.cpu.guest[Compare] = 1000, 1010
    rig.cpu.refresh()
    rig.run_to(20)
    assert ended(rig) == "guest Int"
    assert rig.cpu.guest[EPC] == CODE + 4 * 19
    assert Cause.TI.of(rig.cpu.guest[Cause]) == 1
    assert rig.cpu.root[Cause] & 0xFC00 == 0


@pytest.mark.parametrize(("virtual", "lines", "passed", "mask", "expected"), [
    (0x04, 0, 0, 0x10, "guest Int"), (0x04, 0, 0, 0x20, "runs"), (0, 0x1000, 0x04, 0x10, "guest Int"),
    (0, 0x1000, 0, 0x10, "runs")])
def test_interrupts_of_the_guest(make: Make, virtual: int, lines: int, passed: int, mask: int, expected: str) -> None:
    """Raised by root in GuestCtl2.VIP, or real ones that GuestCtl0.PIP lets through."""
    rig = make("nop", "nop", status=Status.IE.mask | Status.IM.at(mask))
    rig.cpu.root[GuestCtl2] = GuestCtl2.VIP.at(virtual)
    rig.cpu.root[GuestCtl0] |= GuestCtl0.PIP.at(passed)
    rig.cpu.state.irq_lines = lines
    rig.cpu.step()
    assert ended(rig) == expected


def test_roots_interrupt_goes_before_the_guests_and_leaves_the_exit_code(make: Make) -> None:
    rig = make("nop", status=Status.IE.mask | Status.IM.at(0x10))
    cpu = rig.cpu
    cpu.root[GuestCtl2] = GuestCtl2.VIP.at(4)
    cpu.root[GuestCtl0] |= GuestCtl0.GExcCode.at(GExcCode.HC)
    cpu.root[Status] = Status.IE.mask | Status.IM.at(0x80)
    cpu.set_interrupt(7, True)
    cpu.step()
    assert ended(rig) == "root Int"
    assert (cpu.pc, cpu.root[EPC]) == (ROOT_VECTORS + 0x180, CODE)
    assert GuestCtl0.GExcCode.of(cpu.root[GuestCtl0]) == GExcCode.HC
    assert not cpu.guest[Status] & Status.EXL.mask
