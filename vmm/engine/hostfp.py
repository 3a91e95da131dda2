"""Floating point by the host's own arithmetic, inlined: valid where the guard lets it through and the result is a number.

The guard (``state.fp_guard``) refuses all that the host does otherwise: rounding modes, flushing, enabled traps.  What is
or becomes a NaN, and conversions that do not fit, go to the slow twin of the handler, which computes in integers.
Invariant: on this path the host's sticky flags are the guest's I, U, O and Z, to be folded into FCSR by ``settle_fp``;
V never comes from here.  What FCSR.Cause would be is owed: the operation and its operands are kept in the state.

LLVM may assume a default floating-point environment in this code: it has one while ``run`` lasts, and nothing here reads
the flags, so the plain instructions are enough.
"""
from __future__ import annotations

import sys
from abc import ABC, abstractmethod

import llvmlite.binding as llvm

from vmm.arch.fp import EQUAL, LESS, NO_EXCEPTION, OPERATIONS, Fcsr, Needs, Operation
from vmm.arch.state import OFFSET
from vmm.engine.emit import Emitter
from vmm.engine.emit_words import Condition, Heavy, Operand, Word

TYPE = {"s": "float", "d": "double"}
BITS = {"s": "i32", "d": "i64", "w": "i32", "l": "i64"}
ONE = "1.0"
LETTER_OF_COMPARISON = {EQUAL: "oeq", LESS: "olt", EQUAL | LESS: "ole"}
BINARY = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv"}
TRUNCATING = ("trunc", "ceil", "floor")
SMALLEST = {"w": -(1 << 31), "l": -(1 << 63)}
LARGEST = {"w": (1 << 31) - 1, "l": (1 << 63) - 1}
CONVERT = {"s": ("sse", "ss", "4"), "d": ("sse2", "sd", "2")}
"""x86: the extension, the suffix and the lanes of a conversion to an integer."""


def host_has_flags() -> bool:
    """Whether the host's arithmetic leaves sticky flags where ``settle_fp`` looks for them."""
    return bool(llvm.get_default_triple().startswith("x86_64")) and sys.byteorder == "little"


def host_has_fma() -> bool:
    return host_has_flags() and bool(llvm.get_host_cpu_features().get("fma"))


