"""One line of assembly to a word, and a word to a line: two more readings of the rows.

The rows' ``syntax`` says how operands are written: see ``vmm.arch.syntax``.  Printed lines are those of GNU
objdump with ``-M no-aliases,gpr-names=numeric``, but for one blank instead of its tab.

>>> from vmm.arch.insns import ROWS
>>> from vmm.arch.rows import available, decode_tree
>>> rows = available(ROWS, release=2, bits=64, ases=frozenset())
>>> hex(assemble_line("bnez $t0, loop", 0x1010, rows=rows, symbols={"loop": 0x1000}))
'0x1500fffb'
>>> disassemble(0x1500FFFB, 0x1010, tree=decode_tree(rows))
'bne $8,$0,0x1000'

Invariant: what ``disassemble`` prints for a word that a row fits, ``assemble_line`` reads back as that word
(unless the word gives two values to one operand, as ``clz`` can, or names a bit field outside its register);
with aliases, as a word that does the same (``move`` may stand for ``or`` or ``addu``, ``li`` for two others).
"""
from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from vmm.arch.aliases import ALIASES, Alias
from vmm.arch.printing import GPR_NAMES, NUMERIC, PREFIX, printer
from vmm.arch.rows import Insn, Tree, decode
from vmm.arch.syntax import KINDS, Operand, Syntax, parse_syntax, signed

# What gas offers to build an address from parts that are sign-extended when they are added.
RELOCATIONS: dict[str, Callable[[int], int]] = {
    "lo": lambda value: signed(value, 16),
    "hi": lambda value: value + 0x8000 >> 16 & 0xFFFF,
    "higher": lambda value: value + 0x8000_8000 >> 32 & 0xFFFF,
    "highest": lambda value: value + 0x8000_8000_8000 >> 48 & 0xFFFF,
}


@dataclass(frozen=True, slots=True)
class Form:
    """One way to write a row: its own syntax, or an alias that fixes some fields."""
    text: str
    insn: Insn
    fixed: Mapping[str, int]

    @property
    def syntax(self) -> Syntax:
        """Read when it is first used, as few are."""
        return parse_syntax(self.text)


class Mnemonics:
    """Rows by mnemonic, aliases after rows.  Make one for a core and keep it: it costs more than a line."""

    def __init__(self, rows: Iterable[Insn], *, abi: str = "o32") -> None:
        self.forms: dict[str, list[Form]] = {}
        by_name: dict[str, list[Insn]] = {}
        for row in rows:
            by_name.setdefault(row.name, []).append(row)
            self._add(Form(row.syntax, row, {}))
        for alias in ALIASES:
            for row in by_name.get(alias.row, ()):
                self._add(Form(alias.syntax, row, dict(alias.fixed)))
        self.registers = {name: n for names in (NUMERIC, GPR_NAMES[abi]) for n, name in enumerate(names)}
        self.registers["fp"] = self.registers["s8"]

    def _add(self, form: Form) -> None:
        self.forms.setdefault(form.text.partition(" ")[0], []).append(form)


@dataclass(frozen=True, slots=True)
class _Line:
    """What the operands of one line may refer to."""
    pc: int
    symbols: Mapping[str, int]
    registers: Mapping[str, int]


def assemble_line(line: str, pc: int = 0, *, rows: Mnemonics | Iterable[Insn],
                  symbols: Mapping[str, int] | None = None) -> int:
    """The word for one instruction at ``pc``, which ``.`` stands for; ``ValueError`` if there is none."""
    index = rows if isinstance(rows, Mnemonics) else Mnemonics(rows)
    words = line.partition("#")[0].split()
    if not words:
        raise ValueError(f"{line!r} holds no instruction")
    if found := re.search(r"\$?[\w.]+ [$%\w.]+", " ".join(words[1:])):
        raise ValueError(f"{line.strip()!r}: {found[0]!r} is two operands without a comma between them")
    mnemonic, operands = words[0].lower(), "".join(words[1:])
    forms = index.forms.get(mnemonic)
    if not forms:
        near = ", ".join(get_close_matches(mnemonic, index.forms, n=3)) or "none"
        raise ValueError(f"{line.strip()!r}: this core has no instruction {mnemonic!r}; nearest: {near}")
    where = _Line(pc, symbols or {}, index.registers)
    problem: ValueError | None = None
    for form in forms:
        found = form.syntax.shape.fullmatch(operands)
        if not found:
            continue
        try:
            return _encode(form, found.groups(), where)
        except ValueError as error:
            problem = problem or error               # the first form is the usual one: show its complaint
    if problem:
        raise ValueError(f"{line.strip()!r}: {problem}") from problem
    written = " or ".join(dict.fromkeys(f"{f.text!r}" for f in forms))
    raise ValueError(f"{line.strip()!r}: the operands do not fit; write {written}")


def disassemble(word: int, pc: int = 0, *, tree: Tree | None, aliases: bool = False,
                names: str = "numeric") -> str:
    """The line for ``word`` at ``pc``; ``names`` is a key of ``GPR_NAMES``; ``aliases``: prefer ``nop``."""
    insn = decode(tree, word)
    if insn is None:
        return f".word 0x{word:08x}"
    alias = next((a for a in ALIASES if a.shown and _is(a, insn, word)), None) if aliases else None
    return printer(insn, alias.syntax if alias else insn.syntax, names)(word, pc)


