"""Assembly source as statements: comments, ``;``, labels, ``.include``, ``.macro`` and ``.if`` end here.

Invariant: statements come one at a time, so that a condition may ask for symbols that earlier ones defined.
"""
from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from vmm.arch.expression import NAME, Undefined

DEEPEST = 60                                         # includes and macros within each other


@dataclass(frozen=True, slots=True)
class Where:
    """A line of a file; ``used_at`` if the line is of a macro."""
    file: str
    line: int
    used_at: Where | None = None

    def __str__(self) -> str:
        used = f" (in a macro used at {self.used_at})" if self.used_at else ""
        return f"{self.file}:{self.line}{used}"


class AssemblyError(ValueError):
    """A mistake in the source; its text begins with ``file:line:``."""

    def __init__(self, where: Where, problem: object) -> None:
        super().__init__(f"{where}: {problem}")


@dataclass(frozen=True, slots=True)
class Statement:
    where: Where
    labels: tuple[str, ...]
    operation: str
    operands: str


@dataclass(frozen=True, slots=True)
class _Line:
    where: Where
    text: str


@dataclass(frozen=True, slots=True)
class _Macro:
    parameters: tuple[tuple[str, str | None], ...]
    body: tuple[_Line, ...]


@dataclass(slots=True)
class _Branch:
    """An open ``.if``: whether its lines count now, and whether a branch of it has counted."""
    where: Where
    live: bool
    taken: bool


_COMMENT = re.compile(r'("(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\')|/\*.*?\*/|(?://|#)[^\n]*', re.DOTALL)
_STATEMENT = re.compile(r'(?:"(?:\\.|[^"\\])*"|\'(?:\\.|[^\\\'])\'|[^;])+')
_LABEL = re.compile(rf"\s*({NAME}|\d+)\s*:(?!=)")
_ASSIGNMENT = re.compile(rf"({NAME})\s*=(?!=)(.*)", re.DOTALL)
_PIECE = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\\\'])\'|[^"\'(),]+|.', re.DOTALL)


def split_operands(text: str) -> list[str]:
    """At commas outside strings and parentheses."""
    operands, depth = [""], 0
    for piece in _PIECE.findall(text):
        depth += (piece == "(") - (piece == ")")
        if piece == "," and not depth:
            operands.append("")
        else:
            operands[-1] += piece
    return [operand.strip() for operand in operands] if text.strip() else []


def split_statement(where: Where, text: str) -> Statement:
    labels: list[str] = []
    while found := _LABEL.match(text):
        labels.append(found[1])
        text = text[found.end():]
    if assigned := _ASSIGNMENT.fullmatch(text.strip()):
        return Statement(where, tuple(labels), ".equ", f"{assigned[1]}, {assigned[2]}")
    operation, _, operands = text.strip().replace("\t", " ").partition(" ")
    return Statement(where, tuple(labels), operation.lower(), operands.strip())


