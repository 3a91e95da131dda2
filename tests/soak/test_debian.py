"""Debian 12's own Malta kernels boot to a shell, bare and under VZ, and switch the board off.

The kernels come from Debian's packages, fetched by apt into a cache folder, and nothing else will do.  By name
only: ``pytest -m soak tests/soak/test_debian.py``.
"""
from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from vmm.arch.models import find_model
from vmm.guest.bare import BareSystem
from vmm.guest.board import MALTA, MIB
from vmm.guest.hypervised import HypervisedSystem
from vmm.guest.image import load_image
from vmm.guest.placement import Mode
from vmm.guest.system import Request, System

PACKAGE = "debian-installer-12-netboot-{}"
FOLDER = "usr/lib/debian-installer/images/12/{}/malta"
PROMPT = b"~ # "
SCRIPT = b"mount -t proc proc /proc; cat /proc/interrupts; poweroff -f\n"
MOST_INSTRUCTIONS = 9_000_000_000
SLICE = 2_000_000


@dataclass
class Person:
    """Reads the console, and types once at the first prompt."""
    script: bytes
    said: bytearray
    done: bool = False

    def put(self, byte: int) -> None:
        self.said.append(byte)

    def poll(self) -> bytes:
        if self.done or PROMPT not in self.said[-16:]:
            return b""
        self.done = True
        return self.script


def kernel(architecture: str) -> Path:
    """The folder of an architecture's kernel and initial RAM disk."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "vmm-tests"
    folder = cache / FOLDER.format(architecture)
    if folder.is_dir():
        return folder
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        pytest.fail("apt-get fetches Debian's kernels, and is not here")
    cache.mkdir(parents=True, exist_ok=True)
    fetched = subprocess.run(["apt-get", "download", PACKAGE.format(architecture)], cwd=cache, capture_output=True)
    if fetched.returncode:
        pytest.fail(f"apt-get download {PACKAGE.format(architecture)}: {fetched.stderr.decode()[-200:]}")
    for package in cache.glob(PACKAGE.format(architecture) + "_*.deb"):
        subprocess.run(["dpkg", "-x", package, cache], check=True)
    return folder


@pytest.mark.soak
@pytest.mark.parametrize(("architecture", "mode", "cpu", "extra"), [
    ("mipsel",   "bare", "24Kf",             ""),
    ("mips64el", "bare", "5KEf",             ""),
    ("mipsel",   "vz",   "P5600",            " ieee754=relaxed"),
    ("mips64el", "vz",   "MIPS64R5-generic", ""),
])
def test_it_boots_and_switches_off(architecture: str, mode: Mode, cpu: str, extra: str) -> None:
    folder = kernel(architecture)
    image = load_image(str(next(folder.glob("vmlinuz-*"))))
    request = Request(image, mode, find_model(cpu), MALTA, 256 * MIB,
                      command_line=f"console=ttyS0 rdinit=/bin/sh{extra}", initrd=(folder / "initrd.gz").read_bytes())
    person = Person(SCRIPT, bytearray())
    system: System = (BareSystem if mode == "bare" else HypervisedSystem)(request, person)
    core = system.machine.cpus[0]
    while system.ending is None and core.retired < MOST_INSTRUCTIONS:
        system.run(core.ticks + SLICE)
    text = person.said.decode("latin-1")
    print(f"{architecture} {mode} {cpu}: {core.retired:,} instructions, {core.ticks * 5 // 1_000_000:,} ms, {system.exits}")
    assert system.ending is not None and system.ending.status == 0, text[-2000:]
    assert "XT-PIC   4  ttyS0" in text and "reboot: Power down" in text
