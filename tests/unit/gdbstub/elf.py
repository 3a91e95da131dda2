"""The smallest program that GDB takes symbols from: a 64-bit little-endian MIPS ELF with one function."""
from __future__ import annotations

from struct import pack

EM_MIPS, FLAGS_MIPS64R2 = 8, 0x8000_0000
NAMES = b"\0.text\0.symtab\0.strtab\0.shstrtab\0"
ALLOC_EXEC, GLOBAL_FUNCTION = 6, 0x12


def program(function: str, address: int, size: int) -> bytes:
    strings = b"\0" + function.encode() + b"\0"
    symbols = bytes(24) + pack("<IBBHQQ", 1, GLOBAL_FUNCTION, 0, 1, address, size)
    text_at = 64
    symbols_at = text_at + size
    strings_at = symbols_at + len(symbols)
    names_at = strings_at + len(strings)
    sections = b"".join(pack("<IIQQQQIIQQ", NAMES.index(name), *rest) for name, rest in (
        (b"\0", (0, 0, 0, 0, 0, 0, 0, 0, 0)),
        (b".text", (1, ALLOC_EXEC, address, text_at, size, 0, 0, 4, 0)),
        (b".symtab", (2, 0, 0, symbols_at, len(symbols), 3, 1, 8, 24)),
        (b".strtab", (3, 0, 0, strings_at, len(strings), 0, 0, 1, 0)),
        (b".shstrtab", (3, 0, 0, names_at, len(NAMES), 0, 0, 1, 0)),
    ))
    header = pack("<4s5B7xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 0, 0, 2, EM_MIPS, 1, address, 0,
                  names_at + len(NAMES), FLAGS_MIPS64R2, 64, 56, 0, 64, 5, 4)
    return header + bytes(size) + symbols + strings + NAMES + sections
