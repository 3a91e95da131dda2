"""Images: what a guest is given to run, and where its pieces go; and how an ELF file becomes one.

``parse_image`` accepts a file only if every byte it promises is there; whatever is wrong with it comes out as
one ``ConfigError``, never as an exception of the parser.  Addresses of ELF32 are sign-extended, as the CPU
does it.  (System V ABI, MIPS processor supplement, chapter 4.)
"""
from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from elftools.common.exceptions import ELFError
from elftools.construct import ConstructError
from elftools.elf.elffile import ELFFile

from vmm.errors import ConfigError

ADDRESS_SPACE = 1 << 64
LARGEST_FILE = 1 << 30
ELF_MAGIC = b"\x7fELF"


@dataclass(frozen=True, slots=True)
class Isa:
    """``release`` and ``last``: the releases that run it; what came before MIPS32 counts as 1."""
    name: str
    bits: int
    release: int
    last: int = 5                                           # release 6 gave old encodings new meanings


# fmt: off
ISAS = {                                                    # e_flags[31:28]
    0x0: Isa("mips1",     32, 1), 0x1: Isa("mips2",     32, 1), 0x2: Isa("mips3",     64, 1),
    0x3: Isa("mips4",     64, 1), 0x4: Isa("mips5",     64, 1), 0x5: Isa("mips32",    32, 1),
    0x6: Isa("mips64",    64, 1), 0x7: Isa("mips32r2",  32, 2), 0x8: Isa("mips64r2",  64, 2),
    0x9: Isa("mips32r6",  32, 6, 6), 0xA: Isa("mips64r6",  64, 6, 6),
}
UNSAID = {bits: Isa("unsaid", bits, 1, 6) for bits in (32, 64)}
FLAGS = (                                                   # the other e_flags that say what the CPU must be
    (0x0000_0020, "n32"), (0x0000_0200, "fp64"), (0x0000_0400, "nan2008"),
    (0x0200_0000, "micromips"), (0x0400_0000, "mips16"),
)
NOT_EXECUTABLE = {
    "ET_REL":  ("an object file that is not linked", "link it first"),
    "ET_DYN":  ("position independent or a shared library", "link it with -static -no-pie"),
    "ET_CORE": ("a core dump", "give the program itself"),
}
SYMBOL_LAYOUT = {32: "IIIBBH", 64: "IBBHQQ"}                # st_name first in both
# fmt: on


@dataclass(frozen=True, slots=True)
class Segment:
    """``memory_size`` bytes at ``address``: ``data``, then zeros.  ``offset``: of ``data`` in the file; ``flags``: p_flags,
    what may be done there."""
    address: int
    data: bytes
    memory_size: int
    offset: int = 0
    flags: int = 7

    @property
    def end(self) -> int:
        return self.address + self.memory_size


@dataclass(frozen=True, slots=True)
class Symbol:
    name: str
    address: int
    size: int
    kind: str                                               # "function", "object" or "label"


@dataclass(frozen=True, slots=True)
class ProgramHeaders:
    """The table for a program that looks at its own: its ``address`` in memory, or 0; the ``size`` of an entry; how many.
    ``interpreted``: another program is named that would have to load this one (PT_INTERP)."""
    address: int
    size: int
    count: int
    interpreted: bool


NO_HEADERS = ProgramHeaders(0, 0, 0, False)


@dataclass(frozen=True, slots=True)
class Image:
    path: str
    bits: int
    big_endian: bool
    isa: Isa
    flags: frozenset[str]
    entry: int
    segments: tuple[Segment, ...]                           # by address, not overlapping
    symbols: tuple[Symbol, ...]                             # by address
    raw: bytes = field(repr=False)
    headers: ProgramHeaders = NO_HEADERS

    @property
    def endian(self) -> str:
        return "big" if self.big_endian else "little"

    def address_of(self, name: str) -> int | None:
        """The address of the first symbol of this name."""
        return next((symbol.address for symbol in self.symbols if symbol.name == name), None)


def sign_extended(address: int) -> int:
    """A 32-bit address as a 64-bit register holds it."""
    return (address ^ 0x8000_0000) - 0x8000_0000 & ADDRESS_SPACE - 1


def short(address: int) -> str:
    """An address as people write it: without the sign extension."""
    return f"{address & 0xFFFF_FFFF if sign_extended(address & 0xFFFF_FFFF) == address else address:#x}"


