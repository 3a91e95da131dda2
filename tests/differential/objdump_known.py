"""Where our disassembler and GNU objdump 2.40 differ on purpose, and why; everything else that differs is a finding.

Three kinds of rows: what objdump takes for an instruction and no core here has, what it leaves out, and what it spells
otherwise.  A row says as narrowly as it can which words it is about.  (MD00087, chapter 3 and appendix A; the manuals
of the extensions)
"""
from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from vmm.arch.insns import ROWS

NONE = ".word"
"""What stands for a word that is no instruction."""
RELEASES = frozenset((1, 2, 3, 5, 6))
BEFORE_6 = RELEASES - {6}


def _names(*ases: str) -> str:
    return "|".join(sorted({re.escape(row.name) for row in ROWS if row.ase in ases}))


@dataclass(frozen=True, slots=True)
class Decision:
    """One takes the word for an instruction, the other does not.  ``theirs``: what objdump says; ``ours``: our mnemonic."""
    kind: str
    reason: str
    ours: re.Pattern[str]
    theirs: re.Pattern[str]
    releases: frozenset[int]
    widths: frozenset[int]
    mask: int
    values: frozenset[int]
    needs: int

    def holds(self, release: int, bits: int, word: int, ours: str, theirs: str) -> bool:
        return (release in self.releases and bits in self.widths and word & self.mask in self.values
                and (not self.needs or bool(word & self.needs))
                and bool(self.ours.fullmatch(ours) and self.theirs.fullmatch(theirs)))


def _absent(kind: str, names: str, reason: str, *, releases: frozenset[int] = RELEASES,
            widths: tuple[int, ...] = (32, 64), mask: int = 0, values: tuple[int, ...] = (0,)) -> Decision:
    """An instruction of objdump's alone."""
    return Decision(kind, reason, re.compile(re.escape(NONE)), re.compile(names), releases, frozenset(widths), mask,
                    frozenset(values), 0)


def _beyond(kind: str, names: str, reason: str, needs: int = 0, *, releases: frozenset[int] = RELEASES,
            widths: tuple[int, ...] = (32, 64)) -> Decision:
    """An instruction of ours alone; ``needs``: at least one of these bits of the word is set."""
    return Decision(kind, reason, re.compile(names), re.compile(r"\.word|c1"), releases, frozenset(widths), 0,
                    frozenset((0,)), needs)


OPCODE = 0xFC00_0000
MDMX_OR_MSA, SPECIAL2, SPECIAL3, COP3 = (code << 26 for code in (0b011110, 0b011100, 0b011111, 0b010011))
MFTR, MTTR = 0x4100_0000, 0x4180_0000

