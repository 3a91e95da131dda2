"""The algebra as LLVM text: words write instructions instead of computing, and so do operators (``emit_words``).

``Emitter`` has the words of a function body; ``FunctionEmitter`` makes functions of what is reached by ``m.call``.
What only an inlined instruction needs is in ``vmm.engine.inline``.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from vmm.arch.exceptions import ExcCode
from vmm.arch.privileged.names import File, States
from vmm.arch.state import GUEST_FILE, OFFSET, ROOT_FILE
from vmm.arch.stops import Stop
from vmm.engine.emit_words import Condition, Operand, Registers, Value, Variable, Word
from vmm.engine.fpwords import FloatRegisters, SoftWords
from vmm.engine.lanes import VectorWords

LINE_BITS = {1: "i8", 2: "i16", 4: "i32", 8: "i64"}


class Emitter(VectorWords):
    big_endian: bool
    unit: Any

    def __init__(self, unit: Any) -> None:
        self.unit, self.big_endian = unit, unit.big_endian
        self.lines: list[str] = []
        self.cells: list[str] = []
        self.names = 0
        self.leaves = False
        self.gpr = Registers(self)
        self.fp32, self.fp64 = FloatRegisters(self, 32), FloatRegisters(self, 64)
        self.state = States(self)
        self.root, self.guest = File(self, ROOT_FILE), File(self, GUEST_FILE)
        self._last: Condition | None = None

    # -- writing text -------------------------------------------------------------------------------------------------
    def fresh(self) -> int:
        self.names += 1
        return self.names

    def line(self, text: str) -> None:
        self.lines.append("  " + text)

    def label(self, name: str) -> None:
        self.lines.append(name + ":")

    def named(self, right: str) -> str:
        name = f"%v{self.fresh()}"
        self.line(f"{name} = {right}")
        return name

    def word_of(self, right: str) -> Word:
        return Word(self, self.named(right))

    def condition(self, right: str) -> Condition:
        return Condition(self, self.named(right))

    def cell(self, kind: str = "i64") -> str:
        name = f"%c{self.fresh()}"
        self.cells.append(f"  {name} = alloca {kind}")
        return name

    def text(self, value: Operand) -> str:
        if isinstance(value, Value):
            return value.text
        number = int(value) & (1 << 64) - 1
        return str(number - (1 << 64) if number >> 63 else number)

    def branch_on(self, condition: Value, yes: str, no: str) -> None:
        self.line(f"br i1 {condition.text}, label %{yes}, label %{no}")

    # -- state --------------------------------------------------------------------------------------------------------
    def place(self, number: Operand) -> str:
        return self.named(f"getelementptr inbounds i64, ptr %st, i64 {self.text(number)}")

    def slot(self, number: Operand) -> Word:
        return self.word_of(f"load i64, ptr {self.place(number)}")

    def set_slot(self, number: Operand, word: Operand) -> None:
        self.line(f"store i64 {self.text(word)}, ptr {self.place(number)}")

    def register(self, number: Operand) -> Operand:
        return number

    @property
    def cp0(self) -> File:
        return File(self, self.state.base)

    @property
    def hi(self) -> Word:
        return self.slot(OFFSET["hi"])

    @hi.setter
    def hi(self, word: Operand) -> None:
        self.set_slot(OFFSET["hi"], word)

    @property
    def lo(self) -> Word:
        return self.slot(OFFSET["lo"])

    @lo.setter
    def lo(self, word: Operand) -> None:
        self.set_slot(OFFSET["lo"], word)

    @property
    def pc(self) -> Word:
        return self.state.pc  # type: ignore[no-any-return]

    # -- Words --------------------------------------------------------------------------------------------------------
    def const(self, number: int) -> Word:
        return Word(self, self.text(number))

    def _extended(self, x: Operand, width: int, how: str) -> Word:
        if width == 64:
            return Word(self, self.text(x))
        return self.word_of(f"{how} i{width} {self.named(f'trunc i64 {self.text(x)} to i{width}')} to i64")

    def signed(self, x: Operand, width: int) -> Word:
        return self._extended(x, width, "sext")

    def unsigned(self, x: Operand, width: int) -> Word:
        return self._extended(x, width, "zext")

    def word(self, x: Operand) -> Word:
        return self.signed(x, 32)

    def flag(self, condition: Condition) -> Word:
        return self.word_of(f"zext i1 {condition.text} to i64")

    def select(self, condition: Condition, yes: Operand, no: Operand) -> Word:
        return self.word_of(f"select i1 {condition.text}, i64 {self.text(yes)}, i64 {self.text(no)}")

    def leading_zeros(self, x: Word) -> Word:
        return self.word_of(f"call i64 @llvm.ctlz.i64(i64 {x.text}, i1 false)")

    def _high(self, a: Word, b: Word, how: str) -> Word:
        wide = [self.named(f"{how} i64 {x.text} to i128") for x in (a, b)]
        product = self.named(f"mul i128 {wide[0]}, {wide[1]}")
        return self.word_of(f"trunc i128 {self.named(f'lshr i128 {product}, 64')} to i64")

    def high_signed(self, a: Word, b: Word) -> Word:
        return self._high(a, b, "sext")

    def high_unsigned(self, a: Word, b: Word) -> Word:
        return self._high(a, b, "zext")

    def divide_signed(self, a: Word, b: Word) -> tuple[Word, Word]:
        """The one overflow wraps: dividing by 1 gives the same quotient and remainder."""
        overflow = (a == 1 << 63) & (b == -1)
        divisor = self.select(overflow, 1, b)
        return a._two("sdiv", divisor), a._two("srem", divisor)

    def divide_unsigned(self, a: Word, b: Word) -> tuple[Word, Word]:
        return a._two("udiv", b), a._two("urem", b)

    def table(self, numbers: tuple[int, ...], index: Word) -> Word:
        name = self.unit.constant_table(numbers)
        place = self.named(f"getelementptr inbounds i64, ptr {name}, i64 {index.text}")
        return self.word_of(f"load i64, ptr {place}")

    def lane(self, address: Word, size: int) -> Word:
        byte = address & size - 1
        return byte if self.big_endian else byte ^ size - 1

    # -- control flow -------------------------------------------------------------------------------------------------
    def when(self, condition: Condition) -> Iterator[None]:
        n = self.fresh()
        self.branch_on(condition, f"then{n}", f"end{n}")
        self.label(f"then{n}")
        yield
        self.line(f"br label %end{n}")
        self.label(f"end{n}")
        self._last = condition

    def otherwise(self) -> Iterator[None]:
        assert self._last is not None
        return self.when(~self._last)

    def repeat(self, test: Callable[[], Condition]) -> Iterator[None]:
        n = self.fresh()
        self.line(f"br label %head{n}")
        self.label(f"head{n}")
        self.branch_on(test(), f"body{n}", f"end{n}")
        self.label(f"body{n}")
        yield
        self.line(f"br label %head{n}")
        self.label(f"end{n}")

    def var(self, word: Operand) -> Variable:
        return Variable(self, word)

    def call(self, function: Callable[..., Any], *words: Operand) -> Word:
        callee = self.unit.function(function, len(words))
        given = "".join(f", i64 {self.text(w)}" for w in words)
        result = self.word_of(f"call i64 @{callee.name}(ptr %st{given})")
        if callee.leaves:
            self.leave_if_stopped()
        return result

    def leave_if_stopped(self) -> None:
        """Go no further if the function called has trapped or stopped."""
        n = self.fresh()
        gone = self.state.trap | self.state.stop
        self.branch_on(gone != 0, f"gone{n}", f"on{n}")
        self.label(f"gone{n}")
        self.leave()
        self.label(f"on{n}")

    def leave(self) -> None:
        """End the function here; what it would give is not used."""
        self.leaves = True
        self.line("ret i64 0")

    # -- traps and stops ----------------------------------------------------------------------------------------------
    def trap_code(self, code: Operand) -> None:
        self.state.trap = code + 1
        self.leave()
        self.label(f"dead{self.fresh()}")

    def trap(self, name: str) -> None:
        self.trap_code(int(ExcCode[name]))

    def require(self, condition: Condition, name: str) -> None:
        for _ in self.when(~condition):
            self.trap(name)

    def leave_with(self, stop: Stop) -> None:
        self.state.stop = stop
        self.leave()
        self.label(f"dead{self.fresh()}")

    def door(self, number: Word) -> None:
        self.state.stop_code = number
        self.leave_with(Stop.DOOR)

    def tell_others(self, address: Word, how: Word) -> None:
        self.state.stop_address, self.state.stop_code = address, how
        self.leave_with(Stop.GLOBAL_INVALIDATE)

    # -- memory -------------------------------------------------------------------------------------------------------
    def peek(self, host: Word, size: Operand) -> Word:
        return self.word_of(f"call i64 @peek(i64 {host.text}, i64 {self.text(size)})")

    def poke(self, host: Word, size: Operand, word: Word) -> None:
        self.line(f"call void @poke(i64 {host.text}, i64 {self.text(size)}, i64 {word.text})")
        self.line(f"call void @code_changed(ptr %st, i64 {host.text}, i64 {self.text(size)})")

    def remember(self, va: Word, host: Word, rights: Word) -> None:
        self.line(f"call void @remember(ptr %st, i64 {va.text}, i64 {host.text}, i64 {rights.text})")

    def forget_pages(self, vpn: Word, mask: Word, guest: Word) -> None:
        self.line(f"call void @forget_pages(ptr %st, i64 {vpn.text}, i64 {mask.text}, i64 {guest.text})")

    def forget_every_page(self) -> None:
        self.line("call void @forget_all(ptr %st)")

    def forget_owned(self, entry: Word) -> None:
        self.line(f"call void @forget_owned(ptr %st, i64 {entry.text})")

    def forget_at_siblings(self, entry: Word) -> None:
        self.line(f"call void @forget_at_siblings(ptr %st, i64 {entry.text})")


class FunctionEmitter(SoftWords, Emitter):
    """One function ``i64 name(ptr state, i64...)`` from a Python function over the algebra."""

    def __init__(self, unit: Any, name: str, count: int) -> None:
        super().__init__(unit)
        self.name, self.count = name, count

    def build(self, function: Callable[..., Any]) -> str:
        result = function(self, *(Word(self, f"%a{n}") for n in range(self.count)))
        self.line(f"ret i64 {self.text(result) if result is not None else 0}")
        return self.definition()

    def definition(self) -> str:
        parameters = "".join(f", i64 %a{n}" for n in range(self.count))
        head = f"define internal i64 @{self.name}(ptr %st{parameters}) nounwind {{\nentry:"
        return "\n".join([head, *self.cells, *self.lines, "}"])
