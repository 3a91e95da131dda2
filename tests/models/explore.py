"""A small explicit-state model checker for programs of steps (``vmm.host.kernel.steps``).

``Explorer`` visits states depth first until it has seen, of every execution of a bounded number of operations, one that
differs only in the order of moves that commute.  A step that no other CPU can notice is performed with the one before
it.  States are remembered by a 64-bit hash.

The reduction is by source sets (Abdulla, Aronis, Jonsson, Sagonas, "Source sets: a foundation for optimal dynamic
partial order reduction", JACM 64, 2017), found as dynamic reduction finds them: make the moves of one CPU, see what the
others then do in all that follows, and come back for those of them that touch what these moves touch.  Executions have
no cycles, so what follows a state is known when it is met again.  How many operations each CPU begins is chosen first;
where less are begun altogether is explored too.
"""
from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from tests.models.automaton import Automaton, Slot, State, Vault, key_of
from vmm.host.kernel.steps import Call, ClearBits, Load, LoadBits, Lock, Program, Step


class Violation(AssertionError):
    """What must not be, and how it came to be."""


class Choice(NamedTuple):
    """What an idle CPU may begin, if it is ``possible`` now: what that changes at once, and the program."""

    name: Any
    possible: bool
    change: Callable[[], None]
    make: Callable[[], Program[Any]]


class Model(Protocol):
    vault: Vault
    cpus: int

    def choices(self, cpu: int) -> Iterator[Choice]:
        """What an idle CPU may begin."""
    def settle(self, before: State | None) -> str | None:
        """After a move: let hardware do what it may; the reason why the state is wrong, if it is.  A move that may make a
        state wrong and one that may make it right again must clash in a slot; ``before`` is None where an operation
        begins, which need not clash: the same with one operation less is explored, too."""


@dataclass(frozen=True, slots=True)
class Result:
    """``ends``: the hashes of the states in which no CPU has anything left to do."""

    states: int
    transitions: int
    nodes: int
    ends: frozenset[int]


class Move(NamedTuple):
    """What a CPU may do next; ``do`` is None if it cannot just now, and ``guard`` the slots that decide this."""

    cpu: int
    name: Any
    guard: int
    do: Callable[[], None] | None
    step: Step | None = None
    begins: bool = False


Followers = frozenset[tuple[tuple[int, Any], int]]
"""(CPU, name of its next move) -> the slots that it touches with this and everything after it, reads in the low half."""

NOBODY = -1
GO_ON, INTERRUPT = "goes on", "takes an interrupt"


