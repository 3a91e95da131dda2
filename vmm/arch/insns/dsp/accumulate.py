"""DSP: the accumulators, what is extracted from them, DSPControl, indexed loads, bit insertion.  (MD00374, chapter 5)

Invariant: an accumulator is 64 bits, hi its upper word; overflow of accumulator n sets ouflag bit 16 + n.
"""
from __future__ import annotations

from vmm.arch.insns.dsp.lanes import fraction
from vmm.arch.insns.dsp.words import (
    EFI,
    EXTRACT_FLAG,
    POS,
    SCOUNT,
    accumulator,
    control,
    family,
    flag,
    flag_of,
    outside,
    place,
    row,
    saturated,
    set_accumulator,
    set_control,
    signed_lanes,
    unsigned_lanes,
)

accumulate = family("accumulate")
DSPCONTROL_PARTS = ((0, 0x3F), (1, 0x1F80), (2, 1 << 13), (3, 0xFF_0000), (4, 0x0F00_0000), (5, 1 << 14))
"""By bit of the mask operand of RDDSP and WRDSP: pos, scount, carry, ouflag, ccond, EFI."""


def dot(code, name, release=1):
    return row(accumulate, f"011111 rs:5 rt:5 000 ac:2 {code} 110000", f"{name} {{ac}}, {{rs}}, {{rt}}", release=release)


def halfwords(m, rs, rt, cross):
    (a0, a1), (b0, b1) = signed_lanes(m, m.gpr[rs], 16), signed_lanes(m, m.gpr[rt], 16)
    return [(a1, b0), (a0, b1)] if cross else [(a1, b1), (a0, b0)]


def integer_dot(code, name, *, cross, first, second, release=2):
    """``first`` and ``second``: +1 to add the product of the left and of the right lanes, -1 to subtract it."""
    @dot(code, name, release)
    def meaning(m, rs, rt, ac):
        left, right = (a * b for a, b in halfwords(m, rs, rt, cross))
        total = accumulator(m, ac)
        total = total + left if first > 0 else total - left
        set_accumulator(m, ac, total + right if second > 0 else total - right)


integer_dot("00000", "dpa.w.ph", cross=False, first=1, second=1)
integer_dot("00001", "dps.w.ph", cross=False, first=-1, second=-1)
integer_dot("00010", "mulsa.w.ph", cross=False, first=1, second=-1)
integer_dot("01000", "dpax.w.ph", cross=True, first=1, second=1)
integer_dot("01001", "dpsx.w.ph", cross=True, first=-1, second=-1)


def byte_dot(code, name, part, minus):
    @dot(code, name)
    def meaning(m, rs, rt, ac):
        pairs = zip(unsigned_lanes(m, m.gpr[rs], 8)[part], unsigned_lanes(m, m.gpr[rt], 8)[part], strict=True)
        one, other = (a * b for a, b in pairs)
        total = accumulator(m, ac)
        set_accumulator(m, ac, total - (one + other) if minus else total + (one + other))


byte_dot("00011", "dpau.h.qbl", slice(2, 4), False)
byte_dot("00111", "dpau.h.qbr", slice(0, 2), False)
byte_dot("01011", "dpsu.h.qbl", slice(2, 4), True)
byte_dot("01111", "dpsu.h.qbr", slice(0, 2), True)


def fraction_dot(code, name, *, cross, first, second, clamp=False, release=1):
    @dot(code, name, release)
    def meaning(m, rs, rt, ac):
        (left, bad), (right, worse) = (fraction(m, a, b, 16) for a, b in halfwords(m, rs, rt, cross))
        both = left + right if first == second else left - right
        total = accumulator(m, ac) + both if first > 0 else accumulator(m, ac) - both
        flag_of(m, bad | worse, ac)
        if clamp:
            flag_of(m, outside(m, total, 32), ac)
            total = saturated(m, total, 32)
        set_accumulator(m, ac, total)


