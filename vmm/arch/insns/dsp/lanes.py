"""DSP: arithmetic, comparison, conversion and shifts of bytes, halfwords and words in general registers.  (MD00374, 5)

Invariant: lanes are independent; a fractional product of -1 and -1 is the greatest number, and says so in ouflag.
"""
from __future__ import annotations

from vmm.arch.insns.dsp.words import (
    ADD_FLAG,
    CARRY,
    CCOND,
    MULTIPLY_FLAG,
    SHIFT_FLAG,
    any_of,
    control,
    family,
    flag,
    outside,
    packed,
    rounded_shift,
    row,
    saturated,
    set_control,
    signed_lanes,
    unsigned_lanes,
)

lanes = family("lanes")
ADD_CLASS, COMPARE_CLASS, ABSOLUTE_CLASS, SHIFT_CLASS, HALF_CLASS = "010000", "010001", "010010", "010011", "011000"


def three(minor, code, name, *, release=1):
    return row(lanes, f"011111 rs:5 rt:5 rd:5 {code} {minor}", f"{name} {{rd}}, {{rs}}, {{rt}}", release=release)


def both(m, rs, rt, width, signed):
    split = signed_lanes if signed else unsigned_lanes
    return list(zip(split(m, m.gpr[rs], width), split(m, m.gpr[rt], width), strict=True))


# -- addition and subtraction -----------------------------------------------------------------------------------------

def sums(code, name, width, *, signed, minus, clamp, release=1):
    @three(ADD_CLASS, code, name, release=release)
    def meaning(m, rs, rt, rd):
        exact = [a - b if minus else a + b for a, b in both(m, rs, rt, width, signed)]
        top = (1 << width) - 1
        wrong = [outside(m, x, width) if signed else (x.less(0) if minus else m.const(top).less(x)) for x in exact]
        if clamp:
            exact = [saturated(m, x, width) if signed else m.select(w, 0 if minus else top, x)
                     for x, w in zip(exact, wrong, strict=True)]
        m.gpr[rd] = packed(m, exact, width)
        flag(m, any_of(wrong), ADD_FLAG)


for _code, _name, _width, _signed, _minus, _clamp, _release in (
        ("00000", "addu.qb", 8, 0, 0, 0, 1), ("00001", "subu.qb", 8, 0, 1, 0, 1), ("00100", "addu_s.qb", 8, 0, 0, 1, 1),
        ("00101", "subu_s.qb", 8, 0, 1, 1, 1), ("01000", "addu.ph", 16, 0, 0, 0, 2), ("01001", "subu.ph", 16, 0, 1, 0, 2),
        ("01100", "addu_s.ph", 16, 0, 0, 1, 2), ("01101", "subu_s.ph", 16, 0, 1, 1, 2),
        ("01010", "addq.ph", 16, 1, 0, 0, 1), ("01011", "subq.ph", 16, 1, 1, 0, 1),
        ("01110", "addq_s.ph", 16, 1, 0, 1, 1), ("01111", "subq_s.ph", 16, 1, 1, 1, 1),
        ("10110", "addq_s.w", 32, 1, 0, 1, 1), ("10111", "subq_s.w", 32, 1, 1, 1, 1)):
    sums(_code, _name, _width, signed=_signed, minus=_minus, clamp=_clamp, release=_release)


def halves(code, name, width, *, signed, minus, round_up):
    @three(HALF_CLASS, code, name, release=2)
    def meaning(m, rs, rt, rd):
        exact = [(a - b if minus else a + b) + round_up for a, b in both(m, rs, rt, width, signed)]
        m.gpr[rd] = packed(m, [x.sar(1) for x in exact], width)


