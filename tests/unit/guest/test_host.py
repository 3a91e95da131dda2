"""Several guests on one host with four CPUs, whose vCPUs change CPUs: each says what it says alone on one CPU.

Rows GK-7, MM-19, TM-19, VZ-20..VZ-24, VZ-30..VZ-34, TE-30..TE-35.
"""
from __future__ import annotations

from dataclasses import replace
from functools import cache
from random import Random

import pytest

import vmm
from vmm.errors import ConfigError
from vmm.guest.host import Host
from vmm.guest.hypervised import HypervisedSystem
from vmm.guest.placement import Mode
from vmm.guest.system import Request
from vmm.host.kernel.tasks import Task
from vmm.kvm.backend import Backend
from vmm.kvm.vcpu import Emulation, Vcpu

CPUS = 4
LIMIT = 20_000_000
ALWAYS = 60                                                 # microseconds
PAIRS: tuple[tuple[Mode, Mode], ...] = (("vz", "vz"), ("te", "te"), ("vz", "te"))


def ask(mode: Mode, cpu: str, **more: object) -> Request:
    return vmm.request(mode=mode, cpu=cpu, memory="16M", **more)


@cache
def alone(mode: Mode, cpu: str) -> tuple[str, int]:
    console = vmm.MemoryConsole()
    system = vmm.make_system(ask(mode, cpu), console)
    system.run(LIMIT)
    assert system.ending is not None and "all 71 checks passed" in console.text
    return console.text, system.ending.status


class Watched:
    """Guests on one host, and on how many CPUs each one's thread was."""

    def __init__(self, modes: tuple[Mode, ...], cpu: str, **more: object) -> None:
        self.consoles = [vmm.MemoryConsole() for _ in modes]
        self.host = Host([ask(mode, cpu, host_cpus=CPUS, **more) for mode in modes])
        self.guests = [HypervisedSystem(ask(mode, cpu, host_cpus=CPUS, **more), console, self.host)
                       for mode, console in zip(modes, self.consoles, strict=True)]
        self.visited: list[list[int]] = [[] for _ in modes]
        for guest, visited in zip(self.guests, self.visited, strict=True):
            guest.threads[0].on_sched_in.append(visited.append)

    def said(self) -> list[tuple[str, int]]:
        self.host.run(LIMIT)
        return [(console.text, guest.ending.status if guest.ending else -1)
                for console, guest in zip(self.consoles, self.guests, strict=True)]


@pytest.mark.parametrize("cpu", ["P5600", "MIPS64R5-generic"])
@pytest.mark.parametrize("modes", PAIRS, ids="-".join)
def test_two_guests_that_change_cpus_say_what_they_say_alone(modes: tuple[Mode, Mode], cpu: str) -> None:
    watched = Watched(modes, cpu, migrate=ALWAYS)
    assert watched.said() == [alone(mode, cpu) for mode in modes]
    assert all(set(visited) == set(range(CPUS)) for visited in watched.visited)


def test_more_guests_than_cpus_share_them_fairly() -> None:
    modes: tuple[Mode, ...] = ("vz", "te", "vz", "te", "vz", "vz")
    watched = Watched(modes, "P5600", migrate=ALWAYS, quantum=10_000)
    assert watched.said() == [alone(mode, "P5600") for mode in modes]


def moves_at_exits(backend: Backend, task: Task, chance: Random, host: Host) -> None:
    """The thread goes on at some CPU, often another one, whatever made the guest leave."""
    handle, scheduler = backend.handle_exit, host.kernel.scheduler

    def handle_exit(vcpu: Vcpu, cpu: int) -> Emulation:
        outcome = handle(vcpu, cpu)
        if chance.random() < 0.1:                           # always would be a life of TLB misses
            scheduler.move(task, chance.randrange(CPUS))
        return outcome

    backend.handle_exit = handle_exit                       # type: ignore[method-assign]


def by_chance(seed: int, modes: tuple[Mode, Mode], cpu: str) -> Watched:
    chance = Random(seed)
    watched = Watched(modes, cpu, seed=seed, quantum=chance.choice((2_000, 10_000, 50_000)))
    for guest in watched.guests:
        moves_at_exits(guest.vm.backend, guest.threads[0], chance, watched.host)
    return watched


@pytest.mark.parametrize("seed", [*range(6), *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(6, 40))])
def test_moves_by_chance_at_any_exit_change_nothing(seed: int) -> None:
    modes, cpu = PAIRS[seed % 3], ("P5600", "MIPS64R5-generic")[seed % 2]
    watched = by_chance(seed, modes, cpu)
    assert watched.said() == [alone(mode, cpu) for mode in modes], f"seed {seed}"
    assert all(len(visited) > 100 for visited in watched.visited)


def test_the_same_seed_is_the_same_run() -> None:
    runs = []
    for slices in (LIMIT, 40_000):
        watched = by_chance(3, ("vz", "te"), "P5600")
        while not watched.host.over:
            watched.host.run(max(cpu.ticks for cpu in watched.host.machine.cpus) + slices)
        runs.append((watched.host.machine.retired, watched.visited, [guest.exits for guest in watched.guests]))
    assert runs[0] == runs[1]


def test_a_guest_that_is_over_executes_nothing_more_and_the_other_goes_on() -> None:
    watched = Watched(("vz", "te"), "P5600")
    first, second = watched.guests
    host, step = watched.host, 20_000
    while first.ending is None:
        host.run(host.machine.cpus[0].ticks + step)
    assert second.ending is None
    left = dict(first.exits)
    host.run(LIMIT)
    assert second.ending is not None and host.over
    assert all(thread.done for thread in first.threads)
    assert sum(first.exits.values()) - sum(left.values()) <= 2
    assert [console.text for console in watched.consoles] == [alone(mode, "P5600")[0] for mode in ("vz", "te")]


def test_guests_of_a_host_have_names_of_their_own() -> None:
    watched = Watched(("vz", "te"), "P5600")
    assert [guest.threads[0].name for guest in watched.guests] == ["vcpu0", "vm1_vcpu0"]
    assert {"vcpu0_vcpu_run", "vm1_vcpu0_vcpu_run"} <= set(watched.host.kernel.text.symbols)


@pytest.mark.parametrize("other, message", [
    ({"host_cpus": 2}, "asks for --host-cpus 2 on a host that has 1; let all guests of a host ask for the same"),
    ({"seed": 3}, "asks for --seed 3"), ({"quantum": 1000}, "asks for --quantum 1000"),
    ({"engine": "reference"}, "asks for --engine reference"), ({"mode": "bare"}, "--mode bare needs no host"),
    ({"big_endian": True}, "asks for a byte order, big-endian True"),
    ({"cpu": "MIPS64R5-generic"}, "asks for --cpu MIPS64R5-generic"),
])
def test_guests_that_ask_for_different_hosts_are_refused(other: dict[str, object], message: str) -> None:
    usual: dict[str, object] = {"mode": "vz", "cpu": "P5600"}
    with pytest.raises(ConfigError, match=message):
        Host([vmm.request(**usual), vmm.request(**{**usual, **other})])


def test_a_host_of_big_endian_guests() -> None:
    request = replace(ask("vz", "P5600", big_endian=True, host_cpus=2), migrate=ALWAYS)
    consoles = [vmm.MemoryConsole() for _ in range(2)]
    vmm.make_host([(request, console) for console in consoles]).run(LIMIT)
    assert consoles[0].text == consoles[1].text
    assert "all 71 checks passed" in consoles[0].text
