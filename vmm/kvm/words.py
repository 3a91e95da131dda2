"""What instruction a trapped word is: the one decode tree of the hypervisor for each kind of guest CPU."""
from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache

from vmm.arch.insns import ROWS
from vmm.arch.rows import Insn, Tree, available, decode, decode_tree

EXTENSIONS = frozenset({"VZ", "GINV", "TLBINV", "LLB", "EVA"})
"""A trapped instruction of any extension must be recognised, if only to be refused."""


@dataclass(frozen=True, slots=True)
class Word:
    insn: Insn
    fields: dict[str, int]

    @property
    def name(self) -> str:
        return self.insn.name

    def __getitem__(self, field: str) -> int:
        return self.fields[field]

    def signed(self, field: str) -> int:
        """A field as a signed number of its own width (9 or 16 bits for an offset, by release)."""
        width = next(f.width for f in self.insn.encoding.fields if f.name == field)
        return signed(self.fields[field], width)


@cache
def _tree(release: int, bits: int) -> Tree | None:
    return decode_tree(available(ROWS, release=release, bits=bits, ases=EXTENSIONS))


@lru_cache(maxsize=4096)
def read(word: int, *, release: int, bits: int) -> Word | None:
    """The instruction and its fields; None: reserved."""
    insn = decode(_tree(release, bits), word)
    return None if insn is None else Word(insn, insn.encoding.split(word))


def signed(value: int, bits: int) -> int:
    """The low bits as a signed number."""
    value &= (1 << bits) - 1
    return value - (value >> bits - 1 << bits)
