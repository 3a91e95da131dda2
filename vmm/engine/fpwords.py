"""The words of floating point as LLVM text, where nothing is hurried: registers, and arithmetic in integers."""
from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from vmm.arch.privileged import fpu
from vmm.arch.softfloat import SOFT
from vmm.arch.state import OFFSET

if TYPE_CHECKING:
    from vmm.engine.emit import Emitter
    from vmm.engine.emit_words import Condition, Operand, Word

HALF = "i32"
UPPER = 4 if sys.byteorder == "big" else 0
"""What the offset of the lower half of a slot differs by from the slot's."""


class FloatRegisters:
    """``fp32[f]``, ``fp64[f]``, by a field; while FR = 0 an odd single is the upper half of the even register before it."""

    def __init__(self, m: Emitter, width: int) -> None:
        self.m, self.width = m, width

    def _place(self, number: Operand) -> str:
        m = self.m
        n = m.register(number)
        if self.width == 64:
            return m.place(n.shl(1) + OFFSET["fpr"])
        offset = n.shl(4) - (-(n & 1) & m.state.fp_odd) + 8 * OFFSET["fpr"]
        if UPPER:
            offset = offset ^ UPPER
        return m.named(f"getelementptr inbounds i8, ptr %st, i64 {offset.text}")

    def __getitem__(self, number: Operand) -> Word:
        m, place = self.m, self._place(number)
        if self.width == 64:
            return m.word_of(f"load i64, ptr {place}")
        return m.word_of(f"zext i32 {m.named(f'load i32, ptr {place}')} to i64")

    def __setitem__(self, number: Operand, word: Word) -> None:
        m = self.m
        if self.width == 64:
            m.line(f"store i64 {word.text}, ptr {self._place(number)}")
            return
        half = m.named(f"trunc i64 {word.text} to i32")
        m.line(f"store i32 {half}, ptr {self._place(number)}")


class SoftWords:
    """``m.fp`` and its like in a function: the algebra's own arithmetic."""

    def fp_raw(self: Any, name: str, *words: Operand) -> Word:
        return SOFT[name](self, *words)  # type: ignore[no-any-return]

    def fp(self: Any, name: str, *words: Operand) -> Word:
        return fpu.arithmetic(self, name, *words)  # type: ignore[no-any-return]

    def fp_holds(self: Any, name: str, relations: int, a: Operand, b: Operand) -> Condition:
        return (self.fp(name, a, b) & relations) != 0  # type: ignore[no-any-return]

    def fp_settle(self: Any) -> None:
        self.line("call void @settle_fp(ptr %st)")
