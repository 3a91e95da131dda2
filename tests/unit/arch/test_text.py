"""One line to a word and back: syntax, aliases, targets, names, and what errors say."""
from __future__ import annotations

import doctest
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmm.arch import text
from vmm.arch.aliases import ALIASES
from vmm.arch.insns import ROWS
from vmm.arch.rows import Insn, available, decode_tree
from vmm.arch.syntax import parse_syntax
from vmm.arch.text import Mnemonics, assemble_line, disassemble, evaluate

ASES = frozenset(row.ase for row in ROWS if row.ase)
RELEASE2 = available(ROWS, release=2, bits=64, ases=ASES)
CORE = Mnemonics(RELEASE2)
TREE = decode_tree(RELEASE2)
RELEASE6 = available(ROWS, release=6, bits=64, ases=ASES)

TIED = {r.name for r in ROWS for o in parse_syntax(r.syntax).operands if o.also}
SIZES = {r.name for r in ROWS for o in parse_syntax(r.syntax).operands if o.minus}


def asm(line: str, pc: int = 0, **symbols: int) -> int:
    return assemble_line(line, pc, rows=CORE, symbols=symbols)


def test_the_docstring_tells_the_truth() -> None:
    assert doctest.testmod(text).failed == 0


@given(row=st.sampled_from([r for r in RELEASE2 if r.name not in TIED | SIZES]),
       noise=st.integers(0, 0xFFFF_FFFF),
       pc=st.integers(0, 0xFFFF_FFFF).map(lambda n: n & ~3),
       upper=st.sampled_from([0, 0x9000_0000_0000_0000, 0xFFFF_FFFF_0000_0000]),
       aliases=st.booleans(), names=st.sampled_from(["numeric", "o32"]))
def test_what_is_printed_is_read_back(row: Insn, noise: int, pc: int, upper: int, aliases: bool,
                                      names: str) -> None:
    word = row.encoding.join(**row.encoding.split(noise))
    line = disassemble(word, pc | upper, tree=TREE, aliases=aliases, names=names)
    again = assemble_line(line, pc | upper, rows=CORE)
    if again != word:
        assert aliases and line.split()[0] in ("move", "li", "jr", "jr.hb")     # what several rows share


@given(word=st.integers(0, 0xFFFF_FFFF))
def test_every_word_prints(word: int) -> None:
    assert re.match(r"\.word 0x[0-9a-f]{8}$|[a-z]", disassemble(word, tree=TREE, aliases=True))


def test_every_syntax_names_fields_of_its_row() -> None:
    for row in ROWS:
        held = [name for o in parse_syntax(row.syntax).operands for name in (o.field, *o.also)]
        assert set(held) == {f.name for f in row.encoding.fields}, row.syntax


def test_every_alias_gives_all_fields_of_its_row() -> None:
    rows = {row.name: row for row in reversed(ROWS)}
    for alias in ALIASES:
        held = {name for o in parse_syntax(alias.syntax).operands for name in (o.field, *o.also)}
        fixed = {name for name, _ in alias.fixed}
        assert held | fixed == {f.name for f in rows[alias.row].encoding.fields}, alias
        assert not held & fixed, alias


