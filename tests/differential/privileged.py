"""Privileged behaviour against QEMU: write masks, exceptions in and out of slots, modes, segments, TLB.

    python -m tests.differential.privileged --cpu P5600 --seed 1 --count 400 [--kind tlb] [--big-endian]

prints every case that differs and is not explained in ``known.py``; its status is 1 if there is one.
"""
from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable

from tests.differential.known import explained
from tests.differential.program import PATTERN_AT, Program
from tests.differential.qemu import has_qemu, on_ours, on_qemu
from tests.support.engines import mnemonics_of
from vmm.arch.cp0.registers import REGISTERS, Config1, Config3
from vmm.arch.models import CpuModel, find_model

SYSCALLS_AT = 0x8020_0000
"""1 MiB of SYSCALL instructions."""
KERNEL, SUPERVISOR, USER = 0, 8, 16
NOT_PROBED = frozenset({"Count", "Compare", "Random", "Debug", "PRId", "Status", "EBase", "Wired", "Index", "PageMask",
                        "LLAddr", "PWCtl", "SegCtl1", "CMGCRBase", "Config7", "Config6", "GuestCtl0",
                        "GuestCtl0Ext", "GuestCtl1", "GuestCtl2", "GTOffset", "MAAR", "MAARI"})
"""Live, dangerous to the program itself, or without a legal random value."""
NOT_WIDE = frozenset({"SegCtl0", "SegCtl2", "PWBase", "PWField", "PWSize"})
"""QEMU has segmentation control and a page-table walker on 32-bit cores alone; elsewhere these raise RI."""
MASKS = (0, 0x6000, 0x1_E000, 0x7_E000, 0x1F_E000, 0x7F_E000)


def sx(word: int) -> int:
    return (word & 0xFFFF_FFFF ^ 0x8000_0000) - 0x8000_0000 & (1 << 64) - 1


