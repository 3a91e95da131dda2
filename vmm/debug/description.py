"""target.xml of a process, from the same tables that the machine runs on: names, widths, fields, enumerations.

A 32-bit CP0 register becomes ``<flags>``, which GDB prints by name; a 64-bit one ``<struct>``, whose fields can be
selected (``p/x $entryhi.VPN2``).  The OS ABI is "none": with any other, GDB steps by breakpoints it plants where it
believes the program will go, which fails at ERET.  The pc is no ``code_ptr``: that has 4 bytes in a 32-bit program,
whatever the width that is written beside it.  (GDB manual, appendix G)
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import IntEnum
from xml.sax.saxutils import quoteattr

from vmm.arch.cp0.fields import Bits, Register
from vmm.arch.cp0.registers import Cause, GuestCtl0
from vmm.arch.exceptions import ExcCode, GExcCode
from vmm.debug.layout import Kind, Row, has_fields

ENUMS: dict[Bits, type[IntEnum]] = {Cause.ExcCode: ExcCode, GuestCtl0.GExcCode: GExcCode}
"""Codes with names; fields whose own kind is an enumeration need no row."""

GROUP = {Kind.CP0: ' group="system"', Kind.MSA: ' group="vector"'}
_STANDARD = (
    ("org.gnu.gdb.mips.cpu", (Kind.GPR, Kind.HI, Kind.LO, Kind.PC), range(38)),
    ("org.gnu.gdb.mips.cp0", (Kind.CP0,), range(38)),
    ("org.gnu.gdb.mips.fpu", (Kind.FPU,), range(38, 72)),
)


def target_xml(rows: Iterable[Row], *, wide: bool) -> str:
    """``wide``: a 64-bit core."""
    rows = list(rows)
    lines = ['<?xml version="1.0"?>', '<!DOCTYPE target SYSTEM "gdb-target.dtd">', '<target version="1.0">']
    lines += [f"<architecture>mips:isa{64 if wide else 32}r2</architecture>", "<osabi>none</osabi>"]
    for name, kinds, numbers in _STANDARD:
        lines += _feature(name, [row for row in rows if row.kind in kinds and row.number in numbers])
    lines += _feature("vmm.mips.cp0", [row for row in rows if row.kind is Kind.CP0 and row.number >= 72])
    if vectors := [row for row in rows if row.kind is Kind.MSA]:
        lines += _feature("vmm.mips.msa", vectors)
    return "\n".join([*lines, "</target>", ""])


def _feature(name: str, rows: list[Row]) -> Iterator[str]:
    yield f"<feature name={quoteattr(name)}>"
    for row in rows:
        if row.register is not None and has_fields(row.register):
            yield from _type(row.register)
    for row in rows:
        group = GROUP.get(row.kind, "")
        yield f'<reg name="{row.name}" bitsize="{8 * row.size}" regnum="{row.number}" type="{_type_of(row)}"{group}/>'
    yield "</feature>"


def _type_of(row: Row) -> str:
    if row.register is not None and has_fields(row.register):
        return f"{row.name}_fields"
    if row.kind is Kind.FPU and row.size == 8:
        return "ieee_double"
    return f"uint{8 * row.size}"


def _type(register: type[Register]) -> Iterator[str]:
    name = register.name.lower()
    shape, size = ("struct", 8) if register.bits64 else ("flags", 4)
    enums = {} if register.bits64 else {f.name: enum for f in register.fields if (enum := _enum(f)) is not None}
    for field, enum in enums.items():
        yield f'<enum id="{name}_{field}" size="4">'
        yield from (f'<evalue name="{member.name}" value="{member.value}"/>' for member in enum)
        yield "</enum>"
    yield f'<{shape} id="{name}_fields" size="{size}">'
    for f in sorted(register.fields, key=lambda f: f.low):
        kind = f' type="{name}_{f.name}"' if f.name in enums else ""
        yield f'<field name="{f.name}" start="{f.low}" end="{f.high}"{kind}/>'
    yield f"</{shape}>"


def _enum(field: Bits) -> type[IntEnum] | None:
    if isinstance(field.kind, type) and issubclass(field.kind, IntEnum):
        return field.kind
    return ENUMS.get(field)
