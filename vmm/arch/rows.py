"""A row is one instruction: its encoding, its syntax, where it exists, and what it means.

A family is one chapter of the manual, in the manual's order.  ``decode_tree`` is the only decoder: the reference
engine walks it, the native engine compiles it, the disassembler reads it.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import Any, TypeVar

from vmm.arch.encoding import Encoding, Field, compatible
from vmm.arch.fp import Needs

Meaning = TypeVar("Meaning", bound=Callable[..., None])

REMOVED_NEVER = 99
RELEASE_6 = 6
"""The first release whose opcodes mean other things than before: it has a decode tree of its own."""


@dataclass(frozen=True, slots=True, eq=False)
class Insn:
    """One row; it is equal to itself only.

    ``since``/``until``: the first release that has it, and the first that no longer has it (1, 2, 3, 5, 6).
    ``bits``: 64 for instructions of MIPS64 only; executing one where 64-bit operations are off raises RI.
    ``ase``: the extension it belongs to ("VZ", "GINV", "TLBINV", "LLB", ...), both if it needs two ("VZ GINV"), or None.
    ``cp0``: it needs coprocessor 0 (kernel mode, or Status.CU0), else CpU.
    ``system``: it may change how the next instruction is fetched or what may interrupt it, so the engine looks
    around (mode, interrupts, translation) before it goes on.
    ``quiet``: of such a row, ``quiet(m, **fields)``, asked when it is done: a Condition that it changed nothing of that.
    ``control``: it has a delay slot.
    ``vector``: it works on MSA's registers, so MSA must be there and switched on.
    ``compact``: it is a branch or jump without one.
    ``forbids``: when it does not branch, the next instruction must not be ``alone`` (its forbidden slot).
    ``alone``: it raises RI in a delay slot or forbidden slot; every branch and jump does.
    ``fp``: it belongs to coprocessor 1, and what it needs of it.
    """
    name: str
    encoding: Encoding
    syntax: str
    meaning: Callable[..., None]
    family: str
    since: int
    until: int
    bits: int
    ase: str | None
    cp0: bool
    system: bool
    quiet: Callable[..., Any] | None
    control: bool
    vector: bool
    compact: bool
    forbids: bool
    alone: bool
    fp: Needs | None

    @property
    def ases(self) -> frozenset[str]:
        """The extensions that must be there."""
        return frozenset((self.ase or "").split())

    @property
    def dsp(self) -> bool:
        """Whether it needs Status.MX, else DSPDis."""
        return self.ase in ("DSP", "DSPR2")

    @property
    def off(self) -> Field | None:
        """The field that says how many words a branch goes on from the next instruction."""
        return next((f for f in self.encoding.fields if f.name == "off"), None)

    def is_alone(self, release: int) -> bool:
        """Whether it is reserved in a slot; of what is no branch, only release 6 says so (before: UNPREDICTABLE)."""
        return self.alone and (self.control or self.compact or release >= RELEASE_6)

    def on(self, release: int) -> bool:
        return self.since <= release < self.until


class Family:
    def __init__(self, name: str) -> None:
        self.name = name
        self.rows: list[Insn] = []

    def insn(self, pattern: str, syntax: str, *, since: int = 1, until: int = REMOVED_NEVER, bits: int = 32,
             ase: str | None = None, cp0: bool = False, system: bool = False, quiet: Callable[..., Any] | None = None,
             control: bool = False, compact: bool = False, forbids: bool = False,
             alone: bool = False, vector: bool = False, fp: Needs | None = None) -> Callable[[Meaning], Meaning]:
        """Add the decorated meaning as a row; its mnemonic is the first word of ``syntax``."""
        def register(meaning: Meaning) -> Meaning:
            self.rows.append(Insn(syntax.split()[0], Encoding.parse(pattern), syntax, meaning, self.name, since,
                                  until, bits, ase, cp0, system, quiet, control, vector, compact, forbids,
                                  alone or control or compact, fp))
            return meaning
        return register

    def __iter__(self) -> Iterator[Insn]:
        return iter(self.rows)


@dataclass(frozen=True, slots=True)
class Fork:
    """Look at ``mask``; go on with the child for that value, else with ``other``."""
    mask: int
    children: dict[int, Tree]
    other: Tree | None


@dataclass(frozen=True, slots=True)
class Choice:
    """Rows that relations between fields tell apart: the first that fits."""
    rows: tuple[Insn, ...]


Tree = Fork | Choice | Insn


def decode_tree(rows: Iterable[Insn], seen: int = 0) -> Tree | None:
    """Split on the fixed bits that all rows share; a row with more fixed bits wins over a wider one."""
    left = list(rows)
    if not left:
        return None
    shared = reduce(and_, (row.encoding.mask for row in left)) & ~seen
    if not shared:
        return _narrowest_first(left, seen)
    groups: dict[int, list[Insn]] = {}
    for row in left:
        groups.setdefault(row.encoding.match & shared, []).append(row)
    children = {key: child for key, group in groups.items() if (child := decode_tree(group, seen | shared))}
    return Fork(shared, children, None)


def _narrowest_first(rows: list[Insn], seen: int) -> Tree:
    """Rows that share no further fixed bit: one is the rest (all seen bits suffice), the others are special cases."""
    if len(rows) == 1:
        return rows[0]
    if any(row.encoding.relations for row in rows):
        return _choice(rows)
    rest = [row for row in rows if not row.encoding.mask & ~seen]
    special = [row for row in rows if row.encoding.mask & ~seen]
    if len(rest) > 1:
        raise ValueError("same encoding: " + ", ".join(row.name for row in rest))
    other: Tree | None = rest[0] if rest else None
    masks = sorted({row.encoding.mask & ~seen for row in special}, key=int.bit_count)
    for mask in masks:                               # widest case first, so the most special ends up outermost
        group = [row for row in special if row.encoding.mask & ~seen == mask]
        keys = {row.encoding.match & mask: row for row in group}
        if len(keys) != len(group):
            raise ValueError("same encoding: " + ", ".join(row.name for row in group))
        other = Fork(mask, dict(keys), other)
    assert other is not None
    return other


def _choice(rows: list[Insn]) -> Choice:
    """The row with most fixed bits first; two that could both fit must be a special case and a wider one."""
    for n, one in enumerate(rows):
        for other in rows[:n]:
            nested = one.encoding.mask != other.encoding.mask and (
                one.encoding.mask & other.encoding.mask in (one.encoding.mask, other.encoding.mask))
            if not nested and compatible(one.encoding, other.encoding):
                raise ValueError(f"same encoding: {other.name}, {one.name}")
    return Choice(tuple(sorted(rows, key=lambda row: -row.encoding.mask.bit_count())))


def decode(tree: Tree | None, word: int) -> Insn | None:
    node = tree
    while isinstance(node, Fork):
        node = node.children.get(word & node.mask, node.other)
    if isinstance(node, Choice):
        return next((row for row in node.rows if row.encoding.fits(word)), None)
    return node if node is not None and node.encoding.fits(word) else None


def available(rows: Iterable[Insn], *, release: int, bits: int, ases: frozenset[str]) -> list[Insn]:
    """The rows that a core of this release, width and set of extensions has."""
    return [row for row in rows if row.on(release) and row.bits <= bits and row.ases <= ases]


AnyMachine = Any
"""The type of ``m`` in a meaning: a meaning is generic over its algebra, which Python's types cannot say."""
