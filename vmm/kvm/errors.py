"""Refusals of the KVM interface: an errno name, and the sentence that says why."""
from __future__ import annotations


class KvmError(Exception):
    """``errno`` is the name of what the original's ioctl returns ("EINVAL", "EEXIST", ...)."""

    def __init__(self, errno: str, text: str) -> None:
        super().__init__(f"{errno}: {text}")
        self.errno = errno
