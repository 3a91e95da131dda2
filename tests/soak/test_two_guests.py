"""Two Debians at once on a host with four CPUs, each going on at the next CPU every millisecond, say what one says alone.

The loops of a delay are given (``lpj``), since a guest measures them by its clock, and lines have no times.
"""
from __future__ import annotations

import re
import time

import pytest

import vmm
from tests.support.debian import netboot
from tests.support.sessions import CORES, PROMPT, Core
from vmm.cli.keyboard import LineWatch
from vmm.guest.console import Tee
from vmm.guest.host import Host
from vmm.guest.system import Request, System

CPUS, MIGRATE_US, QUANTUM = 4, 1_000, 400_000
SLICE = 50_000_000
LIMIT = 20_000_000_000
VZ = [core for core in CORES if core.mode == "vz"]


class Debian:
    """A console that notes what is said, and ends its guest at the shell's prompt."""

    def __init__(self) -> None:
        self.said = vmm.MemoryConsole()
        self.system: System | None = None
        self.console = Tee(self.said, LineWatch(re.compile(PROMPT.encode()), self._prompt))

    def _prompt(self) -> None:
        assert self.system is not None
        self.system.destroy_guest()


def ask(core: Core, **more: object) -> Request:
    folder = netboot(core.architecture)
    return vmm.request(str(next(folder.glob("vmlinuz-*"))), mode="vz", cpu=core.cpu, initrd=str(folder / "initrd.gz"),
                       arguments=f"console=ttyS0 rdinit=/bin/sh printk.time=0 lpj=399360{core.extra}", **more)


def boot(host: Host, what: str) -> None:
    started = time.process_time()
    while not host.over and max(cpu.ticks for cpu in host.machine.cpus) < LIMIT:
        host.run(max(cpu.ticks for cpu in host.machine.cpus) + SLICE)
    exits = [sum(guest.exits.values()) for guest in host.guests]
    print(f"{what}: {host.machine.retired:,} instructions, {exits} exits, {time.process_time() - started:.1f} s")


@pytest.mark.soak
@pytest.mark.parametrize("core", VZ, ids=str)
def test_two_that_change_cpus_say_what_one_says_alone(core: Core) -> None:
    said = []
    for what, request, count in (("alone", ask(core), 1),
                                 ("two", ask(core, host_cpus=CPUS, migrate=MIGRATE_US, quantum=QUANTUM), 2)):
        guests = [Debian() for _ in range(count)]
        host = vmm.make_host([(request, guest.console) for guest in guests])
        for guest, system in zip(guests, host.guests, strict=True):
            guest.system = system
        boot(host, f"{core}, {what}")
        said += [guest.said.text for guest in guests]
    assert "Run /bin/sh as init process" in said[0]
    assert said[1] == said[0] and said[2] == said[0]
