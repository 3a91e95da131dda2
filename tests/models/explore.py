"""A small explicit-state model checker for programs of steps (``vmm.host.kernel.steps``).

The state of a model is a list of immutable values, the ``Vault``; where a program is, is a node of an automaton made of
the answers that it was given so far.  ``Explorer`` visits every state that some interleaving of steps reaches, depth first.
A step that no other CPU can notice is performed with the one before it.  States are remembered by a 64-bit hash.
"""
from __future__ import annotations

import marshal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from vmm.host.kernel.steps import Call, Lock, Program, Step

State = tuple[Any, ...]


class Violation(AssertionError):
    """What must not be, and how it came to be."""


class Slot:
    """A cell of the model; also whatever else a model keeps."""

    __slots__ = ("_now", "guarded", "index")

    def __init__(self, now: list[Any], index: int, guarded: bool) -> None:
        self._now, self.index, self.guarded = now, index, guarded

    def load(self) -> Any:
        return self._now[self.index]

    def store(self, value: Any) -> None:
        self._now[self.index] = value


class Vault:
    """Every slot of a model; ``now`` holds the state that steps are performed on."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.now: list[Any] = []

    def slot(self, name: str, value: Any, guarded: bool = False) -> Slot:
        self.names.append(name)
        self.now.append(value)
        return Slot(self.now, len(self.now) - 1, guarded)


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


class Model(Protocol):
    vault: Vault
    cpus: int

    def choices(self, cpu: int) -> Iterator[tuple[Any, Callable[[], None], Callable[[], Program[Any]]]]:
        """What an idle CPU may begin now: a name, what that changes at once, and the program."""
    def settle(self) -> str | None:
        """After a step: let hardware do what it may; the reason why the state is wrong, if it is."""


@dataclass(frozen=True, slots=True)
class Result:
    states: int
    transitions: int
    nodes: int


NOBODY = -1


def key_of(state: State) -> int:
    """Of the bytes, since the hash of a tuple takes -1 and -2 for the same.  Version 2 of the format says nothing about
    what is one object and what is two."""
    return hash(marshal.dumps(state, 2))


class Explorer:
    """``most``: give up beyond so many states."""

    def __init__(self, model: Model, operations: int, most: int = 1 << 62) -> None:
        self.model, self.most = model, most
        self.automaton = Automaton()
        self.vault = model.vault
        cpus = range(model.cpus)
        self.left = self.vault.slot("operations left", operations)
        self.stacks = [self.vault.slot(f"stack[{cpu}]", ()) for cpu in cpus]
        """(node, CPU that waits for its end) for each program on a CPU, an interrupt's above what it interrupted."""
        self.inboxes = [self.vault.slot(f"inbox[{cpu}]", ()) for cpu in cpus]
        self.awaited = [self.vault.slot(f"awaited[{cpu}]", 0) for cpu in cpus]
        self.transitions = 0
        self._trail: list[tuple[str, Iterator[tuple[str, State]]]] = []

    def explore(self) -> Result:
        """Every reachable state; raises the first ``Violation`` found, with the steps that lead to it."""
        first = tuple(self.vault.now)
        seen = {key_of(first)}
        path = self._trail = [("", self._successors(first))]
        while path:
            for name, state in path[-1][1]:
                key = key_of(state)
                if key not in seen:
                    seen.add(key)
                    if len(seen) > self.most:
                        raise RuntimeError(f"more than {self.most} states")
                    path.append((name, self._successors(state)))
                    break
            else:
                path.pop()
        return Result(len(seen), self.transitions, len(self.automaton.nodes))

    def _successors(self, state: State) -> Iterator[tuple[str, State]]:
        now, moved = self.vault.now, False
        for cpu in range(self.model.cpus):
            now[:] = state
            for name, move in list(self._moves(cpu)):
                now[:] = state
                moved = True
                move()
                self.transitions += 1
                wrong = self.model.settle()
                if wrong is not None:
                    self._fail(f"CPU {cpu}: {name}", wrong)
                yield f"CPU {cpu}: {name}", tuple(now)
        if not moved and any(state[stack.index] for stack in self.stacks):
            self._fail("", "deadlock: no CPU can go on")

    def _fail(self, name: str, wrong: str) -> None:
        steps = [step for step, _ in self._trail if step] + [name]
        raise Violation(wrong + "\n  " + "\n  ".join(steps))

    def _moves(self, cpu: int) -> Iterator[tuple[str, Callable[[], None]]]:
        stack = self.stacks[cpu].load()
        step = self.automaton.nodes[stack[-1][0]].step if stack else None
        waits = bool(self.awaited[cpu].load()) and len(stack) == 1
        if self.inboxes[cpu].load() and (not stack or waits):      # elsewhere interrupts are off
            yield "takes an interrupt", lambda: self._interrupt(cpu)
        if not stack:
            if self.left.load():
                for choice in self.model.choices(cpu):
                    yield " ".join(map(str, choice[0])), lambda choice=choice: self._begin(cpu, *choice)
        elif not waits and not (isinstance(step, Lock) and not step.free):
            yield self._describe(step), lambda: self._perform(cpu)

    def _describe(self, step: Step | None) -> str:
        text = type(step).__name__
        cell, do = getattr(step, "cell", None), getattr(step, "do", None)
        if isinstance(cell, Slot):
            text += " " + self.vault.names[cell.index]
        return text + (f" {do.__name__} {' '.join(map(str, getattr(step, 'args', ())))}" if do else "")

    def _begin(self, cpu: int, name: Any, change: Callable[[], None], make: Callable[[], Program[Any]]) -> None:
        change()
        self.left.store(self.left.load() - 1)
        self._push(cpu, self.automaton.start((cpu, name), make), NOBODY)

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
        assert step is not None
        if isinstance(step, Call):
            self._call(cpu, number, step)
            return
        answer = step.perform()
        self.stacks[cpu].store((*below, (self.automaton.after(number, answer), caller)))
        self._go_on(cpu)

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
            self._answer(caller, cpu)
        if below and not self.awaited[cpu].load():
            self._go_on(cpu)                               # the answer came while the interrupt was served

    def _call(self, cpu: int, number: int, step: Call) -> None:
        """Send; the answer to the step comes when the last of the called is done."""
        for other in step.cpus:
            handler = self.automaton.start((number, other), lambda other=other: step.program(other))
            self.inboxes[other].store((*self.inboxes[other].load(), (handler, cpu)))
        self.awaited[cpu].store(sum(1 << other for other in step.cpus))

    def _answer(self, caller: int, cpu: int) -> None:
        self.awaited[caller].store(self.awaited[caller].load() & ~(1 << cpu))
        if not self.awaited[caller].load():
            (number, above), *interrupts = self.stacks[caller].load()
            self.stacks[caller].store(((self.automaton.after(number, None), above), *interrupts))
            if not interrupts:
                self._go_on(caller)
