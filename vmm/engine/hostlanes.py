"""Floating point on all lanes at once by the host's vector unit, where that gives what the guest must see.

A function for each operation and width computes under the guest's rounding mode and takes the host's flags as Cause.  It
gives 1 if it was allowed to: no FS, no enabled exception, no NaN and nothing invalid, else 0 and nothing has changed;
integers then do it lane by lane (``vmm.arch.privileged.msa_float``).  Only x86 with fused
multiply-add is used so (``vmm.engine.hostfp.host_has_fma``), and what that module declares is used here.
Invariant: the host's control register is as it was, flags included, when a function ends.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator

from vmm.arch.state import OFFSET

TYPE = {32: "<4 x float>", 64: "<2 x double>"}
SHAPE = {32: "v4f32", 64: "v2f64"}
INTEGERS = {32: "<4 x i32>", 64: "<2 x i64>"}
INTEGER_SHAPE = {32: "v4i32", 64: "v2i64"}
STRICT = 'metadata !"round.dynamic", metadata !"fpexcept.strict"'
RAISED = 'metadata !"fpexcept.strict"'
FS_AND_ENABLES = 1 << 24 | 0x1F << 7
MASKED = 0x1F80
"""The host's control register: all exceptions masked, to nearest, no flags."""
RELATIONS = {0: "false", 1: "false", 2: "oeq", 3: "oeq", 4: "olt", 5: "olt", 6: "ole", 7: "ole"}
"""Comparisons of numbers by the low bits of their option; that they are numbers is checked before."""
INVERSE = {"false": "true", "oeq": "une"}

VECTORS_AT = 8 * OFFSET["fpr"]

Body = Callable[[int], str]


def _call(name: str, *operands: str) -> Body:
    def body(bits: int) -> str:
        t = TYPE[bits]
        given = ", ".join(f"{t} {o}" for o in operands)
        return f"  %r = call {t} @llvm.experimental.constrained.{name}.{SHAPE[bits]}({given}, {STRICT}) strictfp\n"
    return body


def _fused(negate: bool) -> Body:
    def body(bits: int) -> str:
        turned = f"  %f = fneg {TYPE[bits]} %s\n" if negate else ""
        return turned + _call("fma", "%f" if negate else "%s", "%t", "%d")(bits)
    return body


ARITHMETIC: dict[str, Body] = {
    "add": _call("fadd", "%s", "%t"), "sub": _call("fsub", "%s", "%t"), "mul": _call("fmul", "%s", "%t"),
    "div": _call("fdiv", "%s", "%t"), "sqrt": _call("sqrt", "%s"), "fused_0": _fused(False), "fused_1": _fused(True),
}


def _constrained(result: str, name: str, shapes: str, given: str, told: str = STRICT) -> str:
    return f"call {result} @llvm.experimental.constrained.{name}.{shapes}({given}, {told}) strictfp"


def _from_integer(how: str) -> Body:
    def body(bits: int) -> str:
        i, t = INTEGERS[bits], TYPE[bits]
        call = _constrained(t, how, f"{SHAPE[bits]}.{INTEGER_SHAPE[bits]}", f"{i} %i")
        return f"  %i = bitcast {t} %s to {i}\n  %r = {call}\n"
    return body


def _to_integer(truncated: bool) -> Body:
    """Rounded first, which is what may be inexact, unless truncation is wanted; what does not fit is invalid."""
    def body(bits: int) -> str:
        i, t = INTEGERS[bits], TYPE[bits]
        whole = "" if truncated else f"  %whole = {_constrained(t, 'rint', SHAPE[bits], f'{t} %s')}\n"
        number = "%s" if truncated else "%whole"
        call = _constrained(i, "fptosi", f"{INTEGER_SHAPE[bits]}.{SHAPE[bits]}", f"{t} {number}", RAISED)
        return f"{whole}  %q = {call}\n  %r = bitcast {i} %q to {t}\n"
    return body


