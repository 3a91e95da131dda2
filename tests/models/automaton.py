"""What a model's state is made of: cells that note who touches them, and programs of steps unfolded as far as needed.

The state is a list of immutable values, the ``Vault``.  Where a program is, is a node of an automaton made of the answers
that it was given so far: what a program does next depends on nothing else (``vmm.host.kernel.steps``).
"""
from __future__ import annotations

import marshal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from vmm.host.kernel.steps import Program, Step

State = tuple[Any, ...]


class Slot:
    """A cell of the model; also whatever else a model keeps."""

    __slots__ = ("_now", "_vault", "guarded", "index", "mark")

    def __init__(self, vault: Vault, index: int, mark: int, guarded: bool) -> None:
        self._vault, self._now = vault, vault.now
        self.index, self.mark, self.guarded = index, mark, guarded

    def load(self) -> Any:
        self._vault.reads |= self.mark
        return self._now[self.index]

    def store(self, value: Any) -> None:
        self._vault.writes |= self.mark
        self._now[self.index] = value

    def part(self, bits: int) -> int:
        """The mark of some bits of the value, if the slot was made of so many ``parts``."""
        return bits * (self.mark & -self.mark) & self.mark or self.mark


class Vault:
    """Every slot of a model; ``now`` holds the state that steps are performed on, ``reads`` and ``writes`` the marks of
    the slots that were touched since somebody cleared them."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.now: list[Any] = []
        self.reads = self.writes = self.marks = 0

    def slot(self, name: str, value: Any, guarded: bool = False, *, parts: int = 1) -> Slot:
        """``parts``: so many bits of the value are touched each for itself by some steps."""
        self.names.append(name)
        self.now.append(value)
        self.marks += parts
        return Slot(self, len(self.now) - 1, ((1 << parts) - 1) << self.marks - parts, guarded)

    @contextmanager
    def unnoticed(self) -> Iterator[None]:
        """For what commutes with all that other CPUs may do."""
        reads, writes = self.reads, self.writes
        yield
        self.reads, self.writes = reads, writes


class Node:
    """A program after some answers: what it wants to do next, None at its end."""

    __slots__ = ("after", "answers", "make", "step")

    def __init__(self, make: Callable[[], Program[Any]], answers: tuple[Any, ...]) -> None:
        self.make, self.answers = make, answers
        self.after: dict[Any, int] = {}
        program = make()
        try:
            self.step: Step | None = next(program)
            for answer in answers:
                self.step = program.send(answer)
        except StopIteration:
            self.step = None


class Automaton:
    """Programs, unfolded as far as anybody went."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._starts: dict[Any, int] = {}

    def start(self, key: Any, make: Callable[[], Program[Any]]) -> int:
        if key not in self._starts:
            self._starts[key] = self._add(Node(make, ()))
        return self._starts[key]

    def after(self, number: int, answer: Any) -> int:
        node = self.nodes[number]
        if answer not in node.after:
            node.after[answer] = self._add(Node(node.make, (*node.answers, answer)))
        return node.after[answer]

    def _add(self, node: Node) -> int:
        self.nodes.append(node)
        return len(self.nodes) - 1


def key_of(state: State) -> int:
    """Of the bytes, since the hash of a tuple takes -1 and -2 for the same.  Version 2 of the format says nothing about
    what is one object and what is two."""
    return hash(marshal.dumps(state, 2))
