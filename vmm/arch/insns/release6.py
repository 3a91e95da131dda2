"""Integer instructions that came with release 6, and old ones whose encoding it changed.  (MD00087 revision 6, 3)

Invariant: every multiplication and division writes one general register.  Division by zero is UNPREDICTABLE in the
manual; here, as before release 6, a zero divisor counts as one.
"""
from __future__ import annotations

from vmm.arch.insns import system as older
from vmm.arch.insns.muldiv import nonzero, signed_product, unsigned_product
from vmm.arch.privileged import memory
from vmm.arch.rows import Family

release6 = Family("release6")

BITS, PAIRS, NIBBLES = 0x5555_5555_5555_5555, 0x3333_3333_3333_3333, 0x0F0F_0F0F_0F0F_0F0F


def insn(pattern, syntax, **more):
    return release6.insn(pattern, syntax, since=6, **more)


def effective(m, base, offset):
    return m.gpr[base] + m.signed(offset, 9)


# -- multiplication and division --------------------------------------------------------------------------------------

def signed_quotient(m, rs, rt):
    return m.divide_signed(m.word(m.gpr[rs]), nonzero(m, m.word(m.gpr[rt])))


def unsigned_quotient(m, rs, rt):
    return m.divide_unsigned(m.unsigned(m.gpr[rs], 32), nonzero(m, m.unsigned(m.gpr[rt], 32)))


@insn("000000 rs:5 rt:5 rd:5 00010 011000", "mul {rd}, {rs}, {rt}")
def mul(m, rs, rt, rd):
    m.gpr[rd] = m.word(signed_product(m, rs, rt))


@insn("000000 rs:5 rt:5 rd:5 00011 011000", "muh {rd}, {rs}, {rt}")
def muh(m, rs, rt, rd):
    m.gpr[rd] = signed_product(m, rs, rt).sar(32)


@insn("000000 rs:5 rt:5 rd:5 00010 011001", "mulu {rd}, {rs}, {rt}")
def mulu(m, rs, rt, rd):
    m.gpr[rd] = m.word(unsigned_product(m, rs, rt))


@insn("000000 rs:5 rt:5 rd:5 00011 011001", "muhu {rd}, {rs}, {rt}")
def muhu(m, rs, rt, rd):
    m.gpr[rd] = unsigned_product(m, rs, rt).sar(32)


@insn("000000 rs:5 rt:5 rd:5 00010 011010", "div {rd}, {rs}, {rt}")
def div(m, rs, rt, rd):
    m.gpr[rd] = m.word(signed_quotient(m, rs, rt)[0])


@insn("000000 rs:5 rt:5 rd:5 00011 011010", "mod {rd}, {rs}, {rt}")
def mod(m, rs, rt, rd):
    m.gpr[rd] = m.word(signed_quotient(m, rs, rt)[1])


@insn("000000 rs:5 rt:5 rd:5 00010 011011", "divu {rd}, {rs}, {rt}")
def divu(m, rs, rt, rd):
    m.gpr[rd] = m.word(unsigned_quotient(m, rs, rt)[0])


@insn("000000 rs:5 rt:5 rd:5 00011 011011", "modu {rd}, {rs}, {rt}")
def modu(m, rs, rt, rd):
    m.gpr[rd] = m.word(unsigned_quotient(m, rs, rt)[1])


@insn("000000 rs:5 rt:5 rd:5 00010 011100", "dmul {rd}, {rs}, {rt}", bits=64)
def dmul(m, rs, rt, rd):
    m.gpr[rd] = m.gpr[rs] * m.gpr[rt]


@insn("000000 rs:5 rt:5 rd:5 00011 011100", "dmuh {rd}, {rs}, {rt}", bits=64)
def dmuh(m, rs, rt, rd):
    m.gpr[rd] = m.high_signed(m.gpr[rs], m.gpr[rt])


@insn("000000 rs:5 rt:5 rd:5 00010 011101", "dmulu {rd}, {rs}, {rt}", bits=64)
def dmulu(m, rs, rt, rd):
    m.gpr[rd] = m.gpr[rs] * m.gpr[rt]


@insn("000000 rs:5 rt:5 rd:5 00011 011101", "dmuhu {rd}, {rs}, {rt}", bits=64)
def dmuhu(m, rs, rt, rd):
    m.gpr[rd] = m.high_unsigned(m.gpr[rs], m.gpr[rt])


@insn("000000 rs:5 rt:5 rd:5 00010 011110", "ddiv {rd}, {rs}, {rt}", bits=64)
def ddiv(m, rs, rt, rd):
    m.gpr[rd] = m.divide_signed(m.gpr[rs], nonzero(m, m.gpr[rt]))[0]


@insn("000000 rs:5 rt:5 rd:5 00011 011110", "dmod {rd}, {rs}, {rt}", bits=64)
def dmod(m, rs, rt, rd):
    m.gpr[rd] = m.divide_signed(m.gpr[rs], nonzero(m, m.gpr[rt]))[1]