def image_of_code(path: str, code: bytes, load: int, entry: int, bits: int, big_endian: bool) -> Image:
    """Code alone, for one address.  Nothing is known of the instruction set but its width; an address of 32 bits is
    sign-extended.
    """
    load, entry = (at if at >> 32 else sign_extended(at) for at in (load, entry))
    if load + len(code) > ADDRESS_SPACE:
        raise ConfigError(f"{path}: {len(code)} bytes at {short(load)} go past the end of the address space; load it lower")
    segments = (Segment(load, code, len(code)),)
    _check_segments(path, segments, entry)
    return Image(path, bits, big_endian, UNSAID[bits], frozenset(), entry, segments, (), code)


def parse_image(path: str, raw: bytes) -> Image:
    """``path`` is only for messages and the debugger."""
    if not raw:
        raise ConfigError(f"{path}: the file is empty; give an ELF executable for MIPS")
    if raw[:4] != ELF_MAGIC:
        raise ConfigError(f"{path}: not an ELF file (it begins with {raw[:4].hex(' ')}); give an ELF "
                          "executable for MIPS, for a kernel the vmlinux or vmlinuz in ELF form or a uImage, "
                          "or say with --load-at where code goes that is no such file")
    with _parsing(path, "header"):
        elf = ELFFile(io.BytesIO(raw))
        header = dict(elf.header)
        bits, big_endian = int(elf.elfclass), not elf.little_endian
    isa, flags = _check_header(path, header, bits)
    _check_table(path, header, len(raw))
    segments = tuple(sorted(_segments(path, elf, raw, bits), key=lambda segment: segment.address))
    entry = sign_extended(header["e_entry"]) if bits == 32 else header["e_entry"]
    _check_segments(path, segments, entry)
    symbols = tuple(sorted(_symbols(path, elf, raw, bits, big_endian), key=lambda s: (s.address, s.name)))
    return Image(path, bits, big_endian, isa, flags, entry, segments, symbols, raw,
                 _program_headers(path, elf, header, segments))


@contextmanager
def _parsing(path: str, what: str) -> Iterator[None]:
    """All that a parser of untrusted bytes may throw, told as the user's error.  (The fuzz test keeps this
    list.)
    """
    try:
        yield
    except (ELFError, ConstructError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError,
            AssertionError, RecursionError, struct.error) as error:
        detail = " ".join(str(error).split()) or type(error).__name__
        raise ConfigError(f"{path}: damaged or truncated ELF {what} ({detail:.80}); "
                          "copy or build it again") from None


def _check_header(path: str, header: dict[str, Any], bits: int) -> tuple[Isa, frozenset[str]]:
    """Any: the parser's header holds names and numbers."""
    if header["e_machine"] != "EM_MIPS":
        raise ConfigError(f"{path}: is for machine {header['e_machine']}, not EM_MIPS; build it with a MIPS "
                          "compiler such as mipsel-linux-gnu-gcc")
    if header["e_type"] != "ET_EXEC":
        unknown = f"of type {header['e_type']}", "give an executable"
        found, remedy = NOT_EXECUTABLE.get(header["e_type"], unknown)
        raise ConfigError(f"{path}: is {found}, not an executable (ET_EXEC); {remedy}")
    isa = ISAS.get(header["e_flags"] >> 28)
    if isa is None:
        raise ConfigError(f"{path}: e_flags {header['e_flags']:#x} name no known instruction set; build it "
                          "for mips1 to mips64r6")
    if isa.bits < bits:
        raise ConfigError(f"{path}: a 64-bit ELF file for the 32-bit instruction set {isa.name}; build it "
                          "with -mips64 or as 32-bit ELF")
    return isa, frozenset(name for mask, name in FLAGS if header["e_flags"] & mask)


def _check_table(path: str, header: dict[str, Any], file_size: int) -> None:
    count, size, at = header["e_phnum"], header["e_phentsize"], header["e_phoff"]
    if not count:
        raise ConfigError(f"{path}: has no program headers, so nothing to load; link it as an executable")
    least = 32 if header["e_ident"]["EI_CLASS"] == "ELFCLASS32" else 56
    if size < least or at + count * size > file_size:
        raise ConfigError(f"{path}: damaged or truncated ELF program headers ({count} of {size} bytes at "
                          f"{at:#x} in a file of {file_size} bytes); copy or build it again")


