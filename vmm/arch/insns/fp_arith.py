"""Arithmetic, conversions, comparisons and selections in single and double.  (MD00087, chapter 3; mips.md 8.3, 10)

Invariant: what an operation computes and raises is ``m.fp``'s business, and ``vmm.arch.fp`` lists the operations; a row
says where the operands are and where the result goes.  Rows that come in both formats are made by one definition: the
format's letter, its five bits, and its registers ``m.fp32`` or ``m.fp64``.
"""
from __future__ import annotations

from vmm.arch.fp import OPERATIONS, Fcsr, needs
from vmm.arch.insns.fp_move import condition_holds, condition_place
from vmm.arch.rows import REMOVED_NEVER, Family

fp_arith = Family("fp_arith")

FORMAT_BITS = {"s": "10000", "d": "10001", "w": "10100", "l": "10101"}


def registers(m, letter):
    return m.fp64 if letter in "dl" else m.fp32


def needs_of(careful, wide=False, **letters):
    """What it needs whose fields have these formats: ``fd="d", fs="s"``."""
    return needs(" ".join(name for name, letter in letters.items() if letter in "dl"),
                 singles=any(letter in "sw" for letter in letters.values()), careful=careful, wide=wide)


# -- operations of one or two operands --------------------------------------------------------------------------------

def binary(kind, function, letter, since=1):
    name = f"{kind}.{letter}"

    def meaning(m, ft, fs, fd):
        file = registers(m, letter)
        file[fd] = m.fp(name, file[fs], file[ft])
    fp_arith.insn(f"010001 {FORMAT_BITS[letter]} ft:5 fs:5 fd:5 {function}", f"{name} {{fd}}, {{fs}}, {{ft}}", since=since,
                  fp=needs_of(True, ft=letter, fs=letter, fd=letter))(meaning)


def unary(name, function, since=1, until=REMOVED_NEVER, wide=False):
    operation = OPERATIONS[name]
    source, to = operation.source, operation.result

    def meaning(m, fs, fd):
        registers(m, to)[fd] = m.fp(name, registers(m, source)[fs])
    wide = wide or "l" in (source, to)
    fp_arith.insn(f"010001 {FORMAT_BITS[source]} 00000 fs:5 fd:5 {function}", f"{name} {{fd}}, {{fs}}", since=since,
                  until=until, fp=needs_of(True, wide, fs=source, fd=to))(meaning)


for letter in "sd":
    binary("add", "000000", letter)
    binary("sub", "000001", letter)
    binary("mul", "000010", letter)
    binary("div", "000011", letter)
    binary("min", "011100", letter, since=6)
    binary("mina", "011101", letter, since=6)
    binary("max", "011110", letter, since=6)
    binary("maxa", "011111", letter, since=6)
    unary(f"sqrt.{letter}", "000100")
    unary(f"abs.{letter}", "000101")
    unary(f"neg.{letter}", "000111")
    unary(f"recip.{letter}", "010101", since=2)
    unary(f"rsqrt.{letter}", "010110", since=2)
    unary(f"rint.{letter}", "011010", since=6)
    unary(f"round.l.{letter}", "001000")
    unary(f"trunc.l.{letter}", "001001")
    unary(f"ceil.l.{letter}", "001010")
    unary(f"floor.l.{letter}", "001011")
    unary(f"round.w.{letter}", "001100")
    unary(f"trunc.w.{letter}", "001101")
    unary(f"ceil.w.{letter}", "001110")
    unary(f"floor.w.{letter}", "001111")
    unary(f"cvt.w.{letter}", "100100")
    unary(f"cvt.l.{letter}", "100101")
    unary(f"cvt.{letter}.w", "100000" if letter == "s" else "100001")
    unary(f"cvt.{letter}.l", "100000" if letter == "s" else "100001")
unary("cvt.s.d", "100000")
unary("cvt.d.s", "100001")


# -- multiply and add -------------------------------------------------------------------------------------------------

