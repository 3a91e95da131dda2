"""Do the tests notice a wrong meaning?  ``python -m tests.soak.mutation --seed S --count N``

Draws N functions among the meanings of ``vmm/arch/insns``, changes one character of each in a copy of the project, and
runs the tests of instructions there, the quick ones first, until one fails.  A change counts only if it could be a slip
that Python accepts: the module still parses, its tree differs, and every name and attribute that it uses exists.  One that
no test notices, and that does the same as before in every state of ``tests.soak.pictures`` (a shift by one bit more of a
number that is taken modulo 64), is no slip: it is shown, and another is drawn in its place.
"""
from __future__ import annotations

import argparse
import ast
import builtins
import io
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import tokenize
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[2]
MEANINGS = ROOT / "vmm" / "arch" / "insns"
COPIED = ("vmm", "tests", "firmware", "examples", "pyproject.toml", "README.md")
CHARACTERS = "0123456789+-*&|^<>=!~()[],.:_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
TOKENS = (tokenize.NAME, tokenize.NUMBER, tokenize.OP, tokenize.STRING)
PUNCTUATION = frozenset("()[]{},.:;")                       # a slip there is an error of Python, as a rule
PYTEST = ("pytest", "-x", "-q", "--tb=no", "-m", "not soak")
STAGES: tuple[tuple[str, ...], ...] = (                     # modules to run; a later one if the one before finds nothing
    (*PYTEST, "tests/cases", "tests/unit/engine", "-k", "not native"),     # without a compiled engine: quick
    ("tests.soak.unicorn", "--engine", "reference", "--count", "60000", "--times", "1"),
    (*PYTEST, "tests/cases", "tests/unit/arch", "tests/unit/engine", "tests/unit/msa", "tests/properties", "--deselect",
     "tests/properties/test_engines_agree.py", "--deselect", "tests/properties/test_engines_corners.py"),
)
STAGE_SECONDS = 400                                         # of processor time: what takes more is a hang, and noticed


@dataclass(frozen=True, slots=True)
class Mutant:
    path: Path
    function: str
    line: int
    before: str
    after: str
    text: str                                               # of the whole file

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line} {self.function}: {self.before.strip()}  ->  {self.after.strip()}"


@cache
def attributes() -> frozenset[str]:
    """Every attribute name that meanings use."""
    return frozenset(node.attr for path in MEANINGS.rglob("*.py") for node in ast.walk(ast.parse(path.read_text()))
                     if isinstance(node, ast.Attribute))


@cache
def meanings() -> list[tuple[Path, ast.FunctionDef]]:
    """Functions whose first parameter is the algebra, and which do something."""
    return [(path, node) for path in sorted(MEANINGS.rglob("*.py")) for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.FunctionDef) and node.args.args and node.args.args[0].arg == "m" and code_of(node)]


def code_of(function: ast.FunctionDef) -> list[ast.stmt]:
    """The body without its docstring."""
    return function.body[1:] if ast.get_docstring(function) else function.body


def names_of(tree: ast.AST) -> set[str]:
    """What is bound anywhere in a module, and the builtins that it uses."""
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    found = used & set(dir(builtins))
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.arg(arg=name) | \
                    ast.Name(id=name, ctx=ast.Store()):
                found.add(name)
            case ast.alias(name=name, asname=other):
                found.add(other or name)
    return found


def places(text: str, function: ast.FunctionDef) -> list[tuple[int, int]]:
    """(line, column) of each character of code in the body, its docstring left out."""
    body = code_of(function)
    first, last = body[0].lineno, body[-1].end_lineno or body[-1].lineno
    found = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        inside = token.start[0] == token.end[0] and first <= token.start[0] <= last
        if inside and token.type in TOKENS and token.string not in PUNCTUATION:
            found += [(token.start[0], column) for column in range(token.start[1], token.end[1])]
    return found


def plausible(function: ast.FunctionDef, known: set[str], text: str) -> bool:
    """``text``: the lines of the function, changed."""
    try:
        with warnings.catch_warnings(action="error"):       # what Python doubts is no slip that it accepts
            new = ast.parse(textwrap.dedent(text)).body[0]
    except SyntaxError:
        return False
    if ast.dump(narrowed(new, function)) == ast.dump(function) or names_count(new) != names_count(function):
        return False
    return names_of(new) == names_of(function) | names_of(new) & known and all(
        node.id in known if isinstance(node, ast.Name) else node.attr in attributes()
        for node in ast.walk(new) if isinstance(node, ast.Name | ast.Attribute))


