"""Debian 12's kernel on a Malta in ways that are not its usual: as a U-Boot image, and with a damaged initrd.

By name only: ``pytest -m soak tests/soak/test_malta.py``.
"""
from __future__ import annotations

import gzip
import lzma
from pathlib import Path

import pytest

from tests.support.debian import kernel, netboot
from tests.support.initramfs import initramfs
from tests.support.person import Person, malta, run
from tests.support.uimage import uimage

pytestmark = pytest.mark.soak
MOST_INSTRUCTIONS = 9_000_000_000
XZ = b"\xfd7zXZ\0"
LOAD, ENTRY = 0x8010_0000, 0x400                            # of the kernel within its self-extracting image; where it jumps


def test_a_kernel_boots_from_a_uimage(tmp_path: Path) -> None:
    raw = kernel("mipsel").image.read_bytes()
    code = lzma.LZMADecompressor().decompress(raw[raw.rindex(XZ):])
    image = tmp_path / "uImage"
    image.write_bytes(uimage(gzip.compress(code, 1), LOAD, LOAD + ENTRY, compression=1))
    person = Person()
    init = initramfs("mipsel", "echo here is $(uname -m)\npoweroff -f\n")
    ended = run(malta(str(image), "bare", "24Kf", "console=ttyS0", init), person, MOST_INSTRUCTIONS)
    assert ended.ending is not None and ended.ending.status == 0 and "here is mips" in person.text


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
