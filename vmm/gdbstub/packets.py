"""The remote protocol as a table: a pattern, what the target must be able to do, a reply.

The pattern is the parser.  An unknown packet, and one whose target lacks the ability, gets the empty reply;
a known packet with malformed arguments gets an error, for the empty reply would make GDB give the packet up
for good. GDB manual, appendix E.2 "Packets".
"""
from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from vmm.gdbstub.wire import unescape

Reply = TypeVar("Reply", bound=Callable[..., "str | None"])

NUMBER = "0*[0-9a-fA-F]{1,16}"


class ThreadPattern(NamedTuple):
    """``pPID.TID`` as sent: 0 is "any", -1 "all"; no pid is the current process."""
    pid: int | None
    tid: int

    @classmethod
    def parse(cls, text: str) -> ThreadPattern:
        if not text.startswith("p"):
            return cls(None, int(text, 16))
        pid, dot, tid = text[1:].partition(".")
        return cls(int(pid, 16), int(tid, 16) if dot else -1)


def _number(text: str) -> int:
    return int(text, 16)


def _binary(text: str) -> bytes:
    return unescape(text.encode("latin-1"))


def _name(text: str) -> str:
    return bytes.fromhex(text).decode("utf-8", "replace")


# fmt: off
KINDS: dict[str, tuple[str, Callable[[str], Any]]] = {   # the readers give what their handlers' hints say
    "hex":     (NUMBER,                                                      _number),
    "bytes":   ("(?:[0-9a-fA-F]{2})*",                                       bytes.fromhex),
    "hextext": ("(?:[0-9a-fA-F]{2})*",                                       _name),
    "binary":  ("(?s:.*)",                                                   _binary),
    "text":    ("(?s:.*)",                                                   str),
    "name":    ("[^:]*",                                                     str),
    "letter":  ("[a-z]",                                                     str),
    "thread":  (rf"p(?:-1|{NUMBER})(?:\.(?:-1|{NUMBER}))?|-1|{NUMBER}",      ThreadPattern.parse),
}
# fmt: on


@dataclass(frozen=True, slots=True)
class Shape:
    """``"m{address:hex},{size:hex}"``: literal text, and typed holes; ``prefix`` stands before them."""
    regex: re.Pattern[str]
    readers: dict[str, Callable[[str], Any]]
    prefix: str

    @classmethod
    def parse(cls, pattern: str) -> Shape:
        readers: dict[str, Callable[[str], Any]] = {}
        parts: list[str] = []
        for literal, name, kind in re.findall(r"([^{]*)(?:\{(\w+):(\w+)\})?", pattern):
            parts.append(re.escape(literal))
            if name:
                parts.append(f"(?P<{name}>{KINDS[kind][0]})")
                readers[name] = KINDS[kind][1]
        return cls(re.compile("".join(parts)), readers, pattern.partition("{")[0])

    def read(self, text: str) -> dict[str, Any] | None:
        """What is in the holes, or None if ``text`` does not have this shape."""
        found = self.regex.fullmatch(text)
        return {name: reader(found[name]) for name, reader in self.readers.items()} if found else None

    def misses(self, text: str) -> bool:
        """It begins like this shape and then goes wrong."""
        return bool(self.readers) and text.startswith(self.prefix)


@dataclass(frozen=True, slots=True)
class Packet:
    """``reply(session, target, **holes)``; None is "the reply comes when the target stops"."""
    pattern: str
    shape: Shape
    needs: type
    feature: str
    reply: Callable[..., str | None]

    @property
    def usage(self) -> str:
        """For people: ``m<address>,<size>``."""
        return re.sub(r"\{(\w+):\w+\}", r"<\1>", self.pattern)


class Packets:
    def __init__(self, rows: Iterable[Packet] = ()) -> None:
        self.rows = list(rows)
        self._by_letter: dict[str, list[Packet]] = {}
        for row in self.rows:
            self._by_letter.setdefault(row.pattern[0], []).append(row)

    def on(self, pattern: str, needs: type, feature: str = "") -> Callable[[Reply], Reply]:
        """Add the decorated reply as a row; ``feature`` is what qSupported then says."""
        def register(reply: Reply) -> Reply:
            row = Packet(pattern, Shape.parse(pattern), needs, feature, reply)
            self.rows.append(row)
            self._by_letter.setdefault(pattern[0], []).append(row)
            return reply
        return register

    def find(self, body: str, offered: Container[type]) -> tuple[Packet, dict[str, Any]] | Packet | None:
        """The row with its arguments; the row alone if they are malformed; None without such a packet."""
        missed: Packet | None = None
        for row in self._by_letter.get(body[:1], ()):
            if row.needs not in offered:
                continue
            if (holes := row.shape.read(body)) is not None:
                return row, holes
            if row.shape.misses(body):
                missed = row
        return missed

    def features(self, offered: Container[type]) -> list[str]:
        return list(dict.fromkeys(row.feature for row in self.rows if row.feature and row.needs in offered))