def narrowed(new: ast.AST, old: ast.FunctionDef) -> ast.AST:
    """``m.unsigned(field, 9)`` says the same as with 5, since a field has no more bits: such a change is none."""
    widths: dict[str, int] = {}
    for tree, change in ((old, False), (new, True)):
        for node in ast.walk(tree):
            match node:
                case ast.Call(ast.Attribute(attr="unsigned"), [ast.Name(id=field), ast.Constant(value=int(n)) as width]) \
                        if field in {a.arg for a in old.args.args}:
                    if change:
                        width.value = min(n, widths.get(field, n))
                    else:
                        widths[field] = n
    return new


def names_count(tree: ast.AST) -> int:
    return sum(isinstance(node, ast.Name | ast.Attribute) for node in ast.walk(tree))


def draw(r: Random, path: Path, function: ast.FunctionDef) -> Mutant:
    text = path.read_text()
    known, lines, where = names_of(ast.parse(text)), text.splitlines(keepends=True), places(text, function)
    first, last = min([function.lineno, *(d.lineno for d in function.decorator_list)]), function.end_lineno or 0
    while True:
        line, column = r.choice(where)
        before = lines[line - 1]
        after = before[:column] + r.choice(CHARACTERS) + before[column + 1:]
        if plausible(function, known, "".join([*lines[first - 1:line - 1], after, *lines[line:last]])):
            return Mutant(path, function.name, line, before, after, "".join([*lines[:line - 1], after, *lines[line:]]))


def copy_of_project(folder: Path) -> None:
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, folder / name)


def limit() -> None:
    """The clock on the wall would call a busy machine a hang."""
    resource.setrlimit(resource.RLIMIT_CPU, (STAGE_SECONDS, STAGE_SECONDS + 10))


def noticed_by(folder: Path, processes: str, stages: tuple[tuple[str, ...], ...] = STAGES) -> str | None:
    """The first test that fails, or None."""
    environment = os.environ | {"PYTHONPATH": str(folder), "VMM_CACHE": str(folder / "cache")}
    for stage in stages:
        command = [sys.executable, "-m", *stage, *(["-n", processes] if stage[0] == "pytest" else [])]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, preexec_fn=limit,
                              stdin=subprocess.DEVNULL)
        if done.returncode == -signal.SIGXCPU:
            return f"{stage[0]}: no end in {STAGE_SECONDS} s of processor time"
        if done.returncode:
            failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
            return failed[0] if failed else f"{stage[0]} ended with status {done.returncode}"
    return None


def pictures(folder: Path, mutant: Mutant) -> str:
    """What the changed function does in many states; an error is as telling as a digest."""
    module = ".".join(mutant.path.relative_to(ROOT).with_suffix("").parts)
    done = subprocess.run([sys.executable, "-m", "tests.soak.pictures", module, mutant.function], cwd=folder, text=True,
                          env=os.environ | {"PYTHONPATH": str(folder)}, capture_output=True)
    return done.stdout + done.stderr


class Trial:
    """Changes, one after another, in a copy of the project."""

    def __init__(self, folder: Path, r: Random, processes: str) -> None:
        self._folder, self._r, self._processes = folder, r, processes
        copy_of_project(folder)

    def unchanged(self) -> str | None:
        """The test that fails without a change."""
        return noticed_by(self._folder, self._processes, STAGES[:2])

    def draw(self) -> Mutant:
        return draw(self._r, *self._r.choice(meanings()))

    def one(self) -> bool:
        """Whether the tests notice the next change that is one."""
        while True:
            mutant = self.draw()
            target = self._folder / mutant.path.relative_to(ROOT)
            target.write_text(mutant.text)
            test = noticed_by(self._folder, self._processes)
            changed = "" if test else pictures(self._folder, mutant)
            shutil.copyfile(mutant.path, target)
            alike = test is None and changed == pictures(self._folder, mutant)
            print(f"{mutant}\n    {test or ('says the same as before' if alike else 'SURVIVED')}", flush=True)
            if not alike:
                return test is not None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--least", type=int, default=None, help="how many must be noticed (default: 96 of 100)")
    parser.add_argument("--processes", default="auto", help="of pytest")
    parser.add_argument("--list", action="store_true", help="only show the changes")
    options = parser.parse_args()
    least = -(-options.count * 96 // 100) if options.least is None else options.least
    print(f"seed {options.seed}, {options.count} changes in {len(meanings())} meanings", flush=True)
    with tempfile.TemporaryDirectory(prefix="vmm-mutation-") as name:
        trial = Trial(Path(name), Random(options.seed), options.processes)
        if options.list:
            print(*(trial.draw() for _ in range(options.count)), sep="\n")
            return 0
        if (test := trial.unchanged()) is not None:
            print(f"the tests fail without a change: {test}")
            return 2
        noticed = sum(trial.one() for _ in range(options.count))
    print(f"{noticed} of {options.count} noticed")
    return 0 if noticed >= least else 1


if __name__ == "__main__":
    sys.exit(main())
