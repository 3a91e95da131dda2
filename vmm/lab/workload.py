"""The workload of the shootdown experiment as a program for the host kernel.

The code is in ``shootdown.S``.  Invariant: what it does, and how often, depends on the numbers here alone; it checks its
own memory, and ends with another status than 0 if anything was wrong.
"""
from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from vmm.arch.assembler import assemble
from vmm.arch.insns import ROWS
from vmm.arch.models import CpuModel
from vmm.arch.rows import available
from vmm.host.user.abi import N64
from vmm.host.user.calls import memory, processes, threads
from vmm.host.user.calls.table import TABLE
from vmm.host.user.numbers import Prot
from vmm.host.user.program import Part, Program

SOURCE = Path(__file__).with_name("shootdown.S")
TEXT, DATA = 0x40_0000, 0x50_0000
PAGES_OF_DATA = 2
"""Before the working set."""
CALLS = memory, processes, threads
"""The modules that enter the calls it makes into ``TABLE``."""


@dataclass(frozen=True, slots=True)
class Workload:
    """``pages``: of each mapping; ``working``: of each process's working set, of which a thread reads ``passes`` words
    between two steps; the first thread of each process forks every so many rounds; ``seed``: of that, and of the turns that
    CPUs have."""

    processes: int = 4
    threads: int = 8
    pages: int = 4
    rounds: int = 16
    seed: int = 0
    working: int = 32
    passes: int = 50
    every: int = 4

    @property
    def numbers(self) -> dict[str, int]:
        return asdict(self)

    def program(self, model: CpuModel, page_size: int) -> Program:
        """For a core of release 6."""
        rows = available(ROWS, release=model.release, bits=model.bits, ases=model.ases)
        symbols = {name.upper(): value for name, value in self.numbers.items()}
        calls = {f"NR_{call.name}": N64.base + number for number, call in TABLE[N64.name].items()}
        assembled = assemble(SOURCE.read_text("utf-8"), rows=rows, base=TEXT, name=SOURCE.name,
                             symbols={**symbols, **calls, "PAGE": page_size, "DATA": DATA})
        return Program("shootdown", N64.bits, False, assembled.labels["_start"], (
            Part(TEXT, assembled.code, len(assembled.code), Prot.READ | Prot.EXEC),
            Part(DATA, self.threads.to_bytes(4, "little"), (PAGES_OF_DATA + self.working) * page_size,
                 Prot.READ | Prot.WRITE)))
