"""Privileged instructions and the few that look at the machine.  (MD00087, chapter 3; mips.md 6)

What they do is in ``vmm.arch.privileged``; here are their encodings, and which of its functions they stand for.
"""
from __future__ import annotations

from vmm.arch.cp0.registers import Config5, GuestCtl0, GuestCtl0Ext, VPControl
from vmm.arch.exceptions import GExcCode
from vmm.arch.privileged import cp0, exception, shadow, tlb, translate
from vmm.arch.rows import Family

system = Family("system")

DOOR_BIT = 1 << 19
"""An SDBBP with this code bit set, executed by the root kernel, is a door to Python (see ``vmm.engine.stop``)."""


def register_index(m, rd, sel):
    return m.unsigned(rd, 5) << 3 | m.unsigned(sel, 3)


def into_a_holder(m, rt, rd, sel):
    return m.table(cp0.IS_HOLDER, register_index(m, rd, sel)) != 0


def code_stays(m):
    return m.code_stays()


@system.insn("010000 00000 rt:5 rd:5 00000 000 sel:3", "mfc0 {rt}, {rd:n}<, {sel}>", cp0=True)
def mfc0(m, rt, rd, sel):
    index = register_index(m, rd, sel)
    m.gpr[rt] = cp0.low_half(m, index, m.call(cp0.read, index))


@system.insn("010000 00001 rt:5 rd:5 00000 000 sel:3", "dmfc0 {rt}, {rd:n}<, {sel}>", cp0=True, bits=64)
def dmfc0(m, rt, rd, sel):
    m.gpr[rt] = m.call(cp0.read, register_index(m, rd, sel))


@system.insn("010000 00010 rt:5 rd:5 00000 000 sel:3", "mfhc0 {rt}, {rd:n}<, {sel}>", cp0=True, since=2, ase="MVH")
def mfhc0(m, rt, rd, sel):
    index = register_index(m, rd, sel)
    m.gpr[rt] = m.call(cp0.high_half, index, m.call(cp0.read, index))


@system.insn("010000 00100 rt:5 rd:5 00000 000 sel:3", "mtc0 {rt}, {rd:n}<, {sel}>", cp0=True, system=True,
             quiet=into_a_holder)
def mtc0(m, rt, rd, sel):
    index = register_index(m, rd, sel)
    m.call(cp0.write, index, m.call(cp0.from_low_half, index, m.gpr[rt]))


@system.insn("010000 00101 rt:5 rd:5 00000 000 sel:3", "dmtc0 {rt}, {rd:n}<, {sel}>", cp0=True, system=True,
             quiet=into_a_holder, bits=64)
def dmtc0(m, rt, rd, sel):
    m.call(cp0.write, register_index(m, rd, sel), m.gpr[rt])


@system.insn("010000 00110 rt:5 rd:5 00000 000 sel:3", "mthc0 {rt}, {rd:n}<, {sel}>", cp0=True, system=True, since=2,
             ase="MVH")
def mthc0(m, rt, rd, sel):
    index = register_index(m, rd, sel)
    m.call(cp0.write, index, m.call(cp0.with_high_half, index, m.call(cp0.read, index), m.gpr[rt]))


@system.insn("010000 01010 rt:5 rd:5 00000 000000", "rdpgpr {rd}, {rt}", cp0=True, since=2)
def rdpgpr(m, rt, rd):
    m.gpr[rd] = m.call(shadow.read_previous, m.unsigned(rt, 5))


@system.insn("010000 01110 rt:5 rd:5 00000 000000", "wrpgpr {rd}, {rt}", cp0=True, since=2)
def wrpgpr(m, rt, rd):
    m.call(shadow.write_previous, m.unsigned(rd, 5), m.gpr[rt])


@system.insn("010000 01011 rt:5 01100 00000 000000", "di <{rt}>", cp0=True, system=True, since=2)
def di(m, rt):
    m.gpr[rt] = m.call(cp0.set_interrupt_enable, m.const(0))


@system.insn("010000 01011 rt:5 01100 00000 100000", "ei <{rt}>", cp0=True, system=True, since=2)
def ei(m, rt):
    m.gpr[rt] = m.call(cp0.set_interrupt_enable, m.const(1))


@system.insn("010000 1 0000000000000000000 000001", "tlbr", cp0=True, system=True)
def tlbr(m):
    m.call(tlb_operands_from_guest)
    m.call(tlb.read, *tlb.own(m))


@system.insn("010000 1 0000000000000000000 000010", "tlbwi", cp0=True, system=True, quiet=code_stays)
def tlbwi(m):
    m.call(tlb_operands_from_guest)
    m.call(tlb.write_indexed, *tlb.own(m))