DECISIONS = (
    # -- the coprocessors' opcodes
    _absent("c0", "c0", "CO = 1 and a function that the manual's tables do not have is reserved; binutils names the "
            "whole space", mask=0xFE00_0000, values=(0x4200_0000,)),
    _absent("c1", "c1", "a format of COP1 from 16 on and a function that the manual's tables do not have is "
            "reserved; binutils names the whole space", mask=0xFE00_0000, values=(0x4600_0000,)),
    _absent("cop2", "mfhc2|mthc2", "COP2's moves have 16 bits of the implementation's; ours are a register and a select, "
            "and any other word is Coprocessor Unusable without a name", mask=0xFF60_0000, values=(0x4860_0000,)),
    _absent("cop3", "c3|[mc][ft]c3|bc3[tf]l?", "the opcode is COP1X's from MIPS64 and release 2 on, and no core of release "
            "1 here has a coprocessor 3", releases=frozenset((1,)), widths=(32,), mask=OPCODE, values=(COP3,)),
    # -- extensions that no core here has, or not in this release
    _absent("udi", r"udi1?\d", "user-defined instructions (CorExtend)", mask=OPCODE, values=(SPECIAL2,)),
    _absent("MCU", "aclr|aset|iret", "the MCU extension"),
    _absent("MT", "fork|yield|[de]mt|[de]vpe", "the multi-threading extension", releases=RELEASES - {1}),
    _absent("MT", ".*", "the multi-threading extension", releases=RELEASES - {1}, mask=0xFFE0_0000,
            values=(MFTR, MTTR)),
    _absent("SmartMIPS", "lwxs|mflhxu|mtlhx|maddp|multp|pperm", "the SmartMIPS extension", releases=BEFORE_6,
            widths=(32,)),
    _absent("SmartMIPS rotations", "rorv?", "the SmartMIPS extension has rotations in release 1", releases=frozenset((1,)),
            widths=(32,)),
    _absent("MIPS-3D", r"(addr|mulr)\.ps|cvt\.(pw\.ps|ps\.pw)|(recip|rsqrt)[12]\.(s|d|ps)|bc1any[24][tf]|cabs\..*",
            "the MIPS-3D extension", releases=BEFORE_6),
    _absent("MDMX", ".*", "the MDMX extension, in the opcode that is MSA's from release 5 on", releases=frozenset((1,)),
            widths=(64,), mask=OPCODE, values=(MDMX_OR_MSA,)),
    _absent("MDMX moves", r"mov[ftzn]\.l", "moves of the MDMX extension", releases=frozenset((1,)), widths=(64,)),
    _absent("MSA before 5", _names("MSA") + "|d?lsa", "MSA needs release 5 (MD00866); binutils wants 2",
            releases=frozenset((2, 3))),
    _absent("DSP of 64 bits", r"\w+[.](\w+[.])*(ob|qh|pw)\w*([.]\w+)?|dextp?d?p?v?"
            r"|dextr\w*[.][lhw]|dinsv|dm(add|sub)u?|dmthlip|dshilov?|ldx|prependd|precrq\.pw\.l",
            "the DSP extension of 64-bit cores", releases=frozenset((2, 3, 5)), widths=(64,), mask=OPCODE,
            values=(SPECIAL3,)),
    _absent("DSP of 64 bits", "bposge64", "the DSP extension of 64-bit cores", releases=frozenset((2, 3, 5)),
            widths=(64,)),
    _absent("DSP in 6", _names("DSP", "DSPR2") + "|bposge32c", "the DSP extension in release 6: no core here has both",
            releases=frozenset((6,))),
    _absent("EVA in 6", "(llw|scw)pe", "paired accesses with the user's mapping: no core of release 6 here has EVA",
            releases=frozenset((6,))),
    # -- releases and widths
    _absent("MIPS64 release 1", r"[ls][dwu]xc1|n?m(add|sub)\.[sd]|(recip|rsqrt)\.[sd]|prefx",
            "MIPS64 has them in release 1, MIPS32 from release 2 on; our rows say 2, as no core of release 1 here has "
            "coprocessor 1", releases=frozenset((1,)), widths=(64,)),
    _beyond("L in MIPS32 release 1", r"(ceil|floor|round|trunc|cvt)\.l\.[sd]|cvt\.[sd]\.l", "MIPS64 has the format L in "
            "release 1, MIPS32 from release 2 on; our rows say 1, as no core of release 1 here has coprocessor 1",
            releases=frozenset((1,)), widths=(32,)),
    _absent("hazards", r"j(al)?r\.hb", "JR.HB and JALR.HB are of release 2 (MD00087); binutils has them in release 1",
            releases=frozenset((1,))),
    _absent("64 bits", "dm[ft]gc0", "DMFGC0 and DMTGC0 are of MIPS64 (MD00846, 6); binutils has them on MIPS32, too",
            widths=(32,)),
    _absent("DAUI", "daui", "DAUI is of MIPS64 (MD00087 revision 6, AUI); binutils has it on MIPS32, too",
            releases=frozenset((6,)), widths=(32,)),
    _absent("left in 6", "dct[rw]|cvt\\.s\\.p[ul]", "removed, or never there, in release 6 (MD00087 revision 6, "
            "appendix A)", releases=frozenset((6,))),
    # -- fields that binutils wants to be zero
    _beyond("nal", "nal", "NAL ignores its offset (MD00087 revision 6, NAL); binutils knows offset 0", 0xFFFF,
            releases=frozenset((6,))),
    _beyond("rddsp", "rddsp", "the mask has 10 bits (MD00374, RDDSP); binutils knows 6", 0x03C0_0000),
    _beyond("wrdsp", "wrdsp", "the mask has 10 bits (MD00374, WRDSP); binutils knows 6", 0x3C0 << 11),
    _beyond("rdhwr", "rdhwr", "the select of release 6 is a part of our row in every release, as KVM reads it", 0x1C0,
            releases=BEFORE_6),
    _beyond("ginvi", "ginvi", "bits 9 and 8 are the type of GINVT, and our GINVI ignores them; binutils wants 0", 0x300,
            releases=frozenset((6,))),
    _beyond("ginvgt", "ginvgt", "binutils does not know GINVGT, and no manual at hand says that this is its encoding",
            releases=frozenset((6,))),
)


@dataclass(frozen=True, slots=True)
class Spelling:
    """What turns our line into theirs."""
    kind: str
    reason: str
    pattern: re.Pattern[str]
    rewrite: Callable[[re.Match[str], int, int], str]


