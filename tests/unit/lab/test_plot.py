"""Plots of the shootdown experiment: what the files are, and what is told where they cannot be."""
from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from vmm.errors import ConfigError
from vmm.lab import plot
from vmm.lab.measure import ASIDS, MMIDS, Measured

pytest.importorskip("matplotlib")
ROWS = [Measured(cpus, ids, 100, 99 * cpus * (ids == ASIDS), 90, 200, 300 + cpus, 1000 * cpus, 5000)
        for cpus in (1, 2, 4) for ids in (ASIDS, MMIDS)]


def test_an_svg_names_both_series_and_is_the_same_each_time(tmp_path: Path) -> None:
    paths = [tmp_path / "a.svg", tmp_path / "b.svg"]
    for path in paths:
        plot.check(str(path))
        plot.write(str(path), "shootdown", ROWS)
    root = ElementTree.parse(paths[0]).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts.count(ASIDS) == texts.count(MMIDS) == len(plot.PANELS)
    assert {"shootdown", "CPUs", *(name for name, _ in plot.PANELS)} <= set(texts)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert b"date" not in paths[0].read_bytes()


def test_a_png_is_one(tmp_path: Path) -> None:
    plot.write(str(tmp_path / "a.png"), "shootdown", ROWS)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG\r\n")


@pytest.mark.parametrize("name, said", [("a.pdf", "ends in .svg or .png"), ("a", "ends in"), ("none/a.svg", "no folder")])
def test_other_files_are_refused(name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        plot.check(str(tmp_path / name))


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.svg").mkdir()
    with pytest.raises(ConfigError, match="cannot be written"):
        plot.write(str(tmp_path / "a.svg"), "shootdown", ROWS)


def test_without_the_library_it_is_told_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ConfigError, match="pip install matplotlib"):
        plot.check(str(tmp_path / "a.svg"))
