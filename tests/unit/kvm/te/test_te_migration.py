"""A trap-and-emulate vCPU that changes CPUs: what comes along, what each CPU keeps, what must be given up.

Rows TE-31, TE-34, TE-36, C0-16, C0-20, CP-4, EN-7, GK-7, HM-1, HM-31, MM-19, CR-5.
"""
from __future__ import annotations

import pytest

from tests.unit.kvm.moving import CPUS, MIB, Moving, go
from vmm.arch.cp0.registers import EntryHi
from vmm.kvm.slots import Slot
from vmm.kvm.vcpu import Vcpu

MODELS = ("24Kf", "P5600", "MIPS64R5-generic", "I6500")
MAPPED = 0x0040_0000
PAGE = 1 << 14
SHADOW_FAULTS = ("tlbmiss_ld", "tlbmiss_st", "tlbmod")


def entry(register: str, page: int) -> str:
    """EntryLo of a page of the guest's memory: dirty, valid, not global."""
    return f"li {register}, {page * PAGE >> 6 | 0x1E:#x}"


def map_pair(first: int, second: int, *, index: int = 0, asid: int = 0) -> str:
    """TLBWI of the pair at MAPPED."""
    return f"""
        li $t0, 0x6000
        mtc0 $t0, $5
        li $t0, {MAPPED | asid:#x}
        mtc0 $t0, $10
        {entry("$t0", first)}
        mtc0 $t0, $2
        {entry("$t0", second)}
        mtc0 $t0, $3
        li $t0, {index}
        mtc0 $t0, $0
        ehb
        tlbwi
        ehb
"""


KERNEL = """
        mtc0 $zero, $12
        ehb
"""
SHOW = f"""
        lui $t8, {MAPPED >> 16:#x}
        lw $t7, 0($t8)
        sw $t7, 0($s0)
"""


def run(model: str, source: str, **words: int) -> tuple[Moving, Vcpu]:
    """One guest to its end; ``words``: the first word of page n of its memory, as ``page_n``."""
    moving = Moving("te", model)
    vcpu = moving.add(source)
    for name, value in words.items():
        moving.vm.write(int(name.removeprefix("page_")) * PAGE, value.to_bytes(4, "little"))
    moving.finish()
    return moving, vcpu


PAGES = {f"page_{n}": 0x1000 + n for n in (8, 9, 10, 11)}


@pytest.mark.parametrize("model", MODELS)
def test_it_goes_on_where_it_asked_to(model: str) -> None:
    """Not one instruction more on the CPU that it leaves."""
    moving, _ = run(model, KERNEL + "".join(f"{go(cpu)} sw $t9, 0($s0)\n" for cpu in (2, 0, 3, 3, 1)))
    assert [(value, cpu) for _, value, cpu in moving.said[0].stores] == [(cpu, cpu) for cpu in (2, 0, 3, 3, 1)]


@pytest.mark.parametrize("model", MODELS)
def test_registers_hi_and_lo_come_along(model: str) -> None:
    numbers = [n for n in range(1, 31) if n not in (16, 24, 25, 26, 27)]
    hilo = model != "I6500"
    source = KERNEL + "".join(f"li ${n}, {n * 0x0101_0101:#x}\n" for n in numbers)
    if hilo:
        source += "li $t8, 0x1234\n mthi $t8\n li $t8, 0x5678\n mtlo $t8\n"
    source += go(3) + go(1) + "".join(f"sw ${n}, {4 * n}($s0)\n" for n in numbers)
    if hilo:
        source += "mfhi $t8\n sw $t8, 0x100($s0)\n mflo $t8\n sw $t8, 0x104($s0)\n"
    moving, _ = run(model, source)
    expected = [(4 * n, n * 0x0101_0101) for n in numbers] + [(0x100, 0x1234), (0x104, 0x5678)] * hilo
    assert [(offset, value) for offset, value, _ in moving.said[0].stores] == expected
    assert {cpu for _, _, cpu in moving.said[0].stores} == {1}


