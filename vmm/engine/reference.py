"""The reference engine: the algebra with numbers, one instruction at a time.

It is short enough to be believed, and works on the same state as the native engine.  It remembers the pages it has
translated only until the next instruction that could change a translation, an exception, or the end of ``run``.
"""
from __future__ import annotations

from vmm.arch.cp0.registers import Status
from vmm.arch.insns import ROWS
from vmm.arch.models import CpuModel
from vmm.arch.privileged import cp0, exception, fpu, msa, timer
from vmm.arch.privileged.service import SERVICES
from vmm.arch.rows import Insn, available, decode, decode_tree
from vmm.arch.stops import Stop
from vmm.engine.number_words import Word
from vmm.engine.numbers import Left, Numbers
from vmm.engine.store import Links, Memory, State


class ReferenceEngine:
    """Runs CPUs of one model, in numbers."""

    def __init__(self, model: CpuModel, big_endian: bool, memory_of_machine: Memory) -> None:
        self.big_endian, self.memory = big_endian, memory_of_machine
        self.tree = decode_tree(available(ROWS, release=model.release, bits=model.bits, ases=model.ases))
        self.reserved_in_slot = {id(row) for row in ROWS if row.is_alone(model.release)}
        self._machines: dict[int, Numbers] = {}
        self._states: list[State] = []
        self._links = Links()
        self._decoded: dict[int, Insn | None] = {}
        self._split: dict[int, dict[str, int]] = {}

    def attach(self, state: State) -> None:
        self._machines[state.address] = Numbers(state, self.big_endian, self.memory)
        self._states.append(state)

    def service(self, state: State, name: str, *words: int) -> int:
        state.stop = 0
        function, _ = SERVICES[name]
        return int(self._machines[state.address].call(function, *words) or 0)

    def code_changed(self, offset: int, size: int) -> None:
        """Instructions are fetched each time: nothing is kept."""

    def forget_translations(self, state: State) -> None:
        """Nor are translations."""

    def forget(self) -> None:
        """So there is nothing to drop."""

    def run(self, state: State) -> Stop:
        """The loop of the native engine's ``run``, in Python."""
        m = self._machines[state.address]
        if self._links.holder is not state:
            self._links.pass_to(state, self._states)
        state.stop, look = 0, True
        while True:
            if look:
                m.pages.clear()
            if look and not state.trap:
                timer.look_around(m)
                state.deadline = min(state.until, *state.array("compare_at"), state.perf_at)
            if state.trap:
                exception.deliver(m)
                state.skip_break, look = 0, True
                if state.step:
                    return self._stop(state, Stop.STEP)
                continue
            if state.ticks >= state.until:
                return self._stop(state, Stop.BUDGET)
            if state.halted:
                if state.step:
                    return self._stop(state, Stop.STEP)
                state.idle_ticks += state.deadline - state.ticks
                state.ticks, look = state.deadline, True
                continue
            if state.break_count and not state.skip_break and state.pc in state.array("breaks")[:state.break_count]:
                return self._stop(state, Stop.BREAK)
            try:
                answered = state.io_ready != 0
                look = self._step(m, state) or state.ticks >= state.deadline or answered
            except Left:
                if state.stop:
                    return Stop(state.stop)
                continue
            state.skip_break = 0
            if state.step:
                return self._stop(state, Stop.STEP)

    @staticmethod
    def _stop(state: State, why: Stop) -> Stop:
        state.stop, state.skip_break = why, 0
        return why

    def _decode(self, word: int) -> Insn | None:
        if word not in self._decoded:
            self._decoded[word] = decode(self.tree, word)
        return self._decoded[word]

    def _fields(self, word: int, insn: Insn) -> dict[str, int]:
        if word not in self._split:
            self._split[word] = insn.encoding.split(word)
        return self._split[word]

    def _step(self, m: Numbers, state: State) -> bool:
        """Execute one instruction; whether it may have changed mode, translation or interrupts."""
        word = int(m.fetch())
        state.instr = word
        insn = self._decode(word)
        in_slot = state.in_slot
        if insn is None or ((in_slot or state.forbidden) and id(insn) in self.reserved_in_slot):
            m.trap("RI")
            return True
        state.forbidden = 0
        state.next_pc = state.target if in_slot else state.pc + 4
        if insn.cp0:
            cp0.need_cp0(m)
        if insn.dsp:
            m.require(m.cp0.on(Status.MX), "DSPDis")
        if insn.vector and m.state.vectors != 0:
            msa.refuse(m)
        if insn.fp:
            fpu.enter(m, Word(insn.fp.odd), Word(insn.fp.refusal))
        if insn.bits == 64:
            m.require(m.state.ops64 != 0, "RI")
        m.taken = None
        if insn.compact:
            m.off_width, m.link_distance = insn.off.width if insn.off else 0, 4
        else:
            m.off_width, m.link_distance = 16, 8
        insn.meaning(m, **self._fields(word, insn))
        state.ticks += 1
        if m.taken is None:
            state.pc, state.in_slot, state.forbidden = state.next_pc, 0, int(insn.forbids)
        elif m.taken[1]:
            state.prior, state.target = word, int(m.taken[0])
            state.pc, state.in_slot = state.pc + 4, 1
        else:
            state.pc, state.in_slot = int(m.taken[0]), 0
        return insn.system
