"""``vmm asm``: a file of assembly to a listing, or to an ELF executable that ``vmm run`` takes."""
from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from vmm.arch.assembler import Program, assemble
from vmm.arch.models import find_model
from vmm.arch.source import AssemblyError
from vmm.cli.code import base_of, rows_of
from vmm.errors import ConfigError
from vmm.guest.elfwriter import executable
from vmm.guest.image import Segment, sign_extended


def main(options: Namespace) -> int:
    text, folder = _source(options.SOURCE)
    try:
        program = assemble(text, rows=rows_of(options), base=base_of(options), big_endian=options.big_endian,
                           name=options.SOURCE, read=lambda name: (folder / name).read_text("utf-8"))
    except (AssemblyError, OSError) as error:
        raise ConfigError(f"{error}; correct the source") from None
    if options.output is None:
        order: Literal["big", "little"] = "big" if options.big_endian else "little"
        sys.stdout.writelines(line + "\n" for line in _listing(program, text.splitlines(), order))
    else:
        _write(options, program)
    return 0


def _source(path: str) -> tuple[str, Path]:
    try:
        if path == "-":
            return sys.stdin.read(), Path()
        return Path(path).read_text("utf-8"), Path(path).parent
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}; give a file of assembly") from None
    except ValueError:
        raise ConfigError(f"{path}: is not text in UTF-8; give a file of assembly") from None


def _listing(program: Program, source: list[str], order: Literal["big", "little"]) -> Iterator[str]:
    for offset in range(0, len(program.code), 4):
        at = program.base + offset
        word = int.from_bytes(program.code[offset:offset + 4].ljust(4, b"\0"), order)
        where = program.lines.get(at)
        own = where is not None and where.used_at is None and where.line <= len(source)
        text = source[where.line - 1].strip() if where is not None and own else str(where or "")
        yield f"{at:#x}: {word:08x}  {text}".rstrip()


def _write(options: Namespace, program: Program) -> None:
    """The entry is ``_start`` where there is one, else the first instruction."""
    model = find_model(options.cpu)
    bits = 64 if program.base >> 32 else 32
    entry = program.labels.get("_start", program.base)
    base = program.base if bits == 64 else sign_extended(program.base)
    names = {name: program.symbols[name] for name in (*program.labels, *program.exported)}
    raw = executable([Segment(base, program.code, len(program.code))], entry=entry, symbols=names, bits=bits,
                     big_endian=options.big_endian, release=min(model.release, 2))
    try:
        Path(options.output).write_bytes(raw)
    except OSError as error:
        raise ConfigError(f"-o {options.output}: cannot be written: {error.strerror}; choose another file") from None
