"""Random words to our disassembler and to GNU objdump: which are instructions, and how they are written.

    python -m tests.differential.objdump --count 10000000 --seed 1 --level mips64r5

Half of the words are drawn uniformly, three eighths are a row of ours with random fields, one eighth such a word with
one or two bits flipped.  What may differ, and why, is ``tests.differential.objdump_known``; the exit status is 1 if
anything else does.  Development only: nothing in the package needs binutils.
"""
from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.differential.objdump_known import NONE, REASONS, explained
from vmm.arch.insns import ROWS
from vmm.arch.rows import Insn, available, decode_tree
from vmm.arch.text import disassemble

PROGRAMS = ("mipsel-linux-gnu-objdump", "mips-linux-gnu-objdump", "mips64el-linux-gnuabi64-objdump",
            "mipsisa64r6el-linux-gnuabi64-objdump")
"""Each knows every level."""
BASE = 0x2000_0000
"""Where the words lie: far enough from 0 for every branch."""
CHUNK = 1 << 17
SHOWN = 5
"""Examples of a finding that are kept."""
FLIPS = tuple(1 << a | 1 << b for a in range(32) for b in range(a + 1))


@dataclass(frozen=True, slots=True)
class Level:
    """``ases``: the extensions whose rows of ours are there; ``options``: those that objdump must be told to know."""
    name: str
    release: int
    bits: int
    ases: frozenset[str]
    options: str = ""

    @property
    def rows(self) -> list[Insn]:
        return available(ROWS, release=self.release, bits=self.bits, ases=self.ases)

    @property
    def machine(self) -> str:
        return "mips:isa" + self.name.removeprefix("mips")


_RELEASE2 = frozenset("DSP DSPR2 EVA TLBINV VZ MVH PS".split())
_RELEASE5 = _RELEASE2 | {"MSA", "LLB"}
_RELEASE6 = frozenset("EVA TLBINV VZ MVH MSA LLB VP GINV PAIRS CRC".split())
LEVELS = {level.name: level for level in (
    Level("mips32", 1, 32, frozenset()),
    Level("mips32r2", 2, 32, _RELEASE2, "virt,xpa"),
    Level("mips32r3", 3, 32, _RELEASE2, "virt,xpa"),
    Level("mips32r5", 5, 32, _RELEASE5, "msa,virt,xpa"),
    Level("mips32r6", 6, 32, _RELEASE6, "msa,virt,xpa,ginv"),
    Level("mips64", 1, 64, frozenset({"PS"})),
    Level("mips64r2", 2, 64, _RELEASE2, "virt,xpa"),
    Level("mips64r5", 5, 64, _RELEASE5, "msa,virt,xpa"),
    Level("mips64r6", 6, 64, _RELEASE6, "msa,virt,xpa,ginv"),
)}


@dataclass
class Tally:
    """``decisions``: by (ours, theirs), whether the words are instructions; ``listed``: differences by kind;
    ``findings``: examples of all others, by the two mnemonics, and ``found`` how many."""
    count: int = 0
    decisions: Counter[tuple[bool, bool]] = field(default_factory=Counter)
    listed: Counter[str] = field(default_factory=Counter)
    found: Counter[tuple[str, str]] = field(default_factory=Counter)
    findings: dict[tuple[str, str], list[str]] = field(default_factory=dict)


def program() -> str | None:
    """GNU objdump for MIPS, if there is one."""
    return next((name for name in PROGRAMS if shutil.which(name)), None)


def draw(random: Random, rows: list[Insn], count: int) -> list[int]:
    """Words of all three sorts, one after another."""
    words = array("I", random.randbytes(4 * count)).tolist()
    shapes = [(row.encoding.match, ~row.encoding.mask & 0xFFFF_FFFF) for row in rows]
    half, flipped = count // 2, count // 8
    made = [match | word & free for word, (match, free) in zip(words[half:], random.choices(shapes, k=count - half),
                                                              strict=True)]
    made[:flipped] = [word ^ flip for word, flip in zip(made, random.choices(FLIPS, k=flipped), strict=False)]
    return words[:half] + made


