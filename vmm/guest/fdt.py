"""Flattened device trees: the blob that tells a kernel what machine it is on, read, changed and written.

``parse`` believes nothing: whatever is wrong with a blob is one ``ConfigError``.  Invariant: ``build(parse(blob))`` parses
to the same tree.  (Devicetree Specification 0.4, chapter 5; versions 16 and 17)
"""
from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from vmm.errors import ConfigError

MAGIC, VERSION, COMPATIBLE = 0xD00D_FEED, 17, 16
# fmt: off
BEGIN_NODE, END_NODE, PROPERTY, NOP, END = 1, 2, 3, 4, 9
# fmt: on
HEADER = struct.Struct(">10I")
RESERVATION = struct.Struct(">QQ")
CELL = struct.Struct(">I")
DEEPEST = 64
LARGEST = 16 << 20
ADDRESS_CELLS, SIZE_CELLS = 2, 1                            # where a node does not say


class Header(NamedTuple):
    magic: int
    total: int
    structure: int
    strings: int
    reservations: int
    version: int
    compatible: int
    boot_cpu: int
    strings_size: int
    structure_size: int


@dataclass(slots=True)
class Node:
    name: str
    properties: dict[str, bytes] = field(default_factory=dict)
    children: dict[str, Node] = field(default_factory=dict)

    def child(self, name: str) -> Node:
        """The child of this name, made if there is none."""
        return self.children.setdefault(name, Node(name))

    def find(self, name: str) -> Node | None:
        """A child by its name without the address."""
        return next((node for node in self.children.values() if node.name.partition("@")[0] == name), None)

    def cells(self, prop: str, default: int) -> int:
        """A property of one cell."""
        value = self.properties.get(prop, b"")
        return int.from_bytes(value, "big") if len(value) == CELL.size else default


@dataclass(slots=True)
class Tree:
    root: Node
    reservations: list[tuple[int, int]] = field(default_factory=list)       # address, size
    boot_cpu: int = 0


# -- reading ---------------------------------------------------------------------------------------------------

class _Malformed(Exception):
    """What is wrong with a blob."""


def parse(name: str, blob: bytes) -> Tree:
    """``name``: for the message."""
    try:
        return _parse(blob)
    except _Malformed as wrong:
        raise ConfigError(f"{name}: not a device tree blob: {wrong}; make it with dtc -O dtb") from None


def _parse(blob: bytes) -> Tree:
    if blob[:CELL.size] != CELL.pack(MAGIC):
        raise _Malformed(f"it begins with {blob[:4].hex(' ') or 'nothing'}, not d0 0d fe ed")
    if len(blob) < HEADER.size:
        raise _Malformed(f"it ends within its header, after {len(blob)} bytes")
    header = Header(*HEADER.unpack_from(blob))
    if header.compatible > VERSION or header.version < COMPATIBLE:
        raise _Malformed(f"it is of version {header.version}, compatible to {header.compatible}, not {COMPATIBLE} or "
                         f"{VERSION}")
    if not HEADER.size <= header.total <= len(blob):
        raise _Malformed(f"it says that it has {header.total} bytes, and has {len(blob)}")
    blob = blob[:header.total]
    size = header.structure_size if header.version >= VERSION else header.total - header.structure
    structure = _block(blob, header.structure, size, "structure")
    strings = _block(blob, header.strings, header.strings_size, "strings")
    return Tree(_Reader(structure, strings).tree(), list(_reservations(blob, header.reservations)), header.boot_cpu)


def _block(blob: bytes, at: int, size: int, what: str) -> bytes:
    if size < 0 or at + size > len(blob):
        raise _Malformed(f"its {what} block at {at:#x} ends after the blob")
    return blob[at:at + size]


def _reservations(blob: bytes, at: int) -> Iterator[tuple[int, int]]:
    while True:
        address, size = RESERVATION.unpack(_block(blob, at, RESERVATION.size, "reservation"))
        if not (address or size):
            return
        yield address, size
        at += RESERVATION.size


