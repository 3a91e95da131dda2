"""A raw image: the file's bytes are the disk's.

A guest may write anything, also what looks like the header of a format that names other files of the host.  Invariant: a
file that was taken to be raw, since nobody said what it is, stays one that will be taken to be raw the next time.
"""
from __future__ import annotations

import errno

from vmm.errors import ConfigError
from vmm.guest.disk import SECTOR, Image

MAGICS = {b"QFI\xfb": "qcow2", b"KDMV": "vmdk", b"QED\0": "qed", b"vhdx": "vhdx", b"cone": "vpc"}  # with what they begin


class RawImage:
    def __init__(self, file: Image, name: str, guarded: bool = False) -> None:
        """``guarded``: nobody said that it is raw."""
        if not file.size or file.size % SECTOR:
            raise ConfigError(f"{name}: has {file.size} bytes, which is no whole number of {SECTOR}-byte sectors above 0; "
                              "give a raw disk image")
        self._file, self._guarded, self.size = file, guarded, file.size
        self.read, self.flush, self.close = file.read, file.flush, file.close

    def write(self, offset: int, data: bytes) -> None:
        if self._guarded and offset == 0 and data[:4] in MAGICS:
            raise OSError(errno.EPERM, f"the guest would make it look like {MAGICS[data[:4]]}; add ,format=raw if it may")
        self._file.write(offset, data)


def recognised(file: Image) -> str:
    """The format of an image by how it begins."""
    return MAGICS.get(file.read(0, 4), "raw")
