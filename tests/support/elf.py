"""A small ELF writer for tests: executables of any class and byte order, without a compiler.

Every header field can be overridden by keyword, so that a test can say exactly what is wrong with its file.
"""
from __future__ import annotations

import struct
from dataclasses import dataclass, field

EXEC, MIPS, PT_LOAD, MIPS32R2 = 2, 8, 1, 0x7000_1000
HEADER = {32: "HHIIIIIHHHHHH", 64: "HHIQQQIHHHHHH"}
SECTION = {32: "IIIIIIIIII", 64: "IIQQQQIIQQ"}
HEADER_SIZE = {32: 52, 64: 64}
PROGRAM_SIZE = {32: 32, 64: 56}
SECTION_SIZE = {32: 40, 64: 64}
NAMES = b"\0.symtab\0.strtab\0.shstrtab\0"


@dataclass(frozen=True)
class Load:
    address: int
    data: bytes = b"\0" * 16
    memory_size: int | None = None
    fields: dict[str, int] = field(default_factory=dict)    # p_offset, p_filesz, p_type


def elf(*loads: Load, bits: int = 32, big: bool = False, entry: int | None = None,
        symbols: tuple[tuple[str, int, int], ...] = (), **header: int) -> bytes:
    """``symbols``: (name, value, st_info)."""
    order = ">" if big else "<"
    ones = (1 << bits) - 1
    at = HEADER_SIZE[bits] + PROGRAM_SIZE[bits] * len(loads)
    programs, contents = b"", b""
    for load in loads:
        row = {"p_type": PT_LOAD, "p_offset": at + len(contents), "p_filesz": len(load.data)} | load.fields
        size = len(load.data) if load.memory_size is None else load.memory_size
        programs += _program(order, bits, row, load.address & ones, size)
        contents += load.data
    body = programs + contents
    sections, tail = _sections(order, bits, HEADER_SIZE[bits] + len(body), symbols) if symbols else (b"", b"")
    fields = {"e_type": EXEC, "e_machine": MIPS, "e_version": 1,
              "e_entry": (loads[0].address if loads else 0) if entry is None else entry,
              "e_phoff": HEADER_SIZE[bits],
              "e_shoff": HEADER_SIZE[bits] + len(body) + len(tail) if symbols else 0,
              "e_flags": MIPS32R2 if bits == 32 else 0x8000_0000, "e_ehsize": HEADER_SIZE[bits],
              "e_phentsize": PROGRAM_SIZE[bits], "e_phnum": len(loads), "e_shentsize": SECTION_SIZE[bits],
              "e_shnum": 4 if symbols else 0, "e_shstrndx": 3 if symbols else 0} | header
    fields["e_entry"] &= ones
    ident = b"\x7fELF" + bytes([bits // 32, 2 if big else 1, 1]) + bytes(9)
    return ident + struct.pack(order + HEADER[bits], *fields.values()) + body + tail + sections


def _program(order: str, bits: int, row: dict[str, int], address: int, size: int) -> bytes:
    kind, at, stored = row["p_type"], row["p_offset"], row["p_filesz"]
    if bits == 32:
        return struct.pack(order + "8I", kind, at, address, address, stored, size, 7, 16)
    return struct.pack(order + "II6Q", kind, 7, at, address, address, stored, size, 16)


def _sections(order: str, bits: int, at: int,
              symbols: tuple[tuple[str, int, int], ...]) -> tuple[bytes, bytes]:
    """(section headers, contents): null, .symtab, .strtab, .shstrtab."""
    strings, table = b"\0", _symbol(order, bits, 0, 0, 0)
    for name, value, info in symbols:
        table += _symbol(order, bits, len(strings), value & (1 << bits) - 1, info)
        strings += name.encode() + b"\0"
    entry = 16 if bits == 32 else 24
    rows = ((0,) * 10,
            (1, 2, 0, 0, at, len(table), 2, 1, 4, entry),
            (9, 3, 0, 0, at + len(table), len(strings), 0, 0, 1, 0),
            (17, 3, 0, 0, at + len(table) + len(strings), len(NAMES), 0, 0, 1, 0))
    return b"".join(struct.pack(order + SECTION[bits], *row) for row in rows), table + strings + NAMES


def _symbol(order: str, bits: int, name: int, value: int, info: int) -> bytes:
    if bits == 32:
        return struct.pack(order + "IIIBBH", name, value, 4, info, 0, 1)
    return struct.pack(order + "IBBHQQ", name, info, 0, 1, value, 4)