@insn("000000 rs:5 rt:5 rd:5 00010 011111", "ddivu {rd}, {rs}, {rt}", bits=64)
def ddivu(m, rs, rt, rd):
    m.gpr[rd] = m.divide_unsigned(m.gpr[rs], nonzero(m, m.gpr[rt]))[0]


@insn("000000 rs:5 rt:5 rd:5 00011 011111", "dmodu {rd}, {rs}, {rt}", bits=64)
def dmodu(m, rs, rt, rd):
    m.gpr[rd] = m.divide_unsigned(m.gpr[rs], nonzero(m, m.gpr[rt]))[1]


# -- selection, addresses, bits ---------------------------------------------------------------------------------------

@insn("000000 rs:5 rt:5 rd:5 00000 110101", "seleqz {rd}, {rs}, {rt}")
def seleqz(m, rs, rt, rd):
    m.gpr[rd] = m.select(m.gpr[rt] == 0, m.gpr[rs], 0)


@insn("000000 rs:5 rt:5 rd:5 00000 110111", "selnez {rd}, {rs}, {rt}")
def selnez(m, rs, rt, rd):
    m.gpr[rd] = m.select(m.gpr[rt] != 0, m.gpr[rs], 0)


@insn("000000 rs:5 rt:5 rd:5 000 sa:2 000101", "lsa {rd}, {rs}, {rt}, {sa+1:x}")
def lsa(m, rs, rt, rd, sa):
    m.gpr[rd] = m.word(m.gpr[rs].shl(m.unsigned(sa, 2) + 1) + m.gpr[rt])


@insn("000000 rs:5 rt:5 rd:5 000 sa:2 010101", "dlsa {rd}, {rs}, {rt}, {sa+1:x}", bits=64)
def dlsa(m, rs, rt, rd, sa):
    m.gpr[rd] = m.gpr[rs].shl(m.unsigned(sa, 2) + 1) + m.gpr[rt]


@insn("000000 rs:5 00000 rd:5 00001 010000", "clz {rd}, {rs}")
def clz(m, rs, rd):
    m.gpr[rd] = m.leading_zeros(m.unsigned(m.gpr[rs], 32)) - 32


@insn("000000 rs:5 00000 rd:5 00001 010001", "clo {rd}, {rs}")
def clo(m, rs, rd):
    m.gpr[rd] = m.leading_zeros(m.unsigned(~m.gpr[rs], 32)) - 32


@insn("000000 rs:5 00000 rd:5 00001 010010", "dclz {rd}, {rs}", bits=64)
def dclz(m, rs, rd):
    m.gpr[rd] = m.leading_zeros(m.gpr[rs])


@insn("000000 rs:5 00000 rd:5 00001 010011", "dclo {rd}, {rs}", bits=64)
def dclo(m, rs, rd):
    m.gpr[rd] = m.leading_zeros(~m.gpr[rs])


@insn("011111 rs:5 rt:5 rd:5 010 bp:2 100000", "align {rd}, {rs}, {rt}, {bp:u}")
def align(m, rs, rt, rd, bp):
    amount = m.unsigned(bp, 2) << 3
    m.gpr[rd] = m.word(m.gpr[rt].shl(amount) | m.unsigned(m.gpr[rs], 32).shr(m.const(32) - amount))


@insn("011111 rs:5 rt:5 rd:5 01 bp:3 100100", "dalign {rd}, {rs}, {rt}, {bp:u}", bits=64)
def dalign(m, rs, rt, rd, bp):
    amount = m.unsigned(bp, 3) << 3
    m.gpr[rd] = m.gpr[rt].shl(amount) | m.gpr[rs].shr(1).shr(m.const(63) - amount)     # by 64 in all when bp is 0


def bits_reversed(m, x):
    """The bits of each byte in opposite order."""
    for mask, by in ((BITS, 1), (PAIRS, 2), (NIBBLES, 4)):
        x = (x & mask).shl(by) | x.shr(by) & mask
    return x


@insn("011111 00000 rt:5 rd:5 00000 100000", "bitswap {rd}, {rt}")
def bitswap(m, rt, rd):
    m.gpr[rd] = m.word(bits_reversed(m, m.gpr[rt]))


@insn("011111 00000 rt:5 rd:5 00000 100100", "dbitswap {rd}, {rt}", bits=64)
def dbitswap(m, rt, rd):
    m.gpr[rd] = bits_reversed(m, m.gpr[rt])


# -- upper immediates -------------------------------------------------------------------------------------------------

@insn("001111 rs:5 rt:5 imm:16 | 0<rs", "aui {rt}, {rs}, {imm:x}")
def aui(m, rs, rt, imm):
    m.gpr[rt] = m.word(m.gpr[rs] + (m.signed(imm, 16) << 16))


@insn("011101 rs:5 rt:5 imm:16 | 0<rs", "daui {rt}, {rs}, {imm:x}", bits=64)
def daui(m, rs, rt, imm):
    m.gpr[rt] = m.gpr[rs] + (m.signed(imm, 16) << 16)


@insn("000001 rs:5 00110 imm:16", "dahi {rs}, {rs}, {imm:x}", bits=64)
def dahi(m, rs, imm):
    m.gpr[rs] = m.gpr[rs] + (m.signed(imm, 16) << 32)


