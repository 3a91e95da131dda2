"""Workloads of the shootdown experiment by chance: ``python -m tests.soak.shootdown --seed 1 --count 100``

Each checks its own memory while it runs, on hosts with ASIDs and with MMIDs by turns; one MMID host in two has so few
numbers that they roll over again and again.  Prints the runs, flushes, IPIs, GINVTs and versions used up, and a sum of all
figures, which is the same for the same seed; what is wrong ends the run with status 1.
"""
from __future__ import annotations

import argparse
import random
import sys
import time
from dataclasses import astuple
from zlib import crc32

from vmm.arch.models import MODELS
from vmm.host.kernel.mmids import MmidContexts
from vmm.lab.measure import Measured, boot, figures, run
from vmm.lab.workload import Workload

SPARE = 2
"""MMIDs beyond those that CPUs can keep over a rollover."""


def draw(chance: random.Random) -> tuple[Workload, int, int]:
    """A workload, CPUs, and a quantum."""
    workload = Workload(
        processes=chance.randint(1, 5), threads=chance.randint(1, 9), pages=chance.choice((1, 2, 3, 5, 17, 70)),
        rounds=chance.randint(1, 12), seed=chance.randint(0, 999), working=chance.randint(1, 40),
        passes=chance.randint(1, 60), every=chance.randint(1, 5))
    return workload, chance.choice((1, 2, 3, 5, 6, 9, 16, 33)), chance.choice((100, 137, 200, 1000, 50_000))


def one(chance: random.Random, *, mmids: bool) -> tuple[Measured, int]:
    """What was measured, and how many versions of MMIDs were used up."""
    workload, cpus, quantum = draw(chance)
    system = boot(workload, MODELS["I6500"], cpus, mmids=mmids, quantum=quantum)
    contexts = system.kernel.contexts
    if isinstance(contexts, MmidContexts) and chance.random() < 0.5:
        contexts.count = cpus + SPARE
    run(system)
    found = figures(system)
    where = f"{workload}, {cpus} CPUs, turns of {quantum}: {found}"
    assert not found.ipis or not mmids and cpus > 1, where
    assert found.interrupted <= found.ipis, where
    return found, contexts.version.load() // contexts.first_version - 1 if isinstance(contexts, MmidContexts) else 0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=100, help="runs")
    told = parser.parse_args(arguments)
    chance, started, versions, found = random.Random(told.seed), time.process_time(), 0, list[Measured]()
    for number in range(told.count):
        try:
            measured, used = one(chance, mmids=bool(number % 2))
        except AssertionError as wrong:
            print(f"seed {told.seed}, run {number}: WRONG: {wrong}")
            return 1
        found.append(measured)
        versions += used
    flushes, ipis, ginvts = (sum(getattr(one, name) for one in found) for name in ("flushes", "ipis", "ginvts"))
    print(f"seed {told.seed}: {told.count} runs, {flushes:,} flushes, {ipis:,} IPIs, {ginvts:,} GINVTs, "
          f"{versions} rollovers; sum {crc32(repr([astuple(one) for one in found]).encode()):#x}; "
          f"{time.process_time() - started:.0f} s of processor time")
    return 0


if __name__ == "__main__":
    sys.exit(main())
