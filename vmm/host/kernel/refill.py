"""The TLB refill handlers, of a vCPU's exception block and of the kernel's own.  (rows EN-3, EN-9, EN-10)

A refill handler walks the current page directory and never leaves MIPS code: where nothing is mapped it loads a
pair with V=0, and the TLB-invalid exception that follows is the exit (hard detail 14).
"""
from __future__ import annotations

from vmm.arch.cp0.registers import BadVAddr, Context, EntryLo0, EntryLo1
from vmm.host.kernel.layout import CodePlan
from vmm.host.kernel.pagetable import ENTRYLO_SHIFT, RIXI_ROTATE, RIXI_SHIFT
from vmm.host.kernel.uasm import Assembly
from vmm.host.kernel.vcpu_block import VcpuLayout

K0, K1 = "$26", "$27"

POINTER_SHIFT = Context.PTEBase.low
"""Without a KScratch register for the directory, Context.PTEBase holds the CPU's number times the size of a pointer:
shifted down by this, it is an offset into ``pgd_current``, and nothing of BadVPN2 is left in it."""


def emit_refill(asm: Assembly, plan: CodePlan, layout: VcpuLayout, name: str) -> None:
    """EN-9.  k1 goes to the temporary scratch register, k0 to the vCPU."""
    asm.label(name)
    emit_save_k(asm, plan, layout)
    _emit_load(asm, plan, name)
    asm.from_cp0(K1, plan.scratch.vcpu)
    asm.load(K0, layout.gpr(26), K1)
    asm.emit("ehb")
    asm.from_cp0(K1, plan.scratch.temporary)
    asm.emit("eret")
    _emit_beyond(asm, plan, name)


def emit_fast_refill(asm: Assembly, plan: CodePlan, name: str) -> None:
    """For the kernel's own users, who do without k0 and k1."""
    asm.label(name)
    _emit_load(asm, plan, name)
    asm.emit("eret")
    _emit_beyond(asm, plan, name)


def _emit_load(asm: Assembly, plan: CodePlan, name: str) -> None:
    """Put the pair of BadVAddr into the TLB."""
    _emit_pgd(asm, plan)
    _emit_walk(asm, plan, name)
    _emit_entry_lo(asm, plan, K0, EntryLo0.number)
    _emit_entry_lo(asm, plan, K1, EntryLo1.number)
    asm.label(f"{name}_write")
    asm.emit("ehb", "tlbwr")


def _emit_beyond(asm: Assembly, plan: CodePlan, name: str) -> None:
    """An address that no table reaches."""
    if plan.word == 8:
        asm.label(f"{name}_beyond")
        asm.to_cp0("$0", EntryLo0.number)
        asm.to_cp0("$0", EntryLo1.number)
        asm.emit(f"b {name}_write", "nop")


def emit_save_k(asm: Assembly, plan: CodePlan, layout: VcpuLayout) -> None:
    """What every entry from the guest begins with; leaves the vCPU in k1."""
    asm.to_cp0(K1, plan.scratch.temporary)
    asm.from_cp0(K1, plan.scratch.vcpu)
    asm.store(K0, layout.gpr(26), K1)


def _emit_pgd(asm: Assembly, plan: CodePlan) -> None:
    """k1 := the current page directory."""
    if plan.scratch.pgd is not None:
        asm.from_cp0(K1, plan.scratch.pgd)
        return
    asm.from_cp0(K0, Context.number)
    asm.load_word(K1, plan.pgd_current)
    asm.emit(f"{'srl' if plan.word == 4 else 'dsrl'} {K0}, {K0}, {POINTER_SHIFT}")
    asm.add(K1, K1, K0)
    asm.load(K1, 0, K1)


def _emit_walk(asm: Assembly, plan: CodePlan, name: str) -> None:
    """k0, k1 := the PTE pair of BadVAddr, from the directory in k1."""
    geometry = plan.geometry
    wide = plan.word == 8
    shift, extract = ("dsll", "dext") if wide else ("sll", "ext")
    if wide:
        asm.from_cp0(K0, BadVAddr.number)
        asm.emit(f"dsrl32 {K0}, {K0}, {geometry.coverage - 32}", f"bne {K0}, $0, {name}_beyond", "nop")
    *upper, leaf = geometry.shifts
    for position in upper:
        asm.from_cp0(K0, BadVAddr.number)
        width = min(geometry.index_bits, geometry.coverage - position)
        asm.emit(f"{_extract(extract, position)} {K0}, {K0}, {position}, {width}")
        asm.emit(f"{shift} {K0}, {K0}, {geometry.word_shift}")
        asm.add(K1, K1, K0)
        asm.load(K1, 0, K1)
    asm.from_cp0(K0, BadVAddr.number)
    asm.emit(f"{_extract(extract, leaf + 1)} {K0}, {K0}, {leaf + 1}, {geometry.index_bits - 1}")
    asm.emit(f"{shift} {K0}, {K0}, {geometry.word_shift + 1}")
    asm.add(K1, K1, K0)
    asm.load(K0, 0, K1)
    asm.load(K1, plan.word, K1)


def _extract(extract: str, position: int) -> str:
    """DEXT reaches bits 31..0 of position; DEXTU the rest."""
    return "dextu" if position >= 32 else extract


def _emit_entry_lo(asm: Assembly, plan: CodePlan, register: str, entry_lo: tuple[int, int]) -> None:
    wide = "d" if plan.word == 8 else ""
    if plan.rixi:
        asm.emit(f"{wide}srl {register}, {register}, {RIXI_SHIFT}")
        asm.emit(f"{wide}rotr {register}, {register}, {RIXI_ROTATE}")
    else:
        asm.emit(f"{wide}srl {register}, {register}, {ENTRYLO_SHIFT}")
    asm.to_cp0(register, entry_lo)
