"""Coprocessor 1 around its arithmetic: may it be used, FCSR and its exceptions, the control registers.

Invariant: an exception that traps leaves the destination and FCSR.Flags as they were.  FCSR.Cause and Flags are complete
after ``m.fp_settle()``: an engine may owe them until somebody looks.  (MD00083, chapter 5; MD00090, chapter 9; mips.md 10)
"""
from __future__ import annotations

from vmm.arch.cp0.registers import Config5, Status
from vmm.arch.fp import FORMATS, NO_EXCEPTION, NO_OPERATION, OPERATIONS, Fcsr, Fir, Flag, Guard
from vmm.arch.rows import AnyMachine

ODD_SINGLE = 12
"""How many bytes lower an odd single is found while FR = 0: in the upper half of the even register before it."""


def update_fpu(m: AnyMachine) -> None:
    """Derive what instructions may do; called whenever Status, Config5 or FCSR may have changed."""
    s, file = m.state, m.cp0
    closed = ~m.root.on(Status.CU1) | ((s.in_guest != 0) & ~m.guest.on(Status.CU1))
    wide = file.on(Status.FR)
    careful = (s.fcsr & (Fcsr.ENABLES | Fcsr.FS | Fcsr.RM)) != 0
    s.fp_guard = (m.select(closed, Guard.CLOSED, 0) | m.select(wide, 0, Guard.NARROW | Guard.ODD)
                  | m.select(wide & file.on(Config5.FRE), Guard.EMULATED, 0) | m.select(careful, Guard.CAREFUL, 0)
                  | s.fp_slow)
    s.fp_odd = m.select(wide, 0, ODD_SINGLE)


def unusable(m: AnyMachine) -> None:
    """CpU for coprocessor 1; to root, if it is root that has not lent it (VZ-51)."""
    s = m.state
    s.trap_ce = 1
    s.trap_root = m.flag((s.in_guest != 0) & m.guest.on(Status.CU1))
    m.trap("CpU")


def enter(m: AnyMachine, odd: AnyMachine, refusal: AnyMachine) -> None:
    """What is asked before an instruction of coprocessor 1: see ``vmm.arch.fp.Needs``."""
    s = m.state
    for _ in m.when((s.fp_guard & Guard.CLOSED) != 0):
        m.call(unusable)
    m.require(((s.instr & odd | (refusal & ~Guard.CAREFUL)) & s.fp_guard) == 0, "RI")


def raised(m: AnyMachine, flags: AnyMachine) -> AnyMachine:
    """Cause from the flags of one or more operations: tiny is underflow, too, if underflow traps."""
    return flags & (Flag.TINY - 1) | flags.shr(6).shl(1) & m.state.fcsr.shr(Fcsr.ENABLES_AT) & Flag.U


def accrue(m: AnyMachine) -> None:
    """``state.fp_flags``, what an operation raised, into FCSR; FPE if one of them is enabled."""
    s = m.state
    cause = m.call(raised, s.fp_flags)
    s.fp_last = NO_OPERATION
    s.fcsr = s.fcsr & ~Fcsr.CAUSE | cause.shl(Fcsr.CAUSE_AT)
    m.call(trap_if_enabled)
    s.fcsr = s.fcsr | (cause & 31).shl(Fcsr.FLAGS_AT)


def trap_if_enabled(m: AnyMachine) -> None:
    fcsr = m.state.fcsr
    enabled = fcsr.shr(Fcsr.ENABLES_AT) & 31 | Flag.E
    m.require((fcsr.shr(Fcsr.CAUSE_AT) & enabled) == 0, "FPE")


def recall(m: AnyMachine) -> None:
    """Cause of the last operation, if it was left out when that was executed: compute it again."""
    s = m.state
    for _ in m.when(s.fp_last != NO_OPERATION):
        s.fp_flags = 0
        for _ in m.when(s.fp_last != NO_EXCEPTION):
            m.call(operate, s.fp_last, s.fp_a, s.fp_b, s.fp_c)
        s.fcsr = s.fcsr & ~Fcsr.CAUSE | m.call(raised, s.fp_flags).shl(Fcsr.CAUSE_AT)
        s.fp_last = NO_OPERATION


