"""Programs that make system calls by chance, with arguments by chance: the kernel answers each, and gets everything back.

A program is a loop over a table of calls in its data; what it forks and clones goes on with the same table.
"""
from __future__ import annotations

from random import Random

import pytest

from tests.unit.host_user.rig import CODE, DATA, boot, program, system
from vmm.host.user.calls.table import TABLE
from vmm.host.user.numbers import Sig
from vmm.host.user.processes import Ended
from vmm.host.user.system import FIRST_PID

LOOP = (f"lui $16, {DATA >> 16}",
        "lw $2, 0($16)", "lw $4, 4($16)", "lw $5, 8($16)", "lw $6, 12($16)", "lw $7, 16($16)", "lw $8, 20($16)",
        "lw $9, 24($16)", "sw $8, 16($29)", "sw $9, 20($29)", "syscall 0", "addiu $16, $16, 28",
        "beq $0, $0, again", "nop")
CALLS, WORDS, TICKS = 80, 7, 150_000
NAME = DATA + 4 * WORDS * (CALLS + 1)
TOP, WINDOW = 0x7FFF_8000, 0x3000_0000
VALUES = (0, 1, 2, 3, 4, 8, 0x11, 0x80, 0xFFFF_FFFF, 0x8000_0000, 0x7FFF_FFFF, DATA, DATA + 1, DATA + 4, CODE, WINDOW,
          WINDOW + 0x2000, 0x1000, 0x10_000, TOP, TOP - 0x1000, 0x801, 0x802, 0x812, 0x811, 0x100, 0x1_0100, 0x4100,
          FIRST_PID, FIRST_PID + 1, FIRST_PID + 2, 17, 18, 11, 9, 1000)
RARE = frozenset({"exit", "exit_group", "pause", "rt_sigsuspend", "rt_sigreturn", "kill", "tkill", "tgkill"})
OFTEN = ("fork", "clone", "mmap", "munmap", "mprotect", "brk", "futex", "wait4")


def table(chance: Random) -> bytes:
    """And behind it the name of a program."""
    calls = sorted(TABLE["o32"].items())
    numbers = [number for number, call in calls for _ in range(3 if call.name in OFTEN else 1)
               if call.name not in RARE or chance.random() < 0.1]
    words = []
    for _ in range(CALLS):
        number = chance.choice(numbers)
        arguments = [chance.choice(VALUES) if chance.random() < 0.9 else chance.randrange(1 << 32) for _ in range(6)]
        if TABLE["o32"][number].name == "execve" and chance.random() < 0.7:
            arguments[:3] = NAME, 0, 0
        words += [4000 + number, *arguments]
    words += [4001] + [0] * (WORDS - 1)
    return b"".join(word.to_bytes(4, "little") for word in words) + b"program0\0"


@pytest.mark.parametrize("model, mmids", [("P5600", False), ("I6500", True)])
@pytest.mark.parametrize("seed", range(4))
def test_calls_by_chance_are_answered_and_all_is_given_back(seed: int, model: str, mmids: bool) -> None:
    chance = Random(seed)
    kernel = boot(model, mmids, 3, quantum=500, ram=1 << 20, seed=seed)
    host, _ = system(kernel)
    made = [program(kernel, LOOP, table(chance), {"again": 1}, f"program{n}") for n in range(3)]
    host.programs = {each.path: each for each in made}
    kernel.free_mm(kernel.new_mm())
    before = kernel.pages.in_use
    for each in made:
        host.start(each, [b"x"])
    kernel.scheduler.run(TICKS)
    assert host.calls.counts.total() > 10
    while host.live:
        for process in list(host.live.values()):
            host.end_process(process, Ended(signal=Sig.KILL))
        kernel.scheduler.run(kernel.cpus[0].ticks + 2_000)
    assert (len(host.frames), host.threads) == (0, {})
    assert kernel.pages.in_use - before <= 1                # a page of small things more
