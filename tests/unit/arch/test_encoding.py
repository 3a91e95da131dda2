"""Patterns, and the decode tree against a search through all rows."""
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmm.arch.encoding import Encoding, Field
from vmm.arch.insns import FAMILIES, ROWS
from vmm.arch.rows import Family, Insn, available, decode, decode_tree

ASES = frozenset(row.ase for row in ROWS if row.ase)
CORES = [(release, bits) for release in (1, 2, 3, 5, 6) for bits in (32, 64)]
TREES = {core: decode_tree(available(ROWS, release=core[0], bits=core[1], ases=ASES)) for core in CORES}

words = st.one_of(
    st.integers(0, 0xFFFF_FFFF),
    st.builds(lambda row, noise: row.encoding.match | noise & ~row.encoding.mask & 0xFFFF_FFFF,
              st.sampled_from(ROWS), st.integers(0, 0xFFFF_FFFF)),
    st.builds(lambda row, bit: row.encoding.match ^ 1 << bit, st.sampled_from(ROWS), st.integers(0, 31)),
)


def searched(rows: list[Insn], word: int) -> Insn | None:
    """The row with the most fixed bits among those that fit."""
    return max((row for row in rows if row.encoding.fits(word)), key=lambda r: r.encoding.mask.bit_count(),
               default=None)


def row(pattern: str, syntax: str) -> Insn:
    family = Family("test")
    family.insn(pattern, syntax)(lambda m: None)
    return family.rows[0]


def test_a_pattern_is_read_from_bit_31_down() -> None:
    encoding = Encoding.parse("001000 rs:5 ----- imm:16")
    assert (encoding.mask, encoding.match) == (0xFC00_0000, 0x2000_0000)
    assert encoding.fields == (Field("rs", 21, 5), Field("imm", 0, 16))
    assert encoding.fields[0].mask == 0x03E0_0000
    assert encoding.fits(0x213F_0000) and not encoding.fits(0x313F_0000)


@pytest.mark.parametrize("pattern, complaint", [
    ("001000 rs:5", "covers 11 bits, not 32"),
    ("001000 rs:5 rt:5 imm:16 0", "covers 32 bits before '0', and then 1 more"),
])
def test_a_pattern_that_does_not_cover_the_word_is_refused(pattern: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Encoding.parse(pattern)


@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r.name}-{r.since}")
def test_fields_survive_split_and_join(row: Insn) -> None:
    every = row.encoding.match | ~row.encoding.mask & 0xFFFF_FFFF
    ignored = ~row.encoding.mask & ~sum(f.mask for f in row.encoding.fields) & 0xFFFF_FFFF
    for word in (every & ~ignored, row.encoding.match, every & 0xA5A5_5A5A & ~ignored | row.encoding.match):
        assert row.encoding.join(**row.encoding.split(word)) == word


@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r.name}-{r.since}")
def test_a_meaning_takes_the_fields_of_its_encoding(row: Insn) -> None:
    code = row.meaning.__code__
    taken = code.co_varnames[:code.co_argcount]
    assert taken[0] == "m"
    assert set(taken[1:]) == {f.name for f in row.encoding.fields}


@pytest.mark.parametrize("core", CORES, ids=lambda c: f"r{c[0]}-{c[1]}")
@given(word=words)
def test_the_tree_finds_what_a_search_finds(core: tuple[int, int], word: int) -> None:
    rows = available(ROWS, release=core[0], bits=core[1], ases=ASES)
    assert decode(TREES[core], word) is searched(rows, word)


@pytest.mark.parametrize("core", CORES, ids=lambda c: f"r{c[0]}-{c[1]}")
def test_a_core_has_one_row_for_a_mnemonic(core: tuple[int, int]) -> None:
    names = [row.name for row in available(ROWS, release=core[0], bits=core[1], ases=ASES)
             if not (row.dsp and row.encoding.relations)]      # MULT and its like, with an accumulator of DSP
    assert sorted(names) == sorted(set(names))


def test_the_special_case_wins_over_the_general_one() -> None:
    general, special = row("000000 rs:5 x:21", "general"), row("000000 00000 x:21", "special")
    tree = decode_tree([general, special])
    assert decode(tree, 0x0000_0001) is special
    assert decode(tree, 0x0020_0001) is general
    assert decode(tree, 0x8000_0000) is None


def test_two_rows_of_one_encoding_are_refused() -> None:
    with pytest.raises(ValueError, match="same encoding: one, two"):
        decode_tree([row("000000 x:26", "one"), row("000000 y:26", "two")])


def test_relations_tell_rows_of_one_encoding_apart() -> None:
    rows = [row("001000 rs:5 rt:5 x:16 | rs>=rt", "a"), row("001000 rs:5 rt:5 x:16 | 0<rs<rt", "b"),
            row("001000 00000 rt:5 x:16 | 0<rt", "c")]
    tree = decode_tree(rows)
    found = [decode(tree, 0x2000_0000 | rs << 21 | rt << 16) for rs, rt in ((0, 0), (2, 1), (1, 1), (1, 2), (0, 2))]
    assert [r.name if r else None for r in found] == ["a", "a", "a", "b", "c"]


@pytest.mark.parametrize("one, other", [("rs<rt", "0<rt"), ("rs!=rt", "rs>=rt"), ("rs=rt", "0<rs")])
def test_relations_that_can_both_hold_are_refused(one: str, other: str) -> None:
    with pytest.raises(ValueError, match="same encoding: a, b"):
        decode_tree([row(f"001000 rs:5 rt:5 x:16 | {one}", "a"), row(f"001000 rs:5 rt:5 x:16 | {other}", "b")])


@pytest.mark.parametrize("condition", ["rs", "rs<ra", "rs<>rt", "1<rs"])
def test_a_relation_that_compares_no_fields_is_refused(condition: str) -> None:
    with pytest.raises(ValueError, match="not a comparison of fields"):
        Encoding.parse(f"001000 rs:5 rt:5 x:16 | {condition}")


def test_no_rows_decode_nothing() -> None:
    assert decode_tree([]) is None
    assert decode(None, 0) is None


def test_availability() -> None:
    def names(release: int, bits: int) -> set[str]:
        return {row.name for row in available(ROWS, release=release, bits=bits, ases=frozenset())}

    assert {"rotr", "ext", "seb"} <= names(2, 32) - names(1, 32)
    assert {"daddu", "ld", "dmult"} <= names(1, 64) - names(1, 32)
    assert {"addi", "beql", "lwl", "mult", "movn"} <= names(5, 64) - names(6, 64)


def test_exactly_the_rows_with_a_delay_slot_are_control() -> None:
    branches = next(family for family in FAMILIES if family.name == "branch")
    assert all(row.control for row in branches)
    elsewhere = {row.name for row in ROWS if row.control and not row.ase} - {row.name for row in branches}
    assert elsewhere == {"nal", "bal", "bc1f", "bc1t", "bc1fl", "bc1tl", "bc1eqz", "bc1nez"}


def test_compact_branches_have_no_slot_and_the_conditional_ones_forbid() -> None:
    rows = {row.name: row for row in ROWS if row.compact}
    assert not any(row.control for row in rows.values())
    assert {name for name, row in rows.items() if not row.forbids} == {"bc", "balc", "jic", "jialc"}
    assert all(row.alone for row in ROWS if row.control or row.compact)
    assert {row.name for row in ROWS if row.alone and not (row.control or row.compact)} == {
        "eret", "eretnc", "deret", "wait", "pause"}
