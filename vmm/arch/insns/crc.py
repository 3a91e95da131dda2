"""Cyclic redundancy checks of one byte to a doubleword: CRC32 and CRC32C.  (MD00087 revision 6, chapter 3)

Invariant: bits are taken from the least significant on, as both polynomials are used reversed; no inversion before or
after.  The table gives the effect of a byte.
"""
from __future__ import annotations

from vmm.arch.rows import Family

crc = Family("crc")


def table_of(polynomial):
    def of_byte(value):
        for _ in range(8):
            value = value >> 1 ^ (polynomial if value & 1 else 0)
        return value
    return tuple(of_byte(byte) for byte in range(256))


IEEE, CASTAGNOLI = table_of(0xEDB8_8320), table_of(0x82F6_3B78)


def checked(m, table, rs, rt, size):
    value, message = m.unsigned(m.gpr[rt], 32), m.gpr[rs]
    for n in range(size):
        value = value.shr(8) ^ m.table(table, (value ^ message.shr(8 * n)) & 0xFF)
    m.gpr[rt] = m.word(value)


def insn(kind, name, **more):
    return crc.insn(f"011111 rs:5 rt:5 00000 00 {kind} 001111", f"{name} {{rt}}, {{rs}}, {{rt}}", since=6, ase="CRC",
                    **more)


@insn("0 00", "crc32b")
def crc32b(m, rs, rt):
    checked(m, IEEE, rs, rt, 1)


@insn("0 01", "crc32h")
def crc32h(m, rs, rt):
    checked(m, IEEE, rs, rt, 2)


@insn("0 10", "crc32w")
def crc32w(m, rs, rt):
    checked(m, IEEE, rs, rt, 4)


@insn("0 11", "crc32d", bits=64)
def crc32d(m, rs, rt):
    checked(m, IEEE, rs, rt, 8)


@insn("1 00", "crc32cb")
def crc32cb(m, rs, rt):
    checked(m, CASTAGNOLI, rs, rt, 1)


@insn("1 01", "crc32ch")
def crc32ch(m, rs, rt):
    checked(m, CASTAGNOLI, rs, rt, 2)


@insn("1 10", "crc32cw")
def crc32cw(m, rs, rt):
    checked(m, CASTAGNOLI, rs, rt, 4)


@insn("1 11", "crc32cd", bits=64)
def crc32cd(m, rs, rt):
    checked(m, CASTAGNOLI, rs, rt, 8)
