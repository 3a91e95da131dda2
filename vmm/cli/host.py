"""``vmm host``: Linux programs for MIPS on the host kernel, to the end of the first.

The exit status is that program's, or 128 and the number of the signal that ended it.
"""
from __future__ import annotations

import json
import select
import sys
import time
from argparse import Namespace
from socket import socket
from typing import BinaryIO

from vmm.arch.models import CpuModel, find_model
from vmm.cli.debugger import gdb_address, port, serving
from vmm.cli.loop import BY_SIGNAL, FIRST_SLICE, RAN_OUT, WAIT_SECONDS, Outcome, Pace, listening
from vmm.cli.main import complain
from vmm.cli.report import NS_PER_MS
from vmm.errors import ConfigError
from vmm.guest.board import parse_size
from vmm.guest.files import read_whole
from vmm.guest.image import Image, parse_image
from vmm.guest.system import FIRST_WITHOUT_OLD_CODE
from vmm.host.kernel.kernel import Kernel
from vmm.host.kernel.memory import KSEG0_REACH
from vmm.host.machine import Machine
from vmm.host.machine.topology import topology_of
from vmm.host.user.numbers import Prot
from vmm.host.user.program import Part, Program
from vmm.host.user.system import LEAST_SLICE_TICKS, UserSystem

PAGE_SHIFT = 12
USUAL_CPU = {                                               # by width of the program, and if its release is 6
    (32, False): "P5600", (32, True): "mips32r6-generic", (64, False): "MIPS64R2-generic", (64, True): "I6500",
}
PF_X, PF_W, PF_R = 1, 2, 4
SECTIONS = (("system calls", "calls"), ("unknown system calls, -ENOSYS", "unknown"), ("faults and pages", "memory"),
            ("TLB maintenance", "mmu"))
ENVIRONMENT = ("PATH=/", "HOME=/", "LANG=C")


def main(options: Namespace) -> int:
    said = bytearray()
    images = [read_image(path) for path in (options.PROGRAM, *(options.others or ()))]
    system = _system(options, images, said)
    first = next(iter(system.programs.values()))
    names = [text.encode(errors="surrogateescape") for text in (options.PROGRAM, *options.ARGS)]
    system.start(first, names, _environment(options.env))
    with port(gdb_address(options)) as listener:
        outcome = _run(system, options) if listener is None else _debugged(system, images, options, listener)
    sys.stdout.flush()
    if options.json:
        print(json.dumps({**figures(system), "output": said.decode("utf-8", "replace"), "status": outcome.status,
                          "ending": {"cause": outcome.cause, "text": outcome.text}}, indent=2))
    elif options.stats:
        print(_table(system, outcome), file=sys.stderr)
    if outcome.cause not in ("exit", "signal"):
        complain(outcome.text)
    elif outcome.status > BY_SIGNAL:
        complain(f"{options.PROGRAM}: {outcome.text}")
    return outcome.status


def read_image(path: str) -> Image:
    image = parse_image(path, read_whole(path, "an ELF executable of Linux for MIPS"))
    if image.headers.interpreted:
        raise ConfigError(f"{path}: is linked dynamically, and there are no libraries here; link it with -static")
    if "n32" in image.flags and image.bits == 32:
        raise ConfigError(f"{path}: is built for n32; build it with -mabi=32 or -mabi=64")
    return image


def program_of(image: Image) -> Program:
    parts = tuple(Part(segment.address, segment.data, segment.memory_size, _prot(segment.flags))
                  for segment in image.segments)
    table = image.headers
    return Program(image.path, image.bits, image.big_endian, image.entry, parts,
                   (table.address, table.size, table.count), "fp64" in image.flags)


def _prot(flags: int) -> Prot:
    pairs = (PF_R, Prot.READ), (PF_W, Prot.WRITE), (PF_X, Prot.EXEC)
    return Prot(sum(prot for flag, prot in pairs if flags & flag))


def _cpu(image: Image, name: str | None) -> CpuModel:
    usual = USUAL_CPU[max(image.bits, image.isa.bits), image.isa.release >= FIRST_WITHOUT_OLD_CODE]
    cpu = find_model(name or usual)
    if max(image.isa.bits, image.bits) > cpu.bits:
        raise ConfigError(f"{image.path}: has {image.isa.name} code, of {image.isa.bits} bits, and --cpu {cpu.name} "
                          f"is a {cpu.bits}-bit core; choose {usual}")
    if not image.isa.release <= cpu.release <= max(image.isa.last, image.isa.release):
        raise ConfigError(f"{image.path}: has {image.isa.name} code, and --cpu {cpu.name} executes release {cpu.release}; "
                          f"choose {usual}")
    return cpu


