"""More operations than the tests have time for: ``python -m tests.soak.interleavings [--more 1] [--only NAME]``

prints for each bound of ``tests/models/bounds.py`` how many states and transitions there are with ``--more`` operations
added; its status is 1 if one is wrong, and the steps that lead there are printed.
"""
from __future__ import annotations

import argparse
import resource
import sys
import time

from tests.models.bounds import BOUNDS, explored
from tests.models.explore import Violation


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--more", type=int, default=1, help="operations beyond those of the tests")
    parser.add_argument("--only", default="", help="the bound of this name, or those with this in their names")
    told = parser.parse_args(arguments)
    chosen = ([bound for bound in BOUNDS if told.only == bound.name]
              or [bound for bound in BOUNDS if told.only in bound.name])
    wrong = states = 0
    begun = time.process_time()
    for bound in chosen:
        started = time.process_time()
        try:
            result = explored(bound, told.more)
            states += result.states
            found = f"{result.states} states, {result.transitions} transitions"
        except Violation as violation:
            wrong += 1
            found = f"WRONG: {violation}"
        print(f"{bound.name}, {bound.operations + told.more} operations: {found}; "
              f"{time.process_time() - started:.0f} s of processor time", flush=True)
    print(f"{len(chosen)} bounds, {states} states, {wrong} wrong; {time.process_time() - begun:.0f} s, "
          f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB at most")
    return 1 if wrong or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
