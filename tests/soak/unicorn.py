"""Random programs on our engine and on Unicorn until enough instructions have been executed.

    python -m tests.soak.unicorn --seed 1 --count 100000000 [--core P5600-be] [--kind float] [--engine native]

goes round the cores, byte orders and kinds, a program at a time, and prints counts by core and kind; a program is
``--length`` instructions by chance, run ``--times`` times on new registers each.  A mismatch is printed as a reduced
listing with its seed and the first register that differs, and makes the status 1; ``--core --kind --only SEED`` runs that
program again.  The programs are those of ``tests/properties/test_unicorn.py``.
"""
from __future__ import annotations

import argparse
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field

from tests.support.against_unicorn import CORES, compare, kinds_of, report
from tests.support.bodies import KINDS, Core
from tests.support.engines import ENGINES
from tests.support.frames import make
from tests.support.unicorn_known import left_out

SHOWN, MOST = 10, 100
"""Mismatches that are printed in full; mismatches that end a run."""


@dataclass
class Tally:
    """``drawn``: instructions that chance chose.  Executed: ``chance`` in bodies, which are those and what prepares
    their operands; ``executed`` in all, with the frames that load and store registers."""
    programs: int = 0
    drawn: int = 0
    chance: int = 0
    executed: int = 0
    mismatches: int = 0

    def add(self, other: Tally) -> None:
        for name in vars(self):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def __str__(self) -> str:
        return (f"{self.programs:9,} programs {self.drawn:12,} drawn, executed {self.chance:14,} in bodies, "
                f"{self.executed:14,} in all, {self.mismatches} mismatches")


@dataclass
class Run:
    length: int
    times: int
    engine: str
    tallies: dict[tuple[Core, str], Tally] = field(default_factory=dict)

    def one(self, core: Core, kind: str, seed: int) -> None:
        program = make(core, kind, seed, length=self.length, count=self.times, without=left_out(core))
        outcome = compare(program, self.engine)
        self.tallies[core, kind].add(Tally(1, program.chosen, outcome.chance, outcome.executed, bool(outcome.mismatch)))
        if outcome.mismatch and self.total().mismatches <= SHOWN:
            print(report(program), flush=True)

    def until(self, count: int, seed: int) -> None:
        """Rounds, each with a seed of its own, until bodies have executed ``count`` instructions or too much differs."""
        started = shown = time.monotonic()
        while (done := self.total().chance) < count and self.total().mismatches < MOST:
            if time.monotonic() - shown > 60:
                shown = time.monotonic()
                print(f"{done:,} of {count:,} after {shown - started:.0f} s, seed {seed}", file=sys.stderr, flush=True)
            self.round(seed)
            seed += 1

    def round(self, seed: int) -> None:
        for core, kind in self.tallies:
            self.one(core, kind, seed)

    def total(self) -> Tally:
        total = Tally()
        for tally in self.tallies.values():
            total.add(tally)
        return total


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="of the first round")
    parser.add_argument("--count", type=int, default=100_000_000, help="instructions of the bodies to execute")
    parser.add_argument("--core", action="append", help="like P5600 or P5600-be; all if left out")
    parser.add_argument("--kind", action="append", choices=list(KINDS))
    parser.add_argument("--length", type=int, default=200, help="random instructions of a program")
    parser.add_argument("--times", type=int, default=25, help="rows of registers it is run on")
    parser.add_argument("--engine", choices=ENGINES, default="native")
    parser.add_argument("--only", type=int, metavar="SEED", help="the programs of this seed, and no others")
    options = parser.parse_args(arguments)
    cores = [core for core in CORES if not options.core or str(core) in options.core or core.name in options.core]
    run = Run(options.length, options.times, options.engine, {
        (core, kind): Tally() for core in cores for kind in kinds_of(core) if not options.kind or kind in options.kind})
    if not run.tallies:
        parser.error(f"no such core and kind; cores are {', '.join(map(str, CORES))}")
    if options.only is not None:
        run.round(options.only)
    else:
        with suppress(KeyboardInterrupt):              # the counts so far
            run.until(options.count, options.seed)
    for (core, kind), tally in run.tallies.items():
        print(f"{core!s:>20} {kind:8} {tally}")
    rounds = next(iter(run.tallies.values())).programs
    first = options.seed if options.only is None else options.only
    print(f"seeds {first} to {first + rounds - 1}, length {options.length}, times {options.times}: {run.total()}")
    return 1 if run.total().mismatches else 0


if __name__ == "__main__":
    sys.exit(main())
