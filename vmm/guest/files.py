"""Reading a file that the user names: all of it, or one line that says why not.

Invariant: no file makes this take more memory than its limit, nor wait for what never ends, such as ``/dev/zero``.
"""
from __future__ import annotations

import stat
from pathlib import Path

from vmm.errors import ConfigError

GIB = 1 << 30


def read_whole(path: str, wanted: str, option: str = "", largest: int = GIB) -> bytes:
    """``wanted``: what to give instead, with its article.  ``option``: what named the file."""
    name = f"{option} {path}" if option else path
    try:
        kind = Path(path).stat().st_mode
        if stat.S_ISDIR(kind):
            raise ConfigError(f"{name}: is a directory; give the path of {wanted}")
        if not (stat.S_ISREG(kind) or stat.S_ISFIFO(kind)):
            raise ConfigError(f"{name}: is a device or a socket, not a file; give {wanted}")
        with Path(path).open("rb") as file:
            data = file.read(largest + 1)
    except FileNotFoundError:
        raise ConfigError(f"{name}: no such file; give the path of {wanted}") from None
    except (OSError, ValueError) as error:                  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{name}: cannot be read: {reason}; give {wanted}") from None
    if len(data) > largest:
        raise ConfigError(f"{name}: is larger than {largest >> 20} MiB, more than a guest can hold; give {wanted}")
    if not data:
        raise ConfigError(f"{name}: the file is empty; give {wanted}")
    return data
