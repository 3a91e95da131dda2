"""Debian's kernels on disks of ours: partitions, ext4, files, and the same files after the next start.

What the guest wrote is judged by its own e2fsck, by debugfs and qemu-img on the host, and by comparing bytes.  By name
only: ``pytest -m soak tests/soak/test_disks.py``.
"""
from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from hashlib import md5
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.support.debian import kernel
from tests.support.initramfs import initramfs
from tests.support.person import SLICE, Person, malta, run
from vmm.cli.choose import make_system
from vmm.guest.cards import DiskCard
from vmm.guest.placement import Mode
from vmm.guest.storage.spec import open_disk, parse_disk
from vmm.guest.system import Request

SEED = 20_231_209
MIB = 1 << 20
SIZE, FIRST, DATA = 48 * MIB, 1 * MIB, 3 * MIB              # of the disk, before its partition, of the largest file
SMALL = 40                                                  # files
MODULES = {"ide": ["ata_piix", "crc32c_generic", "ext4"], "virtio": ["virtio_pci", "virtio_blk", "crc32c_generic", "ext4"]}
DISK = {"ide": "/dev/sda", "virtio": "/dev/vda"}
OTHER = {"ide": "/dev/sdb", "virtio": "/dev/vdb"}
MOST_INSTRUCTIONS = 15_000_000_000
LOAD = """
for module in {modules}; do modprobe $module || echo no $module; done
for n in 1 2 3 4 5 6 7 8 9; do [ -b {disk} ] && [ -b {other} ] || sleep 1; done
"""
FILL = LOAD + """
echo other $(md5sum < {other})
dd if=/dev/zero of={other} bs=4k count=1 conv=fsync 2> /dev/null || echo other can only be read
echo '2048,,L' | /sbin/sfdisk --quiet {disk} && echo partitioned
/sbin/mke2fs -q -t ext4 {disk}1 && mount -t ext4 {disk}1 /mnt && echo mounted
cp /data /mnt/data
mkdir /mnt/small
for n in $(seq {small}); do dd if=/data of=/mnt/small/$n bs=1000 skip=$n count=$n 2> /dev/null; done
rm /mnt/small/7
sync
umount /mnt && echo filled
poweroff -f
"""
ENDLESS = LOAD + """
/sbin/mke2fs -q -t ext4 {disk} && mount -t ext4 {disk} /mnt
cp /data /mnt/data
sync
echo synced
while true; do cp /data /mnt/more; mv /mnt/more /mnt/most; done
"""
RECOVER = LOAD + """
mount -t ext4 {disk} /mnt && echo data $(md5sum < /mnt/data)
umount /mnt
/sbin/e2fsck -fn {disk}; echo e2fsck said $?
poweroff -f
"""
LOOK = LOAD + """
/sbin/sfdisk --dump {disk} | grep start=
/sbin/e2fsck -fn {disk}1; echo e2fsck said $?
mount -t ext4 -o ro {disk}1 /mnt
echo data $(md5sum < /mnt/data)
cat /mnt/small/* | wc -c
ls /mnt/small | wc -l
echo small $(for n in $(seq {small}); do [ $n = 7 ] || cat /mnt/small/$n; done | md5sum)
poweroff -f
"""


@contextmanager
def machine(mode: Mode, cpu: str, interface: str, script: str, data: bytes, disks: Sequence[str]) -> Iterator[Request]:
    """Nothing goes wrong with its disks but what the guest is to find."""
    init = script.format(modules=" ".join(MODULES[interface]), disk=DISK[interface], other=OTHER[interface], small=SMALL)
    initrd = initramfs("mipsel", init, ["e2fsprogs", "fdisk"], ["mke2fs", "e2fsck", "sfdisk"], MODULES[interface],
                       {"/data": data})
    extra = " ieee754=relaxed" if cpu == "P5600" else ""
    request = malta(str(kernel("mipsel").image), mode, cpu, f"console=ttyS0 quiet{extra}", initrd)
    told: list[str] = []
    specs = [parse_disk(f"{text},if={interface}") for text in disks]
    opened = [open_disk(spec, told.append) for spec in specs]
    cards = (DiskCard(disk, read_only=spec.read_only) for disk, spec in zip(opened, specs, strict=True))
    request = replace(request, disks=tuple(opened)) if interface == "ide" else replace(request, cards=tuple(cards))
    with closing(request):
        yield request
    assert told == []


def start(*how: Any) -> str:
    """The console of a run to its end: of ``machine``."""
    person = Person()
    with machine(*how) as request:
        system = run(request, person, MOST_INSTRUCTIONS)
    assert system.ending is not None and system.ending.status == 0, person.text[-3000:]
    print(person.text[-3000:])
    return person.text


