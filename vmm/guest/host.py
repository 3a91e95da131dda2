"""A machine with a host kernel on it, and one guest or several: each has a VM, a board and a console of its own.

Guests share CPUs, memory and the host's VZ, and nothing that they could see of each other.  Invariant: every guest of a
host asks for the same machine; a guest that is over executes nothing more, and the others go on.
"""
from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from vmm.errors import ConfigError
from vmm.guest.system import Interrupted, Request, System, check
from vmm.host.kernel.kernel import Kernel
from vmm.host.machine import NS_PER_TICK, Machine
from vmm.host.machine.turns import QUANTUM_TICKS
from vmm.kvm.vz.guest import VzHost
from vmm.kvm.vz.hardware import vz_host

HOST_OWN_BYTES = 24 << 20
"""Memory of the host beside a guest's: kernel, page tables, switch code."""
PAGE_SHIFT = {"vz": 16, "te": 12}
"""The host kernel's pages.  Under trap-and-emulate the guest's pages must have the same size (RD-4), and most guests have
4 KiB; for VZ, large ones let the root TLB reach far."""
TICKS_PER_US = 1_000 // NS_PER_TICK


class Host:
    """For the guests of these requests, who then join."""

    def __init__(self, requests: Sequence[Request]) -> None:
        first = requests[0]
        for request in requests:
            check_guest(request)
            check_same_host(first, request)
        shift = min(request.page_shift or PAGE_SHIFT[request.mode] for request in requests)
        memory = sum(request.ram_size + len(rom_of(request)) + HOST_OWN_BYTES for request in requests)
        self.machine = Machine(first.cpu, first.topology or first.host_cpus, memory, first.image.big_endian,
                               first.engine)
        self.kernel = Kernel(self.machine, page_shift=shift, quantum=first.quantum or QUANTUM_TICKS, seed=first.seed,
                             mmids=first.host_mmids, migrate=first.migrate * TICKS_PER_US)
        self.guests: list[System] = []

    @cached_property
    def vz(self) -> VzHost:
        return vz_host(self.kernel)

    def join(self, guest: System) -> str:
        """What the guest's names begin with on this host."""
        self.guests.append(guest)
        return f"vm{len(self.guests) - 1}_" if len(self.guests) > 1 else ""

    @property
    def over(self) -> bool:
        """All guests are."""
        return all(guest.ending is not None for guest in self.guests)

    def run(self, until: int) -> Interrupted | None:
        """As ``System.run``, until all guests are over."""
        for guest in self.guests:
            if guest.ending is None:
                guest.board.keys()
        found = self.kernel.scheduler.run(until, lambda: self.over)
        if found is not None:
            return Interrupted(found.cpu, found.stop)
        if self.kernel.scheduler.idle and not self.over:
            for cpu in self.kernel.cpus:
                cpu.skip_to(max(until, cpu.ticks))     # nothing will happen but by input: time goes on
        return None

    def step(self, cpu: int) -> Interrupted | None:
        found = self.kernel.scheduler.step(cpu, lambda: self.over)
        return None if found is None else Interrupted(found.cpu, found.stop)


def rom_of(request: Request) -> bytes:
    return request.board.rom(request.image.big_endian, request.flash)


def check_guest(request: Request) -> None:
    """What an image asks of a hypervisor."""
    check(request)
    if request.mode == "bare":
        raise ConfigError(f"{request.image.path}: --mode bare needs no host; choose vz or te")
    if request.mode == "te" and request.image.bits == 64:
        raise ConfigError(f"{request.image.path}: a 64-bit image; trap-and-emulate runs 32-bit guests (KC-2), use "
                          "--mode vz or bare")


def check_same_host(first: Request, request: Request) -> None:
    """What the host decides for all."""
    for what, wanted, found in (
        ("--cpu", first.cpu.name, request.cpu.name),
        ("--host-cpus", first.topology or first.host_cpus, request.topology or request.host_cpus),
        ("a byte order, big-endian", first.image.big_endian, request.image.big_endian),
        ("--engine", first.engine, request.engine),
        ("--quantum", first.quantum, request.quantum),
        ("--seed", first.seed, request.seed),
        ("--migrate", first.migrate, request.migrate),
        ("--host-mmids", first.host_mmids, request.host_mmids),
    ):
        if wanted != found:
            raise ConfigError(f"{request.image.path}: asks for {what} {found} on a host that has {wanted}; let all guests "
                              "of a host ask for the same")
