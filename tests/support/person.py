"""Somebody at the console of a whole system: reads, waits for a text, types.

Invariant: what is typed depends on what the guest wrote and on nothing else, so equal runs stay equal.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from vmm.arch.models import find_model
from vmm.cli.choose import make_system
from vmm.guest.board import MALTA, MIB
from vmm.guest.formats import load_image
from vmm.guest.placement import Mode
from vmm.guest.system import Request, System

SLICE = 2_000_000


@dataclass
class Person:
    """``talk``: what to wait for, and what to type then.  A text counts once, after the one before it."""
    talk: list[tuple[bytes, bytes]] = field(default_factory=list)
    said: bytearray = field(default_factory=bytearray)
    _seen: int = 0

    def put(self, byte: int) -> None:
        self.said.append(byte)

    def poll(self) -> bytes:
        if not self.talk:
            return b""
        wanted, answer = self.talk[0]
        at = self.said.find(wanted, self._seen)
        if at < 0:
            return b""
        self._seen = at + len(wanted)
        del self.talk[0]
        return answer

    @property
    def text(self) -> str:
        return self.said.decode("latin-1").replace("\r\n", "\n")


def malta(image: str, mode: Mode, cpu: str, command_line: str, initrd: bytes) -> Request:
    """``dataclasses.replace`` gives it what is not usual, such as disks."""
    return Request(load_image(image), mode, find_model(cpu), MALTA, 256 * MIB, command_line=command_line, initrd=initrd)


def run(request: Request, person: Person, most: int, looked: Callable[[System], None] = lambda system: None) -> System:
    """To the system's end, which must come within ``most`` instructions of its first CPU.  ``looked``: at each slice."""
    system = make_system(request, person)
    core = system.machine.cpus[0]
    while system.ending is None and core.retired < most:
        system.run(core.ticks + SLICE)
        looked(system)
    print(f"{request.mode} {request.cpu.name}: {core.retired:,} instructions, {core.ticks * 5 // 1_000_000:,} ms, "
          f"{system.exits}")
    assert system.ending is not None, person.text[-2000:]
    return system