for _code, _name, _width, _signed, _minus, _round in (
        ("00000", "adduh.qb", 8, 0, 0, 0), ("00001", "subuh.qb", 8, 0, 1, 0), ("00010", "adduh_r.qb", 8, 0, 0, 1),
        ("00011", "subuh_r.qb", 8, 0, 1, 1), ("01000", "addqh.ph", 16, 1, 0, 0), ("01001", "subqh.ph", 16, 1, 1, 0),
        ("01010", "addqh_r.ph", 16, 1, 0, 1), ("01011", "subqh_r.ph", 16, 1, 1, 1), ("10000", "addqh.w", 32, 1, 0, 0),
        ("10001", "subqh.w", 32, 1, 1, 0), ("10010", "addqh_r.w", 32, 1, 0, 1), ("10011", "subqh_r.w", 32, 1, 1, 1)):
    halves(_code, _name, _width, signed=_signed, minus=_minus, round_up=_round)


@three(ADD_CLASS, "10000", "addsc")
def addsc(m, rs, rt, rd):
    total = m.unsigned(m.gpr[rs], 32) + m.unsigned(m.gpr[rt], 32)
    m.gpr[rd] = m.word(total)
    set_control(m, CARRY, 1, total.shr(32))


@three(ADD_CLASS, "10001", "addwc")
def addwc(m, rs, rt, rd):
    total = m.word(m.gpr[rs]) + m.word(m.gpr[rt]) + control(m, CARRY, 1)
    m.gpr[rd] = m.word(total)
    flag(m, outside(m, total, 32), ADD_FLAG)


@three(ADD_CLASS, "10010", "modsub")
def modsub(m, rs, rt, rd):
    index = m.gpr[rs]
    m.gpr[rd] = m.word(m.select(m.unsigned(index, 32) == 0, m.unsigned(m.gpr[rt].shr(8), 16),
                                index - m.unsigned(m.gpr[rt], 8)))


@row(lanes, "011111 rs:5 00000 rd:5 10100 010000", "raddu.w.qb {rd}, {rs}")
def raddu(m, rs, rd):
    a, b, c, d = unsigned_lanes(m, m.gpr[rs], 8)
    m.gpr[rd] = a + b + c + d


# -- multiplication ---------------------------------------------------------------------------------------------------

def fraction(m, a, b, width):
    """The product of two fractions, twice as wide, and whether it was -1 times -1."""
    least = -(1 << width - 1)
    wrong = (a == least) & (b == least)
    return m.select(wrong, (1 << 2 * width - 1) - 1, (a * b).shl(1)), wrong


def unsigned_by_bytes(code, name, lanes_of_rs):
    @three(ADD_CLASS, code, name)
    def meaning(m, rs, rt, rd):
        bytes_, words = unsigned_lanes(m, m.gpr[rs], 8)[lanes_of_rs], unsigned_lanes(m, m.gpr[rt], 16)
        exact = [a * b for a, b in zip(bytes_, words, strict=True)]
        wrong = [m.const(0xFFFF).less(x) for x in exact]
        m.gpr[rd] = packed(m, [m.select(w, 0xFFFF, x) for x, w in zip(exact, wrong, strict=True)], 16)
        flag(m, any_of(wrong), MULTIPLY_FLAG)


unsigned_by_bytes("00110", "muleu_s.ph.qbl", slice(2, 4))
unsigned_by_bytes("00111", "muleu_s.ph.qbr", slice(0, 2))


def one_fraction(code, name, lane):
    @three(ADD_CLASS, code, name)
    def meaning(m, rs, rt, rd):
        product, wrong = fraction(m, *both(m, rs, rt, 16, True)[lane], 16)
        m.gpr[rd] = m.word(product)
        flag(m, wrong, MULTIPLY_FLAG)


one_fraction("11100", "muleq_s.w.phl", 1)
one_fraction("11101", "muleq_s.w.phr", 0)


def fractions(minor, code, name, width, *, round_up, release):
    @three(minor, code, name, release=release)
    def meaning(m, rs, rt, rd):
        parts, bad = [], []
        for a, b in both(m, rs, rt, width, True):
            product, wrong = fraction(m, a, b, width)
            top = (1 << width - 1) - 1
            rounded = product + (1 << width - 1) if round_up else product
            parts.append(m.select(wrong, top, rounded.sar(width)))
            bad.append(wrong)
        m.gpr[rd] = packed(m, parts, width)
        flag(m, any_of(bad), MULTIPLY_FLAG)


