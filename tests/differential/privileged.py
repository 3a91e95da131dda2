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
from vmm.arch.cp0.registers import REGISTERS, Config1, Config3
from vmm.arch.models import CpuModel, find_model

SYSCALLS_AT = 0x8020_0000
"""1 MiB of SYSCALL instructions."""
KERNEL, SUPERVISOR, USER = 0, 8, 16
NOT_PROBED = frozenset({"Count", "Compare", "Random", "Debug", "PRId", "Status", "EBase", "Wired", "Index", "PageMask",
                        "LLAddr", "PWCtl", "SegCtl0", "SegCtl1", "SegCtl2", "CMGCRBase", "Config7", "Config6", "GuestCtl0",
                        "GuestCtl0Ext", "GuestCtl1", "GuestCtl2", "GTOffset", "MAAR", "MAARI"})
"""Live, dangerous to the program itself, or without a legal random value."""
MASKS = (0, 0x6000, 0x1_E000, 0x7_E000, 0x1F_E000, 0x7F_E000)


def sx(word: int) -> int:
    return (word & 0xFFFF_FFFF ^ 0x8000_0000) - 0x8000_0000 & (1 << 64) - 1


class Writer:
    """Random cases for one model."""

    def __init__(self, model: CpuModel, big_endian: bool, seed: int) -> None:
        self.model, self.random = model, random.Random(seed)
        self.p = Program(model.bits, big_endian)
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
            if register not in self.model.root or register.name in NOT_PROBED:
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
        insn = r.choice(self.FAULTS)
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

    def soft_interrupts(self, n: int) -> None:
        r = self.random
        spacing, lines, iv = r.choice((0, 1, 2, 4, 8, 16)), r.randrange(1, 4), r.randrange(2)
        text = (self.move_to(12, spacing << 5, 1) + self.move_to(13, lines << 8 | iv << 23)
                + self.move_to(12, 0x1000_0001 | r.randrange(4) << 8) + "ehb\nnop\nnop\nsyscall\n")
        self.p.case(f"interrupt lines {lines} VS {spacing} IV {iv} #{n}", text,
                    self.move_to(13, 0) + self.move_to(12, 0, 1))

    def kinds(self) -> dict[str, Callable[[int], None]]:
        return {"masks": self.masks, "status": self.status, "faults": self.faults, "tlb": self.tlb,
                "segments": self.segments, "interrupts": self.soft_interrupts}


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
