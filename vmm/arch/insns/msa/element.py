"""Lanes moved: to and from general registers, within a register, between two.  (MD00866, chapter 3; mips.md 9)

Invariant: lane 0 is the least significant; "left" lanes are the upper half of a register.
"""
from __future__ import annotations

from vmm.arch.insns.msa.formats import SINCE, element, rows, three, three_on
from vmm.arch.rows import Family

elements = Family("msa.element")
VECTOR = 128


# -- one lane -------------------------------------------------------------------------------------------------------------
@element(elements, "0010", "copy_s.b copy_s.h copy_s.w", "{rd}, {ws}[{n:u}]")
def copy_s(bits):
    def meaning(m, n, ws, rd):
        m.gpr[rd] = m.signed(m.element(bits, ws, m.unsigned(n, 4)), bits)
    return meaning


element(elements, "0010", "copy_s.d", "{rd}, {ws}[{n:u}]", bits=64)(copy_s)


@element(elements, "0011", "copy_u.b copy_u.h", "{rd}, {ws}[{n:u}]")
def copy_u(bits):
    def meaning(m, n, ws, rd):
        m.gpr[rd] = m.element(bits, ws, m.unsigned(n, 4))
    return meaning


element(elements, "0011", "copy_u.w", "{rd}, {ws}[{n:u}]", bits=64)(copy_u)


@element(elements, "0100", "insert.b insert.h insert.w", "{wd}[{n:u}], {rs}")
def insert(bits):
    def meaning(m, n, rs, wd):
        m.set_element(bits, wd, m.unsigned(n, 4), m.gpr[rs])
    return meaning


element(elements, "0100", "insert.d", "{wd}[{n:u}], {rs}", bits=64)(insert)


@element(elements, "0101", "insve.b insve.h insve.w insve.d", "{wd}[{n:u}], {ws}[0]")
def insve(bits):
    def meaning(m, n, ws, wd):
        m.set_element(bits, wd, m.unsigned(n, 4), m.element(bits, ws, m.const(0)))
    return meaning


@element(elements, "0001", "splati.b splati.h splati.w splati.d", "{wd}, {ws}[{n:u}]")
def splati(bits):
    def meaning(m, n, ws, wd):
        m.vector(bits)[wd] = m.splat(bits, m.element(bits, ws, m.unsigned(n, 4)))
    return meaning


def by_register(op, minor, names, operands):
    """3R with a general register for wt; the decorated function makes the meaning for a width."""
    return rows(elements, f"011110 {op} «df» rt:5 ws:5 wd:5 {minor}", names, operands, lambda make, bits: make(bits))


@by_register("001", "010100", "splat.b splat.h splat.w splat.d", "{wd}, {ws}[{rt}]")
def splat(bits):
    def meaning(m, rt, ws, wd):
        m.vector(bits)[wd] = m.splat(bits, m.element(bits, ws, m.gpr[rt] & VECTOR // bits - 1))
    return meaning


def fill(bits):
    def meaning(m, rs, wd):
        m.vector(bits)[wd] = m.splat(bits, m.gpr[rs])
    return meaning


FILL = "011110 11000 000 «df» rs:5 wd:5 011110"
rows(elements, FILL, "fill.b fill.h fill.w", "{wd}, {rs}", lambda make, bits: make(bits))(fill)
rows(elements, FILL, "fill.d", "{wd}, {rs}", lambda make, bits: make(bits), bits=64)(fill)


def ldi(bits):
    def meaning(m, imm, wd):
        m.vector(bits)[wd] = m.splat(bits, m.signed(imm, 10))
    return meaning


rows(elements, "011110 110 «df» imm:10 wd:5 000111", "ldi.b ldi.h ldi.w ldi.d", "{wd}, {imm}",
     lambda make, bits: make(bits))(ldi)


@elements.insn("011110 0010111110 ws:5 wd:5 011001", "move.v {wd}, {ws}", since=SINCE, ase="MSA", vector=True)
def move_v(m, ws, wd):
    w = m.vector(64)
    w[wd] = w[ws]


# -- slices of a register, and bytes moved along them --------------------------------------------------------------------
def slid(m, bits, wd, ws, count):
    """The 2 * length bytes of each slice of wd and ws, wd's on the left, ``count`` bytes to the right."""
    length = VECTOR // bits                                    # bytes of a slice: as many as a register has lanes
    w = m.vector(8 * length)
    by = m.splat(8 * length, (count & length - 1) << 3)
    w[wd] = w[ws].shr(by) | w[wd].shl(1).shl(~by)


@by_register("000", "010100", "sld.b sld.h sld.w sld.d", "{wd}, {ws}[{rt}]")
def sld(bits):
    def meaning(m, rt, ws, wd):
        slid(m, bits, wd, ws, m.gpr[rt])
    return meaning


@element(elements, "0000", "sldi.b sldi.h sldi.w sldi.d", "{wd}, {ws}[{n:u}]")
def sldi(bits):
    def meaning(m, n, ws, wd):
        slid(m, bits, wd, ws, m.unsigned(n, 4))
    return meaning


# -- lanes of two registers -----------------------------------------------------------------------------------------------
def count(x):
    return VECTOR // x.bits


@three(elements, "010", "010100", "pckev.b pckev.h pckev.w pckev.d")
def pckev(s, t):
    return t.shuffle(s, range(0, 2 * count(s), 2))


@three(elements, "011", "010100", "pckod.b pckod.h pckod.w pckod.d")
def pckod(s, t):
    return t.shuffle(s, range(1, 2 * count(s), 2))


def interleaved(s, t, lanes):
    """These lanes of both, those of wt on the right."""
    return t.shuffle(s, [n for lane in lanes for n in (lane, lane + count(s))])


@three(elements, "100", "010100", "ilvl.b ilvl.h ilvl.w ilvl.d")
def ilvl(s, t):
    return interleaved(s, t, range(count(s) // 2, count(s)))


@three(elements, "101", "010100", "ilvr.b ilvr.h ilvr.w ilvr.d")
def ilvr(s, t):
    return interleaved(s, t, range(count(s) // 2))


@three(elements, "110", "010100", "ilvev.b ilvev.h ilvev.w ilvev.d")
def ilvev(s, t):
    return interleaved(s, t, range(0, count(s), 2))


@three(elements, "111", "010100", "ilvod.b ilvod.h ilvod.w ilvod.d")
def ilvod(s, t):
    return interleaved(s, t, range(1, count(s), 2))


@three_on(elements, "000", "010101", "vshf.b vshf.h vshf.w vshf.d")
def vshf(d, s, t):
    """Bits 7:6 of a control lane, if not zero, give zero."""
    return ((d & 0xC0) == 0).choose(t.pick(s, d & 0x3F), 0)


def shf(bits):
    """Within each four lanes: lane n becomes the lane that bits 2n+1:2n of the immediate name."""
    def meaning(m, imm, ws, wd):
        w, lanes = m.vector(bits), range(VECTOR // bits)
        wanted = m.splat(bits, m.unsigned(imm, 8)).shr(m.lanes(bits, [2 * (n & 3) for n in lanes])) & 3
        w[wd] = w[ws].pick(w[ws], wanted | m.lanes(bits, [n & ~3 for n in lanes]))
    return meaning


rows(elements, "011110 «df» imm:8 ws:5 wd:5 000010", "shf.b shf.h shf.w", "{wd}, {ws}, {imm:x}",
     lambda make, bits: make(bits))(shf)

