"""The cache of compiled code: what does not match is compiled anew, never loaded."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vmm.engine import compile as compiling
from vmm.engine import native

KEY, CODE = bytes(range(32)), b"object code" * 100
Damage = Callable[[bytes], bytes]
DAMAGES: dict[str, Damage] = {
    "empty": lambda held: b"",
    "no magic": lambda held: b"x" + held[1:],
    "another key": lambda held: held[:13] + bytes(32) + held[45:],
    "wrong checksum": lambda held: held[:45] + bytes(32) + held[77:],
    "cut short": lambda held: held[:-1],
    "cut in its head": lambda held: held[:40],
    "a bit flipped": lambda held: held[:500] + bytes([held[500] ^ 4]) + held[501:],
    "longer": lambda held: held + b"\0",
}


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "cache" / "engine.o"
    compiling.write_cached(path, KEY, CODE)
    assert compiling.read_cached(path, KEY) == CODE
    assert compiling.read_cached(path, KEY[::-1]) is None
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [entry.name for entry in path.parent.iterdir()] == ["engine.o"]


def test_nothing_there_is_nothing(tmp_path: Path) -> None:
    assert compiling.read_cached(tmp_path / "engine.o", KEY) is None
    assert compiling.read_cached(tmp_path, KEY) is None


def test_what_may_be_of_other_sources_is_not_kept(compiled: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    newest = max(path.stat().st_mtime for path in compiling._sources())
    monkeypatch.setattr(compiling, "STARTED", newest + compiling.SETTLED_SECONDS - 1)
    assert [answer(compiling.load_library(False)) for _ in range(2)] == [42] * 2
    assert compiled == [False, False]


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_damage_is_noticed(tmp_path: Path, damage: Damage) -> None:
    path = tmp_path / "engine.o"
    compiling.write_cached(path, KEY, CODE)
    path.write_bytes(damage(path.read_bytes()))
    assert compiling.read_cached(path, KEY) is None


def test_a_folder_that_cannot_be_made_only_costs_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    compiling.write_cached(tmp_path / "file" / "engine.o", KEY, CODE)
    said = capsys.readouterr().err
    assert "cannot keep compiled code" in said
    assert "every start will compile" in said


def test_the_folder_is_the_users_or_the_one_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VMM_CACHE", str(tmp_path / "own"))
    assert compiling.cache_folder() == tmp_path / "own"
    monkeypatch.delenv("VMM_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert compiling.cache_folder() == tmp_path / "vmm"


def test_the_key_is_of_the_byte_order_and_the_sources(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for folder in compiling.SOURCES:
        (tmp_path / folder).mkdir()
    monkeypatch.setattr(compiling, "PACKAGE", tmp_path)
    first = compiling.module_key(False)
    assert compiling.module_key(False) == first
    assert compiling.module_key(True) != first
    for name in ("more.py", "more.ll"):
        (tmp_path / "arch" / name).write_text("")
        assert compiling.module_key(False) != first
        first = compiling.module_key(False)


TINY = "\n".join(f"define i64 @{name}(ptr %st) {{\n  ret i64 42\n}}" for name in compiling.EXPORTED)
"""A module with the engine's symbols, quick to compile."""


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[bool]:
    """What was compiled, by a small module in the engine's place and an empty cache."""
    made: list[bool] = []

    def text(big_endian: bool) -> str:
        made.append(big_endian)
        return TINY
    monkeypatch.setattr(native, "module_text", text)
    monkeypatch.setenv("VMM_CACHE", str(tmp_path))
    monkeypatch.setattr(compiling, "STARTED", float("inf"))   # the sources have been as they are for long
    return made


def answer(library: compiling.Library) -> int:
    return library.function("run")()


def test_the_engine_is_compiled_once(compiled: list[bool]) -> None:
    assert [answer(compiling.load_library(False)) for _ in range(3)] == [42] * 3
    assert compiled == [False]
    compiling.load_library(True)
    assert compiled == [False, True]


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_object_is_compiled_anew_and_repaired(compiled: list[bool], tmp_path: Path, damage: Damage) -> None:
    compiling.load_library(False)
    path = tmp_path / "engine-le.o"
    path.write_bytes(damage(path.read_bytes()))
    assert answer(compiling.load_library(False)) == 42
    assert answer(compiling.load_library(False)) == 42
    assert len(compiled) == 2


def test_an_object_without_our_symbols_is_compiled_anew(compiled: list[bool], tmp_path: Path) -> None:
    compiling.load_library(False)
    foreign = compiling.compile_module("define i64 @other() {\n  ret i64 1\n}")
    compiling.write_cached(tmp_path / "engine-le.o", compiling.module_key(False), foreign)
    assert answer(compiling.load_library(False)) == 42
    assert len(compiled) == 2


def test_an_object_of_sources_that_changed_under_a_process_is_not_its_own(compiled: list[bool],
                                                                             monkeypatch: pytest.MonkeyPatch) -> None:
    compiling.load_library(False)
    monkeypatch.setattr(compiling, "STARTED", 0.0)
    assert answer(compiling.load_library(False)) == 42
    assert len(compiled) == 2


def test_without_a_cache_the_engine_works(compiled: list[bool], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VMM_CACHE", str(tmp_path / "file"))
    assert answer(compiling.load_library(False)) == 42