class _Reader:
    """The structure block from one token to the next."""

    def __init__(self, structure: bytes, strings: bytes) -> None:
        self._bytes, self._strings, self._at = structure, strings, 0

    def tree(self) -> Node:
        if self._token() != BEGIN_NODE:
            raise _Malformed("its structure block does not begin with a node")
        root = self._node(self._name(), 1)
        if self._token() != END:
            raise _Malformed("something follows its root node")
        return root

    def _node(self, name: str, depth: int) -> Node:
        if depth > DEEPEST:
            raise _Malformed(f"its nodes are more than {DEEPEST} deep")
        node = Node(name)
        while (token := self._token()) != END_NODE:
            if token == PROPERTY:
                size, string = self._cell(), self._cell()
                node.properties[_text(self._strings, string)] = self._take(size)
            elif token == BEGIN_NODE:
                child = self._name()
                if child in node.children:
                    raise _Malformed(f"node {name or '/'!r} has two children {child!r}")
                node.children[child] = self._node(child, depth + 1)
            else:
                raise _Malformed(f"token {token:#x} within node {name or '/'!r}")
        return node

    def _token(self) -> int:
        while (token := self._cell()) == NOP:
            pass
        return token

    def _cell(self) -> int:
        return int.from_bytes(self._take(CELL.size), "big")

    def _take(self, size: int) -> bytes:
        """So many bytes, and those that fill the last cell."""
        at, self._at = self._at, self._at + size + 3 & ~3
        if at + size > len(self._bytes):
            raise _Malformed(f"its structure block ends within an item at {at:#x}")
        return self._bytes[at:at + size]

    def _name(self) -> str:
        name = _text(self._bytes, self._at)
        self._take(len(name) + 1)
        return name


def _text(block: bytes, at: int) -> str:
    end = block.find(b"\0", at)
    if end < 0 or not block[at:end].isascii():
        raise _Malformed(f"a name at {at:#x} has no end, or bytes that are no ASCII")
    return block[at:end].decode("ascii")


# -- writing ---------------------------------------------------------------------------------------------------

def build(tree: Tree) -> bytes:
    strings: dict[str, int] = {}
    structure = b"".join(_node_bytes(tree.root, strings)) + CELL.pack(END)
    texts = b"".join(_name_bytes(text) for text in strings)
    reserved = b"".join(RESERVATION.pack(*row) for row in [*tree.reservations, (0, 0)])
    at = -(-HEADER.size // 8) * 8                           # reservations are aligned to 8 bytes, the structure to 4
    after = at + len(reserved)
    total = after + len(structure) + len(texts)
    header = HEADER.pack(MAGIC, total, after, after + len(structure), at, VERSION, COMPATIBLE, tree.boot_cpu, len(texts),
                         len(structure))
    return header.ljust(at, b"\0") + reserved + structure + texts


def _node_bytes(node: Node, strings: dict[str, int]) -> Iterator[bytes]:
    yield CELL.pack(BEGIN_NODE) + _filled(_name_bytes(node.name))
    for name, value in node.properties.items():
        at = strings.setdefault(name, sum(len(text) + 1 for text in strings))
        yield CELL.pack(PROPERTY) + CELL.pack(len(value)) + CELL.pack(at) + _filled(value)
    for child in node.children.values():
        yield from _node_bytes(child, strings)
    yield CELL.pack(END_NODE)


def _name_bytes(text: str) -> bytes:
    return text.encode("ascii") + b"\0"


def _filled(data: bytes) -> bytes:
    return data.ljust(len(data) + 3 & ~3, b"\0")


# -- what firmware fills in --------------------------------------------------------------------------------------

def number(value: int, cells: int) -> bytes:
    return value.to_bytes(CELL.size * cells, "big")


def set_memory(tree: Tree, pieces: Iterable[tuple[int, int]]) -> None:
    """The RAM of the machine, whatever the blob says: (address, size)."""
    root = tree.root
    widths = root.cells("#address-cells", ADDRESS_CELLS), root.cells("#size-cells", SIZE_CELLS)
    for old in [name for name in root.children if name.partition("@")[0] == "memory"]:
        del root.children[old]
    pieces = list(pieces)
    node = root.child(f"memory@{pieces[0][0]:x}")
    node.properties["device_type"] = b"memory\0"
    if max(widths) > 4 or any(value >> 32 * cells for piece in pieces for value, cells in zip(piece, widths, strict=True)):
        raise ConfigError(f"--dtb: its root has {widths[0]} cells for an address and {widths[1]} for a size, which cannot "
                          "say where memory is; set #address-cells and #size-cells to 1 or 2")
    node.properties["reg"] = b"".join(number(value, cells) for piece in pieces
                                      for value, cells in zip(piece, widths, strict=True))


def set_chosen(tree: Tree, command_line: bytes, initrd: tuple[int, int] | None) -> None:
    """``command_line``: with its NUL; an empty one leaves the blob's own.  ``initrd``: start and end, or None."""
    chosen = tree.root.child("chosen").properties
    if command_line.rstrip(b"\0"):
        chosen["bootargs"] = command_line
    for name, value in zip(("linux,initrd-start", "linux,initrd-end"), initrd or (), strict=False):
        chosen[name] = number(value, 1 if value < 1 << 32 else 2)