def _spelling(kind: str, pattern: str, rewrite: str | Callable[[re.Match[str], int, int], str], reason: str) -> Spelling:
    if isinstance(rewrite, str):
        template = rewrite
        return Spelling(kind, reason, re.compile(pattern), lambda found, word, address: found.expand(template))
    return Spelling(kind, reason, re.compile(pattern), rewrite)


def _two_destinations(found: re.Match[str], word: int, address: int) -> str:
    """A register 0 counts for neither."""
    named = dict.fromkeys(n for n in (word >> 11 & 31, word >> 16 & 31) if n) or (0,)
    return f"{found[1]} {' or '.join(f'${n}' for n in named)},{found[2]}"


def _unsigned_size(found: re.Match[str], word: int, address: int) -> str:
    return f"{found[1]}{int(found[2], 16) & 0xFFFF_FFFF:#x}"


def _address(found: re.Match[str], word: int, address: int) -> str:
    return f"lapc {found[1]},{address + int(found[2]):#x}"


MSA_CONTROL = ("msa_ir", "msa_csr", "msa_access", "msa_save", "msa_modify", "msa_request", "msa_map", "msa_unmap")


def _control_name(found: re.Match[str], word: int, address: int) -> str:
    number = int(found[2])
    return f"{found[1]}{MSA_CONTROL[number] if number < len(MSA_CONTROL) else found[2]}{found[3]}"


SPELLINGS = (
    _spelling("clz", r"(d?cl[oz]) \$\d+,(\$\d+)", _two_destinations,
              "before release 6 the destination stands twice; two that differ are UNPREDICTABLE (MD00087, CLZ)"),
    _spelling("dext, dins", r"(dext|dins)[mu] (.*)", r"\1 \2",
              "three encodings of one assembler mnemonic (MD00087, DEXT); ours has the names of the encodings"),
    _spelling("size", r"(d?ins .*)(-0x[0-9a-f]+|0x0)", _unsigned_size,
              "msb < lsb: the size is negative and the result UNPREDICTABLE (MD00087, INS); binutils prints it unsigned"),
    _spelling("ror", r"(d?)rotr(v|32)? (.*)", r"\1ror\2 \3", "ROTR is the manual's name; binutils prefers its alias"),
    _spelling("neg", r"(d?)sub(u?) (\$\d+),\$0,(.*)", r"\1neg\2 \3,\4",
              "an alias; binutils prints it even with -M no-aliases"),
    _spelling("dli", r"ori (\$\d+),\$0,(.*)", r"dli \1,\2", "an alias; binutils prints it even with -M no-aliases"),
    _spelling("pause", r"sll \$0,\$0,0x5", "pause", "a name for this shift before release 6 (MD00087, PAUSE), and so an "
              "alias in ours; binutils prints it even with -M no-aliases"),
    _spelling("lapc", r"addiupc (\$\d+),(-?\d+)", _address, "an alias; binutils prints it even with -M no-aliases"),
    _spelling("jalx", r"jalx 0x([0-9a-f]*)", lambda found, word, address: f"jalx {int(found[1], 16) | 1:#x}",
              "binutils shows the ISA mode as bit 0 of the target"),
    _spelling("pairs", r"((?:ll|sc)[wd]p \$\d+,\$\d+),\((\$\d+)\)", r"\1,\2",
              "the manual and GNU as write the base in parentheses, binutils' disassembler does not"),
    _spelling("MSA control", r"((?:cfcmsa \$\d+,|ctcmsa ))\$(\d+)(.*)", _control_name,
              "names of registers, not covered by -M reg-names=numeric"),
    _spelling("rddsp of all", r"(rddsp \$\d+),0x3ff", r"\1", "all of the mask is what the form without a mask means"),
    _spelling("wrdsp of all", r"(wrdsp \$\d+),0x3ff", r"\1", "all of the mask is what the form without a mask means"),
)


def explained(release: int, bits: int, word: int, address: int, ours: str, theirs: str) -> str | None:
    """The kind of a listed difference; ``None``: it is a finding."""
    my_name, their_name = ours.split()[0], theirs.split()[0]
    for decision in DECISIONS:
        if decision.holds(release, bits, word, my_name, their_name):
            return decision.kind
    used: list[str] = []
    line = ours
    for spelling in SPELLINGS:
        if found := spelling.pattern.fullmatch(line):
            if (changed := spelling.rewrite(found, word, address)) != line:
                used.append(spelling.kind)
                line = changed
            if line == theirs:
                return " and ".join(used)
    return None


REASONS: dict[str, str] = {row.kind: row.reason for row in (*DECISIONS, *SPELLINGS)}
