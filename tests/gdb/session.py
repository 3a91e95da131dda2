"""Whole sessions of the installed gdb-multiarch with a system: commands in, what GDB printed out."""
from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from vmm.arch.models import find_model
from vmm.cli.choose import make_host, make_system
from vmm.debug import DebugTarget, debug_target
from vmm.gdbstub import Server, listen
from vmm.gdbstub.target import Action, StopEvent, ThreadId
from vmm.guest import bundled
from vmm.guest.board import find_board
from vmm.guest.console import MemoryConsole
from vmm.guest.image import Image, parse_image
from vmm.guest.system import Request

GDB = ("timeout", "15", "gdb-multiarch", "-nx", "-q", "-batch", "-ex", "set width 0", "-ex", "set remotetimeout 60",
       "-ex", "set heuristic-fence-post 64")
"""The bound is for a hang only."""


def target(mode: bundled.Mode, cpu: str, image: Image | None = None, *, host_cpus: int = 1, cpus: int = 1,
           big_endian: bool = False) -> DebugTarget:
    """A system that stands at its first instruction; the bundled guest, unless there is an image."""
    guest = image or parse_image("kernel.elf", bundled.build(mode, big_endian, 12))
    request = Request(guest, mode, find_model(cpu), find_board("malta"), 32 << 20, host_cpus=host_cpus, cpus=cpus)
    return debug_target(make_system(request, MemoryConsole()))


def several(*guests: tuple[bundled.Mode, Image | None], host_cpus: int = 2, migrate: int = 0) -> DebugTarget:
    """Some guests on one host, a P5600; the bundled one where there is no image."""
    requests = [Request(image or parse_image("kernel.elf", bundled.build(mode, False, 12)), mode, find_model("P5600"),
                        find_board("malta"), 16 << 20, host_cpus=host_cpus, migrate=migrate) for mode, image in guests]
    return debug_target(make_host([(request, MemoryConsole()) for request in requests]).guests[0])


def resumed(debugged: DebugTarget, actions: Mapping[ThreadId, Action], slices: int = 2000) -> StopEvent | None:
    """What stops it next, as a client would be told; None if nothing does for so long."""
    debugged.resume(actions)
    for _ in range(slices):
        if (event := debugged.run_slice()) is not None:
            return event
    return None


def number_in(debugged: DebugTarget, thread: ThreadId, register: int) -> int:
    """A register of a little-endian machine."""
    value = debugged.read_register(thread, register)
    assert value is not None
    return int.from_bytes(value, "little")


def run_gdb(debugged: DebugTarget, folder: Path, *commands: str, log: bool = False) -> str:
    """One debugger session, connected first.  ``log``: the packets go to ``folder/packets``."""
    server = Server(debugged, listen("0"))
    line = [*GDB, *(("-ex", f"set remotelogfile {folder / 'packets'}") if log else ()),
            "-ex", f"target extended-remote 127.0.0.1:{server.port}"]
    for command in commands:
        line += ["-ex", command]
    output = folder / "gdb.txt"
    with output.open("w") as file:
        process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)
        while process.poll() is None:
            server.step(wait=False)
    server.close()
    text = output.read_text()
    assert process.returncode == 0, text
    return text


def by_heading(text: str) -> dict[str, str]:
    """What was printed behind each ``echo [name]\\n``."""
    _, *parts = re.split(r"^\[([a-z0-9 -]+)\]\n", text, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def heading(name: str) -> str:
    return f"echo [{name}]\\n"