@pytest.fixture
def judges() -> None:
    for tool in ("qemu-img", "debugfs"):
        if not shutil.which(tool):
            pytest.fail(f"{tool} judges what was written, and is not here; make tools installs it")


@pytest.mark.soak
@pytest.mark.usefixtures("judges")
@pytest.mark.parametrize(("mode", "cpu", "interface", "format"), [
    ("bare", "24Kf",  "ide",    "raw"),
    ("bare", "24Kf",  "ide",    "qcow2"),
    ("vz",   "P5600", "ide",    "raw"),
    ("vz",   "P5600", "ide",    "qcow2"),
    ("bare", "24Kf",  "virtio", "qcow2"),
])
def test_a_file_system_stays(tmp_path: Path, mode: Mode, cpu: str, interface: str, format: str) -> None:
    print(f"seed {SEED}")
    data, other, image = Random(SEED).randbytes(DATA), tmp_path / "other", tmp_path / f"disk.{format}"
    other.write_bytes(data[:MIB])
    subprocess.run(["qemu-img", "create", "-q", "-f", format, image, str(SIZE)], check=True)
    disks = f"{image},format={format}", f"{other},readonly"

    text = start(mode, cpu, interface, FILL, data, disks)
    assert all(word in text for word in ("partitioned", "mounted", "filled", "other can only be read"))
    assert f"other {md5(data[:MIB]).hexdigest()}" in text and other.read_bytes() == data[:MIB]

    text = start(mode, cpu, interface, LOOK, b"", disks)
    small = {n: data[1000 * n:2000 * n] for n in range(1, SMALL + 1) if n != 7}
    assert "e2fsck said 0" in text and "start=        2048" in text
    assert f"data {md5(data).hexdigest()}" in text and f"\n{SMALL - 1}\n" in text
    assert f"small {md5(b''.join(small.values())).hexdigest()}" in text
    judge(image, format, tmp_path, {"/data": data, "/small/40": small[40]})


@pytest.mark.soak
@pytest.mark.usefixtures("judges")
@pytest.mark.parametrize("format", ["qcow2", "raw"])
def test_what_was_synced_outlives_a_run_that_is_killed(tmp_path: Path, format: str) -> None:
    """While the guest goes on writing, the image is copied as it is in the file: that is what a killed run leaves."""
    print(f"seed {SEED}")
    data, other, image = Random(SEED).randbytes(DATA), tmp_path / "other", tmp_path / "disk"
    other.write_bytes(bytes(512))
    subprocess.run(["qemu-img", "create", "-q", "-f", format, image, str(SIZE)], check=True)
    person, copies = Person(), [tmp_path / "early", tmp_path / "late"]
    with machine("bare", "24Kf", "ide", ENDLESS, data, (f"{image},format={format}", f"{other},readonly")) as request:
        system = make_system(request, person)
        core = system.machine.cpus[0]
        while b"synced" not in person.said and core.retired < MOST_INSTRUCTIONS:
            system.run(core.ticks + SLICE)
        for copy in copies:
            system.run(core.ticks + 60_000_000)
            shutil.copy(image, copy)
    assert copies[0].read_bytes() != copies[1].read_bytes()
    for copy in copies:
        if format == "qcow2":
            assert subprocess.run(["qemu-img", "check", "-q", copy]).returncode in (0, 3)
    text = start("bare", "24Kf", "ide", RECOVER, b"", (f"{copies[1]},format={format}", f"{other},readonly"))
    assert f"data {md5(data).hexdigest()}" in text and "e2fsck said 0" in text


def judge(image: Path, format: str, folder: Path, files: dict[str, bytes]) -> None:
    """On the host: a sound image, a sound file system, and these files in it."""
    raw, system = folder / "raw", folder / "system"
    if format == "qcow2":
        checked = subprocess.run(["qemu-img", "check", image], capture_output=True, text=True)
        assert checked.returncode == 0 and "No errors were found" in checked.stdout, checked
    subprocess.run(["qemu-img", "convert", "-f", format, "-O", "raw", image, raw], check=True)
    with raw.open("rb") as source, system.open("wb") as target:
        source.seek(FIRST)
        shutil.copyfileobj(source, target)
    checked = subprocess.run(["e2fsck", "-fn", system], capture_output=True, text=True)
    assert checked.returncode == 0, checked
    for name, contents in files.items():
        there = folder / "there"
        subprocess.run(["debugfs", "-R", f"dump {name} {there}", system], check=True, capture_output=True)
        assert there.read_bytes() == contents, name
