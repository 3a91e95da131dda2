"""Two boots of Debian's kernel are one: the same console, instruction counts and exits in another process.

The slices of a run follow the clock on the wall, and the order of a set the hash seed; neither may show.
"""
from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import vmm
from tests.support.debian import netboot
from tests.support.sessions import CORES, PROMPT, Core

ROOT = Path(vmm.__file__).parent.parent
BOOTED = [core for core in CORES if core.cpu in ("24Kf", "MIPS64R5-generic")]
assert {core.mode for core in BOOTED} == {"bare", "vz"}


def booted(core: Core, seed: str) -> Any:
    folder = netboot(core.architecture)
    image = next(folder.glob("vmlinuz-*"))
    ran = subprocess.run(
        [sys.executable, "-m", "vmm", "run", image, "--mode", core.mode, "--cpu", core.cpu, "-i", folder / "initrd.gz",
         "-a", f"console=ttyS0 rdinit=/bin/sh{core.extra}", "--until", PROMPT, "--json"], cwd=ROOT, check=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env={**os.environ, "PYTHONHASHSEED": seed})
    return json.loads(ran.stdout)


@pytest.mark.soak
@pytest.mark.parametrize("core", BOOTED, ids=str)
def test_two_boots_are_equal(core: Core) -> None:
    first, second = booted(core, "1"), booted(core, "2")
    print(f"{core}: {first['retired']:,} instructions, {first['ticks']:,} ticks, {sum(first['exits'].values()):,} exits")
    assert first["ending"]["cause"] == "until" and "Run /bin/sh as init process" in first["console"]
    assert bool(first["exits"]) == (core.mode == "vz")
    assert first == second
