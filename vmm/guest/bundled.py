"""The bundled guest: ``firmware/kernel.S`` as an ELF image, assembled anew for the way it is to run.

One source; all that differs is in ``ADDRESSES`` and the other symbols that ``build_symbols`` gives.
(firmware/README.md says what the guest does and how it reports.)
"""
from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

from vmm.arch.assembler import Program, assemble_file
from vmm.arch.insns import ROWS
from vmm.arch.rows import available
from vmm.arch.text import Mnemonics
from vmm.errors import ConfigError
from vmm.guest.elfwriter import executable
from vmm.guest.image import Segment

Mode = Literal["te", "vz", "bare"]

# Trap-and-emulate runs the kernel in user mode, so its segments lie below 0x80000000.
ADDRESSES: dict[Mode, dict[str, int]] = {
    "bare": {"KSEG0_BASE": 0x8000_0000, "KSEG2_BASE": 0xC000_0000, "REFILL_BY_CONTEXT": 1},
    "vz":   {"KSEG0_BASE": 0x8000_0000, "KSEG2_BASE": 0xC000_0000, "REFILL_BY_CONTEXT": 1},
    "te":   {"KSEG0_BASE": 0x4000_0000, "KSEG2_BASE": 0x6000_0000, "REFILL_BY_CONTEXT": 0},
}
PHYSICAL_BASE = 0x0010_0000
PAGE_SHIFTS = (12, 14)
RELEASE = 2                                          # the source keeps to it, so that every core runs it


def build(mode: Mode, big_endian: bool = False, page_shift: int = 12) -> bytes:
    """The ELF file.  ``page_shift``: the guest's page size, under trap-and-emulate the host's too."""
    program = assemble_kernel(mode, big_endian, page_shift)
    size = program.symbols["bss_end"] - program.base
    names = {name: program.symbols[name] for name in (*program.labels, *program.exported)}
    return executable([Segment(program.base, program.code, size)], entry=program.labels["_start"],
                      symbols=names, big_endian=big_endian, release=RELEASE)


def assemble_kernel(mode: Mode, big_endian: bool = False, page_shift: int = 12) -> Program:
    if mode not in ADDRESSES:
        raise ConfigError(f"bundled guest for mode {mode!r}: there are {', '.join(ADDRESSES)}")
    if page_shift not in PAGE_SHIFTS:
        raise ConfigError(f"bundled guest with pages of {1 << page_shift} bytes: it can have "
                          + " or ".join(str(1 << shift) for shift in PAGE_SHIFTS))
    return assemble_file(firmware() / "kernel.S", rows=_mnemonics(),
                         base=ADDRESSES[mode]["KSEG0_BASE"] + PHYSICAL_BASE, big_endian=big_endian,
                         symbols=build_symbols(mode, big_endian, page_shift))


def build_symbols(mode: Mode, big_endian: bool, page_shift: int) -> dict[str, int]:
    """What the source asks of its build."""
    return {**ADDRESSES[mode], "PAGE_SHIFT": page_shift, "BIG_ENDIAN": int(big_endian)}


def firmware() -> Path:
    """The folder of sources: in the package where it is installed, beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "_firmware", package.parent / "firmware"):
        if (folder / "kernel.S").is_file():
            return folder
    raise ConfigError(f"bundled guest: no kernel.S in {package / '_firmware'} nor in "
                      f"{package.parent / 'firmware'}; reinstall the package, or run from a whole checkout")


@cache
def _mnemonics() -> Mnemonics:
    return Mnemonics(available(ROWS, release=RELEASE, bits=32, ases=frozenset()))
