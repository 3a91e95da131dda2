"""Kernel code whose interleavings matter, as generators of steps that no other CPU can see half of.

A *program* yields a ``Step`` and is sent its answer.  ``drain`` performs each at once: that is the kernel.  A model
checker performs one, then lets another CPU go on.  Invariant: between two steps a program touches nothing but its own
variables, so that what it does next depends only on the answers it was given.  (rows HM-20..HM-55; adr/0005)
"""
from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Cell(Protocol):
    """A word of memory that CPUs share.  ``guarded``: touched only under a lock, so nobody can come between."""

    @property
    def guarded(self) -> bool: ...
    def load(self) -> int: ...
    def store(self, value: int, /) -> None: ...


class Word:
    """A cell of the kernel."""

    __slots__ = ("guarded", "name", "value")

    def __init__(self, name: str, value: int = 0, guarded: bool = False) -> None:
        self.name, self.value, self.guarded = name, value, guarded

    def load(self) -> int:
        return self.value

    def store(self, value: int) -> None:
        self.value = value


MakeCell = Callable[[str, int, bool], Cell]
"""(name, first value, guarded) -> cell; ``Word`` is the kernel's."""


@dataclass(slots=True)
class Load:
    cell: Cell

    @property
    def shared(self) -> bool:
        return not self.cell.guarded

    def perform(self) -> int:
        return self.cell.load()


@dataclass(slots=True)
class Store:
    cell: Cell
    value: int

    @property
    def shared(self) -> bool:
        return not self.cell.guarded

    def perform(self) -> None:
        self.cell.store(self.value)


@dataclass(slots=True)
class Exchange:
    """The answer is what was there."""

    cell: Cell
    value: int
    shared = True

    def perform(self) -> int:
        old = self.cell.load()
        self.cell.store(self.value)
        return old


@dataclass(slots=True)
class CompareExchange:
    """Store ``value`` if ``expected`` is there; the answer is what was there."""

    cell: Cell
    expected: int
    value: int
    shared = True

    def perform(self) -> int:
        old = self.cell.load()
        if old == self.expected:
            self.cell.store(self.value)
        return old


@dataclass(slots=True)
class LoadBits:
    """The answer is those of ``bits`` that are set."""

    cell: Cell
    bits: int
    shared = True

    def perform(self) -> int:
        return self.cell.load() & self.bits


@dataclass(slots=True)
class ClearBits:
    cell: Cell
    bits: int
    shared = True

    def perform(self) -> None:
        self.cell.store(self.cell.load() & ~self.bits)


@dataclass(slots=True)
class Lock:
    """A spinlock: 0 is free.  Who performs steps must not perform this one while it is not."""

    cell: Cell
    shared = True

    @property
    def free(self) -> bool:
        return not self.cell.load()

    def perform(self) -> None:
        if self.cell.load():
            raise AssertionError("a spinlock taken twice: a program yields with it held, or takes it while it has it")
        self.cell.store(1)


@dataclass(slots=True)
class Unlock:
    cell: Cell
    shared = True

    def perform(self) -> None:
        self.cell.store(0)


@dataclass(slots=True)
class Act:
    """Something a CPU does with its MMU.  ``shared``: the others can tell when."""

    do: Callable[..., Any]
    args: tuple[Any, ...] = ()
    shared: bool = False

    def perform(self) -> Any:
        return self.do(*self.args)


@dataclass(slots=True)
class Call:
    """An interprocessor interrupt: each of ``cpus`` runs ``program(cpu)``, and this CPU waits for all of them."""

    cpus: tuple[int, ...]
    program: Callable[[int], Program[Any]]
    shared = True

    def perform(self) -> None:
        for cpu in self.cpus:
            drain(self.program(cpu))


Step = Load | Store | Exchange | CompareExchange | LoadBits | ClearBits | Lock | Unlock | Act | Call
Program = Generator[Step, Any, T]


def drain(program: Program[T]) -> T:
    """Run to the end with nobody in between; what the program returns."""
    answer: Any = None
    try:
        while True:
            answer = program.send(answer).perform()
    except StopIteration as end:
        result: T = end.value
        return result