fraction_dot("00100", "dpaq_s.w.ph", cross=False, first=1, second=1)
fraction_dot("00101", "dpsq_s.w.ph", cross=False, first=-1, second=-1)
fraction_dot("00110", "mulsaq_s.w.ph", cross=False, first=1, second=-1)
fraction_dot("11000", "dpaqx_s.w.ph", cross=True, first=1, second=1, release=2)
fraction_dot("11001", "dpsqx_s.w.ph", cross=True, first=-1, second=-1, release=2)
fraction_dot("11010", "dpaqx_sa.w.ph", cross=True, first=1, second=1, clamp=True, release=2)
fraction_dot("11011", "dpsqx_sa.w.ph", cross=True, first=-1, second=-1, clamp=True, release=2)


def long_fraction(code, name, minus):
    @dot(code, name)
    def meaning(m, rs, rt, ac):
        product, bad = fraction(m, m.word(m.gpr[rs]), m.word(m.gpr[rt]), 32)
        old = accumulator(m, ac)
        total = old - product if minus else old + product
        over = (((old ^ product) if minus else ~(old ^ product)) & (old ^ total)).less(0)
        flag_of(m, bad | over, ac)
        set_accumulator(m, ac, m.select(over, m.select(old.less(0), 1 << 63, (1 << 63) - 1), total))


long_fraction("01100", "dpaq_sa.l.w", False)
long_fraction("01101", "dpsq_sa.l.w", True)


def one_fraction(code, name, lane, clamp):
    @dot(code, name)
    def meaning(m, rs, rt, ac):
        product, bad = fraction(m, *halfwords(m, rs, rt, False)[lane], 16)
        total = accumulator(m, ac) + product
        flag_of(m, bad, ac)
        if clamp:
            total = m.signed(total, 33)                # bits 32 and 31 decide, whatever is above them
            flag_of(m, outside(m, total, 32), ac)
            total = saturated(m, total, 32)
        set_accumulator(m, ac, total)


one_fraction("10000", "maq_sa.w.phl", 0, True)
one_fraction("10010", "maq_sa.w.phr", 1, True)
one_fraction("10100", "maq_s.w.phl", 0, False)
one_fraction("10110", "maq_s.w.phr", 1, False)


# -- extraction -------------------------------------------------------------------------------------------------------

def extraction(code, variable_code, name, effect):
    """Two rows: the amount in the word, and in rs with a v in the name."""
    stem = name.partition("_" if "_" in name else ".")[0]
    rest = name[len(stem):]

    @row(accumulate, f"011111 sa:5 rt:5 000 ac:2 {code} 111000", f"{name} {{rt}}, {{ac}}, {{sa:x}}")
    def by_field(m, sa, rt, ac):
        m.gpr[rt] = effect(m, accumulator(m, ac), m.unsigned(sa, 5))

    @row(accumulate, f"011111 rs:5 rt:5 000 ac:2 {variable_code} 111000", f"{stem}v{rest} {{rt}}, {{ac}}, {{rs}}")
    def by_register(m, rs, rt, ac):
        m.gpr[rt] = effect(m, accumulator(m, ac), m.unsigned(m.gpr[rs], 5))


def rounded(m, total, amount):
    """A shift right to the nearest; the last bit that falls out decides."""
    return total.sar(amount) + m.select(amount == 0, 0, total.sar(amount - 1) & 1)


def overflow_of(m, total, amount):
    """Overflow as shifted, or as shifted and rounded: all forms look at both."""
    bad = outside(m, total.sar(amount), 32) | outside(m, rounded(m, total, amount), 32)
    flag(m, bad, EXTRACT_FLAG)


def extract_word(m, total, amount):
    overflow_of(m, total, amount)
    return m.word(total.sar(amount))


def extract_rounded(m, total, amount):
    overflow_of(m, total, amount)
    return m.word(rounded(m, total, amount))


def extract_saturated(m, total, amount):
    overflow_of(m, total, amount)
    return saturated(m, rounded(m, total, amount), 32)


