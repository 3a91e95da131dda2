"""``vmm lab``: what it prints, and what it refuses."""
from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import refused, vmm

SMALL = ("lab", "shootdown", "--host-cpus", "2,1", "--processes", "1", "--threads", "2", "--rounds", "2", "--pages", "2")


def test_a_table_has_both_kinds_of_ids_for_each_number_of_cpus(workplace: Path) -> None:
    ran = vmm(*SMALL, "-o", "plot.svg")
    assert (ran.status, ran.err) == (0, "")
    title, head, *rows = ran.out.splitlines()
    assert "1 processes of 2 threads, 2 rounds of 2 pages, seed 0, turns of 200" in title
    assert head.split()[:2] == ["CPUs", "ids"]
    assert [row.split()[:2] for row in rows] == [["1", "ASIDs,"], ["1", "MMIDs,"], ["2", "ASIDs,"], ["2", "MMIDs,"]]
    assert (workplace / "plot.svg").stat().st_size > 10_000


def test_json_is_all_there_is() -> None:
    ran = vmm(*SMALL, "--json", "--seed", "5")
    assert ran.json["workload"]["seed"] == 5
    assert [(row["cpus"], row["ids"][:5]) for row in ran.json["rows"]] == [
        (1, "ASIDs"), (1, "MMIDs"), (2, "ASIDs"), (2, "MMIDs")]
    assert all(row["flushes"] for row in ran.json["rows"])


REFUSED: dict[str, tuple[list[str], str]] = {
    "no-experiment":  ([], "EXPERIMENT"),
    "unknown":        (["startup"], "shootdown"),
    "many-cpus":      (["shootdown", "--host-cpus", "1,65"], "1 to 64"),
    "no-cpus":        (["shootdown", "--host-cpus", "0"], "list of whole numbers above 0"),
    "no-list":        (["shootdown", "--host-cpus", "1,,2"], "give one such as 1,2,4"),
    "no-mmids":       (["shootdown", "--cpu", "P5600"], "choose I6500"),
    "no-cpu":         (["shootdown", "--cpu", "R9000"], "R9000"),
    "short-turns":    (["shootdown", "--quantum", "10"], "--quantum 10"),
    "many-threads":   (["shootdown", "--threads", "2K"], "--threads 2000: this experiment has 1 to 1024"),
    "many-rounds":    (["shootdown", "--rounds", "10G"], "1 to 1000000"),
    "much-memory":    (["shootdown", "--threads", "300", "--pages", "100"], "1200 threads of 100 pages need 479 MiB"),
    "many-pages":     (["shootdown", "--pages", "5000"], "1 to 4096"),
    "no-pages":       (["shootdown", "--pages", "0"], "above 0"),
    "no-suffix":      (["shootdown", "-o", "plot"], "ends in .svg or .png"),
    "no-file":        (["shootdown", "-o", "folder.svg"], "-o folder.svg: is a folder"),
    "no-folder":      (["shootdown", "-o", "none/plot.svg"], "no folder none"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_options_are_refused_before_anything_runs(name: str, workplace: Path) -> None:
    arguments, said = REFUSED[name]
    (workplace / "folder.svg").mkdir()
    assert said in refused(vmm("lab", *arguments))
    assert [file.name for file in workplace.iterdir()] == ["folder.svg"]
