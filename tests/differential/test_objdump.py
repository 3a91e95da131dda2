"""The disassembler against GNU objdump, and against our own assembler.  (``python -m tests.differential.objdump``: more)"""
from __future__ import annotations

from random import Random

import pytest

from tests.differential.objdump import BASE, LEVELS, PROGRAMS, Level, Tally, compare, draw, program, report, run
from vmm.arch.insns import ROWS
from vmm.arch.rows import Insn, decode_tree
from vmm.arch.syntax import parse_syntax
from vmm.arch.text import Mnemonics, assemble_line, disassemble

SEED, COUNT = 1, 12_000
TRIES = 4
"""Words of a row at a level."""


def require_objdump() -> None:
    if not program():
        pytest.fail(f"no GNU objdump for MIPS is here, none of {', '.join(PROGRAMS)}: run make tools")


@pytest.mark.parametrize("level", LEVELS.values(), ids=lambda level: level.name)
def test_objdump_agrees(level: Level) -> None:
    require_objdump()
    tally = run(level, SEED, COUNT)
    assert tally.count == COUNT and not tally.found, report(level, SEED, tally)


def test_a_row_of_another_release_is_found() -> None:
    """The comparison can fail: with the rows of release 6, words of release 2 are read otherwise."""
    require_objdump()
    old, new, tally = LEVELS["mips32r2"], LEVELS["mips32r6"], Tally()
    mixed = Level(old.name, new.release, new.bits, new.ases)
    compare(mixed, draw(Random(SEED), old.rows, 200), tally)
    assert tally.found


def spoken(row: Insn, random: Random) -> int:
    """A word of the row whose fields the syntax can say: one value for an operand held twice, a size of 1 or more."""
    operands = parse_syntax(row.syntax).operands
    while True:
        fields = {f.name: random.getrandbits(f.width) for f in row.encoding.fields}
        for operand in operands:
            fields.update(dict.fromkeys(operand.also, fields[operand.field]))
        word = row.encoding.join(**fields)
        sized = all(not o.minus or o.value(fields, 32) >= 1 for o in operands)
        if sized and row.encoding.fits(word):
            return word


@pytest.mark.parametrize("level", LEVELS.values(), ids=lambda level: level.name)
def test_what_is_printed_assembles_to_the_same_word(level: Level) -> None:
    random, rows = Random(f"{SEED} {level.name}"), level.rows
    mnemonics, tree = Mnemonics(rows), decode_tree(rows)
    for row in rows:
        for _ in range(TRIES):
            word, pc = spoken(row, random), BASE + 4 * random.getrandbits(20)
            line = disassemble(word, pc, tree=tree)
            assert assemble_line(line, pc, rows=mnemonics) == word, (row.name, f"{word:08x}", line)


def test_the_levels_have_every_row() -> None:
    assert {row.name for row in ROWS} == {row.name for level in LEVELS.values() for row in level.rows}