class Explorer:
    """``most``: give up beyond so many states.  ``reduced``: leave out what differs only in the order of independent
    moves; without it every interleaving is explored."""

    def __init__(self, model: Model, operations: int, most: int = 1 << 62, *, reduced: bool = True) -> None:
        self.model, self.operations, self.most, self.reduced = model, operations, most, reduced
        self.automaton = Automaton()
        self.vault = model.vault
        cpus = range(model.cpus)
        self.left = [self.vault.slot(f"operations left[{cpu}]", 0) for cpu in cpus]
        self.stacks = [self.vault.slot(f"stack[{cpu}]", ()) for cpu in cpus]
        """(node, CPU that waits for its end) for each program on a CPU, an interrupt's above what it interrupted."""
        self.inboxes = [self.vault.slot(f"inbox[{cpu}]", ()) for cpu in cpus]
        self.awaited = [[self.vault.slot(f"awaited[{cpu}][{other}]", 0) for other in cpus] for cpu in cpus]
        """Has this CPU an answer of the other to come?"""
        self.half = self.vault.marks
        self.transitions = 0
        self._seen: dict[int, Followers | None] = {}
        self._known: dict[Followers, Followers] = {}
        self._ends: set[int] = set()
        self._trail: list[Move] = []

    def explore(self) -> Result:
        """Raises the first ``Violation`` found, with the steps that lead to it."""
        first = tuple(self.vault.now)
        for left in itertools.product(range(self.operations + 1), repeat=self.model.cpus):
            if sum(left) <= self.operations:
                self.vault.now[:] = first
                for slot, count in zip(self.left, left, strict=True):
                    slot.store(count)
                self._visit(tuple(self.vault.now))
        return Result(len(self._seen), self.transitions, len(self.automaton.nodes), frozenset(self._ends))

    def _visit(self, state: State) -> Followers:
        key = key_of(state)
        if key not in self._seen:
            if len(self._seen) >= self.most:
                raise RuntimeError(f"more than {self.most} states")
            self._seen[key] = None
            followers = self._expand(state)
            self._seen[key] = self._known.setdefault(followers, followers)
        known = self._seen[key]
        if known is None:
            raise RuntimeError("an execution goes round in a circle, so what follows is not known")
        return known

    def _expand(self, state: State) -> Followers:
        self.vault.now[:] = state
        moves = [move for cpu in range(self.model.cpus) for move in self._moves(cpu)]
        can = [move for move in moves if move.do]
        if not can:
            self._end(state)
        after: dict[tuple[int, Any], int] = {}
        made: dict[tuple[int, Any], int] = {}
        todo = self._first(can) if self.reduced else can
        while todo:
            for move in todo:
                made[move[:2]] = self._make(move, state, after)
            todo = self._needed(moves, made, after) if len(made) < len(can) else []
        for move in moves:
            if move.guard:
                after[move[:2]] = after.get(move[:2], 0) | move.guard
        return frozenset(after.items())

    def _make(self, move: Move, state: State, after: dict[tuple[int, Any], int]) -> int:
        """Explore what follows a move, and add to ``after`` what it is; the slots that the move touches."""
        vault = self.vault
        vault.now[:] = state
        vault.reads = vault.writes = 0
        assert move.do is not None
        self._trail.append(move)
        move.do()
        self.transitions += 1
        wrong = self.model.settle(None if move.begins else state)
        if wrong is not None:
            self._fail(wrong)
        touched = vault.reads | vault.writes << self.half
        for follower, touches in self._visit(tuple(vault.now)):
            to = move[:2] if follower[0] == move.cpu else follower
            after[to] = after.get(to, 0) | touches
        after[move[:2]] = after.get(move[:2], 0) | touched
        self._trail.pop()
        return touched

    def _first(self, can: list[Move]) -> list[Move]:
        """All that one CPU may do: best one in a program, and there at a load."""
        best = min(can, key=self._company, default=None)
        return [move for move in can if best is not None and move.cpu == best.cpu]

    def _company(self, move: Move) -> int:
        return 2 if move.step is None else 0 if isinstance(move.step, Load | LoadBits) else 1

    def _needed(self, moves: list[Move], made: dict[tuple[int, Any], int],
                after: dict[tuple[int, Any], int]) -> list[Move]:
        """Moves, not made yet, that begin something which does not commute with one that was made."""
        rest = [(move, after.get(move[:2], 0) | move.guard) for move in moves if move[:2] not in made]
        base = next(iter(made))[0]
        needed = [move for move, touches in rest if move.cpu == base or any(
            self._clash(touched, touches) for (cpu, _), touched in made.items() if cpu != move.cpu)]
        for move in needed:
            if move.do is None and any(touches >> self.half & move.guard for other, touches in rest
                                       if other.cpu != move.cpu):
                return [other for other, _ in rest if other.do]            # somebody may make it possible first
        return [move for move in needed if move.do]

    def _clash(self, one: int, other: int) -> bool:
        return bool(one >> self.half & (other | other >> self.half) & (1 << self.half) - 1
                    or one & other >> self.half)

    def _end(self, state: State) -> None:
        if any(state[stack.index] for stack in self.stacks):
            self._fail("deadlock: no CPU can go on")
        self._ends.add(key_of(state[:self.left[0].index]))

    def _fail(self, wrong: str) -> None:
        raise Violation(wrong + "\n  " + "\n  ".join(map(self._describe, self._trail)))

    # What a CPU may do

    def _moves(self, cpu: int) -> Iterator[Move]:
        vault = self.vault
        vault.reads = 0
        stack = self.stacks[cpu].load()
        step = self.automaton.nodes[stack[-1][0]].step if stack else None
        waits = len(stack) == 1 and any(slot.load() for slot in self.awaited[cpu])
        if stack:
            free = not waits and not (isinstance(step, Lock) and not step.free)
            yield Move(cpu, GO_ON, vault.reads, (lambda: self._perform(cpu)) if free else None, step)
        if not stack or waits:                                     # elsewhere interrupts are off
            asked = bool(self.inboxes[cpu].load())
            yield Move(cpu, INTERRUPT, vault.reads, (lambda: self._interrupt(cpu)) if asked else None)
        if not stack and self.left[cpu].load():
            vault.reads = 0
            for choice in self.model.choices(cpu):
                begin = (lambda choice=choice: self._begin(cpu, choice)) if choice.possible else None
                yield Move(cpu, choice.name, vault.reads, begin, begins=True)
                vault.reads = 0

    def _describe(self, move: Move) -> str:
        step = move.step
        if step is None:
            return f"CPU {move.cpu}: " + (move.name if isinstance(move.name, str) else " ".join(map(str, move.name)))
        text = f"CPU {move.cpu}: {type(step).__name__}"
        cell, do = getattr(step, "cell", None), getattr(step, "do", None)
        if isinstance(cell, Slot):
            text += " " + self.vault.names[cell.index]
        return text + (f" {do.__name__} {' '.join(map(str, getattr(step, 'args', ())))}" if do else "")

    def _begin(self, cpu: int, choice: Choice) -> None:
        choice.change()
        self.left[cpu].store(self.left[cpu].load() - 1)
        self._push(cpu, self.automaton.start((cpu, choice.name), choice.make), NOBODY)

    def _interrupt(self, cpu: int) -> None:
        (node, caller), *rest = self.inboxes[cpu].load()
        self.inboxes[cpu].store(tuple(rest))
        self._push(cpu, node, caller)

    def _push(self, cpu: int, node: int, caller: int) -> None:
        self.stacks[cpu].store((*self.stacks[cpu].load(), (node, caller)))
        self._go_on(cpu)

    def _perform(self, cpu: int) -> None:
        """The step that the CPU is at, and what nobody can see of the ones after it."""
        *below, (number, caller) = self.stacks[cpu].load()
        step = self.automaton.nodes[number].step
        if step is not None and step.shared:                   # else it comes after a call
            answer = self._call(cpu, number, step) if isinstance(step, Call) else self._answer_to(step)
            number = self.automaton.after(number, answer)
        self.stacks[cpu].store((*below, (number, caller)))
        if not isinstance(step, Call):
            self._go_on(cpu)

    def _answer_to(self, step: Step) -> Any:
        if not isinstance(step, LoadBits | ClearBits) or not isinstance(step.cell, Slot):
            return step.perform()
        with self.vault.unnoticed():
            answer = step.perform()
        part = step.cell.part(step.bits)
        self.vault.reads |= part
        self.vault.writes |= part if isinstance(step, ClearBits) else 0
        return answer

    def _go_on(self, cpu: int) -> None:
        *below, (number, caller) = self.stacks[cpu].load()
        nodes = self.automaton.nodes
        while True:
            step = nodes[number].step
            if step is None:
                break
            if step.shared:
                self.stacks[cpu].store((*below, (number, caller)))
                return
            number = self.automaton.after(number, step.perform())
        self.stacks[cpu].store(tuple(below))
        if caller != NOBODY:
            self.awaited[caller][cpu].store(0)

    def _call(self, cpu: int, number: int, step: Call) -> None:
        """Send.  Nothing comes after it until all of the called are done."""
        for other in step.cpus:
            handler = self.automaton.start((number, other), lambda other=other: step.program(other))
            self.inboxes[other].store((*self.inboxes[other].load(), (handler, cpu)))
            self.awaited[cpu][other].store(1)
