"""Explanations of addresses against the engine, for long: ``python -m tests.soak.explain --seed 1 --count 4000``."""
from __future__ import annotations

from argparse import ArgumentParser

from tests.properties.test_explain import HOSTS, compare


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=4000, help="cases on each kind of CPU")
    options = parser.parse_args()
    for name in HOSTS:
        outcomes = compare(name, options.seed, options.count)
        print(f"{name}: seed {options.seed}, {options.count} cases as told: "
              + ", ".join(f"{outcome} {count}" for outcome, count in sorted(outcomes.items())), flush=True)


if __name__ == "__main__":
    main()
