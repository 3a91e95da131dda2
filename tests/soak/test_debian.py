"""Debian 12's own Malta kernels boot to a shell, bare and under VZ, and switch the board off.

The kernels come from Debian's packages, fetched by apt into a cache folder, and nothing else will do.  By name
only: ``pytest -m soak tests/soak/test_debian.py``.
"""
from __future__ import annotations

import pytest

from tests.support.debian import netboot
from tests.support.person import Person, malta, run
from vmm.guest.placement import Mode

PROMPT = b"~ # "
SCRIPT = b"mount -t proc proc /proc; cat /proc/interrupts; poweroff -f\n"
MOST_INSTRUCTIONS = 9_000_000_000


@pytest.mark.soak
@pytest.mark.parametrize(("architecture", "mode", "cpu", "extra"), [
    ("mipsel",   "bare", "24Kf",             ""),
    ("mips64el", "bare", "5KEf",             ""),
    ("mipsel",   "vz",   "P5600",            " ieee754=relaxed"),
    ("mips64el", "vz",   "MIPS64R5-generic", ""),
])
def test_it_boots_and_switches_off(architecture: str, mode: Mode, cpu: str, extra: str) -> None:
    folder = netboot(architecture)
    person = Person([(PROMPT, SCRIPT)])
    system = run(malta(str(next(folder.glob("vmlinuz-*"))), mode, cpu, f"console=ttyS0 rdinit=/bin/sh{extra}",
                       (folder / "initrd.gz").read_bytes()), person, MOST_INSTRUCTIONS)
    assert system.ending is not None and system.ending.status == 0, person.text[-2000:]
    assert "XT-PIC   4  ttyS0" in person.text and "reboot: Power down" in person.text
