"""The table of the shootdown experiment in SPECIFICATION.md is what the experiment gives, to the digit."""
from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import vmm

pytestmark = pytest.mark.soak
SPECIFICATION = Path(__file__).parents[2] / "SPECIFICATION.md"


def row(asids: dict[str, float], mmids: dict[str, float]) -> str:
    pairs = [f"{asids[name]:{form}} | {mmids[name]:{form}}"
             for name, form in (("misses", ","), ("lost", ","), ("lost_each", ",.0f"), ("share", ".1%"), ("ticks", ","))]
    cells = [f"{asids['cpus']}", f"{asids['flushes']:,} and {mmids['flushes']:,}", f"{asids['ipis']:,}",
             f"{asids['interrupted']:,}", *pairs]
    return f"| {' | '.join(cells)} |"


def test_the_table_is_what_the_experiment_gives() -> None:
    found = vmm("lab", "shootdown", "--json").json["rows"]
    rows = [row(*pair) for pair in zip(found[::2], found[1::2], strict=True)]
    assert len(rows) == 6
    text = SPECIFICATION.read_text("utf-8")
    missing = [line for line in rows if line not in text]
    assert not missing, "\n".join(["these are not in SPECIFICATION.md:", *missing])
