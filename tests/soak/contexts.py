"""Tasks by chance on hosts with ASIDs and MMIDs: ``python -m tests.soak.contexts --seed 1 --count 10000000 [--cpus 4]``

Every access must give what the page table says, on a host with ASIDs, one with MMIDs and one whose CPUs share FTLB entries
as siblings, all with 4-bit numbers.  Prints the operations, the versions used up, and a sum of all that was seen, which is
the same for the same seed; what is wrong ends the run with status 1.
"""
from __future__ import annotations

import argparse
import sys
import time

from tests.models.workload import Workload, plain_hosts
from vmm.host.kernel.mmids import MmidContexts


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=10_000_000, help="operations, of all CPUs")
    parser.add_argument("--cpus", type=int, default=4)
    told = parser.parse_args(arguments)
    hosts, started = plain_hosts(told.cpus), time.process_time()
    work = Workload(told.seed, hosts, told.cpus)
    try:
        work.run(told.count)
    except AssertionError as wrong:
        print(f"seed {told.seed}, {told.cpus} CPUs: WRONG: {wrong}")
        return 1
    versions = [host.contexts.version.load() // host.contexts.first_version - 1 for host in hosts
                if isinstance(host.contexts, MmidContexts)]
    print(f"seed {told.seed}, {told.cpus} CPUs: {sum(work.done.values())} operations ("
          + ", ".join(f"{count} {name}" for name, count in work.done.most_common())
          + f"); rollovers: {versions}; sum {work.seen:#x}; {time.process_time() - started:.0f} s of processor time")
    return 0


if __name__ == "__main__":
    sys.exit(main())
