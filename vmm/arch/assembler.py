"""A file of assembly to bytes at an address: directives and labels around ``assemble_line``.

One section, linked where it is assembled; nothing is reordered and no delay slot is filled.  The language is
that of GNU as, but ``.word`` and its like must be aligned, and ``la`` is always two instructions.

Invariant: the first reading fixes every address and the second only fills in values, so a size must depend on
nothing that stands behind it.
"""
from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Literal

from vmm.arch.expression import NAME, Undefined, evaluate, unescape
from vmm.arch.pseudo import PSEUDO, Place
from vmm.arch.rows import Insn
from vmm.arch.source import AssemblyError, Source, Statement, Where, split_operands
from vmm.arch.text import Mnemonics, assemble_line

LARGEST = 1 << 28                                    # bytes that one program may have


@dataclass(frozen=True, slots=True)
class Program:
    """What was assembled.  ``lines``: the source line of each instruction, by address."""
    base: int
    code: bytes
    labels: Mapping[str, int]
    constants: Mapping[str, int]
    exported: tuple[str, ...]
    lines: Mapping[int, Where]

    @property
    def symbols(self) -> dict[str, int]:
        return {**self.labels, **self.constants}


def assemble(source: str, *, rows: Mnemonics | Iterable[Insn], base: int = 0, big_endian: bool = False,
             symbols: Mapping[str, int] | None = None, name: str = "<source>",
             read: Callable[[str], str] | None = None) -> Program:
    """``symbols`` are defined before the source; ``read`` gives the text of a file it includes."""
    assembly = Assembly(rows if isinstance(rows, Mnemonics) else Mnemonics(rows), base, big_endian,
                        dict(symbols or {}))
    for statement in Source(read or _nothing_to_include, assembly.value).statements(name, source):
        assembly.take(statement)
    return assembly.finish()


def assemble_file(path: Path, *, rows: Mnemonics | Iterable[Insn], base: int = 0, big_endian: bool = False,
                  symbols: Mapping[str, int] | None = None) -> Program:
    """Files that it includes are looked for in its own folder."""
    return assemble(path.read_text("utf-8"), rows=rows, base=base, big_endian=big_endian, symbols=symbols,
                    name=path.name, read=lambda name: (path.parent / name).read_text("utf-8"))


def _nothing_to_include(name: str) -> str:
    raise OSError("this source comes without files")


@dataclass(slots=True)
class _Piece:
    """Some bytes of the program, made when every symbol is known."""
    where: Where
    pc: int
    size: int
    make: Callable[[int], bytes]


