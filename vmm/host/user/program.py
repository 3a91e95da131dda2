"""A program: what an executable file says that a kernel must know to start it."""
from __future__ import annotations

from dataclasses import dataclass

from vmm.host.user.abi import ABIS, Abi
from vmm.host.user.numbers import Prot


@dataclass(frozen=True, slots=True)
class Part:
    """``size`` bytes at ``address``: ``data``, then zeros."""

    address: int
    data: bytes
    size: int
    prot: Prot

    @property
    def end(self) -> int:
        return self.address + self.size


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """``headers``: where its program headers are in memory, the size of one and their number.  ``wide_fpu``: it wants 32
    floating-point registers of 64 bits; what is built for n64 always does."""

    path: str
    bits: int
    big_endian: bool
    entry: int
    parts: tuple[Part, ...]                                 # by address, not overlapping
    headers: tuple[int, int, int] = (0, 0, 0)
    wide_fpu: bool = False

    @property
    def abi(self) -> Abi:
        return ABIS[self.bits]

    def page(self, va: int, size: int) -> bytes:
        """What the file has for the page at ``va``."""
        page = bytearray(size)
        for part in self.parts:
            first, last = max(va, part.address), min(va + size, part.address + len(part.data))
            if first < last:
                page[first - va:last - va] = part.data[first - part.address:last - part.address]
        return bytes(page)