def extract_half(m, total, amount):
    shifted = total.sar(amount)
    flag(m, outside(m, shifted, 16), EXTRACT_FLAG)
    return saturated(m, shifted, 16)


def extract_bits(m, total, size, *, move=False):
    """``size`` + 1 bits from position pos down; pos goes on below them with ``move``.  EFI if there are not so many."""
    pos = control(m, POS, 6)
    rest = pos - size - 1
    fails = rest.less(-1)
    set_control(m, EFI, 1, m.flag(fails))
    if move:
        set_control(m, POS, 6, m.select(fails, pos, rest))
    taken = total.shr(pos - size) & (m.const(2).shl(size) - 1)
    return m.word(m.select(fails, 0, taken))


def extract_and_move(m, total, size):
    return extract_bits(m, total, size, move=True)


extraction("00000", "00001", "extr.w", extract_word)
extraction("00100", "00101", "extr_r.w", extract_rounded)
extraction("00110", "00111", "extr_rs.w", extract_saturated)
extraction("01110", "01111", "extr_s.h", extract_half)
extraction("00010", "00011", "extp", extract_bits)
extraction("01010", "01011", "extpdp", extract_and_move)


def shifted_accumulator(m, ac, amount):
    """By a signed amount of 6 bits: to the right, or to the left when negative."""
    total = accumulator(m, ac)
    set_accumulator(m, ac, m.select(amount.less(0), total.shl(-amount), total.shr(amount)))


@row(accumulate, "011111 sa:6 0000 000 ac:2 11010 111000", "shilo {ac}, {sa:s}")
def shilo(m, sa, ac):
    shifted_accumulator(m, ac, m.signed(sa, 6))


@row(accumulate, "011111 rs:5 00000 000 ac:2 11011 111000", "shilov {ac}, {rs}")
def shilov(m, rs, ac):
    shifted_accumulator(m, ac, m.signed(m.gpr[rs], 6))


@row(accumulate, "011111 rs:5 00000 000 ac:2 11111 111000", "mthlip {rs}, {ac}")
def mthlip(m, rs, ac):
    low, pos = m.slot(place(m, ac, "lo")), control(m, POS, 6)
    m.set_slot(place(m, ac, "hi"), low)
    m.set_slot(place(m, ac, "lo"), m.word(m.gpr[rs]))
    set_control(m, POS, 6, m.select(m.const(32).less(pos), pos, pos + 32))


# -- DSPControl -------------------------------------------------------------------------------------------------------

def parts_of(m, mask):
    chosen = m.const(0)
    for bit, part in DSPCONTROL_PARTS:
        chosen = chosen | m.select((mask.shr(bit) & 1) != 0, part, 0)
    return chosen


@row(accumulate, "011111 mask:10 rd:5 10010 111000", "rddsp {rd}, {mask:x}")
def rddsp(m, mask, rd):
    m.gpr[rd] = m.state.dspctl & parts_of(m, m.unsigned(mask, 10))


@row(accumulate, "011111 rs:5 mask:10 10011 111000", "wrdsp {rs}, {mask:x}")
def wrdsp(m, rs, mask):
    parts = parts_of(m, m.unsigned(mask, 10))
    m.state.dspctl = m.state.dspctl & ~parts | m.gpr[rs] & parts


@row(accumulate, "000001 00000 11100 off:16", "bposge32 {off}", control=True)
def bposge32(m, off):
    m.branch(~control(m, POS, 6).below(m.const(32)), off)


# -- the accumulators that MULT and its like can name with DSP --------------------------------------------------------

def multiply(prefix, code, name, effect):
    @row(accumulate, f"{prefix} rs:5 rt:5 000 ac:2 00000 {code} | 0!=ac", f"{name} {{ac}}, {{rs}}, {{rt}}")
    def meaning(m, rs, rt, ac):
        effect(m, m.gpr[rs], m.gpr[rt], ac)


def signed_by_signed(m, a, b):
    return m.word(a) * m.word(b)


