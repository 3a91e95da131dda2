"""The language of a row's ``syntax``: how operands are written, and which fields hold them.

``{name}`` is an operand.  ``<...>`` may be left out on input, and is left out when printing if all operands
in it have their default value; without operands, as ``<$0, >``, it is printed always.  Anything else is
itself.  Blanks are for the reader.  An operand is ``{field}`` and then, each optional and in this order:

==========  =============================================================================================
``,field``  also held by this field: ``{rd,rt}``
``-field``  the operand is the difference of the two, a size, so at least 1: ``{msb-lsb+1}``
``*N``      the operand is N times what the field holds: ``{imm*4:s}``
``+N``      the operand is N more: ``{msbd+33}``
``:kind``   how it is written, see ``KINDS``; else what ``KIND_OF`` says of the field's name, else ``x``
``=N``      its default in an optional part, 0 unless told
==========  =============================================================================================

::

    addi {rt}, {rs}, {imm}                  addi $8,$9,-5
    andi {rt}, {rs}, {imm:x}                andi $8,$9,0xffff
    lw {rt}, {offset}({base})               lw $8,-4($9)
    beq {rs}, {rt}, {off}                   beq $8,$9,0x1010          also .+16 or a symbol
    jalr <{rd=31}, >{rs}                    jalr $25                  jalr $8,$25
    break <{code}<, {code2}>>               break                     break 0x1,0x2
    ext {rt}, {rs}, {lsb:x}, {msbd+1:x}     ext $8,$9,0x3,0x7
    mfc0 {rt}, {rd:n}<, {sel}>              mfc0 $8,$12               mfc0 $8,$16,5
    rdhwr {rt}, {rd:n}<, {sel}>             rdhwr $8,$29
    di <{rt}>                               di                        di $8
    cache {op}, {offset}({base})            cache 0x15,0($9)
    wait <{code}>                           wait 0x123
    ginvt {rs}, {type:x}                    ginvt $9,0x2
    copy_s.b {rd}, {ws}[{n:u}]              copy_s.b $8,$w2[15]

Invariant: one syntax gives both directions; what it prints, it reads.
"""
from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

KINDS = {
    "r": "a general register",
    "n": "a register by number, of coprocessor 0 or 2, of control or of the hardware",
    "f": "a floating-point register",
    "w": "a vector register",
    "cc": "a floating-point condition",
    "c2": "a condition of coprocessor 2",
    "ac": "an accumulator",
    "s": "a signed number, in decimal",
    "u": "an unsigned number, in decimal",
    "x": "an unsigned number, in hexadecimal",
    "b": "a branch target, relative to the delay slot",
    "p": "an address relative to the pc, in units that are ``*N``",
    "j": "a jump target, within the 256 MiB region of the delay slot",
}

KIND_OF = {
    **dict.fromkeys(("rs", "rt", "rd", "base", "index"), "r"),
    **dict.fromkeys(("fs", "ft", "fd", "fr"), "f"),
    **dict.fromkeys(("ws", "wt", "wd"), "w"),
    **dict.fromkeys(("imm", "offset"), "s"),
    "cc": "cc", "ac": "ac", "sel": "u", "off": "b", "target": "j",
}