def operate(m: AnyMachine, number: AnyMachine, a: AnyMachine, b: AnyMachine, c: AnyMachine) -> AnyMachine:
    """An operation by its number: the result; what it raises is in ``state.fp_flags``."""
    result = m.var(m.const(0))
    for name, operation in OPERATIONS.items():
        for _ in m.when(number == operation.number):
            result.value = m.fp_raw(name, *(a, b, c)[:operation.operands])
    return result.value


# -- control registers ------------------------------------------------------------------------------------------------

FIR, UFR, UNFR, FRE, NFRE, FCCR, FEXR, FENR, FCSR = 0, 1, 4, 5, 6, 25, 26, 28, 31
EXCEPTIONS = Fcsr.CAUSE | Fcsr.FLAGS
FCC_HIGH = 0xFE


def read_control(m: AnyMachine, number: AnyMachine) -> AnyMachine:
    """CFC1; what does not exist reads as 0."""
    s = m.state
    m.fp_settle()
    fcsr = s.fcsr
    conditions = fcsr.shr(24) & FCC_HIGH | (fcsr.shr(23) & 1)
    enables = fcsr & (Fcsr.ENABLES | Fcsr.RM) | (fcsr.shr(24) & 1).shl(2)
    value = m.var(m.const(0))
    for register, held in ((FIR, s.fir), (FCCR, conditions), (FEXR, fcsr & EXCEPTIONS), (FENR, enables),
                           (FCSR, fcsr)):
        value.value = m.select(number == register, held, value.value)
    for _ in m.when(number == UFR):
        m.require(m.cp0.on(Config5.UFR), "RI")
        value.value = m.cp0.get(Status.FR)
    for _ in m.when(number == FRE):
        m.require(m.cp0.on(Config5.UFE), "RI")
        value.value = m.cp0.get(Config5.FRE)
    return m.word(value.value)


def write_control(m: AnyMachine, number: AnyMachine, value: AnyMachine, is_zero: AnyMachine) -> None:
    """CTC1; ``is_zero``: the source is register 0, which alone moves a mode bit.  FPE if a Cause meets its Enable."""
    s = m.state
    m.fp_settle()
    for register, bits, offered in (
            (FCCR, 0xFE00_0000 | Fcsr.FCC0, (value & FCC_HIGH).shl(24) | (value & 1).shl(23)),
            (FEXR, EXCEPTIONS, value),
            (FENR, Fcsr.ENABLES | Fcsr.RM | Fcsr.FS, value & ~Fcsr.FS | (value.shr(2) & 1).shl(24)),
            (FCSR, 0xFFFF_FFFF, value)):
        for _ in m.when(number == register):
            writable = s.fcsr_writable & bits
            s.fcsr = s.fcsr & ~writable | (offered & writable)
    for register, gate, bit, feature, new in ((UFR, Config5.UFR, Status.FR, Fir.UFRP, 0),
                                              (UNFR, Config5.UFR, Status.FR, Fir.UFRP, 1),
                                              (FRE, Config5.UFE, Config5.FRE, Fir.FREP, 0),
                                              (NFRE, Config5.UFE, Config5.FRE, Fir.FREP, 1)):
        for _ in m.when((number == register) & ((s.fir & feature) != 0) & (is_zero != 0)):
            m.require(m.cp0.on(gate), "RI")
            m.cp0.put(bit, new)
    m.call(update_fpu)
    m.call(trap_if_enabled)


# -- arithmetic -------------------------------------------------------------------------------------------------------

def arithmetic(m: AnyMachine, name: str, *words: AnyMachine) -> AnyMachine:
    """What ``m.fp`` means: the operation, FCSR, a trap if one is due; the result."""
    s, operation = m.state, OPERATIONS[name]
    s.fp_flags = m.const(0)
    if operation.kind in ("abs", "neg"):
        return turned(m, name, words[0])
    result = m.fp_raw(name, *words)
    m.call(accrue)
    return result


def turned(m: AnyMachine, name: str, word: AnyMachine) -> AnyMachine:
    """ABS and NEG: bits alone since ABS2008, arithmetic before."""
    operation = OPERATIONS[name]
    sign = 1 << FORMATS[operation.source].width - 1
    result = m.var(word & ~sign if operation.kind == "abs" else word ^ sign)
    for _ in m.when((m.state.fcsr & Fcsr.ABS2008) == 0):
        result.value = m.fp_raw(name, word)
        m.call(accrue)
    return result.value
