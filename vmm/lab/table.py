"""What was measured, for people and for programs."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from vmm.lab.measure import Measured

COLUMNS: tuple[tuple[str, int, Callable[[Measured], str]], ...] = (
    ("CPUs",        4,   lambda m: f"{m.cpus}"),
    ("ids",         12,  lambda m: m.ids),
    ("flushes",     7,   lambda m: f"{m.flushes:,}"),
    ("IPIs",        9,   lambda m: f"{m.ipis:,}"),
    ("interrupted", 11,  lambda m: f"{m.interrupted:,}"),
    ("GINVTs",      7,   lambda m: f"{m.ginvts:,}"),
    ("TLB misses",  10,  lambda m: f"{m.misses:,}"),
    ("lost",        11,  lambda m: f"{m.lost:,}"),
    ("a flush",     7,   lambda m: f"{m.lost_each:,.0f}"),
    ("of all",      6,   lambda m: f"{m.share:.1%}"),
    ("ticks",       11,  lambda m: f"{m.ticks:,}"),
)
"""Title, width, text."""


def head() -> str:
    return _line([title for title, _, _ in COLUMNS])


def line(measured: Measured) -> str:
    return _line([text(measured) for _, _, text in COLUMNS])


def _line(texts: list[str]) -> str:
    """Numbers to the right, words to the left."""
    pairs = zip(texts, COLUMNS, strict=True)
    return "  ".join(f"{text:{'<' if title == 'ids' else '>'}{width}}" for text, (title, width, _) in pairs)


def figures(measured: Measured) -> dict[str, object]:
    return {**asdict(measured), "lost_each": round(measured.lost_each, 3), "share": round(measured.share, 6)}
