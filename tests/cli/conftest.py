from __future__ import annotations

from pathlib import Path

import pytest

from vmm.guest.bundled import build
from vmm.guest.elfwriter import executable
from vmm.guest.image import Segment


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An own empty folder to be in, so that a test sees what a command leaves behind."""
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def kernel(workplace: Path) -> Path:
    """The bundled guest as a file."""
    path = workplace / "kernel.elf"
    path.write_bytes(build("vz"))
    return path


class Code:
    """Makes an image of a few words at 0x80100000."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, *words: int, base: int = 0x8010_0000, bits: int = 32) -> str:
        data = b"".join(word.to_bytes(4, "little") for word in words)
        path = self._folder / "code.elf"
        path.write_bytes(executable([Segment(base, data, len(data))], entry=base, bits=bits))
        return str(path)


@pytest.fixture
def code(workplace: Path) -> Code:
    return Code(workplace)
