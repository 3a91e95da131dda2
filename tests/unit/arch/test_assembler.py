"""Files of assembly: directives, labels, pseudo-instructions, macros, and the answers to mistakes."""
from __future__ import annotations

import struct
from pathlib import Path

import pytest

from vmm.arch.assembler import Program, assemble, assemble_file
from vmm.arch.expression import evaluate
from vmm.arch.insns import ROWS
from vmm.arch.rows import available
from vmm.arch.source import AssemblyError
from vmm.arch.text import Mnemonics, assemble_line

CORE = Mnemonics(available(ROWS, release=2, bits=64, ases=frozenset()))
BASE = 0x8010_0000


def program(source: str, base: int = BASE, big_endian: bool = True, symbols: dict[str, int] | None = None,
            ) -> Program:
    return assemble(source, rows=CORE, base=base, big_endian=big_endian, symbols=symbols)


def words(source: str, base: int = BASE) -> list[int]:
    code = program(source, base).code
    return list(struct.unpack(f">{len(code) // 4}I", code))


def same(source: str, *lines: str, base: int = BASE) -> None:
    """``source`` gives what these single instructions give."""
    singly = [assemble_line(line, base + 4 * n, rows=CORE) for n, line in enumerate(lines)]
    assert words(source, base) == singly


# -- data ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("source", "little", "big"), [
    (".word 0x11223344, -1", "44332211 ffffffff", "11223344 ffffffff"),
    (".half 0x1122; .byte 1, -1", "2211 01 ff", "1122 01 ff"),
    (".dword 0x1122334455667788", "8877665544332211", "1122334455667788"),
    (".byte 1; .4byte 2; .2byte 3", "01 02000000 0300", "01 00000002 0003"),
    (r'.ascii "a;b", "#//"; .asciiz "\n\"\x41\101"', "613b62 232f2f 0a22414100", "613b62 232f2f 0a22414100"),
    (".byte 'A', '\\n', 'B' + 1", "41 0a 43", "41 0a 43"),
    (".byte 1; .align 2; .byte 2; .balign 4, 0xff", "01000000 02ffffff", "01000000 02ffffff"),
    (".byte 1; .space 3; .skip 2, 7", "01000000 0707", "01000000 0707"),
    (".byte 1; .org 4; .byte 2; .org 0x80100006; .byte 3", "01000000 0200 03", "01000000 0200 03"),
    (".word 0xffffffff80100000", "00001080", "80100000"),
])
def test_data(source: str, little: str, big: str) -> None:
    assert program(source, big_endian=False).code == bytes.fromhex(little)
    assert program(source, big_endian=True).code == bytes.fromhex(big)


def test_instructions_follow_the_byte_order() -> None:
    assert program("jr $ra", big_endian=True).code == bytes.fromhex("03e00008")
    assert program("jr $ra", big_endian=False).code == bytes.fromhex("0800e003")


# -- labels and symbols ----------------------------------------------------------------------------------


def test_labels_comments_and_statements() -> None:
    same("""
        /* two
           lines */
start:  nop                     # to the end of the line
first: second: b start; nop     // two statements
        jal     start + 4
        nop
    """, "nop", "b 0x80100000", "nop", "jal 0x80100004", "nop")


def test_numeric_labels_are_the_nearest() -> None:
    same("""
1:      b 1f
        b 1b
1:      b 1b
        b 2f
2:      b 1f
1:      nop
    """, "b 0x80100008", "b 0x80100000", "b 0x80100008", "b 0x80100010", "b 0x80100014", "nop")


def test_symbols_before_and_after() -> None:
    assembled = program("""
        .globl  end
        .word   end, size, given + 1, . - start
start:  .word   .
        .equ    size, end - start
        twice = size * 2
        .set    three, twice + size
end:
    """, symbols={"given": 41})
    assert struct.unpack(">5I", assembled.code) == (BASE + 20, 4, 42, 0xFFFF_FFFC, BASE + 16)
    assert assembled.labels == {"start": BASE + 16, "end": BASE + 20}
    assert assembled.symbols["three"] == 12
    assert assembled.exported == ("end",)
    assert str(assembled.lines[BASE + 16]) == "<source>:4"


def test_equ_that_needs_a_later_equ() -> None:
    assert words("a = b + 1\n.word a\nb = c * 2\nc = last - 0x80100000\nlast:") == [9]


def test_parts_of_an_address() -> None:
    same("lui $t0, %hi(there)\nlw $t0, %lo(there)($t0)\nsw $0, %lo(there + 4)($t0)\nthere = 0x8010fff8",
         "lui $t0, 0x8011", "lw $t0, -8($t0)", "sw $0, -4($t0)")


