"""How an operation over lanes becomes rows: one for each mnemonic it is given.  (MD00866, chapter 3: instruction formats)

The last letter of a mnemonic is its data format.  An operation's parameters are lanes, named as the manual names the
registers they come from: ``s``, ``t`` (ws, wt), ``d`` (wd before), ``i`` (an immediate, in every lane).
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vmm.arch.rows import Family

BITS = {"b": 8, "h": 16, "w": 32, "d": 64}
CODE = {"b": "00", "h": "01", "w": "10", "d": "11"}
"""The two bits that name a format."""
SHORT = {"b": "1110 {}:3", "h": "110 {}:4", "w": "10 {}:5", "d": "0 {}:6"}
"""The seven bits that name a format and hold a bit number within a lane."""
ELEMENT = {"b": "00 {}:4", "h": "100 {}:3", "w": "1100 {}:2", "d": "11100 {}:1"}
"""The six bits that name a format and hold a lane's number."""
SINCE = 5

Operation = Callable[..., Any]
Register = Callable[[Operation], Operation]


def rows(family: Family, pattern: str, names: str, operands: str, meaning_of: Callable[[Operation, int], Operation],
         codes: dict[str, str] = CODE, **options: Any) -> Register:
    """A row for each of ``names``: «df» in ``pattern`` becomes its format's code."""
    def register(operation: Operation) -> Operation:
        for name in names.split():
            df = name.rpartition(".")[2]
            row = family.insn(pattern.replace("«df»", codes[df]), f"{name} {operands}", since=SINCE, ase="MSA",
                              vector=True, **options)
            row(meaning_of(operation, BITS[df]))
        return operation
    return register


def three(family: Family, op: str, minor: str, names: str) -> Register:
    """3R: wd := operation(s, t)."""
    def meaning_of(operation: Operation, bits: int) -> Operation:
        def meaning(m, wt, ws, wd):
            w = m.vector(bits)
            w[wd] = operation(w[ws], w[wt])
        return meaning
    return rows(family, f"011110 {op} «df» wt:5 ws:5 wd:5 {minor}", names, "{wd}, {ws}, {wt}", meaning_of)


def three_on(family: Family, op: str, minor: str, names: str) -> Register:
    """3R that uses the destination, too: wd := operation(d, s, t)."""
    def meaning_of(operation: Operation, bits: int) -> Operation:
        def meaning(m, wt, ws, wd):
            w = m.vector(bits)
            w[wd] = operation(w[wd], w[ws], w[wt])
        return meaning
    return rows(family, f"011110 {op} «df» wt:5 ws:5 wd:5 {minor}", names, "{wd}, {ws}, {wt}", meaning_of)


def two(family: Family, op: str, names: str) -> Register:
    """2R: wd := operation(s)."""
    def meaning_of(operation: Operation, bits: int) -> Operation:
        def meaning(m, ws, wd):
            w = m.vector(bits)
            w[wd] = operation(w[ws])
        return meaning
    return rows(family, f"011110 11000 {op} «df» ws:5 wd:5 011110", names, "{wd}, {ws}", meaning_of)


def immediate(family: Family, op: str, minor: str, names: str, *, signed: bool) -> Register:
    """I5: wd := operation(s, i)."""
    def meaning_of(operation: Operation, bits: int) -> Operation:
        def meaning(m, imm, ws, wd):
            w = m.vector(bits)
            w[wd] = operation(w[ws], m.splat(bits, m.signed(imm, 5) if signed else m.unsigned(imm, 5)))
        return meaning
    kind = "s" if signed else "u"
    return rows(family, f"011110 {op} «df» imm:5 ws:5 wd:5 {minor}", names, f"{{wd}}, {{ws}}, {{imm:{kind}}}", meaning_of)


def bit_number(family: Family, op: str, minor: str, names: str) -> Register:
    """BIT: wd := operation(s, i), ``i`` below the width of a lane."""
    def meaning_of(operation: Operation, bits: int) -> Operation:
        def meaning(m, n, ws, wd):
            w = m.vector(bits)
            w[wd] = operation(w[ws], m.splat(bits, m.unsigned(n, 6)))
        return meaning
    codes = {df: code.format("n") for df, code in SHORT.items()}
    return rows(family, f"011110 {op} «df» ws:5 wd:5 {minor}", names, "{wd}, {ws}, {n:x}", meaning_of, codes)


def bit_number_on(family: Family, op: str, minor: str, names: str) -> Register:
    """BIT that uses the destination, too: wd := operation(d, s, i)."""
    def meaning_of(operation: Operation, bits: int) -> Operation:
        def meaning(m, n, ws, wd):
            w = m.vector(bits)
            w[wd] = operation(w[wd], w[ws], m.splat(bits, m.unsigned(n, 6)))
        return meaning
    codes = {df: code.format("n") for df, code in SHORT.items()}
    return rows(family, f"011110 {op} «df» ws:5 wd:5 {minor}", names, "{wd}, {ws}, {n:x}", meaning_of, codes)


def element(family: Family, op: str, names: str, operands: str, **options: Any) -> Register:
    """ELM: the decorated function makes the meaning for a width; ``n`` is a lane's number."""
    codes = {df: code.format("n") for df, code in ELEMENT.items()}
    fields = "rs:5 wd:5" if "{rs}" in operands else "ws:5 rd:5" if "{rd}" in operands else "ws:5 wd:5"
    return rows(family, f"011110 {op} «df» {fields} 011001", names, operands, lambda make, bits: make(bits), codes,
                **options)
