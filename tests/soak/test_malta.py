"""Debian 12's kernel on a Malta from which something is missing: the end of the run says so.

By name only: ``pytest -m soak tests/soak/test_malta.py``.
"""
from __future__ import annotations

import pytest

from tests.support.debian import netboot
from tests.support.person import Person, malta, run

pytestmark = pytest.mark.soak
MOST_INSTRUCTIONS = 9_000_000_000


def test_a_damaged_initrd_ends_in_a_panic_which_ends_the_run() -> None:
    """What a kernel would unpack is not known before, so it is the kernel that says so."""
    folder = netboot("mipsel")
    damaged = bytearray((folder / "initrd.gz").read_bytes()[:1 << 20])
    damaged[1000:1100] = bytes(100)
    person = Person()
    ended = run(malta(str(next(folder.glob("vmlinuz-*"))), "bare", "24Kf", "console=ttyS0 panic=1", bytes(damaged)), person,
                MOST_INSTRUCTIONS)
    assert "Initramfs unpacking failed" in person.text and "Kernel panic - not syncing" in person.text
    assert ended.ending is not None and (ended.ending.status, ended.ending.text) == (0, "the guest reset the board")