@pytest.mark.parametrize("line, same", [
    ("nop", "sll $0,$0,0"), ("ssnop", "sll $0,$0,1"), ("ehb", "sll $0,$0,3"), ("pause", "sll $0,$0,5"),
    ("b .+16", "beq $0,$0,.+16"), ("bal .+16", "bgezal $0,.+16"), ("beqz $8,.", "beq $8,$0,."),
    ("bnezl $8,.", "bnel $8,$0,."), ("move $8,$9", "or $8,$9,$0"), ("not $8,$9", "nor $8,$9,$0"),
    ("negu $8,$9", "subu $8,$0,$9"), ("dneg $8,$9", "dsub $8,$0,$9"),
    ("li $8,-1", "addiu $8,$0,-1"), ("li $8,0xffff", "ori $8,$0,0xffff"),
    ("li $8,0x12340000", "lui $8,0x1234"),
    ("li $8,-65536", "lui $8,0xffff"), ("j $31", "jr $31"), ("jal $25", "jalr $25"),
    ("jalr $31,$25", "jalr $25"), ("jalr.hb $31,$25", "jalr.hb $25"),
    ("div $8,$9", "div $0,$8,$9"),
    ("div $zero,$8,$9", "div $0,$8,$9"), ("addu $8,$9,5", "addiu $8,$9,5"),
    ("addiu $sp,-32", "addiu $29,$29,-32"),
    ("sll $8,$9,$10", "sllv $8,$9,$10"), ("dsll $8,$9,40", "dsll32 $8,$9,8"),
    ("dext $8,$9,3,40", "dextm $8,$9,3,40"), ("dext $8,$9,35,7", "dextu $8,$9,35,7"),
    ("dins $8,$9,3,40", "dinsm $8,$9,3,40"), ("dins $8,$9,35,7", "dinsu $8,$9,35,7"),
    ("lw $8,($9)", "lw $8,0($9)"), ("break 0,0", "break"), ("syscall 0", "syscall"), ("sync 0", "sync"),
    ("  ADDU\t$T0 , $t1,$t2  # sum", "addu $8,$9,$10"), ("lw $8, 4 + 4 ( $9 )", "lw $8,8($9)"),
])
def test_two_ways_to_write_one_word(line: str, same: str) -> None:
    assert asm(line) == asm(same)


@pytest.mark.parametrize("word, plain, alias", [
    (0x0000_0000, "sll $0,$0,0x0", "nop"), (0x0000_00C0, "sll $0,$0,0x3", "ehb"),
    (0x1000_0003, "beq $0,$0,0x10", "b 0x10"), (0x0411_0003, "bgezal $0,0x10", "bal 0x10"),
    (0x0120_4025, "or $8,$9,$0", "move $8,$9"), (0x0120_402D, "daddu $8,$9,$0", "move $8,$9"),
    (0x2408_FFFF, "addiu $8,$0,-1", "li $8,-1"), (0x0320_F809, "jalr $25", "jalr $25"),
    (0x0320_4009, "jalr $8,$25", "jalr $8,$25"), (0x0109_001A, "div $0,$8,$9", "div $0,$8,$9"),
    (0x0001_008D, "break 0x1,0x2", "break 0x1,0x2"), (0x0000_008D, "break 0x0,0x2", "break 0x0,0x2"),
    (0x8D28_FFFC, "lw $8,-4($9)", "lw $8,-4($9)"), (0xFFFF_FFFF, "sd $31,-1($31)", "sd $31,-1($31)"),
    (0x0000_0039, ".word 0x00000039", ".word 0x00000039"),
])
def test_plain_and_with_aliases(word: int, plain: str, alias: str) -> None:
    assert disassemble(word, tree=TREE) == plain
    assert disassemble(word, tree=TREE, aliases=True) == alias


def test_release_6_has_only_jalr_to_return_with() -> None:
    assert assemble_line("jr $31", rows=RELEASE6) == 0x03E0_0009
    assert disassemble(0x03E0_0009, tree=decode_tree(RELEASE6), aliases=True) == "jr $31"
    assert asm("jr $31") == 0x03E0_0008


def test_register_names_depend_on_the_abi() -> None:
    word = asm("addu $8,$12,$30")
    assert disassemble(word, tree=TREE, names="o32") == "addu $t0,$t4,$s8"
    assert disassemble(word, tree=TREE, names="n64") == "addu $a4,$t0,$s8"
    assert asm("addu $t0,$t4,$fp") == word
    assert assemble_line("addu $a4,$t0,$s8", rows=Mnemonics(RELEASE2, abi="n64")) == word