def _program_headers(path: str, elf: ELFFile, header: dict[str, Any], segments: tuple[Segment, ...]) -> ProgramHeaders:
    at = header["e_phoff"]
    address = next((s.address + at - s.offset for s in segments if s.offset <= at < s.offset + len(s.data)), 0)
    with _parsing(path, "program headers"):
        interpreted = any(True for _ in elf.iter_segments("PT_INTERP"))
    return ProgramHeaders(address, header["e_phentsize"], header["e_phnum"], interpreted)


def _segments(path: str, elf: ELFFile, raw: bytes, bits: int) -> Iterator[Segment]:
    with _parsing(path, "program headers"):
        headers = [dict(segment.header) for segment in elf.iter_segments("PT_LOAD")]
    for number, header in enumerate(headers):
        start, stored, size = header["p_offset"], header["p_filesz"], header["p_memsz"]
        name = f"{path}: segment {number} at {header['p_vaddr']:#x}"
        if start + stored > len(raw):
            raise ConfigError(f"{name} is truncated: it ends at byte {start + stored} of a file of "
                              f"{len(raw)} bytes; copy or build it again")
        if stored > size:
            raise ConfigError(f"{name} has {stored} bytes for {size} bytes of memory; build it again")
        if header["p_vaddr"] + size > 1 << bits:
            raise ConfigError(f"{name} of {size:#x} bytes goes past the end of the {bits}-bit address space; "
                              "relink it")
        if size:
            address = sign_extended(header["p_vaddr"]) if bits == 32 else header["p_vaddr"]
            yield Segment(address, raw[start:start + stored], size, start, header["p_flags"])


def _check_segments(path: str, segments: tuple[Segment, ...], entry: int) -> None:
    if not segments:
        raise ConfigError(f"{path}: has no loadable segment (PT_LOAD); link it as an executable")
    for lower, upper in pairwise(segments):
        if lower.end > upper.address:
            raise ConfigError(f"{path}: segments {short(lower.address)}-{short(lower.end - 1)} and "
                              f"{short(upper.address)}-{short(upper.end - 1)} overlap; correct the linker "
                              "script")
    code = entry & ~1                                       # bit 0 chooses microMIPS or MIPS16
    if not any(segment.address <= code < segment.end for segment in segments):
        raise ConfigError(f"{path}: the entry point {short(entry)} is outside every segment; link it with "
                          "-e SYMBOL or ENTRY(symbol)")


def _symbols(path: str, elf: ELFFile, raw: bytes, bits: int, big_endian: bool) -> Iterator[Symbol]:
    """Unpacked here: a kernel has 100 000 symbols, and the parser takes seconds for as many."""
    row = struct.Struct((">" if big_endian else "<") + SYMBOL_LAYOUT[bits])
    with _parsing(path, "symbol table"):
        for section in elf.iter_sections("SHT_SYMTAB"):
            table = _bytes_of(raw, section.header)
            names = _bytes_of(raw, elf.get_section(section.header["sh_link"]).header)
            for fields in row.iter_unpack(table[:len(table) // row.size * row.size]):
                yield from _symbol(fields, names, bits)


def _bytes_of(raw: bytes, header: Any) -> bytes:            # Any: the parser's section header
    if header["sh_offset"] + header["sh_size"] > len(raw):
        raise ValueError(f"section at {header['sh_offset']:#x} ends after the file")
    return raw[header["sh_offset"]:header["sh_offset"] + header["sh_size"]]


KINDS = {0: "label", 1: "object", 2: "function"}            # STT_NOTYPE, STT_OBJECT, STT_FUNC


def _symbol(row: tuple[int, ...], names: bytes, bits: int) -> Iterator[Symbol]:
    """No symbol for what is undefined, a section or a file."""
    if bits == 32:
        name_at, value, size, info, _, section = row
        value = sign_extended(value)
    else:
        name_at, info, _, section, value, size = row
    kind = KINDS.get(info & 0xF)
    end = names.find(b"\0", name_at)
    if kind and section and name_at and end >= 0:
        yield Symbol(names[name_at:end].decode("utf-8", "replace"), value, size, kind)
