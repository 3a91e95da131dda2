"""Compiling the native engine's module, and the cache of its object files.

The cache lives in the user's cache folder, mode 0700.  A file holds a checksum and the key it was made for: the text of
everything that has a say in the module, LLVM's version and the host's CPU.  What does not match is made anew, never
loaded.
"""
from __future__ import annotations

import ctypes
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm

from vmm.arch.privileged.service import SERVICES
from vmm.engine import native

PACKAGE = Path(__file__).resolve().parent.parent
SOURCES = ("arch", "engine")
MAGIC = b"vmm object 1\n"
INLINING = 5
"""LLVM's threshold.  What pays is marked alwaysinline; its usual one costs a third of the compilation and gains nothing."""
STARTED = time.time()
SETTLED_SECONDS = 5.0
"""A source that changed so shortly before we started, or since, may not be what we imported: what is made of it is not
kept, because the key names the file as it is now."""
DIGEST_BYTES = 32


def cache_folder() -> Path:
    """VMM_CACHE, or the user's cache folder."""
    own = os.environ.get("VMM_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vmm"


def module_key(big_endian: bool) -> bytes:
    """What the object file depends on, as a digest."""
    digest = hashlib.sha256(MAGIC)
    for path in _sources():
        digest.update(str(path.relative_to(PACKAGE)).encode() + b"\0" + path.read_bytes() + b"\0")
    features = llvm.get_host_cpu_features().flatten()
    about = [llvmlite.__version__, str(llvm.llvm_version_info), llvm.get_host_cpu_name(), features,
             llvm.get_default_triple(), str(big_endian)]
    digest.update("\0".join(about).encode())
    return digest.digest()


def _sources() -> list[Path]:
    return [path for folder in SOURCES for path in sorted((PACKAGE / folder).rglob("*")) if path.suffix in (".py", ".ll")]


def _settled(seconds: float = SETTLED_SECONDS) -> bool:
    """The sources were what they are now for so long before this process started."""
    return all(path.stat().st_mtime < STARTED - seconds for path in _sources())


@cache
def compile_module(text: str) -> bytes:
    """LLVM text to a relocatable object for this host.  Once a process, also where it cannot be kept for the next one."""
    module = llvm.parse_assembly(text)
    module.verify()
    machine = _target_machine()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.inlining_threshold = INLINING
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return bytes(machine.emit_object(module))


def _target_machine() -> Any:
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=2, reloc="pic")


def read_cached(path: Path, key: bytes) -> bytes | None:
    """The object in a cache file, or None if it is not there, damaged, or made for something else."""
    try:
        held = path.read_bytes()
    except OSError:
        return None
    head = len(MAGIC)
    if held[:head] != MAGIC or held[head:head + DIGEST_BYTES] != key:
        return None
    digest, code = held[head + DIGEST_BYTES:head + 2 * DIGEST_BYTES], held[head + 2 * DIGEST_BYTES:]
    return code if hashlib.sha256(code).digest() == digest else None


def write_cached(path: Path, key: bytes, code: bytes) -> None:
    """Put an object into the cache, whole or not at all; a folder that cannot be written only costs time."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(MAGIC + key + hashlib.sha256(code).digest() + code)
        os.replace(name, path)
    except OSError as error:
        print(f"vmm: cannot keep compiled code in {path.parent}: {error.strerror}; every start will compile",
              file=sys.stderr)


class Library:
    """The linked module.  It owns its machine code: keep it as long as anything may run there."""

    def __init__(self, code: bytes, name: str) -> None:
        self._jit = llvm.create_lljit_compiler(_target_machine())
        builder = llvm.JITLibraryBuilder().add_object_img(code)
        for symbol in EXPORTED:
            builder = builder.export_symbol(symbol)
        self._library = builder.link(self._jit, name)
        self.address = {symbol: self._library[symbol] for symbol in EXPORTED}

    def function(self, symbol: str, *argument_types: Any, result: Any = ctypes.c_int64) -> Callable[..., int]:
        made = ctypes.CFUNCTYPE(result, *argument_types)(self.address[symbol])
        made.owner = self  # type: ignore[attr-defined]
        return made


EXPORTED = ("run", "forget_all", "drop_blocks", "code_changed", "row_lines", "fixed_handlers",
            *(f"service_{name}" for name in SERVICES))


def load_library(big_endian: bool) -> Library:
    """The engine for a byte order: from the cache, or compiled, with a line about it on a terminal."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    name = "engine-" + ("be" if big_endian else "le")
    path, key = cache_folder() / f"{name}.o", module_key(big_endian)
    code = read_cached(path, key)
    if code is not None and _settled(0):                       # else the key is of sources that this process does not run
        try:
            return Library(code, name)
        except RuntimeError:
            pass                                       # an object without our symbols: as good as none
    if sys.stderr.isatty():
        print("vmm: compiling the engine (once, a few seconds) ...", file=sys.stderr)
    code = compile_module(native.module_text(big_endian))
    if _settled():
        write_cached(path, key, code)
    return Library(code, name)
