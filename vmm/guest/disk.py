"""Disks of a guest, as its devices see them: whole sectors that can be read, written and made to last.

What is under a disk, a file of the host or bytes in memory, is an ``Image`` (``vmm.guest.storage``).  Invariants: a disk
has whole sectors; what fails is an ``OSError`` for the device, which tells the guest, and one line for the user.
"""
from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Protocol

SECTOR = 512


class Disk(Protocol):
    """A sector that is asked for exists.  What cannot be done raises ``OSError``."""

    @property
    def sectors(self) -> int: ...

    def read(self, sector: int, count: int, /) -> bytes: ...

    def write(self, sector: int, data: bytes, /) -> None: ...

    def flush(self) -> None:
        """What was written before will be there whatever happens to this computer."""

    def close(self) -> None:
        """Nobody will ask any more: what is still in memory goes to where it is kept."""


class Image(Protocol):
    """Bytes, from 0 to ``size``, with the same promises as a disk's."""
    size: int

    def read(self, offset: int, size: int, /) -> bytes: ...

    def write(self, offset: int, data: bytes, /) -> None: ...

    def flush(self) -> None: ...

    def close(self) -> None: ...


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

    def flush(self) -> None:
        """Nothing lasts longer."""

    def close(self) -> None:
        """It goes with the run."""


class ImageDisk:
    """An image as a disk.  The first failure of each kind is told to the user, every one to the device."""

    def __init__(self, image: Image, name: str, tell: Callable[[str], None], read_only: bool = False) -> None:
        """``name``: what the user calls it."""
        self._image, self._name, self._tell, self._read_only = image, name, tell, read_only
        self._told: set[str] = set()
        self.sectors = image.size // SECTOR

    def read(self, sector: int, count: int) -> bytes:
        try:
            return self._image.read(sector * SECTOR, count * SECTOR)
        except OSError as error:
            raise self._failure("reading", error) from None

    def write(self, sector: int, data: bytes) -> None:
        if self._read_only:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))  # as the user wants it
        try:
            self._image.write(sector * SECTOR, data)
        except OSError as error:
            raise self._failure("writing", error) from None

    def flush(self) -> None:
        try:
            self._image.flush()
        except OSError as error:
            raise self._failure("flushing", error) from None

    def close(self) -> None:
        try:
            self._image.close()
        except OSError as error:
            self._failure("closing", error)

    def _failure(self, doing: str, error: OSError) -> OSError:
        if doing not in self._told:
            self._told.add(doing)
            lost = "what was not flushed is lost" if doing == "closing" else "the guest sees an error of its disk"
            self._tell(f"{self._name}: {doing} failed: {error.strerror or error}; {lost}")
        return error
