"""What it costs to boot Debian, beside QEMU: from the compressed kernel to a shell, and to the installer's first screen.

Every figure is a whole process, started with no input, until the console says what it waits for: processor time as the
operating system accounts the finished child, time on the wall, and the most memory it had.  The ways of a row are run in
turn, so that a slow moment of the computer hits them all.
"""
from __future__ import annotations

import argparse
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
from tests.support.debian import netboot  # noqa: E402  (the tests' folder is no package that is installed)

# Warm means: with Python's own cache too.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
ENVIRONMENT["PYTHONPATH"] = str(ROOT)
QEMU = "qemu"
QEMU_OPTIONS = ("-M", "malta", "-m", "256", "-vga", "none", "-nic", "none", "-display", "none", "-monitor", "none",
                "-no-reboot", "-serial", "stdio")
SHELL, SCREEN = "~ # ", "Choose the language"
OLDER_NANS = " ieee754=relaxed"                             # for a core whose FPU has the newer ones
TOLD = {"instructions": re.compile(rb"instructions +([\d,]+)"), "exits": re.compile(rb"total +([\d,]+)")}


@dataclass(frozen=True, slots=True)
class Way:
    """``mode``: one of ours, or QEMU."""
    mode: str
    cpu: str
    extra: str = ""

    @property
    def name(self) -> str:
        return f"{self.mode} {self.cpu}"


@dataclass(frozen=True, slots=True)
class Boot:
    """The first way of QEMU is what the others are compared with."""
    name: str
    architecture: str
    qemu: str
    arguments: str
    until: str
    ways: tuple[Way, ...]


BOOTS = {boot.name: boot for boot in (
    Boot("4kc", "mipsel", "qemu-system-mipsel", "console=ttyS0 rdinit=/bin/sh", SHELL, (
        Way("bare", "24Kf"), Way("bare", "P5600", OLDER_NANS), Way("vz", "P5600", OLDER_NANS), Way(QEMU, "24Kf"),
        Way(QEMU, "P5600", OLDER_NANS))),
    Boot("5kc", "mips64el", "qemu-system-mips64el", "console=ttyS0 rdinit=/bin/sh", SHELL, (
        Way("bare", "5KEf"), Way("bare", "MIPS64R5-generic"), Way("vz", "MIPS64R5-generic"), Way(QEMU, "5KEf"))),
    Boot("installer", "mipsel", "qemu-system-mipsel", "console=ttyS0", SCREEN, (
        Way("bare", "P5600", OLDER_NANS), Way("vz", "P5600", OLDER_NANS), Way(QEMU, "P5600", OLDER_NANS))),
)}


@dataclass(frozen=True, slots=True)
class Run:
    seconds: float                                          # of the processor, user and system
    wall: float
    peak_mib: float
    told: dict[str, int]                                    # of our own: instructions, exits


def command(boot: Boot, way: Way, folder: Path) -> list[str]:
    kernel, initrd = str(next(folder.glob("vmlinuz-*"))), str(folder / "initrd.gz")
    arguments = boot.arguments + way.extra
    if way.mode == QEMU:
        return [boot.qemu, *QEMU_OPTIONS, "-cpu", way.cpu, "-kernel", kernel, "-initrd", initrd, "-append", arguments]
    return [sys.executable, "-m", "vmm", "run", "--mode", way.mode, "--cpu", way.cpu, "-i", initrd, "-a", arguments,
            "--until", boot.until, "--stats", kernel]


def run(boot: Boot, way: Way, folder: Path) -> Run:
    """Once; ours ends by itself, QEMU is ended when the console has said it."""
    started = time.monotonic()
    with subprocess.Popen(command(boot, way, folder), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, env=ENVIRONMENT) as child:
        assert child.stdout is not None
        said = bytearray()
        for data in chunks(child.stdout.fileno()):
            said += data
            if way.mode == QEMU and boot.until.encode() in said:
                child.send_signal(signal.SIGKILL)
                break
        _, _, usage = os.wait4(child.pid, 0)
        child.returncode = 0
    if boot.until.encode() not in said:
        sys.exit(f"boot: {way.name} of {boot.name} ended without {boot.until!r}: {bytes(said[-300:])!r}")
    found = {name: pattern.search(said) for name, pattern in TOLD.items()}
    told = {name: int(match[1].replace(b",", b"")) for name, match in found.items() if match}
    return Run(usage.ru_utime + usage.ru_stime, time.monotonic() - started, usage.ru_maxrss / 1024, told)


def chunks(pipe: int) -> Iterator[bytes]:
    while data := os.read(pipe, 1 << 16):
        yield data


def report(boot: Boot, rounds: int) -> None:
    folder = netboot(boot.architecture)
    runs: dict[str, list[Run]] = {way.name: [] for way in boot.ways}
    for _ in range(rounds):
        for way in boot.ways:
            runs[way.name].append(run(boot, way, folder))
    base = next(way.name for way in boot.ways if way.mode == QEMU)
    median = {name: statistics.median(one.seconds for one in found) for name, found in runs.items()}
    print(f"\n{boot.name}: {boot.arguments}, until {boot.until!r}")
    print(f"{'':24}{'cpu s':>8}{'/ ' + base:>14}{'wall s':>8}{'peak MiB':>10}{'M insns':>9}{'exits':>9}")
    for name, found in runs.items():
        wall, peak = statistics.median(one.wall for one in found), max(one.peak_mib for one in found)
        told = found[-1].told
        instructions = f"{told['instructions'] / 1e6:.0f}" if "instructions" in told else "-"
        print(f"{name:24}{median[name]:8.1f}{median[name] / median[base]:14.2f}{wall:8.1f}{peak:10.0f}"
              f"{instructions:>9}{told.get('exits', '-'):>9}", flush=True)
    for ours in (way for way in boot.ways if way.mode == "vz"):
        beside = next((way.name for way in boot.ways if (way.mode, way.cpu) == ("bare", ours.cpu)), None)
        if beside is not None:
            print(f"{ours.name} / {beside}: {median[ours.name] / median[beside]:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("boots", nargs="*", metavar="BOOT", help=f"only these: {', '.join(BOOTS)}")
    options = parser.parse_args()
    unknown = [name for name in options.boots if name not in BOOTS]
    if unknown or options.rounds < 1:
        parser.error(f"no boot {unknown[0]}; there are {', '.join(BOOTS)}" if unknown else "at least one round")
    try:
        for name in options.boots or BOOTS:
            report(BOOTS[name], options.rounds)
    except pytest.fail.Exception as reason:                 # Debian's packages cannot be fetched
        sys.exit(f"boot: {reason}")


if __name__ == "__main__":
    main()
