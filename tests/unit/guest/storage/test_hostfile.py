"""Files of the host under a disk: what lasts, what is shared, and what is told when it goes wrong."""
from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.board import FakeRam
from vmm.errors import ConfigError
from vmm.guest.devices.ata import ABORTED, DEVICE_LBA, DRDY, DSC, ERR, Drive
from vmm.guest.disk import ImageDisk
from vmm.guest.storage.hostfile import HostFile
from vmm.guest.storage.spec import DiskSpec, open_disk, parse_disk


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "image"
    path.write_bytes(bytes(range(256)) * 16)
    return path


def opened(path: Path, **how: object) -> tuple[ImageDisk, list[str]]:
    told: list[str] = []
    return open_disk(DiskSpec(str(path), **how), told.append), told  # type: ignore[arg-type]


def test_what_is_written_is_in_the_file_at_once(path: Path) -> None:
    disk, _ = opened(path)
    disk.write(2, b"z" * 512)
    assert disk.sectors == 8 and disk.read(2, 1) == b"z" * 512 == path.read_bytes()[1024:1536]
    disk.flush()


def test_flush_asks_the_host(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a failure is one ever after: the kernel has forgotten the data, and the next call would not know."""
    calls: list[int] = []

    def sync(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr("os.fdatasync", sync)
    disk, told = opened(path)
    disk.flush()
    for _ in range(2):
        with pytest.raises(OSError, match="Input/output error"):
            disk.flush()
    assert len(calls) == 2
    assert told == [f"--disk {path}: flushing failed: Input/output error; the guest sees an error of its disk"]


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_that_may_not_grow(path: Path) -> None:
    """As a full disk: what fits is written, and the rest is an error."""
    disk, told = opened(path)
    with largest_file(2048):
        with pytest.raises(OSError, match="File too large"):
            disk.write(3, b"z" * 1024)
    assert path.read_bytes()[1536:2560] == b"z" * 512 + bytes(range(256)) * 2
    assert len(told) == 1 and "writing failed: File too large; the guest sees an error" in told[0]


def test_a_guest_sees_it(path: Path) -> None:
    """A command ends with an error, and the next one, with room again, does not."""
    disk, told = opened(path)
    drive, memory = Drive(disk, False), FakeRam()
    with largest_file(2048):
        drive.state.low, drive.state.count, drive.state.device = 7, 1, DEVICE_LBA
        drive.command(0xCA)
        assert drive.move([(0, 512)], memory) and (drive.state.status, drive.state.error) == (DRDY | DSC | ERR, ABORTED)
    drive.command(0xCA)
    assert drive.move([(0, 512)], memory) and drive.state.status == DRDY | DSC
    assert len(told) == 1


def test_a_file_that_is_cut_short(path: Path) -> None:
    disk, told = opened(path)
    with path.open("r+b") as file:
        file.truncate(1024)
    for _ in range(2):
        with pytest.raises(OSError, match="now has 1024"):
            disk.read(0, 1)
        with pytest.raises(OSError, match="now has 1024"):
            disk.write(0, bytes(512))
    assert path.stat().st_size == 1024
    assert told == [f"--disk {path}: {doing} failed: the file had 4096 bytes and now has 1024; the guest sees an error "
                    "of its disk" for doing in ("reading", "writing")]


def test_one_run_at_a_time(path: Path) -> None:
    disk, _ = opened(path)
    for read_only in (False, True):
        with pytest.raises(ConfigError, match="is in use, by another run or as another disk of this one"):
            opened(path, read_only=read_only)
    disk.close()
    readers = [opened(path, read_only=True)[0] for _ in range(2)]
    with pytest.raises(ConfigError, match="is in use"):
        opened(path)
    for reader in readers:
        reader.close()
    opened(path)[0].close()


def test_a_disk_that_can_only_be_read(path: Path) -> None:
    path.chmod(0o444)
    disk, told = opened(path, read_only=True)
    with pytest.raises(OSError, match="Read-only"):
        disk.write(0, bytes(512))
    assert disk.read(0, 1) == bytes(range(256)) * 2 and told == []


@pytest.mark.parametrize(("contents", "message"), [
    (b"", "has 0 bytes, which is no whole number of 512-byte sectors"), (b"odd", "has 3 bytes")])
def test_no_raw_image(path: Path, contents: bytes, message: str) -> None:
    path.write_bytes(contents)
    with pytest.raises(ConfigError, match=message):
        opened(path)


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    for path, message in ((tmp_path / "none", "to read and write: No such file"), (tmp_path, "Is a directory"),
                          (tmp_path / "a\0b", "null")):
        with pytest.raises(ConfigError, match=message):
            HostFile(str(path))


def test_a_guest_cannot_make_a_recognised_raw_image_something_else(path: Path) -> None:
    """Or the next run would open it as qcow2, with a backing file of the guest's choice."""
    header = b"QFI\xfb" + bytes(508)
    disk, told = opened(path)
    with pytest.raises(OSError, match="look like"):
        disk.write(0, header)
    assert "would make it look like qcow2; add ,format=raw if it may" in told[0]
    disk.write(1, header)
    disk.close()
    said, told = opened(path, format="raw")
    said.write(0, header)
    assert path.read_bytes()[:4] == b"QFI\xfb" and not told


# -- what a user says ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("text", "spec"), [
    ("a.img", DiskSpec("a.img")),
    ("a.img,readonly", DiskSpec("a.img", read_only=True)),
    ("a,,b,if=virtio,format=raw", DiskSpec("a,b", "virtio", "raw")),
    ("dir=x/a,readonly,if=ide", DiskSpec("dir=x/a", "ide", None, True)),
])
def test_specifications(text: str, spec: DiskSpec) -> None:
    assert parse_disk(text) == spec


@pytest.mark.parametrize(("text", "message"), [
    ("", "names no file"), (",readonly", "names no file"), ("a,", "there is no ''"), ("a,b", "there is no 'b'"),
    ("a,if=scsi", "if= is one of ide, virtio, not 'scsi'"), ("a,if", "if= is one of ide, virtio, not ''"),
    ("a,format=vmdk", "format= is one of raw, qcow2"), ("a,readonly,readonly", "says readonly twice"),
    ("a,readonly=no", "there is no 'readonly=no'"), ("a,if=ide,if=virtio", "says if twice"),
])
def test_mistakes_in_specifications(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_disk(text)
