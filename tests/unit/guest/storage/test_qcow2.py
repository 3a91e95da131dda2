"""qcow2 images that qemu-img made, changed by us and judged by qemu-img."""
from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.support.qcow2 import MIB, check, create, finish, opened, qemu_img
from vmm.errors import ConfigError
from vmm.guest.disk import SECTOR, ImageDisk
from vmm.guest.storage.hostfile import HostFile
from vmm.guest.storage.qcow2_header import read_header

SEED = 20_231_207


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