class HostArithmetic(Emitter, ABC):
    """The words of floating point in an inlined instruction."""
    word_at: int

    @abstractmethod
    def become_slow(self) -> None:
        """Let the slow twin do this instruction."""

    @abstractmethod
    def instruction(self) -> str:
        """The instruction word, an i32."""

    def guard(self, needs: Needs) -> None:
        """Go on only if the unit refuses nothing of what the instruction needs."""
        place = self.named(f"getelementptr inbounds i64, ptr %st, i64 {OFFSET['fp_guard']}")
        asked = str(_i32(needs.refusal))
        if needs.odd:
            low = self.named(f"and i32 {self.instruction()}, {_i32(needs.odd)}")
            asked = self.named(f"or i32 {low}, {asked}")
        guard = self.named(f"load i32, ptr {place}")
        refused = self.named(f"and i32 {asked}, {guard}")
        self.slow_if(self.condition(f"icmp ne i32 {refused}, 0"))

    def slow_if(self, condition: Condition) -> None:
        n = self.fresh()
        self.line(f"br i1 {condition.text}, label %slow{n}, label %fast{n}, !prof !1")
        self.label(f"slow{n}")
        self.become_slow()
        self.label(f"fast{n}")

    # -- between Words and the host's types ---------------------------------------------------------------------------
    def host(self, word: Operand, letter: str) -> str:
        bits = word.text if letter == "d" else self.named(f"trunc i64 {word.text} to i32")
        return self.named(f"bitcast {BITS[letter]} {bits} to {TYPE[letter]}")

    def from_host(self, value: str, letter: str) -> Word:
        if letter == "d":
            return self.word_of(f"bitcast double {value} to i64")
        return self.word_of(f"zext i32 {self.named(f'bitcast float {value} to i32')} to i64")

    def owe(self, operation: Operation, words: tuple[Operand, ...]) -> None:
        """Keep what Cause can be computed from."""
        self.state.fp_last = operation.number
        for name, word in zip(("fp_a", "fp_b", "fp_c"), words, strict=False):
            setattr(self.state, name, word)

    # -- words --------------------------------------------------------------------------------------------------------
    def fp_raw(self, name: str, *words: Operand) -> Word:
        raise Heavy

    def fp_settle(self) -> None:
        raise Heavy

    def fp(self, name: str, *words: Operand) -> Word:
        if not self.unit.host_fp:
            raise Heavy
        operation = OPERATIONS[name]
        kind, source, to = operation.kind, operation.source, operation.result
        if kind in ("abs", "neg"):
            return self._turned(operation, words[0])
        if kind in ("min", "max", "mina", "maxa"):
            return self._extreme(operation, *words)
        if source in "wl":
            return self._from_integer(operation, words)
        values = [self.host(word, source) for word in words]
        if to in "wl":
            return self._to_integer(operation, words, values[0])
        if source != to:
            how = "fpext" if to == "d" else "fptrunc"
            result = self.named(f"{how} {TYPE[source]} {values[0]} to {TYPE[to]}")
        else:
            result = self._within(kind, TYPE[to], *values)
        self.slow_if(self.condition(f"fcmp uno {TYPE[to]} {result}, {result}"))
        self.owe(operation, words)
        return self.from_host(result, to)

    def _within(self, kind: str, t: str, a: str, b: str = "", c: str = "") -> str:
        if kind in BINARY:
            return self.named(f"{BINARY[kind]} {t} {a}, {b}")
        if kind in ("sqrt", "rsqrt"):
            root = self.named(f"call {t} @llvm.sqrt.{_suffix(t)}({t} {a})")
            return root if kind == "sqrt" else self.named(f"fdiv {t} {ONE}, {root}")
        if kind == "recip":
            return self.named(f"fdiv {t} {ONE}, {a}")
        if kind in ("madd", "msub", "nmadd", "nmsub"):
            product = self.named(f"fmul {t} {a}, {b}")
            result = self.named(f"{'fsub' if 'msub' in kind else 'fadd'} {t} {product}, {c}")
            return self.named(f"fneg {t} {result}") if kind.startswith("n") else result
        if kind in ("maddf", "msubf") and self.unit.host_fma:
            factor = a if kind == "maddf" else self.named(f"fneg {t} {a}")
            return self.named(f"call {t} @llvm.fma.{_suffix(t)}({t} {factor}, {t} {b}, {t} {c})")
        raise Heavy

    def _turned(self, operation: Operation, word: Operand) -> Word:
        """Bits alone, once NaNs are gone; before ABS2008 it is arithmetic and so leaves a Cause, of nothing."""
        t, value = TYPE[operation.source], self.host(word, operation.source)
        self.slow_if(self.condition(f"fcmp uno {t} {value}, {value}"))
        new = (self.state.fcsr & Fcsr.ABS2008) != 0
        self.state.fp_last = self.select(new, self.state.fp_last, NO_EXCEPTION)
        sign = 1 << (63 if operation.source == "d" else 31)
        return word & ~sign if operation.kind == "abs" else word ^ sign  # type: ignore[no-any-return]

    def _extreme(self, operation: Operation, a: Operand, b: Operand) -> Word:
        """Of two numbers that differ; NaNs, and equal ones because of -0, are left to the slow twin."""
        t = TYPE[operation.source]
        x, y = self.host(a, operation.source), self.host(b, operation.source)
        if operation.kind.endswith("a"):
            x, y = (self.named(f"call {t} @llvm.fabs.{_suffix(t)}({t} {v})") for v in (x, y))
        self.slow_if(self.condition(f"fcmp ueq {t} {x}, {y}"))
        order = "ogt" if operation.kind.startswith("max") else "olt"
        self.state.fp_last = NO_EXCEPTION
        return self.select(self.condition(f"fcmp {order} {t} {x}, {y}"), a, b)

    def _from_integer(self, operation: Operation, words: tuple[Operand, ...]) -> Word:
        bits = BITS[operation.source]
        value = words[0].text if bits == "i64" else self.named(f"trunc i64 {words[0].text} to i32")
        result = self.named(f"sitofp {bits} {value} to {TYPE[operation.result]}")
        self.owe(operation, words)
        return self.from_host(result, operation.result)

    def _to_integer(self, operation: Operation, words: tuple[Operand, ...], value: str) -> Word:
        """By truncation or to nearest, as x86 can; ceil and floor correct a truncation.  Its "indefinite" is the least
        integer, which goes to the slow twin whether or not it was meant.  A double that truncates to the end of 32 bits may
        not be corrected any more, but then the host has noted that it is inexact: it is kept away before."""
        source, to, kind = operation.source, operation.result, operation.kind
        t, bits = TYPE[source], BITS[to]
        how = "cvtt" if kind in TRUNCATING else "cvt"
        if kind in ("ceil", "floor") and (source, to) == ("d", "w"):
            self.slow_if(~self.condition(f"fcmp ogt {t} {value}, {float(SMALLEST[to])}")
                         | ~self.condition(f"fcmp ole {t} {value}, {float(LARGEST[to])}"))
        whole = self.named(f"call {bits} @{x86_conversion(how, source, to)}({vector(self, value, source)})")
        self.slow_if(self.condition(f"icmp eq {bits} {whole}, {SMALLEST[to]}"))
        if kind in ("ceil", "floor"):
            back = self.named(f"sitofp {bits} {whole} to {t}")
            off = self.named(f"fcmp {'olt' if kind == 'ceil' else 'ogt'} {t} {back}, {value}")
            step = self.named(f"zext i1 {off} to {bits}")
            whole = self.named(f"{'add' if kind == 'ceil' else 'sub'} {bits} {whole}, {step}")
        self.owe(operation, words)
        return Word(self, whole) if bits == "i64" else self.word_of(f"zext i32 {whole} to i64")

    def fp_holds(self, name: str, relations: int, a: Operand, b: Operand) -> Condition:
        if not self.unit.host_fp:
            raise Heavy
        letter = OPERATIONS[name].source
        x, y = self.host(a, letter), self.host(b, letter)
        self.slow_if(self.condition(f"fcmp uno {TYPE[letter]} {x}, {y}"))
        self.state.fp_last = NO_EXCEPTION
        wanted = relations & (EQUAL | LESS)
        if not wanted:
            return Condition(self, "false")
        return self.condition(f"fcmp {LETTER_OF_COMPARISON[wanted]} {TYPE[letter]} {x}, {y}")


