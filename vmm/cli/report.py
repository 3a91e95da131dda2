"""What is said about a run when it is over: a table for people, or one JSON object.

Invariant: nothing here depends on the clock on the wall or on the order of a dictionary, so that two equal
runs are reported byte for byte equally.  Only ``--stats`` adds what the host had to give, which is never quite equal.
"""
from __future__ import annotations

import json
import resource
from dataclasses import dataclass

from vmm.cli.loop import Outcome, retired, ticks
from vmm.guest.system import System

NS_PER_MS = 1_000_000
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Figures:
    mode: str
    cpu: str
    machine: str
    engine: str
    image: str
    retired: int
    ticks: int
    ns: int
    exits: dict[str, int]                                   # by cause, sorted
    network: dict[str, int]                                 # what has come and gone; empty without one


def figures(system: System) -> Figures:
    request = system.request
    exits = {str(cause): count for cause, count in system.exits.items() if count}
    passed = ticks(system)
    network = dict(sorted(count for source in system.board.sources for count in source.counts.items()))
    return Figures(request.mode, request.cpu.name, request.board.name, request.engine, request.image.path,
                   retired(system), passed, passed * system.machine.ns_per_tick, dict(sorted(exits.items())), network)


def peak_bytes() -> int:
    """The most memory of the host that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def table(found: Figures, outcome: Outcome) -> str:
    most_first = sorted(found.exits.items(), key=lambda row: (-row[1], row[0]))
    total = [("total", sum(found.exits.values()))] if found.exits else []
    exits = [f"  {cause:<24} {count:>12,}" for cause, count in most_first + total]
    return "\n".join([
        f"{found.image}: --mode {found.mode} --machine {found.machine} --cpu {found.cpu} --engine {found.engine}",
        f"  {'instructions':<24} {found.retired:>12,}",
        f"  {'virtual time':<24} {found.ns / NS_PER_MS:>12,.3f} ms",
        f"  {'memory of the host':<24} {peak_bytes() / MIB:>12,.0f} MiB at most",
        *(["exits"] if exits else []), *exits,
        *(["network"] if found.network else []), *(f"  {name:<24} {count:>12,}" for name, count in found.network.items()),
        f"ended: {outcome.text} (status {outcome.status})"])


def as_json(found: Figures, outcome: Outcome, console: bytes, stats: bool = False) -> str:
    return json.dumps({
        "mode": found.mode, "cpu": found.cpu, "machine": found.machine, "engine": found.engine,
        "image": found.image, "console": console.decode("utf-8", "replace"),
        "retired": found.retired, "ticks": found.ticks, "ns": found.ns, "exits": found.exits,
        **({"network": found.network} if found.network else {}),
        "ending": {"cause": outcome.cause, "text": outcome.text}, "status": outcome.status,
        **({"peak_bytes": peak_bytes()} if stats else {}),
    }, indent=2)