class Writer:
    """Random cases for one model."""

    def __init__(self, model: CpuModel, big_endian: bool, seed: int) -> None:
        self.model, self.random = model, random.Random(seed)
        self.p = Program(mnemonics_of(model.name), model.bits, big_endian)
        self.faulting = [insn for insn in self.FAULTS if insn.split()[0] in (".word", *self.p.mnemonics.forms)]
        self.p.prologue = self._prologue()
        if Config3(model.reset(Config3)).BI:
            self.p.left |= {"BadInstr": (8, 1), "BadInstrP": (8, 2)}
        if model.bits == 64:
            self.p.left |= {"XContext": (20, 0)}

    # -- pieces of assembly --------------------------------------------------------------------------------------------
    def move_to(self, rd: int, value: int, sel: int = 0, rt: int = 9) -> str:
        wide = self.model.bits == 64 and (value >> 31) not in (0, (1 << 33) - 1)
        return self.p.load(rt, value) + f"{'dmtc0' if wide else 'mtc0'} ${rt}, ${rd}, {sel}\n"

    def entry(self, index: int, hi: int, mask: int, lo0: int, lo1: int) -> str:
        return (self.move_to(0, index) + self.move_to(10, hi) + self.move_to(5, mask) + self.move_to(2, lo0)
                + self.move_to(3, lo1) + "ehb\ntlbwi\nehb\n")

    def no_entry(self, index: int) -> str:
        return self.entry(index, sx(0x8000_0000 + (index << 13)), 0, 0, 0)

    def _prologue(self) -> str:
        size = Config1(self.model.reset(Config1)).MMUSize + 1
        first = self.entry(0, 0, 0x1FF_E000, 0x1F, 0x100_0000 >> 6 | 0x1F)
        others = f"""
            ori $10, $0, 1
            {self.p.load(11, sx(0x8000_2000))}
            mtc0 $0, $2
            mtc0 $0, $3
            mtc0 $0, $5
        none:
            mtc0 $10, $0
            mtc0 $11, $10
            ehb
            tlbwi
            addiu $11, $11, 0x2000
            addiu $10, $10, 1
            ori $12, $0, {size}
            bne $10, $12, none
            nop
        """
        fill = f"""
            {self.p.load(10, sx(SYSCALLS_AT))}
            {self.p.load(11, sx(SYSCALLS_AT + 0x10_0000))}
            ori $12, $0, 12
        calls:
            sw $12, 0($10)
            addiu $10, $10, 4
            bne $10, $11, calls
            nop
        """
        return first + others + self.move_to(6, 1) + self.move_to(10, 0) + self.move_to(5, 0) + fill

    def enter(self, status: int, asid: int = 0) -> str:
        """Go on with ``Status``, at the low addresses, where an entry of 16 MiB pages maps this code."""
        return (f"la $9, LOCALm\n{self.p.load(10, 0x1FFF_FFFF)}and $9, $9, $10\nmtc0 $9, $14\n"
                + self.move_to(10, asid) + self.move_to(12, status | 2) + "ehb\neret\nLOCALm:\n")

    def modes(self) -> int:
        r, wide = self.random, 0
        if self.model.bits == 64:
            wide = r.choice((0, 0xE0, r.randrange(8) << 5)) | r.choice((0, 1 << 23))
        return r.choice((KERNEL, SUPERVISOR, USER)) | r.choice((0, 0, 0, 1 << 28)) | wide

    # -- kinds of cases ------------------------------------------------------------------------------------------------
    def masks(self, n: int) -> None:
        for register in REGISTERS.values():
            unknown = NOT_PROBED | NOT_WIDE if self.model.bits == 64 else NOT_PROBED
            if register not in self.model.root or register.name in unknown:
                continue
            rd, sel = register.number
            for k, value in enumerate((0xFFFF_FFFF, 0, *(self.random.getrandbits(32) for _ in range(2)))):
                if register.name.startswith(("WatchLo", "PerfCtl")):
                    value &= ~0x1F
                wide = self.model.bits == 64 and register.bits64
                value = value | self.random.getrandbits(32) << 32 if wide and k != 1 else sx(value)
                if wide and k == 0:
                    value = (1 << 64) - 1
                move = f"{'dmfc0' if wide else 'mfc0'} $8, ${rd}, {sel}\n"
                text = (self.move_to(5, 0) + move + f"or $13, $8, $0\n{self.p.load(9, value)}"
                        + f"{'dmtc0' if wide else 'mtc0'} $9, ${rd}, {sel}\nehb\n" + move
                        + f"{'dmtc0' if wide else 'mtc0'} $13, ${rd}, {sel}\nehb\n" + self.p.log(8) + self.p.log(13))
                self.p.case(f"mask {register.name} {value:#x} #{n}", text)

    def status(self, n: int) -> None:
        value = self.random.getrandbits(32) & ~1 | 2
        self.p.case(f"status {value:#x} #{n}", self.move_to(12, value) + "ehb\nmfc0 $8, $12\n" + self.p.restore()
                    + self.p.log(8))

    FAULTS = ("addi $8, $9, 1", "add $8, $9, $9", "sub $8, $10, $9", "addu $8, $9, $9", "syscall", "break",
              "teq $0, $0", "tne $0, $0", "tlt $10, $9", "tgeiu $9, 1", "lw $8, 2($11)", "lh $8, 1($11)",
              "sw $8, 1($11)", "sh $8, 3($11)", "ll $8, 2($11)", "lw $8, 0($11)", "sb $8, 0($11)", "lw $8, 0($12)",
              ".word 0xFC000000", ".word 0x0000003F", ".word 0x48080800", "mfc0 $8, $12", "tlbp",
              "rdhwr $8, $29", "rdhwr $8, $0", "di $8", "daddu $8, $9, $9", "ld $8, 4($12)",
              "cache 0x15, 0($11)", "synci 0($11)", "pref 0, 0($11)", "wait 0x7", "swl $8, 1($11)", "lwr $8, 0($12)",
              "ext $8, $9, 3, 9", "mtc0 $8, $31", "rdpgpr $8, $9")

    def faults(self, n: int) -> None:
        r = self.random
        insn = r.choice(self.faulting)
        if insn == "wait 0x7" or (insn.startswith("rdhwr $8, $0")):
            mode = USER
        elif insn in ("di $8", "mtc0 $8, $31", "tlbp"):
            mode = r.choice((USER, SUPERVISOR))
        else:
            mode = self.modes()
        in_slot = r.random() < 0.5 and not insn.startswith("di")
        setup = (self.p.load(9, 0x7FFF_FFFF) + self.p.load(10, sx(0x8000_0000)) + self.p.load(11, r.choice(
            (0x3000_0000, sx(0xC000_0000), sx(0x9000_0000), 0x10_0000))) + self.p.load(12, 0x10_0000))
        setup = self.enter(mode).replace("eret\n", setup + "eret\n")
        branch = r.choice(("b LOCALx", "beq $0, $0, LOCALx", "bgez $0, LOCALx", "bne $0, $12, LOCALx")) + "\n"
        self.p.case(f"fault {insn} mode {mode:#x} slot {int(in_slot)} #{n}",
                    setup + (branch if in_slot else "") + insn + "\nnop\nLOCALx:\nsyscall\n")

    def bases(self) -> list[int]:
        low = [0x0400_0000, 0x1000_0000, 0x3FE0_0000, 0x4000_0000, 0x7F00_0000]
        compatible = [sx(base) for base in (0xC000_0000, 0xD000_0000, 0xE000_0000, 0xFF00_0000)]
        if self.model.bits == 32:
            return low + compatible
        top = (1 << self.model.segbits) - (1 << 25)
        wide = [1 << 32, top, 1 << 62 | 1 << 25, 1 << 62 | top, 3 << 62 | 1 << 25, 3 << 62 | top & ~(1 << 35)]
        return low + compatible + wide

    def lo(self, mask: int, code: bool) -> int:
        r = self.random
        pages = (mask | 0x1FFF) + 1 >> 1
        pfn = (0x20_0000 if code else 0x10_0000) if pages <= 0x10_0000 else 0
        if pages < 0x10_0000:
            pfn += r.randrange(0x10_0000 // pages) * pages
        flags = r.choice((7, 6, 3, 2, 0, 7, 7)) | 3 << 3
        inhibit = r.choice((0, 0, 0, 1, 2, 3))
        at = 62 if self.model.bits == 64 else 30
        return pfn >> 6 | flags | inhibit << at

    def tlb(self, n: int) -> None:
        r, asid = self.random, self.random.choice((0, 5, 0x85))
        bases = r.sample(self.bases(), 3)
        text, places, after = [], [], ""
        what = r.choice(("lw", "sw", "lw", "jr", "tlbp", "sb", "lhu"))
        for index, base in enumerate(bases, 1):
            mask = r.choice(MASKS)
            tag = r.choice((asid, asid, 0x33))
            shared = r.choice((0, 0, 1))
            lo0, lo1 = (self.lo(mask, what == "jr") | shared for _ in range(2))
            text.append(self.entry(index, base & ~(mask | 0x1FFF) | tag, mask, lo0, lo1))
            places.append((base & ~(mask | 0x1FFF), mask | 0x1FFF))
            after += self.no_entry(index)
        grain = r.choice((0, 0xC000_0000, 0xC800_0000, 0x8800_0000))
        text.insert(0, self.move_to(5, grain, 1))
        base, inside = r.choice(places)
        va = base + r.randrange(inside + 1) & ~3 if r.random() < 0.9 else r.choice(self.bases())
        mode = self.modes()
        big_page = inside >= 0x7F_FFFF
        if big_page:
            half = inside + 1 >> 1
            va = va & ~(half - 1) | 0x20_0000 | va & 0xF_FFFC
        if what == "tlbp":
            text.append(self.move_to(10, va & ~0x1FFF | asid) + "ehb\ntlbp\nehb\nmfc0 $8, $0\nbltz $8, LOCALx\nnop\n"
                        + "tlbr\nehb\n" + self.p.log(8) + self.logs((10, 2, 3, 5)) + "LOCALx:\nsrl $8, $8, 31\n"
                        + self.p.log(8))
        elif what == "jr":
            text.append(self.access(mode, asid, va, "jr $11\nnop\nsyscall\n"))
        else:
            text.append(self.access(mode, asid, va - 4, f"{what} $8, 4($11)\nsyscall\n"))
        self.p.case(f"tlb {what} {va:#x} mode {mode:#x} grain {grain:#x} #{n}", "".join(text),
                    after + self.move_to(5, 0) + self.move_to(5, 0, 1) + self.move_to(10, 0))

    def logs(self, registers: tuple[int, ...]) -> str:
        return "".join(self.p.move_from(8, rd, 0) + self.p.log(8) for rd in registers)

    def access(self, mode: int, asid: int, va: int, insns: str) -> str:
        return self.enter(mode, asid).replace("eret\n", self.p.load(11, va) + "eret\n") + insns

    def segments(self, n: int) -> None:
        r = self.random
        places = [sx(base + r.randrange(-2, 2) * 4) for base in (0x8000_0000, 0xA000_0000, 0xC000_0000, 0xE000_0000,
                                                                 0x8000_0000, 0)]
        places += [sx(PATTERN_AT + r.randrange(0x1000) * 4), sx(PATTERN_AT + 0x2000_0000 + r.randrange(0x1000) * 4)]
        if self.model.bits == 64:
            seg, phys = 1 << self.model.segbits, 1 << self.model.pabits
            places += [region << 62 | offset for region in range(4)
                       for offset in (0x8000_0000, seg - 4, seg, seg + 0x10_0000, 0x1234_5678_9ABC_DEF0 & (1 << 62) - 1)]
            places += [2 << 62 | cca << 59 | 0x10_0000 + r.randrange(0x1000) * 4 for cca in range(8)]
            places += [2 << 62 | 3 << 59 | phys, 2 << 62 | 3 << 59 | 1 << 58]
        va, mode = r.choice(places), self.modes()
        what = r.choice(("lw $8, 4($11)", "sw $8, 4($11)", "lb $8, 4($11)", "lw $8, 5($11)", "jr $11"))
        if what == "jr $11" and (va & 0xFFFF_FFFF) >> 29 in (4, 5):
            what = "lw $8, 4($11)"
        if what.startswith("sw"):
            mode = mode & ~0x18 | USER
        base = va if what == "jr $11" else va - 4
        self.p.case(f"segment {what} {va:#x} mode {mode:#x} #{n}",
                    self.access(mode, 0, base, what + "\nnop\nsyscall\n"))

    def segment_control(self, n: int) -> None:
        """Any layout in which the program itself still runs: kseg0, and user code at the bottom."""
        r = self.random
        mode = self.modes()

        def config(modes: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 7)) -> int:
            return r.choice((0, 0, r.randrange(8))) << 9 | r.choice(modes) << 4 | r.randrange(2) << 3 | 3

        bottom = config((3, 4)) if mode & 0x18 else config((3, 4, 7))
        bottom = bottom & 0x7F if (bottom >> 4 & 7) == 7 else bottom
        layout = (self.move_to(5, config() << 16 | config(), 2) + self.move_to(5, 0x0003_0000 | config(), 3)
                  + self.move_to(5, bottom << 16 | config(), 4))
        base = r.choice((0x1000_0000, 0x4000_0000, 0x7000_0000, 0xA000_0000, 0xC000_0000, 0xE000_0000))
        va = sx(base + 0x10_0000 + r.randrange(0x1000) * 4)
        erl = r.choice((0, 0, 0, 4)) if not mode & 0x18 else 0
        enter = self.enter(mode) if mode & 0x18 else layout + self.move_to(12, mode | erl) + "ehb\n"
        if mode & 0x18:
            enter = enter.replace("la $9", layout + "ehb\nla $9")
        text = enter.replace("eret\n", self.p.load(11, va) + "eret\n") if mode & 0x18 else (
            enter + self.p.load(11, va))
        self.p.case(f"segctl {va:#x} mode {mode:#x} erl {erl} #{n}", text + "lw $8, 0($11)\nsyscall\n",
                    self.move_to(5, 0x0020_0010, 2) + self.move_to(5, 0x0003_0002, 3)
                    + self.move_to(5, 0x003A_043A, 4) + "ehb\n")

    def walker(self, n: int) -> None:
        """Random tables of one or two directories, with huge pages, good and bad pointers, and one access."""
        r = self.random
        root, directory, table = 0x8040_0000, 0x8041_0000, 0x8042_0000
        huge, dph, psn, ptew = r.randrange(2), r.randrange(2), r.choice((6, 7, 8)), r.randrange(2)
        pti, ptw = r.choice((12, 12, 14, 16)), r.choice((4, 6, 8))
        mdi = r.choice((pti + ptw, 20, 21))
        mdw, gdw = r.choice((0, 3, 5)), r.choice((0, 2, 4))
        gdi, ptei = mdi + max(mdw, 1), r.choice((6, 6, 7, 2, 8))
        shift, leaf = 2 + (ptew & huge), 2 + ptew
        va = r.choice((0x1000_0000, 0xC000_0000)) | r.getrandbits(26) & ~3
        text, levels = "", []
        if gdw:
            levels.append((root, gdi, gdw))
        if mdw:
            levels.append((directory if gdw else root, mdi, mdw))
        following = [*(base for base, _, _ in levels[1:]), table][:len(levels)]
        for (base, index, width), to in zip(levels, following, strict=True):
            at = base | (va >> index & (1 << width) - 1) << shift
            bad = r.random() < 0.07
            word = r.choice((0, to | 1, 0x3000_0000)) if bad else to
            if huge and r.random() < 0.3:
                word = self.table_entry(ptei, 0x20_0000 >> 12) | 1 << psn
                text += self.poke(at ^ 1 << leaf, self.table_entry(ptei, 0x30_0000 >> 12))
                text += self.poke((at ^ 1 << leaf) + 4, 0) if leaf == 3 else ""
            text += self.poke(at, word) + (self.poke(at + 4, 0) if shift == 3 else "")
        pair = table | (va >> pti & (1 << ptw) - 1) >> 1 << leaf + 1
        pages = 0x10_0000 >> 12
        for half in range(2):
            text += self.poke(pair + (half << leaf), self.table_entry(ptei, pages + r.randrange(16) * 16))
            text += self.poke(pair + (half << leaf) + 4, 0) if leaf == 3 else ""
        field = gdi << 24 | 2 << 18 | mdi << 12 | pti << 6 | ptei
        size = gdw << 24 | mdw << 12 | ptw << 6 | ptew
        text += (self.move_to(5, 0xC800_0000, 1) + self.move_to(5, root, 5) + self.move_to(5, field, 6)
                 + self.move_to(5, size, 7) + self.move_to(6, 1 << 31 | dph << 7 | huge << 6 | psn, 6) + "ehb\n")
        insn = r.choice(("lw $8, 0($11)", "lw $8, 0($11)", "sw $0, 0($11)"))
        text += self.p.load(11, va) + insn + "\nehb\n" + self.move_to(6, 0, 6) + "ehb\n" + (
            self.move_to(10, va & ~0x1FFF) + "ehb\ntlbp\nehb\ntlbr\nehb\nmfc0 $9, $0\nsrl $9, $9, 31\n"
            + self.p.log(8) + self.p.log(9)
            + "mfc0 $9, $5\nori $9, $9, 0x1FFF\nnor $9, $9, $0\nmfc0 $8, $10\nand $8, $8, $9\n"
            + self.p.log(8) + self.logs((2, 3, 5)))
        self.p.case(f"walk {va:#x} field {field:#x} size {size:#x} huge {huge} dph {dph} psn {psn} #{n}", text,
                    self.move_to(6, 0, 6) + self.move_to(5, 0, 1) + self.flush())

    def poke(self, address: int, word: int) -> str:
        return self.p.load(9, address) + self.p.load(10, word) + "sw $10, 0($9)\n"

    def table_entry(self, ptei: int, pfn: int) -> int:
        """A page as the walker finds it: EntryLo shifted up, with RI and XI below."""
        r = self.random
        lo = pfn << 6 | 3 << 3 | r.choice((7, 7, 6, 3, 2, 0))
        return lo << ptei & 0xFFFF_FFFF | r.choice((0, 0, 0, 1, 2)) << ptei - 2 & 0xFFFF_FFFF

    def flush(self) -> str:
        """Every entry but the wired one to an address of its own."""
        n = len(self.p.names)
        size = Config1(self.model.reset(Config1)).MMUSize + 1
        return f"""
            ori $10, $0, 1
            {self.p.load(11, 0x8000_2000)}
            mtc0 $0, $2
            mtc0 $0, $3
            mtc0 $0, $5
        flush{n}:
            mtc0 $10, $0
            mtc0 $11, $10
            ehb
            tlbwi
            addiu $11, $11, 0x2000
            addiu $10, $10, 1
            ori $12, $0, {size}
            bne $10, $12, flush{n}
            nop
            mtc0 $0, $10
            ehb
        """

    def soft_interrupts(self, n: int) -> None:
        r = self.random
        spacing, lines, iv = r.choice((0, 1, 2, 4, 8, 16)), r.randrange(1, 4), r.randrange(2)
        text = (self.move_to(12, spacing << 5, 1) + self.move_to(13, lines << 8 | iv << 23)
                + self.move_to(12, 0x1000_0001 | r.randrange(4) << 8) + "ehb\nnop\nnop\nsyscall\n")
        self.p.case(f"interrupt lines {lines} VS {spacing} IV {iv} #{n}", text,
                    self.move_to(13, 0) + self.move_to(12, 0, 1))

    def kinds(self) -> dict[str, Callable[[int], None]]:
        kinds = {"masks": self.masks, "status": self.status, "faults": self.faults, "tlb": self.tlb,
                 "segments": self.segments, "interrupts": self.soft_interrupts}
        if Config3(self.model.reset(Config3)).SC and self.model.bits == 32:
            kinds["segctl"] = self.segment_control
        if Config3(self.model.reset(Config3)).PW and self.model.bits == 32:
            kinds["walker"] = self.walker
        return kinds


