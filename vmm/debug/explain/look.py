"""What the architecture does with an address: its own translation, run on a copy of a CPU, with its calls noted.

Invariant: the CPU is not touched; what it would do is decided by ``vmm.arch.privileged`` alone, so that an explanation
cannot have rules of its own.  (Volume III, chapter 4)
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from vmm.arch.cp0.registers import Cause, GuestCtl0
from vmm.arch.exceptions import ExcCode, GExcCode
from vmm.arch.privileged import entries, exception, memory, mode, regions, translate, walk
from vmm.arch.privileged.names import FETCH, LOAD, STORE
from vmm.arch.state import GUEST_FILE, ROOT_FILE
from vmm.engine.numbers import Left, Numbers
from vmm.engine.store import Memory, State

ACCESSES = {"load": LOAD, "store": STORE, "fetch": FETCH}
SIZES = {LOAD: 1, STORE: 1, FETCH: 4}
"""Of a byte: whether a wider access would be aligned is plain to see."""
WATCHED = frozenset({translate.translate, translate.first_stage, translate.second_stage, translate.segment,
                     translate.use_entry, entries.find, walk.refill, walk.table_word})


@dataclass(slots=True)
class Call:
    """A watched call; ``result`` is None if it raised, ``inner`` what it called itself."""
    function: Callable[..., Any]
    words: tuple[int, ...]
    inner: list[Call] = field(default_factory=list)
    result: int | None = None

    def calls_of(self, function: Callable[..., Any]) -> list[Call]:
        return [call for call in self.inner if call.function is function]


class Observer(Numbers):
    """The algebra with numbers, which notes the calls of ``WATCHED``."""

    def __init__(self, state: State, big_endian: bool, memory_of_machine: Memory) -> None:
        super().__init__(state, big_endian, memory_of_machine)
        self.top = Call(Observer, ())
        self._calls = [self.top]

    def call(self, function: Callable[..., Any], *words: int) -> Any:
        if function not in WATCHED:
            return super().call(function, *words)
        call = Call(function, tuple(int(word) for word in words))
        self._calls[-1].inner.append(call)
        self._calls.append(call)
        try:
            result = super().call(function, *words)
        finally:
            self._calls.pop()
        call.result = int(result)
        return result


@dataclass(frozen=True, slots=True)
class Lookup:
    """A search of TLB ``tlb`` (0 root, 1 guest); ``found``, and ``walked`` if the hardware walker wrote one, are slots of
    the state, or 0; ``reads``: what it read of page tables, by address."""
    tlb: int
    tag: int
    guest_id: int
    found: int
    walked: int = 0
    reads: tuple[tuple[int, int], ...] = ()

    @property
    def entry(self) -> int:
        return self.found or self.walked


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of translation, in the context whose CP0 file is at ``file``; ``segment`` is None in the second stage,
    which has no segments, ``physical`` is None if the stage raised."""
    file: int
    address: int
    segment: int | None
    lookup: Lookup | None
    physical: int | None

    @property
    def refused(self) -> bool:
        """The segment is an address error."""
        return self.lookup is None and self.physical is None


@dataclass(frozen=True, slots=True)
class Raised:
    """The exception, and where it goes: context, vector.  ``refill``: 1 TLB refill, 2 XTLB refill; whether that has its own
    vector is Status.EXL's to say."""
    code: int
    to_guest: bool
    vector: int
    address: int
    refill: int
    guest_exit: GExcCode | None


@dataclass(frozen=True, slots=True)
class Seen:
    """``address``: as the CPU makes it, after wrapping.  ``memory``: there is some at ``physical``.  ``state``: the copy as
    it is after the translation, and before the exception if there is one."""
    access: int
    address: int
    stages: tuple[Stage, ...]
    physical: int | None
    memory: bool
    raised: Raised | None
    state: State


def look(state: State, big_endian: bool, memory_of_machine: Memory, va: int, access: int,
         size: int | None = None) -> Seen:
    """What this access would do.  ``state`` is a copy, and is changed."""
    m = Observer(state, big_endian, memory_of_machine)
    m.call(mode.update_mode)
    state.trap = state.trap_root = state.trap_refill = state.as_user = state.pc_relative = 0
    in_guest, host, raised = bool(state.in_guest), 0, None
    try:
        host = _access(m, va, access, SIZES[access] if size is None else size)
    except Left:
        raised = _deliver(state, m)
    translations = m.top.calls_of(translate.translate)
    physical = translations[0].result if translations else None
    stages = tuple(_stages(translations[0], in_guest)) if translations else ()
    address = translations[0].words[0] if translations else state.access_va
    return Seen(access, address, stages, physical, bool(host), raised, state)


def _access(m: Observer, va: int, access: int, size: int) -> int:
    """The host address of what is there, or 0; raises Left."""
    if access == FETCH:
        m.state.pc = m.const(va)
        return int(memory.fetch(m))
    physical = m.call(translate.physical, va, access, size)
    return int(m.call(regions.backing, physical, access))


def _deliver(state: State, m: Numbers) -> Raised:
    """Take the exception, on a copy of its own."""
    refill, address = state.trap_refill, state.trap_badvaddr
    to_guest = bool(state.in_guest) and not state.trap_root
    leaves = bool(state.in_guest) and not to_guest
    after = State()
    after.block.bytes[:] = state.block.bytes
    n = Numbers(after, m.big_endian, Memory(0))
    n.call(exception.deliver)
    file = n.guest if to_guest else n.root
    return Raised(int(file.get(Cause.ExcCode)), to_guest, after.pc, address, refill,
                  GExcCode(int(n.root.get(GuestCtl0.GExcCode))) if leaves else None)


def _stages(translation: Call, in_guest: bool) -> list[Stage]:
    stages = []
    for first in translation.calls_of(translate.first_stage):
        segment = first.calls_of(translate.segment)[0]
        stages.append(Stage(GUEST_FILE if in_guest else ROOT_FILE, first.words[0], segment.result, _lookup(first),
                            first.result))
    for second in translation.calls_of(translate.second_stage):
        stages.append(Stage(ROOT_FILE, second.words[0], None, _lookup(second), second.result))
    return stages


def _lookup(stage: Call) -> Lookup | None:
    found = stage.calls_of(entries.find)
    if not found:
        return None
    tlb, _, tag, guest_id = found[0].words
    walks = stage.calls_of(walk.refill)
    walked = (walks[0].result or 0) if walks else 0
    reads = tuple((read.words[0], read.result or 0) for each in walks for read in each.calls_of(walk.table_word))
    return Lookup(tlb, tag, guest_id, found[0].result or 0, walked, reads)


def name_of(code: int) -> str:
    return next((member.name for member in ExcCode if member == code), str(code))
