"""``vmm lab``: experiments on the host kernel.  ``shootdown``: what flushes cost with ASIDs and with MMIDs, over CPUs."""
from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterator

from vmm.arch.core import CpuModel
from vmm.arch.cp0.registers import MemoryMapID
from vmm.arch.models import find_model
from vmm.engine.engine import MAX_CPUS
from vmm.errors import ConfigError
from vmm.host.machine.turns import Turns
from vmm.lab import plot, table
from vmm.lab.measure import Measured, measure
from vmm.lab.workload import Workload

MOST_PAGES, MOST_THREADS = 4096, 1024
"""Of a mapping, and of all processes: what fits into the machine's memory."""


def main(options: Namespace) -> int:
    workload, model = _workload(options), _model(options.cpu)
    for cpus in options.host_cpus:
        if cpus > MAX_CPUS:
            raise ConfigError(f"--host-cpus {cpus}: a machine has 1 to {MAX_CPUS}")
    Turns(options.quantum)
    if options.output is not None:
        plot.check(options.output)
    title = (f"shootdown on {model.name}: {workload.processes} processes of {workload.threads} threads, "
             f"{workload.rounds} rounds of {workload.pages} pages, seed {workload.seed}")
    if not options.json:
        print(f"{title}, turns of {options.quantum}\n{table.head()}", flush=True)
    found = []
    for measured in _measure(workload, model, options):
        found.append(measured)
        if not options.json:
            print(table.line(measured), flush=True)
    if options.json:
        print(json.dumps({"cpu": model.name, "quantum": options.quantum, "workload": workload.numbers,
                          "rows": [table.figures(measured) for measured in found]}, indent=2))
    if options.output is not None:
        plot.write(options.output, title, found)
    return 0


def _measure(workload: Workload, model: CpuModel, options: Namespace) -> Iterator[Measured]:
    for cpus in options.host_cpus:
        for mmids in (False, True):
            yield measure(workload, model, cpus, mmids=mmids, quantum=options.quantum)


def _model(name: str) -> CpuModel:
    model = find_model(name)
    if not model.write_mask(MemoryMapID):
        raise ConfigError(f"--cpu {model.name}: has no MMIDs to compare ASIDs with; choose I6500")
    return model


def _workload(options: Namespace) -> Workload:
    if options.pages > MOST_PAGES:
        raise ConfigError(f"--pages {options.pages}: a mapping of this experiment has 1 to {MOST_PAGES}")
    threads = options.processes * options.threads
    if threads > MOST_THREADS:
        raise ConfigError(f"--processes {options.processes} of --threads {options.threads}: these are {threads} threads, "
                          f"and the host has room for {MOST_THREADS}")
    return Workload(options.processes, options.threads, options.pages, options.rounds, options.seed)
