"""A program for several VPs of one core, as an image: CPU 0 starts the others by the CPC, sends each an interrupt by the
GIC, all count up one number with LL and SC, each waits for an interrupt of its GIC timer, and CPU 0 prints what was found.

It runs on this machine and on QEMU's Malta with CPS (``-cpu I6400 -smp N``), and prints the same on both.  With several
clusters of one core each, which QEMU has not, CPU 0 reaches the others through its blocks of others, as Linux does.
"""
from __future__ import annotations

from functools import cache

from tests.support.engines import mnemonics_of
from vmm.arch.assembler import assemble
from vmm.guest.elfwriter import executable
from vmm.guest.image import Segment

BASE = 0xFFFF_FFFF_8010_0000
ROUNDS = 100
FIRST_IPI = 40
GIC_AT, CPC_AT = 0x1BDC_0000, 0x1BDE_0000
IPI_PIN, TIMER_PIN = 1, 2
IM = 0x400 << IPI_PIN | 0x400 << TIMER_PIN
DATA = 0x8000
READY, COUNTER, DONE, IPIS, TIMES, NUMBERS = (DATA + n for n in (0, 0x40, 0x80, 0x100, 0x200, 0x300))
"""Offsets in the image; of the last three, a word for each VP."""
FIELDS = ("cores", "vps", "gic status", "cpc status", "gic config", "running", "ready", "counter", "done", "pending")


def constant(register: int, value: int) -> str:
    return f"lui ${register}, {value >> 16 & 0xFFFF}\nori ${register}, ${register}, {value & 0xFFFF}\n"


END = f"""
    end:
        {constant(8, 0xBF00_0500)}
        ori $9, $0, 0x42
        sw $9, 0($8)
    stop:
        b stop
        nop
"""
"""The board's reset."""


def add_one(offset: int, label: str) -> str:
    """With LL and SC, to a word of the image."""
    return f"""
        {constant(8, BASE + offset)}
    {label}:
        ll $9, 0($8)
        addiu $9, $9, 1
        sc $9, 0($8)
        beqzc $9, {label}
        nop
    """


def until_all(offset: int, count: int, label: str) -> str:
    return f"""
        {constant(8, BASE + offset)}
        ori $10, $0, {count}
    {label}:
        lw $9, 0($8)
        bne $9, $10, {label}
        nop
    """


WORK = f"""
work:                                   # $21: this VP's number
    ori $11, $0, {ROUNDS}
round:
    {add_one(COUNTER, "again")}
    addiu $11, $11, -1
    bne $11, $0, round
    nop
    {constant(8, 0x8000_0000 | TIMER_PIN)}
    sw $8, 0x44($20)                    # COMPARE_MAP
    ori $8, $0, 2
    sw $8, 0x10($20)                    # SMASK: the comparison's
    lw $8, 0x10($18)
    addiu $8, $8, 5000
    sw $8, 0xa0($20)                    # COMPARE
    sw $0, 0xa4($20)
    {constant(8, BASE + TIMES)}
    sll $9, $21, 2
    addu $8, $8, $9
    mtc0 $22, $12, 0
    ehb
waits:
    lw $9, 0($8)
    beqzc $9, waits
    {add_one(DONE, "finish")}
    jr $31
    nop
"""


