"""The vector words of the algebra as LLVM text: a register is one LLVM vector, an operation one instruction for all lanes.

Invariant: the state is in the host's memory with lane 0 first, so the host is little-endian.
"""
from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from vmm.engine import hostlanes
from vmm.engine.hostlanes import VECTORS_AT

if TYPE_CHECKING:
    from vmm.engine.emit import Emitter
    from vmm.engine.emit_words import Condition, Word

VECTOR_BITS = 128
Operand = Any
"""Lanes, or an int for every lane."""


def vector_type(bits: int) -> str:
    return f"<{VECTOR_BITS // bits} x i{bits}>"


class Lanes:
    """All lanes of a vector register."""
    __slots__ = ("bits", "m", "text")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, m: Emitter, bits: int, text: str) -> None:
        self.m, self.bits, self.text = m, bits, text

    def _of(self, right: str) -> Lanes:
        return Lanes(self.m, self.bits, self.m.named(right))

    def like(self, number: int) -> Lanes:
        """This number in every lane."""
        return lanes_of(self.m, self.bits, [number] * (VECTOR_BITS // self.bits))

    def _other(self, other: Operand) -> str:
        return other.text if isinstance(other, Lanes) else self.like(other).text

    def _two(self, name: str, other: Operand) -> Lanes:
        return self._of(f"{name} {vector_type(self.bits)} {self.text}, {self._other(other)}")

    def _compare(self, name: str, other: Operand) -> LaneConditions:
        text = self.m.named(f"icmp {name} {vector_type(self.bits)} {self.text}, {self._other(other)}")
        return LaneConditions(self.m, self.bits, text)

    def _call(self, name: str, *others: Operand, tail: str = "") -> Lanes:
        kind = vector_type(self.bits)
        given = "".join(f", {kind} {self._other(o)}" for o in others)
        shape = f"v{VECTOR_BITS // self.bits}i{self.bits}"
        return self._of(f"call {kind} @llvm.{name}.{shape}({kind} {self.text}{given}{tail})")

    def _shift(self, name: str, count: Operand) -> Lanes:
        """By a count modulo the width."""
        return self._two(name, count & self.bits - 1)

    def __add__(self, other: Operand) -> Lanes:
        return self._two("add", other)

    def __sub__(self, other: Operand) -> Lanes:
        return self._two("sub", other)

    def __mul__(self, other: Operand) -> Lanes:
        return self._two("mul", other)

    def __and__(self, other: Operand) -> Lanes:
        return self._two("and", other)

    def __or__(self, other: Operand) -> Lanes:
        return self._two("or", other)

    def __xor__(self, other: Operand) -> Lanes:
        return self._two("xor", other)

    def __neg__(self) -> Lanes:
        return self.like(0)._two("sub", self)

    def __invert__(self) -> Lanes:
        return self._two("xor", -1)

    def shl(self, count: Operand) -> Lanes:
        return self._shift("shl", count)

    def shr(self, count: Operand) -> Lanes:
        return self._shift("lshr", count)

    def sar(self, count: Operand) -> Lanes:
        return self._shift("ashr", count)

    def __eq__(self, other: Operand) -> LaneConditions:  # type: ignore[override]
        return self._compare("eq", other)

    def __ne__(self, other: Operand) -> LaneConditions:  # type: ignore[override]
        return self._compare("ne", other)

    def below(self, other: Operand) -> LaneConditions:
        return self._compare("ult", other)

    def less(self, other: Operand) -> LaneConditions:
        return self._compare("slt", other)

    def add_saturated(self, other: Operand) -> Lanes:
        return self._call("sadd.sat", other)

    def add_saturated_unsigned(self, other: Operand) -> Lanes:
        return self._call("uadd.sat", other)

    def subtract_saturated(self, other: Operand) -> Lanes:
        return self._call("ssub.sat", other)

    def subtract_saturated_unsigned(self, other: Operand) -> Lanes:
        return self._call("usub.sat", other)

    def count_ones(self) -> Lanes:
        return self._call("ctpop")

    def leading_zeros(self) -> Lanes:
        return self._call("ctlz", tail=", i1 false")

    def divide_signed(self, other: Lanes) -> tuple[Lanes, Lanes]:
        """The one overflow wraps: dividing by 1 gives the same quotient and remainder."""
        overflow = (self == 1 << self.bits - 1) & (other == -1)
        divisor = overflow.choose(1, other)
        return self._two("sdiv", divisor), self._two("srem", divisor)

    def divide_unsigned(self, other: Lanes) -> tuple[Lanes, Lanes]:
        return self._two("udiv", other), self._two("urem", other)

    def cast(self, bits: int) -> Lanes:
        """The same 128 bits as lanes of another width."""
        return Lanes(self.m, bits, self.m.named(f"bitcast {vector_type(self.bits)} {self.text} to {vector_type(bits)}"))

    def shuffle(self, other: Lanes, order: Iterable[int]) -> Lanes:
        kind = vector_type(self.bits)
        mask = ", ".join(f"i32 {n}" for n in order)
        return self._of(f"shufflevector {kind} {self.text}, {kind} {other.text}, "
                        f"<{VECTOR_BITS // self.bits} x i32> <{mask}>")

    def pick(self, other: Lanes, index: Lanes) -> Lanes:
        """Through memory: both vectors there, and one load for each lane."""
        m, kind, count = self.m, vector_type(self.bits), VECTOR_BITS // self.bits
        place = m.cell(f"[2 x {kind}]")
        m.line(f"store {kind} {self.text}, ptr {place}")
        upper = m.named(f"getelementptr inbounds {kind}, ptr {place}, i64 1")
        m.line(f"store {kind} {other.text}, ptr {upper}")
        within, result = index & 2 * count - 1, "poison"
        for n in range(count):
            wanted = m.named(f"extractelement {kind} {within.text}, i32 {n}")
            wide = wanted if self.bits == 64 else m.named(f"zext i{self.bits} {wanted} to i64")
            at = m.named(f"getelementptr inbounds i{self.bits}, ptr {place}, i64 {wide}")
            lane = m.named(f"load i{self.bits}, ptr {at}")
            result = m.named(f"insertelement {kind} {result}, i{self.bits} {lane}, i32 {n}")
        return Lanes(m, self.bits, result)


class LaneConditions:
    """A condition for each lane."""
    __slots__ = ("bits", "m", "text")

    def __init__(self, m: Emitter, bits: int, text: str) -> None:
        self.m, self.bits, self.text = m, bits, text

    @property
    def type(self) -> str:
        return f"<{VECTOR_BITS // self.bits} x i1>"

    def __and__(self, other: LaneConditions) -> LaneConditions:
        return LaneConditions(self.m, self.bits, self.m.named(f"and {self.type} {self.text}, {other.text}"))

    def __or__(self, other: LaneConditions) -> LaneConditions:
        return LaneConditions(self.m, self.bits, self.m.named(f"or {self.type} {self.text}, {other.text}"))

    def __invert__(self) -> LaneConditions:
        return LaneConditions(self.m, self.bits, self.m.named(f"xor {self.type} {self.text}, splat (i1 true)"))

    def choose(self, yes: Operand, no: Operand) -> Lanes:
        kind = vector_type(self.bits)
        model = lanes_of(self.m, self.bits, [0])
        text = f"select {self.type} {self.text}, {kind} {model._other(yes)}, {kind} {model._other(no)}"
        return Lanes(self.m, self.bits, self.m.named(text))

    def ones(self) -> Lanes:
        text = self.m.named(f"sext {self.type} {self.text} to {vector_type(self.bits)}")
        return Lanes(self.m, self.bits, text)

    def any(self) -> Condition:
        count = VECTOR_BITS // self.bits
        return self.m.condition(f"icmp ne i{count} {self.m.named(f'bitcast {self.type} {self.text} to i{count}')}, 0")


def lanes_of(m: Emitter, bits: int, numbers: Iterable[int]) -> Lanes:
    """Constants, from lane 0 up."""
    sign = 1 << bits - 1
    cells = ", ".join(f"i{bits} {(n & 2 * sign - 1 ^ sign) - sign}" for n in numbers)
    return Lanes(m, bits, f"<{cells}>")


def splat(m: Emitter, bits: int, word: Word) -> Lanes:
    """The low bits of a Word in every lane."""
    kind = vector_type(bits)
    how = "" if bits == 64 else "zext" if bits > 64 else "trunc"
    low = m.named(f"{how} i64 {word.text} to i{bits}") if how else word.text
    one = m.named(f"insertelement {kind} poison, i{bits} {low}, i32 0")
    zeros = f"<{VECTOR_BITS // bits} x i32> zeroinitializer"
    return Lanes(m, bits, m.named(f"shufflevector {kind} {one}, {kind} poison, {zeros}"))


class VectorFile:
    """``m.vector(bits)``: the vector registers as lanes of that width."""

    def __init__(self, m: Emitter, bits: int) -> None:
        self.m, self.bits = m, bits

    def __getitem__(self, number: Operand) -> Lanes:
        place = vector_place(self.m, number)
        return Lanes(self.m, self.bits, self.m.named(f"load {vector_type(self.bits)}, ptr {place}, align 8"))

    def __setitem__(self, number: Operand, lanes: Lanes) -> None:
        self.m.line(f"store {vector_type(self.bits)} {lanes.text}, ptr {vector_place(self.m, number)}, align 8")


def vector_place(m: Emitter, number: Operand) -> str:
    base = m.named(f"getelementptr inbounds i8, ptr %st, i64 {VECTORS_AT}")
    return m.named(f"getelementptr inbounds [16 x i8], ptr {base}, i64 {m.text(m.register(number))}")


def element_place(m: Emitter, bits: int, number: Operand, lane: Word) -> str:
    return m.named(f"getelementptr inbounds i{bits}, ptr {vector_place(m, number)}, i64 {lane.text}")


def bytes_swapped(m: Emitter, lanes: Lanes) -> Lanes:
    """Each lane between the host's byte order and a big-endian machine's."""
    return lanes if lanes.bits == 8 else lanes._call("bswap")


class VectorWords:
    """What ``m`` offers of vectors; ``Emitter`` is one of these."""

    def float_lanes(self: Any, operation: str, option: int, bits: int, *registers: Word) -> Condition:
        if not self.unit.host_fma or not hostlanes.has(operation, option):
            return self.condition("icmp ne i64 0, 0")  # type: ignore[no-any-return]
        given = "".join(f", i64 {r.text}" for r in registers)
        name = self.unit.float_function(operation, option, bits)
        return self.word_of(f"call i64 @{name}(ptr %st{given})") != 0  # type: ignore[no-any-return]

    def vector(self: Any, bits: int) -> VectorFile:
        return VectorFile(self, bits)

    def lanes(self: Any, bits: int, numbers: Iterable[int]) -> Lanes:
        return lanes_of(self, bits, numbers)

    def splat(self: Any, bits: int, word: Word) -> Lanes:
        return splat(self, bits, word)

    def element(self: Any, bits: int, number: Operand, lane: Word) -> Word:
        raw = self.word_of(f"load i{bits}, ptr {element_place(self, bits, number, lane)}")
        return raw if bits == 64 else self.word_of(f"zext i{bits} {raw.text} to i64")  # type: ignore[no-any-return]

    def set_element(self: Any, bits: int, number: Operand, lane: Word, word: Word) -> None:
        place = element_place(self, bits, number, lane)
        low = word.text if bits == 64 else self.named(f"trunc i64 {word.text} to i{bits}")
        self.line(f"store i{bits} {low}, ptr {place}")