def write(cpu: str, big_endian: bool, seed: int, count: int, only: str | None = None) -> Program:
    """``count`` cases of every kind; write masks are complete in one."""
    writer = Writer(find_model(cpu), big_endian, seed)
    for name, make in writer.kinds().items():
        if only in (None, name):
            for n in range(1 if name == "masks" else count):
                make(n)
    return writer.p


def differences(cpu: str, program: Program, engine: str = "native") -> list[str]:
    """Cases that end in another way on QEMU than on our machine, and that nothing explains."""
    words = program.words()
    ours = program.read(on_ours(words, cpu, program.big_endian, engine))
    theirs = program.read(on_qemu(words, cpu, program.bits, program.big_endian))
    found = []
    for name in program.names:
        mine, other = ours.get(name, ()), theirs.get(name, ())
        if mine != other and not explained(name, mine, other, list(program.left)):
            found.append(f"{name}\n  ours {_shown(program, mine)}\n  QEMU {_shown(program, other)}")
    return found


def _shown(program: Program, words: tuple[int, ...]) -> str:
    names = ["vector", *program.left, "r8"]
    if len(words) == len(names):
        return " ".join(f"{name}={word:#x}" for name, word in zip(names, words, strict=True))
    return " ".join(f"{word:#x}" for word in words)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cpu", default="P5600")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--kind")
    parser.add_argument("--engine", default="native")
    parser.add_argument("--big-endian", action="store_true")
    options = parser.parse_args()
    bits = find_model(options.cpu).bits
    if not has_qemu(bits, options.big_endian):
        print("QEMU for this machine is not installed", file=sys.stderr)
        return 125
    program = write(options.cpu, options.big_endian, options.seed, options.count, options.kind)
    found = differences(options.cpu, program, options.engine)
    print("\n".join(found))
    print(f"{options.cpu} seed {options.seed}: {len(program.names)} cases, {len(found)} differ")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
