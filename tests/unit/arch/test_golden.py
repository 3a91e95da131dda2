"""Words that GNU as made, against ours in both directions.

``tests/golden/golden_encodings.json`` holds one line of assembly and its word for each mnemonic and operand
shape; where ``pcrel_reloc_zeroed`` is set, as left the distance to a relocation, so it is not compared.
"""
from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from vmm.arch.insns import ROWS
from vmm.arch.rows import Tree, available, decode, decode_tree
from vmm.arch.text import Mnemonics, assemble_line, disassemble


@dataclass(frozen=True)
class Golden:
    isa: str
    asm: str
    word: int
    relocated: bool

    @property
    def mnemonic(self) -> str:
        return self.asm.split()[0]


FILE = Path(__file__).parents[2] / "golden" / "golden_encodings.json"
GOLDEN = [Golden(entry["isa"], entry["asm"], int(entry["word"], 16), entry["pcrel_reloc_zeroed"])
          for entry in json.loads(FILE.read_text())]

ISAS = {"mips32r2": (2, 32), "mips32r5": (5, 32), "mips64r5": (5, 64), "mips64r6": (6, 64)}
TABLES = {isa: available(ROWS, release=release, bits=bits, ases=frozenset(row.ase for row in ROWS if row.ase))
          for isa, (release, bits) in ISAS.items()}
MNEMONICS = {isa: Mnemonics(rows) for isa, rows in TABLES.items()}
TREES: dict[str, Tree | None] = {isa: decode_tree(rows) for isa, rows in TABLES.items()}

def relocation_mask(golden: Golden) -> int:
    """The bits that as decided."""
    if not golden.relocated:
        return 0xFFFF_FFFF
    insn = decode(TREES[golden.isa], golden.word)
    assert insn is not None
    return 0xFFFF_FFFF & ~next(f.mask for f in insn.encoding.fields if f.name == "off")


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda g: f"{g.isa}-{g.asm}")
def test_a_line_gives_the_word_that_as_gives(golden: Golden) -> None:
    word = assemble_line(golden.asm, rows=MNEMONICS[golden.isa])
    assert f"{word & relocation_mask(golden):08x}" == f"{golden.word:08x}"


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda g: f"{g.isa}-{g.asm}")
@pytest.mark.parametrize("aliases", [False, True], ids=["plain", "aliases"])
def test_a_word_prints_as_a_line_that_gives_it_back(golden: Golden, aliases: bool) -> None:
    line = disassemble(golden.word, tree=TREES[golden.isa], aliases=aliases)
    assert assemble_line(line, rows=MNEMONICS[golden.isa]) == golden.word
    if aliases:
        assert line.split()[0] == golden.mnemonic


def test_there_are_as_many_as_were_made() -> None:
    assert len(GOLDEN) == 573
