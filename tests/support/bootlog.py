"""Two kernels' boot logs beside each other, and the differences that have a reason.

Invariant: a line that only one of them has, or that stands elsewhere, is told unless a row here says why; so is a row
that nothing needs.
"""
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

STAMP = re.compile(r"^\[ *\d+\.\d+\] ")


@dataclass(frozen=True, slots=True)
class Varies:
    """What matches is not compared."""
    pattern: str
    reason: str


@dataclass(frozen=True, slots=True)
class Only:
    """Lines that one side alone has: ``ours`` or ``theirs``; ``sometimes``: it depends on how busy the host is."""
    side: str
    pattern: str
    reason: str
    sometimes: bool = False


@dataclass(frozen=True, slots=True)
class Floats:
    """Lines that come when something else is done, in the midst of others."""
    pattern: str
    reason: str


Row = Varies | Only | Floats


def lines_of(log: str) -> list[str]:
    return [STAMP.sub("", line.rstrip("\r")).rstrip() for line in log.split("\n")]


def unexplained(ours: str, theirs: str, rows: Iterable[Row]) -> list[str]:
    """What is to be told, a line each."""
    comparison = Comparison(rows)
    left, right = comparison.plain(ours), comparison.plain(theirs)
    told = comparison.missing("ours", left, right) + comparison.missing("theirs", right, left)
    told += comparison.disorder(left, right)
    return told + [f"no line needs {row}" for row in comparison.unneeded]


class Comparison:
    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = [(row, re.compile(row.pattern)) for row in rows]
        self.unneeded = [row for row, _ in self._rows if not (isinstance(row, Only) and row.sometimes)]

    def _need(self, row: Row) -> None:
        if row in self.unneeded:
            self.unneeded.remove(row)

    def plain(self, log: str) -> list[str]:
        """Its lines, without what varies."""
        lines = lines_of(log)
        for row, pattern in self._rows:
            if isinstance(row, Varies):
                lines, before = [pattern.sub("*", line) for line in lines], lines
                if lines != before:
                    self._need(row)
        return [line for line in lines if line]

    def _row(self, kind: type[Only] | type[Floats], line: str, side: str | None = None) -> Row | None:
        for row, pattern in self._rows:
            if isinstance(row, kind) and pattern.search(line) and side in (None, getattr(row, "side", None)):
                self._need(row)
                return row
        return None

    def missing(self, side: str, lines: list[str], others: list[str]) -> list[str]:
        extra = Counter(lines) - Counter(others)
        return [f"{side}: {line}" for line in extra.elements() if not self._row(Only, line, side)]

    def disorder(self, left: list[str], right: list[str]) -> list[str]:
        """The first line of those that both have that comes at another place."""
        common = set(left) & set(right)
        pair = [list(dict.fromkeys(line for line in lines if line in common and not self._row(Floats, line)))
                for lines in (left, right)]
        return [f"order: {one} | {other}" for one, other in zip(*pair, strict=True) if one != other][:1]
