"""Whose turn it is: how the CPUs of a machine are interleaved in one thread.

Invariant: where turns end and in which order CPUs have them depends on the quantum, the seed and virtual time alone,
so the same numbers give the same run however it is cut into calls.  Seed 0: a turn ends at each multiple of the quantum,
and CPUs come in the order of their numbers.  With another seed, ends are moved by up to half a quantum and each turn has
an order of its own, by chance that starts from the seed; so a race that one seed hides, another may show.
"""
from __future__ import annotations

from functools import lru_cache
from random import Random

from vmm.errors import ConfigError

QUANTUM_TICKS = 50_000
BARE_QUANTUM_TICKS = 400_000
"""What is usual for the tasks of a host kernel, and for the CPUs of a bare machine: an engine executes the last thousand
instructions of a turn one at a time, which costs as much as fifty thousand others."""
LEAST_QUANTUM_TICKS = 100
"""A loop of LL and SC must get through in one turn, since a link ends when another CPU runs."""
SEED_AT = 64
"""Above the bits of a turn's number."""


class Turns:
    def __init__(self, quantum: int = QUANTUM_TICKS, seed: int = 0) -> None:
        if quantum < LEAST_QUANTUM_TICKS:
            raise ConfigError(f"--quantum {quantum}: a loop of LL and SC must fit into a CPU's turn; give "
                              f"{LEAST_QUANTUM_TICKS} instructions or more")
        self.quantum, self.seed = quantum, seed

    def end(self, now: int) -> int:
        """When the turn ends in which ``now`` falls."""
        quantum, seed = self.quantum, self.seed
        number = now // quantum
        if not seed:
            return (number + 1) * quantum
        end = number * quantum + _jitter(seed, number, quantum)
        return end if number and now < end else (number + 1) * quantum + _jitter(seed, number + 1, quantum)

    def order(self, end: int, cpus: int) -> tuple[int, ...]:
        """The CPUs as they have the turn that ends then."""
        return _order(self.seed, end // self.quantum if self.seed else 0, cpus)


@lru_cache(maxsize=8)
def _jitter(seed: int, number: int, quantum: int) -> int:
    """By how much the end before turn ``number`` is late: less than half a quantum."""
    return int(Random(seed << SEED_AT | number).random() * (quantum // 2))


@lru_cache(maxsize=8)
def _order(seed: int, number: int, cpus: int) -> tuple[int, ...]:
    if not seed:
        return tuple(range(cpus))
    chance = Random(seed << SEED_AT | number)
    return tuple(sorted(range(cpus), key=lambda _: chance.random()))
