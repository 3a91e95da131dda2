"""Builds the C programs for the host kernel's model, without a C library: which compiler and flags make which kind."""
from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
PROGRAMS = ("sum", "family", "faults", "many")


@dataclass(frozen=True, slots=True)
class Kind:
    """``models``: cores that execute it."""
    compiler: str
    package: str
    flags: tuple[str, ...]
    models: tuple[str, ...]


# fmt: off
KINDS = {
    "o32":   Kind("mipsel-linux-gnu-gcc", "gcc-mipsel-linux-gnu", ("-mabi=32", "-march=mips32r2"), ("P5600", "24Kf")),
    "o32eb": Kind("mips-linux-gnu-gcc", "gcc-mips-linux-gnu", ("-mabi=32", "-march=mips32r2"), ("P5600",)),
    "n64":   Kind("mips64el-linux-gnuabi64-gcc", "gcc-mips64el-linux-gnuabi64", ("-mabi=64", "-march=mips64r2"),
                  ("MIPS64R2-generic", "5KEf")),
    "n64r6": Kind("mipsisa64r6el-linux-gnuabi64-gcc", "gcc-mipsisa64r6el-linux-gnuabi64", ("-mabi=64", "-march=mips64r6"),
                  ("I6500",)),
}
# fmt: on
FREESTANDING = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-fno-stack-protector", "-fno-pic",
                "-fno-pie", "-mno-abicalls", "-G0", "-fno-builtin", "-fno-tree-loop-distribute-patterns", "-nostdlib",
                "-static", "-no-pie", "-Wl,--build-id=none", "-Wl,-z,noexecstack")


def build(program: str, kind: str, folder: Path) -> Path:
    """The executable, in ``folder``."""
    return _compile(program, kind, folder, *FREESTANDING, *KINDS[kind].flags,
                    *(str(HERE / name) for name in ("start.S", "runtime.c")))


def build_with_library(program: str, kind: str, folder: Path) -> Path:
    """The same as most would build it, for the release that the C library is for."""
    return _compile(program, kind, folder, "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-pthread", "-lm")


def _compile(program: str, kind: str, folder: Path, *flags: str) -> Path:
    how = KINDS[kind]
    if shutil.which(how.compiler) is None:
        raise FileNotFoundError(f"{how.compiler} is needed to build the programs; install {how.package}, or run make test")
    image = folder / f"{program}-{kind}"
    command = [how.compiler, str(HERE / f"{program}.c"), *flags, "-o", str(image)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return image