class Source:
    """``read(name)`` is the text of an included file, ``condition(text)`` what an ``.if`` asks."""

    def __init__(self, read: Callable[[str], str], condition: Callable[[str], int]) -> None:
        self._read, self._condition = read, condition
        self._inputs: list[Iterator[_Line]] = []
        self._macros: dict[str, _Macro] = {}
        self._branches: list[_Branch] = []
        self._own: dict[str, Callable[[Statement], None]] = {
            ".include": self._include, ".macro": self._macro, ".endm": self._stray, ".error": self._error,
        }
        self._conditional: dict[str, Callable[[Statement, bool], None]] = {
            ".if": self._if, ".ifdef": self._if, ".ifndef": self._if,
            ".elseif": self._elseif, ".else": self._else, ".endif": self._endif,
        }

    def statements(self, name: str, text: str) -> Iterator[Statement]:
        self._open(name, text)
        while line := self._next_line():
            for part in _STATEMENT.findall(line.text):
                statement = split_statement(line.where, part)
                live = all(branch.live for branch in self._branches)
                if statement.operation in self._conditional:
                    self._conditional[statement.operation](statement, live)
                elif live:
                    yield from self._one(statement)
        if self._branches:
            raise AssemblyError(self._branches[-1].where, "this .if has no .endif; write one")

    def _one(self, statement: Statement) -> Iterator[Statement]:
        macro = self._macros.get(statement.operation)
        if not macro and statement.operation not in self._own:
            yield statement
            return
        if statement.labels:
            yield Statement(statement.where, statement.labels, "", "")
        if macro:
            self._use(macro, statement)
        else:
            self._own[statement.operation](statement)

    def _open(self, name: str, text: str) -> None:
        plain = _COMMENT.sub(lambda found: found[1] or "\n" * found[0].count("\n") or " ", text)
        self._push(iter([_Line(Where(name, n), line) for n, line in enumerate(plain.split("\n"), 1)]))

    def _push(self, lines: Iterator[_Line]) -> None:
        self._inputs.append(lines)

    def _next_line(self) -> _Line | None:
        while self._inputs:
            line = next(self._inputs[-1], None)
            if line:
                return line
            self._inputs.pop()
        return None

    def _deeper(self, where: Where, what: str) -> None:
        if len(self._inputs) >= DEEPEST:
            raise AssemblyError(where, f"{what} is {DEEPEST} deep in includes and macros; "
                                       "does it use itself without an end?")

    # -- directives that change what is read -------------------------------------------------------------

    def _include(self, statement: Statement) -> None:
        name = statement.operands.strip().strip('"')
        self._deeper(statement.where, f".include {name!r}")
        try:
            text = self._read(name)
        except OSError as error:
            raise AssemblyError(statement.where, f".include {name!r}: {error.strerror or error}; "
                                                 "names are relative to the first file") from error
        self._open(name, text)

    def _error(self, statement: Statement) -> None:
        raise AssemblyError(statement.where, statement.operands.strip('"'))

    def _stray(self, statement: Statement) -> None:
        raise AssemblyError(statement.where, ".endm without a .macro before it; remove it")

    def _macro(self, statement: Statement) -> None:
        name, _, rest = statement.operands.replace(",", " , ").partition(" ")
        if not name:
            raise AssemblyError(statement.where, ".macro without a name; write .macro NAME parameters")
        parameters: list[tuple[str, str | None]] = []
        for word in re.split(r"[,\s]+", re.sub(r"\s*=\s*", "=", rest.strip(" ,"))):
            parameter, given, default = word.partition("=")
            if parameter:
                parameters.append((parameter.removesuffix(":req"), default if given else None))
        body: list[_Line] = []
        depth = 1
        while line := self._next_line():
            operation = split_statement(line.where, line.text).operation
            depth += (operation == ".macro") - (operation == ".endm")
            if not depth:
                self._macros[name.lower()] = _Macro(tuple(parameters), tuple(body))
                return
            body.append(line)
        raise AssemblyError(statement.where, f".macro {name} has no .endm; write one")

    def _use(self, macro: _Macro, statement: Statement) -> None:
        self._deeper(statement.where, f"macro {statement.operation!r}")
        given = split_operands(statement.operands)
        names = [name for name, _ in macro.parameters]
        if len(given) > len(names):
            raise AssemblyError(statement.where, f"macro {statement.operation!r} takes {len(names)} "
                                                 f"operands, found {len(given)}: {statement.operands}")
        values = dict(zip(names, given, strict=False))
        for name, default in macro.parameters[len(given):]:
            if default is None:
                raise AssemblyError(statement.where, f"macro {statement.operation!r} needs {name!r}; "
                                                     f"write {statement.operation} {', '.join(names)}")
            values[name] = default
        pattern = re.compile(r"\\(?:(" + "|".join(map(re.escape, names)) + r")\b|\(\))")
        self._push(iter([
            _Line(Where(line.where.file, line.where.line, statement.where),
                  pattern.sub(lambda found: values.get(found[1], ""), line.text) if names else line.text)
            for line in macro.body]))

    # -- conditions --------------------------------------------------------------------------------------

    def _if(self, statement: Statement, live: bool) -> None:
        holds = live and self._holds(statement)
        self._branches.append(_Branch(statement.where, holds, holds or not live))

    def _elseif(self, statement: Statement, live: bool) -> None:
        branch = self._innermost(statement)
        branch.live = not branch.taken and self._holds(statement)
        branch.taken = branch.taken or branch.live

    def _else(self, statement: Statement, live: bool) -> None:
        branch = self._innermost(statement)
        branch.live, branch.taken = not branch.taken, True

    def _endif(self, statement: Statement, live: bool) -> None:
        self._innermost(statement)
        self._branches.pop()

    def _innermost(self, statement: Statement) -> _Branch:
        if not self._branches:
            raise AssemblyError(statement.where, f"{statement.operation} without an .if before it; remove it")
        return self._branches[-1]

    def _holds(self, statement: Statement) -> bool:
        wants_defined = {".ifdef": True, ".ifndef": False}.get(statement.operation)
        try:
            value = self._condition(statement.operands)
        except Undefined as error:
            if wants_defined is None:
                raise AssemblyError(statement.where,
                                    f"{error}; a condition uses only what stands before it") from error
            return not wants_defined
        except ValueError as error:
            raise AssemblyError(statement.where, error) from error
        return bool(value) if wants_defined is None else wants_defined
