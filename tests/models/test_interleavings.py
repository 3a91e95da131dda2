"""Every interleaving of a few switches, execs and flushes: the programs are right, and wrong variants are found out.

Rows HM-8, HM-12, HM-20..HM-37, HM-40..HM-44; hard details 25 to 28.  ``python -m tests.soak.interleavings`` goes further.
"""
from __future__ import annotations

from dataclasses import replace

import pytest

from tests.models.bounds import BOUNDS, Bound, explored
from tests.models.explore import Explorer
from tests.models.hotplug import make_system
from tests.models.variants import WRONG, Case


@pytest.mark.parametrize("bound", BOUNDS, ids=lambda bound: bound.name)
def test_no_interleaving_uses_a_stale_translation_or_a_number_twice(bound: Bound) -> None:
    assert explored(bound).states > 3000


@pytest.mark.parametrize("reduced", [True, False], ids=["reduced", "every interleaving"])
@pytest.mark.parametrize("case", WRONG, ids=lambda case: case.name)
def test_a_wrong_variant_is_found_out(case: Case, reduced: bool) -> None:
    shape = replace(case.shape, symmetric=reduced)
    with pytest.raises(AssertionError):
        Explorer(make_system(shape, case.contexts, case.flusher).do(*case.before), case.operations, 200_000,
                 reduced=reduced).explore()


@pytest.mark.parametrize("bound", [bound for bound in BOUNDS if bound.name in (
    "MMIDs, next new space rolls over", "MMIDs of 2 bits, siblings", "MMIDs, CPUs that idle",
    "ASIDs, calls for everything")], ids=lambda bound: bound.name)
def test_the_reduction_leaves_out_no_outcome(bound: Bound) -> None:
    full, reduced = explored(bound, reduced=False), explored(bound)
    assert reduced.ends == full.ends
    assert reduced.states < full.states * 0.9


def test_a_counterexample_tells_every_step() -> None:
    case = next(case for case in WRONG if case.name == "NeverSynchronises")
    with pytest.raises(AssertionError) as found:
        Explorer(make_system(case.shape, case.contexts).do(*case.before), case.operations).explore()
    what, *steps = str(found.value).splitlines()
    assert "uses a page that was flushed" in what
    assert "unmap 0" in steps[0] and "_certify" in steps[-1]
    assert all(step.startswith("  CPU ") for step in steps)
