"""``vmm host``: what a program says and how it ends, and one line for what is wrong."""
from __future__ import annotations

from pathlib import Path

import pytest

from tests.programs.build import build
from tests.support.cli import refused, vmm
from tests.support.elf import Load, elf


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("host")
    return {f"{name}-{kind}": str(build(name, kind, folder))
            for name, kind in (("sum", "o32"), ("faults", "o32"), ("family", "o32"), ("family", "n64r6"))}


def test_a_program_has_the_last_word(programs: dict[str, str]) -> None:
    ran = vmm("host", "--host-cpus", "2", programs["sum-o32"], "-x", "--stats")
    assert (ran.status, ran.out, ran.err) == (0, "--stats of 3: 269100 269100 269100\n", "")
    ran = vmm("host", "--env", "NAME=value", programs["family-o32"], "x")
    assert (ran.status, ran.out) == (33, f"executed {programs['family-o32']} with NAME=value, value 1\n")


def test_a_signal_that_ends_it_is_told(programs: dict[str, str]) -> None:
    ran = vmm("host", programs["faults-o32"])
    assert ran.status == 139
    assert ran.err.startswith(f"vmm: {programs['faults-o32']}: killed by SIGSEGV: read of 0x")
    assert ran.err.count("\n") == 1


def test_json_and_stats_say_what_was_done(programs: dict[str, str]) -> None:
    arguments = "--host-cpus", "4", "--mmids", "--seed", "7", programs["family-n64r6"]
    found = vmm("host", "--json", *arguments).json
    assert (found["cpu"], found["ids"], found["status"], found["unknown"]) == ("I6500", "MMIDs", 0, {})
    assert found["calls"]["fork"] == 7 and found["output"].endswith("no child: -1\n")
    assert found == vmm("host", "--json", *arguments).json
    shown = vmm("host", "--stats", *arguments)
    assert shown.out == found["output"]
    assert f"  {'ginvt':<28} {found['mmu']['ginvt']:>14,}\n" in shown.err


def test_limits_end_a_run(programs: dict[str, str]) -> None:
    ran = vmm("host", "--max-insns", "5000", programs["sum-o32"])
    assert ran.status == 124 and "--max-insns 5000: 5,000 were executed" in ran.err


@pytest.mark.parametrize(("cpus", "quantum", "most"), [(1, 50_000, 36), (2, 100, 2 * 100 + 2 * 36)])
def test_what_has_begun_at_a_limit_ends(programs: dict[str, str], cpus: int, quantum: int, most: int) -> None:
    """As the option's help says."""
    options = "--max-insns", "1", "--host-cpus", str(cpus), "--quantum", str(quantum)
    found = vmm("host", "--json", *options, programs["sum-o32"]).json
    assert found["ending"]["cause"] == "max-insns" and 1 <= found["retired"] <= most


def test_the_reference_engine_does_the_same(programs: dict[str, str]) -> None:
    ran = vmm("host", "--engine", "reference", programs["family-o32"], "x")
    assert (ran.status, ran.out) == (33, f"executed {programs['family-o32']} with PATH=/, value 1\n")


# fmt: off
WRONG: dict[str, tuple[list[str], str]] = {
    "missing":   (["nowhere"], "no such file"),
    "text":      (["text"], "not an ELF file"),
    "kernel":    (["kernel"], "linked at addresses that user programs do not have"),
    "dynamic":   (["dynamic"], "-static"),
    "cpu":       (["--cpu", "P5600", "{family-n64r6}"], "choose I6500"),
    "release":   (["--cpu", "I6500", "{sum-o32}"], "choose P5600"),
    "mmids":     (["--mmids", "{sum-o32}"], "an I6500 has"),
    "exec":      (["--exec", "nowhere", "{sum-o32}"], "no such file"),
    "mixed":     (["--exec", "big", "{sum-o32}"], "byte order"),
    "env":       (["--env", "NAME", "{sum-o32}"], "--env NAME"),
    "stdin":     (["--stdin", "nowhere", "{sum-o32}"], "--stdin"),
    "memory":    (["-m", "1G", "{sum-o32}"], "512M"),
    "odd":       (["-m", "1K", "{sum-o32}"], "-m 1K: memory comes in pages of 4K"),
    "little":    (["-m", "16K", "{sum-o32}"], "host memory"),
    "cpus":      (["--host-cpus", "65", "{sum-o32}"], "64"),
    "quantum":   (["--quantum", "5", "{sum-o32}"], "--quantum 5"),
    "long":      (["{sum-o32}", *["argument"] * 13_000], "longer than the 96K"),
    "twice":     (["--exec", "{sum-o32}", "--exec", "{family-n64r6}", "{sum-o32}"], "choose I6500"),
}
# fmt: on


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told_in_one_line(name: str, programs: dict[str, str], workplace: Path) -> None:
    Path("text").write_text("#!/bin/sh\n")
    Path("kernel").write_bytes(elf(Load(0x8010_0000)))
    Path("big").write_bytes(elf(Load(0x40_0000), big=True))
    dynamic = bytearray(Path(programs["sum-o32"]).read_bytes())
    dynamic[52:56] = (3).to_bytes(4, "little")               # the first program header becomes PT_INTERP
    Path("dynamic").write_bytes(dynamic)
    arguments, expected = WRONG[name]
    line = refused(vmm("host", *(argument.format(**programs) for argument in arguments)))
    assert expected in line