def _reciprocal(of_root: bool) -> Body:
    """Of infinity and zero, integers know the flags."""
    def body(bits: int) -> str:
        t, divisor = TYPE[bits], "%root" if of_root else "%s"
        root = f"  %root = {_constrained(t, 'sqrt', SHAPE[bits], f'{t} %s')}\n" if of_root else ""
        element = "float" if bits == 32 else "double"
        call = _constrained(t, "fdiv", SHAPE[bits], f"{t} splat ({element} 1.0), {t} {divisor}")
        return f"{root}  %r = {call}\n"
    return body


ARITHMETIC |= {
    "from_integer_0": _from_integer("sitofp"), "from_integer_1": _from_integer("uitofp"),
    "to_integer_0": _to_integer(False), "to_integer_2": _to_integer(True), "rint": _call("rint", "%s"),
    "recip": _reciprocal(False), "rsqrt": _reciprocal(True),
}


def key(operation: str, option: int) -> str:
    has_options = operation in ("fused", "compare", "extreme", "from_integer", "to_integer")
    return f"{operation}_{option}" if has_options else operation


def has(operation: str, option: int) -> bool:
    return operation == "compare" or key(operation, option) in ARITHMETIC or (operation == "extreme" and option < 2)


def function_name(operation: str, option: int, bits: int) -> str:
    return f"host_lanes_{key(operation, option)}_{bits}"


def declarations() -> Iterator[str]:
    for bits, t in TYPE.items():
        for name, count in (("fadd", 2), ("fsub", 2), ("fmul", 2), ("fdiv", 2), ("sqrt", 1), ("rint", 1), ("fma", 3)):
            given = ", ".join([t] * count)
            yield f"declare {t} @llvm.experimental.constrained.{name}.{SHAPE[bits]}({given}, metadata, metadata)"
        i, shapes = INTEGERS[bits], f"{SHAPE[bits]}.{INTEGER_SHAPE[bits]}"
        yield f"declare {t} @llvm.experimental.constrained.sitofp.{shapes}({i}, metadata, metadata)"
        yield f"declare {t} @llvm.experimental.constrained.uitofp.{shapes}({i}, metadata, metadata)"
        shapes = f"{INTEGER_SHAPE[bits]}.{SHAPE[bits]}"
        yield f"declare {i} @llvm.experimental.constrained.fptosi.{shapes}({t}, metadata)"


def function(operation: str, option: int, bits: int) -> str:
    """The text of one; ``i64 name(ptr state, i64 wd, i64 ws, i64 wt)``."""
    if operation in ("compare", "extreme"):
        work = _ordered(operation, option, bits)
    else:
        work = _rounded(operation, ARITHMETIC[key(operation, option)], bits)
    t = TYPE[bits]
    places = "".join(f"  %p{r} = getelementptr inbounds [16 x i8], ptr %base, i64 %w{r}\n" for r in "dst")
    loads = "".join(f"  %{r} = load {t}, ptr %p{r}, align 8\n" for r in "dst")
    name = function_name(operation, option, bits)
    return f"""
define internal i64 @{name}(ptr %st, i64 %wd, i64 %ws, i64 %wt) nounwind strictfp noinline {{
  %csrp = getelementptr inbounds i64, ptr %st, i64 {OFFSET["msacsr"]}
  %csr = load i64, ptr %csrp
  %modes = and i64 %csr, {FS_AND_ENABLES}
  %careful = icmp ne i64 %modes, 0
  br i1 %careful, label %no, label %ready
ready:
  %base = getelementptr inbounds i8, ptr %st, i64 {VECTORS_AT}
{places}{loads}{work}
no:
  ret i64 0
}}"""


