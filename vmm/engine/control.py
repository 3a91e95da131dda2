"""Branches and jumps as handlers, delayed and compact."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vmm.arch.rows import Insn
from vmm.engine.emit_words import Condition, Word
from vmm.engine.inline import InlineEmitter
from vmm.engine.records import HORIZON, MAIN, RECORD, RECORD_SHIFT, SLOT_DISTANCE


class ControlEmitter(InlineEmitter):
    """A branch or jump: *near* if taken it stays in the page, *far* if it may leave.

    The link is written last, when it is sure that no other handler does the same instruction again.
    """

    def __init__(self, unit: Any, row: Insn, near: bool) -> None:
        super().__init__(unit, row, MAIN, False)
        self.near = near
        self.links: list[Any] = []
        self.ends: Callable[[], None] | None = None

    def become_slow(self) -> None:
        self.become(self.unit.coprocessor_refuser())

    def link(self, number: Any) -> None:
        self.links.append(number)

    def _write_links(self) -> None:
        for number in self.links:
            self.gpr[number] = self.pc + (4 if self.row.compact else 8)

    def finish(self) -> None:
        assert self.ends is not None, self.row.name
        self.ends()

    def _slot(self, b: Word, tgt: str) -> None:
        """Execute the delay slot, then go to ``tgt``."""
        self.go(self.next_record(SLOT_DISTANCE + RECORD), b.text, tgt)

    def branch(self, condition: Condition, off: Any) -> None:
        distance = self._distance(off)
        self.ends = lambda: self._near(condition, distance) if self.near else self._far(condition, distance)

    def branch_likely(self, condition: Condition, off: Any) -> None:
        distance = self._distance(off)
        self.ends = lambda: self._likely(condition, distance)

    def _near(self, condition: Condition, distance: Word) -> None:
        b, tgt = self._in_page(distance)
        b = self.select(condition, b, Word(self, "%b"))
        tgt = self.named(f"select i1 {condition.text}, ptr {tgt}, ptr {self.next_record(2 * RECORD)}")
        self._go_within(b, tgt)

    def _distance(self, off: Any) -> Word:
        """How many words further than the next instruction."""
        assert self.row.off is not None, self.row.name
        return self.signed(off, self.row.off.width)

    def _in_page(self, distance: Word) -> tuple[Word, str]:
        """Budget and record for a taken branch that stays in the page."""
        step = distance.shl(RECORD_SHIFT) + RECORD
        return (Word(self, "%b") + distance - 1,
                self.named(f"getelementptr inbounds i8, ptr %rec, i64 {step.text}"))

    def _unless_short(self, b: Word) -> None:
        """Go on only with ticks enough to run freely; else the far handler does this, and ends the run."""
        n = self.fresh()
        enough = self.condition(f"icmp sge i64 {b.text}, {HORIZON}")
        self.line(f"br i1 {enough.text}, label %enough{n}, label %short{n}, !prof !0")
        self.label(f"short{n}")
        self.become(self.unit.control_name(self.row, near=False))
        self.label(f"enough{n}")

    def _go_within(self, b: Word, tgt: str) -> None:
        self._unless_short(b)
        self._write_links()
        self._slot(b, tgt)

    def _after_slot(self) -> Word:
        return Word(self, "%b") - self.index() - 2

    def _leave_page(self, target: Word) -> None:
        left = self._after_slot()
        self.state.target_va = target
        self._write_links()
        self._slot(left, self.arrive())

    def arrive(self) -> str:
        return self.named(f"inttoptr i64 {self.state.arrive.text} to ptr")

    def _far(self, condition: Condition, distance: Word) -> None:
        pc = self.pc
        self._leave_page(self.select(condition, pc + 4 + distance.shl(2), pc + 8))

    def _likely(self, condition: Condition, distance: Word) -> None:
        for _ in self.when(~condition):
            self._write_links()
            annulled = Word(self, "%b") + 1            # the slot is not executed, so it is not counted
            self.go(self.next_record(2 * RECORD), annulled.text)
            self.label(f"dead{self.fresh()}")
        if self.near:
            self._go_within(*self._in_page(distance))
        else:
            self._leave_page(self.pc + 4 + distance.shl(2))

    def jump(self, target: Word) -> None:
        self.ends = lambda: self._leave_page(target)

    def compact_branch(self, condition: Condition, off: Any) -> None:
        self.ends = lambda: self._compact(condition, self._distance(off))

    def _compact(self, condition: Condition, distance: Word) -> None:
        """Taken, it goes on at once; not taken, with the next record, which decoding has seen to be no branch."""
        for _ in self.when(~condition):
            self._write_links()
            self.go_on()
            self.label(f"dead{self.fresh()}")
        if self.near:
            step = distance.shl(RECORD_SHIFT) + RECORD
            target = self.named(f"getelementptr inbounds i8, ptr %rec, i64 {step.text}")
            left = Word(self, "%b") + distance
            self._unless_short(left)
            self._write_links()
            self.go(target, left.text)
        else:
            self._leave_at_once(self.pc + 4 + distance.shl(2))

    def compact_jump(self, target: Word) -> None:
        self.ends = lambda: self._leave_at_once(target)

    def _leave_at_once(self, target: Word) -> None:
        self.state.target_va = self.select(self.state.wrap != 0, self.word(target), target)
        self._write_links()
        self.go(self.arrive(), (Word(self, "%b") - self.index() - 1).text)

    def jump_region(self, target: Any) -> None:
        place = self.unsigned(target, 26).shl(2)
        self.ends = lambda: self._leave_page((self.pc + 4) & ~0x0FFF_FFFF | place)