def theirs(level: Level, words: list[int]) -> list[str]:
    """objdump's lines, with one blank for its tab."""
    options = ",".join(filter(None, ("no-aliases,reg-names=numeric", level.options)))
    name = program()
    assert name, "GNU objdump for MIPS is not installed: apt-get install binutils-mipsel-linux-gnu"
    data = array("I", words)
    if sys.byteorder == "little":
        data.byteswap()
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(data.tobytes())
        text = subprocess.run([name, "-D", "-z", "-b", "binary", "-m", level.machine, "-EB", "--no-show-raw-insn",
                               f"--adjust-vma={BASE}", "-M", options, file.name],
                              check=True, capture_output=True, text=True).stdout
    body = text.partition("<.data>:\n")[2].replace("\t", " ")
    return [line.partition(": ")[2].rstrip() for line in body.splitlines()]


def ours(level: Level, words: list[int]) -> Iterator[str]:
    """Our lines; the rest of a coprocessor's opcode is no instruction."""
    tree = decode_tree(level.rows)
    for address, word in enumerate(words, BASE // 4):
        yield disassemble(word, address * 4, tree=tree)


def compare(level: Level, words: list[int], tally: Tally) -> None:
    tally.count += len(words)
    lines = zip(words, ours(level, words), theirs(level, words), strict=True)
    for address, (word, mine, other) in enumerate(lines, BASE // 4):
        if mine == other:
            tally.decisions[mine[0] != ".", mine[0] != "."] += 1
            continue
        name, their_name = mine.split()[0], other.split()[0]
        is_mine, is_theirs = name != NONE and not name.endswith(".reserved"), their_name != NONE
        if not is_mine:
            if not is_theirs:
                tally.decisions[False, False] += 1
                continue
            mine = name = NONE
        tally.decisions[is_mine, is_theirs] += 1
        if kind := explained(level.release, level.bits, word, address * 4, mine, other):
            tally.listed[kind] += 1
        else:
            tally.found[name, their_name] += 1
            examples = tally.findings.setdefault((name, their_name), [])
            if len(examples) < SHOWN:
                examples.append(f"{word:08x} at {address * 4:x}: ours {mine!r}, objdump {other!r}")


def run(level: Level, seed: int, count: int) -> Tally:
    random, tally = Random(f"{level.name} {seed}"), Tally()
    while tally.count < count:
        compare(level, draw(random, level.rows, min(CHUNK, count - tally.count)), tally)
    return tally


def report(level: Level, seed: int, tally: Tally) -> str:
    decided = tally.decisions
    lines = [f"{level.name}: seed {seed}, {tally.count} words; instructions: both {decided[True, True]}, "
             f"neither {decided[False, False]}, ours alone {decided[True, False]}, objdump's alone {decided[False, True]}; "
             f"listed differences {sum(tally.listed.values())}, others {sum(tally.found.values())}"]
    lines += [f"  {count:8} {kind}: {'; '.join(REASONS[part] for part in kind.split(' and '))}"
              for kind, count in sorted(tally.listed.items())]
    for names, count in sorted(tally.found.items()):
        lines += [f"  NOT LISTED: {count} of {names[0]} and {names[1]}", *(f"    {e}" for e in tally.findings[names])]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare our disassembler with GNU objdump on random words.")
    parser.add_argument("--level", action="append", choices=LEVELS, help="ISA level, again for more (default: all)")
    parser.add_argument("--count", type=int, default=1_000_000, help="words a level (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if not program():
        parser.error("GNU objdump for MIPS is not installed: apt-get install binutils-mipsel-linux-gnu")
    worst = 0
    for name in options.level or LEVELS:
        tally = run(LEVELS[name], options.seed, options.count)
        print(report(LEVELS[name], options.seed, tally), flush=True)
        worst |= bool(tally.found)
    return worst


if __name__ == "__main__":
    sys.exit(main())