def _rounded(operation: str, body: Body, bits: int) -> str:
    """Under the guest's mode: x86 numbers the modes nearest, down, up, zero; MIPS nearest, zero, up, down."""
    t = TYPE[bits]
    reciprocal = operation in ("recip", "rsqrt")
    flags = "  %flags = add i64 1, 0" if reciprocal else "  %flags = zext i32 %low to i64"
    return f"""  %cell = alloca i32
  call void @llvm.x86.sse.stmxcsr(ptr %cell)
  %before = load i32, ptr %cell
  %csr32 = trunc i64 %csr to i32
  %opposite = sub i32 4, %csr32
  %mode = and i32 %opposite, 3
  %control0 = shl i32 %mode, 13
  %control = or i32 %control0, {MASKED}
  store i32 %control, ptr %cell
  call void @llvm.x86.sse.ldmxcsr(ptr %cell)
{body(bits)}  call void @llvm.x86.sse.stmxcsr(ptr %cell)
  %after = load i32, ptr %cell
  store i32 %before, ptr %cell
  call void @llvm.x86.sse.ldmxcsr(ptr %cell)
  %v = and i32 %after, {5 if reciprocal else 1}
  %invalid = icmp ne i32 %v, 0
{_unfit(operation, bits)}  br i1 %bad, label %no, label %yes
yes:
  store {t} %r, ptr %pd, align 8
  ; the host's flags 5 to 2 (inexact, underflow, overflow, division by zero) are the lowest of Cause and Flags
  %raised = and i32 %after, 60
  %turned = call i32 @llvm.bitreverse.i32(i32 %raised)
  %low = lshr i32 %turned, 26
{flags}
  %cause = shl i64 %flags, 12
  %sticky = shl i64 %flags, 2
  %clear = and i64 %csr, {~(0x3F << 12)}
  %csr1 = or i64 %clear, %cause
  %csr2 = or i64 %csr1, %sticky
  store i64 %csr2, ptr %csrp
  ret i64 1"""


def _unfit(operation: str, bits: int) -> str:
    """``%bad``: something invalid, a NaN for a number, or a reciprocal of infinity."""
    if operation == "to_integer":
        return "  %bad = or i1 %invalid, false\n"
    i, count, infinity = INTEGERS[bits], 128 // bits, 0xFF << 23 if bits == 32 else 0x7FF << 52
    value, relation = ("%s", "uge") if operation in ("recip", "rsqrt") else ("%r", "ugt")
    return f"""  %bits = bitcast {TYPE[bits]} {value} to {i}
  %magnitude = and {i} %bits, splat (i{bits} {(1 << bits - 1) - 1})
  %nans = icmp {relation} {i} %magnitude, splat (i{bits} {infinity})
  %nanbits = bitcast <{count} x i1> %nans to i{count}
  %nan = icmp ne i{count} %nanbits, 0
  %bad = or i1 %invalid, %nan
"""


def _ordered(operation: str, option: int, bits: int) -> str:
    """Comparisons and extremes of numbers raise nothing; equal ones differ in the sign of zero at most."""
    t, i, count = TYPE[bits], INTEGERS[bits], 128 // bits
    if operation == "compare":
        predicate = RELATIONS[option & 7]
        predicate = INVERSE[predicate] if option & 16 else predicate
        refusal = "uno"
        make = f"  %c = fcmp {predicate} {t} %s, %t\n  %x = sext <{count} x i1> %c to {i}\n  %r = bitcast {i} %x to {t}\n"
    else:
        refusal = "ueq"
        make = (f"  %c = fcmp {'ogt' if option else 'olt'} {t} %s, %t\n"
                f"  %r = select <{count} x i1> %c, {t} %s, {t} %t\n")
    return f"""  %un = fcmp {refusal} {t} %s, %t
  %unbits = bitcast <{count} x i1> %un to i{count}
  %bad = icmp ne i{count} %unbits, 0
  br i1 %bad, label %no, label %yes
yes:
{make}  store {t} %r, ptr %pd, align 8
  %clear = and i64 %csr, {~(0x3F << 12)}
  store i64 %clear, ptr %csrp
  ret i64 1"""
