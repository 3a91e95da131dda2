"""qcow2 images that are wrong, or more than is there: one line that says so, or an error of the disk."""
from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tests.support.qcow2 import MIB, create, finish, opened, qemu_img
from vmm.errors import ConfigError
from vmm.guest.disk import SECTOR
from vmm.guest.storage.hostfile import HostFile
from vmm.guest.storage.qcow2_header import read_header


def poke(at: int, form: str, value: int) -> Callable[[Path], None]:
    def change_it(path: Path) -> None:
        image = bytearray(path.read_bytes())
        struct.pack_into(form, image, at, value)
        path.write_bytes(image)
    return change_it


REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "version":    (poke(4, ">I", 4), "is qcow2 of version 4; convert it"),
    "cluster":    (poke(20, ">I", 40), "clusters of 2\\^40 bytes"),
    "size":       (poke(24, ">Q", 1 << 50), "L1 entries for a disk"),
    "no size":    (poke(24, ">Q", 0), "a disk of 0 bytes"),
    "encrypted":  (poke(32, ">I", 2), "is encrypted"),
    "l1 size":    (poke(36, ">I", 0xFFFF_FFFF), "L1 entries"),
    "l1":         (poke(40, ">Q", 1 << 40), "its L1 table at 0x10000000000"),
    "l1 aligned": (poke(40, ">Q", 0x30100), "its L1 table at 0x30100"),
    "counts":     (poke(48, ">Q", 0), "its reference count table at 0x0"),
    "count size": (poke(56, ">I", 1 << 30), "a reference count table of"),
    "dirty":      (poke(72, ">Q", 1), "was not closed.*qemu-img check -r all, or add ,readonly"),
    "corrupt":    (poke(72, ">Q", 2), "is marked as corrupt"),
    "data file":  (poke(72, ">Q", 4), "keeps its data in another file"),
    "zstd":       (poke(72, ">Q", 8), "compressed otherwise"),
    "extended":   (poke(72, ">Q", 16), "extended L2 entries"),
    "unknown":    (poke(72, ">Q", 1 << 40), "features that are not known here"),
    "order":      (poke(96, ">I", 7), "reference counts of 2\\^7 bits"),
    "length":     (poke(100, ">I", 1 << 20), "a header of 1048576 bytes"),
    "backing":    (poke(8, ">Q", 0x1_0001), "the name of its backing file at 0x10001"),
    "empty":      (lambda path: path.write_bytes(b"QFI\xfb") and None, "version 0"),
    "short":      (lambda path: path.write_bytes(path.read_bytes()[:200]) and None, "is no sound qcow2 image"),
    "raw":        (lambda path: path.write_bytes(bytes(512)) and None, "is no qcow2 image; leave out format=qcow2"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.qcow2"
    create(path, MIB)
    wrong, message = REFUSED[name]
    wrong(path)
    with pytest.raises(ConfigError, match=f"^--disk {path}: .*{message}"):
        opened(path, format="qcow2")


def test_an_image_that_was_not_closed_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "a.qcow2"
    create(path, MIB)
    poke(72, ">Q", 1)(path)
    before = path.read_bytes()
    disk = opened(path, read_only=True)
    assert disk.read(0, 1) == bytes(512)
    disk.close()
    assert path.read_bytes() == before


@pytest.mark.parametrize(("backing", "how", "message"), [
    ("base", ["-F", "raw"], "backing file .*base: cannot be opened to read: No such file"),
    ("nbd:localhost:1", ["-F", "raw"], "is 'nbd:localhost:1', of format raw"),
    ("base", ["-F", "vmdk"], "of format vmdk"),
])
def test_a_backing_file_that_is_refused(tmp_path: Path, backing: str, how: list[str], message: str) -> None:
    path = tmp_path / "a.qcow2"
    create(path, MIB)
    qemu_img("rebase", "-u", "-b", backing, *how, path)
    with pytest.raises(ConfigError, match=message):
        opened(path)


def test_nothing_is_guessed_of_a_backing_file(tmp_path: Path) -> None:
    path = tmp_path / "a.qcow2"
    create(path, MIB)
    qemu_img("rebase", "-u", "-b", "base", "-F", "raw", path)
    path.write_bytes(path.read_bytes().replace(struct.pack(">I", 0xE279_2ACA), b"else", 1))
    with pytest.raises(ConfigError, match="is 'base', of format unknown; make it a raw or qcow2 file and say so"):
        opened(path)


def test_a_file_behind_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.qcow2"
    create(path, MIB)
    qemu_img("rebase", "-u", "-b", "a.qcow2", "-F", "qcow2", path)
    with pytest.raises(ConfigError, match="is in use"):
        opened(path)
    with pytest.raises(ConfigError, match="more than 16 files behind it"):
        opened(path, read_only=True)


@pytest.mark.parametrize("entry", [1 << 63 | 0x200, 1 << 63 | 1 << 40, 0x7FFF_FFFF_FFFF_FFFF])
@pytest.mark.parametrize("level", [1, 2])
def test_a_corrupt_table_is_an_error_of_the_disk(tmp_path: Path, entry: int, level: int) -> None:
    """Whatever an entry says, nothing else than an error comes of it, and the image is not written where it points."""
    path = tmp_path / "a.qcow2"
    create(path, MIB)
    disk = opened(path)
    disk.write(0, bytes(512))
    disk.close()
    header = read_header(HostFile(str(path), True), "it")
    at = header.l1_at
    if level == 2:
        at = struct.unpack_from(">Q", path.read_bytes(), at)[0] & (1 << 56) - 1
    poke(at, ">Q", entry)(path)
    before, disk = path.read_bytes(), opened(path)
    for _ in range(2):
        try:
            assert disk.read(0, 1) == bytes(512)            # far behind the end there are zeros
        except OSError:
            assert "the image is corrupt" in disk.told[0]  # type: ignore[attr-defined]
        if not (level == 2 and entry & 1 << 62):            # that would be a compressed cluster: not changed in place
            with pytest.raises(OSError, match="corrupt"):
                disk.write(0, b"x" * 512)
    assert path.read_bytes()[:len(before)] == before


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_in_an_image(tmp_path: Path, seed: int) -> None:
    """Bytes of its tables changed by chance: a refusal, an error of the disk, or wrong contents, and nothing else."""
    random, path = Random(seed), tmp_path / "a.qcow2"
    create(path, MIB, random.choice(["cluster_size=512", "cluster_size=4k", "compat=0.10", ""]))
    disk = opened(path)
    for sector in range(0, disk.sectors - 8, 97):
        disk.write(sector, random.randbytes(8 * SECTOR))
    finish(disk)
    image = bytearray(path.read_bytes())
    header = read_header(HostFile(str(path), True), "it")
    for _ in range(random.choice([1, 3, 40])):
        area = random.choice([0, header.l1_at, header.count_table_at, random.randrange(len(image)) & -header.cluster])
        at = area + random.randrange(random.choice([8, 128, 512]))
        image[min(at, len(image) - 1)] = random.choice([0, 1, 0xFF, 0x80])
    path.write_bytes(image)
    try:
        disk = opened(path)
    except ConfigError as error:
        assert str(error).startswith("--disk")
        return
    for _ in range(40):
        sector = random.randrange(max(1, min(disk.sectors - 8, 2 * MIB // SECTOR)))
        try:
            disk.write(sector, random.randbytes(SECTOR))
            disk.read(sector, 8)
        except OSError:
            assert disk.told  # type: ignore[attr-defined]
    disk.close()
    assert path.stat().st_size < 16 * MIB
