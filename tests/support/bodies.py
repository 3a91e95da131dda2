"""Bodies of random programs: instructions by chance whose outcome the manual gives, and that do not trap.

A body is code that begins at its first word and ends behind its last one, whatever it does: branches and jumps go
forward by a few words.  It reads and writes $0 to $15 and $31, uses ``SCRATCH``, and memory from ``BASE`` on.  What the
manual leaves UNPREDICTABLE is not written: ``LEFT_OUT``, ``ALLOWED`` and ``preparation`` say what, and why.
(MD00087 and MD00090, chapter 3; MD00374 for DSP; MD00866 for MSA)
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from random import Random

from tests.support.engines import encode, rows_of
from vmm.arch.fp import Guard
from vmm.arch.models import find_model
from vmm.arch.rows import RELEASE_6, Insn, Tree, decode, decode_tree

BASE, INDEX, SCRATCH = 16, 19, 24
DATA_SIZE, INDEX_VALUE = 0x100, 0x48
"""Bytes that a body may reach from ``BASE``; what ``INDEX`` holds."""
MAX_OFF, LONGEST = 3, 30
"""Words that a branch goes on at most; words without a branch (Unicorn's translator dies of too long straight code)."""
OVER_SLOT = 0x1000_0001
"""B over its slot: it does nothing but end a block."""
OWN = 0.8
"""The share of a body's instructions that is of its own kind; the others are integer code."""
INTEGER = ("arith", "logic", "shift", "muldiv", "move", "bitfield", "memory", "branch", "release6", "compact", "trap")
"""Of release 6 not "pcrel": Unicorn 2.1 refuses opcode 3B; the cases try these."""
KINDS = {
    "integer": INTEGER,
    "float": ("fp_move", "fp_arith", "fp_paired"),
    "dsp": ("dsp.lanes", "dsp.accumulate"),
    "msa": ("msa.arith", "msa.bits", "msa.element", "msa.memory", "msa.float"),
}
SYSTEM = ("cache", "synci")
"""Of the family "system", which do nothing here.  (RDPGPR and its like Unicorn reads past what it keeps of registers.)"""
LEFT_OUT: dict[str, str] = {
    "ll": "comes with its sc", "lld": "comes with its scd",
    "pause": "waits for a link to break, which in Unicorn nothing does", "dvp": "needs virtual processors", "evp": "as dvp",
    "syscall": "a trap", "break": "a trap", "sdbbp": "a trap", "sigrie": "a trap",
}
LINKED = {"sc": "ll", "scd": "lld"}
DIVISIONS = frozenset({"div", "divu", "ddiv", "ddivu", "mod", "modu", "dmod", "dmodu"})
TRAPPING = frozenset({"add", "addi", "sub", "dadd", "daddi", "dsub"})
"""These may raise Ov, which ends a run: they are tried on small operands."""
ALLOWED: dict[str, Callable[[dict[str, int]], bool]] = {
    # a bit field that is not inside its register is UNPREDICTABLE
    "ext": lambda f: f["lsb"] + f["msbd"] < 32, "ins": lambda f: f["msb"] >= f["lsb"],
    "dextm": lambda f: f["lsb"] + f["msbd"] < 32, "dextu": lambda f: f["lsb"] + f["msbd"] < 32,
    "dins": lambda f: f["msb"] >= f["lsb"], "dinsu": lambda f: f["msb"] >= f["lsb"],
    "bovc": lambda f: bool(f["rs"]), "bnvc": lambda f: bool(f["rs"]),   # of $0, $0 QEMU links as BEQZALC does
    "balign": lambda f: f["bp"] not in (0, 2),
    "teq": lambda f: bool(f["rt"]), "tge": lambda f: bool(f["rt"]), "tgeu": lambda f: bool(f["rt"]),
}
WORD_ROWS = frozenset({
    "add", "addi", "addiu", "addu", "sub", "subu", "mul", "mult", "multu", "div", "divu", "madd", "maddu", "msub", "msubu",
    "sll", "srl", "sra", "rotr", "sllv", "srlv", "srav", "rotrv", "ext", "ins", "clz", "clo", "seb", "seh", "wsbh",
    "lwl", "lwr", "muh", "mulu", "muhu", "mod", "modu", "lsa", "align", "aui", "bitswap"})
"""On a 64-bit core, UNPREDICTABLE if an operand is not a sign-extended word: operands are made so first (SLL by 0)."""
SIZES = {"b": 1, "h": 2, "w": 4, "d": 8, "l": 4, "c": 4}
"""Of a load or store, by the letter behind the first; LL and SC are of words."""
SHORTER = {"lld": 8, "scd": 8, **dict.fromkeys(
    ("lwl", "lwr", "swl", "swr", "ldl", "ldr", "sdl", "sdr", "cache", "synci", "pref"), 1)}
FENR = 28
CONTROLS = (25, 26, FENR, 31, 31)
"""FCCR, FEXR, FENR, FCSR."""


@dataclass(frozen=True)
class Core:
    name: str
    big_endian: bool

    def __str__(self) -> str:
        return f"{self.name}-{'be' if self.big_endian else 'le'}"

    @property
    def bits(self) -> int:
        return find_model(self.name).bits

    @property
    def release(self) -> int:
        return find_model(self.name).release


@cache
def tree_of(name: str) -> Tree | None:
    return decode_tree(rows_of(name))


@cache
def rows_of_kind(name: str, kind: str, wide: bool, without: frozenset[str]) -> tuple[Insn, ...]:
    """``wide``: Status.FR."""
    return tuple(row for row in rows_of(name) if row.name not in LEFT_OUT and row.name not in without
                 and (row.family in KINDS[kind] or kind == "integer" and row.name in SYSTEM)
                 and (wide or row.fp is None or not row.fp.refusal & Guard.NARROW))


class Body:
    """``words``; of these, ``chosen`` were chosen by chance, and the others prepare operands for them.

    ``without``: rows to leave out.  ``start``: the address of the first word.
    """

    def __init__(self, core: Core, kind: str, r: Random, *, start: int, length: int, wide: bool = True,
                 without: frozenset[str] = frozenset()) -> None:
        self.core, self.random, self.start, self.wide = core, r, start, wide
        self.own = rows_of_kind(core.name, kind, wide, without)
        self.integer = rows_of_kind(core.name, "integer", wide, without)
        self.words: list[int] = []
        self.chosen = 0
        self._in_slot = False
        self._reach = 0                                # a branch before may go on no further than to this word
        self._straight = 0
        while self.chosen < length or self._in_slot:
            self._add()
        self.words += [0] * (MAX_OFF + 1)              # where the last branch may go

    def _add(self) -> None:
        r = self.random
        row = r.choice(self.own if r.random() < OWN else self.integer)
        fields = self._fields(row)
        before = preparation(self.core, row, fields)
        if self._in_slot and row.alone or before and len(self.words) < self._reach:
            return
        if self._straight > LONGEST and not self._in_slot:
            self.words += [OVER_SLOT, 0]
            self._straight = 0
        aim(row, fields, self.start + 4 * (len(self.words) + len(before)), before)
        if row.off or row.control or row.compact:
            self._reach = len(self.words) + len(before) + 1 + MAX_OFF
            self._straight = 0
        self.words += [*before, self._word(row, fields)]
        self.chosen += 1
        self._straight += 1 + len(before)
        self._in_slot = row.control or row.forbids

    def _word(self, row: Insn, fields: dict[str, int]) -> int:
        word = row.encoding.join(**fields)
        return word if self.wide or row.fp is None else word & ~row.fp.odd

    def _fields(self, row: Insn) -> dict[str, int]:
        """Fields that the manual allows."""
        r = self.random
        while True:
            fields = {f.name: r.getrandbits(f.width) for f in row.encoding.fields}
            for name in ("rs", "rt", "rd"):
                if name in fields:
                    fields[name] = r.randrange(row.dsp, 16)    # of DSP into $0 QEMU leaves out the flags, too
            settle(row, fields, r)
            if decode(tree_of(self.core.name), row.encoding.join(**fields)) is row and is_allowed(row.name, fields):
                return fields


def is_allowed(name: str, fields: dict[str, int]) -> bool:
    return (name not in DIVISIONS or bool(fields["rt"])) and (name not in ALLOWED or ALLOWED[name](fields))


def settle(row: Insn, fields: dict[str, int], r: Random) -> None:
    """Fields that are not free."""
    if "base" in fields:
        fields["base"] = BASE
        if "index" in fields:
            fields["index"] = INDEX
        elif row.vector:                               # in lanes
            fields["offset"] = r.randrange((DATA_SIZE - 16) // SIZES[row.name[-1]])
        else:
            fields["offset"] = r.randrange(0, DATA_SIZE, SHORTER.get(row.name) or SIZES[row.name[1]])
    if "off" in fields:
        fields["off"] = r.randrange(1, MAX_OFF + 1)
    if row.name in ("clz", "clo", "dclz", "dclo") and "rt" in fields:
        fields["rt"] = fields["rd"]                    # the encoding holds the destination twice
    elif row.name in ("cfc1", "ctc1"):
        fields["rd"] = r.choice(CONTROLS)
    elif row.family == "fp_paired" and "cc" in fields:
        fields["cc"] &= 6                              # UNPREDICTABLE if odd
    elif row.name == "pref" and row.since >= RELEASE_6:
        fields["hint"] %= 24                           # the others are reserved
    elif row.name in ("cfcmsa", "ctcmsa"):
        fields["cs" if "cs" in fields else "cd"] = 1
    elif row.name in ("tne", "tlt", "tltu"):
        fields["rt"] = fields["rs"]                    # neither unequal to itself nor less
    elif row.name in ("teq", "tge", "tgeu"):
        fields["rt"] = fields["rs"] ^ 1
    elif row.name == "tnei":
        fields["imm"] &= 0x7FFF if fields["rs"] else 0
    elif row.name == "teqi":
        fields["imm"] |= 1
    elif row.name in ("tlti", "tltiu"):
        fields["imm"] &= 0xFFF if fields["rs"] else 0
    elif row.name in ("tgei", "tgeiu"):
        fields["imm"] = fields["imm"] & 0x6FFF | 0x1000


def aim(row: Insn, fields: dict[str, int], pc: int, before: list[int]) -> None:
    """A jump goes where a branch might; the address that is in a register is written in ``before``."""
    goal = pc + 8 + 4 * (sum(fields.values()) % MAX_OFF)
    if "target" in fields:
        fields["target"] = goal >> 2 & (1 << 26) - 1
    elif before and row.name.startswith("j"):
        if row.compact:
            fields |= {"rt": SCRATCH, "offset": fields["offset"] & 0xBFFF}   # what is added to stays in KSEG0
            goal -= (fields["offset"] ^ 0x8000) - 0x8000
        else:
            fields["rs"] = SCRATCH
        before[:] = address_into(SCRATCH, goal)


def address_into(register: int, value: int) -> list[int]:
    """LUI, ORI."""
    return [0x3C00_0000 | register << 16 | value >> 16 & 0xFFFF,
            0x3400_0000 | register << 21 | register << 16 | value & 0xFFFF]


def immediate(opcode: int, register: int, value: int) -> int:
    """ANDI and ORI of a register by itself."""
    return opcode << 26 | register << 21 | register << 16 | value


ANDI, ORI = 12, 13


def preparation(core: Core, row: Insn, fields: dict[str, int]) -> list[int]:
    """Instructions that make the operands such that the manual says what happens."""
    operands = [fields[name] for name in ("rs", "rt") if fields.get(name)]
    if row.name.startswith("j") and "target" not in fields:
        return [0, 0]                                  # ``aim`` knows the address
    if row.name in LINKED:
        linked = next(other for other in rows_of(core.name) if other.name == LINKED[row.name])
        return [linked.encoding.join(**{**fields, "rt": fields["rt"] ^ 1})]
    if row.name == "insv":                             # the place that DSPControl says must lie inside the register
        place = fields["rs"] | fields["rt"] + 1 << 7
        return [ORI << 26 | SCRATCH << 16 | place, encode(core.name, f"wrdsp ${SCRATCH}, 3")]
    if row.family == "trap":
        return untrapped(row.name, fields)
    if row.name in ("ctc1", "ctcmsa"):                 # no Cause, no Enables, and not FENR's FS
        source = fields["rt" if row.name == "ctc1" else "rs"]
        return [immediate(ANDI, source, 3 if fields.get("rd") == FENR else 0x7F)] if source else []
    before = [*accumulator_words(row), *word_operands(fields, row)] if core.bits == 64 and row.name in WORD_ROWS else []
    if row.name in TRAPPING:
        before += [immediate(ANDI, n, 0xFFF) for n in operands]
    if row.name in DIVISIONS:   # a zero divisor and an overflowing quotient are UNPREDICTABLE
        before += [immediate(ORI, fields["rt"], 1), immediate(ANDI, fields["rt"], 0x7FFF)]
    return before


@cache
def accumulator_words(row: Insn) -> list[int]:
    """HI and LO hold sign-extended words."""
    if row.name not in ("madd", "maddu", "msub", "msubu"):
        return []
    return [encode("5KEf", line) for line in ("sll $1, $1, 0", "mthi $1", "mtlo $1")]


def word_operands(fields: dict[str, int], row: Insn) -> list[int]:
    """SLL by 0 of each operand register."""
    names = ("rt",) if row.name in ("lwl", "lwr") else ("rs", "rt")
    return [fields[name] << 16 | fields[name] << 11 for name in names if fields.get(name)]


def untrapped(name: str, fields: dict[str, int]) -> list[int]:
    """Operands for which a conditional trap is none."""
    rs, rt = fields["rs"], fields.get("rt", 0)
    if name == "teq":
        return [immediate(ORI, rs, 1), immediate(ANDI, rt, 0x7FFE)] if rs else [immediate(ORI, rt, 1)]
    if name in ("tge", "tgeu"):
        return [*([immediate(ANDI, rs, 0xFFF)] if rs else []), immediate(ANDI, rt, 0xFFF), immediate(ORI, rt, 0x1000)]
    if name == "teqi":
        return [immediate(ANDI, rs, 0x7FFE)]
    if name == "tnei":
        return [ORI << 26 | rs << 16 | fields["imm"]] if rs else []
    if name in ("tlti", "tltiu"):
        return [immediate(ANDI, rs, 0xFFF), immediate(ORI, rs, 0x1000)] if rs else []
    return [immediate(ANDI, rs, 0xFFF)] if rs else []

