"""A file or block device of the host as bytes under a disk.

Invariants: what was written is with the host's kernel when ``write`` returns, and on the medium when ``flush`` does; a
file that others have cut short is an error, not zeros; two runs never write one file.
"""
from __future__ import annotations

import errno
import fcntl
import os

from vmm.errors import ConfigError


class HostFile:
    """``size`` is where the file ended when it was opened, or where the last byte that was written is.

    ``path`` is what the user or another image calls it; ``option`` is where.
    """

    def __init__(self, path: str, read_only: bool = False, option: str = "--disk") -> None:
        self.path = path
        try:
            self._file = open(path, "rb" if read_only else "r+b", buffering=0)
            self.size = self._file.seek(0, os.SEEK_END)
        except (OSError, ValueError) as error:
            raise ConfigError(_unopened(path, read_only, option, error)) from None
        self._fd = self._file.fileno()
        self._unflushed: OSError | None = None
        try:
            fcntl.flock(self._fd, (fcntl.LOCK_SH if read_only else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"{option} {path}: is in use, by another run or as another disk of this one; end that, or "
                              "give each a copy (readonly disks can share one)") from None
        except OSError:                                     # a file system without locks
            return

    def read(self, offset: int, size: int) -> bytes:
        """Beyond the end there are zeros, as a format may have it that extends a file later."""
        self._check_end()
        found = bytearray()
        while len(found) < size and (piece := os.pread(self._fd, size - len(found), offset + len(found))):
            found += piece
        return bytes(found.ljust(size, b"\0"))

    def write(self, offset: int, data: bytes) -> None:
        self._check_end()
        left = memoryview(data)
        while left:
            done = os.pwrite(self._fd, left, offset)
            left, offset = left[done:], offset + done
            self.size = max(self.size, offset)

    def flush(self) -> None:
        """The kernel reports a failure once and forgets the data, so that nothing is sure ever after."""
        if self._unflushed is not None:
            raise self._unflushed
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            self._unflushed = error
            raise

    def close(self) -> None:
        self._file.close()

    def _check_end(self) -> None:
        if (end := os.lseek(self._fd, 0, os.SEEK_END)) < self.size:
            raise OSError(errno.EIO, f"the file had {self.size} bytes and now has {end}")


def _unopened(path: str, read_only: bool, option: str, error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) else error
    what = "to read" if read_only else "to read and write"
    remedy = "give a disk image"
    if not read_only and isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        remedy = "make it writable, or add ,readonly"
    return f"{option} {path}: cannot be opened {what}: {reason}; {remedy}"
