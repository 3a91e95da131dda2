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
from vmm.lab.measure import PAGE_SHIFT, RAM_BYTES, Measured, measure
from vmm.lab.workload import Workload

MOST = {"processes": 1024, "threads": 1024, "pages": 4096, "rounds": 1_000_000}
PAGES_OF_THREAD, PAGES_OF_PROCESS = 2, 64
"""What each needs beside what it maps: stack and tables of the kernel's, the working set, a child's copies."""


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
    given = {name: getattr(options, name) for name in MOST}
    for name, most in MOST.items():
        if given[name] > most:
            raise ConfigError(f"--{name} {given[name]}: this experiment has 1 to {most}")
    workload = Workload(**given, seed=options.seed)
    threads = workload.processes * workload.threads
    needed = (threads * (workload.pages + PAGES_OF_THREAD) + workload.processes * PAGES_OF_PROCESS) << PAGE_SHIFT
    if needed > RAM_BYTES:
        raise ConfigError(f"{threads} threads of {workload.pages} pages need {needed >> 20} MiB, and the host of this "
                          f"experiment has {RAM_BYTES >> 20}; give smaller numbers for --processes, --threads or --pages")
    return workload
