"""``vmm info``: what there is to choose from, read from the tables themselves."""
from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Iterator

from vmm.arch.cp0 import REGISTERS
from vmm.arch.insns import ROWS
from vmm.arch.models import MODELS
from vmm.arch.rows import REMOVED_NEVER
from vmm.guest.board import MACHINES, show_size


def main(options: Namespace) -> int:
    sys.stdout.writelines(line + "\n" for line in TOPICS[options.TOPIC]())
    return 0


def _cpus() -> Iterator[str]:
    for model in MODELS.values():
        extensions = " ".join(sorted(model.ases)) or "none"
        yield f"{model.name}: {model.description}"
        yield (f"  MIPS{model.bits} release {model.release}, PRId {model.prid:#010x}, TLB {model.tlb_entries}, "
               f"extensions: {extensions}")
        yield f"  not modelled: {'; '.join(model.not_modelled)}"


def _machines() -> Iterator[str]:
    for board in MACHINES.values():
        yield (f"{board.name}: {board.about}; memory {show_size(board.ram_least)} to {show_size(board.ram_most)}, "
               f"{show_size(board.ram_default)} by default")
        for region in board.regions(board.ram_default):
            yield f"  {region!s:23} {region.kind.value:7} {region.name}"
        for device in board.devices:
            yield f"  {device.base:#010x}              {device.name}"


def _cp0() -> Iterator[str]:
    for _, register in sorted(REGISTERS.items()):
        number, select = register.number
        yield f"{number:2},{select}  {register.name:16} {register.doc.splitlines()[0] if register.doc else ''}".rstrip()
        for field in register.fields:
            bits = f"{field.high}:{field.low}" if field.width > 1 else f"{field.low}"
            yield f"        {bits:>5}  {field.name:10} {field.access.value}"


def _insns() -> Iterator[str]:
    for row in ROWS:
        until = "" if row.until == REMOVED_NEVER else f", not from release {row.until}"
        wide = ", 64-bit" if row.bits == 64 else ""
        yield f"{row.syntax:36} release {row.since}{until}{wide}{f', {row.ase}' if row.ase else ''}"


TOPICS: dict[str, Callable[[], Iterator[str]]] = {
    "cpus": _cpus, "machines": _machines, "cp0": _cp0, "insns": _insns,
}
