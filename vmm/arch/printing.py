"""How a word of a row is printed: a template, and for each operand a function that cuts it out of the word.

Made once for a row, a syntax and a set of register names, so that a line costs no look at the syntax.
Invariant: a part that may be left out is printed unless all its operands have their defaults.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from vmm.arch.encoding import Field
from vmm.arch.rows import Insn
from vmm.arch.syntax import Group, Operand, Part, parse_syntax, signed

NUMERIC = tuple(str(n) for n in range(32))
O32 = ("zero", "at", "v0", "v1", "a0", "a1", "a2", "a3", "t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7",
       "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "t8", "t9", "k0", "k1", "gp", "sp", "s8", "ra")
N64 = (*O32[:8], "a4", "a5", "a6", "a7", "t0", "t1", "t2", "t3", *O32[16:])
GPR_NAMES = {"numeric": NUMERIC, "o32": O32, "n64": N64}

PREFIX = {"r": "", "n": "", "f": "f", "w": "w", "cc": "fcc", "c2": "cc", "ac": "ac"}

Print = Callable[[int, int], str]
"""(word, pc) to text."""
Value = Callable[[int, int], int | str]
"""(word, pc) to what its place in the template takes."""
Told = Callable[[int], bool]
"""Whether an optional part of the word is printed."""


@cache
def printer(insn: Insn, syntax: str, names: str) -> Print:
    """Prints words of ``insn`` as ``syntax``, its own or an alias's, says; ``names`` is a key of ``GPR_NAMES``."""
    parsed = parse_syntax(syntax)
    fields = {f.name: f for f in insn.encoding.fields}
    operands = _line(parsed.parts, fields, GPR_NAMES[names])
    if not parsed.parts:
        return lambda word, pc: parsed.mnemonic
    if any(isinstance(part, Group) for part in parsed.parts):
        return lambda word, pc: f"{parsed.mnemonic} {operands(word, pc)}".rstrip()
    return _line((parsed.mnemonic + " ", *parsed.parts), fields, GPR_NAMES[names])


def _line(parts: tuple[Part, ...], fields: Mapping[str, Field], names: tuple[str, ...]) -> Print:
    template, values = "", list[Value]()
    for part in parts:
        if isinstance(part, str):
            template += part.replace("%", "%%")
            continue
        form, value = ("%s", _group(part, fields, names)) if isinstance(part, Group) else _operand(part, fields, names)
        template += form
        values.append(value)
    return lambda word, pc: template % tuple([value(word, pc) for value in values])


def _group(group: Group, fields: Mapping[str, Field], names: tuple[str, ...]) -> Value:
    told, line = _told(group, fields), _line(group.parts, fields, names)
    return lambda word, pc: line(word, pc) if told(word) else ""


def _told(group: Group, fields: Mapping[str, Field]) -> Told:
    """A group without operands is always printed."""
    inner = [_told(part, fields) for part in group.parts if isinstance(part, Group)]
    operands = [part for part in group.parts if isinstance(part, Operand)]
    if not inner and not operands:
        return lambda word: True
    usual = sum(part.default << fields[part.field].low for part in operands)
    mask = sum(fields[part.field].mask for part in operands)
    return lambda word: word & mask != usual or any(told(word) for told in inner)


def _operand(operand: Operand, fields: Mapping[str, Field], names: tuple[str, ...]) -> tuple[str, Value]:
    """Its place in the template, and what goes there."""
    low, width = fields[operand.field].low, fields[operand.field].width
    mask, scale = (1 << width) - 1, operand.scale
    if operand.kind == "r":
        return "$%s", lambda word, pc: names[word >> low & mask]
    if operand.kind in PREFIX:
        return f"${PREFIX[operand.kind]}%d", lambda word, pc: word >> low & mask
    if operand.kind == "b":
        return "%#x", lambda word, pc: pc + 4 + 4 * signed(word >> low, width) & _wrap(pc)
    if operand.kind == "p":
        return "%#x", lambda word, pc: (pc & -scale) + scale * signed(word >> low, width) & _wrap(pc)
    if operand.kind == "j":
        return "%#x", lambda word, pc: pc + 4 & _wrap(pc) & ~0xFFF_FFFF | (word & mask) << 2
    return "%#x" if operand.kind == "x" else "%d", _number(operand, fields)


def _number(operand: Operand, fields: Mapping[str, Field]) -> Value:
    low, width = fields[operand.field].low, fields[operand.field].width
    mask = (1 << width) - 1
    if operand.minus:
        return lambda word, pc: operand.value({name: f.of(word) for name, f in fields.items()}, width)
    scale, plus, sign = operand.scale, operand.plus, operand.kind == "s" and 1 << width - 1
    return lambda word, pc: ((word >> low & mask ^ sign) - sign) * scale + plus


def _wrap(pc: int) -> int:
    return (1 << (64 if pc >> 32 else 32)) - 1
