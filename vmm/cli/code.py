"""What ``asm`` and ``disasm`` share: a CPU's instructions, and where code starts."""
from __future__ import annotations

from argparse import Namespace

from vmm.arch.insns import ROWS
from vmm.arch.models import find_model
from vmm.arch.rows import Insn, available
from vmm.errors import ConfigError


def rows_of(options: Namespace) -> list[Insn]:
    model = find_model(options.cpu)
    return available(ROWS, release=model.release, bits=model.bits, ases=model.ases)


def base_of(options: Namespace) -> int:
    base: int = options.base
    if base % 4:
        raise ConfigError(f"--base {base:#x}: instructions lie at multiples of 4; give {base & -4:#x}")
    return base