@pytest.mark.parametrize("pc, shown", [
    (0x8000_1000, "0x80000ffc"), (0xFFFF_FFFF_8000_1000, "0xffffffff80000ffc"), (0x0, "0xfffffffc"),
])
def test_branch_targets_are_addresses(pc: int, shown: str) -> None:
    assert disassemble(0x1000_FFFE, pc, tree=TREE) == f"beq $0,$0,{shown}"
    assert assemble_line(f"b {shown}", pc, rows=CORE) == 0x1000_FFFE


def test_targets_can_be_symbols() -> None:
    assert asm("b loop", 0x1010, loop=0x1000) == 0x1000_FFFB
    assert asm("b loop+8", 0x1010, loop=0x1000) == 0x1000_FFFD
    assert asm("jal main", 0xFFFF_FFFF_8010_0000, main=0x8020_0000) == asm("jal 0x200000")
    assert disassemble(0x0C08_0000, 0xFFFF_FFFF_8010_0000, tree=TREE) == "jal 0xffffffff80200000"


def test_parts_of_an_address() -> None:
    assert asm("lui $8,%hi(data)", data=0x8001_8004) == asm("lui $8,0x8002")
    assert asm("lw $8,%lo(data+4)($8)", data=0x8001_8000) == asm("lw $8,-0x7ffc($8)")
    parts = [evaluate(f"%{part}(x)", 0, {"x": 0x1234_9ABC_8DEF_8000})
             for part in ("highest", "higher", "hi", "lo")]
    assert parts == [0x1235, 0x9ABD, 0x8DF0, -0x8000]


@pytest.mark.parametrize("line, says", [
    ("", "holds no instruction"),
    ("# only a comment", "holds no instruction"),
    ("adu $8,$9,$10", "no instruction 'adu'; nearest: .*addu"),
    ("addu $8", "write 'addu {rd}, {rs}, {rt}' or 'addu {rt}, {rs}, {imm}' or 'addu {rd,rs}, {rt}'"),
    ("addu $8,$9,$32", r"operand rt is a general register: found '\$32'; write \$0 to \$31 or a name"),
    ("addu $8,$9,t2", "found 't2'"),
    ("addiu $8,$9,0x8000", "operand imm .* 32768 is out of range; it can be -32768 to 32767"),
    ("andi $8,$9,-1", "-1 is out of range; it can be 0 to 65535"),
    ("sll $8,$9,32", "32 is out of range; it can be 0 to 31"),
    ("ins $8,$9,30,3", "3 is out of range; it can be 1 to 2"),
    ("ext $8,$9,3,0", "0 is out of range; it can be 1 to 32"),
    ("li $8,0x12345", "out of range"),
    ("b .+2", "not a whole number of instructions"),
    ("b 0x80000000", r"from the slot at 0x4; it can be -0x20000 to \+0x1fffc"),
    ("j 0x10000000", "outside the 256 MiB region of the slot at 0x4"),
    ("j 2", "a multiple of 4"),
    ("b lop", "neither a number nor a known symbol; nearest: loop"),
    ("lw $8,%got(loop)($9)", "%got.. is unknown; there are %lo, %hi"),
    ("lw $8,4 4($9)", "'4 4' is two operands without a comma"),
    ("addu $8 $9 $10", r"'\$8 \$9' is two operands without a comma"),
    ("addiu $8,$9,1+", "found '1[+]'"),
    ("jr.hb", "write 'jr.hb {rs}'"),
])
def test_errors_teach(line: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        asm(line, loop=0x100)


@pytest.mark.parametrize("syntax, says", [
    ("x {rt", "not {field"), ("x {rt:q}", "kind 'q'; the kinds are"), ("x <{rt}", "no '>' closes"),
    ("x {rt}>", "no '<' opened"),
])
def test_a_wrong_syntax_is_refused(syntax: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_syntax(syntax)