@pytest.mark.parametrize(("text", "value"), [
    ("1 + 2 * 3", 7), ("(1 + 2) * 3", 9), ("1 << 4 | 1", 17), ("8 - 2 - 1", 5), ("~0x1f", -32), ("-(2)", -2),
    ("1 + 2 | 4", 7), ("6 & 3 + 1", 3), ("7 / 2", 3), ("-7 / 2", -3), ("-7 % 4", -3), ("010", 8), ("0b11", 3),
    ("3 == 3", -1), ("3 != 3", 0), ("2 < 1 || 1 <= 1 && 1", 1), ("!0", 1), ("0x80000000 >> 28", 8),
    ("'a' - 'A'", 32),
    ("%hi(0x12348000)", 0x1235), ("%lo(0x12348000)", -0x8000), ("%highest(0x123456789abcdef0)", 0x1234),
])
def test_expressions(text: str, value: int) -> None:
    no_symbols: dict[str, int] = {}
    assert evaluate(text, no_symbols.__getitem__) == value


# -- pseudo-instructions ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "lines"), [
    ("0", ["addiu $t0, $0, 0"]),
    ("-0x8000", ["addiu $t0, $0, -0x8000"]),
    ("0xffff", ["ori $t0, $0, 0xffff"]),
    ("0x10000", ["lui $t0, 1"]),
    ("0x80000000", ["lui $t0, 0x8000"]),
    ("-0x80000000", ["lui $t0, 0x8000"]),
    ("0xfffffffe", ["addiu $t0, $0, -2"]),
    ("0x12345678", ["lui $t0, 0x1234", "ori $t0, $t0, 0x5678"]),
    ("0xbf000500", ["lui $t0, 0xbf00", "ori $t0, $t0, 0x500"]),
])
def test_li(value: str, lines: list[str]) -> None:
    same(f"li $t0, {value}", *lines)


@pytest.mark.parametrize("value", [
    0, -1, 0x7FFF, 0x8000, 0x8000_0000, -0x8000_0000, 0x1_0000_0000, 0x1234_5678_9ABC_DEF0,
    0x8000_0000_0000_0000, 0xFFFF_FFFF_8010_0000, 0x9000_0000_1F00_0500, -0x1_0000_0001,
])
def test_dli_loads_the_value(value: int) -> None:
    assert _run(words(f"dli $t0, {value}")) == value & (1 << 64) - 1


@pytest.mark.parametrize(("base", "count"), [
    (0x8010_0000, 2), (0xFFFF_FFFF_8010_7FF0, 2), (0x9800_0000_0010_FFF0, 6), (0x0000_7FFF_FFFF_8000, 6),
])
def test_dla_loads_the_address(base: int, count: int) -> None:
    loaded = words("dla $t0, there\nthere:", base)
    there = base + 4 * count
    assert len(loaded) == count
    assert _run(loaded) == (there if base >> 32 else there | 0xFFFF_FFFF_0000_0000)


def _run(code: list[int]) -> int:
    """A few instructions on one register, in as many lines: what ``li`` and its like are made of."""
    register = 0
    for word in code:
        low = word & 0xFFFF
        signed = (low ^ 0x8000) - 0x8000
        match word >> 26:
            case 0x0F:
                register = signed << 16
            case 0x0D:
                register = (register if word >> 21 & 31 else 0) | low
            case 0x09 | 0x19:
                register = (register if word >> 21 & 31 else 0) + signed
            case 0x00 if word & 0x3F == 0x38:
                register <<= word >> 6 & 31
            case _:
                raise AssertionError(f"{word:08x}")
    return register & (1 << 64) - 1


def test_la_is_two_instructions_also_backwards() -> None:
    same("here: la $a0, here\nla $a1, there - 4\nthere = 0x12348000", "lui $a0, 0x8010", "addiu $a0, $a0, 0",
         "lui $a1, 0x1234", "addiu $a1, $a1, 0x7ffc")


def test_other_ways_to_write_one_instruction() -> None:
    same("move $t0, $t1; nop; not $t0, $t1; neg $t0, $t1; b .; bal .; beqz $t0, .; bnez $t0, .",
         "or $t0, $t1, $0", "sll $0, $0, 0", "nor $t0, $t1, $0", "sub $t0, $0, $t1", "beq $0, $0, 0x80100010",
         "bgezal $0, 0x80100014", "beq $t0, $0, 0x80100018", "bne $t0, $0, 0x8010001c")


# -- macros, conditions, files ---------------------------------------------------------------------------


def test_macros() -> None:
    same("""
        .macro  load reg, name, offset=4
        lui     \\reg, %hi(\\name)
        lw      \\reg, \\offset(\\reg)
        .endm
        .macro  twice what
        load    $t0, \\what
1:      b       1b
        load    $t1, \\what, 8
        .endm
        twice   0x12340000
    """, "lui $t0, 0x1234", "lw $t0, 4($t0)", "b 0x80100008", "lui $t1, 0x1234", "lw $t1, 8($t1)")
    assert program('.macro text name\n.ascii "<\\name>"\n.endm\ntext a-b').code == b"<a-b>"


