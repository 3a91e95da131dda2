"""Runs a ``vmm`` command in this process, so that a test of one takes milliseconds.

The process must be left as it was found: standard streams are put back, whatever happens.
"""
from __future__ import annotations

import io
import json
import sys
from dataclasses import dataclass
from typing import Any

from vmm.cli.main import main


@dataclass(frozen=True, slots=True)
class Ran:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def vmm(*arguments: str) -> Ran:
    """Without standard input: no key can come."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    before = sys.stdin, sys.stdout, sys.stderr
    sys.stdin, sys.stdout, sys.stderr = None, out, err      # type: ignore[assignment]
    try:
        status = main(arguments)
    except SystemExit as over:                              # --help
        status = int(over.code or 0)
    finally:
        sys.stdin, sys.stdout, sys.stderr = before
    texts = (stream.buffer.getvalue().decode() for stream in (out, err))  # type: ignore[attr-defined]
    return Ran(status, *texts)


def refused(ran: Ran) -> str:
    """The one line of an error of the user's, without its beginning."""
    assert (ran.status, ran.out) == (125, ""), ran
    assert ran.err.startswith("vmm: ") and ran.err.count("\n") == 1 and ran.err.endswith("\n"), ran.err
    return ran.err.removeprefix("vmm: ")
