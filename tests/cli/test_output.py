"""Standard output that takes nothing: one line says so, whatever the verb."""
from __future__ import annotations

import errno
import io
import os
import sys
from pathlib import Path

import pytest

from tests.programs.build import build
from tests.support.cli import vmm
from vmm.cli.main import main, stand_in_streams


class Full(io.RawIOBase):
    """A file on a disk that is full."""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


SHOOTDOWN = ("lab", "shootdown", "--host-cpus", "1", "--processes", "1", "--threads", "1", "--rounds", "1", "--pages", "1")
VERBS = [("info", "cpus"), ("host", "{program}"), ("host", "--json", "{program}"), SHOOTDOWN, (*SHOOTDOWN, "--json"),
         ("explain", "0x80100000"), ("run", "--json"), ("run", "--stats", "--serial", "file:console")]


@pytest.mark.parametrize("arguments", VERBS, ids=" ".join)
def test_a_full_disk_is_told(arguments: tuple[str, ...], workplace: Path, monkeypatch: pytest.MonkeyPatch,
                             capsys: pytest.CaptureFixture[str]) -> None:
    program = str(build("sum", "o32", workplace))
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(Full(), 1), write_through=True))
    assert main([argument.format(program=program) for argument in arguments]) == 125
    monkeypatch.undo()
    assert capsys.readouterr().err == (
        "vmm: standard output cannot be written: No space left on device; send it elsewhere\n")


def test_a_file_of_ours_that_fails_is_no_matter_of_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> str:
        raise FileNotFoundError(errno.ENOENT, "gone", "tables")

    monkeypatch.setattr("vmm.cli.main.version", fails)
    with pytest.raises(FileNotFoundError):
        vmm("--version")


def test_streams_that_were_closed_lead_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    before = sys.stderr
    stand_in_streams()
    assert sys.stderr is before
    with sys.stdout as out:
        assert out.name == os.devnull
