"""``vmm disasm``: words, or the segments of an ELF executable, as GNU objdump would print them."""
from __future__ import annotations

import re
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from vmm.arch.rows import Tree, decode_tree
from vmm.arch.text import disassemble
from vmm.cli.code import base_of, rows_of
from vmm.errors import ConfigError
from vmm.guest.formats import Said, load_image
from vmm.guest.image import Image, Segment, short

WORD = re.compile(r"(?:0[xX])?([0-9a-fA-F]{8})")


def main(options: Namespace) -> int:
    tree = decode_tree(rows_of(options))
    lines = _words(options, tree) if all(map(WORD.fullmatch, options.CODE)) else _image(options, tree)
    sys.stdout.writelines(line + "\n" for line in lines)
    return 0


def _words(options: Namespace, tree: Tree | None) -> Iterator[str]:
    base = base_of(options)
    for number, text in enumerate(options.CODE):
        word = int(text[-8:], 16)
        yield _line(base + 4 * number, word, options, tree)


def _image(options: Namespace, tree: Tree | None) -> Iterator[str]:
    path = options.CODE[0]
    if len(options.CODE) > 1 or not Path(path).exists():
        wrong = next(text for text in options.CODE if not WORD.fullmatch(text))
        raise ConfigError(f"disasm: {wrong!r} is neither a word of 8 hexadecimal digits nor a file; give words such "
                          "as 24420001, or one ELF executable")
    image = load_image(path, Said(big_endian=options.big_endian))
    return (line for segment in image.segments for line in _segment(image, segment, options, tree))


def _segment(image: Image, segment: Segment, options: Namespace, tree: Tree | None) -> Iterator[str]:
    """Every word, code or not: an executable does not say which is which."""
    order: Literal["big", "little"] = "big" if image.big_endian else "little"
    names = {symbol.address: symbol.name for symbol in reversed(image.symbols)}
    for offset in range(0, len(segment.data) & -4, 4):
        at = segment.address + offset
        if at in names:
            yield f"{names[at]}:"
        yield _line(at, int.from_bytes(segment.data[offset:offset + 4], order), options, tree)


def _line(at: int, word: int, options: Namespace, tree: Tree | None) -> str:
    shown = short(at)                                       # the targets of branches look like it
    return f"{shown}: {word:08x}  {disassemble(word, int(shown, 16), tree=tree, aliases=options.aliases)}"