def setup(cluster_vps: int) -> str:
    return f"""
setup:                                  # $18 the GIC, $20 its local section, $21 the VP, $22 Status with interrupts
    {constant(18, 0xA000_0000 | GIC_AT)}
    ori $20, $18, 0x8000
    lw $21, 0x88($20)                   # IDENT
    mfc0 $9, $3, 1                      # GlobalNumber
    ext $9, $9, 16, 4
    ori $8, $0, {cluster_vps}
    mul $9, $9, $8
    addu $21, $21, $9
    {constant(8, BASE)}
    mtc0 $8, $15, 1                     # EBase
    {constant(22, 0x1000_0001 | IM)}
    addiu $9, $22, -1
    mtc0 $9, $12, 0
    ehb
    mfc0 $9, $15, 1
    andi $9, $9, 0x3ff
    {constant(8, BASE + NUMBERS)}
    sll $10, $21, 2
    addu $8, $8, $10
    sll $10, $21, 8
    or $9, $9, $10
    sw $9, 0($8)
    jr $31
    nop
"""
HANDLER = f"""
    .org 0x180                          # all exceptions; $24 to $27 are the handler's
    mfc0 $26, $13, 0
    andi $27, $26, 0x7c
    bne $27, $0, fault
    sll $24, $21, 2
    andi $27, $26, {0x400 << IPI_PIN}
    beqzc $27, timer
    {constant(25, BASE + IPIS)}
    addiu $27, $21, {FIRST_IPI}
    sw $27, 0x280($18)                  # WEDGE: clear
    addu $25, $25, $24
    lw $27, 0($25)
    addiu $27, $27, 1
    sw $27, 0($25)
timer:
    andi $27, $26, {0x400 << TIMER_PIN}
    beqzc $27, return
    addiu $27, $0, -1
    sw $27, 0xa0($20)                   # COMPARE: far away, and no more pending
    {constant(25, BASE + TIMES)}
    addu $25, $25, $24
    lw $27, 0($25)
    addiu $27, $27, 1
    sw $27, 0($25)
return:
    eret
fault:
    or $4, $26, $0
    bal print
    nop
    mfc0 $4, $14, 0
    bal print
    nop
    b end
    nop
"""
PRINT = f"""
print:                                  # $4 in hexadecimal
    ori $12, $0, 28
digit:
    srlv $13, $4, $12
    andi $13, $13, 15
    sltiu $14, $13, 10
    addiu $15, $13, {ord('a') - 10}
    addiu $13, $13, {ord('0')}
    selnez $13, $13, $14
    seleqz $15, $15, $14
    or $13, $13, $15
    {constant(15, 0xB800_03F8)}
busy:
    lbu $14, 5($15)
    andi $14, $14, 0x20
    beqzc $14, busy
    sb $13, 0($15)
    addiu $12, $12, -4
    bgezc $12, digit
    ori $13, $0, 10
    sb $13, 0($15)
    jr $31
    nop
"""


CLUSTER_EN, GIC_EN, IN_GLOBAL = 1 << 31, 1 << 30, 1 << 24
GIC_OTHER = 0xC000


def power_up() -> str:
    """The core, by the CPC's command."""
    return "ori $8, $0, 3\nsd $8, 0x4000($17)\n"


def choose(cluster: int, vp: int = 0, block: int = 0) -> str:
    """What the blocks of others show."""
    return f"{constant(8, CLUSTER_EN | GIC_EN | block | cluster << 16 | vp)}sd $8, 0x2018($16)\n" if cluster else (
        f"ori $8, $0, {vp}\nsd $8, 0x2018($16)\n")


def shared(cluster: int) -> str:
    """$19: the shared section of that cluster's GIC."""
    return choose(cluster, block=IN_GLOBAL) + (f"ori $19, $18, {GIC_OTHER}\n" if cluster else "or $19, $18, $0\n")


def wake(cluster: int) -> str:
    """A cluster's manager gets power, and says where GIC and CPC are."""
    return f"""
        {choose(cluster, block=IN_GLOBAL)}
        ori $8, $0, 1
        sw $8, 0x4030($17)                      # PWRUP_CTL
        {constant(8, GIC_AT | 1)}
        sd $8, 0x4080($16)
        {constant(8, CPC_AT | 1)}
        sd $8, 0x4088($16)
    """


