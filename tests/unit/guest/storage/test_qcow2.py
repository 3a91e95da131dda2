"""qcow2 images that qemu-img made, changed by us and judged by qemu-img; and ones that are wrong."""
from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from vmm.errors import ConfigError
from vmm.guest.disk import SECTOR, ImageDisk
from vmm.guest.storage.hostfile import HostFile
from vmm.guest.storage.qcow2 import Qcow2Image
from vmm.guest.storage.qcow2_header import read_header
from vmm.guest.storage.spec import DiskSpec, open_disk

KIB, MIB = 1 << 10, 1 << 20
SEED = 20_231_207


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


def change(disk: ImageDisk, model: bytearray, random: Random, writes: int, flushes: int = 5) -> None:
    for _ in range(writes):
        sector = random.randrange(disk.sectors)
        count = min(random.choice([1, 1, 3, 8, 64, 200]), disk.sectors - sector)
        data = random.choice([random.randbytes(count * SECTOR), bytes(count * SECTOR)])
        disk.write(sector, data)
        model[sector * SECTOR:(sector + count) * SECTOR] = data
        if not random.randrange(flushes):
            disk.flush()
        at = random.randrange(disk.sectors)
        some = min(random.choice([1, 7, 300]), disk.sectors - at)
        assert disk.read(at, some) == model[at * SECTOR:(at + some) * SECTOR]


@pytest.mark.parametrize("options", [
    "", "compat=0.10", "cluster_size=512", "cluster_size=512,refcount_bits=1", "cluster_size=1k,refcount_bits=64",
    "cluster_size=4k,refcount_bits=4", "cluster_size=2M", "preallocation=metadata", "preallocation=metadata,compat=0.10",
    "cluster_size=4k,preallocation=falloc", "lazy_refcounts=on,cluster_size=8k"])
def test_random_writes(tmp_path: Path, options: str) -> None:
    print(f"seed {SEED} {options}")
    path, random, size = tmp_path / "a.qcow2", Random(f"{SEED} {options}"), 3 * MIB + 512
    create(path, size, options)
    model = bytearray(size)
    for _ in range(2):                                      # the second run reads what the first one wrote
        disk = opened(path)
        change(disk, model, random, 60)
        finish(disk)
        check(path, model)


def test_counts_that_need_a_larger_table(tmp_path: Path) -> None:
    path, size = tmp_path / "a.qcow2", 6 * MIB
    create(path, size, "cluster_size=512,refcount_bits=64")
    before = read_header(HostFile(str(path), True), "it").count_table_clusters
    disk, model = opened(path), bytearray()
    for sector in range(0, size // SECTOR, 64):
        model += Random(sector).randbytes(64 * SECTOR)
        disk.write(sector, model[-64 * SECTOR:])
    finish(disk)
    assert read_header(HostFile(str(path), True), "it").count_table_clusters > before
    check(path, model)


def test_files_behind_it(tmp_path: Path) -> None:
    """A shorter raw file, behind a compressed image, behind one that is written."""
    random, size = Random(SEED), 2 * MIB
    base = bytearray(random.randbytes(MIB))
    (tmp_path / "base").write_bytes(base)
    create(tmp_path / "middle", size, "", "-b", "base", "-F", "raw")
    disk, model = opened(tmp_path / "middle"), base + bytes(size - MIB)
    change(disk, model, random, 20)
    finish(disk)
    create(tmp_path / "top", size + MIB, "cluster_size=8k", "-b", "middle", "-F", "qcow2")
    disk, model = opened(tmp_path / "top"), model + bytes(MIB)
    with pytest.raises(ConfigError, match="base: is in use"):
        opened(tmp_path / "base", format="raw")
    change(disk, model, random, 40)
    finish(disk)
    check(tmp_path / "top", model)
    assert (tmp_path / "base").read_bytes() == base


def test_compressed_clusters(tmp_path: Path) -> None:
    random = Random(SEED)
    model = bytearray(b"".join(random.choice([bytes([n & 0xFF]) * 4096, random.randbytes(4096)]) for n in range(300)))
    (tmp_path / "raw").write_bytes(model)
    path = tmp_path / "a.qcow2"
    qemu_img("convert", "-c", "-f", "raw", "-O", "qcow2", tmp_path / "raw", path)
    assert path.stat().st_size < len(model)
    disk = opened(path)
    assert disk.read(0, disk.sectors) == model
    change(disk, model, random, 40)
    finish(disk)
    check(path, model)


def test_snapshots_stay_as_they_were(tmp_path: Path) -> None:
    path, random, size = tmp_path / "a.qcow2", Random(SEED), 2 * MIB
    create(path, size, "cluster_size=4k")
    model = bytearray(size)
    for _ in range(2):
        disk = opened(path)
        change(disk, model, random, 30)
        finish(disk)
        qemu_img("snapshot", "-c", "before", path)
        before = bytes(model)
        disk = opened(path)
        change(disk, model, random, 30)
        finish(disk)
        check(path, model)
        qemu_img("snapshot", "-a", "before", path)
        check(path, before)
        qemu_img("snapshot", "-d", "before", path)
        model[:] = before


# -- a run that is cut off -------------------------------------------------------------------------------------------

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


# -- what is refused -------------------------------------------------------------------------------------------------

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
