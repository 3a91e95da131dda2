"""What is explored of the programs as they are: shapes, what was done before, and how many operations are begun then."""
from __future__ import annotations

from dataclasses import dataclass, replace

from tests.models.explore import Explorer, Result
from tests.models.hotplug import make_system
from tests.models.spaces import Shape
from tests.models.variants import (
    ALL_TAKEN,
    IDLE,
    LAST_TAKEN,
    ON_TWO,
    ONE_CYCLE,
    PLUGGED,
    PLUGGED_ASIDS,
    RENEWED,
    RENEWED_TWICE,
    THREE_CPUS,
    TWO_CPUS,
    TWO_SIBLINGS,
    TWO_TAKEN,
    UNPLUGGED,
    Prefix,
)
from vmm.host.kernel.flush import Flush


@dataclass(frozen=True, slots=True)
class Bound:
    name: str
    shape: Shape
    before: Prefix
    operations: int


def explored(bound: Bound, more: int = 0, *, reduced: bool = True) -> Result:
    system = make_system(bound.shape).do(*bound.before)
    return Explorer(system, bound.operations + more, reduced=reduced).explore()


EVERY_KIND = (Flush.MM, Flush.PAGE, Flush.ALL)


def asids(*kinds: Flush, single: frozenset[int] = frozenset(), **options: int) -> Shape:
    return Shape(mmids=False, bits=2, count=None, kinds=kinds, single=single, **options)


BOUNDS = (
    Bound("MMIDs, next new space rolls over", THREE_CPUS, ALL_TAKEN, 2),
    Bound("MMIDs, every kind of flush", Shape(kinds=EVERY_KIND, replaced=False), ALL_TAKEN, 2),
    Bound("MMIDs, siblings with one FTLB", Shape(shared_ftlb=True), ALL_TAKEN, 2),
    Bound("MMIDs, a space on two CPUs through a rollover", THREE_CPUS, RENEWED, 2),
    Bound("MMIDs, through two rollovers", THREE_CPUS, RENEWED_TWICE, 2),
    Bound("MMIDs from the start", Shape(spaces=3, bits=3, count=None, replaced=False, kinds=()), (), 3),
    Bound("MMIDs of 2 bits", TWO_CPUS, TWO_TAKEN, 3),
    Bound("MMIDs of 2 bits, siblings", TWO_SIBLINGS, TWO_TAKEN, 2),
    Bound("ASIDs, calls for a space", asids(Flush.MM), ONE_CYCLE, 2),
    Bound("ASIDs, calls for a page", asids(Flush.PAGE, single=frozenset({0, 3})), ON_TWO[:1], 2),
    Bound("ASIDs, calls for everything", asids(Flush.ALL), ON_TWO, 2),
    Bound("ASIDs, a thread that moves while CPUs idle", IDLE, (("switch", 0, 0), ("leave", 0, 0), ("switch", 1, 0)), 2),
    Bound("MMIDs, CPUs that idle", replace(THREE_CPUS, idle=True, replaced=False), ALL_TAKEN, 2),
    Bound("ASIDs, a thread that moves", asids(Flush.PAGE, Flush.MM, single=frozenset({0}), cpus=2, spaces=2),
          (("switch", 0, 0), ("switch", 0, 1), ("switch", 1, 0)), 3),
    Bound("ASIDs, a space is dropped where a cycle ends", asids(Flush.MM), LAST_TAKEN, 2),
    Bound("MMIDs, CPUs that come and go", replace(PLUGGED, cpus=3), UNPLUGGED, 3),
    Bound("ASIDs, CPUs that come and go", replace(PLUGGED_ASIDS, cpus=3), UNPLUGGED, 3),
)
