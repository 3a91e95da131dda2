"""Floating-point arithmetic in integers, over the algebra: what ``m.fp_raw`` means where an engine has nothing better.

``SOFT`` has a function for each operation of ``vmm.arch.fp``.  Invariant: it ORs what it raises into ``state.fp_flags``,
and reads FCSR only for its modes (RM, FS, NAN2008).
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vmm.arch.fp import OPERATIONS, Operation
from vmm.arch.rows import AnyMachine
from vmm.arch.softfloat import basic, convert
from vmm.arch.softfloat.parts import sign_bit

Soft = Callable[..., Any]


def one(m: AnyMachine, d: AnyMachine) -> AnyMachine:
    """The number 1."""
    return m.select(d != 0, 1023 << 52, 127 << 23)


def recip(m: AnyMachine, d: AnyMachine, a: AnyMachine) -> AnyMachine:
    return m.call(basic.div, d, one(m, d), a)


def rsqrt(m: AnyMachine, d: AnyMachine, a: AnyMachine) -> AnyMachine:
    return m.call(basic.div, d, one(m, d), m.call(basic.sqrt, d, a))


def madd(m: AnyMachine, d: AnyMachine, a: AnyMachine, b: AnyMachine, c: AnyMachine, subtract: AnyMachine,
         negate: AnyMachine) -> AnyMachine:
    """a*b + c before release 6, rounded twice; ``subtract``: - c; ``negate``: the sign of the result changed."""
    product = m.call(basic.mul, d, a, b)
    result = m.var(m.const(0))
    for _ in m.when(subtract == 0):
        result.value = m.call(basic.add, d, product, c)
    for _ in m.when(subtract != 0):
        result.value = m.call(basic.sub, d, product, c)
    return result.value ^ sign_bit(m, d, negate)


_WITHIN: dict[str, tuple[Soft, tuple[int, ...]]] = {
    "add": (basic.add, ()), "sub": (basic.sub, ()), "mul": (basic.mul, ()), "div": (basic.div, ()),
    "sqrt": (basic.sqrt, ()), "recip": (recip, ()), "rsqrt": (rsqrt, ()),
    "abs": (convert.signed_arithmetically, (0,)), "neg": (convert.signed_arithmetically, (1,)),
    "madd": (madd, (0, 0)), "msub": (madd, (1, 0)), "nmadd": (madd, (0, 1)), "nmsub": (madd, (1, 1)),
    "maddf": (basic.fused, (0,)), "msubf": (basic.fused, (1,)),
    "min": (convert.extreme, (0, 0)), "max": (convert.extreme, (1, 0)),
    "mina": (convert.extreme, (0, 1)), "maxa": (convert.extreme, (1, 1)),
    "rint": (convert.rint, ()), "quiet": (convert.compare, (0,)), "signal": (convert.compare, (1,)),
}
"""The function of a kind, and what it is told after its operands."""


def _soft(operation: Operation) -> Soft:
    kind, source, to = operation.kind, operation.source, operation.result
    if kind in _WITHIN:
        function, told = _WITHIN[kind]
        return lambda m, *w: m.call(function, m.const(source == "d"), *w, *map(m.const, told))
    if source + to == "sd":
        return lambda m, a: m.call(convert.widen, a)
    if source + to == "ds":
        return lambda m, a: m.call(convert.narrow, a)
    if source in "wl":
        return lambda m, a: m.call(convert.from_integer, m.const(to == "d"), a, m.const(source == "l"))
    mode = convert.MODES.get(kind, convert.IN_FORCE)
    return lambda m, a: m.call(convert.to_integer, m.const(source == "d"), a, m.const(mode), m.const(to == "l"))


SOFT: dict[str, Soft] = {name: _soft(operation) for name, operation in OPERATIONS.items()}
