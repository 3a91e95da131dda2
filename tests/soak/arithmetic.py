"""Every instruction of floating point, and MSA's arithmetic, on the native engine against exact arithmetic.

    python -m tests.soak.arithmetic [--seed 1] [--count 1000000] [--easy 100000] [--op fmadd.d --op 'cvt.*' ...]

prints for each instruction how many lanes were tried and how many were wrong, the first of them with operands, expected
and found; its status is 1 if there is one.  Every rounding mode, FS, both NaN encodings where the core has them, all
flags, Enables that trap and, for MSA, that do not (NX).  ``--count`` is for what rounds or converts, ``--easy`` for the
rest: comparisons, classes, signs, extremes, and integers.
"""
from __future__ import annotations

import argparse
import sys
import time
from fnmatch import fnmatch

from tests.support.bulk import subjects
from tests.support.subjects import Subject
from tests.support.trials import tried

EASY = ("c.", "cmp.", "class.", "abs.", "neg.", "min", "max", "fclass", "fmin", "fmax")
MSA_COMPARISON = ("fc", "fs")
SHOWN = 5


def is_hard(subject: Subject) -> bool:
    name = subject.name
    compares = subject.unit == "msa" and name.startswith(MSA_COMPARISON) and name[:4] not in ("fsub", "fsqr")
    return not (subject.is_integer or compares or name.startswith(EASY))


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1_000_000, help="lanes of each hard instruction")
    parser.add_argument("--easy", type=int, default=100_000, help="lanes of each other one")
    parser.add_argument("--op", action="append", default=[], help="only instructions of this name; * and ? match")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    told = parsed(arguments)
    chosen = [s for s in subjects().values() if not told.op or any(fnmatch(s.name, op) for op in told.op)]
    chosen.sort(key=lambda subject: not is_hard(subject))
    total = mismatches = 0
    started = time.process_time()
    for subject in chosen:
        count, wrong = tried(subject.name, told.seed, told.count if is_hard(subject) else told.easy)
        total, mismatches = total + count, mismatches + len(wrong)
        print(f"{subject.name:12} {count:9} lanes, {len(wrong)} wrong", flush=True)
        for mismatch in wrong[:SHOWN]:
            print(f"    {mismatch}", flush=True)
    print(f"seed {told.seed}: {len(chosen)} instructions, {total} lanes, {mismatches} wrong; "
          f"{time.process_time() - started:.0f} s of processor time")
    return 1 if mismatches or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