def unsigned_by_unsigned(m, a, b):
    return m.unsigned(a, 32) * m.unsigned(b, 32)


for _signed, _product in (("", signed_by_signed), ("u", unsigned_by_unsigned)):
    multiply("000000", "01100" + ("1" if _signed else "0"), "mult" + _signed,
             lambda m, a, b, ac, p=_product: set_accumulator(m, ac, p(m, a, b)))
    multiply("011100", "00000" + ("1" if _signed else "0"), "madd" + _signed,
             lambda m, a, b, ac, p=_product: set_accumulator(m, ac, accumulator(m, ac) + p(m, a, b)))
    multiply("011100", "00010" + ("1" if _signed else "0"), "msub" + _signed,
             lambda m, a, b, ac, p=_product: set_accumulator(m, ac, accumulator(m, ac) - p(m, a, b)))


def moves(half, from_code, to_code):
    @row(accumulate, f"000000 000 ac:2 00000 rd:5 00000 {from_code} | 0!=ac", f"mf{half} {{rd}}, {{ac}}")
    def move_from(m, ac, rd):
        m.gpr[rd] = m.slot(place(m, ac, half))

    @row(accumulate, f"000000 rs:5 00000 000 ac:2 00000 {to_code} | 0!=ac", f"mt{half} {{rs}}, {{ac}}")
    def move_to(m, rs, ac):
        m.set_slot(place(m, ac, half), m.word(m.gpr[rs]))


moves("hi", "010000", "010001")
moves("lo", "010010", "010011")


# -- indexed loads, and bits put together -----------------------------------------------------------------------------

def indexed(code, name, size, extend):
    @row(accumulate, f"011111 base:5 index:5 rd:5 {code} 001010", f"{name} {{rd}}, {{index}}({{base}})")
    def meaning(m, base, index, rd):
        m.gpr[rd] = extend(m, m.load(m.word(m.gpr[base] + m.gpr[index]), size))


indexed("00000", "lwx", 4, lambda m, x: m.word(x))
indexed("00100", "lhx", 2, lambda m, x: m.signed(x, 16))
indexed("00110", "lbux", 1, lambda m, x: x)


@row(accumulate, "011111 rs:5 rt:5 00000 00000 001100", "insv {rt}, {rs}")
def insv(m, rs, rt):
    pos, size = control(m, POS, 5), control(m, SCOUNT, 6)
    field = (m.const(1).shl(size) - 1).shl(pos)
    fits = (size != 0) & (pos + size).below(m.const(33))
    m.gpr[rt] = m.word(m.select(fits, m.gpr[rt] & ~field | m.gpr[rs].shl(pos) & field, m.gpr[rt]))


@row(accumulate, "011111 rs:5 rt:5 sa:5 00000 110001", "append {rt}, {rs}, {sa:x}", release=2)
def append(m, rs, rt, sa):
    amount = m.unsigned(sa, 5)
    m.gpr[rt] = m.word(m.gpr[rt].shl(amount) | m.gpr[rs] & (m.const(1).shl(amount) - 1))


@row(accumulate, "011111 rs:5 rt:5 sa:5 00001 110001", "prepend {rt}, {rs}, {sa:x}", release=2)
def prepend(m, rs, rt, sa):
    amount = m.unsigned(sa, 5)
    m.gpr[rt] = m.word((m.unsigned(m.gpr[rs], 32).shl(32) | m.unsigned(m.gpr[rt], 32)).shr(amount))


@row(accumulate, "011111 rs:5 rt:5 000 bp:2 10000 110001", "balign {rt}, {rs}, {bp:x}", release=2)
def balign(m, rs, rt, bp):
    amount = m.unsigned(bp, 2) << 3
    moved = m.gpr[rt].shl(amount) | m.unsigned(m.gpr[rs], 32).shr(m.const(32) - amount)
    m.gpr[rt] = m.word(m.select((amount & 8) != 0, moved, m.gpr[rt]))