fractions(ADD_CLASS, "11110", "mulq_s.ph", 16, round_up=False, release=2)
fractions(ADD_CLASS, "11111", "mulq_rs.ph", 16, round_up=True, release=1)
fractions(HALF_CLASS, "10110", "mulq_s.w", 32, round_up=False, release=2)
fractions(HALF_CLASS, "10111", "mulq_rs.w", 32, round_up=True, release=2)


def integers(code, name, *, clamp):
    @three(HALF_CLASS, code, name, release=2)
    def meaning(m, rs, rt, rd):
        exact = [a * b for a, b in both(m, rs, rt, 16, True)]
        m.gpr[rd] = packed(m, [saturated(m, x, 16) if clamp else x for x in exact], 16)
        flag(m, any_of([outside(m, x, 16) for x in exact]), MULTIPLY_FLAG)


integers("01100", "mul.ph", clamp=False)
integers("01110", "mul_s.ph", clamp=True)


# -- comparison and choice --------------------------------------------------------------------------------------------

COMPARISONS = {"eq": lambda a, b: a == b, "lt": lambda a, b: a.less(b), "le": lambda a, b: ~b.less(a)}


def compared(m, rs, rt, width, signed, how):
    bits = m.const(0)
    for n, (a, b) in enumerate(both(m, rs, rt, width, signed)):
        bits = bits | m.flag(COMPARISONS[how](a, b)).shl(n)
    return bits