@dataclass(slots=True)
class Assembly:
    """The first reading as it goes."""
    mnemonics: Mnemonics
    base: int
    big_endian: bool
    constants: dict[str, int]
    labels: dict[str, int] = field(default_factory=dict)
    numbered: dict[str, list[int]] = field(default_factory=dict)
    later: dict[str, tuple[Where, int, str]] = field(default_factory=dict)
    exported: dict[str, Where] = field(default_factory=dict)
    pieces: list[_Piece] = field(default_factory=list)
    defined_at: dict[str, Where] = field(default_factory=dict)
    pc: int = 0
    final: bool = False

    def __post_init__(self) -> None:
        self.pc = self.base

    # -- values ------------------------------------------------------------------------------------------

    def value(self, text: str, pc: int | None = None) -> int:
        return evaluate(text, partial(self._lookup, self.pc if pc is None else pc))

    def _lookup(self, pc: int, name: str) -> int:
        if name == ".":
            return pc
        if name[0].isdigit():
            return self._numbered(pc, name)
        known = self.labels.get(name, self.constants.get(name))
        if known is None:
            near = ", ".join(get_close_matches(name, [*self.labels, *self.constants], n=3))
            raise Undefined(f"{name!r} is not defined{'' if self.final else ' before this'}"
                            + (f"; nearest: {near}" if near else ""))
        return known

    def _numbered(self, pc: int, name: str) -> int:
        places = self.numbered.get(name[:-1], [])
        at = bisect_right(places, pc) - 1 if name[-1] == "b" else bisect_left(places, pc + 1)
        if not 0 <= at < len(places):
            side = "before" if name[-1] == "b" else "after"
            raise Undefined(f"there is no label {name[:-1]!r} {side} this")
        return places[at]

    # -- the first reading -------------------------------------------------------------------------------

    def take(self, statement: Statement) -> None:
        try:
            for label in statement.labels:
                self._label(label, statement.where)
            if not statement.operation:
                return
            if statement.operation in DIRECTIVES:
                DIRECTIVES[statement.operation](self, statement)
            elif statement.operation.startswith("."):
                near = ", ".join(get_close_matches(statement.operation, DIRECTIVES, n=3)) or "none"
                raise ValueError(f"unknown directive {statement.operation!r}; nearest: {near}")
            else:
                self._instruction(statement)
        except AssemblyError:
            raise
        except ValueError as error:
            raise AssemblyError(statement.where, error) from error

    def _label(self, name: str, where: Where) -> None:
        if name.isdigit():
            self.numbered.setdefault(name, []).append(self.pc)
        else:
            self._define_once(name, where)
            self.labels[name] = self.pc

    def _define_once(self, name: str, where: Where) -> None:
        if name in self.labels or name in self.constants or name in self.later:
            first = self.defined_at.get(name, "the build's symbols")
            raise ValueError(f"{name!r} is defined already, at {first}; give one of them another name")
        self.defined_at[name] = where

    def define(self, name: str, text: str, where: Where) -> None:
        if not re.fullmatch(NAME, name):
            raise ValueError(f"found {name!r}; write the name of a symbol there")
        self._define_once(name, where)
        try:
            self.constants[name] = self.value(text)
        except Undefined:
            self.later[name] = where, self.pc, text

    def add(self, where: Where, size: int, make: Callable[[int], bytes]) -> None:
        if not 0 <= size <= LARGEST - (self.pc - self.base):
            raise ValueError(f"{size:#x} bytes at {self.pc:#x}: a program has at most {LARGEST:#x} bytes")
        self.pieces.append(_Piece(where, self.pc, size, make))
        self.pc += size

    def _instruction(self, statement: Statement) -> None:
        if self.pc & 3:
            raise ValueError(f"instruction at {self.pc:#x}, which is not a multiple of 4; "
                             "write .balign 4 before it")
        expand = PSEUDO.get(statement.operation)
        lines = (expand(Place(self.value, self.base), *_exactly(statement, 2)) if expand
                 else [f"{statement.operation} {statement.operands}"])
        for line in lines:
            self.add(statement.where, 4, partial(self._word, line))

    # -- the second reading ------------------------------------------------------------------------------

    def finish(self) -> Program:
        self.final = True
        self._define_the_rest()
        for name, where in self.exported.items():
            if name not in self.labels and name not in self.constants:
                raise AssemblyError(where, f".globl {name}: {name!r} is not defined; "
                                           "define it or drop the .globl")
        code = bytearray()
        lines: dict[int, Where] = {}
        for piece in self.pieces:
            try:
                code += piece.make(piece.pc)
            except ValueError as error:
                raise AssemblyError(piece.where, error) from error
            lines[piece.pc] = piece.where
        return Program(self.base, bytes(code), self.labels, self.constants, tuple(self.exported), lines)

    def _define_the_rest(self) -> None:
        """What ``.equ`` could not know yet, in whatever order the values become known."""
        while self.later:
            stuck: Undefined | None = None
            for name, (_, pc, text) in list(self.later.items()):
                try:
                    self.constants[name] = self.value(text, pc)
                    del self.later[name]
                    break
                except Undefined as error:
                    stuck = stuck or error
            else:
                raise AssemblyError(next(iter(self.later.values()))[0], stuck)

    def _word(self, line: str, pc: int) -> bytes:
        mnemonic, _, operands = line.partition(" ")
        plain = ",".join(self._plain(operand, pc) for operand in split_operands(operands))
        word = assemble_line(f"{mnemonic} {plain}", pc, rows=self.mnemonics)
        return word.to_bytes(4, self.order)

    def _plain(self, operand: str, pc: int) -> str:
        """The operand with its expression worked out: ``%lo(table)($t0)`` becomes ``-128($t0)``."""
        if operand.startswith("$"):
            return operand
        found = re.fullmatch(r"(.*?)(\(\s*\$\w+\s*\))?", operand, re.DOTALL)
        assert found
        value = str(self.value(found[1], pc)) if found[1].strip() else ""
        return value + (found[2] or "")

    @property
    def order(self) -> Literal["big", "little"]:
        return "big" if self.big_endian else "little"


def _exactly(statement: Statement, count: int, optional: int = 0) -> list[str]:
    operands = split_operands(statement.operands)
    if not count <= len(operands) <= count + optional:
        wanted = f"{count}" + (f" to {count + optional}" if optional else "")
        raise ValueError(f"{statement.operation} takes {wanted} operands, found {len(operands)}: "
                         f"{statement.operands!r}")
    return operands


# -- directives ------------------------------------------------------------------------------------------


def _numbers(size: int, *, aligned: bool) -> Callable[[Assembly, Statement], None]:
    def directive(assembly: Assembly, statement: Statement) -> None:
        if aligned and assembly.pc % size:
            raise ValueError(f"{statement.operation} at {assembly.pc:#x}, which is not a multiple of {size}; "
                             f"write .balign {size} before it, or .{size}byte")
        for text in split_operands(statement.operands):
            assembly.add(statement.where, size, partial(number, assembly, text))

    def number(assembly: Assembly, text: str, pc: int) -> bytes:
        value = assembly.value(text, pc)
        bits = 8 * size
        if size == 4 and value >> 31 == (1 << 33) - 1:           # a sign-extended 32-bit address
            value &= 0xFFFF_FFFF
        if not -(1 << bits - 1) <= value < 1 << bits:
            raise ValueError(f"{text} is {value:#x}, which does not fit {bits} bits")
        return (value & (1 << bits) - 1).to_bytes(size, assembly.order)
    return directive


