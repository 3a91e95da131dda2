"""Writes ELF executables: for the bundled guest, and to tell a debugger about code that has no file.

One or more loadable segments, and a symbol table.  Invariant: ``vmm.guest.image`` and any ELF reader load
what ``executable`` writes as the same bytes at the same addresses.
(System V ABI, MIPS supplement, chapter 4.)
"""
from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vmm.guest.image import ISAS, Segment

EM_MIPS = 8
ET_EXEC = 2
PT_LOAD = 1
READ_WRITE_EXECUTE = 7
SHT_PROGBITS, SHT_SYMTAB, SHT_STRTAB, SHT_NOBITS = 1, 2, 3, 8
SHF_WRITE_ALLOC_EXECUTE = 7
SHN_ABS = 0xFFF1
GLOBAL_NOTYPE = 0x10
FILE_ALIGNMENT = 0x1000

# e_flags: EF_MIPS_NOREORDER, EF_MIPS_ARCH by release and width, EF_MIPS_ABI_O32 where registers have 32 bits.
NOREORDER = 0x0000_0001
ABI_O32 = 0x0000_1000
ARCH = {(isa.release, isa.bits): code << 28 for code, isa in sorted(ISAS.items())}


@dataclass(frozen=True, slots=True)
class _Format:
    """The structures of one class: ELF32 or ELF64, in one byte order."""
    bits: int
    order: str

    def pack(self, form: str, *values: int) -> bytes:
        """In ``form``, ``A`` is an address or offset: 4 or 8 bytes."""
        address = {32: "I", 64: "Q"}[self.bits]
        mask = (1 << self.bits) - 1
        letters = form.replace("A", address)
        return struct.pack(self.order + letters,
                           *(v & mask if f == "A" else v for f, v in zip(form, values, strict=True)))

    @property
    def header_size(self) -> int:
        return {32: 52, 64: 64}[self.bits]

    @property
    def program_header_size(self) -> int:
        return {32: 32, 64: 56}[self.bits]

    def program_header(self, offset: int, segment: Segment) -> bytes:
        sizes = len(segment.data), max(segment.memory_size, len(segment.data))
        where = offset, segment.address, segment.address
        if self.bits == 32:
            return self.pack("IAAAAAIA", PT_LOAD, *where, *sizes, READ_WRITE_EXECUTE, FILE_ALIGNMENT)
        return self.pack("IIAAAAAA", PT_LOAD, READ_WRITE_EXECUTE, *where, *sizes, FILE_ALIGNMENT)

    def section(self, name: int, kind: int, flags: int, address: int, offset: int, size: int, link: int = 0,
                info: int = 0, align: int = 1, entry: int = 0) -> bytes:
        return self.pack("IIAAAAIIAA", name, kind, flags, address, offset, size, link, info, align, entry)

    def symbol(self, name: int, value: int, info: int, section: int) -> bytes:
        if self.bits == 32:
            return self.pack("IAIBBH", name, value, 0, info, 0, section)
        return self.pack("IBBHAA", name, info, 0, section, value, 0)


def executable(segments: Sequence[Segment], *, entry: int, symbols: Mapping[str, int] | None = None,
               bits: int = 32, big_endian: bool = False, release: int = 2) -> bytes:
    """An ELF file.  ``symbols`` are global, and absolute where no segment holds them."""
    if (release, bits) not in ARCH:
        known = ", ".join(f"{b}-bit release {r}" for r, b in ARCH)
        raise ValueError(f"ELF for MIPS{bits} release {release}: EF_MIPS_ARCH has no value for it; "
                         f"it has {known}")
    form = _Format(bits, ">" if big_endian else "<")
    offsets, body = _lay_out(segments, form.header_size + len(segments) * form.program_header_size)
    tables, sections = _sections(form, segments, offsets, symbols or {}, len(body))
    flags = NOREORDER | ARCH[release, bits] | (ABI_O32 if bits == 32 else 0)
    header = b"\x7fELF" + bytes([bits // 32, 2 if big_endian else 1, 1]) + bytes(9) + form.pack(
        "HHIAAAIHHHHHH", ET_EXEC, EM_MIPS, 1, entry, form.header_size, len(body) + len(tables), flags,
        form.header_size, form.program_header_size, len(segments),
        len(sections[0]), len(sections), len(sections) - 1)
    programs = b"".join(form.program_header(o, s) for o, s in zip(offsets, segments, strict=True))
    headers = header + programs
    return headers + body[len(headers):] + tables + b"".join(sections)


SECTION_NAMES = b"\0.text\0.symtab\0.strtab\0.shstrtab\0"


def _sections(form: _Format, segments: Sequence[Segment], offsets: Sequence[int], symbols: Mapping[str, int],
              at: int) -> tuple[bytes, list[bytes]]:
    """The symbol and name tables, which stand at ``at`` in the file, and all section headers."""
    names, symtab = _symbols(form, segments, symbols)
    entry_size = len(form.symbol(0, 0, 0, 0))
    headers = [form.section(0, 0, 0, 0, 0, 0, align=0)]
    for segment, offset in zip(segments, offsets, strict=True):
        kind, size = (SHT_PROGBITS, len(segment.data)) if segment.data else (SHT_NOBITS, segment.memory_size)
        headers.append(form.section(SECTION_NAMES.index(b".text"), kind, SHF_WRITE_ALLOC_EXECUTE,
                                    segment.address, offset, size, align=4))
    tables = bytearray()
    for name, kind, data, link, info, entry in (
            (b".symtab", SHT_SYMTAB, symtab, len(segments) + 2, 1, entry_size),
            (b".strtab", SHT_STRTAB, names, 0, 0, 0),
            (b".shstrtab", SHT_STRTAB, SECTION_NAMES, 0, 0, 0)):
        headers.append(form.section(SECTION_NAMES.index(name), kind, 0, 0, at + len(tables), len(data),
                                    link, info, align=8, entry=entry))
        tables += data + bytes(-len(data) % 8)
    return bytes(tables), headers


def _lay_out(segments: Sequence[Segment], start: int) -> tuple[list[int], bytes]:
    """Where each segment's bytes are in the file: at the same place in a page as in memory."""
    body = bytearray(start)
    offsets = []
    for segment in segments:
        body += bytes((segment.address - len(body)) % FILE_ALIGNMENT)
        offsets.append(len(body))
        body += segment.data
    body += bytes(-len(body) % 8)
    return offsets, bytes(body)


def _symbols(form: _Format, segments: Sequence[Segment], symbols: Mapping[str, int]) -> tuple[bytes, bytes]:
    names, table = bytearray(b"\0"), bytearray(form.symbol(0, 0, 0, 0))
    for name, value in sorted(symbols.items(), key=lambda item: (item[1], item[0])):
        holders = (n for n, s in enumerate(segments, 1)
                   if 0 <= value - s.address <= max(s.memory_size, len(s.data)))
        table += form.symbol(len(names), value, GLOBAL_NOTYPE, next(holders, SHN_ABS))
        names += name.encode() + b"\0"
    return bytes(names), bytes(table)
