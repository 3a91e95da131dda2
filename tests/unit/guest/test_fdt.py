"""Device trees: what is written reads back, what is damaged is one line, and what firmware fills in is there."""
from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmm.errors import ConfigError
from vmm.guest.fdt import CELL, HEADER, Header, Node, Tree, build, parse, set_chosen, set_memory

NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789,._+-@#", min_size=1, max_size=12)


def nodes(depth: int) -> st.SearchStrategy[Node]:
    children = st.dictionaries(NAMES, nodes(depth - 1), max_size=3) if depth else st.just({})
    return st.builds(_named, st.dictionaries(NAMES, st.binary(max_size=20), max_size=4), children)


def _named(properties: dict[str, bytes], children: dict[str, Node]) -> Node:
    for name, child in children.items():
        child.name = name
    return Node("", properties, children)


numbers = st.integers(1, (1 << 64) - 1)
trees = st.builds(Tree, nodes(3), st.lists(st.tuples(numbers, numbers), max_size=3), st.integers(0, 3))


@settings(max_examples=100)
@given(trees)
def test_what_is_written_reads_back(tree: Tree) -> None:
    blob = build(tree)
    assert parse("t", blob) == tree and len(blob) == Header(*HEADER.unpack_from(blob)).total
    assert parse("t", blob + b"more") == tree


def example() -> Tree:
    tree = Tree(Node(""), [(0x1000, 0x2000)])
    tree.root.properties |= {"#address-cells": CELL.pack(1), "#size-cells": CELL.pack(1), "compatible": b"mti,malta\0"}
    tree.root.child("memory@0").properties["reg"] = bytes(8)
    tree.root.child("chosen").properties["bootargs"] = b"its own\0"
    return tree


SEED = build(example())


def damaged(**fields: int) -> bytes:
    return HEADER.pack(*Header(*HEADER.unpack_from(SEED))._replace(**fields)) + SEED[HEADER.size:]


AT = Header(*HEADER.unpack_from(SEED))


def patched(at: int, value: int) -> bytes:
    return SEED[:at] + CELL.pack(value) + SEED[at + 4:]


@pytest.mark.parametrize(("blob", "message"), [
    (b"", "it begins with nothing"),
    (b"\x7fELF" + bytes(60), "it begins with 7f 45 4c 46, not d0 0d fe ed"),
    (SEED[:20], "within its header, after 20 bytes"),
    (damaged(version=3, compatible=2), "version 3"), (damaged(version=99, compatible=98), "compatible to 98"),
    (damaged(total=1 << 20), "says that it has 1048576 bytes"), (damaged(total=8), "says that it has 8 bytes"),
    (damaged(structure=1 << 31), "structure block at 0x80000000 ends after"),
    (damaged(strings_size=1 << 20), "strings block"), (damaged(reservations=len(SEED)), "reservation block"),
    (damaged(structure_size=8), "ends within an item"),
    (patched(AT.structure, 7), "does not begin with a node"),
    (patched(AT.structure + AT.structure_size - 4, 1), "something follows"),
    (patched(AT.structure + 8, 8), "token 0x8 within node '/'"),
    (patched(AT.structure + 12, 1 << 20), "ends within an item"),
    (patched(AT.structure + 16, 1 << 20), "has no end"),
])
def test_what_is_wrong_is_one_line(blob: bytes, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^x.dtb: not a device tree blob: .*{message}.*; make it with dtc"):
        parse("x.dtb", blob)


def test_depth_and_namesakes_have_limits() -> None:
    tree = Tree(Node(""))
    node = tree.root
    for _ in range(64):
        node = node.child("n")
    with pytest.raises(ConfigError, match="more than 64 deep"):
        parse("t", build(tree))
    twice = Tree(Node("", {}, {"one": Node("same"), "other": Node("same")}))
    with pytest.raises(ConfigError, match="node '/' has two children 'same'"):
        parse("t", build(twice))


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, len(SEED) - 1), st.integers(0, 255)), min_size=1, max_size=6),
       st.integers(0, len(SEED)))
def test_no_damage_escapes_as_anything_else(changes: list[tuple[int, int]], length: int) -> None:
    raw = bytearray(SEED)
    for at, byte in changes:
        raw[at] = byte
    for blob in (bytes(raw), bytes(raw[:length])):
        try:
            tree = parse("fuzz", blob)
        except ConfigError as error:
            assert "\n" not in str(error)
        else:
            assert parse("again", build(tree)) == tree


def test_version_16_has_no_size_of_its_structure() -> None:
    assert parse("t", damaged(version=16, structure_size=0)) == example()


def test_memory_is_filled_in() -> None:
    tree = example()
    set_memory(tree, [(0, 0x1000_0000), (0x9000_0000, 0x3000_0000)])
    node = tree.root.find("memory")
    assert node is not None and node.properties["device_type"] == b"memory\0"
    assert node.properties["reg"].hex(" ", 4) == "00000000 10000000 90000000 30000000"
    del tree.root.properties["#address-cells"]
    set_memory(tree, [(0, 0x1000_0000)])
    assert len(tree.root.children) == 2 and tree.root.child("memory@0").properties["reg"].hex() == "00" * 8 + "10000000"
    with pytest.raises(ConfigError, match="1 for a size, which cannot say where memory is"):
        set_memory(tree, [(0, 1 << 32)])


def test_chosen_is_filled_in() -> None:
    tree = example()
    set_chosen(tree, b"\0", None)
    assert tree.root.child("chosen").properties == {"bootargs": b"its own\0"}
    set_chosen(tree, b"console=ttyS0\0", (0x0F00_0000, 0x1_0000_0000))
    assert tree.root.child("chosen").properties == {
        "bootargs": b"console=ttyS0\0", "linux,initrd-start": bytes.fromhex("0f000000"),
        "linux,initrd-end": bytes.fromhex("0000000100000000")}