@insn("000001 rs:5 11110 imm:16", "dati {rs}, {rs}, {imm:x}", bits=64)
def dati(m, rs, imm):
    m.gpr[rs] = m.gpr[rs] + (m.signed(imm, 16) << 48)


# -- branches of old that only link -----------------------------------------------------------------------------------

@insn("000001 00000 10000 ----------------", "nal", control=True)
def nal(m):
    """What is left of BLTZAL: it never branches."""
    m.link(31)
    m.jump(m.pc + 8)


@insn("000001 00000 10001 off:16", "bal {off}", control=True)
def bal(m, off):
    m.link(31)
    m.branch(m.const(0) == 0, off)


# -- linked and conditional accesses ----------------------------------------------------------------------------------

@insn("011111 base:5 rt:5 offset:9 0 110110", "ll {rt}, {offset}({base})")
def ll(m, base, rt, offset):
    m.gpr[rt] = m.word(m.load_linked(effective(m, base, offset), 4))


@insn("011111 base:5 rt:5 offset:9 0 100110", "sc {rt}, {offset}({base})")
def sc(m, base, rt, offset):
    m.gpr[rt] = m.store_conditional(effective(m, base, offset), 4, m.gpr[rt])


@insn("011111 base:5 rt:5 offset:9 0 110111", "lld {rt}, {offset}({base})", bits=64)
def lld(m, base, rt, offset):
    m.gpr[rt] = m.load_linked(effective(m, base, offset), 8)


@insn("011111 base:5 rt:5 offset:9 0 100111", "scd {rt}, {offset}({base})", bits=64)
def scd(m, base, rt, offset):
    m.gpr[rt] = m.store_conditional(effective(m, base, offset), 8, m.gpr[rt])


# A pair is two registers in the order of memory: rt the unit at the address, rd the one after it.

def first_and_second(m, pair):
    low, high = m.word(pair), pair.sar(32)
    return (high, low) if m.big_endian else (low, high)


@insn("011111 base:5 rt:5 rd:5 0000 1 110110", "llwp {rt}, {rd}, ({base})", ase="PAIRS")
def llwp(m, base, rt, rd):
    pair = m.load_linked(m.gpr[base], 8)
    m.gpr[rt], m.gpr[rd] = first_and_second(m, pair)


@insn("011111 base:5 rt:5 rd:5 0000 1 100110", "scwp {rt}, {rd}, ({base})", ase="PAIRS")
def scwp(m, base, rt, rd):
    low, high = (m.gpr[rd], m.gpr[rt]) if m.big_endian else (m.gpr[rt], m.gpr[rd])
    m.gpr[rt] = m.store_conditional(m.gpr[base], 8, high.shl(32) | m.unsigned(low, 32))


@insn("011111 base:5 rt:5 rd:5 0000 1 110111", "lldp {rt}, {rd}, ({base})", ase="PAIRS", bits=64)
def lldp(m, base, rt, rd):
    at = m.gpr[base]
    m.call(memory.need_aligned, at, m.const(16), m.const(memory.LOAD))
    first = m.load_linked(at, 8)
    m.gpr[rd] = m.load(at + 8, 8)
    m.gpr[rt] = first


@insn("011111 base:5 rt:5 rd:5 0000 1 100111", "scdp {rt}, {rd}, ({base})", ase="PAIRS", bits=64)
def scdp(m, base, rt, rd):
    m.gpr[rt] = m.call(memory.store_conditional_pair, m.gpr[base], m.gpr[rt], m.gpr[rd])


# -- cache, hints, traps ----------------------------------------------------------------------------------------------

@insn("011111 base:5 op:5 offset:9 0 100101", "cache {op}, {offset}({base})", cp0=True)
def cache(m, base, op, offset):
    m.call(older.cache_operation, m.unsigned(op, 5), effective(m, base, offset))


@insn("011111 base:5 hint:5 offset:9 0 110101", "pref {hint}, {offset}({base})")
def pref(m, base, hint, offset):
    """Advice only: it moves no data that software can see; since release 6 hints from 24 on are reserved."""
    m.require(m.unsigned(hint, 5).below(24), "RI")


@insn("000000 00000 00000 00000 00101 000000", "pause", alone=True)
def pause(m):
    """Waiting for a lock costs nothing on a machine whose CPUs run in turn."""


@insn("000000 code:20 001110", "sdbbp <{code}>", system=True)
def sdbbp(m, code):
    older.breakpoint_or_door(m, m.unsigned(code, 20))


@insn("000001 00000 10111 code:16", "sigrie {code}")
def sigrie(m, code):
    m.trap("RI")


@insn("010000 01011 rt:5 00000 00000 100100", "dvp <{rt}>", cp0=True, ase="VP")
def dvp(m, rt):
    m.gpr[rt] = m.call(older.virtual_processors, m.const(1))


@insn("010000 01011 rt:5 00000 00000 000100", "evp <{rt}>", cp0=True, ase="VP")
def evp(m, rt):
    m.gpr[rt] = m.call(older.virtual_processors, m.const(0))