def _i32(number: int) -> int:
    return number - (1 << 32) if number >> 31 else number


def _suffix(t: str) -> str:
    return "f64" if t == "double" else "f32"


def x86_conversion(how: str, source: str, to: str) -> str:
    extension, suffix, _ = CONVERT[source]
    return f"llvm.x86.{extension}.{how}{suffix}2si{'64' if to == 'l' else ''}"


def vector(m: Emitter, value: str, letter: str) -> str:
    """An argument of a conversion: the value in the first lane."""
    t = f"<{CONVERT[letter][2]} x {TYPE[letter]}>"
    return f"{t} {m.named(f'insertelement {t} undef, {TYPE[letter]} {value}, i32 0')}"


def declarations() -> str:
    """What the words above call, and ``settle_fp``, which brings FCSR up to date."""
    lines = ["!1 = !{!\"branch_weights\", i32 1, i32 2000}"]
    for t in TYPE.values():
        s = _suffix(t)
        lines += [f"declare {t} @llvm.sqrt.{s}({t})", f"declare {t} @llvm.fabs.{s}({t})",
                  f"declare {t} @llvm.fma.{s}({t}, {t}, {t})"]
    if not host_has_flags():
        return "\n".join([*lines, PLAIN])
    for letter, (_, _, lanes) in CONVERT.items():
        for how in ("cvt", "cvtt"):
            lines += [f"declare {BITS[to]} @{x86_conversion(how, letter, to)}(<{lanes} x {TYPE[letter]}>)"
                      for to in "wl"]
    return "\n".join([*lines, X86])


PLAIN = """
define internal i32 @begin_fp() nounwind {
  ret i32 0
}
define internal void @end_fp(i32 %saved) nounwind {
  ret void
}
define internal void @settle_fp(ptr %st) nounwind {
  call i64 @«fn.recall»(ptr %st)
  ret void
}
"""

X86 = """
declare void @llvm.x86.sse.stmxcsr(ptr)
declare void @llvm.x86.sse.ldmxcsr(ptr)

; Take the host's control register for the guest: all masked, to nearest, no flags.  What it was, for the caller.
define internal i32 @begin_fp() nounwind {
  %cell = alloca i32
  call void @llvm.x86.sse.stmxcsr(ptr %cell)
  %was = load i32, ptr %cell
  call void @end_fp(i32 8064)
  ret i32 %was
}
define internal void @end_fp(i32 %saved) nounwind {
  %cell = alloca i32
  store i32 %saved, ptr %cell
  call void @llvm.x86.sse.ldmxcsr(ptr %cell)
  ret void
}

; Bring FCSR up to date: the host's flags 5 to 2 (inexact, underflow, overflow, division by zero) are its 2 to 5.
define internal void @settle_fp(ptr %st) nounwind {
  %cell = alloca i32
  call void @llvm.x86.sse.stmxcsr(ptr %cell)
  %host = load i32, ptr %cell
  %raised = and i32 %host, 60
  %any = icmp ne i32 %raised, 0
  br i1 %any, label %fold, label %cause
fold:
  %turned = call i32 @llvm.bitreverse.i32(i32 %raised)
  %low = lshr i32 %turned, 24
  %flags = zext i32 %low to i64
  %old = call i64 @get(ptr %st, i64 «st.fcsr»)
  %new = or i64 %old, %flags
  call void @put(ptr %st, i64 «st.fcsr», i64 %new)
  call void @end_fp(i32 8064)
  br label %cause
cause:
  call i64 @«fn.recall»(ptr %st)
  ret void
}
declare i32 @llvm.bitreverse.i32(i32)
"""
