"""``vmm doctor``: does this computer have what vmm needs?  One line a check; status 1 if a needed thing is missing.

A check returns what it found, or raises ``Missing`` with what to do.
"""
from __future__ import annotations

import os
import platform
import shutil
import stat
import sys
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

OLDEST_PYTHON = (3, 11)


class Missing(Exception):
    """What is missing, and what to do about it."""


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    needed: bool                                            # or only useful
    look: Callable[[], str]


def main(options: Namespace) -> int:
    healthy = True
    for check in CHECKS:
        try:
            verdict, found = "ok", check.look()
        except Missing as missing:
            verdict, found = ("MISSING" if check.needed else "absent"), str(missing)
            healthy = healthy and not check.needed
        print(f"{verdict:8} {check.name:10} {found}")
    return 0 if healthy else 1


def _python() -> str:
    if sys.version_info < OLDEST_PYTHON:
        raise Missing(f"{platform.python_version()} is too old; use Python 3.11 or newer")
    return platform.python_version()


def _package(name: str) -> Callable[[], str]:
    def look() -> str:
        try:
            return version(name)
        except PackageNotFoundError:
            raise Missing(f"not installed; run pip install {name}") from None
    return look


def _engine() -> str:
    try:
        from vmm.engine.compile import load_library
        load_library(False)
    except (ImportError, OSError, RuntimeError) as error:
        raise Missing(f"cannot be compiled or loaded ({error}); use --engine reference, and report this") from None
    return "compiled code loads and links"


def _cache() -> str:
    from vmm.engine.compile import cache_folder

    folder = cache_folder()
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise Missing(f"{folder} cannot be written; every start compiles anew. Set VMM_CACHE to a folder of yours")
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o022:
        raise Missing(f"{folder} can be written by others (mode {mode:o}); run chmod 700 on it")
    return f"{folder} (mode {mode:o})"


def _tool(name: str, use: str) -> Callable[[], str]:
    def look() -> str:
        if path := shutil.which(name):
            return path
        raise Missing(f"not found; {use}")
    return look


CHECKS = (
    Check("python", True, _python),
    Check("llvmlite", True, _package("llvmlite")),
    Check("pyelftools", True, _package("pyelftools")),
    Check("engine", True, _engine),
    Check("cache", False, _cache),
    Check("gdb", False, _tool("gdb-multiarch", "install gdb-multiarch to debug guests")),
    Check("gcc", False, _tool("mipsel-linux-gnu-gcc", "install gcc-mipsel-linux-gnu to build guests in C")),
)
