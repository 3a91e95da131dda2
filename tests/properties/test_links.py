"""LL and SC on several CPUs: no update is lost, no two hold a lock, and what was written first is seen first.

Each test draws programs for 2 to 4 CPUs, and runs them with many quanta and seeds of the turns; a failure names them.
(MD00087, LL, LLD, LLWP and their SCs; message passing and store buffering are the usual litmus tests)
"""
from __future__ import annotations

from random import Random

import pytest

from tests.support.engines import mnemonics_of
from vmm.arch.assembler import assemble
from vmm.arch.cp0.registers import Status
from vmm.arch.models import find_model
from vmm.host.machine import Machine
from vmm.host.machine.turns import LEAST_QUANTUM_TICKS, Turns

KSEG0 = 0xFFFF_FFFF_8000_0000
CODE, CODE_OF_CPU, DATA = 0x1_0000, 0x1000, 0x8000
LOCK, GUARDED, SEEN, DONE = 0x100, 0x200, 0x300, 0x400
"""Offsets from DATA, which $16 has; counters are at 0."""
LIMIT = 4_000_000
MODEL = "I6500"


def delay(r: Random) -> str:
    return "nop\n" * r.randrange(6)


def add(kind: str, at: int, label: str) -> str:
    """To a counter, in one step: 1, and with LLWP 2 to the word above it."""
    place = f"daddiu $8, $16, {at}\n{label}:\n"
    if kind == "llwp":
        return (f"{place} llwp $9, $10, ($8)\n addiu $9, $9, 1\n addiu $10, $10, 2\n scwp $9, $10, ($8)\n"
                f" beqzc $9, {label}\n nop\n")
    wide = "d" if kind == "lld" else ""
    return f"{place} ll{wide} $9, 0($8)\n {wide}addiu $9, $9, 1\n sc{wide} $9, 0($8)\n beqzc $9, {label}\n nop\n"


def finished(cpu: int) -> str:
    return f"ori $9, $0, 1\nsb $9, {DONE + cpu}($16)\nover{cpu}:\nwait\nb over{cpu}\nnop\n"


def run(programs: list[str], quantum: int, seed: int, engine: str = "native") -> Machine:
    machine, turns = Machine(find_model(MODEL), len(programs), 1 << 17, engine=engine), Turns(quantum, seed)
    for cpu, program in zip(machine.cpus, programs, strict=True):
        start = CODE + CODE_OF_CPU * cpu.number
        code = assemble(program + finished(cpu.number), rows=mnemonics_of(MODEL), base=KSEG0 + start, big_endian=False)
        machine.ram.write(start, code.code)
        cpu.root[Status] = Status.KX.mask
        cpu.gpr[16], cpu.pc = KSEG0 + DATA, KSEG0 + start
        cpu.refresh()
    while not all(machine.ram.load(DATA + DONE + cpu.number, 1) for cpu in machine.cpus):
        now = min(cpu.ticks for cpu in machine.cpus)
        assert now < LIMIT, "the programs do not end"
        end = turns.end(now)
        for number in turns.order(end, len(programs)):
            machine.cpus[number].run(end)
    return machine


def chances(seed: int, count: int) -> list[tuple[int, int]]:
    """Quanta, most of them short, and seeds."""
    r = Random(seed)
    return [(LEAST_QUANTUM_TICKS + int(r.random() ** 3 * 2000), r.randrange(1 << 16)) for _ in range(count)]


def repeated(body: str, rounds: int, cpu: int) -> str:
    return f"ori $11, $0, {rounds}\nround{cpu}:\n{body}addiu $11, $11, -1\nbne $11, $0, round{cpu}\nnop\n"