def multiply_add(kind, function, letter):
    """fs*ft and fr, rounded twice.  (before release 6)"""
    name = f"{kind}.{letter}"

    def meaning(m, fr, ft, fs, fd):
        file = registers(m, letter)
        file[fd] = m.fp(name, file[fs], file[ft], file[fr])
    fp_arith.insn(f"010011 fr:5 ft:5 fs:5 fd:5 {function} 00{int(letter == 'd')}", f"{name} {{fd}}, {{fr}}, {{fs}}, {{ft}}",
                  since=2, until=6, fp=needs_of(True, fr=letter, ft=letter, fs=letter, fd=letter))(meaning)


def fused(kind, function, letter):
    """fs*ft added to fd, rounded once.  (release 6)"""
    name = f"{kind}.{letter}"

    def meaning(m, ft, fs, fd):
        file = registers(m, letter)
        file[fd] = m.fp(name, file[fs], file[ft], file[fd])
    fp_arith.insn(f"010001 {FORMAT_BITS[letter]} ft:5 fs:5 fd:5 {function}", f"{name} {{fd}}, {{fs}}, {{ft}}", since=6,
                  fp=needs_of(True, ft=letter, fs=letter, fd=letter))(meaning)


for letter in "sd":
    multiply_add("madd", "100", letter)
    multiply_add("msub", "101", letter)
    multiply_add("nmadd", "110", letter)
    multiply_add("nmsub", "111", letter)
    fused("maddf", "011000", letter)
    fused("msubf", "011001", letter)


# -- comparisons ------------------------------------------------------------------------------------------------------

CONDITIONS = ("f", "un", "eq", "ueq", "olt", "ult", "ole", "ule", "sf", "ngle", "seq", "ngl", "lt", "nge", "le", "ngt")
"""By number: bit 0 holds for unordered, bit 1 for equal, bit 2 for less; bit 3 makes quiet NaNs invalid."""
PREDICATES = ("af", "un", "eq", "ueq", "lt", "ult", "le", "ule")
NEGATED = {1: "or", 2: "une", 3: "ne"}


def compare(number, letter):
    """C.cond.fmt: the answer goes to a condition code.  (before release 6)"""
    name = f"{'signal' if number & 8 else 'quiet'}.{letter}"

    def meaning(m, ft, fs, cc):
        file = registers(m, letter)
        holds = m.fp_holds(name, number & 7, file[fs], file[ft])
        place = condition_place(m, cc)
        m.state.fcsr = m.state.fcsr & ~m.const(1).shl(place) | m.flag(holds).shl(place)
    fp_arith.insn(f"010001 {FORMAT_BITS[letter]} ft:5 fs:5 cc:3 00 11{number:04b}",
                  f"c.{CONDITIONS[number]}.{letter} <{{cc}}, >{{fs}}, {{ft}}", until=6,
                  fp=needs_of(True, ft=letter, fs=letter))(meaning)


def compare_to_mask(number, negated, signalling, letter):
    """CMP.cond.fmt: all ones or zeros.  (release 6)"""
    name = f"{'signal' if signalling else 'quiet'}.{letter}"
    predicate = NEGATED[number] if negated else PREDICATES[number]

    def meaning(m, ft, fs, fd):
        file = registers(m, letter)
        holds = m.fp_holds(name, number, file[fs], file[ft])
        file[fd] = m.select(~holds if negated else holds, -1, 0)
    fp_arith.insn(f"010001 {FORMAT_BITS['w' if letter == 's' else 'l']} ft:5 fs:5 fd:5 0 {negated}{signalling}{number:03b}",
                  f"cmp.{'s' * signalling}{predicate}.{letter} {{fd}}, {{fs}}, {{ft}}", since=6,
                  fp=needs_of(True, ft=letter, fs=letter, fd=letter))(meaning)


for letter in "sd":
    for number in range(16):
        compare(number, letter)
    for signalling in (0, 1):
        for number in range(8):
            compare_to_mask(number, 0, signalling, letter)
        for number in NEGATED:
            compare_to_mask(number, 1, signalling, letter)


# -- moves and selections, of bits alone ------------------------------------------------------------------------------

