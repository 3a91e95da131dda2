"""Disks of a guest: a raw image in a file, or bytes in memory.

Invariant: a disk has whole sectors, and a sector that is asked for exists.
"""
from __future__ import annotations

from pathlib import Path
from typing import Protocol

from vmm.errors import ConfigError

SECTOR = 512


class Disk(Protocol):
    @property
    def sectors(self) -> int: ...

    def read(self, sector: int, count: int, /) -> bytes: ...

    def write(self, sector: int, data: bytes, /) -> None: ...


class MemoryDisk:
    """Contents that end with the run."""

    def __init__(self, contents: bytes) -> None:
        self._bytes = bytearray(contents.ljust(-(-len(contents) // SECTOR) * SECTOR, b"\0"))

    @property
    def sectors(self) -> int:
        return len(self._bytes) // SECTOR

    def read(self, sector: int, count: int) -> bytes:
        return bytes(self._bytes[sector * SECTOR:(sector + count) * SECTOR])

    def write(self, sector: int, data: bytes) -> None:
        self._bytes[sector * SECTOR:sector * SECTOR + len(data)] = data


class FileDisk:
    """A raw image; what the guest writes is in the file at once."""

    def __init__(self, path: str, option: str = "--disk") -> None:
        try:
            self._file = Path(path).open("r+b", buffering=0)
            size = self._file.seek(0, 2)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise ConfigError(f"{option} {path}: cannot be opened to read and write: {reason}; give a raw "
                              "disk image") from None
        if not size or size % SECTOR:
            raise ConfigError(f"{option} {path}: has {size} bytes, which is no whole number of {SECTOR}-byte sectors "
                              "above 0; give a raw disk image")
        self.sectors = size // SECTOR

    def read(self, sector: int, count: int) -> bytes:
        self._file.seek(sector * SECTOR)
        return (self._file.read(count * SECTOR) or b"").ljust(count * SECTOR, b"\0")

    def write(self, sector: int, data: bytes) -> None:
        self._file.seek(sector * SECTOR)
        self._file.write(data)
