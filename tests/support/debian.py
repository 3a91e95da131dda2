"""Debian's own kernels and programs for MIPS, fetched by apt and unpacked into a cache folder.

apt works on lists of its own, for the guest's architecture, and knows nothing of what is installed here; nothing is
installed either.  Invariant: a package is in the root folder of its architecture wholly or not at all, though several
tests may fetch at a time.  ``tests/support/initramfs.py`` makes an initial RAM disk of what is fetched here.
"""
from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

RELEASE, NUMBER = "bookworm", "12"
ARCHIVE = "http://deb.debian.org/debian"
KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
FLAVOURS = {"mipsel": "4kc-malta", "mips64el": "5kc-malta"}
NETBOOT = f"debian-installer-{NUMBER}-netboot-" "{}"
NETBOOT_FOLDER = f"usr/lib/debian-installer/images/{NUMBER}/" "{}/malta"


def cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "vmm-tests"


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel and the folder of its modules, both of one package."""
    image: Path
    modules: Path


def netboot(architecture: str) -> Path:
    """The folder of the installer's ``vmlinuz-*`` and ``initrd.gz``."""
    return unpacked(architecture, NETBOOT.format(architecture), alone=True) / NETBOOT_FOLDER.format(architecture)


def kernel(architecture: str) -> Kernel:
    apt = Apt(architecture)
    flavour = FLAVOURS[architecture]
    found = _marked(apt.root, "linux-image-*-" + flavour)
    if found is None:
        found = apt.newest(f"linux-image-{flavour}")
    root = unpacked(architecture, found, alone=True)
    release = found.removeprefix("linux-image-")
    return Kernel(root / f"boot/vmlinuz-{release}", root / "lib/modules" / release)


def unpacked(architecture: str, *packages: str, alone: bool = False) -> Path:
    """The root folder of an architecture, with these packages in it and, if not ``alone``, all that they depend on."""
    apt = Apt(architecture)
    missing = [name for name in packages if _marked(apt.root, name) is None]
    if missing:
        with _locked(apt.folder):
            for archive in apt.fetch(missing, alone):
                _run("dpkg", "-x", str(archive), str(apt.root))
            for name in missing:
                (_marks(apt.root) / name).touch()
    return apt.root


class Apt:
    def __init__(self, architecture: str) -> None:
        self.architecture = architecture
        self.folder = cache() / f"debian-{NUMBER}" / architecture
        self.root = self.folder / "root"

    def newest(self, package: str) -> str:
        """The package that this one, which is empty, stands for."""
        with _locked(self.folder):
            self._prepare()
            told = self._do("apt-cache", "depends", "--important", package)
        return next(line.split()[1] for line in told.splitlines() if "Depends:" in line)

    def fetch(self, packages: list[str], alone: bool) -> Iterator[Path]:
        """The archives of these packages, each of which is gone when the next is asked for."""
        self._prepare()
        archives = self.folder / "apt/cache/archives"
        names = packages if alone else self._needed(packages)
        try:
            self._do("apt-get", "download", *names, cwd=archives)
        except pytest.fail.Exception:                       # the lists may be older than the archive
            self._do("apt-get", "update")
            self._do("apt-get", "download", *names, cwd=archives)
        for archive in archives.glob("*.deb"):
            yield archive
            archive.unlink()

    def _needed(self, packages: list[str]) -> list[str]:
        told = self._do("apt-get", "--simulate", "--no-install-recommends", "install", *packages)
        return [line.split()[1] for line in told.splitlines() if line.startswith("Inst ")]

    def _prepare(self) -> None:
        if not shutil.which("apt-get") or not shutil.which("dpkg"):
            pytest.fail("apt-get and dpkg fetch Debian's packages, and are not here")
        if not KEYS.exists():
            pytest.fail(f"{KEYS} is not here; install debian-archive-keyring")
        apt = self.folder / "apt"
        for folder in ("state/lists/partial", "cache/archives/partial"):
            (apt / folder).mkdir(parents=True, exist_ok=True)
        _marks(self.root).mkdir(parents=True, exist_ok=True)
        (apt / "status").touch()
        (apt / "sources.list").write_text(f"deb [signed-by={KEYS}] {ARCHIVE} {RELEASE} main\n")
        if not any((apt / "state/lists").glob("*Packages*")):
            self._do("apt-get", "update")

    def _do(self, program: str, *arguments: str, cwd: Path | None = None) -> str:
        apt = self.folder / "apt"
        settings = {
            "APT::Architecture": self.architecture, "APT::Architectures": self.architecture,
            "APT::Sandbox::User": "root", "APT::Update::Post-Invoke::": "", "Dir::Etc::sourceparts": "-",
            "Dir::State": apt / "state", "Dir::State::status": apt / "status", "Dir::Cache": apt / "cache",
            "Dir::Etc::sourcelist": apt / "sources.list", "Acquire::Retries": 3,
        }
        options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
        return _run(program, *options, *arguments, cwd=cwd)


def _run(*command: str, cwd: Path | None = None) -> str:
    ran = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    if ran.returncode:
        told = [word for word in command[1:] if not word.startswith("-") and "=" not in word]
        pytest.fail(f"{command[0]} {' '.join(told)}: {ran.stderr.strip()[-300:]}")
    return ran.stdout


def _marks(root: Path) -> Path:
    return root.parent / "unpacked"


def _marked(root: Path, name: str) -> str | None:
    """The newest of the packages that are unpacked already."""
    found = sorted(mark.name for mark in _marks(root).glob(name))
    return found[-1] if found else None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
