"""An initial RAM disk for Debian's kernels: busybox, chosen programs with their libraries, modules, and a script.

The archive is cpio's "new ASCII" format (Linux, Documentation/driver-api/early-userspace/buffer-format.rst).
Invariant: the same arguments give the same bytes.
"""
from __future__ import annotations

import gzip
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from elftools.elf.elffile import ELFFile

from tests.support.debian import kernel, unpacked

BUSYBOX = "busybox-static"
BINARIES = "bin", "sbin", "usr/bin", "usr/sbin"
LIBRARIES = "lib", "lib/{0}-linux-gnu", "usr/lib/{0}-linux-gnu", "lib/{0}-linux-gnuabi64", "usr/lib/{0}-linux-gnuabi64"
CONSOLE = 5 << 8 | 1                                        # major and minor number
PRELUDE = """#!/bin/busybox sh
export PATH=/sbin:/usr/sbin:/bin:/usr/bin
/bin/busybox mkdir -p /proc /sys /dev /tmp /mnt /run
/bin/busybox mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
"""


def initramfs(architecture: str, init: str, packages: Iterable[str] = (), programs: Iterable[str] = (),
              modules: Iterable[str] = (), files: Mapping[str, bytes] | None = None) -> bytes:
    """``init`` runs as process 1 in busybox's shell, with proc, sysfs and devtmpfs mounted.

    ``programs``, such as ``mke2fs``, come from ``packages`` with their libraries; the shell prefers its own, so
    they are called by path: ``/sbin/mke2fs``.  ``modules`` are there for ``modprobe`` with those that they need;
    ``files`` are what else shall be there, by absolute path.
    """
    root = unpacked(architecture, BUSYBOX, alone=True)
    unpacked(architecture, *packages)
    archive = Archive()
    archive.add("/bin/busybox", (root / "bin/busybox").read_bytes(), 0o755)
    for name in ("/bin/sh", "/sbin/modprobe"):              # the kernel calls modprobe as well
        archive.add(name, b"/bin/busybox", 0o777, stat.S_IFLNK)
    archive.add("/init", (PRELUDE + init).encode(), 0o755)
    archive.add("/dev/console", b"", 0o600, stat.S_IFCHR, CONSOLE)
    for path in _programs(root, architecture, programs):
        archive.add("/" + str(path.relative_to(root)), _followed(root, path).read_bytes(), 0o755)
    for name, contents in {**_modules(architecture, modules), **(files or {})}.items():
        archive.add(name, contents)
    return gzip.compress(archive.finish(), 6, mtime=0)


@dataclass
class Archive:
    """What was added, as cpio has it; folders come by themselves."""
    _bytes: bytearray = field(default_factory=bytearray)
    _there: set[str] = field(default_factory=set)

    def add(self, path: str, contents: bytes, mode: int = 0o644, kind: int = stat.S_IFREG, device: int = 0) -> None:
        for parent in [*reversed(PurePosixPath(path).parents)][1:]:
            if str(parent) not in self._there:
                self._entry(str(parent), b"", stat.S_IFDIR | 0o755, 0)
        if path not in self._there:
            self._entry(path, contents, kind | mode, device)

    def _entry(self, path: str, contents: bytes, mode: int, device: int) -> None:
        name = path.lstrip("/").encode() + b"\0"
        number = len(self._there) + 1
        fields = (number, mode, 0, 0, 1, 0, len(contents), 0, 0, device >> 8, device & 0xFF, len(name), 0)
        self._there.add(path)
        self._bytes += b"070701" + b"".join(b"%08X" % value for value in fields)
        for part in (name, contents):
            self._bytes += part
            self._bytes += bytes(-len(self._bytes) % 4)

    def finish(self) -> bytes:
        whole = Archive(self._bytes[:], set(self._there))
        whole._entry("TRAILER!!!", b"", 0, 0)
        return bytes(whole._bytes)


# -- programs ------------------------------------------------------------------------------------------------

def _programs(root: Path, architecture: str, names: Iterable[str]) -> list[Path]:
    """These programs, the libraries that they name, and their interpreter, each once."""
    libraries = [folder.format(architecture) for folder in LIBRARIES]
    found: dict[Path, None] = {}
    waiting = [_first(root, BINARIES, name) for name in names]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found[path] = None
            waiting += [_first(root, libraries, name) for name in _needs(_followed(root, path))]
    return list(found)


def _first(root: Path, folders: Iterable[str], name: str) -> Path:
    """Absolute names are the interpreter's; it may be a symbolic link, which is followed when it is read."""
    tried = [root / name.lstrip("/")] if name.startswith("/") else [root / folder / name for folder in folders]
    for path in tried:
        if _followed(root, path).exists():
            return path
    raise FileNotFoundError(f"{name}: not in {', '.join(str(path.parent) for path in tried)}; name its package")


def _followed(root: Path, path: Path) -> Path:
    """Where symbolic links lead inside the guest's root, also absolute ones."""
    while path.is_symlink():
        target = path.readlink()
        path = root / target.relative_to("/") if target.is_absolute() else path.parent / target
    return path


def _needs(path: Path) -> list[str]:
    with path.open("rb") as file:
        if file.read(4) != b"\x7fELF":                      # a script
            return []
        elf = ELFFile(file)
        needed = [tag.needed for segment in elf.iter_segments("PT_DYNAMIC") for tag in segment.iter_tags("DT_NEEDED")]
        return needed + [segment.get_interp_name() for segment in elf.iter_segments("PT_INTERP")]


# -- modules -------------------------------------------------------------------------------------------------

def _modules(architecture: str, names: Iterable[str]) -> dict[str, bytes]:
    """The module files, and the ``modules.dep`` by which modprobe finds them."""
    wanted = list(names)
    if not wanted:
        return {}
    folder = kernel(architecture).modules
    paths = {path.stem.replace("-", "_"): path for path in folder.glob("kernel/**/*.ko")}
    needs: dict[str, list[str]] = {}
    while wanted:
        name = wanted.pop().replace("-", "_")
        if name not in needs:
            if name not in paths:
                raise FileNotFoundError(f"{name}: no module of {folder.name}; it may be a part of the kernel")
            needs[name] = _depends(paths[name])
            wanted += needs[name]
    lines = [" ".join([f"{paths[name].relative_to(folder)}:",
                       *(str(paths[other].relative_to(folder)) for other in _closure(name, needs))]) for name in needs]
    there = f"/lib/modules/{folder.name}"
    return {f"{there}/{paths[name].relative_to(folder)}": paths[name].read_bytes() for name in needs} | {
        f"{there}/modules.dep": "\n".join([*lines, ""]).encode()}


def _depends(path: Path) -> list[str]:
    with path.open("rb") as file:
        section = ELFFile(file).get_section_by_name(".modinfo")
        strings = [] if section is None else section.data().split(b"\0")
    found = [text.partition(b"=")[2].decode() for text in strings if text.startswith(b"depends=")]
    return [name.replace("-", "_") for text in found for name in text.split(",") if name]


def _closure(name: str, needs: Mapping[str, list[str]]) -> list[str]:
    """What is loaded before it; the last of these first, as depmod writes it."""
    found: list[str] = []
    for other in needs[name]:
        for each in (other, *_closure(other, needs)):
            if each in found:
                found.remove(each)
            found.append(each)
    return found
