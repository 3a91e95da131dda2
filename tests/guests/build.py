"""Builds the C guests: which compiler, flags and link address make which kind of image."""
from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
PROGRAMS = ("numbers", "structures")


@dataclass(frozen=True, slots=True)
class Target:
    """``modes``: the ways to run it."""
    compiler: str
    package: str
    flags: tuple[str, ...]
    load: int
    modes: tuple[str, ...]


O32 = ("-mabi=32", "-march=mips32r2", "-msoft-float")
N64 = ("-mabi=64", "-march=mips64r2", "-msoft-float", "-msym32")
O32_R6, N64_R6 = ("-mabi=32", "-march=mips32r6", "-msoft-float"), ("-mabi=64", "-march=mips64r6", "-msoft-float", "-msym32")
LITTLE, BIG, WIDE = "mipsel-linux-gnu-gcc", "mips-linux-gnu-gcc", "mips64el-linux-gnuabi64-gcc"
KSEG0, TE_KSEG0, KSEG0_WIDE = 0x8010_0000, 0x4010_0000, 0xFFFF_FFFF_8010_0000

# fmt: off
TARGETS = {
    "bare32":   Target(LITTLE, "gcc-mipsel-linux-gnu",        (*O32, "-EL"), KSEG0,      ("bare", "vz")),
    "bare32eb": Target(BIG,    "gcc-mips-linux-gnu",          (*O32, "-EB"), KSEG0,      ("bare", "vz")),
    "te32":     Target(LITTLE, "gcc-mipsel-linux-gnu",        (*O32, "-EL"), TE_KSEG0,   ("te",)),
    "te32eb":   Target(BIG,    "gcc-mips-linux-gnu",          (*O32, "-EB"), TE_KSEG0,   ("te",)),
    "bare64":   Target(WIDE,   "gcc-mips64el-linux-gnuabi64", (*N64, "-EL"), KSEG0_WIDE, ("bare", "vz")),
    "bare32r6": Target(LITTLE, "gcc-mipsel-linux-gnu",        (*O32_R6, "-EL"), KSEG0,      ("bare", "vz")),
    "te32r6":   Target(LITTLE, "gcc-mipsel-linux-gnu",        (*O32_R6, "-EL"), TE_KSEG0,   ("te",)),
    "bare64r6": Target(WIDE,   "gcc-mips64el-linux-gnuabi64", (*N64_R6, "-EL"), KSEG0_WIDE, ("bare", "vz")),
}
# fmt: on
FREESTANDING = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-fno-stack-protector", "-fno-pic",
                "-fno-pie", "-mno-abicalls", "-G0", "-fno-asynchronous-unwind-tables", "-fno-tree-loop-distribute-patterns",
                "-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none", "-Wl,-z,max-page-size=4096",
                "-Wl,--no-warn-rwx-segments", "-Wl,-z,noexecstack")


def build(program: str, target: str, folder: Path) -> Path:
    """The image, in ``folder``."""
    kind = TARGETS[target]
    if shutil.which(kind.compiler) is None:
        raise FileNotFoundError(f"{kind.compiler} is needed to build the guests; install {kind.package}, or run make test")
    image = folder / f"{program}-{target}.elf"
    sources = [str(HERE / name) for name in ("start.S", "runtime.c", f"{program}.c")]
    command = [kind.compiler, *FREESTANDING, *kind.flags, f"-Wl,--defsym=LOAD={kind.load:#x}", "-T",
               str(HERE / "guest.ld"), *sources, "-o", str(image)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return image
