"""A signal's way to its handler and back, without the handler.  (signal(7); System V ABI: stacks are aligned by 16)"""
from __future__ import annotations

import pytest

from tests.unit.host_user.rig import boot, program, system
from vmm.host.user.abi import A0, RA, SP, T9
from vmm.host.user.numbers import Sa, Sig
from vmm.host.user.processes import Process
from vmm.host.user.signals import IGNORE, Action, bit
from vmm.host.user.start import trampoline_address
from vmm.host.user.system import UserSystem

HANDLER = 0x10_0040


def started() -> tuple[UserSystem, Process]:
    kernel = boot("P5600", False, 1)
    host, _ = system(kernel)
    process = host.start(program(kernel, ("beq $0, $0, again", "nop"), labels={"again": 0}), [b"spin"])
    host.run(5_000)
    return host, process


@pytest.mark.parametrize("below", [0, 4, 8, 12, 20])
def test_a_handler_has_an_aligned_stack_and_its_return_restores_everything(below: int) -> None:
    host, process = started()
    (thread,) = process.threads.values()
    process.actions[Sig.USR1] = Action(HANDLER, Sa.SIGINFO, bit(Sig.USR2) | bit(Sig.KILL))   # which nobody can block
    registers = thread.registers
    registers[SP] -= below
    before = [registers[n] for n in range(32)], registers.pc, thread.mask
    host.signals.send(process, Sig.USR1, process.pid)
    assert host.signals.wanted(thread)
    host.signals.deliver(thread)
    assert registers[SP] % 16 == 0 and registers[SP] < before[0][SP]
    assert (registers.pc, registers[T9], registers[A0]) == (HANDLER, HANDLER, Sig.USR1)
    assert registers[RA] == trampoline_address(process.memory)
    assert thread.mask == bit(Sig.USR1) | bit(Sig.USR2)
    host.signals.send(process, Sig.USR2, process.pid)
    assert not host.signals.wanted(thread)                  # until the handler returns
    host.signals.return_from(thread)
    assert ([registers[n] for n in range(32)], registers.pc, thread.mask) == before
    assert host.signals.wanted(thread)


def test_what_nobody_wants_to_know_is_not_kept() -> None:
    host, process = started()
    process.actions[Sig.TERM] = Action(IGNORE)
    for number in (Sig.TERM, Sig.CHLD):
        host.signals.send(process, number, process.pid)
    assert process.pending == []
    for _ in range(2):
        host.signals.send(process, Sig.USR1, process.pid)
    assert [info.number for info in process.pending] == [Sig.USR1]


@pytest.mark.parametrize("flags, zombies", [(0, True), (Sa.NOCLDWAIT, False)])
def test_children_wait_for_who_waits_for_them(flags: int, zombies: bool) -> None:
    host, process = started()
    process.actions[Sig.CHLD] = Action(HANDLER, flags)
    assert host.signals.wants_zombies(process) is zombies
    process.actions[Sig.CHLD] = Action(IGNORE)
    assert not host.signals.wants_zombies(process)