def test_conditions() -> None:
    source = """
        .if     n == 1
        .byte   1
        .elseif n > 1
        .byte   2
        .if     n == 3
        .byte   3
        .endif
        .else
        .error  "never"
        .endif
        .ifdef  n
        .byte   4
        .endif
        .ifndef n
        .if     missing
        .endif
        .endif
    """
    assert [list(program(source, symbols={"n": n}).code) for n in (1, 2, 3)] == [[1, 4], [2, 4], [2, 3, 4]]


def test_included_files(tmp_path: Path) -> None:
    (tmp_path / "main.S").write_text('.include "constants.S"\n.word N\n.include "code.S"\n')
    (tmp_path / "constants.S").write_text(".equ N, 7\n")
    (tmp_path / "code.S").write_text("\nbreak 1, 2, 3\n")
    with pytest.raises(AssemblyError, match=r"^code\.S:2: "):
        assemble_file(tmp_path / "main.S", rows=CORE)
    (tmp_path / "code.S").write_text("break\n")
    code = assemble_file(tmp_path / "main.S", rows=CORE, big_endian=True).code
    assert code == bytes.fromhex("00000007 0000000d")


# -- mistakes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("source", "message"), [
    ("nop\nnop\nfrob $t0", r"^<source>:3: .*no instruction 'frob'"),
    ("lw $t0, missing($t1)", r"^<source>:1: 'missing' is not defined$"),
    ("loop:\nb lop", r"'lop' is not defined; nearest: loop"),
    ("b 1f", "there is no label '1' after this"),
    ("li $t0, later\nlater = 1", r"^<source>:1: 'later' is not defined before this"),
    ("li $t0, 0x123456789", "does not fit 32 bits; use dli"),
    ("a:\na:", r"^<source>:2: 'a' is defined already, at <source>:1; give one of them another name"),
    ("a = b\nb = a", r"'b' is not defined"),
    (".byte 256", "256 is 0x100, which does not fit 8 bits"),
    (".byte 1\n.word 2", r"not a multiple of 4; write \.balign 4 before it, or \.4byte"),
    (".byte 1\nnop", r"instruction at 0x80100001, which is not a multiple of 4"),
    (".worb 1", r"unknown directive '\.worb'; nearest: \.word"),
    (".data", "there is one section"),
    (".set reorder", "delay slots are never filled"),
    (".set bogus", "unknown option"),
    (".align 40", "write an exponent"), (".balign 3", "write a power of two"),
    (".space 8\n.org 4", "but the program is at 0x80100008 already"),
    (".space -1", "a program has at most"),
    (".ascii bare", "write it in double quotes"), (r'.ascii "\q"', r"found \\q in a string"),
    (".globl nobody", r"\.globl nobody: 'nobody' is not defined"),
    (".if 1\nnop", r"^<source>:1: this \.if has no \.endif"),
    (".endif", r"\.endif without an \.if"), (".else", r"\.else without an \.if"),
    (".endm", r"without a \.macro"),
    (".macro m\nnop", r"\.macro m has no \.endm"),
    (".macro m a, b\n.endm\nm 1", r"^<source>:3: macro 'm' needs 'b'; write m a, b"),
    (".macro m a\n.endm\nm 1, 2", "takes 1 operands, found 2"),
    (".macro m\nfrob\n.endm\nnop\nm", r"^<source>:2 \(in a macro used at <source>:5\): .*'frob'"),
    (".macro m\nm\n.endm\nm", "does it use itself without an end"),
    (".macro m\nm\nm\n.endm\nm", "does it use itself without an end"),
    ('.include "x.S"', "this source comes without files"),
    (".word 1 +", r"found nothing in '1 \+'; write a number or a symbol there"),
    (".word 1,,2", "found nothing in ''"), (".word (1", r"'\(' that no '\)' closes"),
    (".word 1 1", "found '1' in '1 1' where the expression could end"),
    (".word @", "found '@'"), (".word 1 / 0", "divided by 0"), (".word 1 << 99", "it can be 0 to 63"),
    (".equ x", r"\.equ takes 2 operands, found 1"), (".equ 1x, 2", "write the name of a symbol"),
    (".if later\n.endif\nlater = 1", "a condition uses only what stands before it"),
    ('.error "give PAGE_SHIFT"', r"^<source>:1: give PAGE_SHIFT$"),
])
def test_errors_teach(source: str, message: str) -> None:
    with pytest.raises(AssemblyError, match=message):
        program(source)
