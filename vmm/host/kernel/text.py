"""The kernel's text: the code that runs where C is not enough, in low memory, and its symbols.

The exception vectors are at 0 (``traps``); behind them the few helpers that generated code calls, where each CPU finds its
page directory and its stack, and the rest of the vectors' code.  Invariant: every address that code was placed at is that
of a symbol, and ``code`` has all of it, in the order in which it came.  (rows HM-52, EN-1..EN-3, VZ-4; mips.md 5.2)
"""
from __future__ import annotations

from vmm.arch.cp0.registers import GuestCtl1, HWREna
from vmm.arch.insns import ROWS
from vmm.arch.models import CpuModel
from vmm.arch.rows import available
from vmm.arch.text import Mnemonics, assemble_line
from vmm.host.kernel.asids import ASID_MASK
from vmm.host.kernel.cpu import Ram
from vmm.host.kernel.layout import TI_CPU, CodePlan, Door, HostFeatures
from vmm.host.kernel.memory import CKSEG0, physical_address
from vmm.host.kernel.pagetable import Geometry
from vmm.host.kernel.switch import emit_resume
from vmm.host.kernel.traps import emit_entry, emit_vectors
from vmm.host.kernel.uasm import Assembly, Code

HELPERS = 0x400
PGD_CURRENT = 0x800
KERNEL_SP = 0xA00
ENTRY = 0xC00
RESERVED = 0x1000
"""Bytes of low memory that are the text's."""


class KernelText:
    """``plan``: what generated code has to know of this host.  ``refill``: where the refill handlers are."""

    def __init__(self, ram: Ram, model: CpuModel, features: HostFeatures, geometry: Geometry, *, big_endian: bool) -> None:
        self._ram, self._model, self._features, self._geometry = ram, model, features, geometry
        self._mnemonics = Mnemonics(available(ROWS, release=model.release, bits=model.bits, ases=model.ases))
        self.symbols: dict[str, int] = {}
        self.code: list[Code] = []
        self.plan = self._place_helpers(big_endian)
        self.refill = self._place_vectors()

    def place(self, assembly: Assembly, prefix: str = "") -> Code:
        """Assemble into RAM; its labels become symbols of the host, under ``prefix``."""
        code = assembly.finish(lambda line, pc, symbols: assemble_line(line, pc, rows=self._mnemonics,
                                                                        symbols=symbols))
        pa = physical_address(code.address)
        for index, word in enumerate(code.words):
            self._ram.store(pa + 4 * index, 4, word)
        self.symbols.update({prefix + name: address for name, address in code.symbols.items()})
        self.code.append(code)
        return code

    def _place_helpers(self, big_endian: bool) -> CodePlan:
        helpers = Assembly(CKSEG0 + HELPERS, self._features.word)
        helpers.label("returned")
        helpers.emit(f"sdbbp {int(Door.RETURNED)}", "b returned", "nop")
        self._emit_setup_pgd(helpers)
        code = self.place(helpers)
        features = self._features
        readable = self._model.write_mask(HWREna)           # by user programs: all that RDHWR offers
        return CodePlan(
            geometry=self._geometry, big_endian=big_endian, scratch=features.scratch, rixi=features.rixi,
            ebase_gate=features.ebase_gate, has_bad_instr=features.bad_instr, has_bad_instr_p=features.bad_instr_p,
            hwrena=readable, host_ebase=CKSEG0, setup_pgd=code.symbols["setup_pgd"],
            pgd_current=CKSEG0 + PGD_CURRENT, asid_mask=ASID_MASK, vz=features.vz,
            guest_id=bool(self._model.write_mask(GuestCtl1)), hilo=features.hilo)

    def _place_vectors(self) -> range:
        entry = Assembly(CKSEG0 + ENTRY, self._features.word)
        emit_entry(entry, self.plan, CKSEG0 + KERNEL_SP)
        emit_resume(entry, self.plan, CKSEG0 + KERNEL_SP)
        vectors = Assembly(CKSEG0, self._features.word)
        emit_vectors(vectors, self.plan, self.place(entry).symbols["user_exception"])
        self.place(vectors, "host_")
        return range(self.symbols["host_tlb_refill"], self.symbols["host_general"])

    def _emit_setup_pgd(self, asm: Assembly) -> None:
        """setup_pgd(a0): the directory register, or this CPU's word of pgd_current; changes only AT and t2 ($10)."""
        asm.label("setup_pgd")
        if self._features.scratch.pgd is not None:
            asm.to_cp0("$4", self._features.scratch.pgd)
        else:
            asm.emit(f"lw $1, {TI_CPU}($28)", f"sll $1, $1, {self._geometry.word_shift}", "lui $10, 0x8000")
            asm.add("$1", "$1", "$10")
            asm.store("$4", PGD_CURRENT, "$1")
        asm.emit("ehb", "jr $31", "nop")
