"""The generated world switch: where its parts are, and that it keeps every register.  Rows EN-1..EN-15."""
from __future__ import annotations

from itertools import product

import pytest

from vmm.arch.cp0.registers import Config4, DDataLo, EBase, ErrorEPC, KScratch1, KScratch2, KScratch3, Status
from vmm.arch.insns import ROWS
from vmm.arch.models import MODELS
from vmm.arch.text import Mnemonics, assemble_line
from vmm.host.kernel.entry import BLOCK_BYTES, SwitchCode
from vmm.host.kernel.kernel import Kernel
from vmm.host.kernel.layout import CodePlan, PtRegs, ScratchRegisters, choose_scratch
from vmm.host.kernel.memory import physical_address
from vmm.host.kernel.pagetable import Geometry
from vmm.host.kernel.uasm import Assembly, Code
from vmm.host.kernel.vcpu_block import LONGS, VcpuLayout
from vmm.host.machine import Machine

EBASE = 0xFFFFFFFF_80010000
MNEMONICS = Mnemonics(ROWS)


def assemble(assembly: Assembly) -> Code:
    return assembly.finish(lambda line, pc, symbols: assemble_line(line, pc, rows=MNEMONICS, symbols=symbols))


def plan(word: int, *, vz: bool = False, guest_id: bool = False, page_shift: int = 14, big: bool = False) -> CodePlan:
    scratch = choose_scratch(Config4.KScrExist.at(0x1C) if vz else 0)
    return CodePlan(Geometry(page_shift, word), big, scratch, vz, vz, vz, vz, 0xF, EBASE - 0x10000, EBASE - 0xFC00,
                    EBASE - 0xF800, 0xFF, vz, guest_id, hilo=True)


def test_scratch_registers_prefer_kscratch() -> None:
    """EN-1."""
    assert choose_scratch(0) == ScratchRegisters(None, DDataLo.number, ErrorEPC.number)
    assert choose_scratch(Config4.KScrExist.at(0x1C)) == ScratchRegisters(
        KScratch1.number, KScratch2.number, KScratch3.number)
    assert choose_scratch(Config4.KScrExist.at(0x0C)) == ScratchRegisters(
        KScratch1.number, KScratch2.number, ErrorEPC.number)


@pytest.mark.parametrize(("word", "vz", "guest_id", "shift"),
                         list(product((4, 8), (False, True), (False, True), (12, 14))))
def test_the_block_has_its_vectors_where_the_hardware_goes(word: int, vz: bool, guest_id: bool, shift: int) -> None:
    """EN-3."""
    layout = plan(word, vz=vz, guest_id=guest_id, page_shift=shift)
    code = assemble(SwitchCode(layout, VcpuLayout(word), EBASE).emit())
    at = {name: address - EBASE for name, address in code.symbols.items()}
    assert at["tlb_refill"] == (0x80 if vz and word == 8 else 0)
    assert at["general_exception"] == 0x180
    assert [at[f"interrupt_{n}"] for n in range(8)] == [0x200 + 0x100 * n for n in range(8)]
    assert at["common_exit"] == 0x2000 < at["ret_from_exit"] < at["vcpu_run"] < at["end"] < BLOCK_BYTES


def test_fields_of_the_frame_and_of_the_vcpu_do_not_overlap() -> None:
    for word in (4, 8):
        frame, block = PtRegs(word), VcpuLayout(word)
        places = [frame.gpr(n) for n in range(32)] + [frame.status, frame.cause, frame.epc]
        assert len(set(places)) == len(places)
        assert max(places) < frame.size
        assert frame.size % 16 == 0
        assert len({block.at(name) for name in LONGS} | {block.gpr(n) for n in range(32)}) == 32 + len(LONGS)


def test_gaps_are_filled_with_nops_as_the_assembler_writes_them() -> None:
    assembly = Assembly(0, 4)
    assembly.org(0x10)
    assert assemble(assembly).words == (assemble_line("nop", rows=MNEMONICS),) * 4


def test_a_listing_shows_labels_and_an_overrun_is_refused() -> None:
    asm = Assembly(EBASE, 4)
    asm.label("here")
    asm.load_word("$8", 0x12345678)
    listing = assemble(asm).listing()
    assert "here:" in listing
    assert "lui $8, 4660" in listing
    with pytest.raises(ValueError, match="4 bytes past offset"):
        asm.org(4)
    with pytest.raises(ValueError, match="defined twice"):
        asm.label("here")


@pytest.mark.parametrize("model", ["24Kf", "P5600", "5KEf", "MIPS64R5-generic"])
def test_generated_helpers_and_vectors_are_in_ram_with_their_names(model: str) -> None:
    kernel = Kernel(Machine(MODELS[model], 1, 1 << 20, engine="reference"))
    assert kernel.text.symbols["host_general"] & 0xFFFFFFFF == 0x80000180
    word = kernel.ram.load(physical_address(kernel.text.symbols["host_general_of_kernel"]), 4)
    assert word == assemble_line("sdbbp 0x80003", 0, rows=MNEMONICS)
    assert kernel.cpus[0].root[EBase] & 0xFFFFF000 == 0x80000000
    assert kernel.cpus[0].root[Status] & Status.IM.mask
