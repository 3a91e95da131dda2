"""qcow2 images that qemu-img makes and judges."""
from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from vmm.guest.disk import ImageDisk
from vmm.guest.storage.spec import DiskSpec, open_disk

KIB, MIB = 1 << 10, 1 << 20


def qemu_img(*words: object) -> str:
    if not shutil.which("qemu-img"):
        pytest.fail("qemu-img judges these images, and is not here; install qemu-utils")
    ran = subprocess.run(["qemu-img", *map(str, words)], capture_output=True, text=True)
    assert ran.returncode == 0, f"{words}: {ran.stdout}{ran.stderr}"
    return ran.stdout


def create(path: Path, size: int, options: str = "", *more: object) -> None:
    qemu_img("create", "-q", "-f", "qcow2", *(["-o", options] if options else []), *more, path, size)


def opened(path: Path, **how: object) -> ImageDisk:
    told: list[str] = []
    disk = open_disk(DiskSpec(str(path), **how), told.append)  # type: ignore[arg-type]
    disk.told = told  # type: ignore[attr-defined]
    return disk


def finish(disk: ImageDisk) -> None:
    disk.close()
    assert disk.told == []  # type: ignore[attr-defined]


def check(path: Path, contents: bytes | bytearray) -> None:
    """Sound, without lost clusters, and with these contents."""
    assert "No errors were found" in qemu_img("check", path)
    raw = path.with_suffix(".judge")
    raw.write_bytes(contents)
    qemu_img("compare", "-q", "-f", "qcow2", "-F", "raw", path, raw)