def move(letter):
    bits = FORMAT_BITS[letter]
    both = needs_of(False, fs=letter, fd=letter)
    three = needs_of(False, ft=letter, fs=letter, fd=letter)

    @fp_arith.insn(f"010001 {bits} 00000 fs:5 fd:5 000110", f"mov.{letter} {{fd}}, {{fs}}", fp=both)
    def mov(m, fs, fd):
        registers(m, letter)[fd] = registers(m, letter)[fs]

    @fp_arith.insn(f"010001 {bits} cc:3 00 fs:5 fd:5 010001", f"movf.{letter} {{fd}}, {{fs}}, {{cc}}", until=6, fp=both)
    def movf(m, cc, fs, fd):
        file = registers(m, letter)
        file[fd] = m.select(condition_holds(m, cc), file[fd], file[fs])

    @fp_arith.insn(f"010001 {bits} cc:3 01 fs:5 fd:5 010001", f"movt.{letter} {{fd}}, {{fs}}, {{cc}}", until=6, fp=both)
    def movt(m, cc, fs, fd):
        file = registers(m, letter)
        file[fd] = m.select(condition_holds(m, cc), file[fs], file[fd])

    @fp_arith.insn(f"010001 {bits} rt:5 fs:5 fd:5 010010", f"movz.{letter} {{fd}}, {{fs}}, {{rt}}", until=6, fp=both)
    def movz(m, rt, fs, fd):
        file = registers(m, letter)
        file[fd] = m.select(m.gpr[rt] == 0, file[fs], file[fd])

    @fp_arith.insn(f"010001 {bits} rt:5 fs:5 fd:5 010011", f"movn.{letter} {{fd}}, {{fs}}, {{rt}}", until=6, fp=both)
    def movn(m, rt, fs, fd):
        file = registers(m, letter)
        file[fd] = m.select(m.gpr[rt] != 0, file[fs], file[fd])

    @fp_arith.insn(f"010001 {bits} ft:5 fs:5 fd:5 010000", f"sel.{letter} {{fd}}, {{fs}}, {{ft}}", since=6, fp=three)
    def sel(m, ft, fs, fd):
        file = registers(m, letter)
        file[fd] = m.select((file[fd] & 1) != 0, file[ft], file[fs])

    @fp_arith.insn(f"010001 {bits} ft:5 fs:5 fd:5 010100", f"seleqz.{letter} {{fd}}, {{fs}}, {{ft}}", since=6, fp=three)
    def seleqz(m, ft, fs, fd):
        file = registers(m, letter)
        file[fd] = m.select((file[ft] & 1) == 0, file[fs], 0)

    @fp_arith.insn(f"010001 {bits} ft:5 fs:5 fd:5 010111", f"selnez.{letter} {{fd}}, {{fs}}, {{ft}}", since=6, fp=three)
    def selnez(m, ft, fs, fd):
        file = registers(m, letter)
        file[fd] = m.select((file[ft] & 1) != 0, file[fs], 0)

    @fp_arith.insn(f"010001 {bits} 00000 fs:5 fd:5 011011", f"class.{letter} {{fd}}, {{fs}}", since=6, fp=both)
    def classify(m, fs, fd):
        registers(m, letter)[fd] = class_of(m, registers(m, letter)[fs], letter)


def class_of(m, x, letter):
    """One bit: sNaN, qNaN, then -infinity, -normal, -denormal, -0, and the same four for plus.  (mips.md 10)"""
    width, fraction = (64, 52) if letter == "d" else (32, 23)
    magnitude = x & (1 << width - 1) - 1
    infinity = (1 << width - 1) - (1 << fraction)
    bit = m.select(magnitude == 0, 8, m.select(magnitude.below(1 << fraction), 4, 2))
    bit = m.select(magnitude == infinity, 1, bit)
    signed = bit.shl(2).shl(m.select(x.shr(width - 1) != 0, 0, 4))
    top = x.shr(fraction - 1) & 1
    quiet = top == m.flag((m.state.fcsr & Fcsr.NAN2008) != 0)
    return m.select(m.const(infinity).below(magnitude), m.select(quiet, 2, 1), signed)


for letter in "sd":
    move(letter)