def comparison(code, name, how, width):
    @row(lanes, f"011111 rs:5 rt:5 00000 {code} 010001", f"{name} {{rs}}, {{rt}}")
    def meaning(m, rs, rt):
        set_control(m, CCOND, 32 // width, compared(m, rs, rt, width, width == 16, how))


def comparison_to_register(code, name, how, *, also_control):
    @three(COMPARE_CLASS, code, name, release=2 if also_control else 1)
    def meaning(m, rs, rt, rd):
        bits = compared(m, rs, rt, 8, False, how)
        m.gpr[rd] = bits
        if also_control:
            set_control(m, CCOND, 4, bits)


for _n, _how in enumerate(COMPARISONS):
    comparison(f"{_n:05b}", f"cmpu.{_how}.qb", _how, 8)
    comparison(f"{_n + 8:05b}", f"cmp.{_how}.ph", _how, 16)
    comparison_to_register(f"{_n + 4:05b}", f"cmpgu.{_how}.qb", _how, also_control=False)
    comparison_to_register(f"{_n + 24:05b}", f"cmpgdu.{_how}.qb", _how, also_control=True)


def picked(code, name, width):
    @three(COMPARE_CLASS, code, name)
    def meaning(m, rs, rt, rd):
        chosen = [m.select(control(m, CCOND + n, 1) != 0, a, b) for n, (a, b) in enumerate(both(m, rs, rt, width, False))]
        m.gpr[rd] = packed(m, chosen, width)


picked("00011", "pick.qb", 8)
picked("01011", "pick.ph", 16)


# -- conversion -------------------------------------------------------------------------------------------------------

def gathered(code, name, width, source, release=1):
    """``source``: the lanes of rt, then of rs, that make the result from its least significant lane on."""
    @three(COMPARE_CLASS, code, name, release=release)
    def meaning(m, rs, rt, rd):
        all_lanes = unsigned_lanes(m, m.gpr[rt], width) + unsigned_lanes(m, m.gpr[rs], width)
        m.gpr[rd] = packed(m, [all_lanes[n] for n in source], width)


gathered("01100", "precrq.qb.ph", 8, (1, 3, 5, 7))
gathered("01101", "precr.qb.ph", 8, (0, 2, 4, 6), release=2)
gathered("01110", "packrl.ph", 16, (1, 2))
gathered("10100", "precrq.ph.w", 16, (1, 3))


@three(COMPARE_CLASS, "01111", "precrqu_s.qb.ph")
def precrqu(m, rs, rt, rd):
    parts = signed_lanes(m, m.gpr[rt], 16) + signed_lanes(m, m.gpr[rs], 16)
    high = [m.const(0x7F80).less(x) for x in parts]
    bytes_ = [m.select(x.less(0), 0, m.select(h, 0xFF, x.shr(7))) for x, h in zip(parts, high, strict=True)]
    m.gpr[rd] = packed(m, bytes_, 8)
    flag(m, any_of([x.less(0) | h for x, h in zip(parts, high, strict=True)]), SHIFT_FLAG)


@three(COMPARE_CLASS, "10101", "precrq_rs.ph.w")
def precrq_rs(m, rs, rt, rd):
    exact = [(m.word(m.gpr[r]) + 0x8000).sar(16) for r in (rt, rs)]
    m.gpr[rd] = packed(m, [saturated(m, x, 16) for x in exact], 16)
    flag(m, any_of([outside(m, x, 16) for x in exact]), SHIFT_FLAG)


def reduced(code, name, *, rounded):
    @row(lanes, f"011111 rs:5 rt:5 sa:5 {code} 010001", f"{name} {{rt}}, {{rs}}, {{sa:x}}", release=2)
    def meaning(m, rs, rt, sa):
        amount = m.unsigned(sa, 5)
        words = [m.word(m.gpr[r]) for r in (rs, rt)]
        m.gpr[rt] = packed(m, [rounded_shift(m, x, amount) if rounded else x.sar(amount) for x in words], 16)


reduced("11110", "precr_sra.ph.w", rounded=False)
reduced("11111", "precr_sra_r.ph.w", rounded=True)


def two(code, name, *, release=1):
    return row(lanes, f"011111 00000 rt:5 rd:5 {code} 010010", f"{name} {{rd}}, {{rt}}", release=release)


def absolute(code, name, width, release=1):
    @two(code, name, release=release)
    def meaning(m, rt, rd):
        exact = [m.select(x.less(0), -x, x) for x in signed_lanes(m, m.gpr[rt], width)]
        m.gpr[rd] = packed(m, [saturated(m, x, width) for x in exact], width)
        flag(m, any_of([outside(m, x, width) for x in exact]), ADD_FLAG)


absolute("00001", "absq_s.qb", 8, release=2)
absolute("01001", "absq_s.ph", 16)
absolute("10001", "absq_s.w", 32)


def widened(code, name, left, right, shift):
    @two(code, name)
    def meaning(m, rt, rd):
        bytes_ = unsigned_lanes(m, m.gpr[rt], 8)
        m.gpr[rd] = packed(m, [bytes_[right].shl(shift), bytes_[left].shl(shift)], 16)


for _kind, _shift, _first in (("precequ", 7, 4), ("preceu", 0, 28)):
    for _n, (_part, _left, _right) in enumerate((("qbl", 3, 2), ("qbr", 1, 0), ("qbla", 3, 1), ("qbra", 2, 0))):
        widened(f"{_first + _n:05b}", f"{_kind}.ph.{_part}", _left, _right, _shift)


@two("01100", "preceq.w.phl")
def preceq_left(m, rt, rd):
    m.gpr[rd] = m.word(m.gpr[rt] & ~0xFFFF)


@two("01101", "preceq.w.phr")
def preceq_right(m, rt, rd):
    m.gpr[rd] = m.word(m.gpr[rt].shl(16))


@two("00011", "replv.qb")
def replv_bytes(m, rt, rd):
    m.gpr[rd] = packed(m, [m.gpr[rt]] * 4, 8)


@two("01011", "replv.ph")
def replv_halves(m, rt, rd):
    m.gpr[rd] = packed(m, [m.gpr[rt]] * 2, 16)


@row(lanes, "011111 00 imm:8 rd:5 00010 010010", "repl.qb {rd}, {imm:x}")
def repl_bytes(m, imm, rd):
    m.gpr[rd] = packed(m, [m.unsigned(imm, 8)] * 4, 8)


@row(lanes, "011111 imm:10 rd:5 01010 010010", "repl.ph {rd}, {imm:s}")
def repl_halves(m, imm, rd):
    m.gpr[rd] = packed(m, [m.signed(imm, 10)] * 2, 16)


@two("11011", "bitrev")
def bitrev(m, rt, rd):
    x = m.unsigned(m.gpr[rt], 16)
    for mask, by in ((0x5555, 1), (0x3333, 2), (0x0F0F, 4), (0x00FF, 8)):
        x = (x & mask).shl(by) | x.shr(by) & mask
    m.gpr[rd] = x


# -- shifts -----------------------------------------------------------------------------------------------------------

AMOUNT_BITS = {8: 3, 16: 4, 32: 5}


def shift(code, variable_code, name, width, effect, release=1, variable_release=None):
    """Two rows: the amount in the word, and in rs with a v in the name."""
    bits = AMOUNT_BITS[width]
    zeros = "0" * (5 - bits)
    stem, _, format_ = name.partition(".")
    base, _, suffix = stem.partition("_")
    variable = f"{base}v{'_' + suffix if suffix else ''}.{format_}"

    @row(lanes, f"011111 {zeros} sa:{bits} rt:5 rd:5 {code} 010011", f"{name} {{rd}}, {{rt}}, {{sa:x}}", release=release)
    def by_field(m, sa, rt, rd):
        m.gpr[rd] = effect(m, m.gpr[rt], m.unsigned(sa, bits), width)

    @row(lanes, f"011111 rs:5 rt:5 rd:5 {variable_code} 010011", f"{variable} {{rd}}, {{rt}}, {{rs}}",
         release=variable_release or release)
    def by_register(m, rs, rt, rd):
        m.gpr[rd] = effect(m, m.gpr[rt], m.unsigned(m.gpr[rs], bits), width)


def left_unsigned(m, x, amount, width):
    exact = [lane.shl(amount) for lane in unsigned_lanes(m, x, width)]
    flag(m, any_of([lane.shr(width) != 0 for lane in exact]), SHIFT_FLAG)
    return packed(m, exact, width)


def left_signed(m, x, amount, width):
    exact = [lane.shl(amount) for lane in signed_lanes(m, x, width)]
    flag(m, any_of([outside(m, lane, width) for lane in exact]), SHIFT_FLAG)
    return packed(m, exact, width)


def left_saturated(m, x, amount, width):
    exact = [lane.shl(amount) for lane in signed_lanes(m, x, width)]
    flag(m, any_of([outside(m, lane, width) for lane in exact]), SHIFT_FLAG)
    return packed(m, [saturated(m, lane, width) for lane in exact], width)


def right_logical(m, x, amount, width):
    return packed(m, [lane.shr(amount) for lane in unsigned_lanes(m, x, width)], width)


def right_arithmetic(m, x, amount, width):
    return packed(m, [lane.sar(amount) for lane in signed_lanes(m, x, width)], width)


def right_rounded(m, x, amount, width):
    return packed(m, [rounded_shift(m, lane, amount) for lane in signed_lanes(m, x, width)], width)


shift("00000", "00010", "shll.qb", 8, left_unsigned)
shift("00001", "00011", "shrl.qb", 8, right_logical)
shift("00100", "00110", "shra.qb", 8, right_arithmetic, release=2)
shift("00101", "00111", "shra_r.qb", 8, right_rounded, release=2)
shift("01000", "01010", "shll.ph", 16, left_signed)
shift("01001", "01011", "shra.ph", 16, right_arithmetic)
shift("01100", "01110", "shll_s.ph", 16, left_saturated)
shift("01101", "01111", "shra_r.ph", 16, right_rounded)
shift("10100", "10110", "shll_s.w", 32, left_saturated)
shift("10101", "10111", "shra_r.w", 32, right_rounded)
shift("11001", "11011", "shrl.ph", 16, right_logical, release=2)