@pytest.mark.parametrize("model", MODELS)
def test_shadow_tables_come_along_and_each_cpu_has_an_asid_for_them(model: str) -> None:
    """The tables are the guest's, only ASIDs are a CPU's (HM-1): what one CPU mapped, others refill without an exit, and a
    CPU to which it comes back finds the ASID that it had there."""
    moving = Moving("te", model)
    vcpu = moving.add(KERNEL + map_pair(8, 9) + SHOW + "".join(go(cpu) + SHOW for cpu in (1, 2, 0, 1)))
    moving.vm.write(8 * PAGE, (0x1008).to_bytes(4, "little"))
    faults, words = [], []
    answer = moving.vm.backend.handle_exit

    def seen(vcpu: Vcpu, cpu: int) -> object:
        outcome = answer(vcpu, cpu)
        faults.append((cpu, sum(vcpu.stats[name] for name in SHADOW_FAULTS)))
        words.append([moving.vm.backend.guest(vcpu).kernel.context(n) for n in range(CPUS)])   # type: ignore[attr-defined]
        return outcome

    moving.vm.backend.handle_exit = seen                    # type: ignore[method-assign, assignment]
    said = moving.finish()[0]
    assert [(value, cpu) for _, value, cpu in said.stores] == [(0x1008, cpu) for cpu in (0, 1, 2, 0, 1)]
    assert faults[-1][1] == next(count for cpu, count in faults if cpu == 1), "no other CPU had to map anything"
    assert all(words[-1][:3]) and not words[-1][3]
    for cpu in range(3):
        assert len({row[cpu] for row in words[words.index(next(row for row in words if row[2])):]}) == 1
    assert vcpu.last_sched_cpu == 1


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("change, expected", [
    pytest.param(map_pair(10, 11), 0x100A, id="the entry is written over, C0-20"),
    pytest.param(map_pair(10, 11, index=1, asid=5), 0x100A, id="another ASID, C0-16"),
])
def test_what_another_cpu_changed_is_gone_everywhere(model: str, change: str, expected: int) -> None:
    """The old translation still is in the TLB of the CPU that it left; it must not be found there again."""
    moving, _ = run(model, KERNEL + map_pair(8, 9) + SHOW + go(2) + SHOW + change + SHOW + go(0) + SHOW + go(1) + SHOW
                    + go(2) + SHOW, **PAGES)
    assert moving.said[0].values == [0x1008, 0x1008, *[expected] * 4]
    assert [cpu for *_, cpu in moving.said[0].stores] == [0, 2, 2, 0, 1, 2]


def user(page: int) -> str:
    """A program in a page: $a0 := the page's number, and a system call."""
    return f"""
        li $t0, {0x4000_0000 + page * PAGE:#x}
        li $t1, {0x2404_0000 | page:#x}
        sw $t1, 0($t0)
        li $t1, 0xc
        sw $t1, 4($t0)
"""


def enter(number: int, asid: int) -> str:
    """The user that has this ASID, at MAPPED; then say what it left in $a0."""
    return f"""
        li $t0, {asid}
        mtc0 $t0, $10
        la $k1, back{number}
        lui $t0, {MAPPED >> 16:#x}
        mtc0 $t0, $14
        li $t0, 0x12                    # UM, EXL
        mtc0 $t0, $12
        ehb
        eret
back{number}:
        sw $a0, 0($s0)
"""


BACK = """
        mtc0 $zero, $12
        ehb
        jr $k1
        nop
"""


@pytest.mark.parametrize("model", MODELS)
def test_users_follow_an_asid_that_changed_on_another_cpu(model: str) -> None:
    """TE-34: lazily, when the next user runs, wherever that is; CPU 0 still has the first one's translations."""
    moving = Moving("te", model)
    vcpu = moving.add(KERNEL + user(8) + user(10) + map_pair(8, 9, asid=1) + map_pair(10, 11, index=1, asid=2)
                      + enter(1, 1) + go(2) + enter(2, 2) + go(0) + enter(3, 2) + go(3) + enter(4, 1) + go(0) + enter(5, 1),
                      vector=BACK)
    assert [(value, cpu) for _, value, cpu in moving.finish()[0].stores] == [(8, 0), (10, 2), (10, 0), (8, 3), (8, 0)]
    assert vcpu.cop0[EntryHi] & 0xFF == 1


ROUNDS = 250


