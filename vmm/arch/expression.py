"""Constant expressions of assembly source: ``TEXT + (message - text)``, ``%hi(table)``, ``1 << PAGE_SHIFT``.

Invariant: the operators bind as in GNU as, not as in C: ``| & ^`` bind tighter than ``+ -``; a comparison
that holds is -1.  (GNU as manual, section 6.2.4.)

>>> evaluate("1 | 2 + 4", {}.__getitem__)
7
>>> evaluate("-(TICK << 1) + 'A'", {"TICK": 8}.__getitem__)
49
"""
from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator

from vmm.arch.text import RELOCATIONS

Lookup = Callable[[str], int]
"""The value of a symbol, of ``.``, or of a numeric label reference such as ``1b``; raises ``Undefined``."""


class Undefined(ValueError):
    """A symbol that has no value, or none yet."""


def _divide(a: int, b: int) -> int:
    if not b:
        raise ValueError(f"{a} is divided by 0")
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def _shift_left(a: int, b: int) -> int:
    if not 0 <= b < 64:
        raise ValueError(f"{a} is shifted by {b}; it can be 0 to 63")
    return a << b


def _truth(compare: Callable[[int, int], bool]) -> Callable[[int, int], int]:
    return lambda a, b: -int(compare(a, b))


# fmt: off
BINARY: dict[str, tuple[int, Callable[[int, int], int]]] = {
    "*":  (6, operator.mul),             "/":  (6, _divide),
    "%":  (6, lambda a, b: a - b * _divide(a, b)),
    "<<": (6, _shift_left),              ">>": (6, lambda a, b: a >> max(b, 0)),
    "|":  (5, operator.or_),             "&":  (5, operator.and_),             "^":  (5, operator.xor),
    "+":  (4, operator.add),             "-":  (4, operator.sub),
    "==": (3, _truth(operator.eq)),      "!=": (3, _truth(operator.ne)),
    "<":  (3, _truth(operator.lt)),      "<=": (3, _truth(operator.le)),
    ">":  (3, _truth(operator.gt)),      ">=": (3, _truth(operator.ge)),
    "&&": (2, lambda a, b: int(bool(a and b))),
    "||": (1, lambda a, b: int(bool(a or b))),
}
UNARY: dict[str, Callable[[int], int]] = {
    "-": operator.neg, "+": operator.pos, "~": operator.invert, "!": lambda a: int(not a),
}
ESCAPES = {"n": 10, "t": 9, "r": 13, "b": 8, "f": 12, "0": 0, "\\": 92, '"': 34, "'": 39}
# fmt: on

NAME = r"[A-Za-z_.$][\w.$]*"
_TOKEN = re.compile(rf"""\s*(?:
    (?P<number>0[xX][0-9a-fA-F]+ | 0[bB][01]+(?!\w) | \d+(?![\w$.]))
  | (?P<name>\d+[bf](?!\w) | {NAME})
  | (?P<char>'(?:\\.|[^\\'])')
  | (?P<relocation>%(?:{"|".join(RELOCATIONS)})(?=\s*\())
  | (?P<sign><<|>>|<=|>=|==|!=|&&|\|\||[-+*/%|&^~!()<>])
)""", re.VERBOSE)


def evaluate(text: str, lookup: Lookup) -> int:
    """The expression's value; ``ValueError`` says what is wrong with it."""
    parser = _Parser(text, lookup)
    value = parser.binary(1)
    if parser.kind:
        raise ValueError(f"found {parser.token!r} in {text.strip()!r} where the expression could end")
    return value


class _Parser:
    """Precedence climbing over the tokens; ``kind`` and ``token`` are the one in hand, empty at the end."""

    def __init__(self, text: str, lookup: Lookup) -> None:
        self.text, self.lookup = text, lookup
        self._tokens = self._scan()
        self.kind = self.token = ""
        self.advance()

    def _scan(self) -> Iterator[tuple[str, str]]:
        at, text = 0, self.text.rstrip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            if not found:
                raise ValueError(f"found {text[at:].strip()!r}; "
                                 "write numbers, symbols and + - * << >> & | ( )")
            at = found.end()
            yield str(found.lastgroup), found[str(found.lastgroup)]

    def advance(self) -> str:
        token = self.token
        self.kind, self.token = next(self._tokens, ("", ""))
        return token

    def binary(self, rank: int) -> int:
        value = self.unary()
        while self.kind == "sign" and self.token in BINARY and BINARY[self.token][0] >= rank:
            binds, apply = BINARY[self.advance()]
            value = apply(value, self.binary(binds + 1))
        return value

    def unary(self) -> int:
        if self.kind == "sign" and self.token in UNARY:
            return UNARY[self.advance()](self.unary())
        if self.kind == "relocation":
            return RELOCATIONS[self.advance()[1:]](self.unary())
        if self.token == "(":
            self.advance()
            value = self.binary(1)
            if self.token != ")":
                raise ValueError(f"{self.text.strip()!r} has a '(' that no ')' closes")
            self.advance()
            return value
        return self._atom()

    def _atom(self) -> int:
        kind, token = self.kind, self.advance()
        if kind == "number":
            return int(token, 8) if re.fullmatch(r"0[0-7]+", token) else int(token, 0)
        if kind == "name":
            return self.lookup(token)
        if kind == "char":
            return unescape(token[1:-1])[0]
        found = repr(token) if token else "nothing"
        raise ValueError(f"found {found} in {self.text.strip()!r}; write a number or a symbol there")


_CHARACTER = re.compile(r"\\x([0-9a-fA-F]{1,2})|\\([0-7]{2,3})|\\(.)|([^\\]+)", re.DOTALL)


def unescape(text: str) -> bytes:
    r"""The bytes of what stands between quotes: ``\n \t \r \b \f \0 \\ \" \'``, ``\x41`` and ``\101``."""
    out = bytearray()
    for hexadecimal, octal, escape, plain in _CHARACTER.findall(text):
        if plain:
            out += plain.encode()
        elif escape:
            if escape not in ESCAPES:
                known = " ".join("\\" + letter for letter in ESCAPES)
                raise ValueError(f"found \\{escape} in a string; there are {known}")
            out.append(ESCAPES[escape])
        else:
            out.append((int(hexadecimal, 16) if hexadecimal else int(octal, 8)) & 0xFF)
    return bytes(out)