# -- reading -----------------------------------------------------------------------------------------------


def _encode(form: Form, written: tuple[str | None, ...], line: _Line) -> int:
    fields = dict(form.fixed)
    widths = _widths(form.insn)
    pairs = zip(form.syntax.operands, written, strict=True)
    for operand, text in sorted(pairs, key=lambda pair: pair[0].minus is not None):    # differences come last
        held = operand.default if text is None else _read(operand, text, fields, widths[operand.field], line)
        for name in (operand.field, *operand.also):
            if fields.setdefault(name, held) != held:
                raise ValueError(f"{name} is written as {fields[name]} and as {held}; give it one value")
    word = form.insn.encoding.join(**fields)
    if not form.insn.encoding.fits(word):
        raise ValueError(f"with these registers the word is no {form.insn.name}")
    return word


def _read(operand: Operand, text: str, fields: Mapping[str, int], width: int, line: _Line) -> int:
    try:
        if operand.kind in PREFIX:
            return _register(operand.kind, text, line.registers, 1 << width)
        value = evaluate(text, line.pc, line.symbols) if text else 0           # "lw $8,($9)"
        if operand.kind == "b":
            return _branch(value, line.pc, width)
        if operand.kind == "j":
            return _jump(value, line.pc)
        if operand.kind == "p":
            return _relative(value, line.pc & -operand.scale, operand.scale, width)
        return operand.held(value, fields, width)
    except ValueError as error:
        raise ValueError(f"operand {operand.field} is {KINDS[operand.kind]}: {error}") from error


def _register(kind: str, text: str, general: Mapping[str, int], count: int) -> int:
    name = text.lower()
    prefix = "$" + PREFIX[kind]
    number = general.get(name[1:]) if kind == "r" and name.startswith("$") else None
    if number is None and name.startswith(prefix) and name[len(prefix):].isdecimal():
        number = int(name[len(prefix):])
    if number is None or number >= count:
        names = " or a name such as $t0 or $sp" if kind == "r" else ""
        raise ValueError(f"found {text!r}; write {prefix}0 to {prefix}{count - 1}{names}")
    return number


def _branch(target: int, pc: int, width: int) -> int:
    """Only the low 32 bits are compared, so that 0x80001000 and its sign-extended form are the same place."""
    if target - pc & 3:
        raise ValueError(f"{target:#x} is not a whole number of instructions from {pc:#x}")
    return _relative(target, pc + 4, 4, width, "the slot at ")


def _relative(target: int, base: int, unit: int, width: int, what: str = "") -> int:
    distance = signed(target - base & 0xFFFF_FFFF, 32)
    reach = unit << width - 1
    if distance % unit:
        raise ValueError(f"{target:#x} is not a multiple of {unit} from {base:#x}")
    if not -reach <= distance < reach:
        raise ValueError(f"{target:#x} is {distance:+#x} from {what}{base:#x}; "
                         f"it can be {-reach:+#x} to {reach - unit:+#x}")
    return distance // unit & (1 << width) - 1


def _jump(target: int, pc: int) -> int:
    if target & 3:
        raise ValueError(f"{target:#x} is not the address of an instruction, a multiple of 4")
    if (target ^ pc + 4) & 0xF000_0000:
        raise ValueError(f"{target:#x} lies outside the 256 MiB region of the slot at {pc + 4:#x}; "
                         "load it into a register and use jalr or jr")
    return target >> 2 & 0x3FF_FFFF


_TERM = re.compile(r"([+-]*)(?:%(\w+)\(([^()]*)\)|([\w.$]+))")


def evaluate(text: str, pc: int, symbols: Mapping[str, int]) -> int:
    """Sums of numbers, symbols, ``.`` (this instruction's address) and ``%hi(...)`` and its like."""
    total = end = 0
    for term in _TERM.finditer(text):
        signs, function, argument, atom = term.groups()
        if term.start() != end or end and not signs:
            break
        end = term.end()
        if function and function not in RELOCATIONS:
            raise ValueError(f"%{function}() is unknown; there are %{', %'.join(RELOCATIONS)}")
        value = (RELOCATIONS[function](evaluate(argument, pc, symbols)) if function
                 else _atom(atom, pc, symbols))
        total += -value if signs.count("-") & 1 else value
    if not end or end != len(text):
        raise ValueError(f"found {text!r}; write a number, a symbol or a sum of them")
    return total


def _atom(text: str, pc: int, symbols: Mapping[str, int]) -> int:
    if text == ".":
        return pc
    if text in symbols:
        return symbols[text]
    try:
        return int(text, 0)
    except ValueError:
        near = ", ".join(get_close_matches(text, symbols, n=3))
        raise ValueError(f"found {text!r}, which is neither a number nor a known symbol"
                         + (f"; nearest: {near}" if near else "")) from None


def _widths(insn: Insn) -> dict[str, int]:
    return {f.name: f.width for f in insn.encoding.fields}


def _is(alias: Alias, insn: Insn, word: int) -> bool:
    if alias.row != insn.name:
        return False
    fields = insn.encoding.split(word)
    return all(fields[name] == value for name, value in alias.fixed)
