"""Handlers: each row as machine code that works on one decoded record and goes on to the next by a tail call.

What can be inlined is (``vmm.engine.inline``, ``vmm.engine.control``); the rest is a function that handlers call.
"""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vmm.arch.cp0.registers import Status
from vmm.arch.privileged import cp0, fpu, memory, msa
from vmm.arch.rows import Insn
from vmm.engine.control import ControlEmitter
from vmm.engine.emit import FunctionEmitter
from vmm.engine.emit_words import Heavy, Word
from vmm.engine.inline import FieldRef, InlineEmitter
from vmm.engine.records import MAIN, SLOT


class HeavyEmitter(FunctionEmitter):
    """The function of an instruction that is called rather than inlined; its fields are its parameters."""

    def __init__(self, unit: Any, row: Insn) -> None:
        super().__init__(unit, "op_" + mangled(row), len(row.encoding.fields))
        self.row = row

    def build_row(self) -> str:
        if self.row.cp0:
            self.call(cp0.need_cp0)
        if self.row.fp:
            self.call(fpu.enter, self.const(self.row.fp.odd), self.const(self.row.fp.refusal))
        if self.row.bits == 64:
            self.require(self.state.ops64 != 0, "RI")
        if self.row.dsp:
            self.require(self.cp0.on(Status.MX), "DSPDis")
        if self.row.vector:
            for _ in self.when(self.state.vectors != 0):
                self.call(msa.refuse)
        fields = {f.name: Word(self, f"%a{n}") for n, f in enumerate(self.row.encoding.fields)}
        self.row.meaning(self, **fields)
        self.line("ret i64 0")
        return self.definition()

    def load(self, address: Word, size: int) -> Word:
        return self.call(memory.load, address, self.const(size))

    def store(self, address: Word, size: int, word: Word) -> None:
        self.call(memory.store, address, self.const(size), word)

    def load_unit(self, address: Word, size: int) -> Word:
        return self.call(memory.load_unit, address, self.const(size))

    def store_unit(self, address: Word, size: int, word: Word, mask: Word) -> None:
        self.call(memory.store_unit, address, self.const(size), word, mask)

    def load_linked(self, address: Word, size: int) -> Word:
        return self.call(memory.load_linked, address, self.const(size))

    def store_conditional(self, address: Word, size: int, word: Word) -> Word:
        return self.call(memory.store_conditional, address, self.const(size), word)


def mangled(row: Insn) -> str:
    """A name for LLVM that tells rows of one mnemonic apart."""
    return f"{row.name.replace('.', '_')}_{row.encoding.match:08x}_{row.since}"


def inline_handlers(unit: Any, row: Insn) -> Iterator[str]:
    """The handlers of a row that is not heavy: main and slot, with slow twins if it touches memory."""
    if row.control or row.compact:
        yield from _control_handlers(unit, row)
        return
    if row.fp or row.cp0:
        yield from _guarded_handlers(unit, row)
        return
    for flavour in (MAIN, SLOT):
        memory_row = False
        for slow in (False, True):
            m = InlineEmitter(unit, row, flavour, slow)
            m.need_right()
            row.meaning(m, **{f.name: FieldRef(f) for f in row.encoding.fields})
            m.go_on()
            memory_row = memory_row or m.touches_memory
            if slow and not memory_row:
                break
            yield m.definition(unit.handler_name(row, flavour, slow=slow))


def _guarded_handlers(unit: Any, row: Insn) -> Iterator[str]:
    """Of an instruction of coprocessor 1 or a move from CP0: what is let through, and a slow twin for all else."""
    for flavour in (MAIN, SLOT):
        m = InlineEmitter(unit, row, flavour, False)
        if row.fp:
            m.guard(row.fp)
        m.need_right()
        row.meaning(m, **{f.name: FieldRef(f) for f in row.encoding.fields})
        if row.cp0 and not m.is_kernel:
            raise Heavy                                # may it be used at all? too long a question to be inlined
        m.go_on()
        yield m.definition(unit.handler_name(row, flavour, slow=False))
    yield from heavy_handlers(unit, row, twin=True)


def _control_handlers(unit: Any, row: Insn) -> Iterator[str]:
    for near in (True, False) if row.off else (False,):
        m = ControlEmitter(unit, row, near)
        if row.fp:
            m.guard(row.fp)
        m.need_right()
        row.meaning(m, **{f.name: FieldRef(f) for f in row.encoding.fields})
        m.finish()
        yield m.definition(unit.control_name(row, near=near))


def heavy_handlers(unit: Any, row: Insn, *, twin: bool = False) -> Iterator[str]:
    """A function for what the row does, and handlers that call it; ``twin``: the slow ones of a row that has others."""
    body = HeavyEmitter(unit, row)
    yield body.build_row()
    for flavour in (MAIN, SLOT):
        m = InlineEmitter(unit, row, flavour, True)
        m.synchronise()
        state = m.state
        state.next_pc = state.target if flavour == SLOT else state.pc + 4
        fields = {f.name: FieldRef(f) for f in row.encoding.fields}
        given = "".join(f", i64 {m.field(ref).text}" for ref in fields.values())
        m.line(f"call i64 @{body.name}(ptr %st{given})")
        m.leave_if_stopped()
        if row.quiet:
            for _ in m.when(row.quiet(m, **fields)):
                m.go_on()
                m.label(f"dead{m.fresh()}")
        if row.system:
            state.pc, state.in_slot, state.ticks = state.next_pc, m.const(0), state.ticks + 1
            m.line("ret void")
        else:
            m.go_on()
        yield m.definition(unit.handler_name(row, flavour, slow=twin))
