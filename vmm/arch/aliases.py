"""Other ways to write one instruction: ``ALIASES``, tried in this order, after the rows.

Invariant: an alias is a row with some fields fixed or tied; it encodes to one word of that row, and is never
a row itself.
"""
from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Alias:
    """``syntax`` writes ``row`` with ``fixed`` fields; ``shown``: what prints aliases prints it."""
    syntax: str
    row: str
    fixed: tuple[tuple[str, int], ...]
    shown: bool


def shown(syntax: str, row: str, **fixed: int) -> Alias:
    return Alias(syntax, row, tuple(fixed.items()), True)


def accepted(syntax: str, row: str, **fixed: int) -> Alias:
    return Alias(syntax, row, tuple(fixed.items()), False)


ALIASES: tuple[Alias, ...] = (
    shown("nop", "sll", rt=0, rd=0, sa=0),
    shown("ssnop", "sll", rt=0, rd=0, sa=1),
    shown("ehb", "sll", rt=0, rd=0, sa=3),
    shown("pause", "sll", rt=0, rd=0, sa=5),

    shown("b {off}", "beq", rs=0, rt=0),
    shown("beqz {rs}, {off}", "beq", rt=0),
    shown("bnez {rs}, {off}", "bne", rt=0),
    shown("beqzl {rs}, {off}", "beql", rt=0),
    shown("bnezl {rs}, {off}", "bnel", rt=0),
    shown("bal {off}", "bgezal", rs=0),
    shown("jr {rs}", "jalr", rd=0),                            # the only way from release 6 on
    shown("jr.hb {rs}", "jalr.hb", rd=0),
    shown("jrc {rt}", "jic", offset=0),
    shown("jalrc {rt}", "jialc", offset=0),
    accepted("j {rs}", "jr"),
    accepted("j {rs}", "jalr", rd=0),
    accepted("jal <{rd=31}, >{rs}", "jalr"),
    accepted("cop2 {cofun:x}", "c2"),

    shown("move {rd}, {rs}", "or", rt=0),
    shown("move {rd}, {rs}", "addu", rt=0),
    shown("move {rd}, {rs}", "daddu", rt=0),
    shown("not {rd}, {rs}", "nor", rt=0),
    shown("neg {rd}, {rt}", "sub", rs=0),
    shown("negu {rd}, {rt}", "subu", rs=0),
    shown("dneg {rd}, {rt}", "dsub", rs=0),
    shown("dnegu {rd}, {rt}", "dsubu", rs=0),
    shown("li {rt}, {imm}", "addiu", rs=0),
    shown("li {rt}, {imm:x}", "ori", rs=0),
    accepted("li {rt}, {imm*65536:x}", "lui"),
    accepted("li {rt}, {imm*65536:s}", "lui"),

    # An immediate where a register could stand, and a register where a shift amount could.
    accepted("add {rt}, {rs}, {imm}", "addi"),
    accepted("addu {rt}, {rs}, {imm}", "addiu"),
    accepted("dadd {rt}, {rs}, {imm}", "daddi"),
    accepted("daddu {rt}, {rs}, {imm}", "daddiu"),
    accepted("and {rt}, {rs}, {imm:x}", "andi"),
    accepted("or {rt}, {rs}, {imm:x}", "ori"),
    accepted("xor {rt}, {rs}, {imm:x}", "xori"),
    accepted("slt {rt}, {rs}, {imm}", "slti"),
    accepted("sltu {rt}, {rs}, {imm}", "sltiu"),
    accepted("sll {rd}, {rt}, {rs}", "sllv"),
    accepted("srl {rd}, {rt}, {rs}", "srlv"),
    accepted("sra {rd}, {rt}, {rs}", "srav"),
    accepted("rotr {rd}, {rt}, {rs}", "rotrv"),
    accepted("dsll {rd}, {rt}, {rs}", "dsllv"),
    accepted("dsrl {rd}, {rt}, {rs}", "dsrlv"),
    accepted("dsra {rd}, {rt}, {rs}", "dsrav"),
    accepted("drotr {rd}, {rt}, {rs}", "drotrv"),

    # Release 6 opcodes that want their registers in one order, and other ways to write its instructions.
    accepted("beqc {rt}, {rs}, {off}", "beqc"),
    accepted("bnec {rt}, {rs}, {off}", "bnec"),
    accepted("bovc {rt}, {rs}, {off}", "bovc"),
    accepted("bnvc {rt}, {rs}, {off}", "bnvc"),
    accepted("bgtc {rt}, {rs}, {off}", "bltc"),
    accepted("blec {rt}, {rs}, {off}", "bgec"),
    accepted("bgtuc {rt}, {rs}, {off}", "bltuc"),
    accepted("bleuc {rt}, {rs}, {off}", "bgeuc"),
    accepted("lapc {rs}, {imm*4:p}", "addiupc"),
    accepted("dahi {rs}, {imm:x}", "dahi"),
    accepted("dati {rs}, {imm:x}", "dati"),

    # Two operands: the first is source and destination.
    accepted("addi {rt,rs}, {imm}", "addi"),
    accepted("addiu {rt,rs}, {imm}", "addiu"),
    accepted("daddiu {rt,rs}, {imm}", "daddiu"),
    accepted("andi {rt,rs}, {imm:x}", "andi"),
    accepted("ori {rt,rs}, {imm:x}", "ori"),
    accepted("xori {rt,rs}, {imm:x}", "xori"),
    accepted("addu {rd,rs}, {rt}", "addu"),
    accepted("subu {rd,rs}, {rt}", "subu"),
    accepted("daddu {rd,rs}, {rt}", "daddu"),
    accepted("dsubu {rd,rs}, {rt}", "dsubu"),

    # Amounts, positions and sizes that the encoding named by the mnemonic cannot hold.
    accepted("dsll {rd}, {rt}, {sa+32}", "dsll32"),
    accepted("dsrl {rd}, {rt}, {sa+32}", "dsrl32"),
    accepted("dsra {rd}, {rt}, {sa+32}", "dsra32"),
    accepted("drotr {rd}, {rt}, {sa+32}", "drotr32"),
    accepted("dext {rt}, {rs}, {lsb}, {msbd+33}", "dextm"),
    accepted("dext {rt}, {rs}, {lsb+32}, {msbd+1}", "dextu"),
    accepted("dins {rt}, {rs}, {lsb}, {msb-lsb+33}", "dinsm"),
    accepted("dins {rt}, {rs}, {lsb+32}, {msb-lsb+1}", "dinsu"),
)