@pytest.mark.parametrize("model", MODELS)
def test_asids_run_out_on_cpus_that_it_comes_to(model: str) -> None:
    """HM-31: each change of the guest's ASID takes one of the host's; no translation of the last cycle is ever found."""
    moving = Moving("te", model, migrate=7_000)
    moving.add(KERNEL + map_pair(8, 9, asid=1) + map_pair(10, 11, index=1, asid=2) + f"""
        li $s2, {ROUNDS}
        lui $s3, {MAPPED >> 16:#x}
again:  li $t0, 1
        mtc0 $t0, $10
        ehb
        lw $t1, 0($s3)
        li $t2, 0x1008
        bne $t1, $t2, wrong
        li $t0, 2
        mtc0 $t0, $10
        ehb
        lw $t1, 0($s3)
        li $t2, 0x100a
        bne $t1, $t2, wrong
        addiu $s2, $s2, -1
        bne $s2, $zero, again
        nop
wrong:  sw $s2, 0($s0)
""")
    for cpu in range(CPUS):
        moving.kernel.contexts.cache[cpu].store(0x1F0)      # type: ignore[attr-defined]
    for page in (8, 10):
        moving.vm.write(page * PAGE, (0x1000 + page).to_bytes(4, "little"))
    assert moving.finish()[0].values == [0]
    assert all(moving.kernel.contexts.cache[cpu].load() > 0x200 for cpu in range(CPUS))     # type: ignore[attr-defined]
    assert all(moving.kernel.tlbs[cpu].flushes > 1 for cpu in range(CPUS))


@pytest.mark.parametrize("model", MODELS)
def test_cpus_that_it_left_translate_for_the_host(model: str) -> None:
    """TE-31: where its thread is not, nor is its address space."""
    moving, loaded = Moving("te", model), []
    moving.add(KERNEL + "".join(f"{go(cpu)} sw $zero, 0($s0)\n" for cpu in (1, 2, 3)))
    mmus, init_mm = moving.kernel.mmus, moving.kernel.init_mm
    moving.on_store = lambda value: loaded.append([mmu.loaded() is init_mm for mmu in mmus])
    moving.finish()
    assert loaded == [[True] * CPUS] * 3, "a device access ends KVM_RUN, so not even the CPU that it is on"


@pytest.mark.parametrize("model", MODELS)
def test_the_commpage_is_the_same_everywhere(model: str) -> None:
    """CP-4: the CP0 file, which the guest's kernel may read by plain loads."""
    moving = Moving("te", model)
    word = moving.kernel.word
    compare = 0x8000 - PAGE + 11 * 8 * word
    moving.add(KERNEL + "".join(f"""
        {go(cpu)}
        li $t0, {0x1000 + cpu}
        mtc0 $t0, $11
        lw $t1, {compare:#x}($zero)
        sw $t1, 0($s0)
""" for cpu in (0, 2, 1, 0)))
    assert [(value - 0x1000, cpu) for _, value, cpu in moving.finish()[0].stores] == [(cpu, cpu) for cpu in (0, 2, 1, 0)]


@pytest.mark.parametrize("model", MODELS)
def test_memory_that_goes_is_gone_on_every_cpu(model: str) -> None:
    """TE-36: the VMM puts other memory where the guest has read from CPUs 0 and 1 while it is on 1; it comes back to 0."""
    moving = Moving("te", model)
    show = "lw $t7, 0($s2)\n sw $t7, 0($s0)\n"
    moving.add(KERNEL + f"li $s2, {0x4000_0000 + 4 * MIB:#x}\n" + show + go(1) + show + show + go(0) + show)
    moving.vm.add_memory(1, 4 * MIB, MIB)
    moving.vm.write(4 * MIB, b"\1\0\0\0")

    def replace(value: int) -> None:
        if len(moving.said[0].stores) == 2:
            moving.vm.set_slot(Slot(1, 4 * MIB, 0, 0))
            moving.vm.add_memory(1, 4 * MIB, MIB)
            moving.vm.write(4 * MIB, b"\2\0\0\0")

    moving.on_store = replace
    assert [(value, cpu) for _, value, cpu in moving.finish()[0].stores] == [(1, 0), (1, 1), (2, 1), (2, 0)]