def _string(ending: bytes) -> Callable[[Assembly, Statement], None]:
    def directive(assembly: Assembly, statement: Statement) -> None:
        for text in split_operands(statement.operands):
            if len(text) < 2 or text[0] != '"' or text[-1] != '"':
                raise ValueError(f"{statement.operation} takes strings, found {text}; "
                                 "write it in double quotes")
            data = unescape(text[1:-1]) + ending
            assembly.add(statement.where, len(data), partial(_same, data))
    return directive


def _same(data: bytes, pc: int) -> bytes:
    return data


def _fill(assembly: Assembly, statement: Statement, size: int, fill: list[str]) -> None:
    byte = assembly.value(fill[0]) & 0xFF if fill else 0
    assembly.add(statement.where, size, lambda pc: bytes([byte]) * size)


def _align(*, power: bool) -> Callable[[Assembly, Statement], None]:
    def directive(assembly: Assembly, statement: Statement) -> None:
        operand, *fill = _exactly(statement, 1, 1)
        value = assembly.value(operand)
        boundary = 1 << value if power and 0 <= value < 29 else value
        if boundary < 1 or boundary & boundary - 1 or (power and value > 28):
            raise ValueError(f"{statement.operation} {operand}: {value} is no boundary; "
                             + ("write an exponent of 0 to 28" if power else "write a power of two"))
        _fill(assembly, statement, -assembly.pc % boundary, fill)
    return directive


def _space(assembly: Assembly, statement: Statement) -> None:
    operand, *fill = _exactly(statement, 1, 1)
    _fill(assembly, statement, assembly.value(operand), fill)


def _org(assembly: Assembly, statement: Statement) -> None:
    """An address in the program, or an offset from its start."""
    operand, *fill = _exactly(statement, 1, 1)
    value = assembly.value(operand)
    address = value if value >= assembly.base else assembly.base + value
    if address < assembly.pc:
        raise ValueError(f".org {operand} is {address:#x}, but the program is at {assembly.pc:#x} already")
    _fill(assembly, statement, address - assembly.pc, fill)


def _equ(assembly: Assembly, statement: Statement) -> None:
    name, text = _exactly(statement, 2)
    assembly.define(name, text, statement.where)


OPTIONS = ("noreorder", "nomacro", "macro", "noat", "at", "push", "pop", "nomips16", "nomicromips")


def _set(assembly: Assembly, statement: Statement) -> None:
    """``.set name, value``; or an option of GNU as that asks for what we do anyway."""
    option = statement.operands.strip()
    if "," in option:
        _equ(assembly, statement)
    elif option == "reorder":
        raise ValueError(".set reorder: delay slots are never filled here; write the slots yourself")
    elif option not in OPTIONS and not re.fullmatch(r"mips(0|32|64)(r[1-6])?|arch=\S+", option):
        raise ValueError(f".set {option}: unknown option; there are {', '.join(OPTIONS)}, "
                         "or .set NAME, VALUE")


def _globl(assembly: Assembly, statement: Statement) -> None:
    for name in split_operands(statement.operands):
        assembly.exported.setdefault(name, statement.where)


def _one_section(assembly: Assembly, statement: Statement) -> None:
    raise ValueError(f"{statement.operation}: there is one section, .text; put the data behind the code")


def _nothing(assembly: Assembly, statement: Statement) -> None:
    """Says what is so anyway, or something for a debugger."""


# fmt: off
DIRECTIVES: dict[str, Callable[[Assembly, Statement], None]] = {
    ".byte":  _numbers(1, aligned=False),
    ".half":  _numbers(2, aligned=True),  ".short": _numbers(2, aligned=True),
    ".word":  _numbers(4, aligned=True),  ".long": _numbers(4, aligned=True),
    ".dword": _numbers(8, aligned=True),
    ".2byte": _numbers(2, aligned=False), ".4byte": _numbers(4, aligned=False),
    ".8byte": _numbers(8, aligned=False),
    ".ascii": _string(b""),
    ".asciiz": _string(b"\0"),            ".asciz": _string(b"\0"),            ".string": _string(b"\0"),
    ".align": _align(power=True),         ".p2align": _align(power=True),      ".balign": _align(power=False),
    ".space": _space,                     ".skip": _space,                     ".org": _org,
    ".equ":   _equ,                       ".set": _set,
    ".globl": _globl,                     ".global": _globl,
    ".text":  _nothing,                   ".type": _nothing,                   ".size": _nothing,
    ".ent":   _nothing,                   ".end": _nothing,
    ".data":  _one_section,               ".bss": _one_section,
    ".rodata": _one_section,              ".section": _one_section,
}
# fmt: on