def _system(options: Namespace, images: list[Image], said: bytearray) -> UserSystem:
    cpu = _cpu(images[0], options.cpu)
    machine = Machine(cpu, topology_of(options.topology, cpu, options.host_cpus) or options.host_cpus,
                      _memory(options.memory), images[0].big_endian, options.engine)
    kernel = Kernel(machine, page_shift=PAGE_SHIFT, quantum=options.quantum, seed=options.seed, mmids=options.mmids,
                    slice_ticks=LEAST_SLICE_TICKS)
    if options.mmids and not kernel.mmid_bits:
        raise ConfigError(f"--mmids: the core {cpu.name} has no MemoryMapID; an I6500 has, for programs of release 6 "
                          "(-march=mips64r6); or leave --mmids out")
    given = b"" if options.stdin is None else read_whole(options.stdin, "a file to read from", "--stdin")

    def say(data: bytes, error: bool) -> None:
        if options.json:
            said.extend(data)
            return
        out: BinaryIO = sys.stderr.buffer if error else sys.stdout.buffer
        out.write(data)
        out.flush()

    system = UserSystem(kernel, [program_of(image) for image in images], say, given, options.seed)
    for image in images:
        _cpu(image, cpu.name)
    for program in system.programs.values():
        system.check(program)
    return system


def _memory(text: str) -> int:
    size = parse_size(text)
    if size > KSEG0_REACH:
        raise ConfigError(f"-m {text}: the kernel reaches {KSEG0_REACH >> 20}M, where programs are, too; give it no more")
    if size % (1 << PAGE_SHIFT):
        raise ConfigError(f"-m {text}: memory comes in pages of {1 << PAGE_SHIFT - 10}K; give a size such as 64M")
    return size


def _environment(given: list[str] | None) -> list[bytes]:
    for text in given or ():
        if "=" not in text[1:]:
            raise ConfigError(f"--env {text}: is no variable with a value; give one such as LANG=C")
    return [text.encode(errors="surrogateescape") for text in given or ENVIRONMENT]


def _run(system: UserSystem, options: Namespace) -> Outcome:
    heard: list[int] = []
    machine, started, pace = system.kernel.machine, time.monotonic(), Pace(FIRST_SLICE[options.engine])
    with listening(heard):
        while not system.finished:
            executed, before = machine.retired, time.monotonic()
            if early := _early(options, heard, executed, before - started):
                return early
            slice_ticks = pace.ticks
            if options.max_insns is not None:
                slice_ticks = max(1, min(slice_ticks, (options.max_insns - executed) // len(machine.cpus)))
            system.run(min(cpu.ticks for cpu in machine.cpus) + slice_ticks)
            pace.adapt(time.monotonic() - before)
    return _ended(system)


def _early(options: Namespace, heard: list[int], executed: int, seconds: float) -> Outcome | None:
    """What ends a run before the program does."""
    if heard:
        return Outcome(BY_SIGNAL + heard[0], "ended", f"ended by signal {heard[0]}")
    if options.max_insns is not None and executed >= options.max_insns:
        return Outcome(RAN_OUT, "max-insns", f"--max-insns {options.max_insns}: {executed:,} were executed and the "
                       "program still runs; raise the limit")
    if options.timeout is not None and seconds >= options.timeout:
        return Outcome(RAN_OUT, "timeout", f"--timeout {options.timeout:g}: time is up and the program still runs; "
                       "raise the limit")
    return None


def _debugged(system: UserSystem, images: list[Image], options: Namespace, listener: socket) -> Outcome:
    """A debugger decides what runs."""
    from vmm.debug.userland import Userland

    heard: list[int] = []
    started = time.monotonic()
    with listening(heard), serving(Userland(system, images), listener, hold=options.hold) as server:
        while not server.done:
            if early := _early(options, heard, system.kernel.machine.retired, time.monotonic() - started):
                return early
            if server.idle:
                select.select(server.sockets(), [], [], WAIT_SECONDS)
            server.step(wait=False)
    return _ended(system)


def _ended(system: UserSystem) -> Outcome:
    ended = system.first.ended if system.first else None
    if ended is None:
        return Outcome(RAN_OUT, "deadlock", "every thread waits, and nothing can wake one")
    return Outcome(ended.shell_status, "signal" if ended.signal else "exit", str(ended))


def _ticks(system: UserSystem) -> int:
    """Of the CPU that is ahead."""
    return max(cpu.ticks for cpu in system.kernel.cpus)


def figures(system: UserSystem) -> dict[str, object]:
    kernel, ticks = system.kernel, _ticks(system)
    return {
        "cpu": kernel.model.name, "host_cpus": len(kernel.cpus), "ids": "MMIDs" if kernel.mmid_bits else "ASIDs",
        "retired": system.kernel.machine.retired, "ticks": ticks, "ns": ticks * kernel.ns_per_tick,
        "calls": dict(sorted(system.calls.counts.items())), "unknown": dict(sorted(system.calls.unknown.items())),
        "memory": dict(sorted(system.counts.items())), "mmu": dict(sorted(kernel.mmu_counts.items())),
    }


def _table(system: UserSystem, outcome: Outcome) -> str:
    found = figures(system)
    lines = [f"{found['cpu']}, {found['host_cpus']} CPUs, {found['ids']}",
             f"  {'instructions':<28} {found['retired']:>14,}",
             f"  {'virtual time':<28} {_ticks(system) * system.kernel.ns_per_tick / NS_PER_MS:>14,.3f} ms"]
    for title, key in SECTIONS:
        rows = found[key]
        assert isinstance(rows, dict)
        lines += [title] * bool(rows) + [f"  {name:<28} {count:>14,}" for name, count in rows.items()]
    return "\n".join([*lines, f"ended: {outcome.text} (status {outcome.status})"])