@system.insn("010000 1 0000000000000000000 000011", "tlbinv", cp0=True, system=True, ase="TLBINV")
def tlbinv(m):
    m.call(tlb_operands_from_guest)
    m.call(tlb.invalidate_space, *tlb.own(m))


@system.insn("010000 1 0000000000000000000 000100", "tlbinvf", cp0=True, system=True, ase="TLBINV")
def tlbinvf(m):
    m.call(tlb_operands_from_guest)
    m.call(tlb.invalidate_all, *tlb.own(m))


@system.insn("010000 1 0000000000000000000 000110", "tlbwr", cp0=True, system=True, quiet=code_stays)
def tlbwr(m):
    m.call(tlb_operands_from_guest)
    m.call(tlb.write_random, *tlb.own(m))


@system.insn("010000 1 0000000000000000000 001000", "tlbp", cp0=True)
def tlbp(m):
    m.call(tlb_operands_from_guest)
    m.call(tlb.probe, *tlb.own(m))


def tlb_operands_from_guest(m):
    """A guest's TLB operation exits unless root gave it its MMU (GuestCtl0.AT)."""
    for _ in m.when((m.state.in_guest != 0) & (m.root.get(GuestCtl0.AT) != cp0.AT_GUEST)):
        m.call(exception.exit_guest, m.const(GExcCode.GPSI))


@system.insn("010000 1 0000000000000000000 011000", "eret", cp0=True, system=True, alone=True)
def eret(m):
    m.call(exception.return_from_exception, m.const(0))


@system.insn("010000 1 0000000000000000001 011000", "eretnc", cp0=True, system=True, ase="LLB", alone=True)
def eretnc(m):
    m.call(exception.return_from_exception, m.const(1))


@system.insn("010000 1 0000000000000000000 011111", "deret", cp0=True, system=True, alone=True)
def deret(m):
    m.call(exception.return_from_debug)


@system.insn("010000 1 code:19 100000", "wait <{code}>", cp0=True, system=True, alone=True)
def wait(m, code):
    for _ in m.when(m.state.in_guest != 0):
        m.call(exception.exit_guest, m.const(GExcCode.GPSI))
    m.state.halted = 1


@system.insn("011100 code:20 111111", "sdbbp <{code}>", system=True, until=6)
def sdbbp(m, code):
    breakpoint_or_door(m, m.unsigned(code, 20))


def breakpoint_or_door(m, number):
    s = m.state
    m.require((s.priv == 0) | ~m.cp0.on(Config5.SBRI), "RI")
    for _ in m.when(((number & DOOR_BIT) != 0) & (s.in_guest == 0) & (s.priv == 0)):
        m.door(number)
    for _ in m.otherwise():
        m.call(exception.enter_debug)


@system.insn("101111 base:5 op:5 offset:16", "cache {op}, {offset}({base})", cp0=True, until=6)
def cache(m, base, op, offset):
    m.call(cache_operation, m.unsigned(op, 5), m.gpr[base] + m.signed(offset, 16))


def cache_operation(m, operation, address):
    """Decoded code follows stores by itself, so only the address matters: hit operations may fault."""
    m.call(cache_by_guest, operation)
    for _ in m.when(~operation.shr(2).below(m.const(4))):
        m.call(translate.physical, address, m.const(translate.LOAD), m.const(1))


def cache_by_guest(m, operation):
    """A guest's CACHE exits without GuestCtl0.CG; its index operations without GuestCtl0Ext.CGI too (mips.md 7.4)."""
    by_index = operation.shr(2).below(m.const(4))
    lent = m.root.on(GuestCtl0.CG) & (~by_index | m.root.on(GuestCtl0Ext.CGI))
    for _ in m.when((m.state.in_guest != 0) & ~lent):
        m.call(exception.exit_guest, m.const(GExcCode.GPSI))


@system.insn("000001 base:5 11111 offset:16", "synci {offset}({base})", since=2)
def synci(m, base, offset):
    m.call(translate.physical, m.gpr[base] + m.signed(offset, 16), m.const(translate.LOAD), m.const(1))


@system.insn("011111 00000 rt:5 rd:5 00 sel:3 111011", "rdhwr {rt}, {rd:n}<, {sel}>", since=2)
def rdhwr(m, rt, rd, sel):
    m.gpr[rt] = m.call(cp0.hardware_register, m.unsigned(rd, 5), m.unsigned(sel, 3))


def virtual_processors(m, stopped):
    """DVP and EVP: VPControl as it was; whoever runs the CPUs stops the core's others while it says so."""
    old = m.cp0[VPControl]
    m.cp0.put(VPControl.DIS, stopped)
    return m.word(old)
