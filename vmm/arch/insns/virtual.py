"""The virtualization instructions and global invalidation.  (MD00846, VZ module, chapter 6; mips.md 7, 8.2)"""
from __future__ import annotations

from vmm.arch.cp0.registers import Config5
from vmm.arch.exceptions import GExcCode
from vmm.arch.insns.system import register_index
from vmm.arch.privileged import cp0, exception, tlb
from vmm.arch.rows import Family

vz = Family("vz")


def need_root(m):
    """VZ's instructions are reserved in a guest (mips.md 7.4)."""
    m.require(m.state.in_guest == 0, "RI")


@vz.insn("010000 00011 rt:5 rd:5 00000 000 sel:3", "mfgc0 {rt}, {rd:n}<, {sel}>", cp0=True, ase="VZ")
def mfgc0(m, rt, rd, sel):
    m.call(need_root)
    index = register_index(m, rd, sel)
    m.gpr[rt] = m.call(cp0.low_half, index, m.call(cp0.read_of_guest, index))


@vz.insn("010000 00011 rt:5 rd:5 00100 000 sel:3", "dmfgc0 {rt}, {rd:n}<, {sel}>", cp0=True, ase="VZ", bits=64)
def dmfgc0(m, rt, rd, sel):
    m.call(need_root)
    m.gpr[rt] = m.call(cp0.read_of_guest, register_index(m, rd, sel))


@vz.insn("010000 00011 rt:5 rd:5 01000 000 sel:3", "mtgc0 {rt}, {rd:n}<, {sel}>", cp0=True, ase="VZ", system=True)
def mtgc0(m, rt, rd, sel):
    m.call(need_root)
    index = register_index(m, rd, sel)
    m.call(cp0.write_of_guest, index, m.call(cp0.from_low_half, index, m.gpr[rt]))


@vz.insn("010000 00011 rt:5 rd:5 01100 000 sel:3", "dmtgc0 {rt}, {rd:n}<, {sel}>", cp0=True, ase="VZ", system=True,
         bits=64)
def dmtgc0(m, rt, rd, sel):
    m.call(need_root)
    m.call(cp0.write_of_guest, register_index(m, rd, sel), m.gpr[rt])


@vz.insn("010000 00011 rt:5 rd:5 10000 000 sel:3", "mfhgc0 {rt}, {rd:n}<, {sel}>", cp0=True, ase="VZ")
def mfhgc0(m, rt, rd, sel):
    m.call(need_root)
    index = register_index(m, rd, sel)
    m.gpr[rt] = m.call(cp0.high_half, index, m.call(cp0.read_of_guest, index))


@vz.insn("010000 00011 rt:5 rd:5 11000 000 sel:3", "mthgc0 {rt}, {rd:n}<, {sel}>", cp0=True, ase="VZ", system=True)
def mthgc0(m, rt, rd, sel):
    m.call(need_root)
    index = register_index(m, rd, sel)
    old = m.call(cp0.read_of_guest, index)
    m.call(cp0.write_of_guest, index, m.call(cp0.with_high_half, index, old, m.gpr[rt]))


@vz.insn("010000 1 0000 code:10 00000 101000", "hypcall <{code}>", ase="VZ",
         system=True)
def hypcall(m, code):
    """From a guest's kernel, an exit; from its user mode CpU, in root mode reserved (mips.md 7.4)."""
    m.call(need_guest)
    m.call(cp0.need_cp0)
    m.call(exception.exit_guest, m.const(GExcCode.HC))


def need_guest(m):
    m.require(m.state.in_guest != 0, "RI")


@vz.insn("010000 1 0000000000000000000 001001", "tlbgr", cp0=True, system=True, ase="VZ")
def tlbgr(m):
    m.call(need_root)
    m.call(tlb.read, *tlb.of_guest(m))


@vz.insn("010000 1 0000000000000000000 001010", "tlbgwi", cp0=True, system=True, ase="VZ")
def tlbgwi(m):
    m.call(need_root)
    m.call(tlb.write_indexed, *tlb.of_guest(m))


@vz.insn("010000 1 0000000000000000000 001011", "tlbginv", cp0=True, system=True, ase="VZ")
def tlbginv(m):
    m.call(need_root)
    m.call(tlb.invalidate_space, *tlb.of_guest(m))


@vz.insn("010000 1 0000000000000000000 001100", "tlbginvf", cp0=True, system=True, ase="VZ")
def tlbginvf(m):
    m.call(need_root)
    m.call(tlb.invalidate_all, *tlb.of_guest(m))


@vz.insn("010000 1 0000000000000000000 001110", "tlbgwr", cp0=True, system=True, ase="VZ")
def tlbgwr(m):
    m.call(need_root)
    m.call(tlb.write_random, *tlb.of_guest(m))


@vz.insn("010000 1 0000000000000000000 010000", "tlbgp", cp0=True, system=True, ase="VZ")
def tlbgp(m):
    m.call(need_root)
    m.call(tlb.probe, *tlb.of_guest(m))


@vz.insn("011111 rs:5 00000000000 -- 00 111101", "ginvi {rs}", cp0=True, system=True, ase="GINV")
def ginvi(m, rs):
    """Instruction caches hold nothing that memory does not; other CPUs have nothing to do."""
    m.require(m.cp0.on(Config5.GI), "RI")              # a guest has none


@vz.insn("011111 rs:5 00000000000 type:2 10 111101", "ginvt {rs}, {type:x}", cp0=True, system=True, ase="GINV")
def ginvt(m, rs, type):
    m.require((m.cp0.get(Config5.GI) == 3) & m.cp0.on(Config5.MI), "RI")
    m.call(tlb.invalidate_everywhere, m.gpr[rs], m.unsigned(type, 2))


@vz.insn("011111 rs:5 00000000000 type:2 11 111101", "ginvgt {rs}, {type:x}", cp0=True, system=True, ase="VZ GINV")
def ginvgt(m, rs, type):
    """Its encoding is unconfirmed: no manual at hand, assembler or emulator has it.  It is taken to be what bits 7 and 6
    leave free beside GINVI, 00, and GINVT, 10 (mips.md 8.2); what it does is row KW-5, and as the tags of a guest's TLB
    are the guest's, root's Config5.MI is not asked for."""
    m.call(need_root)
    m.require(m.cp0.get(Config5.GI) == 3, "RI")
    m.call(tlb.invalidate_guest_everywhere, m.gpr[rs], m.unsigned(type, 2))
