"""Code as text: what ``monitor disasm`` and traces print of an instruction."""
from __future__ import annotations

from functools import cache
from typing import Literal

from vmm.arch.core import CpuModel
from vmm.arch.insns import ROWS
from vmm.arch.rows import Tree, available, decode_tree
from vmm.arch.text import disassemble
from vmm.debug.view import View


@cache
def tree_of(model: CpuModel) -> Tree | None:
    return decode_tree(available(ROWS, release=model.release, bits=model.bits, ases=model.ases))


def listed(view: View, address: int) -> str:
    """Raises MemoryFault where nothing is mapped."""
    order: Literal["big", "little"] = "big" if view.machine.big_endian else "little"
    return line(view, address, int.from_bytes(view.read(address, 4), order))


def line(view: View, address: int, word: int) -> str:
    """``0x80100000: 24020001  addiu $2, $0, 1``"""
    text = disassemble(word, _in_width(view, address), tree=tree_of(view.machine.model))
    return f"{shown(view, address)}: {word:08x}  {text}"


def shown(view: View, address: int) -> str:
    return f"{_in_width(view, address):#0{2 + view.bits // 4}x}"


def _in_width(view: View, address: int) -> int:
    return address & (1 << view.bits) - 1
