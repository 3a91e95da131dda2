"""The two binary interfaces of programs: o32 and n64.  (System V ABI, MIPS supplement; Linux arch/mips)

An ``Abi`` is what differs between them and a kernel must know: the size of a long, how a call's arguments come, and where
things are in structures that both sides read.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct

V0, A0, A3, T9, GP, SP, RA = 2, 4, 7, 25, 28, 29, 31


@dataclass(frozen=True, slots=True)
class SigcontextLayout:
    """Offsets in the structure that a signal handler gets, from its beginning; ``size`` is all of it."""

    pc: int
    regs: int
    fpregs: int
    hi: int
    lo: int
    fcsr: int
    used_math: int
    size: int


@dataclass(frozen=True, slots=True)
class Abi:
    """``base``: the first call's number.  ``register_arguments``: so many arguments come in $4 and up; the others lie on
    the stack, behind room for these.  ``top``: the end of a program's addresses."""

    name: str
    word: int
    base: int
    register_arguments: int
    top: int
    sigcontext: SigcontextLayout
    long: dict[bool, Struct] = field(repr=False)            # by big_endian

    @property
    def bits(self) -> int:
        return 8 * self.word

    @property
    def mask(self) -> int:
        return (1 << self.bits) - 1

    def pack(self, big_endian: bool, *values: int) -> bytes:
        """Longs, as a program reads them."""
        one = self.long[big_endian]
        return b"".join(one.pack(value & self.mask) for value in values)

    def unpack(self, big_endian: bool, raw: bytes) -> list[int]:
        return [int(value) for value, in self.long[big_endian].iter_unpack(raw)]


O32 = Abi("o32", 4, 4000, 4, 0x7FFF_8000,
          SigcontextLayout(pc=8, regs=16, fpregs=272, hi=552, lo=560, fcsr=532, used_math=540, size=592),
          {False: Struct("<I"), True: Struct(">I")})
N64 = Abi("n64", 8, 5000, 8, 0x7F_FFFF_8000,
          SigcontextLayout(pc=576, regs=0, fpregs=256, hi=512, lo=544, fcsr=584, used_math=588, size=600),
          {False: Struct("<Q"), True: Struct(">Q")})
ABIS = {abi.bits: abi for abi in (O32, N64)}