@dataclass(frozen=True, slots=True)
class Operand:
    """``(field - minus) * scale + plus``, written as ``kind``; the fields ``also`` hold the same."""
    field: str
    also: tuple[str, ...]
    minus: str | None
    scale: int
    plus: int
    kind: str
    default: int

    def value(self, fields: Mapping[str, int], width: int) -> int:
        held = fields[self.field]
        if self.kind == "s":
            held = signed(held, width)
        return (held - self._less(fields)) * self.scale + self.plus

    def held(self, value: int, fields: Mapping[str, int], width: int) -> int:
        """What the field must hold for the operand to be ``value``."""
        held, odd = divmod(value - self.plus, self.scale)
        low, high = self._range(width)
        if odd:
            raise ValueError(f"{value:#x} is not a multiple of {self.scale}" if not self.plus else
                             f"{value:#x} is not {self.plus} more than a multiple of {self.scale}")
        held += self._less(fields)
        if not low <= held <= high or self.minus and value < 1:
            low, high = ((end - self._less(fields)) * self.scale + self.plus for end in (low, high))
            low = max(low, 1) if self.minus else low
            raise ValueError(f"{value} is out of range; it can be {low} to {high}")
        return held & (1 << width) - 1

    def _less(self, fields: Mapping[str, int]) -> int:
        return fields[self.minus] if self.minus else 0

    def _range(self, width: int) -> tuple[int, int]:
        return (-(1 << width - 1), (1 << width - 1) - 1) if self.kind == "s" else (0, (1 << width) - 1)


@dataclass(frozen=True, slots=True)
class Group:
    """A part that may be left out."""
    parts: tuple[Part, ...]


Part = str | Operand | Group


@dataclass(frozen=True, slots=True)
class Syntax:
    text: str
    mnemonic: str
    parts: tuple[Part, ...]
    operands: tuple[Operand, ...]
    shape: re.Pattern[str]
    """Matches the operands of a line, blanks removed; its group k+1 is ``operands[k]``."""


def signed(value: int, width: int) -> int:
    sign = 1 << width - 1
    return (value & (1 << width) - 1 ^ sign) - sign


@cache
def parse_syntax(text: str) -> Syntax:
    mnemonic, _, rest = text.partition(" ")
    tokens = re.findall(r"\{[^}]*\}?|[<>]|[^{<>]+", "".join(rest.split()))
    parts = tuple(_parts(iter(tokens), text, inside=False))
    return Syntax(text, mnemonic, parts, tuple(_operands(parts)), re.compile(_pattern(parts)))


def _parts(tokens: Iterator[str], text: str, *, inside: bool) -> Iterator[Part]:
    for token in tokens:
        if token == "<":
            yield Group(tuple(_parts(tokens, text, inside=True)))
        elif token == ">":
            if not inside:
                raise ValueError(f"syntax {text!r} has a '>' that no '<' opened")
            return
        elif token.startswith("{"):
            yield _operand(token, text)
        else:
            yield token
    if inside:
        raise ValueError(f"syntax {text!r} has a '<' that no '>' closes")


_OPERAND = re.compile(r"\{(\w+)((?:,\w+)*)(?:-([a-z]\w*))?(?:\*(\d+))?(?:\+(\d+))?(?::(\w+))?(?:=(\d+))?\}")


def _operand(token: str, text: str) -> Operand:
    found = _OPERAND.fullmatch(token)
    if not found:
        raise ValueError(f"syntax {text!r}: {token} is not {{field,field-field*N+N:kind=N}}")
    field, also, minus, scale, plus, kind, default = found.groups()
    kind = kind or KIND_OF.get(field, "x")
    if kind not in KINDS:
        raise ValueError(f"syntax {text!r}: {token} has kind {kind!r}; the kinds are {', '.join(KINDS)}")
    return Operand(field, tuple(also.split(",")[1:]), minus, int(scale or 1), int(plus or 0), kind,
                   int(default or 0))


def _operands(parts: tuple[Part, ...]) -> Iterator[Operand]:
    for part in parts:
        if isinstance(part, Operand):
            yield part
        elif isinstance(part, Group):
            yield from _operands(part.parts)


def _pattern(parts: tuple[Part, ...]) -> str:
    out = ""
    for part in parts:
        if isinstance(part, Operand):
            out += r"((?:%\w+\([^()]*\)|[^,()\[\]])" + ("*)" if part.kind == "s" else "+)")
        elif isinstance(part, Group):
            out += f"(?:{_pattern(part.parts)})?"
        else:
            out += re.escape(part).replace(r"\$0", r"\$(?:0|zero)")
    return out