def start(cpus: int, per: int) -> str:
    """The other VPs, ``per`` of each cluster, from the page ``other``."""
    text = f"""
        {constant(16, 0xBFBF_8000)}
        {constant(17, 0xA000_0000 | CPC_AT)}
        {constant(8, GIC_AT | 1)}
        sd $8, 0x80($16)
        {constant(8, CPC_AT | 1)}
        sd $8, 0x88($16)
        bal setup
        nop
    """
    text += "".join(wake(cluster) for cluster in range(1, cpus // per))
    for vp in range(cpus):
        ipi = FIRST_IPI + vp
        text += f"""
            {shared(vp // per)}
            {constant(8, 1 << ipi % 32)}
            lw $9, {0x180 + ipi // 32 * 4}($19)
            or $9, $9, $8
            sw $9, {0x180 + ipi // 32 * 4}($19)     # TRIG: an edge
            {constant(9, 0x8000_0000 | IPI_PIN)}
            sw $9, {0x500 + 4 * ipi}($19)
            ori $9, $0, {1 << vp % per}
            sw $9, {0x2000 + 0x20 * ipi}($19)
            sw $8, {0x380 + ipi // 32 * 4}($19)     # SMASK
        """
    for vp in range(1, cpus):
        text += f"""
            {choose(vp // per, vp % per)}
            {constant(8, BASE + 0x3000)}
            sd $8, 0x4020($16)                      # RESET_BASE
            ori $8, $0, {1 << vp % per}
            sd $8, {0x2028 if vp < per else 0x4028}($17)                      # VP_RUN
            {power_up() if vp >= per and not vp % per else ""}
        """
    return text + until_all(READY, cpus - 1, "all_ready")


def report(cpus: int) -> str:
    found = ["lw $4, 0($16)\nandi $4, $4, 0xff\naddiu $4, $4, 1", "lw $4, 0x2010($16)\naddiu $4, $4, 1",
             "lw $4, 0xd0($16)", "lw $4, 0xf0($16)", "lw $4, 0($18)\nandi $4, $4, 0x7f", "lw $4, 0x2030($17)"]
    found += [f"{constant(8, BASE + offset)}lw $4, 0($8)" for offset in (READY, COUNTER, DONE)]
    found += [f"lw $4, {0x480 + FIRST_IPI // 32 * 4}($18)"]
    found += [f"{constant(8, BASE + offset + 4 * vp)}lw $4, 0($8)"
              for vp in range(cpus) for offset in (IPIS, TIMES, NUMBERS)]
    return "".join(f"{load}\nbal print\nnop\n" for load in found)


@cache
def source(cpus: int, clusters: int = 1) -> str:
    per = cpus // clusters
    sends = "".join(f"{shared(vp // per)}{constant(8, 0x8000_0000 | FIRST_IPI + vp)}sw $8, 0x280($19)\n"
                    for vp in range(cpus))
    return f"""
        {HANDLER}
        {PRINT}
        {setup(per)}
        {WORK}
        .org 0x1000
    first:
        {start(cpus, per)}
        {sends}
        bal work
        nop
        {until_all(DONE, cpus, "all_done")}
        {report(cpus)}
        {END}
        .org 0x3000
    other:
        bal setup
        nop
        {add_one(READY, "here")}
        wait                            # for the interrupt that CPU 0 sends, with interrupts off
        bal work
        nop
    sleep:
        wait
        b sleep
        nop
        .org {DATA + 0x400}
    """


@cache
def image(cpus: int, big_endian: bool = False, clusters: int = 1) -> bytes:
    code = assemble(source(cpus, clusters), rows=mnemonics_of("I6400"), base=BASE, big_endian=big_endian)
    return executable([Segment(BASE, code.code, len(code.code))], entry=BASE + 0x1000, bits=64, big_endian=big_endian,
                      release=6)


def expected(cpus: int, clusters: int = 1) -> list[int]:
    """The words that it prints."""
    per = cpus // clusters
    head = [1, per, 1, 1, per, (1 << per) - 1, cpus - 1, cpus * ROUNDS, cpus, 0]
    return head + [word for vp in range(cpus) for word in (1, 1, vp << 8 | vp)]


# -- DVP and EVP -------------------------------------------------------------------------------------------------------
STOPPING_PRINTS = [0, 1, 1, 1, 0, 1]
"""VPControl before DVP; whether VP 1 stood still; VPControl before DVP, EVP and EVP; whether VP 1 goes on."""


def pause(length: int, label: str) -> str:
    return f"{constant(8, length)}{label}:\naddiu $8, $8, -1\nbne $8, $0, {label}\nnop\n"


@cache
def stopping_image(length: int = 1000) -> bytes:
    """VP 0 stops VP 1, which counts, and lets it go on; on two VPs of one core.  ``length``: of its pauses."""
    said = "bal print\nnop\n"
    text = f"""
        {HANDLER}
        {PRINT}
        {setup(2)}
        .org 0x1000
        {start(2, 2)}
        {constant(19, BASE + DATA)}
        dvp $4
        {said}
        {pause(length, "settles")}
        lw $24, {COUNTER - DATA}($19)
        {pause(length, "still")}
        lw $25, {COUNTER - DATA}($19)
        xor $4, $24, $25
        sltiu $4, $4, 1
        {said}
        dvp $4
        {said}
        evp $4
        {said}
        evp $4
        {said}
    goes_on:
        lw $24, {COUNTER - DATA}($19)
        beq $24, $25, goes_on
        ori $4, $0, 1
        {said}
        {END}
        .org 0x3000
        {add_one(READY, "here")}
        {constant(19, BASE + DATA)}
    counts:
        lw $9, {COUNTER - DATA}($19)
        addiu $9, $9, 1
        sw $9, {COUNTER - DATA}($19)
        b counts
        nop
        .org {DATA + 0x400}
    """
    code = assemble(text, rows=mnemonics_of("I6400"), base=BASE, big_endian=False)
    return executable([Segment(BASE, code.code, len(code.code))], entry=BASE + 0x1000, bits=64, big_endian=False, release=6)