@pytest.mark.parametrize("engine, runs", [("native", 30), ("reference", 1)])
def test_counters_lose_nothing(engine: str, runs: int) -> None:
    for number, (quantum, seed) in enumerate(chances(1, runs)):
        r = Random(seed)
        cpus, rounds = r.randrange(2, 5), 40
        kinds = [r.choice(("ll", "lld", "llwp")) for _ in range(3)]      # of each counter, the same for everyone
        programs = []
        for cpu in range(cpus):
            wanted = r.choices(range(3), k=4)
            steps = [add(kinds[n], 16 * n, f"again{cpu}_{at}") + delay(r) for at, n in enumerate(wanted)]
            programs.append((repeated("".join(steps), rounds, cpu), wanted))
        machine = run([text for text, _ in programs], quantum, seed, engine)
        for n, kind in enumerate(kinds):
            times = rounds * sum(wanted.count(n) for _, wanted in programs)
            found = machine.ram.load(DATA + 16 * n, 8)
            assert found == (times | 2 * times << 32 if kind == "llwp" else times), (number, quantum, seed, kind)


def locked(kind: str, cpu: int, r: Random) -> str:
    """Take the lock, add to two words in plain steps, give it back."""
    wide = "d" if kind == "lld" else ""
    return f"""
        daddiu $8, $16, {LOCK}
    take{cpu}:
        ll{wide} $9, 0($8)
        bne $9, $0, take{cpu}
        ori $9, $0, 1
        sc{wide} $9, 0($8)
        beqzc $9, take{cpu}
        sync
        lw $9, {GUARDED}($16)
        {delay(r)}
        addiu $9, $9, 1
        sw $9, {GUARDED}($16)
        {delay(r)}
        lw $10, {GUARDED + 64}($16)
        addiu $10, $10, 1
        sw $10, {GUARDED + 64}($16)
        sync
        s{wide or "w"} $0, 0($8)
        {delay(r)}
    """


@pytest.mark.parametrize("engine, runs", [("native", 20), ("reference", 1)])
def test_a_lock_has_one_holder(engine: str, runs: int) -> None:
    for quantum, seed in chances(2, runs):
        r = Random(seed)
        cpus, kind = r.randrange(2, 5), r.choice(("ll", "lld"))
        machine = run([repeated(locked(kind, cpu, r), 30, cpu) for cpu in range(cpus)], quantum, seed, engine)
        words = [machine.ram.load(DATA + GUARDED + at, 4) for at in (0, 64)]
        assert words == [30 * cpus] * 2, (quantum, seed, kind)


def test_the_lock_s_test_can_fail() -> None:
    """Without the lock, additions are lost on some of the same runs."""
    lost = 0
    for quantum, seed in chances(2, 20):
        r = Random(seed)
        cpus = r.randrange(2, 5)
        plain = [locked("ll", cpu, r).replace(f"bne $9, $0, take{cpu}", "nop") for cpu in range(cpus)]
        machine = run([repeated(text, 30, cpu) for cpu, text in enumerate(plain)], quantum, seed)
        lost += machine.ram.load(DATA + GUARDED, 4) < 30 * cpus
    assert lost > 5


def passing(r: Random) -> list[str]:
    """MP: one writes data and then a flag, the other looks at the flag and then at the data."""
    return [f"{delay(r)}ori $9, $0, 1\nsw $9, 0($16)\n{delay(r)}sw $9, 64($16)\n",
            f"{delay(r)}lw $9, 64($16)\n{delay(r)}lw $10, 0($16)\nsw $9, {SEEN}($16)\nsw $10, {SEEN + 4}($16)\n"]


def buffering(r: Random) -> list[str]:
    """SB: each writes its own word and then looks at the other's."""
    return [f"{delay(r)}ori $9, $0, 1\nsw $9, {own}($16)\n{delay(r)}lw $10, {other}($16)\nsw $10, {SEEN + own}($16)\n"
            for own, other in ((128, 192), (192, 128))]


def test_messages_come_after_what_they_tell_of_and_one_of_two_stores_is_seen() -> None:
    seen = set()
    for quantum, seed in chances(3, 40):
        r = Random(seed)
        first, second = ([one + other for one, other in zip(passing(r), buffering(r), strict=True)])
        late = "nop\n" * r.randrange(80)
        machine = run([late + first, second] if r.random() < 0.5 else [first, late + second], quantum, seed)
        flag, data, one, other = (machine.ram.load(DATA + SEEN + at, 4) for at in (0, 4, 128, 192))
        assert (data or not flag) and (one or other), (quantum, seed)
        seen.add((flag, data))
    assert {(0, 0), (1, 1)} <= seen
