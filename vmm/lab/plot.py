"""Measurements as a plot over the number of CPUs, by matplotlib, which only this module needs.

Invariant: the same measurements give the same bytes with the same matplotlib: no date, no chance, fonts by name.
"""
from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmm.errors import ConfigError
from vmm.lab.measure import ASIDS, MMIDS, Measured

if TYPE_CHECKING:
    from matplotlib.axes import Axes

METADATA: dict[str, dict[str, None]] = {".svg": {"Date": None, "Creator": None}, ".png": {"Software": None}}
"""By suffix: what the library would put into the file."""
SETTINGS: Any = {"svg.hashsalt": "vmm", "svg.fonttype": "none", "font.sans-serif": ["DejaVu Sans"], "font.size": 9}
"""Any: the library's names are literal types, which differ between its releases."""
SIZE_INCHES = (8, 6)
MARKS = {ASIDS: "o-", MMIDS: "s--"}

PANELS: tuple[tuple[str, Callable[[Measured], float]], ...] = (
    ("IPIs", lambda m: m.ipis),
    ("remote invalidations: tasks interrupted", lambda m: m.interrupted),
    ("TLB misses", lambda m: m.misses),
    ("instructions lost to flushes, on all CPUs", lambda m: m.lost),
)


def check(path: str) -> None:
    """Before anything is measured: can this be written?"""
    if Path(path).suffix not in METADATA:
        raise ConfigError(f"-o {path}: a plot is a file that ends in {' or '.join(METADATA)}")
    if not Path(path).parent.is_dir():
        raise ConfigError(f"-o {path}: there is no folder {Path(path).parent}; choose another file")
    if Path(path).is_dir() or not os.access(path if os.path.exists(path) else Path(path).parent, os.W_OK):
        raise ConfigError(f"-o {path}: is a folder, or may not be written; choose another file")
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise ConfigError("-o: plots need matplotlib, which is not installed; pip install matplotlib, or leave -o out: "
                          "the table needs none") from None


def write(path: str, title: str, measured: Sequence[Measured]) -> None:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(SETTINGS):
        figure = Figure(figsize=SIZE_INCHES, layout="constrained")
        figure.suptitle(title)
        for axes, (name, value) in zip(figure.subplots(2, 2).flat, PANELS, strict=True):
            _draw(axes, name, value, measured)
        try:
            figure.savefig(path, metadata=METADATA[Path(path).suffix])
        except OSError as error:
            raise ConfigError(f"-o {path}: cannot be written: {error.strerror}; choose another file") from None


def _draw(axes: Axes, name: str, value: Callable[[Measured], float], measured: Sequence[Measured]) -> None:
    cpus = sorted({row.cpus for row in measured})
    for ids, mark in MARKS.items():
        rows = sorted((row for row in measured if row.ids == ids), key=lambda row: row.cpus)
        axes.plot([row.cpus for row in rows], [value(row) for row in rows], mark, label=ids)
    axes.set_title(name)
    axes.set_xscale("log", base=2)
    axes.set_xticks(cpus, [str(number) for number in cpus])
    axes.set_xlabel("CPUs")
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.grid(alpha=0.3)
    axes.legend()
