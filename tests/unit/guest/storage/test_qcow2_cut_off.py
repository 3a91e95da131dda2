"""qcow2 images whose run was cut off, or whose file could not grow: sound, as qemu-img judges."""
from __future__ import annotations

import subprocess
from pathlib import Path
from random import Random

import pytest

from tests.support.qcow2 import KIB, create, opened, qemu_img
from vmm.guest.disk import SECTOR
from vmm.guest.storage.hostfile import HostFile
from vmm.guest.storage.qcow2 import Qcow2Image
from vmm.guest.storage.qcow2_header import read_header

SEED = 20_231_207


class Journal:
    """A file that remembers what was done to it, and can fail from some write on."""

    def __init__(self, path: Path) -> None:
        self._file = HostFile(str(path))
        self.steps: list[tuple[int, bytes] | None] = []     # None: flushed
        self.room = 1 << 60                                 # bytes that the file may have

    @property
    def size(self) -> int:
        return self._file.size

    def read(self, offset: int, size: int) -> bytes:
        return self._file.read(offset, size)

    def write(self, offset: int, data: bytes) -> None:
        if offset + len(data) > self.room:
            raise OSError(28, "No space left on device")
        self._file.write(offset, data)
        self.steps.append((offset, bytes(data)))

    def flush(self) -> None:
        self.steps.append(None)

    def close(self) -> None:
        self._file.close()


def journalled(path: Path) -> tuple[Qcow2Image, Journal]:
    journal = Journal(path)
    return Qcow2Image(journal, read_header(journal, "it"), None, "it", False), journal


@pytest.mark.parametrize("snapshot", [False, True])
def test_the_medium_is_sound_whenever_power_goes(tmp_path: Path, snapshot: bool) -> None:
    """Of what was written since the last time the medium was up to date, any part may be there, the rest not."""
    path, random, size = tmp_path / "a.qcow2", Random(SEED), 256 * KIB
    create(path, size, "cluster_size=512")
    disk = opened(path)
    disk.write(0, b"old" * 1024 * 4)
    disk.close()
    if snapshot:
        qemu_img("snapshot", "-c", "before", path)
    start = path.read_bytes()
    image, journal = journalled(path)
    flushed: list[tuple[int, bytes]] = []                   # steps of the journal, contents of the disk
    for _ in range(6):
        for _ in range(5):
            at = random.randrange(size // SECTOR - 20) * SECTOR
            image.write(at, random.randbytes(SECTOR * random.randrange(1, 20)))
        image.flush()
        flushed.append((len(journal.steps), image.read(0, size)))
    image.close()

    medium, part = bytearray(start), list[tuple[int, bytes]]()
    for number, step in enumerate(journal.steps):
        if step is not None:
            part.append(step)
            continue
        for _ in range(3):
            cut_off(tmp_path / "cut", medium, [step for step in part if random.random() < 0.6])
        for step in part:
            put(medium, *step)
        part.clear()
        if number + 1 in dict(flushed):
            (tmp_path / "whole").write_bytes(medium)
            assert opened(tmp_path / "whole").read(0, size // SECTOR) == dict(flushed)[number + 1]


def cut_off(copy: Path, before: bytearray, there: list[tuple[int, bytes]]) -> None:
    medium = bytearray(before)
    for at, data in there:
        put(medium, at, data)
    copy.write_bytes(medium + bytes(-len(medium) % 512))
    ran = subprocess.run(["qemu-img", "check", copy], capture_output=True, text=True)
    assert ran.returncode in (0, 3), f"seed {SEED}: {ran.stdout}{ran.stderr}"


def put(medium: bytearray, at: int, data: bytes) -> None:
    medium += bytes(max(0, at - len(medium)))
    medium[at:at + len(data)] = data


@pytest.mark.parametrize("room", range(0, 200, 7))
def test_a_full_disk(tmp_path: Path, room: int) -> None:
    """What failed is told, what was written before is there, and the image is sound; with room again, all goes on."""
    path, random, size = tmp_path / "a.qcow2", Random(f"{SEED} {room}"), 128 * KIB
    create(path, size, "cluster_size=512,refcount_bits=64")
    image, journal = journalled(path)
    journal.room = journal.size + room * 512
    model, failed = bytearray(size), 0
    for _ in range(60):
        at = random.randrange(size // SECTOR) * SECTOR
        data = random.randbytes(SECTOR)
        try:
            image.write(at, data)
            model[at:at + SECTOR] = data
        except OSError:
            failed += 1
    try:
        image.flush()
    except OSError:
        failed += 1
    assert image.read(0, size) == model and (failed or room > 60)
    journal.room = 1 << 60
    image.write(0, b"again" + bytes(507))
    model[:SECTOR] = b"again" + bytes(507)
    image.close()
    ran = subprocess.run(["qemu-img", "check", path], capture_output=True, text=True)
    assert ran.returncode in (0, 3), ran.stdout             # 3: some clusters are counted in vain
    assert opened(path).read(0, size // SECTOR) == model
